/**
 * Which device of the kernel's RPMB class the secure world has come to (struct optee, rpmb_dev).
 * A kernel without that class passes none: requests then go to the supplicant.
 */
import { Mutex } from '../../../sched/mutex.ts';
import type { LockClass } from '../../../sched/mutex.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { RpmbClass, RpmbDevice } from '../../rpmb/rpmb-core.ts';

export const RPMB_DEV_MUTEX: LockClass = { name: 'optee->rpmb_dev_mutex', order: 600 };

/** Where the secure world's walk over the devices has got to. */
export class RpmbRouting {
  readonly rpmbClass: RpmbClass;
  /** Guards `device`. */
  readonly mutex: Mutex;
  device: RpmbDevice | undefined;

  constructor(sched: Scheduler, rpmbClass: RpmbClass) {
    this.rpmbClass = rpmbClass;
    this.mutex = new Mutex(sched, RPMB_DEV_MUTEX);
  }

  /** The device behind the current one. */
  next(): RpmbDevice | undefined {
    const { devices } = this.rpmbClass;
    return this.device === undefined ? devices[0] : devices[devices.indexOf(this.device) + 1];
  }
}
