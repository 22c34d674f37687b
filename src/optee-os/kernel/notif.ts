/**
 * Notifications. Synchronous ones are RPCs: a thread waits in the normal world for a value, or sends
 * one there; each thread has a value of its own for locks. Asynchronous ones are values that the
 * normal world fetches after an interrupt; value 0 asks it for a yielding call, the bottom half.
 *
 * Upstream counterparts: optee_os core/kernel/notif.c, core/kernel/notif_default.c,
 * core/include/kernel/notif.h. State is per guest.
 */
import {
  OPTEE_RPC_CMD_NOTIFICATION,
  OPTEE_RPC_NOTIFICATION_SEND,
  OPTEE_RPC_NOTIFICATION_WAIT,
} from '../../abi/optee-rpc.ts';
import { OPTEE_SMC_ASYNC_NOTIF_VALUE_DO_BOTTOM_HALF } from '../../abi/optee-smc.ts';
import { TEE_ERROR_OUT_OF_MEMORY, TEE_SUCCESS } from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { OpteeOsConfig } from '../config.ts';
import type { Nexus } from '../nexus.ts';
import { SecureMutex } from './mutex.ts';
import type { Rpc } from './rpc.ts';
import type { ThreadCtx } from './thread.ts';
import type { LogSite } from './trace.ts';

/** Source: core/include/kernel/notif.h. */
export const NOTIF_ASYNC_VALUE_MAX = 63;

/** NOTIF_SYNC_VALUE_BASE: where the threads' values start. */
const syncValueBase = (config: OpteeOsConfig): number =>
  config.CFG_CORE_ASYNC_NOTIF ? NOTIF_ASYNC_VALUE_MAX + 1 : 0;

/** NOTIF_VALUE_MAX, as EXCHANGE_CAPABILITIES reports it. */
export const notifValueMax = (config: OpteeOsConfig): number =>
  syncValueBase(config) + config.CFG_NUM_THREADS;

/** enum notif_event; SHUTDOWN belongs to virtualization. */
export type NotifEvent = 'STARTED' | 'DO_BOTTOM_HALF' | 'STOPPED';

/** struct notif_driver: who has work for the bottom half. */
export interface NotifDriver {
  /** STARTED, in a fast call: it must not leave. */
  atomic?(event: NotifEvent): void;
  /** DO_BOTTOM_HALF and STOPPED, on a thread. */
  yielding?(thread: ThreadCtx, event: NotifEvent): Co<void>;
}

export class Notif {
  readonly #nexus: Nexus;
  readonly #rpc: Rpc;
  readonly #base: number;
  /** notif_mutex: serialises what runs in bottom halves. */
  readonly #mutex: SecureMutex;
  readonly #drivers = new Set<NotifDriver>();
  readonly #pending = new Set<number>();
  readonly #allocated = new Set<number>([OPTEE_SMC_ASYNC_NOTIF_VALUE_DO_BOTTOM_HALF]);
  #started = false;

  constructor(nexus: Nexus, rpc: Rpc) {
    this.#nexus = nexus;
    this.#rpc = rpc;
    this.#base = syncValueBase(nexus.config);
    this.#mutex = new SecureMutex(nexus.sched, this, 'notif_mutex');
  }

  // --- synchronous
  /** Leaves until somebody wakes this thread. */
  waitFor(thread: ThreadCtx): Co<number> {
    return this.#notify(thread, OPTEE_RPC_NOTIFICATION_WAIT, this.#base + thread.threadId);
  }

  /** Wakes another thread, now or when it comes to wait. */
  wake(thread: ThreadCtx, other: ThreadCtx): Co<number> {
    return this.#notify(thread, OPTEE_RPC_NOTIFICATION_SEND, this.#base + other.threadId);
  }

  #notify(thread: ThreadCtx, func: number, value: number): Co<number> {
    return this.#rpc.value(thread, OPTEE_RPC_CMD_NOTIFICATION, func, value, 0);
  }

  // --- asynchronous
  /** notif_async_is_started() */
  get isStarted(): boolean {
    return this.#started;
  }

  registerDriver(driver: NotifDriver): void {
    this.#drivers.add(driver);
  }

  unregisterDriver(driver: NotifDriver): void {
    this.#drivers.delete(driver);
  }

  /** notif_alloc_async_value(): the lowest free value. @returns a TEE_Result */
  allocAsyncValue(out: { value: number }): number {
    for (let value = 0; value <= NOTIF_ASYNC_VALUE_MAX; value++) {
      if (this.#allocated.has(value)) continue;
      this.#allocated.add(value);
      out.value = value;
      return TEE_SUCCESS;
    }
    return TEE_ERROR_OUT_OF_MEMORY;
  }

  freeAsyncValue(value: number): void {
    this.#allocated.delete(value);
  }

  /** notif_send_async(): marks a value and raises the interrupt. */
  sendAsync(value: number): void {
    this.#pending.add(value);
    this.#nexus.raiseNotif();
  }

  /** notif_get_value(): takes the lowest value; undefined when none is marked. */
  takeValue(): { value: number; more: boolean } | undefined {
    if (this.#pending.size === 0) return undefined;
    const value = Math.min(...this.#pending);
    this.#pending.delete(value);
    return { value, more: this.#pending.size > 0 };
  }

  /** notif_deliver_atomic_event(STARTED) */
  start(site: LogSite): void {
    if (this.#started) {
      this.#nexus.log.dmsg(site, 'notif_deliver_atomic_event', 'Already started');
      return;
    }
    this.#started = true;
    for (const driver of this.#drivers) driver.atomic?.('STARTED');
  }

  /** notif_deliver_event() */
  *deliver(thread: ThreadCtx, event: 'DO_BOTTOM_HALF' | 'STOPPED'): Co<void> {
    yield* this.#mutex.lock(thread);
    if (this.#started) {
      if (event === 'STOPPED') this.#started = false;
      for (const driver of this.#drivers) {
        if (driver.yielding !== undefined) yield* driver.yielding(thread, event);
        // The normal world may have enabled them again meanwhile.
        if (event === 'STOPPED' && this.isStarted) break;
      }
    } else {
      this.#nexus.log.dmsg(thread, 'notif_deliver_event', `Not started ev ${event}`);
    }
    yield* this.#mutex.unlock(thread);
  }
}
