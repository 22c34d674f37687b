/**
 * The ioctls of a TEE as a program makes them: structs laid out in its memory, results read back
 * from there. Fields can be set to anything that their bits can hold.
 */
import { errnoName } from '../../src/abi/errno.ts';
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../src/abi/fcntl.ts';
import * as abi from '../../src/abi/tee.ts';
import { UUID_LEN, parseUuid } from '../../src/abi/uuid.ts';
import { bytesOf, decode, encode, viewOf } from '../../src/linux/tee/testing/params.ts';
import type { UserParam, UserParamOut } from '../../src/linux/tee/testing/params.ts';
import type { TeeProcess } from './target.ts';

/** A system call's result for messages: `-EINVAL` as `EINVAL`. */
export type Outcome = number | string;
export const outcome = (rc: number): Outcome => (rc < 0 ? (errnoName(-rc) ?? rc) : rc);

/** Nothing is ever mapped there. */
export const BAD_ADDRESS = 16;
/** In no process's half. */
export const KERNEL_ADDRESS = 0xffff_8000_0000_0000n;

const RW = PROT_READ | PROT_WRITE;
const ARENA_BYTES = 64 * 1024;
const ALIGN = 16;

/** A tee_ioctl_buf_data that says something else than the truth. */
export interface BufOverride {
  readonly bufPtr?: number | bigint;
  readonly bufLen?: number | bigint;
}

export interface OpenCall {
  readonly uuid: string;
  readonly login?: number;
  readonly clntUuid?: Uint8Array;
  readonly params?: readonly UserParam[];
  readonly numParams?: number;
  readonly buf?: BufOverride;
}

export interface InvokeCall {
  readonly session: number;
  readonly func?: number;
  readonly params?: readonly UserParam[];
  readonly numParams?: number;
  readonly buf?: BufOverride;
}

/** What OPEN_SESSION and INVOKE leave in their argument. */
export interface Reply {
  readonly rc: Outcome;
  readonly session: number;
  readonly ret: number;
  readonly origin: number;
  readonly params: readonly UserParamOut[];
}

export interface ShmReply {
  /** The fd, or an errno. */
  readonly rc: Outcome;
  readonly fd: number;
  readonly id: number;
  readonly size: number;
  readonly flags: number;
}

/** A request, or an answer, of a supplicant. */
export interface SuppReply {
  readonly rc: Outcome;
  readonly func: number;
  readonly params: readonly UserParamOut[];
}

export class Caller {
  readonly process: TeeProcess;
  /** An arena for arguments, used again by each call. */
  readonly #arena: number;
  #used = 0;

  private constructor(process: TeeProcess, arena: number) {
    this.process = process;
    this.#arena = arena;
  }

  static async of(process: TeeProcess): Promise<Caller> {
    return new Caller(process, await anonymous(process, ARENA_BYTES));
  }

  /** Fresh zeroed pages. */
  map(length: number, prot = RW): Promise<number> {
    return anonymous(this.process, length, prot);
  }

  /** An ioctl on a struct; the struct afterwards comes with the result. */
  async struct(fd: number, cmd: number, view: DataView): Promise<{ rc: number; out: DataView }> {
    this.#used = 0;
    const at = await this.#place(bytesOf(view));
    const rc = await this.process.ioctl(fd, cmd, at);
    return { rc, out: viewOf(await this.process.peek(at, view.byteLength)) };
  }

  /** An ioctl on a `tee_ioctl_buf_data` over a buffer. */
  async buffer(
    fd: number,
    cmd: number,
    view: DataView,
    override: BufOverride = {},
  ): Promise<{ rc: number; out: DataView }> {
    this.#used = 0;
    const at = await this.#place(bytesOf(view));
    const data = viewOf(new Uint8Array(abi.TeeIoctlBufData.byteLength));
    abi.TeeIoctlBufData.bufPtr.set(data, 0, BigInt(override.bufPtr ?? at));
    abi.TeeIoctlBufData.bufLen.set(data, 0, BigInt(override.bufLen ?? view.byteLength));
    const rc = await this.process.ioctl(fd, cmd, await this.#place(bytesOf(data)));
    return { rc, out: viewOf(await this.process.peek(at, view.byteLength)) };
  }

  async shmAlloc(fd: number, size: number | bigint, flags = 0): Promise<ShmReply> {
    const data = abi.TeeIoctlShmAllocData;
    const view = viewOf(new Uint8Array(data.byteLength));
    data.size.set(view, 0, BigInt(size));
    data.flags.set(view, 0, flags);
    const { rc, out } = await this.struct(fd, abi.TEE_IOC_SHM_ALLOC, view);
    const left = { id: data.id.get(out, 0), flags: data.flags.get(out, 0) };
    return { rc: outcome(rc), fd: rc, size: data.size.num(out, 0), ...left };
  }

  async shmRegister(
    fd: number,
    addr: number | bigint,
    length: number | bigint,
    flags = 0,
  ): Promise<ShmReply> {
    const data = abi.TeeIoctlShmRegisterData;
    const view = viewOf(new Uint8Array(data.byteLength));
    data.addr.set(view, 0, BigInt(addr));
    data.length.set(view, 0, BigInt(length));
    data.flags.set(view, 0, flags);
    const { rc, out } = await this.struct(fd, abi.TEE_IOC_SHM_REGISTER, view);
    const left = { id: data.id.get(out, 0), flags: data.flags.get(out, 0) };
    return { rc: outcome(rc), fd: rc, size: data.length.num(out, 0), ...left };
  }

  async openSession(fd: number, call: OpenCall): Promise<Reply> {
    const arg = abi.TeeIoctlOpenSessionArg;
    const { params = [], clntUuid = new Uint8Array(UUID_LEN) } = call;
    const view = encode(arg.byteLength, params);
    arg.uuid.bytes(view, 0).set(parseUuid(call.uuid));
    arg.clntUuid.bytes(view, 0).set(clntUuid);
    arg.clntLogin.set(view, 0, call.login ?? abi.TEE_IOCTL_LOGIN_PUBLIC);
    arg.numParams.set(view, 0, call.numParams ?? params.length);
    const { rc, out } = await this.buffer(fd, abi.TEE_IOC_OPEN_SESSION, view, call.buf);
    return {
      rc: outcome(rc),
      session: arg.session.get(out, 0),
      ret: arg.ret.get(out, 0),
      origin: arg.retOrigin.get(out, 0),
      params: decode(out, arg.byteLength, params.length),
    };
  }

  async invoke(fd: number, call: InvokeCall): Promise<Reply> {
    const arg = abi.TeeIoctlInvokeArg;
    const { params = [] } = call;
    const view = encode(arg.byteLength, params);
    arg.func.set(view, 0, call.func ?? 0);
    arg.session.set(view, 0, call.session);
    arg.numParams.set(view, 0, call.numParams ?? params.length);
    const { rc, out } = await this.buffer(fd, abi.TEE_IOC_INVOKE, view, call.buf);
    return {
      rc: outcome(rc),
      session: call.session,
      ret: arg.ret.get(out, 0),
      origin: arg.retOrigin.get(out, 0),
      params: decode(out, arg.byteLength, params.length),
    };
  }

  async cancel(fd: number, session: number, cancelId = 0): Promise<Outcome> {
    const arg = abi.TeeIoctlCancelArg;
    const view = viewOf(new Uint8Array(arg.byteLength));
    arg.session.set(view, 0, session);
    arg.cancelId.set(view, 0, cancelId);
    return outcome((await this.struct(fd, abi.TEE_IOC_CANCEL, view)).rc);
  }

  async closeSession(fd: number, session: number): Promise<Outcome> {
    const arg = abi.TeeIoctlCloseSessionArg;
    const view = viewOf(new Uint8Array(arg.byteLength));
    arg.session.set(view, 0, session);
    return outcome((await this.struct(fd, abi.TEE_IOC_CLOSE_SESSION, view)).rc);
  }

  /** @param params what the supplicant offers room with. */
  async supplRecv(fd: number, params: readonly UserParam[], buf?: BufOverride): Promise<SuppReply> {
    const arg = abi.TeeIoclSuppRecvArg;
    const view = encode(arg.byteLength, params);
    arg.numParams.set(view, 0, params.length);
    const { rc, out } = await this.buffer(fd, abi.TEE_IOC_SUPPL_RECV, view, buf);
    const used = Math.min(arg.numParams.get(out, 0), params.length);
    return {
      rc: outcome(rc),
      func: arg.func.get(out, 0),
      params: decode(out, arg.byteLength, used),
    };
  }

  async supplSend(
    fd: number,
    ret: number,
    params: readonly UserParam[],
    override: BufOverride & { readonly numParams?: number } = {},
  ): Promise<Outcome> {
    const arg = abi.TeeIoclSuppSendArg;
    const view = encode(arg.byteLength, params);
    arg.ret.set(view, 0, ret);
    arg.numParams.set(view, 0, override.numParams ?? params.length);
    return outcome((await this.buffer(fd, abi.TEE_IOC_SUPPL_SEND, view, override)).rc);
  }

  async #place(bytes: Uint8Array): Promise<number> {
    const at = this.#arena + this.#used;
    this.#used += Math.ceil(bytes.length / ALIGN) * ALIGN;
    await this.process.poke(at, bytes);
    return at;
  }
}

async function anonymous(process: TeeProcess, length: number, prot = RW): Promise<number> {
  const at = await process.mmap({ length, prot, flags: MAP_PRIVATE | MAP_ANONYMOUS });
  if (at < 0) throw new Error(`mmap of ${length} bytes: ${outcome(at)}`);
  return at;
}
