/**
 * The memory of one process of the box: what its system calls do to it, what the kernel copies and
 * pins, and how the program itself loads and stores.
 *
 * Upstream counterparts: mm/ as a whole, lib/usercopy.c. An access by anyone goes through the
 * kernel's bus port, so that pages closed to the normal world stay closed.
 */
import { BusFault } from '../../machine/bus.ts';
import type { Access, BusPort } from '../../machine/bus.ts';
import { PAGE_SIZE, pa, pageOffset } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { MmAccount } from './account.ts';
import { MM_ARCHES } from './arch.ts';
import type { MmArchName } from './arch.ts';
import { userFault } from './fault.ts';
import type { FaultError } from './fault.ts';
import { dupMmap } from './fork.ts';
import { pinForDriver } from './gup.ts';
import { madvise } from './madvise.ts';
import { MmStruct } from './mm-struct.ts';
import { mmap, munmap } from './mmap.ts';
import type { MapRequest } from './mmap.ts';
import { mprotect } from './mprotect.ts';
import { mremap } from './mremap.ts';
import type { RemapRequest } from './mremap.ts';
import { msync } from './msync.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PTE_USER, PTE_WRITE, pteOffset } from './page-table.ts';
import { RamViews } from './ram-views.ts';
import type { GupFlags, PinnedPages, UserMemory, VmaInfo } from './user-memory.ts';

/** A signal, or that the kernel has no page left for it. */
export type AccessError = FaultError | 'SIGBUS';

const ACCESS_ERROR_TEXT: { readonly [E in AccessError]: string } = {
  SIGSEGV: 'no mapping allows it',
  SIGBUS: 'the page is closed to the normal world, or its file has none there',
  OOM: 'the kernel has no page left for it',
};

/** `load` found memory, but not in one piece. */
export const SCATTERED = -1;
/** `load` found none at the first address, or none that may be accessed so. */
export const FAULT = -2;

export interface AddressSpaceOptions {
  readonly pages: PageAllocator;
  readonly arch: MmArchName;
}

export class AddressSpace implements UserMemory {
  readonly mm: MmStruct;
  readonly #options: AddressSpaceOptions;
  readonly #port: BusPort;
  readonly #views: RamViews;
  /** Why the last access that failed did. */
  #error: AccessError | undefined;

  constructor(options: AddressSpaceOptions, parent?: MmStruct) {
    this.mm = new MmStruct(options.pages, MM_ARCHES[options.arch], parent);
    this.#options = options;
    this.#port = options.pages.port;
    this.#views = new RamViews(this.#port.u8);
  }

  // --- system calls
  /** mmap(): the address or a negative errno (-EINVAL, -ENOMEM, -EEXIST, -EPERM). */
  mmap(request: MapRequest): number {
    return mmap(this.mm, request);
  }

  /** munmap(): 0, -EINVAL or -ENOMEM. */
  munmap(start: number, length: number): number {
    return munmap(this.mm, start, length);
  }

  /** mprotect(): 0, -EINVAL, -ENOMEM or -EACCES. @param prot PROT_* */
  mprotect(start: number, length: number, prot: number): number {
    return mprotect(this.mm, start, length, prot);
  }

  /** mremap(): the new address or a negative errno. */
  mremap(request: RemapRequest): number {
    return mremap(this.mm, request);
  }

  /** msync(): 0, -EINVAL, -ENOMEM or what writing brought. @param flags MS_* */
  msync(start: number, length: number, flags: number): number {
    return msync(this.mm, start, length, flags);
  }

  /** madvise(): 0, -EINVAL or -ENOMEM. @param advice MADV_* */
  madvise(start: number, length: number, advice: number): number {
    return madvise(this.mm, start, length, advice);
  }

  /** fork(): a copy that shares pages until they are written; undefined for -ENOMEM. */
  fork(): AddressSpace | undefined {
    const child = new AddressSpace(this.#options, this.mm);
    return dupMmap(child.mm, this.mm) ? child : undefined;
  }

  /** The process has ended. Pages that are pinned stay until they are unpinned. */
  destroy(): void {
    this.mm.destroy();
  }

  // --- the program
  /**
   * Index into the bus's `u8` and `view` of memory that may be accessed so, when it lies in one
   * page or in pages that follow each other in RAM. Else negative: FAULT, or SCATTERED for memory
   * that `read` and `write` reach page by page. Good as long as `changes` stays as it is.
   */
  load(at: number, length: number, access: Access): number {
    const page = Math.floor(at / PAGE_SIZE);
    const offset = at - page * PAGE_SIZE;
    const base =
      offset + length > PAGE_SIZE
        ? this.#run(page, offset + length, access)
        : this.#translate(page, access);
    return base < 0 ? base : this.#open(base + offset, length, access);
  }

  /** A number that is another one once what `load` has given may not be right any more. */
  get changes(): number {
    return this.mm.tlb.changes + this.#port.bus.changes;
  }

  /** What an access to a byte brings; undefined when it succeeds. A missing page is faulted in. */
  fault(at: number, access: Access): AccessError | undefined {
    return this.load(at, 1, access) < 0 ? this.#error : undefined;
  }

  // --- the kernel
  get account(): MmAccount {
    return this.mm.account;
  }

  accessOk(at: number, length: number): boolean {
    return this.mm.accessOk(at, length);
  }

  read(at: Va, out: Uint8Array): boolean {
    const { length } = out;
    if (length === 0) return true;
    const index = this.load(at, length, 'read');
    if (index < 0) {
      return index === FAULT ? this.#refused(at, length, 'read') : this.#readPages(at, out);
    }
    out.set(this.#views.at(index, length));
    return true;
  }

  write(at: Va, data: Uint8Array): boolean {
    const { length } = data;
    if (length === 0) return true;
    const index = this.load(at, length, 'write');
    if (index < 0) {
      return index === FAULT ? this.#refused(at, length, 'write') : this.#writePages(at, data);
    }
    this.#port.u8.set(data, index);
    return true;
  }

  writeEach(writes: readonly { readonly at: Va; readonly data: Uint8Array }[]): boolean {
    for (const { at, data } of writes) if (!this.write(at, data)) return false;
    return true;
  }

  pin(start: Va, count: number, flags: GupFlags): PinnedPages | number {
    return pinForDriver(this.mm, start, count, flags);
  }

  /** What is returned is good until the address space changes. */
  vmas(start: Va, end: Va): readonly VmaInfo[] {
    return this.mm.vmas.overlapping(start, end);
  }

  #readPages(at: number, out: Uint8Array): boolean {
    return this.#eachPage(at, out.length, 'read', (index, done, length) => {
      out.set(this.#views.at(index, length), done);
    });
  }

  #writePages(at: number, data: Uint8Array): boolean {
    return this.#eachPage(at, data.length, 'write', (index, done, length) => {
      this.#port.u8.set(data.subarray(done, done + length), index);
    });
  }

  /** Calls `copy` for each page's part in order; false, with a cause, at the first fault. */
  #eachPage(
    at: number,
    length: number,
    access: Access,
    copy: (index: number, done: number, length: number) => void,
  ): boolean {
    if (!this.mm.accessOk(at, length)) {
      this.#error = 'SIGSEGV';
      return this.#refused(at, length, access);
    }
    for (let done = 0; done < length;) {
      const position = at + done;
      const part = Math.min(PAGE_SIZE - pageOffset(position), length - done);
      const index = this.load(position, part, access);
      if (index < 0) return this.#refused(position, part, access);
      copy(index, done, part);
      done += part;
    }
    return true;
  }

  /** Offset in RAM of a page that may be accessed so, or FAULT. */
  #translate(page: number, access: Access): number {
    const known = this.mm.tlb.lookup(page, access);
    return known >= 0 ? known : this.#walk(page, access);
  }

  #walk(page: number, access: Access): number {
    const { table, tlb } = this.mm;
    const wanted = access === 'write' ? PTE_USER | PTE_WRITE : PTE_USER;
    if ((table.get(page) & wanted) !== wanted) {
      this.#error = userFault(this.mm, page, access);
      if (this.#error !== undefined) return FAULT;
    }
    const offset = pteOffset(table.get(page));
    tlb.fill(page, access, offset);
    return offset;
  }

  /** As `#translate` for `bytes` from the page's start, when its pages are neighbours in RAM. */
  #run(page: number, bytes: number, access: Access): number {
    const base = this.#translate(page, access);
    for (let done = PAGE_SIZE; base >= 0 && done < bytes; done += PAGE_SIZE) {
      if (this.#translate(page + done / PAGE_SIZE, access) !== base + done) return SCATTERED;
    }
    return base;
  }

  /** The firewall's say. A program's access to a closed page is a fault like any other. */
  #open(index: number, length: number, access: Access): number {
    try {
      return this.#port.at(pa(this.#port.bus.base + index), length, access);
    } catch (error) {
      if (!(error instanceof BusFault)) throw error;
      this.#error = 'SIGBUS';
      return pageOffset(index) + length > PAGE_SIZE ? SCATTERED : FAULT;
    }
  }

  #refused(at: number, length: number, access: Access): false {
    const why = this.#error === undefined ? '' : ACCESS_ERROR_TEXT[this.#error];
    this.#options.pages.sched.trace.cause('linux', {
      layer: 'linux/mm',
      code: '-EFAULT',
      text: `${access} of ${length} bytes at 0x${at.toString(16)}: ${why}`,
      object: 'user copy',
    });
    return false;
  }
}
