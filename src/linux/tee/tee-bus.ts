/**
 * The TEE bus (tee_bus_type, drivers/tee/tee_core.c; binding: drivers/base/dd.c): trusted
 * applications that the TEE announces are its devices, kernel clients its drivers, matched by UUID.
 * Left out: deferred probing, asynchronous probing, binding by hand through sysfs.
 */
import { EBUSY, EEXIST, ENODEV, ENXIO } from '../../abi/errno.ts';
import { NIL_UUID } from '../../abi/uuid.ts';
import { Mutex } from '../../sched/mutex.ts';
import type { LockClass } from '../../sched/mutex.ts';
import type { Co } from '../../sched/task.ts';
import type { Kernel } from '../process/kernel.ts';
import type { SysfsShow } from '../process/sysfs.ts';
import { ueventText } from './uevent-text.ts';

/** Held while a driver is bound to a device or taken from it. */
export const DEVICE_MUTEX: LockClass = { name: 'tee_client_device.dev.mutex', order: 100 };

/** A kernel client (struct tee_client_driver). */
export interface TeeClientDriver {
  readonly name: string;
  /** UUIDs in lower case; the nil UUID ends the table. */
  readonly idTable: readonly string[];
  /** @returns 0 or a negative errno: the device stays without a driver. */
  probe(device: TeeClientDevice): Co<number>;
  remove?(device: TeeClientDevice): Co<void>;
  shutdown?(device: TeeClientDevice): Co<void>;
}

/** A trusted application with kernel clients (struct tee_client_device). */
export class TeeClientDevice {
  /** `optee-ta-<uuid>` */
  readonly name: string;
  /** Text form, lower case. */
  readonly uuid: string;
  /** sysfs attributes of its own. */
  readonly attributes: Readonly<Record<string, SysfsShow>>;
  /** dev_set_drvdata() */
  drvdata: unknown = undefined;
  driver: TeeClientDriver | undefined = undefined;
  readonly mutex: Mutex;

  constructor(
    kernel: Kernel,
    name: string,
    uuid: string,
    attributes: Readonly<Record<string, SysfsShow>> = {},
  ) {
    this.name = name;
    this.uuid = uuid;
    this.attributes = attributes;
    this.mutex = new Mutex(kernel.sched, DEVICE_MUTEX);
  }

  get modalias(): string {
    return `tee:${this.uuid}`;
  }
}

/** tee_client_device_match() */
function matches(device: TeeClientDevice, driver: TeeClientDriver): boolean {
  const end = driver.idTable.indexOf(NIL_UUID);
  const index = driver.idTable.indexOf(device.uuid);
  return index >= 0 && (end < 0 || index < end);
}

const devpath = (device: TeeClientDevice): string => `/bus/tee/devices/${device.name}`;

export class TeeBus {
  readonly #kernel: Kernel;
  /** In the order of registration, as probing goes. */
  readonly #devices = new Set<TeeClientDevice>();
  readonly #drivers = new Set<TeeClientDriver>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get devices(): readonly TeeClientDevice[] {
    return [...this.#devices];
  }

  get drivers(): readonly TeeClientDriver[] {
    return [...this.#drivers];
  }

  /** device_register(): announces the device, then looks for a driver. -EEXIST for a name twice. */
  *registerDevice(device: TeeClientDevice): Co<number> {
    if (this.devices.some(({ name }) => name === device.name)) return -EEXIST;
    const path = devpath(device);
    const { sysfs } = this.#kernel;
    sysfs.add(`${path}/uevent`, () => ueventText(this.#variables(device)));
    for (const [name, show] of Object.entries(device.attributes))
      sysfs.add(`${path}/${name}`, show);
    this.#devices.add(device);
    this.#announce('add', device);
    for (const driver of this.drivers) {
      if (yield* this.#bind(device, driver)) break;
    }
    return 0;
  }

  /** device_unregister() */
  *unregisterDevice(device: TeeClientDevice): Co<void> {
    if (!this.#devices.delete(device)) return;
    yield* this.#unbind(device, undefined);
    this.#kernel.sysfs.remove(devpath(device));
    this.#announce('remove', device);
  }

  /** tee_client_driver_register(): probes the devices that wait for it. -EBUSY for a name twice. */
  *registerDriver(driver: TeeClientDriver): Co<number> {
    if (this.drivers.some(({ name }) => name === driver.name)) {
      const text = `Error: Driver '${driver.name}' is already registered, aborting...`;
      this.#kernel.printk(text, 'err');
      return -EBUSY;
    }
    this.#drivers.add(driver);
    for (const device of this.devices) yield* this.#bind(device, driver);
    return 0;
  }

  *unregisterDriver(driver: TeeClientDriver): Co<void> {
    if (!this.#drivers.delete(driver)) return;
    for (const device of this.devices) yield* this.#unbind(device, driver);
  }

  /** device_shutdown(): the machine goes down, last come first. */
  *shutdown(): Co<void> {
    for (const device of this.devices.toReversed()) {
      if (device.driver?.shutdown !== undefined) yield* device.driver.shutdown(device);
    }
  }

  /** really_probe(): says whether the device has a driver now. */
  *#bind(device: TeeClientDevice, driver: TeeClientDriver): Co<boolean> {
    if (!matches(device, driver)) return false;
    if (!device.mutex.tryLock()) yield* device.mutex.lock();
    // Either of them may have gone, or the device found another driver, while we waited.
    const wanted =
      device.driver === undefined && this.#devices.has(device) && this.#drivers.has(driver);
    if (wanted) yield* this.#probeLocked(device, driver);
    device.mutex.unlock();
    return device.driver !== undefined;
  }

  *#probeLocked(device: TeeClientDevice, driver: TeeClientDriver): Co<void> {
    device.driver = driver;
    const rc = yield* driver.probe(device);
    if (rc === 0) {
      this.#kernel.uevents.emit('bind', devpath(device), 'tee', this.#variables(device));
      return;
    }
    device.driver = undefined;
    // Those two say that the driver does not want it.
    if (rc === -ENODEV || rc === -ENXIO) return;
    const text = `${driver.name}: probe of ${device.name} failed with error ${rc}`;
    this.#kernel.printk(text, 'warning');
  }

  /** @param only that driver; undefined for any. */
  *#unbind(device: TeeClientDevice, only: TeeClientDriver | undefined): Co<void> {
    if (!device.mutex.tryLock()) yield* device.mutex.lock();
    const { driver } = device;
    if (driver !== undefined && (only === undefined || only === driver)) {
      if (driver.remove !== undefined) yield* driver.remove(device);
      device.driver = undefined;
      device.drvdata = undefined;
      this.#kernel.uevents.emit('unbind', devpath(device), 'tee', this.#variables(device));
    }
    device.mutex.unlock();
  }

  #announce(action: 'add' | 'remove', device: TeeClientDevice): void {
    const { trace, uevents } = this.#kernel;
    uevents.emit(action, devpath(device), 'tee', this.#variables(device));
    if (trace.worlds) trace.emit('linux', 'bus.device', { action, name: device.name });
  }

  /** tee_client_device_uevent(), and what dev_uevent() adds. */
  #variables(device: TeeClientDevice): Readonly<Record<string, string>> {
    const { driver, modalias } = device;
    return driver === undefined
      ? { MODALIAS: modalias }
      : { DRIVER: driver.name, MODALIAS: modalias };
  }
}
