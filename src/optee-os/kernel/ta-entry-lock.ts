/**
 * Who may enter a TA: one call at a time for each context, and one thread at a time for all
 * single-instance TAs together, so that TAs that call each other cannot wait in a circle.
 *
 * Upstream counterpart: optee_os core/kernel/tee_ta_manager.c (tee_ta_try_set_busy(),
 * lock_single_instance() and their opposites).
 */
import { TA_FLAG_CONCURRENT } from '../../abi/ta-head.ts';
import type { Co } from '../../sched/task.ts';
import type { Nexus } from '../nexus.ts';
import { Condvar } from './mutex.ts';
import type { SecureMutex } from './mutex.ts';
import type { TeeTaCtx } from './ta-context.ts';
import type { ThreadCtx } from './thread.ts';

export class TaEntryLock {
  readonly #nexus: Nexus;
  readonly #mutex: SecureMutex;
  /** False with CFG_CONCURRENT_SINGLE_INSTANCE_TA: there is no global lock. */
  readonly #global: boolean;
  /** tee_ta_cv: the single-instance lock was let go. */
  readonly #cv: Condvar;
  #owner: ThreadCtx | undefined;
  #count = 0;

  constructor(nexus: Nexus, mutex: SecureMutex) {
    this.#nexus = nexus;
    this.#mutex = mutex;
    this.#global = !nexus.config.CFG_CONCURRENT_SINGLE_INSTANCE_TA;
    this.#cv = new Condvar(mutex);
  }

  /** Enters if that needs neither wait nor choice; else `setBusy` or `trySetBusy`. */
  tryNow(thread: ThreadCtx, ctx: TeeTaCtx): boolean {
    if ((ctx.flags & TA_FLAG_CONCURRENT) !== 0) return true;
    if (ctx.busy || !this.#mutex.idle) return false;
    if (this.#global && ctx.isSingleInstance) {
      if (this.#owner !== undefined && this.#owner !== thread) return false;
      this.#owner = thread;
      this.#count += 1;
    }
    ctx.busy = true;
    return true;
  }

  /** tee_ta_set_busy(): for calls that cannot be refused. */
  *setBusy(thread: ThreadCtx, ctx: TeeTaCtx): Co<void> {
    if (yield* this.trySetBusy(thread, ctx)) return;
    const text = `TA ${ctx.uuid} was entered again from a TA that it called`;
    throw this.#nexus.panic(thread, 'tee_ta_set_busy', text);
  }

  /** tee_ta_try_set_busy(): false when waiting would never end. */
  *trySetBusy(thread: ThreadCtx, ctx: TeeTaCtx): Co<boolean> {
    if ((ctx.flags & TA_FLAG_CONCURRENT) !== 0) return true;
    yield* this.#mutex.lock(thread);
    const single = this.#global && ctx.isSingleInstance;
    if (single) yield* this.#lockSingleInstance(thread);
    let entered = true;
    if (this.#owner === thread) {
      if (ctx.busy) {
        entered = false;
        if (single) this.#unlockSingleInstance();
        this.#avoided(ctx);
      }
    } else {
      while (ctx.busy) yield* ctx.busyCv.wait(thread);
    }
    ctx.busy = true;
    yield* this.#mutex.unlock(thread);
    return entered;
  }

  /** Leaves if nobody waits; else `yield* clearBusy(...)`. */
  clearNow(ctx: TeeTaCtx): boolean {
    if ((ctx.flags & TA_FLAG_CONCURRENT) !== 0) return true;
    if (!this.#mutex.idle) return false;
    ctx.busy = false;
    if (this.#global && ctx.isSingleInstance) this.#unlockSingleInstance();
    return true;
  }

  /** tee_ta_clear_busy() */
  *clearBusy(thread: ThreadCtx, ctx: TeeTaCtx): Co<void> {
    yield* this.#mutex.lock(thread);
    ctx.busy = false;
    ctx.busyCv.signal();
    if (this.#global && ctx.isSingleInstance) this.#unlockSingleInstance();
    yield* this.#mutex.unlock(thread);
  }

  *#lockSingleInstance(thread: ThreadCtx): Co<void> {
    if (this.#owner !== thread) {
      while (this.#owner !== undefined) yield* this.#cv.wait(thread);
      this.#owner = thread;
    }
    this.#count += 1;
  }

  #unlockSingleInstance(): void {
    this.#count -= 1;
    if (this.#count > 0) return;
    this.#owner = undefined;
    this.#cv.signal();
  }

  #avoided(ctx: TeeTaCtx): void {
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_BUSY',
      text: 'the TA is busy and the caller holds the single-instance lock: waiting could never end',
      object: ctx.uuid,
      hint: 'do not open a session back to a TA that is in the chain of callers',
    });
  }
}
