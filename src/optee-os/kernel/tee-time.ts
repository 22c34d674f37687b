/**
 * The three times of a TA: system time from the secure counter, persistent time as an offset to it,
 * and the normal world's time by RPC.
 *
 * Upstream counterparts: optee_os core/kernel/tee_time.c, core/tee/tee_time_generic.c,
 * core/arch/arm/kernel/tee_time_arm_cntpct.c. Left out: CFG_SECURE_TIME_SOURCE_REE.
 */
import { OPTEE_RPC_CMD_GET_TIME, OPTEE_RPC_CMD_SUSPEND } from '../../abi/optee-rpc.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_TIME_NOT_SET,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import type { TaTime } from '../../ta/runtime.ts';
import type { Nexus } from '../nexus.ts';
import { RPC_OUT, setValue, valueA, valueB } from './rpc.ts';
import type { Rpc } from './rpc.ts';
import type { ThreadCtx } from './thread.ts';

/** TEE_TIME_MILLIS_BASE. */
const MILLIS_BASE = 1000;
const NS_PER_MS = 1_000_000;
const TWO_32 = 0x1_0000_0000;
/** Where a TEE_Time wraps, in milliseconds. */
const WRAP_MS = TWO_32 * MILLIS_BASE;

/** The level of a time source that the normal world cannot set. */
export const SYSTEM_TIME_PROTECTION_LEVEL = 1000;
/** Persistent time lives in RAM and starts from the normal world. */
export const TA_TIME_PROTECTION_LEVEL = 100;

/** tee_time_get_sys_time(): milliseconds since boot. */
export const sysTimeMs = (nexus: Nexus): number => Math.floor(nexus.counterNs() / NS_PER_MS);

/** set_invoke_timeout(): milliseconds of system time; Infinity when that cannot be expressed. */
export function cancelDeadlineMs(nexus: Nexus, timeoutMs: number): number {
  const now = sysTimeMs(nexus);
  const seconds = Math.floor(now / MILLIS_BASE);
  const millis = (now % MILLIS_BASE) + (timeoutMs % MILLIS_BASE);
  const end = seconds + Math.floor(timeoutMs / MILLIS_BASE);
  if (end >= TWO_32) return Infinity;
  const carries = millis > MILLIS_BASE;
  if (carries && nexus.switches.quirkCancelDeadlineCarry) {
    return (seconds + 2) * MILLIS_BASE + millis - MILLIS_BASE;
  }
  return end * MILLIS_BASE + millis;
}

const fromMs = (ms: number, out: TaTime): void => {
  out.seconds = Math.floor(ms / MILLIS_BASE) % TWO_32;
  out.millis = ms % MILLIS_BASE;
};

const toMs = (time: TaTime): number => time.seconds * MILLIS_BASE + time.millis;

export class TeeTime {
  readonly #nexus: Nexus;
  readonly #rpc: Rpc;
  /** Of each TA, by UUID, signed. Kept until the guest ends, as upstream does. */
  readonly #offsetsMs = new Map<string, { ms: number; positive: boolean }>();

  constructor(nexus: Nexus, rpc: Rpc) {
    this.#nexus = nexus;
    this.#rpc = rpc;
  }

  /** tee_time_get_sys_time() */
  system(out: TaTime): number {
    fromMs(sysTimeMs(this.#nexus), out);
    return TEE_SUCCESS;
  }

  /** tee_time_get_ree_time() */
  *ree(thread: ThreadCtx, out: TaTime): Co<number> {
    let res = yield* endOf(this.#rpc.begin(thread, OPTEE_RPC_CMD_GET_TIME, 1));
    if (res !== TEE_SUCCESS) return res;
    setValue(thread, 0, RPC_OUT, 0, 0, 0);
    res = yield* this.#rpc.send(thread);
    if (res !== TEE_SUCCESS) return res;
    out.seconds = valueA(thread, 0) % TWO_32;
    out.millis = Math.floor(valueB(thread, 0) / NS_PER_MS) % TWO_32;
    return res;
  }

  /** tee_time_get_ta_time(): the wrapped time is returned beside OVERFLOW. */
  persistent(uuid: string, out: TaTime): number {
    const offset = this.#offsetsMs.get(uuid);
    if (offset === undefined) return TEE_ERROR_TIME_NOT_SET;
    const now = sysTimeMs(this.#nexus);
    const signed = offset.positive ? offset.ms : -offset.ms;
    const then = (now + signed + WRAP_MS) % WRAP_MS;
    fromMs(then, out);
    // A negative offset of zero counts as wrapped, too.
    const wrapped = offset.positive ? then < now : now <= then;
    return wrapped ? TEE_ERROR_OVERFLOW : TEE_SUCCESS;
  }

  /** tee_time_set_ta_time() */
  setPersistent(uuid: string, time: TaTime): number {
    if (time.millis >= MILLIS_BASE) return TEE_ERROR_BAD_PARAMETERS;
    const now = sysTimeMs(this.#nexus);
    const then = toMs(time);
    this.#offsetsMs.set(uuid, { ms: Math.abs(then - now), positive: now < then });
    return TEE_SUCCESS;
  }

  /** tee_time_wait(): sleeps in the normal world, which may come back early. */
  wait(thread: ThreadCtx, ms: number): Co<number> {
    return this.#rpc.value(thread, OPTEE_RPC_CMD_SUSPEND, ms);
  }
}
