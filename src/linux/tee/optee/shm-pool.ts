/**
 * The pool of a secure world that takes any memory: pages of the kernel, registered one buffer at a
 * time unless they are the driver's own.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 3.
 */
import type { TeeDriverOps, TeeShmPool } from '../tee-drv.ts';
import { teeDynShmAllocHelper, teeDynShmFreeHelper } from '../tee-shm-pool.ts';
import { TEE_SHM_PRIV } from '../tee-shm.ts';
import type { TeeShm } from '../tee-shm.ts';
import type { Optee } from './optee.ts';
import { shmRegister, shmUnregister } from './shm.ts';

/** optee_shm_pool_alloc_pages() */
export function shmPoolAllocPages(optee: Optee): TeeShmPool {
  const register: NonNullable<TeeDriverOps['shmRegister']> = (_ctx, shm, pages, start, current) =>
    shmRegister(optee, shm, pages, start, current);
  const unregister: NonNullable<TeeDriverOps['shmUnregister']> = (_ctx, shm) =>
    shmUnregister(optee, shm);
  return {
    alloc: (shm, sizeBytes, align) =>
      teeDynShmAllocHelper(shm, sizeBytes, align, isRegistered(optee, shm) ? register : undefined),
    free: (shm) => teeDynShmFreeHelper(shm, isRegistered(optee, shm) ? unregister : undefined),
    destroy() {},
  };
}

function isRegistered({ switches, suppTeedev }: Optee, { flags, ctx }: TeeShm): boolean {
  if ((flags & TEE_SHM_PRIV) !== 0) return false;
  return switches.quirkSuppPoolRegisters || ctx.teedev !== suppTeedev;
}
