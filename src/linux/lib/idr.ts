/**
 * Small integers for objects (struct idr).
 *
 * Upstream counterpart: lib/idr.c, include/linux/idr.h. Ids start low and are given out again, so
 * that a plain array holds them: a Map grows slower the more often one key of many comes and goes.
 */
import { ENOSPC } from '../../abi/errno.ts';
import { IdBitmap } from './id-bitmap.ts';

/** One past the highest id: ids are ints upstream. */
const ID_END = 2 ** 31;

export class Idr<T> {
  /** By id; items may be undefined themselves, as upstream's may be NULL. */
  readonly #items: (T | undefined)[] = [];
  readonly #used = new IdBitmap();
  #size = 0;
  #next = 0;

  get size(): number {
    return this.#size;
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
    return this.#items[id];
  }

  /** idr_replace() @returns what the id named before; a free id stays free. */
  replace(id: number, item: T): T | undefined {
    if (!this.#used.has(id)) return undefined;
    const before = this.#items[id];
    this.#items[id] = item;
    return before;
  }

  /** idr_remove(): @returns what the id named. */
  remove(id: number): T | undefined {
    if (!this.#used.has(id)) return undefined;
    const item = this.#items[id];
    this.#items[id] = undefined;
    this.#used.delete(id);
    this.#size -= 1;
    return item;
  }

  /** idr_for_each_entry(): in the order of ids; items may be removed meanwhile. */
  *[Symbol.iterator](): Generator<[id: number, item: T], void, void> {
    const end = this.#items.length;
    for (let id = 0; id < end; id++) {
      if (this.#used.has(id)) yield [id, this.#items[id] as T];
    }
  }

  #insert(item: T, id: number, end: number): number {
    if (id >= end) return -ENOSPC;
    while (this.#items.length < id) this.#items.push(undefined);
    this.#items[id] = item;
    this.#used.add(id);
    this.#size += 1;
    return id;
  }
}
