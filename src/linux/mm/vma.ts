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
const VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP;

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

  constructor(fields: VmaFields) {
    this.mm = fields.mm;
    this.start = va(fields.start);
    this.end = va(fields.end);
    this.flags = fields.flags;
    this.memoryType = fields.memoryType;
    this.cache = fields.cache;
    this.pgoff = fields.pgoff;
    this.file = fields.file;
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

  /** linear_page_index(): page of `cache` behind a page of the address space. */
  cacheIndex(page: number): number {
    return this.pgoff + page - this.firstPage;
  }

  /** vma_address(): page of the address space that shows a page of `cache`. */
  cachePage(index: number): number {
    return this.firstPage + index - this.pgoff;
  }

  /** vm_area_dup() for a part of this VMA. */
  part(start: number, end: number): Vma {
    this.file?.open();
    const pgoff = this.pgoff + (start - this.start) / PAGE_SIZE;
    const { mm, flags, memoryType, cache, file } = this;
    return new Vma({ mm, start, end, flags, memoryType, cache, pgoff, file });
  }

  /** vm_area_dup(): the same in another address space. */
  dup(mm: MmStruct): Vma {
    this.file?.open();
    const { start, end, flags, memoryType, cache, pgoff, file } = this;
    return new Vma({ mm, start, end, flags, memoryType, cache, pgoff, file });
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
      this.file === next.file
    );
  }
}
