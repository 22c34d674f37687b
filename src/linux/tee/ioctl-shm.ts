/** The ioctls that make shared memory (drivers/tee/tee_core.c): SHM_ALLOC, SHM_REGISTER and _FD. */
import { EFAULT, EINVAL } from '../../abi/errno.ts';
import {
  TeeIoctlShmAllocData,
  TeeIoctlShmRegisterData,
  TeeIoctlShmRegisterFdData,
} from '../../abi/tee.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { MM_ARCHES } from '../mm/arch.ts';
import type { TaskStruct } from '../process/process.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import { teeShmAllocUserBuf } from './tee-shm-alloc.ts';
import { teeShmGetFd } from './tee-shm-fd.ts';
import { teeShmRegisterUserBuf } from './tee-shm-register.ts';
import type { TeeShm } from './tee-shm.ts';
import type { UserArg } from './user-arg.ts';

/** TEE_IOC_SHM_ALLOC: a new fd. */
export function* teeIoctlShmAlloc(ctx: TeeContext, current: TaskStruct, at: Va): Co<number> {
  const { id, size, flags, byteLength } = TeeIoctlShmAllocData;
  const { frames } = ctx.teedev;
  const frame = frames.take();
  const { arg } = frame;
  try {
    if (!arg.load(current.process.mm, at, byteLength)) return -EFAULT;
    if (flags.get(arg.view, 0) !== 0) return noFlags(ctx);
    const shm = yield* teeShmAllocUserBuf(ctx, roundableSize(arg.view));
    if (typeof shm === 'number') return shm;
    size.setNum(arg.view, 0, shm.size);
    id.set(arg.view, 0, shm.id);
    return yield* handOver(shm, current, arg);
  } finally {
    frames.give(frame);
  }
}

/** Rounding up to pages wraps sizes within the last page of 64 bits: nothing is left of them. */
function roundableSize(view: DataView): number {
  const { size } = TeeIoctlShmAllocData;
  const wraps = size.hi(view, 0) === 0xffff_ffff && size.lo(view, 0) > 0xffff_f000;
  return wraps ? 0 : size.num(view, 0);
}

/** TEE_IOC_SHM_REGISTER: a new fd. */
export function* teeIoctlShmRegister(ctx: TeeContext, current: TaskStruct, at: Va): Co<number> {
  const { length, flags, id, byteLength } = TeeIoctlShmRegisterData;
  const { frames } = ctx.teedev;
  const frame = frames.take();
  const { arg } = frame;
  try {
    if (!arg.load(current.process.mm, at, byteLength)) return -EFAULT;
    if (flags.get(arg.view, 0) !== 0) return noFlags(ctx);
    const start = userAddress(ctx, current, arg.view);
    const shm = yield* teeShmRegisterUserBuf(ctx, current, start, length.num(arg.view, 0));
    if (typeof shm === 'number') return shm;
    length.setNum(arg.view, 0, shm.size);
    id.set(arg.view, 0, shm.id);
    return yield* handOver(shm, current, arg);
  } finally {
    frames.give(frame);
  }
}

/** untagged_addr(), for threads that may use tags; of others tagged pointers are not user space. */
function userAddress(ctx: TeeContext, current: TaskStruct, view: DataView): number {
  const { addr } = TeeIoctlShmRegisterData;
  if (current.taggedAddr !== true) return addr.num(view, 0);
  return MM_ARCHES[ctx.teedev.kernel.arch].untaggedAddr(addr.lo(view, 0), addr.hi(view, 0));
}

/** Tells user space of the memory, and leaves it the only reference. */
function* handOver(shm: TeeShm, current: TaskStruct, arg: UserArg): Co<number> {
  arg.put(0, arg.length);
  const written = arg.flush(current.process.mm);
  const rc = written ? yield* teeShmGetFd(shm, current) : -EFAULT;
  yield* shm.put();
  return rc;
}

/**
 * TEE_IOC_SHM_REGISTER_FD takes DMA-bufs of a protected heap of the same device. There are none, and
 * every failure but that of the copy is -EINVAL.
 */
export function* teeIoctlShmRegisterFd(ctx: TeeContext, current: TaskStruct, at: Va): Co<number> {
  const { fd, flags, byteLength } = TeeIoctlShmRegisterFdData;
  if (!ctx.teedev.tee.switches.shmRegisterFd) return -EINVAL;
  const bytes = new Uint8Array(byteLength);
  const view = new DataView(bytes.buffer);
  if (!current.process.mm.read(at, bytes)) return -EFAULT;
  if (flags.get(view, 0) !== 0) return noFlags(ctx);
  return refuse(ctx.trace, EINVAL, `fd ${fd.num(view, 0)} is no DMA-buf of a protected heap`, {
    hint: `${ctx.teedev.name} has no protected heaps`,
  });
}

const noFlags = (ctx: TeeContext): number => refuse(ctx.trace, EINVAL, 'flags must be 0');
