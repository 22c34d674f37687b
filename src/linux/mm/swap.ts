/**
 * The swap area: where the content of anonymous and shared memory goes when frames run short.
 *
 * Upstream counterpart: mm/swapfile.c. Its content is not in the machine's RAM. Left out: the swap
 * cache (a page that two processes shared comes back as a page for each), several areas,
 * clusters. Without slots, as by default, there is none.
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../../machine/address.ts';

/** As many as a page table entry can name. */
export const MOST_SWAP_PAGES = 1 << (32 - PAGE_SHIFT);

export class SwapArea {
  /** Slots, one a page. */
  readonly limit: number;
  readonly #pages = new Map<number, Uint8Array>();
  /** swap_map: entries that refer to a slot. */
  readonly #counts = new Map<number, number>();
  readonly #free: number[] = [];
  #next = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#counts.size;
  }

  /** get_swap_page() and swap_writepage(): a slot with this content and one reference, or -1. */
  write(content: Uint8Array): number {
    if (this.used >= this.limit) return -1;
    const slot = this.#free.pop() ?? this.#next++;
    this.#counts.set(slot, 1);
    this.#pages.set(slot, content.slice(0, PAGE_SIZE));
    return slot;
  }

  /** swap_readpage() */
  read(slot: number): Uint8Array {
    return this.#pages.get(slot)!;
  }

  /** swap_duplicate(): one more entry refers to it. */
  dup(slot: number): void {
    this.#counts.set(slot, this.#counts.get(slot)! + 1);
  }

  /** swap_free(): the slot is free with its last reference. */
  put(slot: number): void {
    const left = this.#counts.get(slot)! - 1;
    if (left > 0) {
      this.#counts.set(slot, left);
      return;
    }
    this.#counts.delete(slot);
    this.#pages.delete(slot);
    this.#free.push(slot);
  }
}
