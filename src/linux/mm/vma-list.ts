/**
 * The VMAs of an address space, and the search for room between them.
 *
 * Upstream counterpart: the maple tree in mm_struct and vm_unmapped_area(), mm/mmap.c. They are
 * kept from the highest down, for room is taken top-down: what is mapped next comes last. Room is
 * found first fit; what was seen to be full is not looked at again, as free_area_cache did before
 * there was a tree.
 */
import type { Vma } from './vma.ts';

export class VmaList {
  /** Descending. */
  readonly #vmas: Vma[] = [];
  /** mmap_base: room is taken below it. */
  readonly #top: number;
  /** Above this address no hole is larger than `#skipped`. */
  #searchFrom: number;
  #skipped = 0;

  constructor(top: number) {
    this.#top = top;
    this.#searchFrom = top;
  }

  /** map_count */
  get count(): number {
    return this.#vmas.length;
  }

  /** From the highest down. */
  [Symbol.iterator](): ArrayIterator<Vma> {
    return this.#vmas.values();
  }

  /** vma_lookup(): the VMA that contains an address. */
  find(at: number): Vma | undefined {
    const vma = this.#vmas[this.#indexFrom(at)];
    return vma !== undefined && vma.end > at ? vma : undefined;
  }

  /** Those that overlap a range, ascending. */
  overlapping(start: number, end: number): Vma[] {
    const first = this.#indexFrom(end - 1);
    let last = first;
    while (last < this.#vmas.length && this.#vmas[last]!.end > start) last += 1;
    return this.#vmas.slice(first, last).reverse();
  }

  /** Adds a VMA where nothing is mapped, and merges it with its neighbours (vma_merge). */
  insert(vma: Vma): void {
    this.insertApart(vma);
    this.mergeAround(vma);
  }

  /** Adds a VMA where nothing is mapped (vma_link). */
  insertApart(vma: Vma): void {
    this.#vmas.splice(this.#indexFrom(vma.start), 0, vma);
  }

  /** A VMA's flags are new: it may have come to fit its neighbours. */
  mergeAround(vma: Vma): void {
    const index = this.#indexFrom(vma.start);
    this.#mergeBelow(index);
    this.#mergeBelow(index - 1);
  }

  /** split_vma(): cuts one in two; the part from `at` on is new. */
  split(vma: Vma, at: number): Vma {
    const upper = vma.part(at, vma.end);
    this.#vmas.splice(this.#indexFrom(vma.start), 0, upper);
    vma.end = upper.start;
    return upper;
  }

  remove(vma: Vma): void {
    const index = this.#indexFrom(vma.start);
    this.#vmas.splice(index, 1);
    const above = this.#vmas[index - 1]?.start ?? this.#top;
    const below = this.#vmas[index]?.end ?? 0;
    if (above <= this.#searchFrom) return;
    if (below < this.#searchFrom) this.#searchFrom = Math.min(above, this.#top);
    else this.#skipped = Math.max(this.#skipped, above - below);
  }

  /** vm_unmapped_area(): the top of the highest hole from `lowest` to mmap_base that fits. */
  findRoom(length: number, lowest: number): number | undefined {
    if (length <= this.#skipped) {
      this.#searchFrom = this.#top;
      this.#skipped = 0;
    }
    let limit = this.#searchFrom;
    for (let index = this.#indexFrom(limit - 1); ; index++) {
      const vma = this.#vmas[index];
      const floor = Math.max(vma?.end ?? lowest, lowest);
      if (limit - floor >= length) {
        this.#searchFrom = limit;
        return limit - length;
      }
      if (vma === undefined) return undefined;
      this.#skipped = Math.max(this.#skipped, limit - floor);
      limit = vma.start;
    }
  }

  /** Index of the highest VMA that starts at an address or below it. */
  #indexFrom(at: number): number {
    let low = 0;
    let high = this.#vmas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#vmas[middle]!.start > at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes one of the VMA at `index` and the one below it. */
  #mergeBelow(index: number): void {
    const upper = this.#vmas[index];
    const lower = this.#vmas[index + 1];
    if (upper === undefined || lower === undefined || !lower.mergesWith(upper)) return;
    lower.end = upper.end;
    this.#vmas.splice(index, 1);
    upper.free();
  }
}
