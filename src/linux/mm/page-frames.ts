/**
 * What the kernel knows of each page frame (struct page, struct folio), in typed arrays: 38 bytes a
 * frame.
 *
 * Upstream counterpart: include/linux/mm_types.h, page-flags.h, rmap.h. Frames are numbered from
 * the start of RAM. The arrays are zero at boot and are not touched before a frame is used, so
 * that a box costs what it uses. Left out: LRU order (reclaim looks at frames in turn), the map
 * counts of single pages of a large folio.
 */
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Bus } from '../../machine/bus.ts';
import { MAX_PAGE_ORDER, MIGRATE_MOVABLE, MIGRATE_TYPES, PAGEBLOCK_ORDER } from './migrate-type.ts';

/** A page of user space that can be isolated, to be moved or reclaimed (PG_lru). */
export const PG_LRU = 1 << 0;
/** PageAnon(): its content belongs to private mappings. */
export const PG_ANON = 1 << 1;
/** PageAnonExclusive(): to one mapping only, which may write without copying. */
export const PG_ANON_EXCLUSIVE = 1 << 2;
/** PageHead(): the first page of a compound page. */
export const PG_HEAD = 1 << 3;
/** Its content goes to swap, not to a file: anonymous memory and shmem. */
export const PG_SWAPBACKED = 1 << 4;
/** Its file does not have its content yet. */
export const PG_DIRTY = 1 << 5;
/** The file system keeps something with the page, and one reference for that. */
export const PG_PRIVATE = 1 << 6;
/** It is never reclaimed (mlock, secretmem); it can be moved. */
export const PG_UNEVICTABLE = 1 << 7;

/** Free lists of a zone: one for each order and migrate type. */
export const LISTS_PER_ZONE = (MAX_PAGE_ORDER + 1) * MIGRATE_TYPES;

export class PageFrames {
  readonly base: Pa;
  readonly count: number;
  /** For anonymous pages the page of user space (page->index), for others that of the cache. */
  readonly index: Float64Array;
  /** _refcount, at the head of a folio; a pin of a small folio counts GUP_PIN_COUNTING_BIAS. */
  readonly refs: Int32Array;
  /** folio_mapcount(): page table entries that show a page of the folio; at the head. */
  readonly mapcount: Int32Array;
  /** _pincount: pins of a large folio; at the head. */
  readonly pincount: Int32Array;
  /** page->mapping: id of the FolioOwner, at the head; 0 for none. */
  readonly mapping: Int32Array;
  /** Links of free lists: first one entry a frame, then one a list head. */
  readonly next: Int32Array;
  readonly prev: Int32Array;
  /** PG_* */
  readonly flags: Uint16Array;
  /** For a tail of a compound page its distance from the head (compound_head), else 0. */
  readonly tail: Uint16Array;
  /** compound_order(), at the head; 0 for a small folio. */
  readonly order: Uint8Array;
  /** For the first frame of a free block its order plus one (PageBuddy), else 0. */
  readonly buddy: Uint8Array;
  /** Migrate type of each pageblock. */
  readonly blockTypes: Uint8Array;

  constructor(bus: Bus, zones: number) {
    const count = bus.size / PAGE_SIZE;
    this.base = bus.base;
    this.count = count;
    const links = count + zones * LISTS_PER_ZONE;
    const bytes = (8 + 4 * 4 + 2 * 2 + 2) * count + 2 * 4 * links;
    const { buffer: memory, byteOffset } = bus.takePageData(bytes);
    let used = byteOffset;
    const take = (bytes: number): number => {
      used += bytes;
      return used - bytes;
    };
    this.index = new Float64Array(memory, take(8 * count), count);
    this.refs = new Int32Array(memory, take(4 * count), count);
    this.mapcount = new Int32Array(memory, take(4 * count), count);
    this.pincount = new Int32Array(memory, take(4 * count), count);
    this.mapping = new Int32Array(memory, take(4 * count), count);
    this.next = new Int32Array(memory, take(4 * links), links);
    this.prev = new Int32Array(memory, take(4 * links), links);
    this.flags = new Uint16Array(memory, take(2 * count), count);
    this.tail = new Uint16Array(memory, take(2 * count), count);
    this.order = new Uint8Array(memory, take(count), count);
    this.buddy = new Uint8Array(memory, take(count), count);
    this.blockTypes = new Uint8Array(Math.ceil(count / (1 << PAGEBLOCK_ORDER)));
    this.blockTypes.fill(MIGRATE_MOVABLE);
  }

  /** Frame of an address; the caller knows that it is in RAM. */
  frame(address: Pa): number {
    return Math.floor((address - this.base) / PAGE_SIZE);
  }

  address(frame: number): Pa {
    return pa(this.base + frame * PAGE_SIZE);
  }

  /** Page frame number as the kernel prints it. */
  pfn(frame: number): number {
    return this.base / PAGE_SIZE + frame;
  }

  /** page_folio(): the frame that stands for the whole folio. */
  folio(frame: number): number {
    return frame - this.tail[frame]!;
  }

  /** folio_nr_pages() */
  folioPages(folio: number): number {
    return 1 << this.order[folio]!;
  }

  /** Head of the free block that contains a frame; -1 when it is not free. */
  freeBlock(frame: number): number {
    for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
      const head = frame & -(1 << order);
      const size = this.buddy[head]!;
      if (size !== 0) return head + (1 << (size - 1)) > frame ? head : -1;
    }
    return -1;
  }

  /** get_pageblock_migratetype() */
  blockType(frame: number): number {
    return this.blockTypes[frame >>> PAGEBLOCK_ORDER]!;
  }

  setBlockType(frame: number, type: number): void {
    this.blockTypes[frame >>> PAGEBLOCK_ORDER] = type;
  }
}
