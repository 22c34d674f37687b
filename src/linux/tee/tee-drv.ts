/**
 * The contract between the TEE core and its drivers (include/linux/tee_core.h, tee_drv.h): the
 * driver operations, kernel-side parameters, and calls' arguments. Objects are in files of their
 * own: `tee-device.ts`, `tee-context.ts`, `tee-shm.ts`.
 */
import type { Va, Pa } from '../../machine/address.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { TaskStruct } from '../process/process.ts';
import type { TeeContext } from './tee-context.ts';
import type { TeeShm } from './tee-shm.ts';

/**
 * struct tee_param. One shape for all kinds, so that hot code stays monomorphic; `attr` (TEE_IOCTL_
 * PARAM_ATTR_*) says which fields count. 64-bit values are kept as halves: a TEE gets 32 of them.
 * Parameters of a call are the caller's again once the call has returned.
 */
export class TeeParam {
  attr = 0;
  /** VALUE: the value; OBJREF: object id and flags. MEMREF: as user space gave them. */
  aLo = 0;
  aHi = 0;
  bLo = 0;
  bHi = 0;
  cLo = 0;
  cHi = 0;
  /**
   * MEMREF: the buffer (null for a NULL memref), offset into it, and size in bytes. Offset and size
   * of a NULL memref are unchecked: from 2^53 on they are rounded, a and b have them exactly.
   */
  shm: TeeShm | null = null;
  shmOffs = 0;
  size = 0;
  /** UBUF: user address, its size is in `size`. */
  uaddr = 0;

  /** As fresh from kcalloc(). */
  clear(): void {
    this.attr = 0;
    this.aLo = 0;
    this.aHi = 0;
    this.bLo = 0;
    this.bHi = 0;
    this.cLo = 0;
    this.cHi = 0;
    this.shm = null;
    this.shmOffs = 0;
    this.size = 0;
    this.uaddr = 0;
  }
}

/** struct tee_ioctl_version_data */
export interface TeeVersion {
  readonly implId: number;
  readonly implCaps: number;
  readonly genCaps: number;
}

/** OPEN_SESSION's in and out fields. */
export interface TeeOpenSession {
  readonly uuid: Uint8Array;
  readonly clntUuid: Uint8Array;
  readonly clntLogin: number;
  readonly cancelId: number;
  session: number;
  ret: number;
  retOrigin: number;
}

/** INVOKE's in and out fields. */
export interface TeeInvoke {
  readonly func: number;
  readonly session: number;
  readonly cancelId: number;
  ret: number;
  retOrigin: number;
}

/** What SUPPL_RECV returns beside the parameters. */
export interface SuppReceived {
  /** 0, or a negative errno. */
  readonly error: number;
  readonly func: number;
  /** Parameters used. */
  readonly count: number;
}

/**
 * struct tee_driver_ops. Each returns 0 or a negative errno unless it says otherwise. `current` is
 * the calling thread, undefined for kernel clients.
 */
export interface TeeDriverOps {
  getVersion(): TeeVersion;
  getTeeRevision?(): string | undefined;
  open(ctx: TeeContext): Co<number>;
  /** The file was closed; called at once, contexts may live on through their buffers. */
  closeContext?(ctx: TeeContext): Co<void>;
  /** The last reference to the context has gone. */
  release(ctx: TeeContext): Co<void>;
  openSession?(
    ctx: TeeContext,
    arg: TeeOpenSession,
    params: readonly TeeParam[],
    current: TaskStruct | undefined,
  ): Co<number>;
  closeSession?(ctx: TeeContext, session: number): Co<number>;
  systemSession?(ctx: TeeContext, session: number): number;
  invokeFunc?(ctx: TeeContext, arg: TeeInvoke, params: readonly TeeParam[]): MaybeCo<number>;
  cancelReq?(ctx: TeeContext, cancelId: number, session: number): Co<number>;
  /**
   * `params` has the capacity that user space offers; `count` is what was used. Memrefs among them
   * hold references, which the driver drops when it refuses them.
   */
  suppRecv?(ctx: TeeContext, params: TeeParam[]): Co<SuppReceived>;
  /**
   * MEMREFs carry sizes only: the driver knows the buffers, and calls their `syncForDevice` for
   * what the supplicant may have written.
   */
  suppSend?(ctx: TeeContext, ret: number, params: readonly TeeParam[]): MaybeCo<number>;
  /** @param start user address of the buffer, page aligned (for the memory-type check). */
  shmRegister?(
    ctx: TeeContext,
    shm: TeeShm,
    pages: readonly Pa[],
    start: Va,
    current: TaskStruct | undefined,
  ): Co<number>;
  shmUnregister?(ctx: TeeContext, shm: TeeShm): Co<number>;
}

/** struct tee_desc */
export interface TeeDesc {
  readonly name: string;
  readonly ops: TeeDriverOps;
  /** TEE_DESC_PRIVILEGED: the device is /dev/teeprivN, for a supplicant. */
  readonly privileged: boolean;
}

/** struct tee_shm_pool_ops */
export interface TeeShmPool {
  /** Fills in `paddr`, `kaddr`, `size` and pages of `shm`; 0 or a negative errno. */
  alloc(shm: TeeShm, sizeBytes: number, align: number): Co<number>;
  free(shm: TeeShm): Co<void>;
  destroy(): void;
}
