/**
 * What the kernel sees of a process's memory: user copies, pins, and the VMAs as far as drivers
 * look at them. Programs inside the box have an `AddressSpace` (page tables over the box's RAM);
 * native programs have the supervisor's view of theirs. Upstream: uaccess.h, mm.h, gup.c.
 */
import type { Pa, Va } from '../../machine/address.ts';

/** Memory types of a mapping (arch page protection): only `normal` memory may be registered. */
export type MemoryType = 'normal' | 'normal-tagged' | 'write-combine' | 'device';

/** A VMA as drivers see it. */
export interface VmaInfo {
  readonly start: Va;
  /** First address behind it. */
  readonly end: Va;
  readonly memoryType: MemoryType;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly shared: boolean;
}

/** FOLL_* flags that pin_user_pages_fast() takes (include/linux/mm_types.h). */
export interface GupFlags {
  readonly write?: boolean;
  readonly longterm?: boolean;
}

/**
 * Pages held by a pin. For programs inside the box the pages are the program's own, and syncing
 * does nothing. For native programs they are frames of the box that stand for the program's pages:
 * `syncForDevice` copies from the process that pinned, `syncForCpu` copies back what has changed.
 * (The names are those of the DMA API, whose job this is.)
 */
export interface PinnedPages {
  readonly pages: readonly Pa[];
  /** Before the secure world looks at `length` bytes from `offset` of the first page. */
  syncForDevice(offset: number, length: number): void;
  /** Before the program looks at them. */
  syncForCpu(offset: number, length: number): void;
  /** As unpin_user_pages(): without dirtying. */
  unpin(): void;
}

export interface UserMemory {
  /** As access_ok(): says whether the range lies in user space; nothing need be mapped there. */
  accessOk(at: number, length: number): boolean;
  /** As copy_from_user(): fills `out`; false for -EFAULT. */
  read(at: Va, out: Uint8Array): boolean;
  /** As copy_to_user(); false for -EFAULT, what lies before the fault is written. */
  write(at: Va, data: Uint8Array): boolean;
  /** A series of put_user(): in order, ends at the first fault with false. */
  writeEach(writes: readonly { readonly at: Va; readonly data: Uint8Array }[]): boolean;
  /**
   * As pin_user_pages_fast(): pins up to `count` pages from the page of `start`. Returns the pages
   * that could be pinned (at least one, perhaps fewer than asked), or a negative errno for none.
   */
  pin(start: Va, count: number, flags: GupFlags): PinnedPages | number;
  /** The VMAs that overlap the range, in order; holes are not reported. */
  vmas(start: Va, end: Va): readonly VmaInfo[];
}
