/**
 * The heap of one TA instance: TA_DATA_SIZE bytes of secure RAM. Allocations are views of RAM, each
 * with a head of its own and rounded up, so that a heap is full after as many of them as upstream's;
 * the book-keeping itself stands outside of RAM, where a TA cannot overwrite it.
 *
 * Upstream counterpart: optee_os lib/libutils/isoc/bget.c, bget_malloc.c. Left out: which of several
 * fitting holes is taken (the first by address here).
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { BusPort } from '../../machine/bus.ts';
import type { Trace } from '../../trace/trace.ts';

/* Source: bget_malloc.c (SizeQuant, LP64), struct bhead. */
const QUANTUM = 16;
const HEAD = 16;

const blockBytes = (bytes: number): number =>
  HEAD + Math.max(QUANTUM, Math.ceil(bytes / QUANTUM) * QUANTUM);

/** A stretch of RAM, as index into the port's bytes. */
interface Span {
  at: number;
  bytes: number;
}

export class Heap {
  readonly sizeBytes: number;
  readonly #port: BusPort;
  readonly #trace: Trace;
  readonly #name: string;
  /** Contiguous stretches that the heap consists of. */
  readonly #arenas: readonly Span[];
  /** Holes by address; neighbours are merged. */
  readonly #holes: Span[];
  /** Allocated bytes by where they start. */
  readonly #blocks = new Map<number, number>();
  #used = 0;

  /** @param name for pool events @param pages the memory, in the order of its addresses */
  constructor(trace: Trace, name: string, port: BusPort, pages: readonly Pa[], sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#trace = trace;
    this.#name = name;
    this.#port = port;
    this.#arenas = arenasOf(port, pages, sizeBytes);
    // The last block of a pool is a sentinel (bpool()).
    this.#holes = this.#arenas.map(({ at, bytes }) => ({ at, bytes: bytes - HEAD }));
  }

  /** Bytes in use, heads included. */
  get usedBytes(): number {
    return this.#used;
  }

  /** The largest allocation that would succeed now. */
  get largestFree(): number {
    return this.#holes.reduce((most, hole) => Math.max(most, hole.bytes - HEAD), 0);
  }

  /** A view of `bytes` bytes, contents as they were; undefined when there is no hole for them. */
  allocate(bytes: number): Uint8Array | undefined {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) return undefined;
    const size = blockBytes(bytes);
    const index = this.#holes.findIndex((hole) => hole.bytes >= size);
    const hole = this.#holes[index];
    if (hole === undefined) return undefined;
    const at = hole.at + HEAD;
    hole.at += size;
    hole.bytes -= size;
    if (hole.bytes === 0) this.#holes.splice(index, 1);
    this.#blocks.set(at, bytes);
    this.#use(size);
    return this.#port.u8.subarray(at, at + bytes);
  }

  /** Gives an allocation back; false when `buffer` is none. */
  free(buffer: Uint8Array): boolean {
    const at = this.#indexOf(buffer);
    const bytes = at === undefined ? undefined : this.#blocks.get(at);
    if (at === undefined || bytes !== buffer.length) return false;
    this.#blocks.delete(at);
    this.#use(-blockBytes(bytes));
    this.#release({ at: at - HEAD, bytes: blockBytes(bytes) });
    return true;
  }

  /** Whether some of `buffer` is memory of this heap. */
  overlaps(buffer: Uint8Array): boolean {
    const at = this.#indexOf(buffer);
    if (at === undefined) return false;
    return this.#arenas.some((a) => at < a.at + a.bytes && a.at < at + buffer.length);
  }

  /** Whether all of `buffer` is in one allocation. */
  isWithinAllocated(buffer: Uint8Array): boolean {
    const at = this.#indexOf(buffer);
    if (at === undefined) return false;
    for (const [start, bytes] of this.#blocks) {
      if (at >= start && at + buffer.length <= start + bytes) return true;
    }
    return false;
  }

  /** Where a view of RAM starts. */
  #indexOf(buffer: Uint8Array): number | undefined {
    const { u8 } = this.#port;
    return buffer.buffer === u8.buffer ? buffer.byteOffset - u8.byteOffset : undefined;
  }

  #use(bytes: number): void {
    this.#used += bytes;
    if (!this.#trace.pools) return;
    this.#trace.pool('ta', {
      name: this.#name,
      used: this.#used,
      limit: this.sizeBytes,
      unit: 'bytes',
    });
  }

  #release(span: Span): void {
    const holes = this.#holes;
    const found = holes.findIndex((hole) => hole.at > span.at);
    const next = found < 0 ? holes.length : found;
    holes.splice(next, 0, span);
    this.#merge(next);
    if (next > 0) this.#merge(next - 1);
  }

  /** Joins a hole with the one after it when they touch. */
  #merge(index: number): void {
    const hole = this.#holes[index];
    const after = this.#holes[index + 1];
    if (hole === undefined || after === undefined || hole.at + hole.bytes !== after.at) return;
    hole.bytes += after.bytes;
    this.#holes.splice(index + 1, 1);
  }
}

function arenasOf(port: BusPort, pages: readonly Pa[], sizeBytes: number): Span[] {
  const arenas: Span[] = [];
  let left = sizeBytes - (sizeBytes % QUANTUM);
  for (const page of pages) {
    const at = port.at(page, PAGE_SIZE, 'write');
    const bytes = Math.min(left, PAGE_SIZE);
    const last = arenas.at(-1);
    if (last !== undefined && last.at + last.bytes === at) last.bytes += bytes;
    else arenas.push({ at, bytes });
    left -= bytes;
  }
  return arenas.filter((arena) => arena.bytes > HEAD);
}
