/**
 * A pin of a native process's pages: frames of the box that stand for them. What was copied in is
 * kept, so that only what the secure world has changed goes back: a program's own racing writes
 * survive. Of a page that was never copied in nothing is known, and all of a range goes back: the
 * secure world wrote a supplicant's buffer before the supplicant has handed anything over. Pages
 * that the program has in place of its own need no copies (in-place.ts).
 */
import { PAGE_SIZE, pageOffset, pageStart, roundUp } from '../machine/address.ts';
import type { Pa, Va } from '../machine/address.ts';
import type { PageAllocator } from '../linux/mm/page-allocator.ts';
import { tryPinFolio } from '../linux/mm/page-pin.ts';
import { tracePins, unpinPages } from '../linux/mm/unpin.ts';
import type { PinnedPages } from '../linux/mm/user-memory.ts';
import type { Buffer } from './spare-buffers.ts';
import type { SharedPage, Window } from './shared-pages.ts';
import type { VmAccess } from './vm-access.ts';

/** What a pin is of. */
export interface PinParts {
  readonly vm: VmAccess;
  readonly pages: PageAllocator;
  readonly start: Va;
  /** Each with a reference of the pin's own, unless it is a window's. */
  readonly frames: readonly Pa[];
  /** By index in `frames`: those that the program has in place of its own already. */
  readonly shared: ReadonlyMap<number, SharedPage>;
  /** The process whose memory it is now; undefined for none. */
  readonly owner: () => number | undefined;
  /** The pin is gone, and has let go of these. */
  readonly letGo: (windows: ReadonlySet<Window>) => void;
}

export class NativePin implements PinnedPages {
  readonly pages: readonly Pa[];
  readonly start: Va;
  readonly #parts: PinParts;
  readonly #vm: VmAccess;
  readonly #base: number;
  /** The bytes of each page as they were when last in step with the process. */
  readonly #before: Uint8Array;
  readonly #buffer: Buffer;
  /** By page, 1: it was copied in, so `#before` holds what it was. */
  readonly #known: Uint8Array;
  /** Whose frames it has beside its own. */
  readonly #windows = new Set<Window>();
  /** By page, 1: the frame is a window's. Undefined for none. */
  #inPlace: Uint8Array | undefined;
  #copied: number;
  #held = true;

  constructor(parts: PinParts) {
    const { vm, pages, start, frames, shared } = parts;
    this.#parts = parts;
    this.pages = frames;
    this.start = start;
    this.#vm = vm;
    this.#base = pages.frames.base;
    this.#buffer = vm.spare.take(frames.length * PAGE_SIZE);
    this.#before = this.#buffer.bytes;
    this.#known = new Uint8Array(frames.length);
    this.#copied = frames.length;
    for (const [index, { window }] of shared) this.place(index, window);
    pinAll(pages, frames);
  }

  get isHeld(): boolean {
    return this.#held;
  }

  /** Whether the page is copied, in and out. */
  isCopied(index: number): boolean {
    return this.#inPlace === undefined || this.#inPlace[index] === 0;
  }

  /** The program has the frame in place of the page from now on: it is the window's. */
  place(index: number, window: Window): void {
    this.#inPlace ??= new Uint8Array(this.pages.length);
    this.#inPlace[index] = 1;
    this.#copied -= 1;
    if (this.#windows.has(window)) return;
    this.#windows.add(window);
    window.pins += 1;
  }

  syncForDevice(offset: number, length: number): void {
    const pid = length === 0 || this.#copied === 0 ? undefined : this.#parts.owner();
    if (pid === undefined) return;
    const end = Math.min(offset + length, this.pages.length * PAGE_SIZE);
    const last = Math.floor((end - 1) / PAGE_SIZE);
    const first = Math.floor(offset / PAGE_SIZE);
    // Pages become known as a whole.
    const from = this.#known[first] === 1 ? offset : pageStart(offset);
    const to = this.#known[last] === 1 ? end : roundUp(end, PAGE_SIZE);
    this.#runs(from, to - from, (ramAt, at, n) => this.#pull(pid, ramAt, at, n));
    this.#known.fill(1, first, last + 1);
  }

  syncForCpu(offset: number, length: number): void {
    const pid = this.#copied === 0 ? undefined : this.#parts.owner();
    if (pid === undefined) return;
    this.#runs(offset, length, (ramAt, at, n) => this.#pushChanged(pid, ramAt, at, n));
    this.#vm.flush(pid);
  }

  unpin(): void {
    const { pages, letGo } = this.#parts;
    this.#held = false;
    unpinAll(pages, this.pages);
    for (const [index, page] of this.pages.entries()) if (this.isCopied(index)) pages.put(page);
    this.#vm.spare.give(this.#buffer);
    if (this.#windows.size > 0) letGo(this.#windows);
  }

  /** Calls `fn` for each physically contiguous piece of the range that is copied. */
  #runs(offset: number, length: number, fn: (ramAt: number, at: number, n: number) => void): void {
    const end = Math.min(offset + length, this.pages.length * PAGE_SIZE);
    for (let at = offset; at < end;) {
      const page = Math.floor(at / PAGE_SIZE);
      let n = PAGE_SIZE - pageOffset(at);
      const isCopied = this.isCopied(page);
      for (let p = page; at + n < end && isCopied && this.#isNext(p); p++) n += PAGE_SIZE;
      n = Math.min(n, end - at);
      if (isCopied) fn(this.pages[page]! - this.#base + pageOffset(at), at, n);
      at += n;
    }
  }

  /** Whether the page after `page` is copied too, and the frame behind its frame. */
  #isNext(page: number): boolean {
    return this.pages[page + 1] === this.pages[page]! + PAGE_SIZE && this.isCopied(page + 1);
  }

  /**
   * What the process has unmapped stays as it was last; unknown, it reads as zeros: a frame's earlier
   * user is none of its business.
   */
  #pull(pid: number, ramAt: number, at: number, n: number): void {
    const { ram } = this.#vm;
    const got = this.#vm.readRam(pid, this.start + at, ramAt, n);
    if (got < n) {
      const [restAt, rest] = [ramAt + got, at + got];
      this.#vm.readForced(pid, this.start + rest, restAt, n - got, (offset, length) => {
        const isKnown = this.#known[Math.floor((rest + offset) / PAGE_SIZE)] === 1;
        if (!isKnown) ram.fill(0, restAt + offset, restAt + offset + length);
      });
    }
    this.#before.set(ram.subarray(ramAt, ramAt + n), at);
  }

  #pushChanged(pid: number, ramAt: number, at: number, n: number): void {
    const { libc } = this.#vm;
    for (let done = 0; done < n;) {
      const piece = Math.min(PAGE_SIZE - pageOffset(at + done), n - done);
      const a = this.#vm.ramAddress + ramAt + done;
      if (this.#known[Math.floor((at + done) / PAGE_SIZE)] === 0) {
        this.#vm.push(pid, this.start + at + done, ramAt + done, piece);
      } else if (libc.memcmp(a, this.#buffer.address + at + done, piece) !== 0) {
        this.#pushRuns(pid, ramAt + done, at + done, piece);
      }
      done += piece;
    }
  }

  /** Notes the runs of bytes that differ: to the byte, since what lies between may be racing. */
  #pushRuns(pid: number, ramAt: number, at: number, n: number): void {
    const { ram } = this.#vm;
    const before = this.#before;
    for (let i = 0; i < n;) {
      if (ram[ramAt + i] === before[at + i]) {
        i += 1;
        continue;
      }
      const from = i;
      while (i < n && ram[ramAt + i] !== before[at + i]) {
        before[at + i] = ram[ramAt + i]!;
        i += 1;
      }
      this.#vm.push(pid, this.start + at + from, ramAt + from, i - from);
    }
  }
}

/** FOLL_PIN of frames that stand for a program's pages, with what is counted and traced of it. */
function pinAll(allocator: PageAllocator, pages: readonly Pa[]): void {
  const { frames, vmstat } = allocator;
  const before = allocator.pinsOutstanding;
  for (const page of pages) tryPinFolio(frames, frames.frame(page));
  vmstat.nr_foll_pin_acquired += pages.length;
  tracePins(allocator, before);
}

function unpinAll(allocator: PageAllocator, pages: readonly Pa[]): void {
  const before = allocator.pinsOutstanding;
  unpinPages(allocator, pages, pages.length);
  tracePins(allocator, before);
}
