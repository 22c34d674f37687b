/**
 * A request of the secure world as tee-supplicant holds it: one buffer, received and sent back. The
 * parameters for the protocol (META) come first; handlers see those behind them.
 *
 * Upstream counterpart: union tee_rpc_invoke, find_params(), get_value() and the MEMREF_ macros of
 * tee-supplicant/src/tee_supplicant.c.
 */
import {
  TEE_IOCTL_PARAM_ATTR_META,
  TEE_IOCTL_PARAM_ATTR_TYPE_MASK,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
  TeeIoclSuppRecvArg,
  TeeIoclSuppSendArg,
  TeeIoctlBufData,
  TeeIoctlParam,
  suppRecvArgSize,
  suppSendArgSize,
} from '../../abi/tee.ts';
import { UUID_LEN } from '../../abi/uuid.ts';
import type { Va } from '../../machine/address.ts';
import type { Frame } from '../frame.ts';

/** Parameters that each receive has room for: one for the protocol and four. */
const RPC_NUM_PARAMS = 5;

/** Where the `tee_ioctl_buf_data`, the request and a small argument are in the frame. */
const BUF_DATA = 0;
const REQUEST = BUF_DATA + TeeIoctlBufData.byteLength;
const REQUEST_SIZE = suppRecvArgSize(RPC_NUM_PARAMS);
export const SMALL = REQUEST + REQUEST_SIZE;
/** All of it, as a power of two. */
export const FRAME_SIZE = 256;

const VALUES: ReadonlySet<number> = new Set([
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
]);
const MEMREFS: ReadonlySet<number> = new Set([
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
]);

/** Fields of a value. */
type ValueField = 'a' | 'b' | 'c';

const TWO_32 = 2 ** 32;

/** One thread's request. Handlers may block between any two calls. */
export class RpcRequest {
  readonly #frame: Frame;
  /** Parameters of the protocol in front of the others. */
  numMeta = 0;
  /** Parameters of the request itself. */
  numParams = 0;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  /** Readies the buffer for TEE_IOC_SUPPL_RECV. @returns the ioctl's argument. */
  beginReceive(): Va {
    const { ram } = this.#frame;
    const at = this.#frame.clear(REQUEST, REQUEST_SIZE);
    TeeIoclSuppRecvArg.numParams.set(ram, at, RPC_NUM_PARAMS);
    // Says that this supplicant serves several requests at a time.
    const first = at + TeeIoclSuppRecvArg.byteLength;
    TeeIoctlParam.attr.setNum(ram, first, TEE_IOCTL_PARAM_ATTR_META);
    return this.#bufData(REQUEST_SIZE);
  }

  /** Tells the parameters apart; false when one of the protocol's stands behind another. */
  parse(): boolean {
    this.numMeta = 0;
    this.numParams = TeeIoclSuppRecvArg.numParams.get(this.#frame.ram, this.#request());
    while (this.numParams > 0 && this.#isMeta(0)) {
      this.numMeta += 1;
      this.numParams -= 1;
    }
    for (let n = 0; n < this.numParams; n++) if (this.#isMeta(n)) return false;
    return true;
  }

  /** OPTEE_RPC_CMD_* */
  get func(): number {
    return TeeIoclSuppRecvArg.func.get(this.#frame.ram, this.#request());
  }

  /** Readies the same buffer for TEE_IOC_SUPPL_SEND. @returns the ioctl's argument. */
  beginSend(ret: number): Va {
    TeeIoclSuppSendArg.ret.set(this.#frame.ram, this.#request(), ret);
    return this.#bufData(suppSendArgSize(this.numMeta + this.numParams));
  }

  /** TEE_IOCTL_PARAM_ATTR_TYPE_* of a parameter. */
  type(n: number): number {
    return this.#attr(n) & TEE_IOCTL_PARAM_ATTR_TYPE_MASK;
  }
  isValue(n: number): boolean {
    return n < this.numParams && VALUES.has(this.type(n));
  }
  isMemref(n: number): boolean {
    return n < this.numParams && MEMREFS.has(this.type(n));
  }

  /** The parameters are exactly these, TEE_IOCTL_PARAM_ATTR_TYPE_* each. */
  is(types: readonly number[]): boolean {
    return types.length === this.numParams && types.every((type, n) => type === this.type(n));
  }

  // --- values, as the C types that they are assigned to
  /** A `__u64`; what lies beyond 2^53 is rounded. */
  num(field: ValueField, n: number): number {
    return TeeIoctlParam[field].num(this.#frame.ram, this.#param(n));
  }
  /** A `uint32_t`. */
  u32(field: ValueField, n: number): number {
    return TeeIoctlParam[field].lo(this.#frame.ram, this.#param(n));
  }
  /** An `int`, whatever else the 64 bits hold: an id, a file descriptor, a handle. */
  int(field: ValueField, n: number): number {
    return this.u32(field, n) | 0;
  }
  /** An `off_t`. */
  signed(field: ValueField, n: number): number {
    const high = TeeIoctlParam[field].hi(this.#frame.ram, this.#param(n)) | 0;
    return high * TWO_32 + this.u32(field, n);
  }
  set(field: ValueField, n: number, value: number): void {
    TeeIoctlParam[field].setNum(this.#frame.ram, this.#param(n), value);
  }
  /** A value's first 16 bytes, which hold a UUID; a copy. */
  octets(n: number): Uint8Array {
    const at = this.#param(n) + TeeIoctlParam.a.offset;
    return this.#frame.bytes.slice(at, at + UUID_LEN);
  }

  // --- memory references
  offset(n: number): number {
    return this.num('a', n);
  }
  size(n: number): number {
    return this.num('b', n);
  }
  setSize(n: number, size: number): void {
    this.set('b', n, size);
  }
  /** The buffer's id; -1 for TEE_MEMREF_NULL. */
  shmId(n: number): number {
    return this.int('c', n);
  }

  #attr(n: number): number {
    return TeeIoctlParam.attr.num(this.#frame.ram, this.#param(n));
  }

  #isMeta(n: number): boolean {
    return (this.#attr(n) & TEE_IOCTL_PARAM_ATTR_META) !== 0;
  }

  /** Where the request is in RAM. */
  #request(): number {
    return this.#frame.refresh() + REQUEST;
  }

  #param(n: number): number {
    const first = this.#request() + TeeIoclSuppRecvArg.byteLength;
    return first + (this.numMeta + n) * TeeIoctlParam.byteLength;
  }

  #bufData(length: number): Va {
    const at = this.#frame.refresh() + BUF_DATA;
    TeeIoctlBufData.bufPtr.setNum(this.#frame.ram, at, this.#frame.address(REQUEST));
    TeeIoctlBufData.bufLen.setNum(this.#frame.ram, at, length);
    return this.#frame.address(BUF_DATA);
  }
}
