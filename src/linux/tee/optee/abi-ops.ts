/**
 * How the driver reaches OP-TEE (struct optee_ops, drivers/tee/optee/optee_private.h): what the SMC
 * ABI (`smc-abi.ts`) provides, and an FF-A ABI would beside it.
 */
import type { Co, MaybeCo } from '../../../sched/task.ts';
import type { TeeContext } from '../tee-context.ts';
import type { TeeParam } from '../tee-drv.ts';
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
  doCallWithArg(ctx: TeeContext, msg: MessagePlace, systemThread: boolean): MaybeCo<number>;
  /** @param at byte of the port's view where a message's first parameter is. @returns 0 or -EINVAL. */
  toMsgParam(at: number, params: readonly TeeParam[], updateOut: boolean): number;
  /** As many as `params` has. @returns 0 or -EINVAL. */
  fromMsgParam(params: readonly TeeParam[], at: number, updateOut: boolean): number;
  /** The machine is going down: the secure world must not use the normal world's memory any more. */
  shutdown(): Co<void>;
  /** The same and more, when the driver is removed: before contexts and devices go. */
  quiesce(): Co<void>;
  /**
   * Gives kernel memory to the secure world, for one use only (since 6.18). The heaps that protected
   * memory is for are the TEE core's.
   * @param memAttrs of the devices that may use it, as GET_PROTMEM_CONFIG listed them.
   * @param useCase OPTEE_MSG_PROTMEM_*
   */
  lendProtmem?(protmem: TeeShm, memAttrs: readonly number[], useCase: number): Co<number>;
  /** Takes it back. */
  reclaimProtmem?(protmem: TeeShm): Co<number>;
}
