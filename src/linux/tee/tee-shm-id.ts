/** Shared memory by id (drivers/tee/tee_shm.c): ids are of the device, names are of the context. */
import type { Co } from '../../sched/task.ts';
import type { TeeContext } from './tee-context.ts';
import type { TeeShm } from './tee-shm.ts';

/** Ids start here. */
const FIRST_ID = 1;

/**
 * tee_shm_get_from_id(): a new reference; undefined for -EINVAL, when there is no such id, it is
 * not finished yet, or another context's.
 */
export function* teeShmGetFromId(ctx: TeeContext, id: number): Co<TeeShm | undefined> {
  const { kernel, mutex } = ctx.teedev;
  if (!mutex.tryLock()) yield* mutex.lock();
  const shm = shmOfIdLocked(ctx, id)?.get();
  mutex.unlock();
  if (kernel.sched.searching) yield* kernel.sched.point();
  return shm;
}

/** The same without the reference, under the device's mutex. */
export function shmOfIdLocked(ctx: TeeContext, id: number): TeeShm | undefined {
  const shm = ctx.teedev.idr.get(id);
  return shm?.ctx === ctx ? shm : undefined;
}

/**
 * Makes shared memory that user space can name: the lowest free id is taken first, and shows nothing
 * until the memory is ready.
 */
export function* withShmId(
  ctx: TeeContext,
  make: (id: number) => Co<TeeShm | number>,
): Co<TeeShm | number> {
  const { mutex, idr } = ctx.teedev;
  if (!mutex.tryLock()) yield* mutex.lock();
  const id = idr.alloc(undefined, FIRST_ID);
  mutex.unlock();
  if (id < 0) return id;
  const shm = yield* make(id);
  if (!mutex.tryLock()) yield* mutex.lock();
  if (typeof shm === 'number') idr.remove(id);
  else idr.replace(id, shm);
  mutex.unlock();
  return shm;
}
