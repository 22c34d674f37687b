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
    return this.#get('attr', n) & TEE_IOCTL_PARAM_ATTR_TYPE_MASK;
  }
  isValue(n: number): boolean {
    return n < this.numParams && VALUES.has(this.type(n));
  }
  isMemref(n: number): boolean {
    return n < this.numParams && MEMREFS.has(this.type(n));
  }

  // --- values
  b(n: number): number {
    return this.#get('b', n);
  }
  setB(n: number, value: number): void {
    TeeIoctlParam.b.setNum(this.#frame.ram, this.#param(n), value);
  }
  setC(n: number, value: number): void {
    TeeIoctlParam.c.setNum(this.#frame.ram, this.#param(n), value);
  }
  /** A value's first 16 bytes, which hold a UUID; a copy. */
  octets(n: number): Uint8Array {
    const at = this.#param(n) + TeeIoctlParam.a.offset;
    return this.#frame.bytes.slice(at, at + UUID_LEN);
  }

  // --- memory references
  offset(n: number): number {
    return this.#get('a', n);
  }
  size(n: number): number {
    return this.#get('b', n);
  }
  setSize(n: number, size: number): void {
    this.setB(n, size);
  }
  /** The buffer's id; -1 for TEE_MEMREF_NULL. */
  shmId(n: number): number {
    return this.idIn('c', n);
  }

  /** An id in one of the fields of a parameter: an int, whatever else the 64 bits hold. */
  idIn(field: 'b' | 'c', n: number): number {
    return TeeIoctlParam[field].lo(this.#frame.ram, this.#param(n)) | 0;
  }

  #get(field: 'attr' | 'a' | 'b', n: number): number {
    return TeeIoctlParam[field].num(this.#frame.ram, this.#param(n));
  }

  #isMeta(n: number): boolean {
    return (this.#get('attr', n) & TEE_IOCTL_PARAM_ATTR_META) !== 0;
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
