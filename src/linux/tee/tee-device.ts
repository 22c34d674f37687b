/**
 * A TEE device (struct tee_device, drivers/tee/tee_private.h): what a driver registers and clients
 * open. Its users are open contexts and shared memory; removal waits until they have gone.
 * Upstream counterpart: drivers/tee/tee_core.c. Left out: protected DMA-buf heaps.
 */
import { EINVAL, ENODEV, ENOMEM } from '../../abi/errno.ts';
import { TEE_NUM_DEVICES } from '../../abi/tee.ts';
import { Mutex } from '../../sched/mutex.ts';
import type { LockClass } from '../../sched/mutex.ts';
import type { Co } from '../../sched/task.ts';
import { Completion } from '../../sched/wait.ts';
import { Idr } from '../lib/idr.ts';
import { majorOf } from '../process/devices.ts';
import type { CharDevice } from '../process/devices.ts';
import type { Kernel } from '../process/kernel.ts';
import type { SysfsShow } from '../process/sysfs.ts';
import { IoctlFrames } from './ioctl-frame.ts';
import { PRIVILEGED_BASE } from './minors.ts';
import { refuse } from './refuse.ts';
import type { TeeDesc, TeeShmPool } from './tee-drv.ts';
import { teeOpen } from './tee-file.ts';
import type { TeeShm } from './tee-shm.ts';
import type { TeeSubsystem } from './tee-subsystem.ts';
import { ueventText } from './uevent-text.ts';

/** Innermost of the TEE's locks: drivers look shared memory up while they hold their own. */
export const TEEDEV_MUTEX: LockClass = { name: 'teedev->mutex', order: 900 };

export class TeeDevice {
  readonly tee: TeeSubsystem;
  readonly kernel: Kernel;
  /** `tee0`, `teepriv0` */
  readonly name: string;
  /** Minor number; privileged devices have the upper half. */
  readonly id: number;
  /** tee_get_drvdata() */
  readonly drvdata: unknown;
  /** Undefined once the last user has gone. */
  desc: TeeDesc | undefined;
  /** Undefined when the device has none, or its driver has detached. */
  pool: TeeShmPool | undefined;
  /** Guards `numUsers` and `idr`. */
  readonly mutex: Mutex;
  /** One of them is the driver's, until it unregisters. */
  numUsers = 1;
  /** Shared memory that user space can name, ids from 1; undefined while it is being made. */
  readonly idr = new Idr<TeeShm | undefined>();
  readonly frames: IoctlFrames;
  readonly #noUsers: Completion;
  /** Attribute groups of the driver. */
  #groups: Readonly<Record<string, SysfsShow>> = {};
  #cdev: CharDevice | undefined;

  /** Use teeDeviceAlloc(). */
  constructor(
    tee: TeeSubsystem,
    name: string,
    id: number,
    desc: TeeDesc,
    pool: TeeShmPool | undefined,
    drvdata: unknown,
  ) {
    const { kernel } = tee;
    this.tee = tee;
    this.kernel = kernel;
    this.name = name;
    this.id = id;
    this.desc = desc;
    this.pool = pool;
    this.drvdata = drvdata;
    this.mutex = new Mutex(kernel.sched, TEEDEV_MUTEX);
    this.frames = new IoctlFrames(tee.switches.maxArgSize);
    this.#noUsers = new Completion(kernel.sched, 'teedev->c_no_users');
  }

  /** tee_device_set_dev_groups(): further sysfs attributes, before the device is registered. */
  setDevGroups(groups: Readonly<Record<string, SysfsShow>>): void {
    this.#groups = groups;
  }

  /** tee_device_register(): the node and its attributes appear; -EINVAL the second time. */
  register(): number {
    if (this.#cdev !== undefined) {
      this.kernel.printk(`tee ${this.name}: attempt to register twice`, 'err');
      return -EINVAL;
    }
    const { devices, sysfs, uevents } = this.kernel;
    const desc = this.desc!;
    const { mode, uid, gid } = this.tee.nodeAccess(desc.privileged);
    this.#cdev = devices.register({
      name: this.name,
      mode,
      uid,
      gid,
      rdev: this.tee.rdev(this.id),
      open: (_current, flags) => teeOpen(this, flags),
    });
    for (const [name, show] of Object.entries(this.#attributes(desc))) {
      sysfs.add(`${this.#devpath}/${name}`, show);
    }
    this.tee.addDevice(this);
    uevents.emit('add', this.#devpath, 'tee', this.#variables());
    return 0;
  }

  /**
   * tee_device_unregister(): nobody finds the device any more, and whoever has it open keeps it.
   * Sleeps, uninterruptibly, until the last of them has gone. For a device that was never
   * registered it takes back the allocation.
   */
  *unregister(): Co<void> {
    if (this.#cdev !== undefined) {
      this.kernel.devices.unregister(this.#cdev);
      this.kernel.sysfs.remove(this.#devpath);
      this.tee.removeDevice(this);
      this.kernel.uevents.emit('remove', this.#devpath, 'tee', this.#variables());
    }
    yield* this.put();
    yield* this.#noUsers.wait('uninterruptible');
    this.pool = undefined;
    this.tee.minors.free(this.id);
  }

  /** tee_device_get(): false once the last user has gone. */
  *get(): Co<boolean> {
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    const alive = this.desc !== undefined;
    if (alive) this.numUsers += 1;
    this.mutex.unlock();
    return alive;
  }

  /** tee_device_put() */
  *put(): Co<void> {
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    if (this.numUsers === 0) {
      throw this.kernel.sched.halt('use after free', `${this.name} is put after its last user`);
    }
    this.numUsers -= 1;
    if (this.numUsers === 0) {
      this.desc = undefined;
      this.#noUsers.complete();
    }
    this.mutex.unlock();
  }

  get #devpath(): string {
    return `/class/tee/${this.name}`;
  }

  /** dev_uevent() */
  #variables(): Readonly<Record<string, string>> {
    const major = majorOf(this.tee.rdev(this.id));
    return { MAJOR: `${major}`, MINOR: `${this.id}`, DEVNAME: this.name };
  }

  #attributes(desc: TeeDesc): Readonly<Record<string, SysfsShow>> {
    const { ops } = desc;
    const { switches } = this.tee;
    const attributes: Record<string, SysfsShow> = {
      dev: () => `${majorOf(this.tee.rdev(this.id))}:${this.id}\n`,
      uevent: () => ueventText(this.#variables()),
      implementation_id: () => `${ops.getVersion().implId}\n`,
    };
    if (ops.getTeeRevision !== undefined && switches.sysfsRevision) {
      attributes['revision'] = () => {
        const revision = ops.getTeeRevision?.();
        return revision === undefined ? -ENODEV : `${revision}\n`;
      };
    }
    return { ...attributes, ...this.#groups };
  }
}

/**
 * tee_device_alloc(): a device that nobody sees before it is registered, and that goes with
 * `unregister`. -ENOMEM when all 16 of its kind are taken.
 * @param pool for shared memory, if the driver has one.
 * @param drvdata the driver's own.
 */
export function teeDeviceAlloc(
  tee: TeeSubsystem,
  desc: TeeDesc,
  pool: TeeShmPool | undefined,
  drvdata: unknown,
): TeeDevice | number {
  const id = tee.minors.alloc(desc.privileged);
  const kind = desc.privileged ? 'privileged' : 'client';
  if (id === undefined) {
    tee.kernel.printk(`tee_device_alloc: could not register ${kind} driver`, 'err');
    return refuse(tee.kernel.trace, ENOMEM, `all ${PRIVILEGED_BASE} ${kind} devices are taken`, {
      limit: `TEE_NUM_DEVICES=${TEE_NUM_DEVICES}`,
    });
  }
  const name = desc.privileged ? `teepriv${id - PRIVILEGED_BASE}` : `tee${id}`;
  return new TeeDevice(tee, name, id, desc, pool, drvdata);
}
