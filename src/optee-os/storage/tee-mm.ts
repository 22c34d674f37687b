/**
 * Which stretches of a range are taken, allotted from its upper end: how the RPMB file system finds
 * room for a file.
 *
 * Upstream counterpart: optee_os core/mm/tee_mm.c with TEE_MM_POOL_HI_ALLOC, from address 0. Left out:
 * the other direction, freeing one entry.
 */
import type { StorageHeap } from './tee-fs.ts';

/** sizeof(tee_mm_entry_t) on a 64-bit machine. */
const MM_ENTRY_BYTES = 24;

/** In units. */
interface MmEntry {
  readonly offset: number;
  readonly size: number;
}

export class TeeMmPool {
  /** Bytes. */
  readonly size: number;
  maxAllocated = 0;
  readonly #heap: StorageHeap;
  readonly #unit: number;
  /** From the upper end on; the first stands for that end. */
  readonly #entries: MmEntry[];

  private constructor(heap: StorageHeap, size: number, shift: number) {
    this.#heap = heap;
    this.size = size;
    this.#unit = 2 ** shift;
    this.#entries = [{ offset: Math.floor((size - 1) / this.#unit) + 1, size: 0 }];
  }

  /** tee_mm_init(): undefined without room in the heap. */
  static init(heap: StorageHeap, size: number, shift: number): TeeMmPool | undefined {
    if (!heap.alloc(MM_ENTRY_BYTES, 'the map of RPMB')) return undefined;
    return new TeeMmPool(heap, size, shift);
  }

  /** tee_mm_final() */
  final(): void {
    for (const _ of this.#entries) this.#heap.free(MM_ENTRY_BYTES);
  }

  /** Bytes that are taken. */
  get allocated(): number {
    return this.#entries.reduce((sum, entry) => sum + entry.size, 0) * this.#unit;
  }

  /** tee_mm_alloc(): the address of a stretch, undefined when there is none of that length. */
  alloc(size: number): number | undefined {
    const units = size === 0 ? 0 : Math.floor((size - 1) / this.#unit) + 1;
    const found = this.#entries.findIndex((entry, n) => {
      const next = this.#entries[n + 1];
      return next === undefined || units <= entry.offset - next.offset - next.size;
    });
    const { offset } = this.#entries[found]!;
    if (found === this.#entries.length - 1 && offset * this.#unit < size) return undefined;
    if (!this.#insert(found, { offset: offset - units, size: units })) return undefined;
    return (offset - units) * this.#unit;
  }

  /** tee_mm_alloc2(): takes what lies there; false when some of it is taken. */
  take(base: number, size: number): boolean {
    const lo = Math.floor(base / this.#unit);
    const hi = Math.floor((base + size - 1) / this.#unit) + 1;
    const found = this.#entries.findIndex((_, n) => {
      const next = this.#entries[n + 1];
      return next === undefined || hi >= next.offset + next.size;
    });
    const next = this.#entries[found + 1];
    const overlaps = next !== undefined && lo < next.offset + next.size;
    const leaves = hi > this.#entries[found]!.offset || hi * this.#unit - 1 > this.size;
    return !overlaps && !leaves && this.#insert(found, { offset: lo, size: hi - lo });
  }

  #insert(after: number, entry: MmEntry): boolean {
    if (!this.#heap.alloc(MM_ENTRY_BYTES, 'the map of RPMB')) return false;
    this.#entries.splice(after + 1, 0, entry);
    this.maxAllocated = Math.max(this.maxAllocated, this.allocated);
    return true;
  }
}
