/**
 * Shared memory of the TEE Client API: the program's own memory registered with the kernel, or
 * buffers of the kernel mapped into the program where the device cannot register.
 *
 * Upstream counterpart: the four TEEC_…SharedMemory functions of libteec/src/tee_client_api.c.
 */
import { ENOMEM } from '../../abi/errno.ts';
import { MAP_SHARED, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_IOC_SHM_ALLOC,
  TEE_IOC_SHM_REGISTER,
  TEE_IOC_SHM_REGISTER_FD,
  TeeIoctlShmAllocData,
  TeeIoctlShmRegisterData,
  TeeIoctlShmRegisterFdData,
} from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { ProgramMemory } from '../../linux/process/program-memory.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Co } from '../../sched/task.ts';
import type { Frame } from '../frame.ts';
import { pagedAlignedAlloc } from '../paged-aligned-alloc.ts';
import { SMALL } from './call-frame.ts';
import type { TeecContext, TeecSharedMemory } from './teec.ts';

/** What an empty buffer is registered as, in bytes. */
const EMPTY_SIZE = 8;

/** TEEC_MEM_* that a buffer must have one of and nothing else. */
const DIRECTIONS = TEEC_MEM_INPUT | TEEC_MEM_OUTPUT;

const badFlags = (flags: number): boolean => flags === 0 || (flags & ~DIRECTIONS) !== 0;

/** Shared-memory calls of one thread. Each gives a TEEC_Result. */
export class SharedMemoryCalls {
  readonly #memory: ProgramMemory;
  readonly #sys: Syscalls;
  readonly #frame: Frame;

  constructor(memory: ProgramMemory, sys: Syscalls, frame: Frame) {
    this.#memory = memory;
    this.#sys = sys;
    this.#frame = frame;
  }

  /** TEEC_RegisterSharedMemory */
  *register(ctx: TeecContext, shm: TeecSharedMemory): Co<number> {
    if (badFlags(shm.flags) || shm.buffer === null) return TEEC_ERROR_BAD_PARAMETERS;
    const size = shm.size === 0 ? EMPTY_SIZE : shm.size;
    const result = ctx.regMem
      ? yield* this.#registerOwn(ctx, shm, shm.buffer, size)
      : yield* this.#shadowOfKernel(ctx, shm, size);
    if (result === TEEC_SUCCESS) shm.allocedSize = size;
    return result;
  }

  /** TEEC_RegisterSharedMemoryFileDescriptor, of the extensions. */
  *registerFileDescriptor(ctx: TeecContext, shm: TeecSharedMemory, fd: number): Co<number> {
    if (fd < 0 || badFlags(shm.flags)) return TEEC_ERROR_BAD_PARAMETERS;
    const data = TeeIoctlShmRegisterFdData;
    const { ram } = this.#frame;
    data.fd.set(ram, this.#frame.clear(SMALL, data.byteLength), BigInt(fd));
    const registered = yield* this.#ioctl(ctx, TEE_IOC_SHM_REGISTER_FD);
    if (registered < 0) return TEEC_ERROR_BAD_PARAMETERS;
    const at = this.#frame.refresh() + SMALL;
    shm.buffer = null;
    shm.shadowBuffer = null;
    shm.registeredFd = registered;
    shm.id = data.id.get(ram, at);
    shm.size = data.size.num(ram, at);
    return TEEC_SUCCESS;
  }

  /** TEEC_AllocateSharedMemory */
  *allocate(ctx: TeecContext, shm: TeecSharedMemory): Co<number> {
    if (badFlags(shm.flags)) return TEEC_ERROR_BAD_PARAMETERS;
    const size = shm.size === 0 ? EMPTY_SIZE : shm.size;
    const buffer = ctx.regMem
      ? yield* this.#allocOwn(ctx, shm, size)
      : yield* this.#allocOfKernel(ctx, shm, size);
    shm.buffer = buffer;
    if (buffer === null) return TEEC_ERROR_OUT_OF_MEMORY;
    shm.shadowBuffer = null;
    shm.allocedSize = size;
    shm.owns = 'buffer';
    return TEEC_SUCCESS;
  }

  /** TEEC_ReleaseSharedMemory; does nothing to memory that is not registered. */
  *release(shm: TeecSharedMemory): Co<void> {
    if (shm.id === -1) return;
    const seenByTee = shm.shadowBuffer ?? shm.buffer;
    if (shm.registeredFd >= 0) {
      if (shm.owns !== 'nothing' && seenByTee !== null) this.#memory.free(seenByTee);
      yield* this.#sys.close(shm.registeredFd);
    } else if (seenByTee !== null) {
      yield* this.#sys.munmap(seenByTee, shm.allocedSize);
    }
    shm.id = -1;
    shm.shadowBuffer = null;
    shm.buffer = null;
    shm.registeredFd = -1;
    shm.owns = 'nothing';
  }

  /** Registers the buffer; if the kernel refuses (read-only memory), a copy of its size instead. */
  *#registerOwn(ctx: TeecContext, shm: TeecSharedMemory, buffer: Va, size: number): Co<number> {
    shm.shadowBuffer = null;
    shm.owns = 'nothing';
    if ((yield* this.#shmRegister(ctx, shm, buffer, size)) >= 0) return TEEC_SUCCESS;
    const shadow = pagedAlignedAlloc(this.#memory, size);
    if (shadow === null) return TEEC_ERROR_OUT_OF_MEMORY;
    const fd = yield* this.#shmRegister(ctx, shm, shadow, size);
    if (fd < 0) {
      this.#memory.free(shadow);
      return fd === -ENOMEM ? TEEC_ERROR_OUT_OF_MEMORY : TEEC_ERROR_GENERIC;
    }
    shm.shadowBuffer = shadow;
    shm.owns = 'shadow';
    return TEEC_SUCCESS;
  }

  *#shadowOfKernel(ctx: TeecContext, shm: TeecSharedMemory, size: number): Co<number> {
    shm.shadowBuffer = yield* this.#allocOfKernel(ctx, shm, size);
    shm.owns = 'nothing';
    return shm.shadowBuffer === null ? TEEC_ERROR_OUT_OF_MEMORY : TEEC_SUCCESS;
  }

  *#allocOwn(ctx: TeecContext, shm: TeecSharedMemory, size: number): Co<Va | null> {
    const buffer = pagedAlignedAlloc(this.#memory, size);
    if (buffer === null) return null;
    if ((yield* this.#shmRegister(ctx, shm, buffer, size)) >= 0) return buffer;
    this.#memory.free(buffer);
    return null;
  }

  /** TEE_IOC_SHM_ALLOC and mmap(); the mapping alone keeps the buffer. */
  *#allocOfKernel(ctx: TeecContext, shm: TeecSharedMemory, size: number): Co<Va | null> {
    const data = TeeIoctlShmAllocData;
    const { ram } = this.#frame;
    data.size.setNum(ram, this.#frame.clear(SMALL, data.byteLength), size);
    const fd = yield* this.#ioctl(ctx, TEE_IOC_SHM_ALLOC);
    if (fd < 0) return null;
    shm.id = data.id.get(ram, this.#frame.refresh() + SMALL);
    const at = yield* this.#sys.mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    yield* this.#sys.close(fd);
    shm.registeredFd = -1;
    if (at >= 0) return va(at);
    shm.id = -1;
    return null;
  }

  /** TEE_IOC_SHM_REGISTER: an fd, which it notes with the id, or a negative errno. */
  *#shmRegister(ctx: TeecContext, shm: TeecSharedMemory, buffer: Va, size: number): Co<number> {
    const data = TeeIoctlShmRegisterData;
    const { ram } = this.#frame;
    const at = this.#frame.clear(SMALL, data.byteLength);
    data.addr.setNum(ram, at, buffer);
    data.length.setNum(ram, at, size);
    const fd = yield* this.#ioctl(ctx, TEE_IOC_SHM_REGISTER);
    if (fd < 0) return fd;
    shm.registeredFd = fd;
    shm.id = data.id.get(ram, this.#frame.refresh() + SMALL);
    return fd;
  }

  #ioctl(ctx: TeecContext, cmd: number): Co<number> {
    return this.#sys.ioctl(ctx.fd, cmd, this.#frame.address(SMALL));
  }
}
