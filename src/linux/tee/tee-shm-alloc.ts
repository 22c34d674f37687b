/** Shared memory from a device's pool (drivers/tee/tee_shm.c: shm_alloc_helper() and its callers). */
import { EINVAL } from '../../abi/errno.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import { withShmId } from './tee-shm-id.ts';
import { TEE_SHM_DYNAMIC, TEE_SHM_NO_ID, TEE_SHM_POOL, TEE_SHM_PRIV, TeeShm } from './tee-shm.ts';

/** sizeof(long) * 2: alignment of a driver's own buffers. */
const PRIV_ALIGN = 16;

/** tee_shm_alloc_user_buf(): memory with an id, for TEE_IOC_SHM_ALLOC. */
export function teeShmAllocUserBuf(ctx: TeeContext, sizeBytes: number): Co<TeeShm | number> {
  return withShmId(ctx, (id) =>
    shmAllocHelper(ctx, sizeBytes, PAGE_SIZE, TEE_SHM_DYNAMIC | TEE_SHM_POOL, id),
  );
}

/** tee_shm_alloc_kernel_buf(): for parameters of a kernel client. Freed with `put`. */
export function teeShmAllocKernelBuf(ctx: TeeContext, sizeBytes: number): Co<TeeShm | number> {
  const flags = TEE_SHM_DYNAMIC | TEE_SHM_POOL;
  return shmAllocHelper(ctx, sizeBytes, PAGE_SIZE, flags, TEE_SHM_NO_ID);
}

/** tee_shm_alloc_priv_buf(): the driver's own, which its pool need not register. */
export function teeShmAllocPrivBuf(ctx: TeeContext, sizeBytes: number): Co<TeeShm | number> {
  return shmAllocHelper(ctx, sizeBytes, PRIV_ALIGN, TEE_SHM_PRIV | TEE_SHM_POOL, TEE_SHM_NO_ID);
}

function* shmAllocHelper(
  ctx: TeeContext,
  sizeBytes: number,
  align: number,
  flags: number,
  id: number,
): Co<TeeShm | number> {
  const { teedev, trace } = ctx;
  if (!(yield* teedev.get())) return -EINVAL;
  const { pool } = teedev;
  if (pool === undefined) {
    yield* teedev.put();
    return refuse(trace, EINVAL, `${teedev.name} has no pool`);
  }
  const shm = new TeeShm(ctx, flags, id);
  const rc = yield* pool.alloc(shm, sizeBytes, align);
  if (rc !== 0) {
    shm.free();
    yield* teedev.put();
    return rc;
  }
  ctx.get();
  if (trace.worlds) shm.traceAlloc('pool');
  return shm;
}
