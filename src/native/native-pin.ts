/**
 * A pin of a native process's pages: frames of the box that stand for them. What was copied in is
 * kept, so that only what the secure world has changed goes back: a program's own racing writes
 * survive. Of a page that was never copied in nothing is known, and all of a range goes back: the
 * secure world wrote a supplicant's buffer before the supplicant has handed anything over.
 */
import { PAGE_SIZE, pageOffset, pageStart, roundUp } from '../machine/address.ts';
import type { Pa, Va } from '../machine/address.ts';
import type { PinnedPages } from '../linux/mm/user-memory.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { Libc } from './libc.ts';
import type { VmAccess } from './native-memory.ts';

export interface Frames {
  readonly pages: readonly Pa[];
  readonly free: () => void;
}

/** A buffer outside of V8's moving heap, with its address. */
interface Buffer {
  readonly bytes: Uint8Array;
  readonly address: number;
}

/** Most bytes that are kept for later pins. */
const SPARE_BYTES = 32 * 1024 * 1024;

/**
 * Buffers of pins that are gone, by size. Temporary references are pinned and unpinned for each
 * call, and memory that is fresh each time costs its page faults and the collector's attention.
 */
export class SpareBuffers {
  readonly #libc: Libc;
  readonly #bySize = new Map<number, Buffer[]>();
  #held = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Contents are undefined. */
  take(size: number): Buffer {
    const spare = this.#bySize.get(size)?.pop();
    if (spare !== undefined) {
      this.#held -= size;
      return spare;
    }
    const bytes = new Uint8Array(size);
    return { bytes, address: this.#libc.address(bytes) };
  }

  give(buffer: Buffer): void {
    const size = buffer.bytes.length;
    if (this.#held + size > SPARE_BYTES) return;
    const list = this.#bySize.get(size);
    if (list === undefined) this.#bySize.set(size, [buffer]);
    else list.push(buffer);
    this.#held += size;
  }
}

export class NativePin implements PinnedPages {
  readonly pages: readonly Pa[];
  readonly #vm: VmAccess;
  readonly #base: number;
  readonly #start: Va;
  readonly #free: () => void;
  /** The process whose memory it is now; undefined for none. */
  readonly #owner: () => number | undefined;
  /** The bytes of each page as they were when last in step with the process. */
  readonly #before: Uint8Array;
  readonly #buffer: Buffer;
  /** By page, 1: it was copied in, so `#before` holds what it was. */
  readonly #known: Uint8Array;

  constructor(
    vm: VmAccess,
    kernel: Kernel,
    start: Va,
    frames: Frames,
    owner: () => number | undefined,
  ) {
    this.pages = frames.pages;
    this.#free = frames.free;
    this.#vm = vm;
    this.#base = kernel.machine.bus.base;
    this.#start = start;
    this.#owner = owner;
    this.#buffer = vm.spare.take(frames.pages.length * PAGE_SIZE);
    this.#before = this.#buffer.bytes;
    this.#known = new Uint8Array(frames.pages.length);
  }

  syncForDevice(offset: number, length: number): void {
    const pid = length === 0 ? undefined : this.#owner();
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
    const pid = this.#owner();
    if (pid === undefined) return;
    this.#runs(offset, length, (ramAt, at, n) => this.#pushChanged(pid, ramAt, at, n));
    this.#vm.flush(pid);
  }

  unpin(): void {
    this.#free();
    this.#vm.spare.give(this.#buffer);
  }

  /** Calls `fn` for each physically contiguous piece of the range. */
  #runs(offset: number, length: number, fn: (ramAt: number, at: number, n: number) => void): void {
    const end = Math.min(offset + length, this.pages.length * PAGE_SIZE);
    for (let at = offset; at < end;) {
      const page = Math.floor(at / PAGE_SIZE);
      let n = PAGE_SIZE - pageOffset(at);
      for (let p = page; at + n < end && this.pages[p + 1] === this.pages[p]! + PAGE_SIZE; p++) {
        n += PAGE_SIZE;
      }
      n = Math.min(n, end - at);
      fn(this.pages[page]! - this.#base + pageOffset(at), at, n);
      at += n;
    }
  }

  /** What the process has unmapped reads as zeros: a frame's earlier user is none of its business. */
  #pull(pid: number, ramAt: number, at: number, n: number): void {
    const { ram } = this.#vm;
    const got = this.#vm.readRam(pid, this.#start + at, ramAt, n);
    if (got < n) ram.fill(0, ramAt + got, ramAt + n);
    this.#before.set(ram.subarray(ramAt, ramAt + n), at);
  }

  #pushChanged(pid: number, ramAt: number, at: number, n: number): void {
    const { libc } = this.#vm;
    for (let done = 0; done < n;) {
      const piece = Math.min(PAGE_SIZE - pageOffset(at + done), n - done);
      const a = this.#vm.ramAddress + ramAt + done;
      if (this.#known[Math.floor((at + done) / PAGE_SIZE)] === 0) {
        this.#vm.push(pid, this.#start + at + done, ramAt + done, piece);
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
      this.#vm.push(pid, this.#start + at + from, ramAt + from, i - from);
    }
  }
}
