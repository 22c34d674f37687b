/**
 * The kernel's RPMB class as the driver uses it (include/linux/rpmb.h), and which of its devices
 * the secure world has come to. Boards without such devices pass no class: requests then go to the
 * supplicant.
 */
import { Mutex } from '../../../sched/mutex.ts';
import type { LockClass } from '../../../sched/mutex.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { Co } from '../../../sched/task.ts';

export const RPMB_DEV_MUTEX: LockClass = { name: 'optee->rpmb_dev_mutex', order: 600 };

/** struct rpmb_dev with its struct rpmb_descr. */
export interface RpmbDevice {
  readonly type: 'emmc' | 'ufs' | 'nvme';
  /** What keys are derived from: the CID of an eMMC. */
  readonly devId: Uint8Array;
  /** In units of 128 KiB. */
  readonly capacity: number;
  /** In units of 256 bytes. */
  readonly reliableWrCount: number;
  /** rpmb_route_frames(): fills `response`; 0 or a negative errno. */
  routeFrames(request: Uint8Array, response: Uint8Array): Co<number>;
}

export interface RpmbClass {
  /** In the order of their registration. */
  readonly devices: readonly RpmbDevice[];
  /** rpmb_interface_register(): calls `fn` for each device that comes; returns what ends that. */
  onAdd(fn: (device: RpmbDevice) => void): () => void;
}

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
