/**
 * Long-term pins: pages that are to stay for good first leave where they would be in the way.
 *
 * Upstream counterpart: __gup_longterm_locked(), check_and_migrate_movable_pages() and what it calls
 * in mm/gup.c; folio_is_longterm_pinnable() in include/linux/mm.h. Left out: device-coherent pages
 * (-EBUSY), hugetlb, per-CPU LRU caches to drain. A folio that is in the way and cannot be isolated
 * would have upstream try for ever: here that stops the box.
 */
import { GFP_USER, __GFP_NOWARN } from './gfp.ts';
import { NOT_MIGRATED } from './gup-request.ts';
import type { GupError, GupRequest } from './gup-request.ts';
import {
  MR_LONGTERM_PIN,
  allocMigrationTarget,
  migratePages,
  putbackMovablePages,
} from './migrate.ts';
import { MIGRATE_CMA, MIGRATE_ISOLATE } from './migrate-type.ts';
import type { PageAllocator } from './page-allocator.ts';
import { unpinPages } from './unpin.ts';

/** folio_is_longterm_pinnable() */
export function isLongtermPinnable(pages: PageAllocator, folio: number): boolean {
  if (folio === pages.zeroFrame) return true;
  const type = pages.frames.blockType(folio);
  if (type === MIGRATE_CMA || type === MIGRATE_ISOLATE) return false;
  return pages.zoneOf(folio).name !== 'MOVABLE';
}

/**
 * __gup_longterm_locked(): pins all with `pin`, and begins anew until no page is where it must not
 * be. Pages that fault in meanwhile are no movable ones (PF_MEMALLOC_PIN).
 * @returns why `pin` ended early; or why a page could not leave, with nothing pinned
 */
export function pinLongterm(
  request: GupRequest,
  pin: (request: GupRequest) => GupError | undefined,
): GupError | undefined {
  const { pages } = request.mm;
  const context = pages.memallocPinSave();
  let error: GupError | undefined;
  let outcome: Outcome;
  do {
    error = pin(request);
    outcome = checkAndMigrate(request);
  } while (outcome === 'again');
  pages.memallocPinRestore(context);
  return outcome === 'failed' ? NOT_MIGRATED : error;
}

type Outcome = 'pinned' | 'again' | 'failed';

/** check_and_migrate_movable_pages(): on failure nothing is pinned any more. */
function checkAndMigrate(request: GupRequest): Outcome {
  const { pages } = request.mm;
  const unpinnable = collect(request);
  if (unpinnable.size === 0) return 'pinned';
  const isolated = [...unpinnable].filter((folio) => pages.isolateFolio(folio));
  unpinPages(pages, request.pages, request.got);
  request.got = 0;
  if (isolated.length === 0)
    throw pages.sched.halt('kernel BUG', 'soft lockup - a page to be pinned cannot be isolated');
  const target = allocMigrationTarget(pages, GFP_USER | __GFP_NOWARN);
  const rc = migratePages(pages, isolated, target, MR_LONGTERM_PIN);
  putbackMovablePages(pages, isolated);
  return rc === 0 ? 'again' : 'failed';
}

/** collect_longterm_unpinnable_folios() */
function collect({ mm: { pages }, pages: list, got }: GupRequest): ReadonlySet<number> {
  const { frames } = pages;
  const found = new Set<number>();
  for (let n = 0; n < got; n++) {
    const folio = frames.folio(frames.frame(list[n]!));
    if (!isLongtermPinnable(pages, folio)) found.add(folio);
  }
  return found;
}
