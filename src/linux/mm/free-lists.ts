/**
 * The free lists of one zone: a circular list of blocks for each order and migrate type, linked
 * through the frames' own entries (struct free_area, include/linux/mmzone.h).
 */
import { MAX_PAGE_ORDER, MIGRATE_TYPES } from './migrate-type.ts';
import { LISTS_PER_ZONE } from './page-frames.ts';
import type { PageFrames } from './page-frames.ts';

export class FreeLists {
  readonly #next: Int32Array;
  readonly #prev: Int32Array;
  readonly #buddy: Uint8Array;
  /** Link entry of the first list's head. */
  readonly #heads: number;

  constructor(frames: PageFrames, zone: number) {
    this.#next = frames.next;
    this.#prev = frames.prev;
    this.#buddy = frames.buddy;
    this.#heads = frames.count + zone * LISTS_PER_ZONE;
    for (let head = this.#heads; head < this.#heads + LISTS_PER_ZONE; head++) {
      this.#next[head] = head;
      this.#prev[head] = head;
    }
  }

  /** The block at the front of a list; -1 when it is empty. */
  first(order: number, type: number): number {
    const head = this.#head(order, type);
    const frame = this.#next[head]!;
    return frame === head ? -1 : frame;
  }

  /** add_to_free_list(): what was freed last is used first. */
  add(frame: number, order: number, type: number): void {
    this.#link(frame, order, this.#head(order, type));
  }

  addTail(frame: number, order: number, type: number): void {
    this.#link(frame, order, this.#prev[this.#head(order, type)]!);
  }

  /** del_page_from_free_list() */
  remove(frame: number): void {
    const next = this.#next[frame]!;
    const prev = this.#prev[frame]!;
    this.#next[prev] = next;
    this.#prev[next] = prev;
    this.#buddy[frame] = 0;
  }

  /** Blocks of each order, as a line of /proc/buddyinfo has them. */
  counts(): number[] {
    return Array.from({ length: MAX_PAGE_ORDER + 1 }, (_, order) => {
      let blocks = 0;
      for (let type = 0; type < MIGRATE_TYPES; type++) blocks += this.#length(order, type);
      return blocks;
    });
  }

  #length(order: number, type: number): number {
    const head = this.#head(order, type);
    let length = 0;
    for (let at = this.#next[head]!; at !== head; at = this.#next[at]!) length += 1;
    return length;
  }

  #head(order: number, type: number): number {
    return this.#heads + order * MIGRATE_TYPES + type;
  }

  #link(frame: number, order: number, prev: number): void {
    const next = this.#next[prev]!;
    this.#next[prev] = frame;
    this.#prev[frame] = prev;
    this.#next[frame] = next;
    this.#prev[next] = frame;
    this.#buddy[frame] = order + 1;
  }
}
