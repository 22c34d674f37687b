/**
 * GFP flags: what an allocation may take, and what it may do to get it.
 *
 * Upstream counterpart: include/linux/gfp_types.h, gfp.h (gfp_migratetype, gfp_zone). A set of
 * bits with upstream's values (6.1; later kernels renumber). Left out: the flags of NUMA, cgroups
 * and KASAN.
 */
import { MIGRATE_MOVABLE } from './migrate-type.ts';
import type { MigrateType } from './migrate-type.ts';

/** A set of the flags below. */
export type Gfp = number;

export const __GFP_HIGHMEM = 0x02;
export const __GFP_DMA32 = 0x04;
/** The page can be moved or reclaimed; with __GFP_HIGHMEM it may come from ZONE_MOVABLE. */
export const __GFP_MOVABLE = 0x08;
export const __GFP_RECLAIMABLE = 0x10;
/** May take what the min watermark keeps for such callers. */
export const __GFP_HIGH = 0x20;
export const __GFP_IO = 0x40;
export const __GFP_FS = 0x80;
export const __GFP_ZERO = 0x100;
export const __GFP_ATOMIC = 0x200;
/** May reclaim pages itself. */
export const __GFP_DIRECT_RECLAIM = 0x400;
/** May have kswapd reclaim pages. */
export const __GFP_KSWAPD_RECLAIM = 0x800;
/** No cause is recorded, and nothing printed, when there is none. */
export const __GFP_NOWARN = 0x2000;
export const __GFP_RETRY_MAYFAIL = 0x4000;
export const __GFP_NORETRY = 0x10000;
/** No watermark holds for it. */
export const __GFP_MEMALLOC = 0x20000;
/** A block of several pages becomes a compound page: a large folio. */
export const __GFP_COMP = 0x40000;
export const __GFP_HARDWALL = 0x100000;

export const __GFP_RECLAIM = __GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM;

export const GFP_ATOMIC = __GFP_HIGH | __GFP_ATOMIC | __GFP_KSWAPD_RECLAIM;
export const GFP_NOWAIT = __GFP_KSWAPD_RECLAIM;
/** Memory of the kernel itself: it never moves. */
export const GFP_KERNEL = __GFP_RECLAIM | __GFP_IO | __GFP_FS;
/** For user space, but used by the kernel or hardware directly: it never moves. */
export const GFP_USER = GFP_KERNEL | __GFP_HARDWALL;
export const GFP_HIGHUSER = GFP_USER | __GFP_HIGHMEM;
/** Pages of user space: they can be moved, so CMA areas and ZONE_MOVABLE are open to them. */
export const GFP_HIGHUSER_MOVABLE = GFP_HIGHUSER | __GFP_MOVABLE;
/** Large folios that user space can do without: nothing is reclaimed for them. */
export const GFP_TRANSHUGE_LIGHT =
  (GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOWARN) & ~__GFP_RECLAIM;

const GFP_MOVABLE_MASK = __GFP_MOVABLE | __GFP_RECLAIMABLE;
const GFP_MOVABLE_SHIFT = 3;

/** gfp_migratetype() */
export const gfpMigrateType = (gfp: Gfp): MigrateType =>
  ((gfp & GFP_MOVABLE_MASK) >>> GFP_MOVABLE_SHIFT) as MigrateType;

/** gfp_to_alloc_flags_cma(): whether free pages of CMA areas are open to it. */
export const allowsCma = (gfp: Gfp): boolean => gfpMigrateType(gfp) === MIGRATE_MOVABLE;

/** gfp_zone(): the highest zone that may be asked. */
export function gfpZone(gfp: Gfp): 'DMA32' | 'NORMAL' | 'HIGHMEM' | 'MOVABLE' {
  if ((gfp & __GFP_DMA32) !== 0) return 'DMA32';
  if ((gfp & __GFP_HIGHMEM) === 0) return 'NORMAL';
  return (gfp & __GFP_MOVABLE) === 0 ? 'HIGHMEM' : 'MOVABLE';
}
