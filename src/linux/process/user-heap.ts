/**
 * Where a program's heap has room: first fit over sorted free ranges that merge when they meet.
 * The C library's malloc in effect; it knows addresses only, not what is there.
 */

/** As malloc() aligns on 64-bit systems, bytes. */
const ALIGN = 16;

interface Range {
  start: number;
  end: number;
}

export class UserHeap {
  /** Sorted, never touching. */
  readonly #free: Range[] = [];
  /** Sizes of what is allocated, by address. */
  readonly #sizes = new Map<number, number>();

  /** Bytes allocated. */
  get used(): number {
    let sum = 0;
    for (const size of this.#sizes.values()) sum += size;
    return sum;
  }

  /** More memory, mapped just now. */
  add(start: number, length: number): void {
    this.#insert({ start, end: start + length });
  }

  /** @param align a power of two. @returns undefined when the heap must grow first. */
  alloc(size: number, align = ALIGN): number | undefined {
    const step = Math.max(align, ALIGN);
    const length = Math.ceil(Math.max(size, 1) / ALIGN) * ALIGN;
    for (const range of this.#free) {
      const start = Math.ceil(range.start / step) * step;
      if (start + length > range.end) continue;
      this.#take(range, start, start + length);
      this.#sizes.set(start, length);
      return start;
    }
    return undefined;
  }

  /** @throws for what was not allocated: glibc aborts with `free(): invalid pointer`. */
  free(at: number): void {
    const length = this.#sizes.get(at);
    if (length === undefined) throw new Error(`free(): invalid pointer 0x${at.toString(16)}`);
    this.#sizes.delete(at);
    this.#insert({ start: at, end: at + length });
  }

  /** fork(): the child's heap is as the parent's was. */
  copy(): UserHeap {
    const copy = new UserHeap();
    for (const { start, end } of this.#free) copy.#free.push({ start, end });
    for (const [at, size] of this.#sizes) copy.#sizes.set(at, size);
    return copy;
  }

  #take(range: Range, start: number, end: number): void {
    const index = this.#free.indexOf(range);
    const rest = [
      { start: range.start, end: start },
      { start: end, end: range.end },
    ];
    this.#free.splice(index, 1, ...rest.filter((part) => part.end > part.start));
  }

  #insert(range: Range): void {
    const found = this.#free.findIndex((other) => other.start > range.start);
    const index = found < 0 ? this.#free.length : found;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    const joinsBefore = before?.end === range.start;
    const joinsAfter = after?.start === range.end;
    const start = joinsBefore ? before.start : range.start;
    const end = joinsAfter ? after.end : range.end;
    const first = joinsBefore ? index - 1 : index;
    this.#free.splice(first, Number(joinsBefore) + Number(joinsAfter), { start, end });
  }
}
