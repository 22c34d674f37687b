/**
 * What the OP-TEE driver does differently from one kernel to the next. One switch a difference that
 * a program, a supplicant or the secure world can see. Upstream's bugs are switches of their own,
 * named `quirk…`; each says what a kernel without the bug does.
 */
/**
 * - `none`: no type is looked at, as before drivers were told where a buffer starts (early 4.16).
 * - `find_vma`: a walk from the first mapping that ends behind the start to the first that ends at
 *   the buffer's end or behind (4.16 to 6.0). It looks at what follows a hole at the end, beyond the
 *   buffer, and is -EINVAL when nothing follows.
 * - `for_each_vma_range`: the mappings that have a part of the buffer; holes are not looked for (6.1).
 */
export type MemTypeCheck = 'none' | 'find_vma' | 'for_each_vma_range';

export interface OpteeSwitches {
  /** Ticks of a second (CONFIG_HZ): what time-outs are rounded to. */
  readonly hz: number;
  /**
   * The driver asks for the number of secure threads and waits for a free one before it enters the
   * secure world; system sessions keep one in reserve (6.8). Off: it enters, and waits when it is
   * told ETHREAD_LIMIT; there is no system_session operation.
   */
  readonly threadCount: boolean;
  /**
   * Parameters that come back take values and sizes of outputs only (6.18). Off: every field comes
   * from the message again, attributes and memory references included.
   */
  readonly updateOutOnly: boolean;
  /**
   * Whether the answer to the SHM_ALLOC RPC is a page list depends on the buffer having a list of
   * pages. Off, as in 6.1: on its being dynamic; then memory from TEE_IOC_SHM_ALLOC, which is dynamic and
   * keeps no list, fails with TEEC_ERROR_OUT_OF_MEMORY.
   */
  readonly rpcShmByPages: boolean;
  /**
   * How it is made sure that a buffer is normal, cacheable memory in all its mappings, for the secure
   * world maps it so. Both kernels look at the mappings that have a part of it.
   */
  readonly memTypeCheck: MemTypeCheck;
  /** NOTIFICATION WAIT has a time-out in `c`. Off, as in 6.1: it waits for ever. */
  readonly notifTimeout: boolean;
  /**
   * The kernel's RPMB class serves RPMB_PROBE_* and RPMB_FRAMES when the secure world can make use
   * of it, and sysfs has `rpmb_routing_model` (6.12). Off: those RPCs go to the supplicant.
   */
  readonly rpmbRouting: boolean;
  /** The driver knows the revision of the TEE, for sysfs (6.19). */
  readonly teeRevision: boolean;
  /**
   * The end of a call wakes the first in the queue, which may be one that has its thread: a caller
   * that waits then sleeps on beside a free thread until that other call ends, for ever if that one
   * needs it to come in. Fixed: somebody who sleeps is woken.
   */
  readonly quirkWakesRunningCall: boolean;
  /**
   * The supplicant's release waits for the scan for devices that need one, which has a work queue of
   * its own, before it fails the requests (6.1). A scan that waits for the supplicant, or for a
   * secure thread that does, never ends, and neither does the release.
   * Fixed: the scan runs on the system's work queue and nobody waits.
   */
  readonly quirkReleaseWaitsForScan: boolean;
  /**
   * SUPPL_SEND takes the id of a request that is queued and was never received. Its owner frees it
   * while it is still on the list: list corruption, kernel BUG at the next use of the list.
   * Fixed: such an id is unknown, -ENOENT.
   */
  readonly quirkSendQueuedRequest: boolean;
  /**
   * Memory from TEE_IOC_SHM_ALLOC is registered with the secure world for a supplicant too, which
   * takes a secure thread. When each of them waits for the supplicant, it waits for them: everybody
   * does until somebody is killed, or for ever when the one that waits is code of the kernel.
   * Fixed: such memory is named in the answer to the SHM_ALLOC RPC, as memory that a supplicant
   * registers is.
   */
  readonly quirkSuppPoolRegisters: boolean;
  /**
   * Requests are failed, and /dev/teepriv0 becomes free, when the supplicant's context is released,
   * and RPC buffers that a client holds keep the context. A client that waits for that supplicant
   * then waits until it is killed. Fixed: both happen when the supplicant's file is closed.
   */
  readonly quirkSuppReleaseByShm: boolean;
  /**
   * A buffer smaller than asked is passed on as the answer to the SHM_ALLOC RPC. The secure world
   * refuses it and never frees it, which keeps /dev/teepriv0 busy until reboot.
   * Fixed: it is given back to the supplicant, and the RPC answers TEEC_ERROR_OUT_OF_MEMORY.
   */
  readonly quirkShortShmAlloc: boolean;
  /**
   * The time-out of NOTIFICATION WAIT, which is in milliseconds, is taken for jiffies: at 250 Hz it
   * is four times as long. Fixed: milliseconds, rounded up to ticks.
   */
  readonly quirkNotifTimeoutJiffies: boolean;
  /**
   * Notification values 0 to max are accepted, and the bitmap has a bit for each but the last: with
   * a max that is a multiple of 64 the last one is a bit of somebody else's memory (reported, never
   * done). Fixed: max + 1 bits.
   */
  readonly quirkNotifBitmapShort: boolean;
  /** SHM_FREE of an unknown type answers TEEC_SUCCESS. Fixed: TEEC_ERROR_BAD_PARAMETERS. */
  readonly quirkShmFreeAnyType: boolean;
  /**
   * A supplicant is asked to free memory also when the one that lent it has closed its file. The client
   * then waits for the next supplicant, which has no such memory, or frees another that has the same
   * id by now. Fixed: nobody is asked.
   */
  readonly quirkShmFreeOfClosedSupplicant: boolean;
  /**
   * A page for messages belongs to the context of whoever was first to need it and is kept until the
   * driver goes: so is the context, and sessions that its program left open are not closed. When
   * that context was being released, the page keeps a pointer to freed memory instead.
   * Fixed: such pages belong to the driver's own context.
   */
  readonly quirkArgPageKeepsContext: boolean;
}
