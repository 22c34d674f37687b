/**
 * The kernel's RPMB class: devices with a replay-protected memory block, in the order in which they
 * came, for drivers that send frames to them. Nothing of it is for programs but its uevents.
 *
 * Upstream counterpart: drivers/misc/rpmb-core.c and include/linux/rpmb.h (since Linux 6.12). Left
 * out: unregistering, references, links to the parent device in sysfs.
 */
import { EINVAL } from '../../abi/errno.ts';
import type { Co } from '../../sched/task.ts';
import type { Kernel } from '../process/kernel.ts';

/** struct rpmb_descr, and the device that it describes. */
export interface RpmbDevice {
  readonly type: 'emmc' | 'ufs' | 'nvme';
  /** What keys are derived from: the CID of an eMMC. */
  readonly devId: Uint8Array;
  /** In units of 128 KiB. */
  readonly capacity: number;
  /** In units of 256 bytes. */
  readonly reliableWrCount: number;
  /** Fills `response`; 0 or a negative errno. */
  routeFrames(request: Uint8Array, response: Uint8Array): Co<number>;
}

export interface RpmbClass {
  /** In the order of their registration. */
  readonly devices: readonly RpmbDevice[];
  /** rpmb_interface_register(): calls `fn` for each device, now or when it comes; returns what ends that. */
  onAdd(fn: (device: RpmbDevice) => void): () => void;
}

export class RpmbCore implements RpmbClass {
  readonly #kernel: Kernel;
  readonly #devices: RpmbDevice[] = [];
  readonly #interfaces = new Set<(device: RpmbDevice) => void>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get devices(): readonly RpmbDevice[] {
    return this.#devices;
  }

  onAdd(fn: (device: RpmbDevice) => void): () => void {
    this.#interfaces.add(fn);
    for (const device of this.#devices) fn(device);
    return () => this.#interfaces.delete(fn);
  }

  /** rpmb_dev_register() @returns its number, or -EINVAL without an id */
  register(device: RpmbDevice): number {
    if (device.devId.length === 0) return -EINVAL;
    const id = this.#devices.push(device) - 1;
    const devpath = `/class/rpmb/rpmb${id}`;
    const { sysfs, uevents } = this.#kernel;
    sysfs.add(`${devpath}/uevent`, () => '');
    uevents.emit('add', devpath, 'rpmb');
    for (const fn of this.#interfaces) fn(device);
    return id;
  }
}

/** rpmb_route_frames(): 0 or a negative errno. */
export function* rpmbRouteFrames(
  device: RpmbDevice,
  request: Uint8Array,
  response: Uint8Array,
): Co<number> {
  if (request.length === 0 || response.length === 0) return -EINVAL;
  return yield* device.routeFrames(request, response);
}
