/**
 * Migration: a folio's content moves to other frames, and all who map it follow.
 *
 * Upstream counterpart: mm/migrate.c. It succeeds only when every reference is accounted for: those
 * of its page cache, of the entries that map it, and of the one who isolated it. A pin is not.
 * Left out: NUMA, writeback in progress, splitting large folios, movable pages without an LRU.
 */
import { EAGAIN, EBUSY, ENOMEM } from '../../abi/errno.ts';
import { GFP_TRANSHUGE_LIGHT, __GFP_HIGHMEM, __GFP_DIRECT_RECLAIM, __GFP_RECLAIM } from './gfp.ts';
import type { Gfp } from './gfp.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_HEAD, PG_LRU, PG_PRIVATE } from './page-frames.ts';
import { removeMigrationPtes, tryToMigrate } from './rmap.ts';

/** enum migrate_reason, by the names that its trace events print. */
export type MigrateReason =
  | 'compaction'
  | 'memory_failure'
  | 'memory_hotplug'
  | 'syscall_or_cpuset'
  | 'mempolicy_mbind'
  | 'numa_misplaced'
  | 'contig_range'
  | 'longterm_pin'
  | 'demotion';

export const MR_CONTIG_RANGE: MigrateReason = 'contig_range';
export const MR_LONGTERM_PIN: MigrateReason = 'longterm_pin';

/** So often a folio is tried that was busy (NR_MAX_MIGRATE_PAGES_RETRY). */
const MOST_PASSES = 10;

/** new_folio_t: frame of a new folio of the same order with one reference, or -1. */
export type NewFolio = (folio: number) => number;

/** alloc_migration_target() with these flags. */
export function allocMigrationTarget(pages: PageAllocator, gfp: Gfp): NewFolio {
  return (folio) => {
    const order = pages.frames.order[folio]!;
    const huge = (gfp & ~__GFP_RECLAIM) | GFP_TRANSHUGE_LIGHT | __GFP_DIRECT_RECLAIM;
    const flags = order > 0 ? huge : gfp;
    const movable = pages.zoneOf(folio).name === 'MOVABLE';
    return pages.allocFrames(order, movable ? flags | __GFP_HIGHMEM : flags);
  };
}

/**
 * migrate_pages(): moves folios that are isolated (`PageAllocator.isolateFolio`).
 * @param list loses those that were moved or have been freed; the others stay isolated
 * @returns 0, the number of folios that stay (busy: -EAGAIN each time, or -EBUSY), or -ENOMEM when
 * there was no page to move to
 */
export function migratePages(
  pages: PageAllocator,
  list: number[],
  newFolio: NewFolio,
  reason: MigrateReason,
): number {
  const stuck: number[] = [];
  let work = list.splice(0);
  for (let pass = 0; pass < MOST_PASSES && work.length > 0; pass++) {
    const busy: number[] = [];
    for (const [n, folio] of work.entries()) {
      const rc = unmapAndMove(pages, folio, newFolio, reason);
      if (rc === -EAGAIN) busy.push(folio);
      else if (rc === -EBUSY) stuck.push(folio);
      else if (rc < 0) {
        // Those that were not come to are not failures.
        pages.vmstat.pgmigrate_fail += pagesIn(pages, [...stuck, ...busy, folio]);
        list.push(...stuck, ...busy, ...work.slice(n));
        return rc;
      }
    }
    work = busy;
  }
  list.push(...stuck, ...work);
  pages.vmstat.pgmigrate_fail += pagesIn(pages, list);
  return list.length;
}

/** putback_movable_pages() */
export function putbackMovablePages(pages: PageAllocator, list: readonly number[]): void {
  for (const folio of list) pages.putbackFolio(folio);
}

const pagesIn = (pages: PageAllocator, list: readonly number[]): number =>
  list.reduce((sum, folio) => sum + pages.frames.folioPages(folio), 0);

/** unmap_and_move(): 0, -ENOMEM, -EAGAIN or -EBUSY. */
function unmapAndMove(
  pages: PageAllocator,
  from: number,
  newFolio: NewFolio,
  reason: MigrateReason,
): number {
  const { frames, vmstat } = pages;
  if (frames.refs[from] === 1) {
    // Freed from under us: the isolator's reference is the last one.
    pages.putFrame(from);
    return 0;
  }
  const to = newFolio(from);
  if (to < 0) return -ENOMEM;
  const rc = unmapAndMoveTo(pages, from, to);
  if (rc === 0) {
    vmstat.pgmigrate_success += frames.folioPages(to);
    trace(pages, from, to, reason);
    frames.flags[to]! |= PG_LRU;
    pages.putFrame(from);
  }
  pages.putFrame(to);
  return rc;
}

function unmapAndMoveTo(pages: PageAllocator, from: number, to: number): number {
  const mapped = pages.frames.mapcount[from] !== 0;
  let rc = -EAGAIN;
  if (!mapped || tryToMigrate(pages, from)) rc = moveToNewFolio(pages, from, to);
  if (mapped) removeMigrationPtes(pages, from, rc === 0 ? to : from);
  return rc;
}

/**
 * move_to_new_folio(), folio_migrate_mapping(): the new folio takes the place of one that nobody
 * maps, when there is no reference to it that is not expected.
 */
function moveToNewFolio(pages: PageAllocator, from: number, to: number): number {
  const { frames, owners } = pages;
  const cache = owners.cache(frames.mapping[from]!);
  if (cache !== undefined && !cache.movable) return -EBUSY;
  const inCache = cache === undefined ? 0 : frames.folioPages(from);
  const kept = inCache + Number((frames.flags[from]! & PG_PRIVATE) !== 0);
  if (frames.refs[from] !== 1 + kept) return -EAGAIN;
  const index = frames.index[from]!;
  frames.index[to] = index;
  frames.mapping[to] = frames.mapping[from]!;
  cache?.replace(index, from, to);
  frames.refs[to]! += kept;
  frames.refs[from]! -= kept;
  if (cache !== undefined) frames.mapping[from] = 0;
  copyFolio(pages, from, to);
  return 0;
}

/** folio_migrate_copy(), folio_migrate_flags() */
function copyFolio(pages: PageAllocator, from: number, to: number): void {
  const { frames } = pages;
  for (let i = 0; i < frames.folioPages(from); i++) {
    pages.frameBytes(to + i, 'write').set(pages.frameBytes(from + i, 'read'));
  }
  frames.flags[to]! |= frames.flags[from]! & ~PG_HEAD;
}

function trace(pages: PageAllocator, from: number, to: number, reason: MigrateReason): void {
  const { trace: sink } = pages.sched;
  if (!sink.all) return;
  const { frames } = pages;
  sink.emit('linux', 'page.migrate', {
    from: frames.address(from),
    to: frames.address(to),
    pages: frames.folioPages(to),
    reason,
  });
}
