/**
 * What the kernel sees of a process's memory: user copies, pins, and the VMAs as far as drivers
 * look at them. Programs inside the box have an `AddressSpace` (page tables over the box's RAM);
 * native programs have the supervisor's view of theirs. Upstream: uaccess.h, mm.h, gup.c.
 */
import type { Pa, Va } from '../../machine/address.ts';
import type { MmAccount } from './account.ts';
import type { PinCall, PinSuffix } from './gup-flags.ts';
import type { PinSiteFields } from './pin-site.ts';

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

/** How a driver pins. Drivers do not write these: pin-site.ts makes them from what a call site states. */
export interface GupFlags {
  /** FOLL_WRITE */
  readonly write?: boolean;
  /** FOLL_LONGTERM */
  readonly longterm?: boolean;
  /** Other FOLL_* flags (gup-flags.ts). */
  readonly foll?: number;
  /** The function that is called: pin_user_pages_fast() without. */
  readonly call?: PinCall;
  /** What its name ends in, where names say how long. */
  readonly suffix?: PinSuffix;
  /** Who pins, and what for. */
  readonly site?: PinSiteFields;
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
  /**
   * As unpin_user_pages(), which does not mark the pages as written, so that what a device wrote to
   * a page of a file may be lost; or as unpin_user_pages_dirty_lock().
   */
  unpin(makeDirty?: boolean): void;
}

export interface UserMemory {
  /** mm->locked_vm and pinned_vm, as far as this kernel counts them. */
  readonly account?: MmAccount;
  /** As access_ok(): says whether the range lies in user space; nothing need be mapped there. */
  accessOk(at: number, length: number): boolean;
  /** As copy_from_user(): fills `out`; false for -EFAULT. */
  read(at: Va, out: Uint8Array): boolean;
  /** As copy_to_user(); false for -EFAULT, what lies before the fault is written. */
  write(at: Va, data: Uint8Array): boolean;
  /** A series of put_user(): in order, ends at the first fault with false. */
  writeEach(writes: readonly { readonly at: Va; readonly data: Uint8Array }[]): boolean;
  /**
   * As pin_user_pages_fast(), if `flags` names no other function: pins up to `count` pages from the page of `start`. Returns the pages
   * that could be pinned (at least one, perhaps fewer than asked), or a negative errno for none.
   */
  pin(start: Va, count: number, flags: GupFlags): PinnedPages | number;
  /** The VMAs that overlap the range, in order; holes are not reported. */
  vmas(start: Va, end: Va): readonly VmaInfo[];
}
