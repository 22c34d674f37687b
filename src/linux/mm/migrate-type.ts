/**
 * How pages are grouped by mobility (enum migratetype), so that what can be moved away stays apart
 * from what cannot.
 *
 * Upstream counterpart: include/linux/mmzone.h, mm/page_alloc.c. HIGHATOMIC has its number and free
 * lists; nothing puts blocks there.
 */

/* Source: include/linux/mmzone.h, Linux 6.1. */
export const MIGRATE_UNMOVABLE = 0;
export const MIGRATE_MOVABLE = 1;
export const MIGRATE_RECLAIMABLE = 2;
export const MIGRATE_HIGHATOMIC = 3;
/** Pageblocks of CMA areas: lent to movable pages until their owner wants them. */
export const MIGRATE_CMA = 4;
/** Pageblocks that are being emptied: nothing is allocated from them. */
export const MIGRATE_ISOLATE = 5;
export const MIGRATE_TYPES = 6;

/** Types that allocations ask for. */
export type MigrateType =
  typeof MIGRATE_UNMOVABLE | typeof MIGRATE_MOVABLE | typeof MIGRATE_RECLAIMABLE;

/** migratetype_is_mergeable(): free blocks of these types may become one across pageblocks. */
export const isMergeable = (type: number): boolean => type < MIGRATE_HIGHATOMIC;

/** Whose blocks are stolen when a type has none left, first choice first; by MigrateType. */
export const FALLBACKS: readonly (readonly [MigrateType, MigrateType])[] = [
  [MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE],
  [MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE],
  [MIGRATE_UNMOVABLE, MIGRATE_MOVABLE],
];

/** Largest block that the allocator gives: 4 MiB (MAX_ORDER - 1 up to 6.3, MAX_ORDER after). */
export const MAX_PAGE_ORDER = 10;
/** Blocks of this order (2 MiB) have one migrate type. */
export const PAGEBLOCK_ORDER = 9;
export const PAGEBLOCK_NR_PAGES = 1 << PAGEBLOCK_ORDER;
