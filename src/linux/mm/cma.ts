/**
 * Contiguous memory areas: lent to movable pages, and emptied when their owner wants a buffer.
 *
 * Upstream counterpart: mm/cma.c. Which frames are the owner's is in a bitmap; what movable pages
 * have of the rest is in the buddy allocator. Left out: areas of several ranges, debugfs, the rate
 * limit of the log line.
 */
import { EBUSY, ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Region } from '../../machine/machine.ts';
import { allocContigRange, freeContigRange } from './contig.ts';
import { MIGRATE_CMA, PAGEBLOCK_NR_PAGES } from './migrate-type.ts';
import type { PageAllocator } from './page-allocator.ts';
import { folioPins } from './page-pin.ts';

/** CMA_MIN_ALIGNMENT_BYTES: base and size of an area are multiples of a pageblock. */
export const CMA_MIN_ALIGNMENT_BYTES = PAGEBLOCK_NR_PAGES * PAGE_SIZE;

export interface CmaOptions {
  readonly pages: PageAllocator;
  /** `reserved` for the default area, else that of the device tree's node. */
  readonly name: string;
  /** Aligned to CMA_MIN_ALIGNMENT_BYTES; the page allocator does not have it. */
  readonly region: Region;
  /** A bit of the bitmap stands for 2^n pages. */
  readonly orderPerBit?: number;
  readonly printk: (text: string, level: 'err' | 'warning') => void;
}

export interface CmaRequest {
  /** Pages. */
  readonly count: number;
  /** Alignment: 2^n pages. */
  readonly align?: number;
  /** Nothing is printed when it fails. */
  readonly noWarn?: boolean;
  readonly fatalSignalPending?: () => boolean;
}

/** Who was in the way of the last candidate. */
interface Attempt {
  readonly result: number;
  readonly busy: number;
}

export class CmaArea {
  readonly name: string;
  readonly base: Pa;
  /** Pages; 0 when the area could not be activated. */
  readonly count: number;
  readonly orderPerBit: number;
  /** alloc_pages_success, alloc_pages_fail of /sys/kernel/mm/cma/NAME. */
  allocPagesSuccess = 0;
  allocPagesFail = 0;
  readonly #options: CmaOptions;
  readonly #pages: PageAllocator;
  readonly #firstFrame: number;
  /** A byte a bit: 1 for what the owner has. */
  readonly #bitmap: Uint8Array;
  #used = 0;

  /** cma_init_reserved_mem(), cma_activate_area() */
  constructor(options: CmaOptions) {
    const { pages, region } = options;
    this.#options = options;
    this.#pages = pages;
    this.name = options.name;
    this.base = region.base;
    this.orderPerBit = options.orderPerBit ?? 0;
    this.#firstFrame = pages.frames.frame(region.base);
    this.count = this.#activate(region.size / PAGE_SIZE);
    this.#bitmap = new Uint8Array(this.count >>> this.orderPerBit);
  }

  /** Pages that the owner has. */
  get used(): number {
    return this.#used;
  }

  /** Pages of the area that are in no buffer and not lent. */
  get freePages(): number {
    const { buddy } = this.#pages.frames;
    let free = 0;
    for (let frame = this.#firstFrame; frame < this.#firstFrame + this.count;) {
      const size = buddy[frame] === 0 ? 0 : 1 << (buddy[frame]! - 1);
      free += size;
      frame += Math.max(1, size);
    }
    return free;
  }

  /** Whether the owner has the page at an address of the area. */
  isAllocated(address: Pa): boolean {
    return this.#bitmap[this.#bit(this.#pages.frames.frame(address))] === 1;
  }

  /**
   * cma_alloc(): contiguous pages, each with one reference, not zeroed; undefined, with a cause
   * and a line in the kernel log, when no candidate could be emptied (-EBUSY), the bitmap has no
   * room or there are no pages to move others to (-ENOMEM), or the task is dying (-EINTR).
   */
  alloc(request: CmaRequest): Pa | undefined {
    const { vmstat, frames } = this.#pages;
    const { count } = request;
    const possible = count > 0 && this.#bits(count) <= this.#bitmap.length;
    const attempt = possible ? this.#search(request) : undefined;
    if (attempt !== undefined && attempt.result >= 0) {
      vmstat.cma_alloc_success += 1;
      this.allocPagesSuccess += count;
      this.#used += count;
      this.#account();
      return frames.address(attempt.result);
    }
    vmstat.cma_alloc_fail += 1;
    this.allocPagesFail += count;
    this.#failed(request, attempt);
    return undefined;
  }

  /** cma_release(): false when the pages are not the area's. */
  release(address: Pa, count: number): boolean {
    const frame = this.#pages.frames.frame(address);
    const end = this.#firstFrame + this.count;
    if (frame < this.#firstFrame || frame >= end) return false;
    if (frame + count > end) {
      throw this.#pages.sched.halt('kernel BUG', `cma_release beyond the end of ${this.name}`);
    }
    const inUse = freeContigRange(this.#pages, frame, count);
    if (inUse > 0) this.#options.printk(`${inUse} pages are still in use!`, 'warning');
    this.#mark(frame, count, 0);
    this.#used -= count;
    this.#account();
    return true;
  }

  /** alloc_contig_range() works within one zone. @returns the area's pages */
  #activate(count: number): number {
    if (this.#pages.addCmaMemory(this.#firstFrame, this.#firstFrame + count)) return count;
    this.#options.printk(`cma: CMA area ${this.name} could not be activated`, 'err');
    return 0;
  }

  /** Candidate by candidate: first frame of one that could be emptied, or why the last was not. */
  #search({ count, align = 0, fatalSignalPending }: CmaRequest): Attempt {
    const mask = align <= this.orderPerBit ? 0 : (1 << (align - this.orderPerBit)) - 1;
    const pfn = this.#pages.frames.pfn(this.#firstFrame);
    const offset = (pfn & ((1 << align) - 1)) >>> this.orderPerBit;
    let last: Attempt = { result: -ENOMEM, busy: -1 };
    for (let from = 0; ;) {
      const bit = this.#findZeroArea(from, this.#bits(count), mask, offset);
      if (bit < 0) return last;
      const start = this.#firstFrame + (bit << this.orderPerBit);
      this.#mark(start, count, 1);
      const range = { start, end: start + count, type: MIGRATE_CMA };
      last = allocContigRange(this.#pages, range, fatalSignalPending);
      if (last.result === 0) return { result: start, busy: -1 };
      this.#mark(start, count, 0);
      if (last.result !== -EBUSY) return last;
      this.#busy(start, count, last.busy);
      from = bit + mask + 1;
    }
  }

  /** bitmap_find_next_zero_area_off(): -1 when there is none. */
  #findZeroArea(from: number, bits: number, mask: number, offset: number): number {
    for (let at = from; ;) {
      at = this.#bitmap.indexOf(0, at);
      if (at < 0) return -1;
      at = ((at + offset + mask) & ~mask) - offset;
      if (at + bits > this.#bitmap.length) return -1;
      const taken = this.#bitmap.subarray(at, at + bits).lastIndexOf(1);
      if (taken < 0) return at;
      at += taken + 1;
    }
  }

  #bit(frame: number): number {
    return (frame - this.#firstFrame) >>> this.orderPerBit;
  }

  #bits(count: number): number {
    return Math.ceil(count / (1 << this.orderPerBit));
  }

  #mark(frame: number, count: number, value: 0 | 1): void {
    const first = this.#bit(frame);
    this.#bitmap.fill(value, first, first + this.#bits(count));
  }

  #busy(start: number, count: number, busy: number): void {
    const { trace } = this.#pages.sched;
    if (!trace.worlds) return;
    const { frames } = this.#pages;
    trace.emit('linux', 'cma.busy', {
      area: this.name,
      address: frames.address(start),
      pages: count,
      busy: busy < 0 ? 0 : frames.address(busy),
    });
  }

  #failed({ count, noWarn = false }: CmaRequest, attempt: Attempt | undefined): void {
    const result = attempt?.result ?? -ENOMEM;
    const warns = attempt !== undefined && !noWarn;
    const text = `alloc failed, req-size: ${count} pages, ret: ${result}`;
    if (warns) this.#options.printk(`cma: cma_alloc: ${this.name}: ${text}`, 'err');
    this.#pages.sched.trace.cause('linux', {
      layer: 'linux/mm',
      code: result === -EBUSY ? '-EBUSY' : result === -ENOMEM ? '-ENOMEM' : '-EINTR',
      text: `cma_alloc: ${this.#why(attempt)}`,
      object: `CMA area ${this.name}`,
      requested: count * PAGE_SIZE,
      available: (this.count - this.#used) * PAGE_SIZE,
    });
  }

  #why(attempt: Attempt | undefined): string {
    if (attempt === undefined) return 'the area is not that large';
    const { frames } = this.#pages;
    const { result, busy } = attempt;
    if (result === -ENOMEM) return 'no room in the area, or none for the pages to move to';
    if (busy < 0) return 'the candidates could not be emptied';
    const folio = frames.folio(busy);
    const pins = folioPins(frames, folio);
    const refs = `refcount:${frames.refs[folio]!} mapcount:${frames.mapcount[folio]!}`;
    return `page pfn:0x${frames.pfn(busy).toString(16)} ${refs} pins:${pins} does not leave`;
  }

  #account(): void {
    const { trace } = this.#pages.sched;
    if (!trace.pools) return;
    const name = `cma ${this.name}`;
    trace.pool('linux', { name, used: this.#used, limit: this.count, unit: 'pages' });
  }
}
