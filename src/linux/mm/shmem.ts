/**
 * The pages of a shared anonymous mapping: they belong to the object, not to an address space, so
 * that parent and child see each other's writes after fork.
 *
 * Upstream counterpart: mm/shmem.c (shmem_zero_setup, shmem_fault). Left out: swap, truncation,
 * the file system.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import { MIGRATE_MOVABLE } from './migrate-type.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_LRU } from './page-frames.ts';

export class Shmem {
  readonly #pages: PageAllocator;
  /** Frames by page of the object; the object holds one reference to each. */
  readonly #frames = new Map<number, number>();
  /** VMAs that map it. */
  #users = 1;

  constructor(pages: PageAllocator) {
    this.#pages = pages;
  }

  get(): void {
    this.#users += 1;
  }

  /** The last VMA has gone: so do the pages that nobody has pinned. */
  put(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    for (const frame of this.#frames.values()) this.#pages.putFrame(frame);
    this.#frames.clear();
  }

  /** shmem_fault(): the frame of a page, zeroed when it is new; -1 when memory has run out. */
  frame(index: number): number {
    const known = this.#frames.get(index);
    if (known !== undefined) return known;
    const frame = this.#pages.allocFrames(0, MIGRATE_MOVABLE);
    if (frame < 0) return frame;
    this.#pages.zero(this.#pages.frames.address(frame), PAGE_SIZE);
    this.#pages.frames.flags[frame] = PG_LRU;
    this.#frames.set(index, frame);
    return frame;
  }
}
