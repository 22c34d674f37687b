/**
 * Random numbers, time and waiting: specification chapters 6.9 and 7.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api.c, TEE_GenerateRandom of tee_api_operations.c.
 */
import {
  TEE_ERROR_CANCEL,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_STORAGE_NO_SPACE,
  TEE_ERROR_TIME_NEEDS_RESET,
  TEE_ERROR_TIME_NOT_SET,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  UTEE_TIME_CAT_REE,
  UTEE_TIME_CAT_SYSTEM,
  UTEE_TIME_CAT_TA_PERSISTENT,
} from '../../abi/utee.ts';
import type { Co } from '../../sched/task.ts';
import { TeeProperties } from './property.ts';
import type { MaybePromise, TEE_Time } from './types.ts';

const PERSISTENT_TIME_RESULTS = [
  TEE_ERROR_TIME_NOT_SET,
  TEE_ERROR_TIME_NEEDS_RESET,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_OUT_OF_MEMORY,
];

export class TeeTimeAndRandom extends TeeProperties {
  /** Fills the whole buffer: of 4096 bytes at the most, as the core copies them in one piece. */
  TEE_GenerateRandom(randomBuffer: Uint8Array): void {
    this.allow('TEE_GenerateRandom', this.syscalls.rng(randomBuffer));
  }

  /** Time since an arbitrary start, the same for the whole instance. */
  TEE_GetSystemTime(time: TEE_Time): MaybePromise<void> {
    return this.runtime.call(this.#getTime('TEE_GetSystemTime', UTEE_TIME_CAT_SYSTEM, time));
  }

  /** The normal world's clock: seconds since 1970-01-01 UTC. */
  TEE_GetREETime(time: TEE_Time): MaybePromise<void> {
    return this.runtime.call(this.#getTime('TEE_GetREETime', UTEE_TIME_CAT_REE, time));
  }

  /** @returns TEE_ERROR_TIME_NOT_SET, _TIME_NEEDS_RESET, or _OVERFLOW with the time all the same */
  TEE_GetTAPersistentTime(time: TEE_Time): MaybePromise<number> {
    return this.runtime.call(this.#getTaTime(time));
  }

  TEE_SetTAPersistentTime(time: TEE_Time): number {
    const result = this.syscalls.setTaTime(time);
    const allowed = [TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_STORAGE_NO_SPACE];
    return this.allow('TEE_SetTAPersistentTime', result, allowed);
  }

  /** @param timeout milliseconds, or TEE_TIMEOUT_INFINITE @returns TEE_ERROR_CANCEL if cancelled */
  TEE_Wait(timeout: number): MaybePromise<number> {
    return this.runtime.call(this.#wait(timeout));
  }

  *#wait(timeout: number): Co<number> {
    return this.allow('TEE_Wait', yield* this.syscalls.wait(timeout), [TEE_ERROR_CANCEL]);
  }

  *#getTime(api: string, category: number, time: TEE_Time): Co<void> {
    this.allow(api, yield* this.syscalls.getTime(category, time));
  }

  *#getTaTime(time: TEE_Time): Co<number> {
    const result = yield* this.syscalls.getTime(UTEE_TIME_CAT_TA_PERSISTENT, time);
    if (result !== TEE_SUCCESS && result !== TEE_ERROR_OVERFLOW) {
      time.seconds = 0;
      time.millis = 0;
    }
    return this.allow('TEE_GetTAPersistentTime', result, PERSISTENT_TIME_RESULTS);
  }
}
