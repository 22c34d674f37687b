/**
 * A stretch of an address space with one kind of mapping (struct vm_area_struct).
 *
 * Upstream counterpart: include/linux/mm_types.h, mm.h (VM_*). Left out: stacks that grow, huge
 * pages, userfaultfd, protection keys, mappings of files' page cache.
 */
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Shmem } from './shmem.ts';
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
export const VM_DONTEXPAND = 0x40000;

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
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  readonly memoryType: MemoryType;
  readonly shmem: Shmem | undefined;
  /** Page of `shmem` at `start`. */
  readonly pgoff: number;
  readonly file: VmFile | undefined;
}

export class Vma implements VmaInfo {
  readonly start: Va;
  end: Va;
  /** VM_* */
  flags: number;
  readonly memoryType: MemoryType;
  /** Pages of a shared anonymous mapping; undefined for private and pfn mappings. */
  readonly shmem: Shmem | undefined;
  readonly pgoff: number;
  readonly file: VmFile | undefined;

  constructor(fields: VmaFields) {
    this.start = va(fields.start);
    this.end = va(fields.end);
    this.flags = fields.flags;
    this.memoryType = fields.memoryType;
    this.shmem = fields.shmem;
    this.pgoff = fields.pgoff;
    this.file = fields.file;
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
  get firstPage(): number {
    return this.start / PAGE_SIZE;
  }
  get endPage(): number {
    return this.end / PAGE_SIZE;
  }

  /** Page of `shmem` behind a page of the address space. */
  shmemIndex(page: number): number {
    return this.pgoff + page - this.firstPage;
  }

  /** vm_area_dup(): the same for another address space, or for a part of this VMA. */
  dup(start: number = this.start, end: number = this.end): Vma {
    this.file?.open();
    this.shmem?.get();
    const pgoff = this.pgoff + (start - this.start) / PAGE_SIZE;
    const { flags, memoryType, shmem, file } = this;
    return new Vma({ start, end, flags, memoryType, shmem, pgoff, file });
  }

  /** vm_area_free(): what it referred to loses a reference. */
  free(): void {
    this.file?.close();
    this.shmem?.put();
  }

  /**
   * can_vma_merge_after(): whether `next` could be a part of this one. Parts of one shared object
   * are always in its order, for nothing moves a mapping.
   */
  mergesWith(next: Vma): boolean {
    return (
      this.end === next.start &&
      this.flags === next.flags &&
      (this.flags & VM_SPECIAL) === 0 &&
      this.memoryType === next.memoryType &&
      this.shmem === next.shmem &&
      this.file === next.file
    );
  }
}
