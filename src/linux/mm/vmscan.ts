/**
 * Reclaim: pages whose content is elsewhere, or can be put there, are freed when memory is short.
 * A page that is pinned, or that somebody refers to who is not known, stays as it is.
 *
 * Upstream counterpart: mm/vmscan.c (shrink_folio_list, balance_pgdat). The frames of a zone are
 * looked at in turn, which stands for the order of the LRU lists; kswapd's work is done at once by
 * the allocation that would wake it. Left out: how recently a page was used, cgroups, shrinkers,
 * splitting large folios, the OOM killer.
 */
import type { PageAllocator } from './page-allocator.ts';
import {
  PG_ANON,
  PG_DIRTY,
  PG_LRU,
  PG_PRIVATE,
  PG_SWAPBACKED,
  PG_UNEVICTABLE,
} from './page-frames.ts';
import { maybeDmaPinned } from './page-pin.ts';
import { isMappedLocked, tryToUnmap } from './rmap.ts';
import type { Zone } from './zone.ts';

/** Runs of kswapd without a page freed until it gives up; and see `reclaimRetries`. */
const MAX_RECLAIM_RETRIES = 16;
/** Blocks above this order are no reason to reclaim all that there is. */
const PAGE_ALLOC_COSTLY_ORDER = 3;
/** Pages that one direct reclaim wants to free (SWAP_CLUSTER_MAX). */
const SWAP_CLUSTER_MAX = 32;

/** should_reclaim_retry(): how often an allocation reclaims pages, for as long as that frees any. */
export const reclaimRetries = (order: number): number =>
  order <= PAGE_ALLOC_COSTLY_ORDER ? Infinity : MAX_RECLAIM_RETRIES;

/** folio_is_file_lru(), for a folio of a file that has its content. */
export function isCleanFilePage(flags: number): boolean {
  return (flags & (PG_SWAPBACKED | PG_DIRTY | PG_UNEVICTABLE)) === 0;
}

export class Reclaimer {
  readonly #pages: PageAllocator;
  /** Where the next look at each zone begins. */
  readonly #hands = new Map<Zone, number>();
  /** pgdat->kswapd_failures */
  #failures = 0;

  constructor(pages: PageAllocator) {
    this.#pages = pages;
  }

  /** wakeup_kswapd(): frees pages of zones that are low until they are at their high watermark. */
  balance(zones: readonly Zone[]): void {
    if (this.#failures >= MAX_RECLAIM_RETRIES) return;
    let freed = 0;
    for (const zone of zones) {
      const wanted = zone.watermarks.high - zone.freePages;
      if (wanted > 0) freed += this.#shrinkZone(zone, wanted);
    }
    this.#failures = freed > 0 ? 0 : this.#failures + 1;
  }

  /** try_to_free_pages(): says whether any page was freed. */
  direct(zones: readonly Zone[], order: number): boolean {
    const wanted = Math.max(SWAP_CLUSTER_MAX, 1 << order);
    const freed = zones.reduce((sum, zone) => sum + this.#shrinkZone(zone, wanted), 0);
    if (freed > 0) this.#failures = 0;
    return freed > 0;
  }

  /**
   * shrink_folio_list(): frees those that can be, of folios that are isolated.
   * @returns the others, isolated still
   */
  shrinkFolioList(folios: readonly number[]): number[] {
    return folios.filter((folio) => !this.#shrinkFolio(folio));
  }

  /** Once around the zone at most. @returns pages freed */
  #shrinkZone(zone: Zone, wanted: number): number {
    const { frames, vmstat } = this.#pages;
    const size = zone.end - zone.start;
    const start = this.#hands.get(zone) ?? zone.start;
    let freed = 0;
    let seen = 0;
    for (; seen < size && freed < wanted; seen++) {
      const frame = zone.start + ((start - zone.start + seen) % size);
      if ((frames.flags[frame]! & (PG_LRU | PG_UNEVICTABLE)) !== PG_LRU) continue;
      vmstat.pgscan += 1;
      if (!this.#pages.isolateFolio(frame)) continue;
      const count = frames.folioPages(frame);
      if (this.#shrinkFolio(frame)) freed += count;
      else this.#pages.putbackFolio(frame);
    }
    this.#hands.set(zone, zone.start + ((start - zone.start + seen) % size));
    vmstat.pgsteal += freed;
    return freed;
  }

  /** False when the folio stays; it is isolated then as before. */
  #shrinkFolio(folio: number): boolean {
    const { frames, owners } = this.#pages;
    const flags = frames.flags[folio]!;
    if (maybeDmaPinned(frames, folio) || (flags & PG_UNEVICTABLE) !== 0) return false;
    const cache = owners.cache(frames.mapping[folio]!);
    const own = cache === undefined ? 0 : frames.folioPages(folio);
    const known = 1 + own + Number((flags & PG_PRIVATE) !== 0) + frames.mapcount[folio]!;
    if (frames.refs[folio] !== known || isMappedLocked(this.#pages, folio)) return false;
    if ((flags & PG_ANON) !== 0) return this.#swapOut(folio);
    if (cache === undefined) return false;
    tryToUnmap(this.#pages, folio, -1);
    if (!cache.evict(frames.index[folio]!, folio)) return false;
    frames.mapping[folio] = 0;
    frames.refs[folio]! -= own;
    this.#pages.putFrame(folio);
    return true;
  }

  /** add_to_swap() and pageout(). Large folios stay. */
  #swapOut(folio: number): boolean {
    if (this.#pages.frames.order[folio] !== 0) return false;
    const slot = this.#pages.swapOut(folio);
    if (slot < 0) return false;
    tryToUnmap(this.#pages, folio, slot);
    this.#pages.swap.put(slot);
    this.#pages.putFrame(folio);
    return true;
  }
}
