/**
 * The pages of shared memory: they belong to the object, not to an address space, so that parent
 * and child see each other's writes after fork.
 *
 * Upstream counterpart: mm/shmem.c (shmem_zero_setup, shmem_fault, shmem_writepage,
 * shmem_file_read_iter, shmem_undo_range). Large folios come where they are asked for and memory is
 * not scattered (huge=within_size). Left out: the file system, splitting large folios.
 */
import { ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset } from '../../machine/address.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_TRANSHUGE_LIGHT } from './gfp.ts';
import { FAULT_OOM, FAULT_SIGBUS } from './page-cache.ts';
import type { PageCache } from './page-cache.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_LRU, PG_SWAPBACKED } from './page-frames.ts';
import { pagesFor, removeFromCache, unmapMappingPages, zeroBehind } from './truncate.ts';
import type { Vma } from './vma.ts';

export interface ShmemOptions {
  readonly name?: string;
  /** Order of the folios that are tried first. */
  readonly order?: number;
  /** i_size; no end by default, for mappings of anonymous memory never reach beyond it. */
  readonly bytes?: number;
}

/** Bytes of a transfer of `left` at a position that are in one page. */
const partOf = (position: number, left: number): number =>
  Math.min(PAGE_SIZE - pageOffset(position), left);

export class Shmem implements PageCache {
  readonly kind = 'cache';
  readonly name: string;
  readonly id: number;
  readonly backing = 'shmem';
  readonly movable: boolean = true;
  readonly #pages: PageAllocator;
  readonly #order: number;
  #bytes: number;
  /** Frames by page of the object, which holds a reference for each. */
  readonly #frames = new Map<number, number>();
  /** Slots of the swap area by page (shadow entries of the xarray). */
  readonly #swapped = new Map<number, number>();
  readonly #vmas = new Set<Vma>();
  /** Files that are open on it. */
  #files = 0;

  constructor(
    pages: PageAllocator,
    { name = 'dev/zero', order = 0, bytes = Infinity }: ShmemOptions = {},
  ) {
    this.#pages = pages;
    this.name = name;
    this.#order = order;
    this.#bytes = bytes;
    this.id = pages.owners.register(this);
  }

  get vmas(): ReadonlySet<Vma> {
    return this.#vmas;
  }

  /** i_size */
  get bytes(): number {
    return this.#bytes;
  }

  /** Pages that it has in memory. */
  get size(): number {
    return this.#frames.size;
  }

  /** Pages that it has in the swap area. */
  get swapped(): number {
    return this.#swapped.size;
  }

  /** Frames of its pages in memory. */
  frames(): IterableIterator<number> {
    return this.#frames.values();
  }

  attach(vma: Vma): void {
    this.#vmas.add(vma);
  }

  detach(vma: Vma): void {
    this.#vmas.delete(vma);
    this.#endIfUnused();
  }

  /** A file is opened on it: it outlives its mappings (igrab). */
  open(): void {
    this.#files += 1;
  }

  /** iput() */
  close(): void {
    this.#files -= 1;
    this.#endIfUnused();
  }

  /** shmem_fault(): the frame of a page, zeroed when it is new; FAULT_OOM, FAULT_SIGBUS. */
  fault(index: number): number {
    return index < pagesFor(this.#bytes) ? this.#getFolio(index) : FAULT_SIGBUS;
  }

  /** shmem_file_read_iter(): as many bytes as there are; what was never written reads as zeros. */
  read(out: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(out.length, this.#bytes - position));
    for (let done = 0; done < length; done += partOf(position + done, length - done)) {
      const at = position + done;
      const part = partOf(at, length - done);
      const index = Math.floor(at / PAGE_SIZE);
      const known = this.#frames.has(index) || this.#swapped.has(index);
      const frame = known ? this.#getFolio(index) : this.#pages.zeroFrame;
      if (frame < 0) return done > 0 ? done : -ENOMEM;
      const bytes = this.#pages.frameBytes(frame, 'read');
      out.set(bytes.subarray(pageOffset(at), pageOffset(at) + part), done);
    }
    return length;
  }

  /** shmem_write_begin() and _end(): the object grows if need be. Bytes written, or -ENOMEM. */
  write(data: Uint8Array, position: number): number {
    for (let done = 0; done < data.length; done += partOf(position + done, data.length - done)) {
      const at = position + done;
      const frame = this.#getFolio(Math.floor(at / PAGE_SIZE));
      if (frame < 0) return done > 0 ? done : -ENOMEM;
      const part = data.subarray(done, done + partOf(at, data.length - done));
      this.#pages.frameBytes(frame, 'write').set(part, pageOffset(at));
      this.#bytes = Math.max(this.#bytes, at + part.length);
    }
    return data.length;
  }

  /** shmem_setattr(): another size. Pages behind it go, and nobody maps them any more. */
  truncate(bytes: number): void {
    const before = this.#bytes;
    this.#bytes = bytes;
    const end = Math.min(before, bytes);
    const last = Math.floor(end / PAGE_SIZE);
    if (pageOffset(end) !== 0 && (this.#frames.has(last) || this.#swapped.has(last))) {
      const frame = this.#getFolio(last);
      if (frame >= 0) zeroBehind(this.#pages, frame, end);
    }
    if (bytes < before) this.#dropFrom(pagesFor(bytes));
  }

  /** Says whether something other than mappings refers to its pages (memfd_wait_for_pins). */
  get pinned(): boolean {
    const { refs, mapcount, order } = this.#pages.frames;
    return [...this.#frames.values()].some((frame) => {
      const folio = this.#pages.frames.folio(frame);
      return refs[folio] !== mapcount[folio]! + (1 << order[folio]!);
    });
  }

  /** shmem_get_folio(): the frame of a page, wherever the object ends; FAULT_OOM. */
  #getFolio(index: number): number {
    const known = this.#frames.get(index);
    if (known !== undefined) return known;
    const slot = this.#swapped.get(index);
    if (slot !== undefined) return this.#swapIn(index, slot);
    const start = index & -(1 << this.#order);
    const fits = start + (1 << this.#order) <= pagesFor(this.#bytes);
    const large = this.#order > 0 && fits ? this.#newFolio(start, this.#order) : -1;
    if (large >= 0) return this.#frames.get(index)!;
    return this.#newFolio(index, 0);
  }

  replace(index: number, from: number, to: number): void {
    const count = this.#pages.frames.folioPages(from);
    for (let i = 0; i < count; i++) this.#frames.set(index + i, to + i);
  }

  /** shmem_writepage(): the page goes to the swap area. A large folio stays. */
  evict(index: number, folio: number): boolean {
    if (this.#pages.frames.order[folio] !== 0) return false;
    const slot = this.#pages.swapOut(folio);
    if (slot < 0) return false;
    this.#frames.delete(index);
    this.#swapped.set(index, slot);
    return true;
  }

  /** shmem_undo_range(); of a large folio that would have to be split the rest becomes zeros. */
  #dropFrom(first: number): void {
    const { frames, swap } = this.#pages;
    unmapMappingPages(this, first);
    for (const [index, frame] of [...this.#frames]) {
      if (index < first) continue;
      if (frames.index[frames.folio(frame)]! < first) {
        this.#pages.zero(frames.address(frame), PAGE_SIZE);
        continue;
      }
      this.#frames.delete(index);
      removeFromCache(this.#pages, frame);
    }
    for (const [index, slot] of [...this.#swapped]) {
      if (index < first) continue;
      this.#swapped.delete(index);
      swap.put(slot);
    }
  }

  /** shmem_alloc_and_acct_folio(): the frame, or FAULT_OOM. */
  #newFolio(index: number, order: number): number {
    const frame = this.#alloc(index, order);
    if (frame >= 0) {
      this.#pages.zero(this.#pages.frames.address(frame), PAGE_SIZE << order);
    }
    return frame;
  }

  #alloc(index: number, order: number): number {
    const count = 1 << order;
    for (let i = 0; i < count; i++) {
      if (this.#frames.has(index + i) || this.#swapped.has(index + i)) return FAULT_OOM;
    }
    const frame = this.#pages.allocFrames(
      order,
      order > 0 ? GFP_TRANSHUGE_LIGHT : GFP_HIGHUSER_MOVABLE,
    );
    if (frame < 0) return FAULT_OOM;
    this.#add(index, frame, count);
    return frame;
  }

  /** shmem_add_to_page_cache(): a reference for each page; the first is there. */
  #add(index: number, frame: number, count: number): void {
    const { frames } = this.#pages;
    frames.flags[frame]! |= PG_LRU | PG_SWAPBACKED;
    frames.mapping[frame] = this.id;
    frames.index[frame] = index;
    frames.refs[frame]! += count - 1;
    for (let i = 0; i < count; i++) this.#frames.set(index + i, frame + i);
  }

  /** shmem_swapin_folio() */
  #swapIn(index: number, slot: number): number {
    const frame = this.#pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    if (frame < 0) return FAULT_OOM;
    this.#pages.swapIn(frame, slot);
    this.#swapped.delete(index);
    this.#add(index, frame, 1);
    return frame;
  }

  /** shmem_evict_inode(): what nobody has pinned is freed. */
  #endIfUnused(): void {
    if (this.#vmas.size > 0 || this.#files > 0) return;
    const { swap } = this.#pages;
    for (const frame of this.#frames.values()) removeFromCache(this.#pages, frame);
    for (const slot of this.#swapped.values()) swap.put(slot);
    this.#frames.clear();
    this.#swapped.clear();
    this.#pages.owners.unregister(this);
  }
}
