/**
 * Pools of shared memory: a reserved region handed out in granules (drivers/tee/tee_shm_pool.c), two
 * pools in one, and what pools of ordinary pages share (tee_dyn_shm_alloc_helper(), in 6.1 the OP-TEE
 * driver's).
 */
import { EINVAL, ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, pa, pagesFor, roundUp } from '../../machine/address.ts';
import type { Region } from '../../machine/machine.ts';
import type { Co } from '../../sched/task.ts';
import { GenPool } from '../lib/gen-pool.ts';
import { getOrder } from '../mm/page-allocator.ts';
import type { Kernel } from '../process/kernel.ts';
import { refuse } from './refuse.ts';
import type { TeeDriverOps, TeeShmPool } from './tee-drv.ts';
import { TEE_SHM_DYNAMIC, TEE_SHM_PRIV } from './tee-shm.ts';
import type { TeeShm } from './tee-shm.ts';

/** A pool over memory that the secure world reserved: nothing from it needs to be registered. */
class ResMemPool implements TeeShmPool {
  readonly #kernel: Kernel;
  readonly #pool: GenPool;

  constructor(kernel: Kernel, region: Region, minOrder: number) {
    const { base, size } = region;
    this.#kernel = kernel;
    this.#pool = new GenPool(kernel.sched, { name: 'reserved shm', base, size, minOrder });
  }

  *alloc(shm: TeeShm, sizeBytes: number, align: number): Co<number> {
    const pool = this.#pool;
    const step = Math.max(align, pool.granule);
    const size = roundUp(sizeBytes, step);
    const start = pool.alloc(size, step);
    if (start === undefined) {
      return refuse(this.#kernel.trace, ENOMEM, 'the reserved shared memory has no such range', {
        object: pool.name,
        requested: size,
        available: pool.largestFree,
        limit: `reserved shared memory=${pool.size}`,
      });
    }
    this.#kernel.port.bytes(pa(start), size, 'write').fill(0);
    shm.kaddr = pa(start);
    shm.paddr = pa(start);
    shm.size = size;
    shm.flags &= ~TEE_SHM_DYNAMIC;
    return 0;
  }

  *free(shm: TeeShm): Co<void> {
    this.#pool.free(shm.paddr, shm.size);
    shm.kaddr = undefined;
  }

  destroy(): void {
    const { used, name } = this.#pool;
    // gen_pool_destroy() is a BUG() while anything is out.
    if (used > 0) throw this.#kernel.sched.halt('kernel BUG', `${name}: ${used} bytes are in use`);
  }
}

/**
 * tee_shm_pool_alloc_res_mem()
 * @param minAllocOrder granules are 1 << minAllocOrder bytes.
 * @returns -EINVAL for a region that is not made of pages.
 */
export function teeShmPoolAllocResMem(
  kernel: Kernel,
  region: Region,
  minAllocOrder: number,
): TeeShmPool | number {
  if (region.base % PAGE_SIZE !== 0 || region.size % PAGE_SIZE !== 0) return -EINVAL;
  return new ResMemPool(kernel, region, minAllocOrder);
}

/**
 * tee_shm_pool_alloc(), up to 5.17: memory of drivers and memory that is shared come from pools of
 * their own, each of any kind.
 */
export function teeShmPoolAlloc(priv: TeeShmPool, shared: TeeShmPool): TeeShmPool {
  const poolOf = ({ flags }: TeeShm): TeeShmPool => ((flags & TEE_SHM_PRIV) === 0 ? shared : priv);
  return {
    alloc: (shm, sizeBytes, align) => poolOf(shm).alloc(shm, sizeBytes, align),
    free: (shm) => poolOf(shm).free(shm),
    destroy() {
      priv.destroy();
      if (shared !== priv) shared.destroy();
    },
  };
}

/** How a pool tells the secure world of its pages. */
export type ShmRegister = NonNullable<TeeDriverOps['shmRegister']>;
export type ShmUnregister = NonNullable<TeeDriverOps['shmUnregister']>;

/**
 * tee_dyn_shm_alloc_helper(): zeroed, physically contiguous pages.
 * @param register called with them, unless they stay between kernel and driver.
 */
export function* teeDynShmAllocHelper(
  shm: TeeShm,
  sizeBytes: number,
  _align: number,
  register?: ShmRegister,
): Co<number> {
  const { kernel, tee } = shm.ctx.teedev;
  const { dynShmPowerOfTwo, dynShmKeepsPages } = tee.switches;
  const count = dynShmPowerOfTwo ? 2 ** getOrder(sizeBytes) : pagesFor(sizeBytes);
  if (count === 0) return refuse(kernel.trace, EINVAL, 'a buffer of no bytes');
  const size = count * PAGE_SIZE;
  const start = kernel.pages.allocExact(size);
  if (start === undefined) return -ENOMEM;
  shm.kaddr = start;
  shm.paddr = start;
  shm.size = size;
  const pages = Array.from({ length: count }, (_, n) => pa(start + n * PAGE_SIZE));
  if (dynShmKeepsPages) shm.pages = pages;
  if (register === undefined) return 0;
  const rc = yield* register(shm.ctx, shm, pages, kernel.map.linear.toVirt(start), undefined);
  if (rc !== 0) freePages(shm);
  return rc;
}

/** tee_dyn_shm_free_helper() */
export function* teeDynShmFreeHelper(shm: TeeShm, unregister?: ShmUnregister): Co<void> {
  // Its error has no reader upstream either.
  if (unregister !== undefined) yield* unregister(shm.ctx, shm);
  freePages(shm);
}

function freePages(shm: TeeShm): void {
  shm.ctx.teedev.kernel.pages.freeExact(shm.paddr, shm.size);
  shm.kaddr = undefined;
  shm.pages = [];
}
