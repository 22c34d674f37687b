/**
 * TA contexts: one loaded TA, shared by its sessions. What is the same for user and pseudo TAs.
 *
 * Upstream counterpart: optee_os core/include/kernel/tee_ta_manager.h (struct tee_ta_ctx) and
 * core/include/kernel/ts_manager.h (struct ts_ops).
 */
import {
  TA_FLAG_INSTANCE_KEEP_ALIVE,
  TA_FLAG_INSTANCE_KEEP_CRASHED,
  TA_FLAG_SINGLE_INSTANCE,
} from '../../abi/ta-head.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import { Condvar } from './mutex.ts';
import type { SecureMutex } from './mutex.ts';
import type { TeeTaSession } from './session.ts';
import type { ThreadCtx } from './thread.ts';

export abstract class TeeTaCtx {
  readonly uuid: string;
  /** TA_FLAG_*; of a user TA 0 until it is loaded. */
  flags = 0;
  refCount = 1;
  busy = false;
  panicked = false;
  panicCode = 0;
  isInitializing = false;
  isReleasing = false;
  readonly busyCv: Condvar;

  constructor(uuid: string, mutex: SecureMutex) {
    this.uuid = uuid;
    this.busyCv = new Condvar(mutex);
  }

  get isSingleInstance(): boolean {
    return (this.flags & TA_FLAG_SINGLE_INSTANCE) !== 0;
  }

  /** Stays loaded without sessions. */
  get keepAlive(): boolean {
    return this.isSingleInstance && (this.flags & TA_FLAG_INSTANCE_KEEP_ALIVE) !== 0;
  }

  /** Stays dead after a panic, for good. */
  get keepCrashed(): boolean {
    return this.keepAlive && (this.flags & TA_FLAG_INSTANCE_KEEP_CRASHED) !== 0;
  }

  /** Each runs an entry point; false panics show in `panicked`. @returns a TEE_Result */
  abstract enterOpenSession(thread: ThreadCtx, session: TeeTaSession): Co<number>;
  abstract enterInvokeCommand(
    thread: ThreadCtx,
    session: TeeTaSession,
    cmd: number,
  ): MaybeCo<number>;
  abstract enterCloseSession(thread: ThreadCtx, session: TeeTaSession): Co<number>;
  /** Gives back what a panicked TA holds. */
  abstract releaseState(thread: ThreadCtx): Co<void>;
  /** The context is gone. */
  abstract destroy(thread: ThreadCtx): Co<void>;
}

/** tee_ctxes: the contexts that can be found, by UUID, oldest first. */
export class TaContexts {
  readonly #byUuid = new Map<string, Set<TeeTaCtx>>();

  *[Symbol.iterator](): IterableIterator<TeeTaCtx> {
    for (const set of this.#byUuid.values()) yield* set;
  }

  /** tee_ta_context_find() */
  first(uuid: string): TeeTaCtx | undefined {
    return this.#byUuid.get(uuid)?.values().next().value;
  }

  add(ctx: TeeTaCtx): void {
    const set = this.#byUuid.get(ctx.uuid);
    if (set === undefined) this.#byUuid.set(ctx.uuid, new Set([ctx]));
    else set.add(ctx);
  }

  remove(ctx: TeeTaCtx): void {
    const set = this.#byUuid.get(ctx.uuid);
    set?.delete(ctx);
    if (set?.size === 0) this.#byUuid.delete(ctx.uuid);
  }
}
