/**
 * MAP_POPULATE: the pages of a new mapping, before they are touched.
 *
 * Upstream counterpart: mm_populate() in mm/gup.c, which ignores what fails: those pages come, or
 * fail, when they are touched. Where a system has huge pages, the memory of a large buffer is
 * contiguous for the most part; here it comes from as few blocks as the allocator can give.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import { userFault } from './fault.ts';
import { GFP_HIGHUSER_MOVABLE, __GFP_RECLAIM } from './gfp.ts';
import { MAX_PAGE_ORDER } from './migrate-type.ts';
import { normalPte } from './mm-struct.ts';
import type { MmStruct } from './mm-struct.ts';
import type { Vma } from './vma.ts';

/** Nothing is reclaimed for blocks: single pages will do. */
const GFP_BLOCK = GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM;

/**
 * Pages of their own are wanted for private memory that may be written. Others come as by a read:
 * pages of the shared object, or the zero page.
 */
export function populate(mm: MmStruct, start: number, end: number, vma: Vma): void {
  const last = end / PAGE_SIZE;
  const write = vma.writable && !vma.shared;
  let page = start / PAGE_SIZE;
  if (write && vma.cache === undefined) page = populateBlocks(mm, vma, page, last);
  while (page < last && userFault(mm, page, write ? 'write' : 'read') === undefined) page += 1;
}

/** Private memory in blocks that follow each other if possible. Returns the first page without. */
function populateBlocks(mm: MmStruct, vma: Vma, first: number, last: number): number {
  let behind = -1;
  for (let page = first; page < last;) {
    const count = Math.min(last - page, 1 << MAX_PAGE_ORDER);
    const frame = mm.pages.allocExactFrames(count, GFP_BLOCK, behind);
    if (frame < 0) return page;
    mm.pages.zero(mm.pages.frames.address(frame), count * PAGE_SIZE);
    for (let i = 0; i < count; i++) {
      mm.markAnon(frame + i, vma.anonIndex(page + i));
      mm.mapPte(page + i, normalPte(frame + i, true));
    }
    page += count;
    behind = frame + count;
  }
  return last;
}
