/**
 * Memory that tee-supplicant lends to the secure world: allocated when it asks, looked up when a
 * request refers to it, freed when it says so.
 *
 * Upstream counterpart: process_alloc(), process_free(), register_local_shm(), alloc_shm(),
 * get_param() and tee_supp_param_to_va() of tee-supplicant/src/tee_supplicant.c.
 */
import { formatErrno } from '../../abi/errno.ts';
import { MAP_SHARED, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import { TEEC_ERROR_BAD_PARAMETERS, TEEC_ERROR_OUT_OF_MEMORY, TEEC_SUCCESS } from '../../abi/gp.ts';
import {
  TEE_GEN_CAP_REG_MEM,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOC_SHM_ALLOC,
  TEE_IOC_SHM_REGISTER,
  TeeIoctlShmAllocData,
  TeeIoctlShmRegisterData,
} from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { pagedAlignedAlloc } from '../paged-aligned-alloc.ts';
import type { Server } from './handlers.ts';
import { SMALL } from './rpc-request.ts';
import type { RpcRequest } from './rpc-request.ts';

/** struct tee_shm of tee-supplicant. */
export interface SuppShm {
  readonly id: number;
  readonly at: Va;
  /** As asked for, bytes. */
  readonly size: number;
  /** The supplicant's own memory, not the kernel's. */
  readonly registered: boolean;
  readonly fd: number;
}

/** A memory reference of a request; `at` is null when the secure world only asks for a size. */
export interface SuppBuffer {
  readonly at: Va | null;
  readonly size: number;
}

/** SHM_ALLOC: [0] value b size in; c id out. */
export function* processAlloc(server: Server, request: RpcRequest): Co<number> {
  if (request.numParams !== 1 || !request.isValue(0)) return TEEC_ERROR_BAD_PARAMETERS;
  const size = request.num('b', 0);
  // Beyond what a number can say, and beyond any kernel.
  if (!Number.isSafeInteger(size)) return TEEC_ERROR_OUT_OF_MEMORY;
  const registers = (server.genCaps & TEE_GEN_CAP_REG_MEM) !== 0;
  const shm = registers ? yield* registerLocalShm(server, size) : yield* allocShm(server, size);
  if (shm === undefined) return TEEC_ERROR_OUT_OF_MEMORY;
  server.shms.set(shm.id, shm);
  request.set('c', 0, shm.id);
  return TEEC_SUCCESS;
}

/** SHM_FREE: [0] value b id. */
export function* processFree(server: Server, request: RpcRequest): Co<number> {
  if (request.numParams !== 1 || !request.isValue(0)) return TEEC_ERROR_BAD_PARAMETERS;
  const id = request.int('b', 0);
  const shm = server.shms.get(id);
  if (shm === undefined) return TEEC_ERROR_BAD_PARAMETERS;
  server.shms.delete(id);
  yield* server.sys.close(shm.fd);
  if (shm.registered) {
    server.memory.free(shm.at);
    return TEEC_SUCCESS;
  }
  const rc = yield* server.sys.munmap(shm.at, shm.size);
  if (rc === 0) return TEEC_SUCCESS;
  server.emsg(`munmap failed: ${formatErrno(rc)}`);
  return TEEC_ERROR_BAD_PARAMETERS;
}

/** get_param(): the buffer that a memory reference means; undefined when it is none or leaves it. */
export function getParam(server: Server, request: RpcRequest, n: number): SuppBuffer | undefined {
  if (!request.isMemref(n)) return undefined;
  const shm = server.shms.get(request.shmId(n));
  if (shm === undefined) {
    // Nobody asks for the size of an input; of any other buffer, one that is not there means that.
    const isInput = request.type(n) === TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
    return isInput ? undefined : { at: null, size: 0 };
  }
  const size = request.size(n);
  const offset = request.offset(n);
  if (offset + size > shm.size) return undefined;
  return { at: va(shm.at + offset), size };
}

/**
 * tee_supp_param_to_va(): where the buffer of a memory reference is; null when it is none, is not
 * ours, or leaves it. Unlike get_param() it tells no difference.
 */
export function paramToVa(server: Server, request: RpcRequest, n: number): Va | null {
  if (!request.isMemref(n)) return null;
  const shm = server.shms.get(request.shmId(n));
  const offset = request.offset(n);
  return shm === undefined || offset + request.size(n) > shm.size ? null : va(shm.at + offset);
}

function* registerLocalShm(server: Server, size: number): Co<SuppShm | undefined> {
  const at = pagedAlignedAlloc(server.memory, size);
  if (at === null) return undefined;
  const data = TeeIoctlShmRegisterData;
  const { frame } = server;
  const arg = frame.clear(SMALL, data.byteLength);
  data.addr.setNum(frame.ram, arg, at);
  data.length.setNum(frame.ram, arg, size);
  const fd = yield* server.sys.ioctl(server.fd, TEE_IOC_SHM_REGISTER, frame.address(SMALL));
  if (fd < 0) {
    server.memory.free(at);
    return undefined;
  }
  const id = data.id.get(frame.ram, frame.refresh() + SMALL);
  return { id, at, size, registered: true, fd };
}

function* allocShm(server: Server, size: number): Co<SuppShm | undefined> {
  const data = TeeIoctlShmAllocData;
  const { frame } = server;
  data.size.setNum(frame.ram, frame.clear(SMALL, data.byteLength), size);
  const fd = yield* server.sys.ioctl(server.fd, TEE_IOC_SHM_ALLOC, frame.address(SMALL));
  if (fd < 0) return undefined;
  const arg = frame.refresh() + SMALL;
  const id = data.id.get(frame.ram, arg);
  const mapped = data.size.num(frame.ram, arg);
  const at = yield* server.sys.mmap(0, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at >= 0) return { id, at: va(at), size, registered: false, fd };
  yield* server.sys.close(fd);
  return undefined;
}
