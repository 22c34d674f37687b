/**
 * Contexts of the OP-TEE driver (struct optee_context_data): sessions by context, the one place of
 * a supplicant, and the scan for devices that its coming starts.
 * Upstream counterpart: drivers/tee/optee/core.c, optee_open() and optee_release*().
 */
import { EBUSY } from '../../../abi/errno.ts';
import { PTA_CMD_GET_DEVICES_SUPP } from '../../../abi/pta.ts';
import { OPTEE_SMC_SEC_CAP_MEMREF_NULL } from '../../../abi/optee-smc.ts';
import { Mutex } from '../../../sched/mutex.ts';
import type { LockClass } from '../../../sched/mutex.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { Co } from '../../../sched/task.ts';
import type { TeeContext } from '../tee-context.ts';
import { refuse } from './cause.ts';
import { enumerateDevices } from './device.ts';
import type { Optee } from './optee.ts';
import { closeSessionHelper } from './session-close.ts';

export const CONTEXT_DATA_MUTEX: LockClass = { name: 'optee_context_data.mutex', order: 200 };

/** struct optee_session */
export class OpteeSession {
  readonly id: number;
  /** Its calls may use the thread kept for system sessions. */
  useSysThread = false;

  constructor(id: number) {
    this.id = id;
  }
}

export class OpteeContextData {
  /** Guards `sessions`. */
  readonly mutex: Mutex;
  /** By id, in the order of their opening. */
  readonly sessions = new Map<number, OpteeSession>();

  constructor(sched: Scheduler) {
    this.mutex = new Mutex(sched, CONTEXT_DATA_MUTEX);
  }
}

/** Set by `opteeOpen`, and there until the context is released. */
export const dataOf = (ctx: TeeContext): OpteeContextData => ctx.data as OpteeContextData;

/** optee_open(): 0, or -EBUSY when there is a supplicant already. */
export function* opteeOpen(optee: Optee, ctx: TeeContext): Co<number> {
  const { sched, trace } = optee.kernel;
  if (ctx.teedev === optee.suppTeedev) {
    if (!(yield* optee.supp.connect(ctx))) {
      return refuse(trace, EBUSY, 'there is a supplicant already', {
        object: ctx.teedev.name,
        hint: 'one process at a time; buffers that it shared may keep the device busy',
      });
    }
    if (!optee.scanBusDone) scanBus(optee);
  }
  ctx.capMemrefNull = (optee.secure.secCaps & OPTEE_SMC_SEC_CAP_MEMREF_NULL) !== 0;
  ctx.data = new OpteeContextData(sched);
  return 0;
}

/** optee_release(): closes what is open, the newest session first. */
export function* opteeRelease(optee: Optee, ctx: TeeContext): Co<void> {
  const { sessions } = dataOf(ctx);
  for (const session of [...sessions.values()].reverse()) {
    sessions.delete(session.id);
    yield* closeSessionHelper(optee, ctx, session.id, session.useSysThread);
  }
  ctx.data = undefined;
}

/** optee_release_supp() */
export function* opteeReleaseSupp(optee: Optee, ctx: TeeContext): Co<void> {
  yield* opteeRelease(optee, ctx);
  const { scanBusWork } = optee;
  if (optee.switches.quirkReleaseWaitsForScan && scanBusWork !== undefined) {
    yield* optee.kernel.sched.join(scanBusWork);
    optee.scanBusWork = undefined;
  }
  yield* optee.supp.release(ctx);
}

/** The first supplicant ever is here: TAs that need one can be looked for. */
function scanBus(optee: Optee): void {
  optee.scanBusDone = true;
  optee.scanBusWork = optee.kernel.kthread('optee_bus_scan', opteeBusScan(optee));
}

/** optee_bus_scan() */
function* opteeBusScan(optee: Optee): Co<void> {
  const rc = yield* enumerateDevices(optee.tee, PTA_CMD_GET_DEVICES_SUPP);
  if (rc !== 0) optee.kernel.printk(`WARNING: optee_bus_scan: ${rc}`, 'warning');
}
