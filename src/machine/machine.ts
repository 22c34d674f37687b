/**
 * One machine: RAM behind a bus, CPUs, the SMC conduit, interrupts, and the device tree that is
 * handed over at boot. Worlds are given ports to it and never to each other.
 */
import type { RamBacking } from '../host/host.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import { pa } from './address.ts';
import type { Pa } from './address.ts';
import { Bus, BusPort, SECURE } from './bus.ts';
import { InterruptController } from './interrupts.ts';
import { SmcConduit } from './smc.ts';
import type { Cpu } from './smc.ts';

/** A stretch of physical memory. */
export interface Region {
  readonly base: Pa;
  readonly size: number;
}

/** A node of /reserved-memory, `shared-dma-pool` and `reusable`: a CMA area. */
export interface ReusablePool {
  readonly name: string;
  readonly region: Region;
  /** `linux,cma-default`: of all devices that have none of their own. */
  readonly isDefault: boolean;
}

/** What the boot loader's device tree tells the normal world about the secure one. */
export interface DeviceTree {
  readonly memory: Region;
  /** Memory that the secure world keeps; the kernel never touches it. */
  readonly secure: readonly Region[];
  /** Reserved shared memory (`optee_shm`), when the secure world has some. */
  readonly reservedShm: Region | undefined;
  /** Memory that the kernel may lend out until its devices want it. */
  readonly reusable?: readonly ReusablePool[];
  /** The `/firmware/optee` node: conduit method and the notification interrupt. */
  readonly optee:
    { readonly method: 'smc' | 'hvc'; readonly interrupt: number | undefined } | undefined;
}

export interface MachineOptions {
  readonly sched: Scheduler;
  readonly ram: RamBacking;
  readonly base?: number;
  readonly tree: Omit<DeviceTree, 'memory'>;
}

export class Machine {
  readonly sched: Scheduler;
  readonly bus: Bus;
  readonly cpus: readonly Cpu[];
  readonly conduit: SmcConduit;
  readonly interrupts: InterruptController;
  readonly tree: DeviceTree;
  /** How CPUs of each world reach memory. */
  readonly normal: BusPort;
  readonly secure: BusPort;

  constructor(options: MachineOptions) {
    const { sched, ram } = options;
    this.sched = sched;
    this.bus = new Bus(ram, pa(options.base ?? DEFAULT_RAM_BASE), sched.trace);
    this.cpus = Array.from({ length: sched.cpus }, (_, id) => ({
      id,
      secure: false,
      foreignPending: false,
    }));
    this.interrupts = new InterruptController(sched, this.cpus);
    this.conduit = new SmcConduit(sched, this.cpus, (cpu) => this.interrupts.left(cpu));
    this.tree = { ...options.tree, memory: { base: this.bus.base, size: this.bus.size } };
    this.normal = new BusPort(this.bus, { name: 'cpu', kind: 'normal-cpu', guest: 0 });
    this.secure = new BusPort(this.bus, { name: 'secure-cpu', kind: 'secure-cpu', guest: 0 });
    for (const region of this.tree.secure) this.bus.protect(region.base, region.size, SECURE);
  }
}

/** Where RAM starts on the emulated Armv8 board. */
export const DEFAULT_RAM_BASE = 0x4000_0000;
