/**
 * The clocks of a box. A virtual clock moves only when the scheduler says so: it jumps to the next
 * timer when nothing can run. A live clock follows the outside.
 * Times are nanoseconds as numbers: exact for 104 days.
 */

export interface Clock {
  /** Nanoseconds since the box started. */
  nowNs(): number;
  /** True when time passes by itself. */
  readonly live: boolean;
  /** Moves a virtual clock forward; a live one ignores it. */
  advanceTo(ns: number): void;
}

export class VirtualClock implements Clock {
  readonly live = false;
  #nowNs = 0;
  nowNs(): number {
    return this.#nowNs;
  }
  advanceTo(ns: number): void {
    if (ns > this.#nowNs) this.#nowNs = ns;
  }
}

export class LiveClock implements Clock {
  readonly live = true;
  readonly #source: () => number;
  readonly #startNs: number;
  /** @param source a monotonic clock in nanoseconds. */
  constructor(source: () => number) {
    this.#source = source;
    this.#startNs = source();
  }
  nowNs(): number {
    return this.#source() - this.#startNs;
  }
  advanceTo(): void {}
}

export interface Timer {
  readonly atNs: number;
  cancel(): void;
}

interface Entry extends Timer {
  readonly seq: number;
  fn: (() => void) | undefined;
}

/** So many cancelled timers are not worth a sweep. */
const FEW = 64;

/**
 * Timers in order of time, then of creation: a binary heap. Cancelled ones leave when they surface,
 * or together when they are most of it.
 */
export class Timers {
  #heap: Entry[] = [];
  #cancelled = 0;
  #seq = 0;

  add(atNs: number, fn: () => void): Timer {
    const entry: Entry = {
      atNs,
      seq: this.#seq++,
      fn,
      cancel: () => {
        if (entry.fn !== undefined) this.#cancel(entry);
      },
    };
    this.#push(entry);
    return entry;
  }

  /** When the next timer fires, in nanoseconds; undefined without any. */
  nextNs(): number | undefined {
    while (this.#heap[0] !== undefined && this.#heap[0].fn === undefined) {
      this.#pop();
      this.#cancelled -= 1;
    }
    return this.#heap[0]?.atNs;
  }

  /** Runs everything that is due; says whether there was something. */
  fire(nowNs: number): boolean {
    let fired = false;
    for (let next = this.nextNs(); next !== undefined && next <= nowNs; next = this.nextNs()) {
      const due = this.#pop();
      const { fn } = due;
      due.fn = undefined;
      fired = true;
      fn?.();
    }
    return fired;
  }

  /** Timers that are kept, cancelled ones included. */
  get size(): number {
    return this.#heap.length;
  }

  #cancel(entry: Entry): void {
    entry.fn = undefined;
    this.#cancelled += 1;
    if (this.#cancelled > FEW && this.#cancelled > this.#heap.length / 2) this.#sweep();
  }

  #sweep(): void {
    const kept = this.#heap.filter(({ fn }) => fn !== undefined);
    this.#cancelled = 0;
    this.#heap = [];
    for (const entry of kept) this.#push(entry);
  }

  #push(entry: Entry): void {
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1);
  }

  #less(a: number, b: number): boolean {
    const x = this.#heap[a]!;
    const y = this.#heap[b]!;
    return x.atNs < y.atNs || (x.atNs === y.atNs && x.seq < y.seq);
  }

  #swap(a: number, b: number): void {
    const x = this.#heap[a]!;
    this.#heap[a] = this.#heap[b]!;
    this.#heap[b] = x;
  }

  #up(i: number): void {
    for (; i > 0; i = (i - 1) >> 1) {
      if (!this.#less(i, (i - 1) >> 1)) return;
      this.#swap(i, (i - 1) >> 1);
    }
  }

  #pop(): Entry {
    const top = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      for (let i = 0; ;) {
        let least = i;
        for (const child of [2 * i + 1, 2 * i + 2]) {
          if (child < this.#heap.length && this.#less(child, least)) least = child;
        }
        if (least === i) break;
        this.#swap(i, least);
        i = least;
      }
    }
    return top;
  }
}
