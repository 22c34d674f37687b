/**
 * The TEE subsystem of one kernel: its class of devices, their minor numbers, the TEE bus.
 * Upstream counterpart: drivers/tee/tee_core.c, tee_init() and the class's own state.
 */
import type { PinAccounts } from '../mm/account.ts';
import { makedev } from '../process/devices.ts';
import type { Kernel } from '../process/kernel.ts';
import { Minors } from './minors.ts';
import { PARAM_KINDS, PARAM_KINDS_6_1 } from './param-kinds.ts';
import type { ParamKinds } from './param-kinds.ts';
import type { TeeSwitches } from './switches.ts';
import { TeeBus } from './tee-bus.ts';
import type { TeeContext } from './tee-context.ts';
import type { TeeDevice } from './tee-device.ts';
import type { TeeShm } from './tee-shm.ts';

/** Who may open a node: what udev's rules make of it. */
export interface NodeAccess {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface TeeOptions {
  /** The kernel's SHA-1: 20 bytes. */
  readonly sha1: (data: Uint8Array) => Uint8Array;
  /** By default root's own: the kernel leaves the rest to udev. */
  readonly nodeAccess?: (privileged: boolean) => NodeAccess;
}

const ROOT_ONLY: NodeAccess = { mode: 0o660, uid: 0, gid: 0 };

export class TeeSubsystem {
  readonly kernel: Kernel;
  readonly switches: TeeSwitches;
  readonly sha1: (data: Uint8Array) => Uint8Array;
  readonly nodeAccess: (privileged: boolean) => NodeAccess;
  readonly paramKinds: ParamKinds;
  readonly minors = new Minors();
  /** Where registered memory counts, with all else that users pin. */
  readonly memlock: PinAccounts;
  readonly bus: TeeBus;
  /** Contexts that the driver has not released yet, for leak checks. */
  readonly contexts = new Set<TeeContext>();
  /** Memory of processes and of the kernel that is registered, for those who look. */
  readonly registered = new Set<TeeShm>();
  readonly #devices = new Set<TeeDevice>();
  readonly #warned = new Set<string>();
  #contexts = 0;
  #major: number | undefined;

  constructor(kernel: Kernel, switches: TeeSwitches, options: TeeOptions) {
    this.kernel = kernel;
    this.memlock = kernel.accounts;
    this.switches = switches;
    this.sha1 = options.sha1;
    this.nodeAccess = options.nodeAccess ?? (() => ROOT_ONLY);
    this.paramKinds = switches.ubufAndObjref ? PARAM_KINDS : PARAM_KINDS_6_1;
    this.bus = new TeeBus(kernel);
  }

  /** Registered devices, in the order of their registration. */
  get devices(): readonly TeeDevice[] {
    return [...this.#devices];
  }

  addDevice(teedev: TeeDevice): void {
    this.#devices.add(teedev);
  }

  removeDevice(teedev: TeeDevice): void {
    this.#devices.delete(teedev);
  }

  /** Device number of a minor. All TEE devices share one major. */
  rdev(id: number): number {
    this.#major ??= this.kernel.devices.allocMajor();
    return makedev(this.#major, id);
  }

  /** WARN_ON_ONCE(): says so once for each place in the kernel. */
  warnOnce(where: string): void {
    if (this.#warned.has(where)) return;
    this.#warned.add(where);
    this.kernel.printk(`WARNING: at ${where}`, 'warning');
  }

  nextContext(): number {
    this.#contexts += 1;
    return this.#contexts;
  }
}
