/**
 * alloc_contig_range(): empties a range of frames and takes it.
 *
 * Upstream counterpart: mm/page_alloc.c (__alloc_contig_migrate_range), mm/compaction.c
 * (isolate_migratepages_block with alloc_contig, isolate_freepages_range). Left out: hugetlb pages,
 * per-CPU lists to drain.
 */
import { EBUSY, EINTR, ENOMEM } from '../../abi/errno.ts';
import { GFP_USER, __GFP_MOVABLE, __GFP_RETRY_MAYFAIL } from './gfp.ts';
import {
  MR_CONTIG_RANGE,
  allocMigrationTarget,
  migratePages,
  putbackMovablePages,
} from './migrate.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_LRU } from './page-frames.ts';
import {
  startIsolatePageRange,
  testPagesIsolated,
  undoIsolatePageRange,
} from './page-isolation.ts';
import { isCleanFilePage } from './vmscan.ts';

/** Pages that are isolated and moved together (COMPACT_CLUSTER_MAX). */
const COMPACT_CLUSTER_MAX = 32;
/** So often a batch is moved before the range is given up. */
const MOST_TRIES = 5;

/** GFP flags of the pages that others are moved to. */
const TARGET_GFP = GFP_USER | __GFP_MOVABLE | __GFP_RETRY_MAYFAIL;

export interface ContigRange {
  /** First frame, and the one behind the last. */
  readonly start: number;
  readonly end: number;
  /** What its pageblocks are: MIGRATE_CMA or MIGRATE_MOVABLE. */
  readonly type: number;
}

export interface ContigResult {
  /** 0: every page of the range has one reference, the caller's. Or -EBUSY, -EINTR, -ENOMEM. */
  readonly result: number;
  /** For -EBUSY the first frame that was in the way, when it is known; else -1. */
  readonly busy: number;
}

/** @param fatalSignalPending of the task that asks */
export function allocContigRange(
  pages: PageAllocator,
  range: ContigRange,
  fatalSignalPending: () => boolean = () => false,
): ContigResult {
  const { start, end, type } = range;
  const refused = startIsolatePageRange(pages, start, end, type);
  if (refused !== 0) return { result: refused, busy: -1 };
  const moved = migrateRange(pages, range, fatalSignalPending);
  const taken =
    moved === 0 || moved === -EBUSY ? takeRange(pages, range) : { result: moved, busy: -1 };
  undoIsolatePageRange(pages, start, end, type);
  return taken;
}

/** free_contig_range(). @returns how many pages somebody else refers to still */
export function freeContigRange(pages: PageAllocator, start: number, count: number): number {
  let inUse = 0;
  for (let frame = start; frame < start + count; frame++) {
    if (pages.frames.refs[frame] !== 1) inUse += 1;
    pages.putFrame(frame);
  }
  return inUse;
}

/** __alloc_contig_migrate_range(): 0, -EBUSY after the last try, -EINTR or -ENOMEM. */
function migrateRange(
  pages: PageAllocator,
  { start, end }: ContigRange,
  fatalSignalPending: () => boolean,
): number {
  const target = allocMigrationTarget(pages, TARGET_GFP);
  let list: number[] = [];
  let tries = 0;
  let result = 0;
  for (let frame = start; frame < end || list.length > 0;) {
    if (fatalSignalPending()) result = -EINTR;
    else if (list.length === 0) {
      frame = isolateBatch(pages, frame, end, list);
      tries = 0;
    } else if (++tries === MOST_TRIES) result = -EBUSY;
    if (result < 0) break;
    list = reclaimCleanPages(pages, list);
    if (migratePages(pages, list, target, MR_CONTIG_RANGE) === -ENOMEM) {
      result = -ENOMEM;
      break;
    }
  }
  putbackMovablePages(pages, list);
  return result;
}

/** isolate_migratepages_block(). @returns the frame where the next batch begins */
function isolateBatch(pages: PageAllocator, start: number, end: number, list: number[]): number {
  const { frames } = pages;
  let isolated = 0;
  for (let frame = start; frame < end;) {
    const order = frames.buddy[frame]! - 1;
    const folio = frames.folio(frame);
    const size = order >= 0 ? 1 << order : folio + frames.folioPages(folio) - frame;
    if (order < 0 && mayIsolate(pages, folio) && pages.isolateFolio(folio)) {
      list.push(folio);
      isolated += frames.folioPages(folio);
    }
    frame += size;
    if (isolated >= COMPACT_CLUSTER_MAX) return frame;
  }
  return end;
}

/** An anonymous page with references beside its mappings would not move: it is not tried. */
function mayIsolate(pages: PageAllocator, folio: number): boolean {
  const { frames, owners } = pages;
  if ((frames.flags[folio]! & PG_LRU) === 0) return false;
  if (owners.cache(frames.mapping[folio]!) !== undefined) return true;
  return frames.refs[folio]! <= frames.mapcount[folio]!;
}

/** reclaim_clean_pages_from_list(): what is in a file anyway is freed and not moved. */
function reclaimCleanPages(pages: PageAllocator, list: readonly number[]): number[] {
  const isClean = (folio: number): boolean => isCleanFilePage(pages.frames.flags[folio]!);
  const clean = list.filter((folio) => isClean(folio));
  const kept = pages.reclaimer.shrinkFolioList(clean);
  return [...list.filter((folio) => !isClean(folio)), ...kept];
}

/** The range is free by now, unless a page could not leave: then for -EBUSY. */
function takeRange(pages: PageAllocator, { start, end }: ContigRange): ContigResult {
  const free = pages.frames.freeBlock(start);
  const first = free < 0 ? start : free;
  const busy = testPagesIsolated(pages, first, end);
  if (busy < end) return { result: -EBUSY, busy };
  let frame = first;
  while (frame < end) frame += pages.takeFreeBlock(frame);
  freeContigRange(pages, first, start - first);
  freeContigRange(pages, end, frame - end);
  return { result: 0, busy: -1 };
}
