/**
 * Isolation of pageblocks: their free pages are not given out any more, so that the range can be
 * emptied.
 *
 * Upstream counterpart: mm/page_isolation.c. Left out: memory hotplug's flags, hwpoison. Free blocks
 * and compound pages that reach across a border are dealt with where pageblocks are cut.
 */
import { EBUSY } from '../../abi/errno.ts';
import { MIGRATE_CMA, MIGRATE_ISOLATE, PAGEBLOCK_NR_PAGES } from './migrate-type.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_LRU } from './page-frames.ts';

const blockStart = (frame: number): number => frame & -PAGEBLOCK_NR_PAGES;

/** First frames of the pageblocks that a range touches. */
function* blocksOf(start: number, end: number): Generator<number> {
  for (let block = blockStart(start); block < end; block += PAGEBLOCK_NR_PAGES) yield block;
}

/**
 * start_isolate_page_range()
 * @param type what the pageblocks are: MIGRATE_CMA for CMA areas, MIGRATE_MOVABLE for others
 * @returns 0, or -EBUSY when a page cannot be moved or a pageblock is isolated already; then
 * nothing is isolated
 */
export function startIsolatePageRange(
  pages: PageAllocator,
  start: number,
  end: number,
  type: number,
): number {
  const { frames } = pages;
  const zone = pages.zoneOf(start);
  if (!zone.contains(blockStart(start)) || !zone.contains(end - 1)) return -EBUSY;
  zone.listRange(start, end);
  for (const block of blocksOf(start, end)) {
    const first = Math.max(block, start);
    const last = Math.min(block + PAGEBLOCK_NR_PAGES, end);
    const isolated = frames.blockType(block) === MIGRATE_ISOLATE;
    if (isolated || hasUnmovablePages(pages, first, last, type)) {
      undoIsolatePageRange(pages, start, block, type);
      return -EBUSY;
    }
    zone.changeBlock(block, MIGRATE_ISOLATE);
  }
  return 0;
}

/** undo_isolate_page_range(): the pageblocks have their type again. */
export function undoIsolatePageRange(
  pages: PageAllocator,
  start: number,
  end: number,
  type: number,
): void {
  const zone = pages.zoneOf(start);
  for (const block of blocksOf(start, end)) {
    if (pages.frames.blockType(block) === MIGRATE_ISOLATE) zone.changeBlock(block, type);
  }
}

/** has_unmovable_pages(): of a CMA area nothing is asked, for it only holds what can be moved. */
function hasUnmovablePages(
  pages: PageAllocator,
  start: number,
  end: number,
  type: number,
): boolean {
  const { frames } = pages;
  if (frames.blockType(start) === MIGRATE_CMA) return type !== MIGRATE_CMA;
  const movableZone = pages.zoneOf(start).name === 'MOVABLE';
  const first = frames.freeBlock(start);
  for (let frame = first < 0 ? start : first; frame < end;) {
    const order = frames.buddy[frame]! - 1;
    const folio = frames.folio(frame);
    const lru = (frames.flags[folio]! & PG_LRU) !== 0;
    const used = order < 0 && frames.refs[folio]! > 0;
    // A page without references that is on no list belongs to nobody: a hole.
    if (order < 0 && !lru && !(movableZone && used)) return true;
    frame += order >= 0 ? 1 << order : folio + frames.folioPages(folio) - frame;
  }
  return false;
}

/**
 * test_pages_isolated(): the first frame of the range that is not free and isolated, or `end`.
 * Where upstream answers 0, this is `end`; where it answers -EBUSY, the frame tells who is in the
 * way.
 */
export function testPagesIsolated(pages: PageAllocator, start: number, end: number): number {
  const { buddy } = pages.frames;
  for (const block of blocksOf(start, end)) {
    if (pages.frames.blockType(block) !== MIGRATE_ISOLATE) return Math.max(block, start);
  }
  let frame = start;
  while (frame < end && buddy[frame] !== 0) frame += 1 << (buddy[frame]! - 1);
  return Math.min(frame, end);
}
