/**
 * Where the driver's memory and that of its clients comes from: pages of the kernel, registered one
 * buffer at a time unless they are the driver's own, for a secure world that takes any memory; or the
 * memory that the secure world reserved.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, sections 3 and 6; core.c up to 5.17.
 */
import { EINVAL } from '../../../abi/errno.ts';
import {
  OPTEE_SMC_SEC_CAP_DYNAMIC_SHM,
  OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM,
} from '../../../abi/optee-smc.ts';
import { PAGE_SHIFT, PAGE_SIZE, pa } from '../../../machine/address.ts';
import type { Region } from '../../../machine/machine.ts';
import type { Co } from '../../../sched/task.ts';
import type { TeeDriverOps, TeeShmPool } from '../tee-drv.ts';
import {
  teeDynShmAllocHelper,
  teeDynShmFreeHelper,
  teeShmPoolAlloc,
  teeShmPoolAllocResMem,
} from '../tee-shm-pool.ts';
import { TEE_SHM_PRIV } from '../tee-shm.ts';
import type { TeeShm } from '../tee-shm.ts';
import { refuse } from './cause.ts';
import type { Optee } from './optee.ts';
import { reservedShm } from './secure-config.ts';
import { shmRegister, shmUnregister } from './shm.ts';

/** Granules of the static pool: 512 bytes (OPTEE_MIN_STATIC_POOL_ALIGN). */
const OPTEE_MIN_STATIC_POOL_ALIGN = 9;
/** Granules of the driver's part of the reserved memory, up to 5.17: 8 bytes. */
const PRIV_POOL_ALIGN = 3;
/* Source: drivers/tee/optee/Kconfig, Linux 5.10: CONFIG_OPTEE_SHM_NUM_PRIV_PAGES. */
const OPTEE_SHM_NUM_PRIV_PAGES = 1;

/**
 * How memory is divided among pools.
 * - `one`: one pool for everything: pages, or else the reserved memory (5.18).
 * - `two`: a pool for the driver and one for its clients, of the same kind; of the reserved memory
 *   the driver has the first page (5.4 to 5.17).
 * - `mixed`: pages for the driver, the reserved memory for its clients, when the secure world takes
 *   and has both; else `two` (4.16 to 5.3).
 */
export type PoolLayout = 'one' | 'two' | 'mixed';

/** What the driver allocates from: -EINVAL when the secure world shares no memory, or too little. */
export function* makePool(optee: Optee, layout: PoolLayout): Co<TeeShmPool | number> {
  const { secCaps } = optee.secure;
  const pages = (secCaps & OPTEE_SMC_SEC_CAP_DYNAMIC_SHM) !== 0;
  const reserved = (secCaps & OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM) !== 0;
  if (pages && !(layout === 'mixed' && reserved)) {
    const pool = shmPoolAllocPages(optee);
    return layout === 'one' ? pool : teeShmPoolAlloc(pool, shmPoolAllocPages(optee));
  }
  if (!reserved) {
    return refuse(optee.kernel.trace, EINVAL, 'the secure world shares no memory of any kind');
  }
  const region = yield* reservedShm(optee.kernel);
  if (typeof region === 'number') return region;
  if (layout === 'one') {
    return teeShmPoolAllocResMem(optee.kernel, region, OPTEE_MIN_STATIC_POOL_ALIGN);
  }
  return pages
    ? twoPools(shmPoolAllocPages(optee), teeShmPoolAllocResMem(optee.kernel, region, PAGE_SHIFT))
    : divide(optee, region);
}

/** optee_config_shm_memremap(), up to 5.17 */
function divide({ kernel }: Optee, { base, size }: Region): TeeShmPool | number {
  const priv = OPTEE_SHM_NUM_PRIV_PAGES * PAGE_SIZE;
  if (size < 2 * priv) {
    kernel.printk('optee: too small shared memory area', 'err');
    return refuse(kernel.trace, EINVAL, 'the reserved shared memory is too small for two pools', {
      available: size,
      limit: `OPTEE_SHM_NUM_PRIV_PAGES=${OPTEE_SHM_NUM_PRIV_PAGES}`,
    });
  }
  const rest = { base: pa(base + priv), size: size - priv };
  return twoPools(
    teeShmPoolAllocResMem(kernel, { base, size: priv }, PRIV_POOL_ALIGN),
    teeShmPoolAllocResMem(kernel, rest, PAGE_SHIFT),
  );
}

function twoPools(priv: TeeShmPool | number, shared: TeeShmPool | number): TeeShmPool | number {
  if (typeof priv === 'number') return priv;
  return typeof shared === 'number' ? shared : teeShmPoolAlloc(priv, shared);
}

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
