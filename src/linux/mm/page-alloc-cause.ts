/**
 * Why an allocation of pages failed, for whoever reads the trace.
 *
 * Upstream counterpart: warn_alloc() and show_mem(), mm/page_alloc.c, whose report of all zones is for
 * people who have no `teebox mem`.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Trace } from '../../trace/trace.ts';
import { MAX_PAGE_ORDER } from './migrate-type.ts';
import { ZONE_NAMES } from './zone.ts';
import type { Zone } from './zone.ts';

/** @param zones that were asked, in order. */
export function explainNoPages(trace: Trace, zones: readonly Zone[], order: number): void {
  const largest = zones.reduce((most, zone) => Math.max(most, zone.largestFreeOrder()), -1);
  const tooLarge = order > MAX_PAGE_ORDER;
  trace.cause('linux', {
    layer: 'linux/mm',
    code: '-ENOMEM',
    text: tooLarge ? 'no block is that large' : 'no free block is large enough',
    object: zones.map(({ name }) => `zone ${ZONE_NAMES[name]}`).join(', '),
    requested: PAGE_SIZE * 2 ** order,
    available: largest < 0 ? 0 : PAGE_SIZE * 2 ** largest,
    limit: tooLarge
      ? `MAX_PAGE_ORDER=${MAX_PAGE_ORDER}`
      : `RAM of the zones: ${zones.reduce((sum, zone) => sum + zone.managedPages, 0)} pages`,
    hint: tooLarge
      ? 'contiguous memory comes in blocks of at most 4 MiB: use several, or register user memory'
      : 'look for memory that is never freed, or give the box more RAM',
  });
}
