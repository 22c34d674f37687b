/**
 * How the driver reaches OP-TEE (struct optee_ops, drivers/tee/optee/optee_private.h): what the SMC
 * ABI (`smc-abi.ts`) provides, and an FF-A ABI would beside it.
 */
import type { Co } from '../../../sched/task.ts';
import type { TeeContext } from '../tee-context.ts';
import type { TeeParam, TeeShmPool } from '../tee-drv.ts';
import type { TeeShm } from '../tee-shm.ts';

/** A message of the driver's. */
export interface MessagePlace {
  readonly shm: TeeShm;
  /** Bytes from the start of `shm`. */
  readonly offs: number;
  /** Where it is in the port's view. */
  readonly at: number;
}

export interface OpteeOps {
  /**
   * A call with a message; handles the RPCs that it makes.
   * @param systemThread the call may use the thread kept for system sessions.
   * @returns 0 when the message was processed (its own result is in it); else what the secure world
   * returned instead, or a negative errno.
   */
  doCallWithArg(ctx: TeeContext, msg: MessagePlace, systemThread: boolean): Co<number>;
  /** @param at byte of the port's view where a message's first parameter is. @returns 0 or -EINVAL. */
  toMsgParam(at: number, params: readonly TeeParam[], updateOut: boolean): number;
  /** As many as `params` has. @returns 0 or -EINVAL. */
  fromMsgParam(params: readonly TeeParam[], at: number, updateOut: boolean): number;
  /** The machine is going down: the secure world must not use the normal world's memory any more. */
  shutdown(): Co<void>;
  /** The same and more, when the driver is removed: before contexts and devices go. */
  quiesce(): Co<void>;
}

/**
 * Where protected memory comes from (drivers/tee/optee/protmem.c): a carve-out that the secure
 * world names, or kernel memory that is lent to it. The buffers' heap is the TEE core's.
 */
export interface ProtmemPool {
  readonly kind: 'static' | 'dynamic';
  /** OPTEE_MSG_PROTMEM_* */
  readonly useCase: number;
  /** Bytes of memory with one physical range; a negative errno when there is none left. */
  alloc(sizeBytes: number): Co<TeeShmPool | number>;
  destroy(): Co<void>;
}
