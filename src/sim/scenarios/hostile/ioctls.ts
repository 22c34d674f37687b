/**
 * The ioctls of a supplicant with arguments of any kind: one object a thread, with the memory that
 * the arguments lie in.
 */
import {
  TEE_IOC_SHM_ALLOC,
  TEE_IOC_SHM_REGISTER,
  TEE_IOC_SUPPL_RECV,
  TEE_IOC_SUPPL_SEND,
  TeeIoclSuppRecvArg,
  TeeIoclSuppSendArg,
  TeeIoctlBufData,
  TeeIoctlParam,
  TeeIoctlShmAllocData,
  TeeIoctlShmRegisterData,
  suppRecvArgSize,
} from '../../../abi/tee.ts';
import type { Program } from '../../../linux/process/program.ts';
import type { Syscalls } from '../../../linux/process/syscalls.ts';
import type { Va } from '../../../machine/address.ts';
import type { Co } from '../../../sched/task.ts';
import { Frame } from '../../../userland/frame.ts';

const BUF_DATA = 0;
const SMALL = BUF_DATA + TeeIoctlBufData.byteLength;
const ARG = SMALL + TeeIoctlShmRegisterData.byteLength;
/** A power of two with room for an argument of six parameters. */
const FRAME_SIZE = 256;

/** A parameter as the supplicant sees it: the low halves are all that it ever needs. */
export interface RawParam {
  readonly attr: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

/** What SUPPL_RECV brought. */
export interface RawRequest {
  readonly func: number;
  readonly params: readonly RawParam[];
}

/** Shared memory as its ioctl answers: `fd` may be a negative errno. */
export interface RawShm {
  readonly fd: number;
  readonly id: number;
}

export class SuppIoctls {
  readonly sys: Syscalls;
  readonly #program: Program;
  readonly #frame: Frame;

  constructor(program: Program, sys: Syscalls) {
    this.#program = program;
    this.sys = sys;
    this.#frame = new Frame(program, FRAME_SIZE);
  }

  /** SUPPL_RECV into the thread's own buffer. @returns the request, or a negative errno. */
  *recv(fd: number, slots: readonly RawParam[]): Co<RawRequest | number> {
    const at = this.#frame.address(ARG);
    this.#program.memory.write(at, recvArg(slots));
    const rc = yield* this.recvAt(fd, at, suppRecvArgSize(slots.length));
    return rc === 0 ? this.#received() : rc;
  }

  /** SUPPL_RECV into a buffer that lies anywhere. */
  recvAt(fd: number, at: Va, length: number): Co<number> {
    return this.sys.ioctl(fd, TEE_IOC_SUPPL_RECV, this.#bufData(at, length));
  }

  *send(fd: number, ret: number, params: readonly RawParam[]): Co<number> {
    const { ram } = this.#frame;
    const arg = this.#frame.clear(ARG, FRAME_SIZE - ARG);
    TeeIoclSuppSendArg.ret.set(ram, arg, ret);
    TeeIoclSuppSendArg.numParams.set(ram, arg, params.length);
    putParams(ram, arg + TeeIoclSuppSendArg.byteLength, params);
    const length = suppRecvArgSize(params.length);
    const at = this.#bufData(this.#frame.address(ARG), length);
    return yield* this.sys.ioctl(fd, TEE_IOC_SUPPL_SEND, at);
  }

  *shmAlloc(fd: number, size: number): Co<RawShm> {
    const { ram } = this.#frame;
    const data = TeeIoctlShmAllocData;
    data.size.setNum(ram, this.#frame.clear(SMALL, data.byteLength), size);
    const shm = yield* this.sys.ioctl(fd, TEE_IOC_SHM_ALLOC, this.#frame.address(SMALL));
    return { fd: shm, id: data.id.get(ram, this.#frame.refresh() + SMALL) };
  }

  *shmRegister(fd: number, at: Va, size: number): Co<RawShm> {
    const { ram } = this.#frame;
    const data = TeeIoctlShmRegisterData;
    const arg = this.#frame.clear(SMALL, data.byteLength);
    data.addr.setNum(ram, arg, at);
    data.length.setNum(ram, arg, size);
    const shm = yield* this.sys.ioctl(fd, TEE_IOC_SHM_REGISTER, this.#frame.address(SMALL));
    return { fd: shm, id: data.id.get(ram, this.#frame.refresh() + SMALL) };
  }

  #bufData(at: Va, length: number): Va {
    const { ram } = this.#frame;
    const data = this.#frame.refresh() + BUF_DATA;
    TeeIoctlBufData.bufPtr.setNum(ram, data, at);
    TeeIoctlBufData.bufLen.setNum(ram, data, length);
    return this.#frame.address(BUF_DATA);
  }

  #received(): RawRequest {
    const { ram } = this.#frame;
    const arg = this.#frame.refresh() + ARG;
    const count = TeeIoclSuppRecvArg.numParams.get(ram, arg);
    const first = arg + TeeIoclSuppRecvArg.byteLength;
    const params = Array.from({ length: count }, (_, n) =>
      paramAt(ram, first + n * TeeIoctlParam.byteLength),
    );
    return { func: TeeIoclSuppRecvArg.func.get(ram, arg), params };
  }
}

/** The bytes of a `tee_iocl_supp_recv_arg`. */
export function recvArg(slots: readonly RawParam[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(suppRecvArgSize(slots.length)));
  TeeIoclSuppRecvArg.numParams.set(view, 0, slots.length);
  putParams(view, TeeIoclSuppRecvArg.byteLength, slots);
  return new Uint8Array(view.buffer);
}

function putParams(view: DataView, first: number, params: readonly RawParam[]): void {
  for (const [n, { attr, a, b, c }] of params.entries()) {
    const at = first + n * TeeIoctlParam.byteLength;
    TeeIoctlParam.attr.setPair(view, at, attr, 0);
    TeeIoctlParam.a.setPair(view, at, a, 0);
    TeeIoctlParam.b.setPair(view, at, b, 0);
    TeeIoctlParam.c.setPair(view, at, c, 0);
  }
}

const paramAt = (view: DataView, at: number): RawParam => ({
  attr: TeeIoctlParam.attr.lo(view, at),
  a: TeeIoctlParam.a.lo(view, at),
  b: TeeIoctlParam.b.lo(view, at),
  c: TeeIoctlParam.c.lo(view, at),
});
