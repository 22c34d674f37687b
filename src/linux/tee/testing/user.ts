/** For tests: a program that knows the ioctls of a TEE. */
import { O_RDWR } from '../../../abi/fcntl.ts';
import * as abi from '../../../abi/tee.ts';
import { va } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
import type { Kernel } from '../../process/kernel.ts';
import { Program } from '../../process/program.ts';
import type { ProcessOptions } from '../../process/user-process.ts';
import { bytesOf, decode, encode, viewOf } from './params.ts';
import type { UserParam, UserParamOut } from './params.ts';

/** Nothing is mapped there. */
export const BAD = va(16);

export interface Answer {
  readonly rc: number;
  readonly ret: number;
  readonly origin: number;
  readonly session: number;
  readonly params: readonly UserParamOut[];
}

/** A program that calls a TEE. */
export class TeeUser {
  readonly program: Program;

  constructor(kernel: Kernel, options: ProcessOptions) {
    this.program = new Program(kernel, options);
  }

  get memory(): Program['memory'] {
    return this.program.memory;
  }

  async open(path = '/dev/tee0'): Promise<number> {
    return await this.program.run(this.program.sys.open(path, O_RDWR));
  }
  async close(fd: number): Promise<number> {
    return await this.program.run(this.program.sys.close(fd));
  }
  async ioctl(fd: number, cmd: number, arg: Va): Promise<number> {
    return await this.program.run(this.program.sys.ioctl(fd, cmd, arg));
  }

  /** Bytes put into fresh memory. */
  place(bytes: Uint8Array): Va {
    const at = this.memory.malloc(bytes.length);
    this.memory.write(at, bytes);
    return at;
  }

  /** An ioctl on a struct of its own; the struct afterwards comes with the result. */
  async call(fd: number, cmd: number, bytes: Uint8Array): Promise<{ rc: number; view: DataView }> {
    const at = this.place(bytes);
    const rc = await this.ioctl(fd, cmd, at);
    const view = viewOf(this.memory.read(at, bytes.length));
    this.memory.free(at);
    return { rc, view };
  }

  /** SHM_ALLOC */
  async alloc(fd: number, size: number | bigint, flags = 0): Promise<Shared> {
    const data = abi.TeeIoctlShmAllocData;
    const view = viewOf(new Uint8Array(data.byteLength));
    data.size.set(view, 0, BigInt(size));
    data.flags.set(view, 0, flags);
    const done = await this.call(fd, abi.TEE_IOC_SHM_ALLOC, bytesOf(view));
    return { fd: done.rc, id: data.id.get(done.view, 0), size: data.size.get(done.view, 0) };
  }

  /** SHM_REGISTER */
  async register(fd: number, addr: number | bigint, length: number | bigint): Promise<Shared> {
    const data = abi.TeeIoctlShmRegisterData;
    const view = viewOf(new Uint8Array(data.byteLength));
    data.addr.set(view, 0, BigInt(addr));
    data.length.set(view, 0, BigInt(length));
    const done = await this.call(fd, abi.TEE_IOC_SHM_REGISTER, bytesOf(view));
    return { fd: done.rc, id: data.id.get(done.view, 0), size: data.length.get(done.view, 0) };
  }

  /** An ioctl that takes a `tee_ioctl_buf_data`, over a buffer in user space. */
  async buffer(
    fd: number,
    cmd: number,
    at: number | bigint,
    length: number | bigint,
  ): Promise<number> {
    const view = viewOf(new Uint8Array(abi.TeeIoctlBufData.byteLength));
    abi.TeeIoctlBufData.bufPtr.set(view, 0, BigInt(at));
    abi.TeeIoctlBufData.bufLen.set(view, 0, BigInt(length));
    return (await this.call(fd, cmd, bytesOf(view))).rc;
  }

  /** INVOKE */
  async invoke(fd: number, func: number, params: readonly UserParam[] = []): Promise<Answer> {
    const arg = abi.TeeIoctlInvokeArg;
    const view = encode(arg.byteLength, params);
    arg.func.set(view, 0, func);
    arg.session.set(view, 0, 7);
    arg.numParams.set(view, 0, params.length);
    const { rc, out } = await this.#exchange(fd, abi.TEE_IOC_INVOKE, view);
    return {
      rc,
      ret: arg.ret.get(out, 0),
      origin: arg.retOrigin.get(out, 0),
      session: arg.session.get(out, 0),
      params: decode(out, arg.byteLength, params.length),
    };
  }

  /** OPEN_SESSION */
  async openSession(fd: number, login = 0, params: readonly UserParam[] = []): Promise<Answer> {
    const arg = abi.TeeIoctlOpenSessionArg;
    const view = encode(arg.byteLength, params);
    arg.clntLogin.set(view, 0, login);
    arg.numParams.set(view, 0, params.length);
    const { rc, out } = await this.#exchange(fd, abi.TEE_IOC_OPEN_SESSION, view);
    return {
      rc,
      ret: arg.ret.get(out, 0),
      origin: arg.retOrigin.get(out, 0),
      session: arg.session.get(out, 0),
      params: decode(out, arg.byteLength, params.length),
    };
  }

  async #exchange(fd: number, cmd: number, view: DataView): Promise<{ rc: number; out: DataView }> {
    const at = this.place(bytesOf(view));
    const rc = await this.buffer(fd, cmd, at, view.byteLength);
    const out = viewOf(this.memory.read(at, view.byteLength));
    this.memory.free(at);
    return { rc, out };
  }
}

export interface Shared {
  /** Or the negative errno. */
  readonly fd: number;
  readonly id: number;
  readonly size: bigint;
}
