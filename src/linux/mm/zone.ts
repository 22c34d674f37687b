/**
 * A zone of memory and its buddy allocator: blocks of 2^order frames that split, merge with their
 * buddies when freed, and are stolen between migrate types when one has none left.
 *
 * Upstream counterpart: mm/page_alloc.c (__free_one_page, __rmqueue, take_page_off_buddy). Memory
 * that was never needed is listed block by block on demand (deferred_grow_zone).
 * Left out: per-CPU lists, compaction, lowmem_reserve, the guess whether a merge is near.
 */
import { FreeLists } from './free-lists.ts';
import {
  FALLBACKS,
  MAX_PAGE_ORDER,
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  PAGEBLOCK_NR_PAGES,
  PAGEBLOCK_ORDER,
  isMergeable,
} from './migrate-type.ts';
import type { MigrateType } from './migrate-type.ts';
import { PG_LRU } from './page-frames.ts';
import type { PageFrames } from './page-frames.ts';

const MAX_BLOCK = 1 << MAX_PAGE_ORDER;

/** Frames of whole largest blocks that no list has yet. */
interface Deferred {
  next: number;
  readonly end: number;
}

/** Free pages below which an allocation may not go, and up to which memory is reclaimed. */
export interface Watermarks {
  /** Only for those who may take from the reserve. */
  readonly min: number;
  /** Below, kswapd is woken. */
  readonly low: number;
  /** Here it sleeps again. */
  readonly high: number;
}

export type ZoneName = 'DMA32' | 'NORMAL' | 'HIGHMEM' | 'MOVABLE';

/** zone_names[]: as /proc/zoneinfo and /proc/buddyinfo name them. */
export const ZONE_NAMES: { readonly [Z in ZoneName]: string } = {
  DMA32: 'DMA32',
  NORMAL: 'Normal',
  HIGHMEM: 'HighMem',
  MOVABLE: 'Movable',
};

export class Zone {
  readonly name: ZoneName;
  /** Frames from `start` to before `end`, holes included. */
  readonly start: number;
  readonly end: number;
  watermarks: Watermarks = { min: 0, low: 0, high: 0 };
  readonly #frames: PageFrames;
  readonly #lists: FreeLists;
  readonly #deferred: Deferred[] = [];
  #managed = 0;
  #free = 0;
  #freeCma = 0;

  /** @param index of the zone, for its part of the frames' links. */
  constructor(frames: PageFrames, index: number, name: ZoneName, start: number, end: number) {
    this.name = name;
    this.start = start;
    this.end = end;
    this.#frames = frames;
    this.#lists = new FreeLists(frames, index);
  }

  /** Pages that the zone owns, free or not. */
  get managedPages(): number {
    return this.#managed;
  }

  /** NR_FREE_PAGES: without those of pageblocks that are isolated. */
  get freePages(): number {
    return this.#free;
  }

  /** NR_FREE_CMA_PAGES, which are among the free pages. */
  get freeCmaPages(): number {
    return this.#freeCma;
  }

  /** Frames that were never needed: free, and on no list yet. */
  get deferred(): readonly { readonly next: number; readonly end: number }[] {
    return this.#deferred;
  }

  contains(frame: number): boolean {
    return frame >= this.start && frame < this.end;
  }

  /** At boot: frames that the allocator may give out. */
  addMemory(from: number, to: number): void {
    const first = Math.min(to, Math.ceil(from / MAX_BLOCK) * MAX_BLOCK);
    const last = Math.max(first, Math.floor(to / MAX_BLOCK) * MAX_BLOCK);
    this.#managed += to - from;
    this.#free += last - first;
    this.freeRange(from, first);
    this.freeRange(last, to);
    if (first < last) this.#deferred.push({ next: first, end: last });
    this.#listDeferred();
  }

  /** init_cma_reserved_pageblock(): whole pageblocks that movable pages may borrow. */
  addCmaMemory(from: number, to: number): void {
    for (let block = from; block < to; block += PAGEBLOCK_NR_PAGES) {
      this.#frames.setBlockType(block, MIGRATE_CMA);
    }
    this.#managed += to - from;
    this.freeRange(from, to);
  }

  /** __zone_watermark_ok(), but for the search of a block, which the allocation does anyway. */
  watermarkOk(order: number, mark: number, cma: boolean): boolean {
    const usable = cma ? this.#free : this.#free - this.#freeCma;
    return usable - ((1 << order) - 1) > mark;
  }

  /**
   * __rmqueue(): first frame of a block, or -1.
   * @param cma whether blocks of CMA areas are open: they come first when they are more than half
   * of what is free, and before blocks are stolen from another type
   */
  alloc(order: number, type: MigrateType, cma: boolean): number {
    const frame = this.#rmqueue(order, type, cma && this.#freeCma > 0);
    if (frame >= 0) this.#count(frame, -(1 << order));
    return frame;
  }

  /** Takes this very block where `alloc` might; false when it is not free. */
  allocAt(frame: number, order: number, type: MigrateType, cma: boolean): boolean {
    const wanted = cma && this.#prefersCma() ? MIGRATE_CMA : type;
    if (this.#frames.blockType(frame) !== wanted) return false;
    for (let at = order; at <= MAX_PAGE_ORDER; at++) {
      const block = frame & -(1 << at);
      if (this.#frames.buddy[block] !== at + 1) continue;
      this.#remove(block, at);
      this.#splitAround(block, at, frame, order);
      this.#count(frame, -(1 << order));
      return true;
    }
    return false;
  }

  /** __isolate_free_page(): takes a free block off its list, whatever its type. */
  takeFree(frame: number): void {
    const order = this.#frames.buddy[frame]! - 1;
    this.#remove(frame, order);
    this.#count(frame, -(1 << order));
  }

  /** __free_one_page(): a block comes back and merges with every buddy that is free. */
  free(frame: number, order: number): void {
    this.#count(frame, 1 << order);
    this.#merge(frame, order, 'first');
  }

  /** Gives back frames that need not be one block and were never used (FPI_TO_TAIL). */
  freeRange(from: number, to: number): void {
    for (let at = from; at < to;) {
      let order = at === 0 ? MAX_PAGE_ORDER : Math.min(MAX_PAGE_ORDER, 31 - Math.clz32(at & -at));
      while (at + (1 << order) > to) order -= 1;
      this.#count(at, 1 << order);
      this.#merge(at, order, 'last');
      at += 1 << order;
    }
  }

  /** Lists what was never needed so far of a range, for those who look at single blocks. */
  listRange(from: number, to: number): void {
    for (const range of this.#deferred.splice(0)) {
      const first = Math.max(range.next, from & -MAX_BLOCK);
      const last = Math.min(range.end, Math.ceil(to / MAX_BLOCK) * MAX_BLOCK);
      for (let block = first; block < last; block += MAX_BLOCK) {
        this.#lists.addTail(block, MAX_PAGE_ORDER, MIGRATE_MOVABLE);
      }
      const kept = first < last ? [[range.next, first] as const, [last, range.end] as const] : [];
      const rest = kept.length > 0 ? kept : [[range.next, range.end] as const];
      for (const [next, end] of rest) if (next < end) this.#deferred.push({ next, end });
    }
  }

  /**
   * Gives a pageblock another type, its free pages with it (set_migratetype_isolate,
   * unset_migratetype_isolate). A larger free block that it is part of is cut.
   */
  changeBlock(block: number, type: number): void {
    this.#cutAtBlock(block);
    const free = this.#moveFree(block, type);
    this.#count(block, -free);
    this.#frames.setBlockType(block, type);
    this.#count(block, free);
    if (free === PAGEBLOCK_NR_PAGES && this.#frames.buddy[block] === PAGEBLOCK_ORDER + 1) {
      this.#lists.remove(block);
      this.#merge(block, PAGEBLOCK_ORDER, 'last');
    }
  }

  /** Order of the largest free block; -1 when nothing is free. */
  largestFreeOrder(): number {
    return this.freeBlocks().findLastIndex((blocks) => blocks > 0);
  }

  /** Free blocks of each order (/proc/buddyinfo). */
  freeBlocks(): number[] {
    const counts = this.#lists.counts();
    for (const { next, end } of this.#deferred) {
      counts[MAX_PAGE_ORDER]! += (end - next) / MAX_BLOCK;
    }
    return counts;
  }

  #prefersCma(): boolean {
    return this.#freeCma > this.#free / 2;
  }

  /** __mod_zone_freepage_state() */
  #count(frame: number, pages: number): void {
    const type = this.#frames.blockType(frame);
    if (type === MIGRATE_ISOLATE) return;
    this.#free += pages;
    if (type === MIGRATE_CMA) this.#freeCma += pages;
  }

  #rmqueue(order: number, type: MigrateType, cma: boolean): number {
    const lent = cma && this.#prefersCma() ? this.#takeSmallest(order, MIGRATE_CMA) : -1;
    if (lent >= 0) return lent;
    for (;;) {
      const own = this.#takeSmallest(order, type);
      if (own >= 0) return own;
      const borrowed = cma ? this.#takeSmallest(order, MIGRATE_CMA) : -1;
      if (borrowed >= 0 || !this.#fallBack(order, type)) return borrowed;
    }
  }

  /** __rmqueue_smallest(): the least block of the type's own that will do, split down. */
  #takeSmallest(order: number, type: number): number {
    for (let at = order; at <= MAX_PAGE_ORDER; at++) {
      const frame = this.#lists.first(at, type);
      if (frame < 0) continue;
      this.#remove(frame, at);
      for (let rest = at - 1; rest >= order; rest--) {
        this.#lists.add(frame + (1 << rest), rest, type);
      }
      return frame;
    }
    return -1;
  }

  #remove(frame: number, order: number): void {
    this.#lists.remove(frame);
    if (order === MAX_PAGE_ORDER) this.#listDeferred();
  }

  /** Keeps a largest block listed for as long as there is one that was never used. */
  #listDeferred(): void {
    const range = this.#deferred[0];
    if (range === undefined || this.#lists.first(MAX_PAGE_ORDER, MIGRATE_MOVABLE) >= 0) return;
    this.#lists.addTail(range.next, MAX_PAGE_ORDER, MIGRATE_MOVABLE);
    range.next += MAX_BLOCK;
    if (range.next === range.end) this.#deferred.shift();
  }

  /** break_down_buddy_pages(): lists what is left of a block when a part of it has gone. */
  #splitAround(block: number, blockOrder: number, frame: number, order: number): void {
    const type = this.#frames.blockType(frame);
    let low = block;
    for (let at = blockOrder - 1; at >= order; at--) {
      const middle = low + (1 << at);
      this.#lists.add(frame < middle ? middle : low, at, type);
      if (frame >= middle) low = middle;
    }
  }

  /** @param place in the free list: what is likely to be used next, or what need not be soon. */
  #merge(frame: number, order: number, place: 'first' | 'last'): void {
    let block = frame;
    let at = order;
    for (; at < MAX_PAGE_ORDER; at++) {
      const buddy = block ^ (1 << at);
      if (!this.contains(buddy) || this.#frames.buddy[buddy] !== at + 1) break;
      if (at >= PAGEBLOCK_ORDER && !this.#mayMerge(block, buddy)) break;
      this.#lists.remove(buddy);
      block &= buddy;
    }
    const type = this.#frames.blockType(block);
    if (place === 'first') this.#lists.add(block, at, type);
    else this.#lists.addTail(block, at, type);
  }

  /** Free pages of CMA areas, and isolated ones, are not mixed with others. */
  #mayMerge(a: number, b: number): boolean {
    const [type, other] = [this.#frames.blockType(a), this.#frames.blockType(b)];
    return type === other || (isMergeable(type) && isMergeable(other));
  }

  /** split_free_page(): no free block reaches out of the pageblock afterwards. */
  #cutAtBlock(block: number): void {
    const large = block & -MAX_BLOCK;
    if (this.#frames.buddy[large] !== MAX_PAGE_ORDER + 1) return;
    this.#remove(large, MAX_PAGE_ORDER);
    for (const half of [large, large + PAGEBLOCK_NR_PAGES]) {
      this.#lists.addTail(half, PAGEBLOCK_ORDER, this.#frames.blockType(half));
    }
  }

  /**
   * __rmqueue_fallback(): moves blocks of another type to this one's lists. The largest block is
   * taken, with its pageblock where that may be stolen whole; a movable allocation that may not
   * takes the smallest, for it does no lasting harm there.
   */
  #fallBack(order: number, type: MigrateType): boolean {
    for (let at = MAX_PAGE_ORDER; at >= order; at--) {
      const frame = this.#victim(at, type);
      if (frame < 0) continue;
      if (canSteal(at, type)) this.#steal(frame, at, type);
      else this.#moveSmallest(order, type);
      return true;
    }
    return false;
  }

  #victim(order: number, type: MigrateType): number {
    for (const fallback of FALLBACKS[type]!) {
      const frame = this.#lists.first(order, fallback);
      if (frame >= 0) return frame;
    }
    return -1;
  }

  #moveSmallest(order: number, type: MigrateType): void {
    let at = order;
    while (this.#victim(at, type) < 0) at += 1;
    this.#move(this.#victim(at, type), at, type);
  }

  /** move_to_free_list() */
  #move(frame: number, order: number, type: number): void {
    this.#lists.remove(frame);
    this.#lists.addTail(frame, order, type);
  }

  /**
   * steal_suitable_fallback(): takes the free part of the block's pageblock, and the pageblock
   * itself when at least half of it is free or holds pages of a like kind.
   */
  #steal(frame: number, order: number, type: MigrateType): void {
    if (order >= PAGEBLOCK_ORDER) {
      for (let at = frame; at < frame + (1 << order); at += PAGEBLOCK_NR_PAGES) {
        this.#frames.setBlockType(at, type);
      }
      this.#move(frame, order, type);
      if (order === MAX_PAGE_ORDER) this.#listDeferred();
      return;
    }
    const block = frame & -PAGEBLOCK_NR_PAGES;
    if (!this.contains(block) || !this.contains(block + PAGEBLOCK_NR_PAGES - 1)) {
      this.#move(frame, order, type);
      return;
    }
    const usable = this.#moveBlock(block, type);
    if (usable >= PAGEBLOCK_NR_PAGES / 2) this.#frames.setBlockType(block, type);
  }

  /**
   * move_freepages_block() for a theft: says how many pages of the pageblock are free or of a like
   * kind.
   */
  #moveBlock(block: number, type: MigrateType): number {
    const free = this.#moveFree(block, type);
    let movable = 0;
    for (let at = block; at < block + PAGEBLOCK_NR_PAGES; at++) {
      if ((this.#frames.flags[at]! & PG_LRU) !== 0) movable += this.#frames.folioPages(at);
    }
    if (type === MIGRATE_MOVABLE) return free + movable;
    const fromMovable = this.#frames.blockType(block) === MIGRATE_MOVABLE;
    return fromMovable ? PAGEBLOCK_NR_PAGES - movable : free;
  }

  /** Moves the free blocks of a pageblock to another type's lists. @returns their pages */
  #moveFree(block: number, type: number): number {
    const { buddy } = this.#frames;
    let free = 0;
    for (let at = block; at < block + PAGEBLOCK_NR_PAGES;) {
      const order = buddy[at]! - 1;
      if (order >= 0) {
        this.#move(at, order, type);
        free += 1 << order;
      }
      at += order < 0 ? 1 : 1 << order;
    }
    return free;
  }
}

/** can_steal_fallback(): whether a block of this order is worth its whole pageblock. */
function canSteal(order: number, type: MigrateType): boolean {
  return order >= PAGEBLOCK_ORDER >> 1 || type !== MIGRATE_MOVABLE;
}
