/**
 * How many pages of each zone stay free for those who cannot wait.
 *
 * Upstream counterpart: mm/page_alloc.c (calculate_min_free_kbytes, __setup_per_zone_wmarks) without
 * highmem, boosts and NUMA.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Zone } from './zone.ts';

const KIB_PER_PAGE = PAGE_SIZE / 1024;
/** Bounds of the estimate, KiB. */
const LEAST_MIN_FREE = 128;
const MOST_MIN_FREE = 256 * 1024;
/** vm.watermark_scale_factor, in ten-thousandths of a zone. */
const WATERMARK_SCALE_FACTOR = 10;

/** vm.min_free_kbytes of a kernel that was not told: it grows with the root of memory. */
export function minFreeKbytes(managedPages: number): number {
  const estimate = Math.floor(Math.sqrt(managedPages * KIB_PER_PAGE * 16));
  return Math.min(MOST_MIN_FREE, Math.max(LEAST_MIN_FREE, estimate));
}

/** Shares min_free_kbytes among the zones. With 0 no zone keeps anything. */
export function setUpWatermarks(zones: readonly Zone[], kbytes: number): void {
  const pages = Math.floor(kbytes / KIB_PER_PAGE);
  const all = zones.reduce((sum, zone) => sum + zone.managedPages, 0);
  for (const zone of zones) {
    const share = Math.floor((pages * zone.managedPages) / all);
    const scaled = Math.floor((zone.managedPages * WATERMARK_SCALE_FACTOR) / 10_000);
    const step = pages === 0 ? 0 : Math.max(share >>> 2, scaled);
    zone.watermarks = { min: share, low: share + step, high: share + 2 * step };
  }
}
