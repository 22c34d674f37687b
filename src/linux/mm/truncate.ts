/**
 * What shrinking an object does to those who map it, and to its pages.
 *
 * Upstream counterpart: mm/truncate.c (truncate_setsize), unmap_mapping_pages() in mm/memory.c.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import type { PageAllocator } from './page-allocator.ts';
import type { PageCache } from './page-cache.ts';
import { PG_DIRTY } from './page-frames.ts';

/** Pages that hold `bytes` bytes. */
export const pagesFor = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);

/**
 * unmap_mapping_pages(): pages from `first` on are not mapped any more, nor are the copies that
 * private mappings made of them (even_cows): a touch is a SIGBUS.
 */
export function unmapMappingPages(cache: PageCache, first: number): void {
  for (const vma of cache.vmas) {
    const from = Math.max(vma.firstPage, vma.cachePage(first));
    if (from < vma.endPage) vma.mm.zap(from, vma.endPage);
  }
}

/** truncate_inode_folio(): a page leaves its cache. Who has pinned it keeps it. */
export function removeFromCache(pages: PageAllocator, frame: number): void {
  const { frames } = pages;
  const folio = frames.folio(frame);
  frames.mapping[folio] = 0;
  frames.flags[folio]! &= ~PG_DIRTY;
  pages.putFrame(frame);
}

/** truncate_inode_partial_folio(): what lies behind the end of an object in its last page is 0. */
export function zeroBehind(pages: PageAllocator, frame: number, bytes: number): void {
  const offset = bytes % PAGE_SIZE;
  if (offset !== 0) pages.frameBytes(frame, 'write').fill(0, offset);
}
