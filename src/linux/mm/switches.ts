/**
 * What memory management does differently from one profile to another: positions of the debate of
 * 2023 about long-term pins ("tee: add FOLL_LONGTERM for CMA case when alloc shm"), and what changed
 * between releases.
 */

/**
 * How a caller of GUP says that its pins last.
 * - `longterm-flag`: FOLL_LONGTERM, as released: who says nothing pins for a short time.
 * - `longterm-functions`: there is no flag; pin_user_pages_longterm() and pin_user_pages_shortterm(),
 *   with `_fast` and so on, take the place of pin_user_pages(). Calls by the old names are -EINVAL.
 * - `ephemeral-flag`: who says nothing pins for good; FOLL_EPHEMERAL asks for a short pin.
 */
export type PinInterface = 'longterm-flag' | 'longterm-functions' | 'ephemeral-flag';

export interface MmSwitches {
  /** How callers of GUP say how long their pins last. */
  readonly pinInterface: PinInterface;
  /** FOLL_GET is for mm alone: get_user_pages() and its variants answer drivers with -EINVAL. */
  readonly follGetInternal: boolean;
  /**
   * pin_user_pages(), _unlocked() and _remote() are for long-term pins only, short ones go through
   * the fast functions: else -EINVAL.
   */
  readonly slowPinsLongtermOnly: boolean;
  /**
   * Long-term pins for writing refuse shared mappings of files that track what becomes dirty:
   * -EFAULT. Since 6.5. Before, io_uring looked itself, and refused every mapping of a file but shared
   * memory: -EOPNOTSUPP.
   */
  readonly longtermRefusesDirtyTracked: boolean;
  /**
   * A long-term pin for reading of a private mapping gets a page of the process's own, so that it
   * sees what is written later (6.2). Off: it keeps the page of the file, or the page of zeros, and
   * drivers ask for FOLL_WRITE and FOLL_FORCE instead.
   */
  readonly longtermUnsharesCow: boolean;
  /**
   * pin_user_pages_unlocked() takes FOLL_LONGTERM (6.3). Off: -EINVAL, for it may drop mmap_lock and
   * could not look at all VMAs then.
   */
  readonly unlockedTakesLongterm: boolean;
  /** The longest fixed buffer of io_uring, bytes: 1 GiB in 6.1, 1 TiB in 7.3. More is -EFAULT. */
  readonly fixedBufferMost: number;
  /** ivtv pins past the protection of what it is given (FOLL_FORCE). Up to 6.1. */
  readonly ivtvForces: boolean;
  /** O_DIRECT pins its pages (FOLL_PIN). Before 6.5 it took references only (FOLL_GET). */
  readonly directIoPins: boolean;
  /**
   * Pages of kmalloc() have no reference count of their own: get_page() warns and does nothing,
   * put_page() does nothing (6.15). Off: a reference keeps the page, though never the object.
   */
  readonly slabPagesFrozen: boolean;
  /**
   * kmap_to_page() warns of kmap addresses, and finds the page of kmap_local ones (6.1). Off: it
   * takes those for addresses of the linear map, and finds another page or none.
   */
  readonly kmapToPageKnowsLocal: boolean;
}

/** As the default profile, linux-7.3. */
export const MM_LINUX_7_3: MmSwitches = {
  pinInterface: 'longterm-flag',
  follGetInternal: false,
  slowPinsLongtermOnly: false,
  longtermRefusesDirtyTracked: true,
  longtermUnsharesCow: true,
  unlockedTakesLongterm: true,
  fixedBufferMost: 2 ** 40,
  ivtvForces: false,
  directIoPins: true,
  slabPagesFrozen: true,
  kmapToPageKnowsLocal: true,
};

export const MM_LINUX_6_1: MmSwitches = {
  ...MM_LINUX_7_3,
  longtermRefusesDirtyTracked: false,
  longtermUnsharesCow: false,
  unlockedTakesLongterm: false,
  fixedBufferMost: 2 ** 30,
  ivtvForces: true,
  directIoPins: false,
  slabPagesFrozen: false,
};

/** What reviewers asked for. Slow pins stay, for process_vm_readv() has no other. */
export const MM_HARDENED: MmSwitches = {
  ...MM_LINUX_7_3,
  pinInterface: 'ephemeral-flag',
  follGetInternal: true,
};
