/**
 * An allocator of ranges within a region that it does not touch.
 *
 * Upstream counterpart: lib/genalloc.c, with gen_pool_first_fit_align as its algorithm: the lowest
 * range that fits. The region's granules are kept as a sorted list of free runs, so that an
 * allocation costs as much as there are holes before it.
 * Left out: more than one chunk, other algorithms.
 */
import type { Scheduler } from '../../sched/scheduler.ts';

export interface GenPoolOptions {
  readonly name: string;
  /** Address of the first byte, a multiple of the granule. */
  readonly base: number;
  /** Bytes, a multiple of the granule. */
  readonly size: number;
  /** min_alloc_order: the granule is 1 << minOrder bytes. */
  readonly minOrder: number;
}

/** Addresses from `start` to before `end`. */
interface Run {
  start: number;
  end: number;
}

export class GenPool {
  readonly name: string;
  readonly base: number;
  readonly size: number;
  readonly granule: number;
  readonly #sched: Scheduler;
  /** Ascending, never adjacent. */
  readonly #free: Run[];
  #used = 0;

  constructor(sched: Scheduler, options: GenPoolOptions) {
    this.#sched = sched;
    this.name = options.name;
    this.base = options.base;
    this.size = options.size;
    this.granule = 2 ** options.minOrder;
    this.#free = [{ start: this.base, end: this.base + this.size }];
  }

  /** Bytes given out, whole granules. */
  get used(): number {
    return this.#used;
  }

  /** Bytes of the largest free run: what an allocation could still get. */
  get largestFree(): number {
    return this.#free.reduce((most, run) => Math.max(most, run.end - run.start), 0);
  }

  /**
   * gen_pool_alloc_algo(): the lowest address of `size` free bytes, rounded up to granules.
   * @param align power of two, bytes; the granule when it is less.
   * @returns undefined when nothing fits, and for size 0.
   */
  alloc(size: number, align = 1): number | undefined {
    const length = this.#round(size);
    const step = Math.max(align, this.granule);
    if (length === 0) return undefined;
    for (const [index, run] of this.#free.entries()) {
      const start = Math.ceil(run.start / step) * step;
      if (start + length > run.end) continue;
      this.#cut(index, start, start + length);
      this.#account(length);
      return start;
    }
    return undefined;
  }

  /** gen_pool_free(): `size` as it was asked for. @throws BoxHalted for what is not allocated. */
  free(address: number, size: number): void {
    const end = address + this.#round(size);
    if (end === address) return;
    const next = this.#firstFrom(address);
    const before = this.#free[next - 1];
    const after = this.#free[next];
    const inside = address >= this.base && end <= this.base + this.size;
    if (!inside || (before?.end ?? 0) > address || (after?.start ?? Infinity) < end) {
      throw this.#sched.halt(
        'kernel BUG',
        `genalloc: ${this.name}: 0x${address.toString(16)}+${size} is freed and was not allocated`,
      );
    }
    this.#join(next, address, end);
    this.#account(address - end);
  }

  #round(size: number): number {
    return Math.ceil(size / this.granule) * this.granule;
  }

  /** Takes `start` to `end` out of a free run. */
  #cut(index: number, start: number, end: number): void {
    const run = this.#free[index]!;
    const rest = [
      { start: run.start, end: start },
      { start: end, end: run.end },
    ];
    this.#free.splice(index, 1, ...rest.filter((part) => part.start < part.end));
  }

  /** Puts a run back before the one at `next`, and joins what touches. */
  #join(next: number, start: number, end: number): void {
    const first = this.#free[next - 1]?.end === start ? next - 1 : next;
    const last = this.#free[next]?.start === end ? next : next - 1;
    const run = {
      start: first < next ? this.#free[first]!.start : start,
      end: last === next ? this.#free[last]!.end : end,
    };
    this.#free.splice(first, last - first + 1, run);
  }

  /** Index of the first free run that starts at or behind an address. */
  #firstFrom(address: number): number {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#free[middle]!.start < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #account(delta: number): void {
    this.#used += delta;
    const { trace } = this.#sched;
    if (trace.pools) {
      const { name, size: limit } = this;
      trace.pool('linux', { name, used: this.#used, limit, unit: 'bytes' });
    }
  }
}
