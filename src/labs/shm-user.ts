/**
 * A program that does nothing but share memory with the TEE, by the ioctls themselves: what the
 * client library does on top would blur what the kernel answers.
 */
import { O_RDWR } from '../abi/fcntl.ts';
import {
  TEE_IOC_SHM_ALLOC,
  TEE_IOC_SHM_REGISTER,
  TeeIoctlShmAllocData,
  TeeIoctlShmRegisterData,
} from '../abi/tee.ts';
import { AT_FDCWD } from '../abi/fcntl.ts';
import type { Box } from '../box/box.ts';
import type { ProcessOptions } from '../linux/process/user-process.ts';
import type { Program } from '../linux/process/program.ts';
import { OutOfMemory } from '../linux/process/program-memory.ts';
import { PAGE_SIZE } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import type { Co } from '../sched/task.ts';

const NODE = '/dev/tee0';

/** Memory in whole pages; undefined where malloc() would be NULL. */
export function tryMalloc({ memory }: Program, bytes: number): Va | undefined {
  try {
    return memory.memalign(PAGE_SIZE, bytes);
  } catch (error) {
    if (error instanceof OutOfMemory) return undefined;
    throw error;
  }
}

export class ShmUser {
  readonly program: Program;
  readonly #fd: number;
  /** The ioctl's argument. */
  readonly #arg: Va;

  private constructor(program: Program, fd: number) {
    this.program = program;
    this.#fd = fd;
    this.#arg = program.memory.malloc(TeeIoctlShmRegisterData.byteLength);
  }

  /** @throws when the node cannot be opened. */
  static async open(box: Box, options: Partial<ProcessOptions>): Promise<ShmUser> {
    const program = box.program(options);
    const fd = await program.run(program.sys.openat(AT_FDCWD, NODE, O_RDWR));
    if (fd < 0) throw new Error(`${NODE}: ${fd}`);
    return new ShmUser(program, fd);
  }

  /** TEE_IOC_SHM_REGISTER: an fd that keeps the memory registered, or a negative errno. */
  register(at: Va, length: number): number | Promise<number> {
    const { byteLength, addr, length: size } = TeeIoctlShmRegisterData;
    return this.#ioctl(TEE_IOC_SHM_REGISTER, byteLength, (view) => {
      addr.setNum(view, 0, at);
      size.setNum(view, 0, length);
    });
  }

  /** TEE_IOC_SHM_ALLOC: an fd of a buffer of the kernel's, or a negative errno. */
  alloc(length: number): number | Promise<number> {
    const { byteLength, size } = TeeIoctlShmAllocData;
    return this.#ioctl(TEE_IOC_SHM_ALLOC, byteLength, (view) => size.setNum(view, 0, length));
  }

  close(fd: number): number | Promise<number> {
    return this.program.run(this.program.sys.close(fd));
  }

  #ioctl(
    cmd: number,
    bytes: number,
    fill: (view: DataView<ArrayBuffer>) => void,
  ): number | Promise<number> {
    const view = new DataView(new ArrayBuffer(bytes));
    fill(view);
    this.program.memory.write(this.#arg, new Uint8Array(view.buffer));
    return this.program.run(this.#call(cmd));
  }

  #call(cmd: number): Co<number> {
    return this.program.sys.ioctl(this.#fd, cmd, this.#arg);
  }
}
