/**
 * What the TEE core does differently from one kernel to the next. One switch a difference that a
 * program or a driver can see; upstream's bugs are switches of their own, named `quirk…`.
 */
import type { KernelRegistration } from './kernel-registration.ts';

export interface TeeSwitches {
  /** TEE_MAX_ARG_SIZE: 1024 in 6.1, 4096 since. Longer `buf_len`: -EINVAL. */
  readonly maxArgSize: number;
  /**
   * Page pools allocate a power of two of pages (alloc_pages(), 6.1), so that SHM_ALLOC of three
   * pages gives four and of none fails with -ENOMEM. Since alloc_pages_exact(): whole pages, and
   * -EINVAL for none.
   */
  readonly dynShmPowerOfTwo: boolean;
  /**
   * Page pools keep the list of pages in `TeeShm.pages`. In 6.1 they do not, so that such memory
   * cannot answer an RPC that asks for a page list.
   */
  readonly dynShmKeepsPages: boolean;
  /**
   * Registration walks an iov_iter (since 6.8): length 0 is -ENOMEM, one call takes at most
   * MAX_RW_COUNT bytes. Before, pages were counted from the addresses: length 0 registers the page
   * of an unaligned address, and none of an aligned one.
   */
  readonly registerByIovIter: boolean;
  /**
   * How the pages of a kernel buffer are found when it is registered, and whether they are referenced:
   * one of the shapes in kernel-registration.ts. 6.1 walks vmalloc() areas and takes references;
   * since 7.0 it is an iov_iter that takes none, and the caller keeps the memory. Reviewers asked for
   * arrays of pages, so that the TEE core need not know kinds of memory.
   */
  readonly kernelRegistration: KernelRegistration;
  /** TEE_IOC_SHM_REGISTER_FD exists (6.18). */
  readonly shmRegisterFd: boolean;
  /** The core parses UBUF and OBJREF parameters (6.18); before they were unknown attributes. */
  readonly ubufAndObjref: boolean;
  /** sysfs has the `revision` attribute, for drivers that know one. */
  readonly sysfsRevision: boolean;

  /** Pin for good, out of CMA and movable zones (FOLL_LONGTERM), as asked for in 2023. */
  readonly pinLongterm: boolean;
  /**
   * Registered pages count as written when they are unpinned (unpin_user_pages_dirty_lock). As released
   * they do not, so that what the secure world wrote to a page of a file may never reach the file.
   */
  readonly unpinDirty: boolean;
  /** Charge pinned pages to the user and hold them against RLIMIT_MEMLOCK, as io_uring does. */
  readonly accountMemlock: boolean;

  /** mmap() checks the offset against the buffer's size, then maps from its start all the same. */
  readonly quirkMmapOffsetIgnored: boolean;
  /**
   * A pin that came up short at an unaligned address is given back less its last page: that page
   * stays pinned until the process ends, and after.
   */
  readonly quirkShortPinLeaksPage: boolean;
  /**
   * An iov_iter counts pages in an int: of a buffer of 16 TiB and more only what is left of the number
   * is looked at, so that it may be registered for its first pages alone. Fixed: -ENOMEM.
   */
  readonly quirkPageCountIsInt: boolean;
  /**
   * SUPPL_RECV takes references on the memrefs it is given and loses them when a later parameter is
   * bad: the buffer, its context and the device can never be freed.
   */
  readonly quirkSupplRecvLeaksMemrefs: boolean;
  /** SUPPL_RECV takes the request before it finds that the buffer cannot be written: it is lost. */
  readonly quirkSupplRecvFaultLosesRequest: boolean;
}
