/**
 * How many pages of each zone stay free for those who cannot wait.
 *
 * Upstream counterpart: mm/page_alloc.c (calculate_min_free_kbytes, __setup_per_zone_wmarks) without
 * boosts and NUMA.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Zone, ZoneName } from './zone.ts';
import { isHighmem } from './zonelist.ts';

const KIB_PER_PAGE = PAGE_SIZE / 1024;
/** Bounds of the estimate, KiB. */
const LEAST_MIN_FREE = 128;
const MOST_MIN_FREE = 256 * 1024;
/** Bounds of what high memory keeps, pages (SWAP_CLUSTER_MAX below). */
const LEAST_HIGH_MIN = 32;
const MOST_HIGH_MIN = 128;
/** vm.watermark_scale_factor, in ten-thousandths of a zone. */
const WATERMARK_SCALE_FACTOR = 10;

/**
 * vm.min_free_kbytes of a kernel that was not told: it grows with the root of memory.
 * @param bufferPages that the kernel itself may have (nr_free_buffer_pages): not of ZONE_MOVABLE,
 * nor high memory
 */
export function minFreeKbytes(bufferPages: number): number {
  const estimate = Math.floor(Math.sqrt(bufferPages * KIB_PER_PAGE * 16));
  return Math.min(MOST_MIN_FREE, Math.max(LEAST_MIN_FREE, estimate));
}

/** Zones for GFP_USER, and so for the kernel itself. */
const KERNELS: ReadonlySet<ZoneName> = new Set<ZoneName>(['DMA32', 'NORMAL']);

/** nr_free_buffer_pages(), before there are watermarks. */
const bufferPages = (zones: readonly Zone[]): number =>
  zones.reduce((sum, { name, managedPages }) => sum + (KERNELS.has(name) ? managedPages : 0), 0);

/** Shares min_free_kbytes among the zones. With 0 no zone keeps anything. */
export function setUpWatermarks(
  zones: readonly Zone[],
  kbytes = minFreeKbytes(bufferPages(zones)),
): void {
  const pages = Math.floor(kbytes / KIB_PER_PAGE);
  const low = zones.filter((zone) => !isHighmem(zones, zone));
  const all = low.reduce((sum, zone) => sum + zone.managedPages, 0);
  for (const zone of zones) {
    const share = Math.floor((pages * zone.managedPages) / all);
    const min = low.includes(zone) || pages === 0 ? share : highMin(zone);
    const scaled = Math.floor((zone.managedPages * WATERMARK_SCALE_FACTOR) / 10_000);
    const step = pages === 0 ? 0 : Math.max(share >>> 2, scaled);
    zone.watermarks = { min, low: min + step, high: min + 2 * step };
  }
}

/** Few need high memory in an emergency. */
const highMin = ({ managedPages }: Zone): number =>
  Math.min(MOST_HIGH_MIN, Math.max(LEAST_HIGH_MIN, Math.floor(managedPages / 1024)));
