/**
 * Pages that GUP took, and how they are given back.
 *
 * Upstream counterpart: unpin_user_pages() and unpin_user_pages_dirty_lock() in mm/gup.c, put_page().
 */
import type { Pa } from '../../machine/address.ts';
import type { PageAllocator } from './page-allocator.ts';
import { unpinFolio } from './page-pin.ts';
import type { PinOrigin } from './pin-list.ts';
import type { PinnedPages } from './user-memory.ts';

/** unpin_user_pages() for the first `count` of a list. */
export function unpinPages(allocator: PageAllocator, pages: readonly Pa[], count: number): void {
  for (let n = 0; n < count; n++) unpinPage(allocator, pages[n]!);
}

/** unpin_user_page() */
function unpinPage(allocator: PageAllocator, page: Pa): void {
  const { frames } = allocator;
  const frame = frames.frame(page);
  if (frame === allocator.zeroFrame) return;
  const folio = frames.folio(frame);
  allocator.vmstat.nr_foll_pin_released += 1;
  if (unpinFolio(frames, folio)) allocator.releaseFrame(folio);
}

/** set_page_dirty_lock() of each: what was written will reach the page's file. */
function setPagesDirty(allocator: PageAllocator, pages: readonly Pa[]): void {
  for (const page of pages) allocator.markDirty(allocator.frames.frame(page));
}

/** Tells the trace how many pages are pinned. */
export function tracePins(allocator: PageAllocator, before: number): void {
  const { trace } = allocator.sched;
  if (!trace.all) return;
  const pages = allocator.pinsOutstanding;
  trace.emit('linux', 'pin', { pages, delta: pages - before });
}

/** Pages of a program inside the box: they are its own, so nothing needs syncing. */
export class PinnedFrames implements PinnedPages {
  readonly pages: readonly Pa[];
  readonly #origin: PinOrigin;
  readonly #allocator: PageAllocator;
  #held = true;
  /** Neighbours in the list of all pins. */
  #before: PinnedFrames | undefined;
  #after: PinnedFrames | undefined = undefined;

  constructor(origin: PinOrigin, pages: readonly Pa[]) {
    this.pages = pages;
    this.#origin = origin;
    this.#allocator = origin.mm.pages;
    const { pins } = this.#allocator;
    this.#before = pins.last;
    if (pins.last === undefined) pins.first = this;
    else pins.last.#after = this;
    pins.last = this;
  }

  get origin(): PinOrigin {
    return this.#origin;
  }

  /** The pin that was taken next, of those that are held. */
  get next(): PinnedFrames | undefined {
    return this.#after;
  }

  syncForDevice(): void {}
  syncForCpu(): void {}

  unpin(makeDirty = false): void {
    if (!this.#held) {
      throw this.#allocator.sched.halt('use after free', 'pages are unpinned a second time');
    }
    this.#held = false;
    this.#unlist();
    const before = this.#allocator.pinsOutstanding;
    if (makeDirty) setPagesDirty(this.#allocator, this.pages);
    unpinPages(this.#allocator, this.pages, this.pages.length);
    tracePins(this.#allocator, before);
  }

  #unlist(): void {
    const { pins } = this.#allocator;
    const [before, after] = [this.#before, this.#after];
    if (before === undefined) pins.first = after;
    else before.#after = after;
    if (after === undefined) pins.last = before;
    else after.#before = before;
  }
}

/** Pages that get_user_pages() took references to. */
export class ReferencedPages {
  readonly pages: readonly Pa[];
  readonly #allocator: PageAllocator;

  constructor(allocator: PageAllocator, pages: readonly Pa[]) {
    this.pages = pages;
    this.#allocator = allocator;
  }

  /** set_page_dirty_lock() and put_page() of each. */
  put(makeDirty = false): void {
    if (makeDirty) setPagesDirty(this.#allocator, this.pages);
    for (const page of this.pages) this.#allocator.put(page);
  }
}
