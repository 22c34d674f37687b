/**
 * A stretch of an address space with one kind of mapping (struct vm_area_struct).
 *
 * Upstream counterpart: include/linux/mm_types.h, mm.h (VM_*). Left out: stacks that grow, huge
 * pages, userfaultfd, protection keys.
 */
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { MmStruct } from './mm-struct.ts';
import type { PageCache } from './page-cache.ts';
import type { MemoryType, VmaInfo } from './user-memory.ts';

/* Source: include/linux/mm.h, Linux 6.1. The lowest three are PROT_* as well. */
export const VM_READ = 0x1;
export const VM_WRITE = 0x2;
export const VM_EXEC = 0x4;
export const VM_SHARED = 0x8;
/** What mprotect may turn on: VM_READ to VM_EXEC, four bits up. */
export const VM_MAYREAD = 0x10;
export const VM_MAYWRITE = 0x20;
export const VM_MAYEXEC = 0x40;
/** Page ranges managed without struct page, just pure PFN. */
export const VM_PFNMAP = 0x400;
/** Its pages are never reclaimed, and count as locked_vm (MAP_LOCKED). */
export const VM_LOCKED = 0x2000;
/** Memory mapped I/O or similar. */
export const VM_IO = 0x4000;
/** fork() does not copy it (MADV_DONTFORK). */
export const VM_DONTCOPY = 0x20000;
export const VM_DONTEXPAND = 0x40000;
/** A child finds it empty (MADV_WIPEONFORK). */
export const VM_WIPEONFORK = 0x2000000;

export const VM_ACCESS_FLAGS = VM_READ | VM_WRITE | VM_EXEC;
/** Distance of VM_MAYREAD from VM_READ. */
export const VM_MAY_SHIFT = 4;
/** VMAs that never merge. */
export const VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP;

/** The open file behind a mapping, as far as VMAs hold it (vm_file and vm_operations_struct). */
export interface VmFile {
  /** A VMA more refers to it: by fork or split. */
  open(): void;
  /** A VMA less does. It must not sleep: the file is put later, as by fput(). */
  close(): void;
}

export interface VmaFields {
  /** vm_mm */
  readonly mm: MmStruct;
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  readonly memoryType: MemoryType;
  /** vm_file->f_mapping: the pages that it shows; undefined for anonymous memory and pfns. */
  readonly cache: PageCache | undefined;
  /** Page of `cache` at `start`. */
  readonly pgoff: number;
  readonly file: VmFile | undefined;
  /** Not at all by default. */
  readonly moved?: number;
}

export class Vma implements VmaInfo {
  readonly mm: MmStruct;
  readonly start: Va;
  end: Va;
  /** VM_* */
  flags: number;
  readonly memoryType: MemoryType;
  /** What it shows: directly when it is shared, as copies of what was written when private. */
  readonly cache: PageCache | undefined;
  readonly pgoff: number;
  readonly file: VmFile | undefined;
  /**
   * Pages by which mremap() has moved it, upwards, since its anonymous pages were numbered: they keep
   * their numbers (page->index), so that others who share them find them (vm_pgoff of such VMAs).
   */
  moved: number;

  constructor(fields: VmaFields) {
    this.mm = fields.mm;
    this.start = va(fields.start);
    this.end = va(fields.end);
    this.flags = fields.flags;
    this.memoryType = fields.memoryType;
    this.cache = fields.cache;
    this.pgoff = fields.pgoff;
    this.file = fields.file;
    this.moved = fields.moved ?? 0;
    this.cache?.attach(this);
  }

  get readable(): boolean {
    return (this.flags & VM_READ) !== 0;
  }
  get writable(): boolean {
    return (this.flags & VM_WRITE) !== 0;
  }
  get shared(): boolean {
    return (this.flags & VM_SHARED) !== 0;
  }
  /** vma_is_accessible(): something is allowed; then reading works, whatever was asked for. */
  get accessible(): boolean {
    return (this.flags & VM_ACCESS_FLAGS) !== 0;
  }
  /** is_cow_mapping(): writes are to pages of its own. */
  get isCow(): boolean {
    return (this.flags & (VM_SHARED | VM_MAYWRITE)) === VM_MAYWRITE;
  }
  get locked(): boolean {
    return (this.flags & VM_LOCKED) !== 0;
  }
  get pfnMapped(): boolean {
    return (this.flags & VM_PFNMAP) !== 0;
  }
  /** vma_needs_dirty_tracking(): writes by a device that nobody is told of may be lost. */
  get needsDirtyTracking(): boolean {
    return this.shared && this.writable && this.cache?.backing === 'writeback';
  }
  get firstPage(): number {
    return this.start / PAGE_SIZE;
  }
  get endPage(): number {
    return this.end / PAGE_SIZE;
  }
  /** vma_pages() */
  get pages(): number {
    return this.endPage - this.firstPage;
  }

  /** vma_expand(), by so many bytes. */
  grow(bytes: number): void {
    this.end = va(this.end + bytes);
  }

  /** linear_page_index(): page of `cache` behind a page of the address space. */
  cacheIndex(page: number): number {
    return this.pgoff + page - this.firstPage;
  }

  /** vma_address(): page of the address space that shows a page of `cache`. */
  cachePage(index: number): number {
    return this.firstPage + index - this.pgoff;
  }

  /** linear_page_index() of an anonymous page: where it was when it came. */
  anonIndex(page: number): number {
    return page - this.moved;
  }

  /** vm_area_dup() for a part of this VMA. */
  part(start: number, end: number): Vma {
    this.file?.open();
    const pgoff = this.pgoff + (start - this.start) / PAGE_SIZE;
    const { mm, flags, memoryType, cache, file, moved } = this;
    return new Vma({ mm, start, end, flags, memoryType, cache, pgoff, file, moved });
  }

  /**
   * copy_vma(): what is at `from` will be shown at `start`.
   * @param numbered it has anonymous pages, which keep their numbers
   */
  copyTo(from: number, start: number, length: number, numbered: boolean): Vma {
    this.file?.open();
    const pgoff = this.pgoff + (from - this.start) / PAGE_SIZE;
    const moved = numbered ? this.moved + (start - from) / PAGE_SIZE : 0;
    const { mm, flags, memoryType, cache, file } = this;
    const end = start + length;
    return new Vma({ mm, start, end, flags, memoryType, cache, pgoff, file, moved });
  }

  /** vm_area_dup(): the same in another address space. */
  dup(mm: MmStruct): Vma {
    this.file?.open();
    const { start, end, flags, memoryType, cache, pgoff, file, moved } = this;
    return new Vma({ mm, start, end, flags, memoryType, cache, pgoff, file, moved });
  }

  /** vm_area_free(): what it referred to loses a reference. */
  free(): void {
    this.file?.close();
    this.cache?.detach(this);
  }

  /**
   * can_vma_merge_after(): whether `next` could be a part of this one.
   */
  mergesWith(next: Vma): boolean {
    return (
      this.end === next.start &&
      this.flags === next.flags &&
      (this.flags & VM_SPECIAL) === 0 &&
      this.memoryType === next.memoryType &&
      this.cache === next.cache &&
      (this.cache === undefined || this.cacheIndex(next.firstPage) === next.pgoff) &&
      this.file === next.file &&
      this.moved === next.moved
    );
  }
}
