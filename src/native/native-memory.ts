/**
 * A native process's memory, as the box's kernel sees it: user copies by process_vm_readv and
 * _writev, pins by frames of the box that stand for the process's pages.
 *
 * Within one system call reads are served from the page that the first one fetched: an ioctl's
 * buffer usually lies next to its descriptor. The copy is forgotten whenever the call may have
 * slept (`invalidate`), so that a caller never sees older bytes than a real kernel could.
 */
import { ENOMEM } from '../abi/errno.ts';
import { PAGE_SIZE, pa, pageStart } from '../machine/address.ts';
import type { Pa, Va } from '../machine/address.ts';
import { MmAccount } from '../linux/mm/account.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_USER } from '../linux/mm/gfp.ts';
import type { Gfp } from '../linux/mm/gfp.ts';
import { FOLL_LONGTERM, FOLL_WRITE, gupFlags } from '../linux/mm/gup-flags.ts';
import {
  NO_CONTENT,
  NOT_READABLE,
  NOT_WRITABLE,
  OUTSIDE,
  PFN_MAPPED,
  UNMAPPED,
} from '../linux/mm/gup-request.ts';
import type { GupError } from '../linux/mm/gup-request.ts';
import { explain } from '../linux/mm/gup.ts';
import type { GupFlags, PinnedPages, UserMemory } from '../linux/mm/user-memory.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import { NativePin } from './native-pin.ts';
import { NativeVmas, copiedPages } from './native-vmas.ts';
import type { NativeVma } from './native-vmas.ts';
import { SharedPages } from './shared-pages.ts';
import type { SharedPage, Window } from './shared-pages.ts';
import { SCRATCH_BYTES } from './vm-access.ts';
import type { VmAccess } from './vm-access.ts';

/** End of user space: 47 bits on x86-64 and on arm64 programs that do not ask for more. */
const TASK_SIZE = 2 ** 47 - PAGE_SIZE;
const NONE: ReadonlyMap<number, SharedPage> = new Map();

/** How far a range may be pinned, and why no further. */
interface Pinnable {
  readonly pages: number;
  readonly error: GupError | undefined;
}

/** Has pins mapped in place once the call is answered in which they were taken. */
export interface Placement {
  /** A registration has let go of windows' frames. */
  letGo(memory: NativeMemory, windows: ReadonlySet<Window>): void;
}

export interface NativeMemoryOptions {
  readonly vm: VmAccess;
  readonly kernel: Kernel;
  readonly pid: number;
  /** Files behind the shared-memory fds that were handed out, inode to device: PFN maps. */
  readonly shmFiles: ReadonlyMap<number, number>;
  /** Another process with the same address space: the parent of a vfork child. */
  readonly sharer?: NativeMemory | undefined;
  /** Registered memory is copied without. */
  readonly placement?: Placement | undefined;
}

export class NativeMemory implements UserMemory {
  readonly pid: number;
  /** What is mapped in place in its address space. */
  readonly shared: SharedPages;
  /** What this kernel has pinned of it; what else it locks is counted by the host's. */
  readonly account: MmAccount;
  readonly #vm: VmAccess;
  readonly #kernel: Kernel;
  readonly #vmas: NativeVmas;
  readonly #shmFiles: ReadonlyMap<number, number>;
  readonly #page = new Uint8Array(PAGE_SIZE);
  readonly #sharer: NativeMemory | undefined;
  readonly #placement: Placement | undefined;
  /** Taken in the call under way, to be mapped in place. */
  #fresh: NativePin[] = [];
  #pageAt = -1;
  #alive = true;
  #mayExec = false;
  #wasReplaced = false;

  constructor({ vm, kernel, pid, shmFiles, sharer, placement }: NativeMemoryOptions) {
    this.pid = pid;
    this.shared = sharer?.shared ?? new SharedPages();
    this.account = sharer?.account ?? new MmAccount();
    this.#vm = vm;
    this.#kernel = kernel;
    this.#vmas = new NativeVmas(vm.libc, pid);
    this.#shmFiles = shmFiles;
    this.#sharer = sharer;
    this.#placement = placement;
  }

  /** The system call may have slept, or a new one begins. */
  invalidate(): void {
    this.#pageAt = -1;
  }

  /** An exec has begun: from now on the address space may be another one. */
  execBegins(): void {
    this.#mayExec = true;
  }

  /** Whether the exec that began has replaced the address space. */
  get replaced(): boolean {
    if (!this.#mayExec || this.#wasReplaced) return this.#wasReplaced;
    const sharer = this.#sharer;
    // While somebody else goes on in the old address space, that is not gone.
    this.#wasReplaced =
      sharer?.isAlive === true ? !this.#vm.isShared(this.pid, sharer.pid) : this.#vmas.replaced;
    return this.#wasReplaced;
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  /** The process through which the memory is reached now. */
  get owner(): number | undefined {
    if (this.#alive && !this.replaced) return this.pid;
    return this.#sharer === undefined ? undefined : this.#sharer.owner;
  }

  /** The process whose threads and vfork children are all that run in the memory. */
  get root(): number {
    const sharer = this.#sharer;
    return sharer?.owner === undefined ? this.pid : sharer.root;
  }

  /** Pins that wait to be mapped in place. */
  takeFresh(): readonly NativePin[] {
    const fresh = this.#fresh.filter(({ isHeld }) => isHeld);
    this.#fresh = [];
    return fresh;
  }

  /** Whether something is to be done in the program before its call is answered. */
  get needsErrand(): boolean {
    return this.#fresh.length > 0 || this.shared.left.size > 0;
  }

  /** The address space is gone: pins that are left hold what they have. */
  gone(): void {
    this.#alive = false;
    this.#vm.forget(this.pid);
    this.#vmas.close();
  }

  accessOk(at: number, length: number): boolean {
    return at >= 0 && length <= TASK_SIZE && at <= TASK_SIZE - length;
  }

  read(at: Va, out: Uint8Array): boolean {
    if (!this.accessOk(at, out.length)) return false;
    const start = pageStart(at);
    if (at + out.length <= start + PAGE_SIZE) {
      if (this.#pageAt !== start && !this.#fetchPage(start)) return false;
      const from = at - start;
      out.set(this.#page.subarray(from, from + out.length));
      return true;
    }
    for (let done = 0; done < out.length;) {
      const n = Math.min(SCRATCH_BYTES, out.length - done);
      const got = this.#vm.fetch(this.pid, at + done, n);
      out.set(this.#vm.scratch.subarray(0, got), done);
      if (got !== n) return false;
      done += n;
    }
    return true;
  }

  write(at: Va, data: Uint8Array): boolean {
    return this.writeEach([{ at, data }]);
  }

  writeEach(writes: readonly { readonly at: Va; readonly data: Uint8Array }[]): boolean {
    this.invalidate();
    for (const { at, data } of writes) if (!this.accessOk(at, data.length)) return false;
    return this.#vm.writeEach(this.pid, writes);
  }

  /** What the box has put in place is the program's own memory still. */
  vmas(start: Va, end: Va): readonly NativeVma[] {
    return this.#vmas
      .overlapping(start, end)
      .map((vma) => (this.shared.has(vma) ? { ...vma, shared: false } : vma));
  }

  pin(start: Va, count: number, flags: GupFlags): PinnedPages | number {
    const { call = 'pin_user_pages_fast', write = false, longterm = false } = flags;
    const asked = (flags.foll ?? 0) | (write ? FOLL_WRITE : 0) | (longterm ? FOLL_LONGTERM : 0);
    const foll = gupFlags(call, flags.suffix, asked, this.#kernel.pages.switches);
    const first = pageStart(start);
    const { pages, error } =
      typeof foll === 'number' ? this.#pinnable(first, count, foll) : { pages: 0, error: foll };
    if (error !== undefined) {
      const at = first / PAGE_SIZE;
      explain(this.#kernel, call, at, at + count, pages, error);
      if (pages === 0) return error.errno;
    }
    const shared = this.#sharedPages(first, pages);
    const isLong = typeof foll === 'number' && (foll & FOLL_LONGTERM) !== 0;
    const frames = this.#frames(pages, shared, isLong ? GFP_USER : GFP_HIGHUSER_MOVABLE);
    return frames === undefined ? this.#noFrames(pages) : this.#pin(first, frames, shared);
  }

  #noFrames(pages: number): number {
    this.#kernel.trace.cause('linux', {
      layer: 'native',
      code: '-ENOMEM',
      text: 'no frames for the pages of a native program',
      object: 'box RAM',
      requested: pages * PAGE_SIZE,
      hint: 'give the box more RAM',
    });
    return -ENOMEM;
  }

  #pin(start: Va, frames: readonly Pa[], shared: ReadonlyMap<number, SharedPage>): NativePin {
    const pin = new NativePin({
      vm: this.#vm,
      pages: this.#kernel.pages,
      start,
      frames,
      shared,
      owner: () => this.owner,
      letGo: (windows) => this.#placement?.letGo(this, windows),
    });
    if (this.#placement !== undefined && shared.size < frames.length) this.#fresh.push(pin);
    return pin;
  }

  /** Pages from `first` that a pin may take, and what is in the way of the rest. */
  #pinnable(first: Va, count: number, foll: number): Pinnable {
    const end = first + count * PAGE_SIZE;
    if (!this.accessOk(first, count * PAGE_SIZE)) return { pages: 0, error: OUTSIDE };
    let error: GupError | undefined;
    let at: number = first;
    while (at < end && error === undefined) {
      const vma = this.#vmas.find(at);
      if (vma === undefined || vma.start > at) {
        error = UNMAPPED;
        break;
      }
      const pages = (Math.min(vma.end, end) - at) / PAGE_SIZE;
      const refusal = this.#whyNot(vma, foll);
      const got =
        refusal === undefined ? this.#present(vma, at, pages) : this.#copied(vma, at, pages);
      if (got < pages) error = refusal ?? NO_CONTENT;
      at += got * PAGE_SIZE;
    }
    return { pages: (at - first) / PAGE_SIZE, error };
  }

  /** Pages of a mapping that have content: a file may end before its mapping does. */
  #present({ inode, readable }: NativeVma, at: number, pages: number): number {
    return inode !== 0 && readable ? this.#vm.presentPages(this.pid, at, pages) : pages;
  }

  /** Pages that gup_fast takes before anybody looks at the mapping: a write has copied them. */
  #copied({ shared, writable }: NativeVma, at: number, pages: number): number {
    return !shared && writable ? copiedPages(this.pid, at, pages) : 0;
  }

  /** As check_vma_flags(). What files are on is not looked at. */
  #whyNot(vma: NativeVma, foll: number): GupError | undefined {
    if (this.#shmFiles.get(vma.inode) === vma.device) return PFN_MAPPED;
    if ((foll & FOLL_WRITE) !== 0) return vma.writable ? undefined : NOT_WRITABLE;
    return vma.readable ? undefined : NOT_READABLE;
  }

  /** Pages of the range that are frames of the box already, by their place in it. */
  #sharedPages(first: Va, count: number): ReadonlyMap<number, SharedPage> {
    if (this.shared.windows.size === 0) return NONE;
    const found = new Map<number, SharedPage>();
    for (const vma of this.#vmas.overlapping(first, first + count * PAGE_SIZE)) {
      for (let at = Math.max(vma.start, first); at < vma.end; at += PAGE_SIZE) {
        const page = this.shared.at(vma, at);
        const index = (at - first) / PAGE_SIZE;
        if (page === undefined || index >= count) break;
        found.set(index, page);
      }
    }
    return found;
  }

  /**
   * A frame for each page, those that are shared already at their places. The others are where the
   * program's own pages would be: CMA areas are open to them, unless the pin is for the long term.
   */
  #frames(
    count: number,
    shared: ReadonlyMap<number, SharedPage>,
    gfp: Gfp,
  ): readonly Pa[] | undefined {
    const { pages } = this.#kernel;
    const whole = shared.size === 0 ? pages.allocExact(count * PAGE_SIZE, gfp) : undefined;
    if (whole !== undefined)
      return Array.from({ length: count }, (_, i) => pa(whole + i * PAGE_SIZE));
    const list: Pa[] = [];
    while (list.length < count) {
      const page = shared.get(list.length)?.frame ?? pages.alloc(0, gfp);
      if (page === undefined) {
        for (const [i, taken] of list.entries()) if (!shared.has(i)) pages.free(taken, 0);
        return undefined;
      }
      list.push(page);
    }
    return list;
  }

  #fetchPage(start: Va): boolean {
    if (this.#vm.fetch(this.pid, start, PAGE_SIZE) !== PAGE_SIZE) return false;
    this.#page.set(this.#vm.scratch.subarray(0, PAGE_SIZE));
    this.#pageAt = start;
    return true;
  }
}
