/**
 * Small integers for objects (struct idr).
 *
 * Upstream counterpart: lib/idr.c, include/linux/idr.h. Each allocation has a generation, by which
 * whoever kept an id can tell that it names another object now.
 * Left out: NULL entries (idr_alloc of a reserved id).
 */
import { ENOSPC } from '../../abi/errno.ts';
import { IdBitmap } from './id-bitmap.ts';

/** One past the highest id: ids are ints upstream. */
const ID_END = 2 ** 31;

interface Entry<T> {
  item: T;
  readonly generation: number;
}

export class Idr<T> {
  readonly #entries = new Map<number, Entry<T>>();
  readonly #used = new IdBitmap();
  #generation = 0;
  #next = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** idr_alloc(): the lowest free id from `start` to before `end`, or -ENOSPC. */
  alloc(item: T, start: number, end = ID_END): number {
    return this.#insert(item, this.#used.lowestFree(start), end);
  }

  /** idr_alloc_cyclic(): the first free id behind the last one given out, then from `start` again. */
  allocCyclic(item: T, start: number, end = ID_END): number {
    let id = this.#used.lowestFree(Math.max(this.#next, start));
    if (id >= end) id = this.#used.lowestFree(start);
    const result = this.#insert(item, id, end);
    if (result >= 0) this.#next = result + 1;
    return result;
  }

  /** idr_find() */
  get(id: number): T | undefined {
    return this.#entries.get(id)?.item;
  }

  /** Number of the allocation that `id` is of, never the same twice; undefined for a free id. */
  generation(id: number): number | undefined {
    return this.#entries.get(id)?.generation;
  }

  /** idr_replace(): the id stays, and so does its generation. @returns what it named before. */
  replace(id: number, item: T): T | undefined {
    const entry = this.#entries.get(id);
    const before = entry?.item;
    if (entry !== undefined) entry.item = item;
    return before;
  }

  /** idr_remove(): @returns what the id named. */
  remove(id: number): T | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    this.#used.delete(id);
    return entry.item;
  }

  /** idr_for_each_entry(): in the order of ids; items may be removed meanwhile. */
  *[Symbol.iterator](): Generator<[id: number, item: T], void, void> {
    const ids = [...this.#entries.keys()].sort((a, b) => a - b);
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry !== undefined) yield [id, entry.item];
    }
  }

  #insert(item: T, id: number, end: number): number {
    if (id >= end) return -ENOSPC;
    this.#generation += 1;
    this.#entries.set(id, { item, generation: this.#generation });
    this.#used.add(id);
    return id;
  }
}
