/**
 * What the kernel knows of each page frame (struct page, mem_map), in typed arrays.
 *
 * Upstream counterpart: include/linux/mm_types.h, page-flags.h, page_ref.h. Frames are numbered
 * from the start of RAM. The arrays are zero at boot and are not touched before a frame is used,
 * so that a box costs what it uses. Left out: compound pages, mapcounts, LRU order.
 */
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { MAX_PAGE_ORDER, MIGRATE_MOVABLE, MIGRATE_TYPES, PAGEBLOCK_ORDER } from './migrate-type.ts';

/** A page of user space, which could be moved (PG_lru). */
export const PG_LRU = 1 << 0;
/** PageAnon(): its content belongs to private mappings. */
export const PG_ANON = 1 << 1;
/** PageAnonExclusive(): to one mapping only, which may write without copying. */
export const PG_ANON_EXCLUSIVE = 1 << 2;

/* Source: include/linux/mm.h, Linux 6.1. */
/** A pin counts as so many references, so that pinned pages can be told apart. */
export const GUP_PIN_COUNTING_BIAS = 1024;
export const GUP_PIN_COUNTING_SHIFT = 10;

/** Free lists of a zone: one for each order and migrate type. */
export const LISTS_PER_ZONE = (MAX_PAGE_ORDER + 1) * MIGRATE_TYPES;

export class PageFrames {
  readonly base: Pa;
  readonly count: number;
  /** _refcount; a pin counts GUP_PIN_COUNTING_BIAS. */
  readonly refs: Int32Array;
  /** Links of free lists: first one entry a frame, then one a list head. */
  readonly next: Int32Array;
  readonly prev: Int32Array;
  /** For the first frame of a free block its order plus one (PageBuddy), else 0. */
  readonly buddy: Uint8Array;
  /** PG_* */
  readonly flags: Uint8Array;
  /** Migrate type of each pageblock. */
  readonly blockTypes: Uint8Array;

  /** @param size of RAM, bytes. */
  constructor(base: Pa, size: number, zones: number) {
    this.base = base;
    this.count = size / PAGE_SIZE;
    const links = this.count + zones * LISTS_PER_ZONE;
    const memory = new ArrayBuffer(4 * this.count + 8 * links + 2 * this.count);
    this.refs = new Int32Array(memory, 0, this.count);
    this.next = new Int32Array(memory, 4 * this.count, links);
    this.prev = new Int32Array(memory, 4 * (this.count + links), links);
    this.buddy = new Uint8Array(memory, 4 * this.count + 8 * links, this.count);
    this.flags = new Uint8Array(memory, 5 * this.count + 8 * links, this.count);
    this.blockTypes = new Uint8Array(Math.ceil(this.count / (1 << PAGEBLOCK_ORDER)));
    this.blockTypes.fill(MIGRATE_MOVABLE);
  }

  /** Frame of an address; the caller knows that it is in RAM. */
  frame(address: Pa): number {
    return Math.floor((address - this.base) / PAGE_SIZE);
  }

  address(frame: number): Pa {
    return pa(this.base + frame * PAGE_SIZE);
  }

  /** get_pageblock_migratetype() */
  blockType(frame: number): number {
    return this.blockTypes[frame >>> PAGEBLOCK_ORDER]!;
  }

  setBlockType(frame: number, type: number): void {
    this.blockTypes[frame >>> PAGEBLOCK_ORDER] = type;
  }
}
