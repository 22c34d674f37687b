/**
 * One Linux kernel: what drivers and programs find around them. A value, not a module: a process
 * holds as many kernels as it has boxes (or guests).
 * Left out: booting. A kernel is up when it is made, with /, /dev, /sys and /tmp mounted.
 */
import { formatErrno } from '../../abi/errno.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import type { HostNet } from '../../host/net.ts';
import type { ByteStore } from '../../host/store.ts';
import type { BusPort } from '../../machine/bus.ts';
import type { Machine } from '../../machine/machine.ts';
import type { RandomSource } from '../../sched/random.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import type { Co, Task } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import { KernelAddresses } from '../lib/kernel-addresses.ts';
import { PinAccounts } from '../mm/account.ts';
import { AddressSpace } from '../mm/address-space.ts';
import type { MmArchName } from '../mm/arch.ts';
import type { KernelLayoutName } from '../mm/kernel-layout.ts';
import { KernelMap } from '../mm/kernel-map.ts';
import { initMemory } from '../mm/mm-init.ts';
import type { Memory, MemoryParameters } from '../mm/mm-init.ts';
import type { PageAllocator } from '../mm/page-allocator.ts';
import type { MmSwitches } from '../mm/switches.ts';
import { makeCred } from './cred.ts';
import { DeviceTable } from './devices.ts';
import { DelayedFput } from './fput.ts';
import type { Inode } from './inode.ts';
import { KernMount } from './kern-mount.ts';
import type { KernelKeys } from './key-calls.ts';
import { registerMemDevices } from './mem-devices.ts';
import { Printk } from './printk.ts';
import type { PrintkLevel, PrintkLine } from './printk.ts';
import type { ProcessInfo } from './process.ts';
import { ProcessTable } from './processes.ts';
import type { OpenFile } from './processes.ts';
import { StoreFs } from './store-fs.ts';
import type { StoreMountOptions } from './store-fs.ts';
import { DEFAULT_PROCESS_SWITCHES } from './switches.ts';
import type { ProcessSwitches } from './switches.ts';
import { Sysfs } from './sysfs.ts';
import { Uevents } from './uevent.ts';
import { Vfs } from './vfs.ts';

export interface KernelOptions {
  readonly sched: Scheduler;
  readonly machine: Machine;
  readonly random: RandomSource;
  /** Wall clock, nanoseconds since 1970-01-01 UTC. */
  readonly realtimeNs: () => bigint;
  /** `arm64` by default. */
  readonly arch?: MmArchName;
  /** As uname -r: `7.3.4`. */
  readonly release: string;
  /** Sees each line of the kernel log as it is printed. */
  readonly printkSink?: (line: PrintkLine) => void;
  /** What the command line says of memory. */
  readonly memory?: MemoryParameters;
  /** Those of linux-7.3 by default. */
  readonly mmSwitches?: MmSwitches;
  /** Where the kernel's own addresses are: as on `arch` by default. */
  readonly layout?: KernelLayoutName;
  /** The network behind sockets; without, nothing can be reached. */
  readonly net?: HostNet | undefined;
  /** Those of linux-7.3 by default. */
  readonly switches?: ProcessSwitches;
}

/** Rights of the kernel's own file accesses. */
const KERNEL_CRED = makeCred();

export class Kernel {
  readonly sched: Scheduler;
  readonly trace: Trace;
  readonly machine: Machine;
  /** Normal-world CPUs' way to memory. */
  readonly port: BusPort;
  readonly memory: Memory;
  readonly pages: PageAllocator;
  /** The kernel's own addresses, and the pages behind them. */
  readonly map: KernelMap;
  readonly addresses = new KernelAddresses();
  /** Pages that users have pinned, where that is counted. */
  readonly accounts: PinAccounts;
  readonly random: RandomSource;
  readonly arch: MmArchName;
  readonly release: string;
  readonly switches: ProcessSwitches;
  readonly net: HostNet | undefined;
  readonly dmesg: Printk;
  readonly uevents = new Uevents();
  readonly devices: DeviceTable;
  readonly sysfs: Sysfs;
  readonly vfs: Vfs;
  readonly processes: ProcessTable;
  /** Processes of the host that make calls here: native programs. */
  readonly guests = new Set<ProcessInfo>();
  /** Where shared memory that has an fd is (shm_mnt). */
  readonly shmMnt: KernMount;
  readonly secretmemMnt: KernMount;
  /** The key retention service, in kernels that have one. */
  keys: KernelKeys | undefined = undefined;
  /** sysctl abi.tagged_addr_disabled: prctl() does not turn the tagged address ABI on any more. */
  taggedAddrDisabled = false;
  /** File references given up where nothing may sleep. */
  readonly fput = new DelayedFput();
  readonly #realtimeNs: () => bigint;
  #lastDev = 0;

  constructor(options: KernelOptions) {
    const { sched, machine } = options;
    this.sched = sched;
    this.trace = sched.trace;
    this.machine = machine;
    this.port = machine.normal;
    this.random = options.random;
    this.arch = options.arch ?? 'arm64';
    this.release = options.release;
    this.switches = options.switches ?? DEFAULT_PROCESS_SWITCHES;
    this.net = options.net;
    this.#realtimeNs = options.realtimeNs;
    this.dmesg = new Printk(sched.trace, () => sched.nowNs(), options.printkSink);
    this.memory = initMemory({
      sched,
      port: this.port,
      tree: machine.tree,
      printk: (text, level) => this.printk(text, level),
      ...(options.memory && { parameters: options.memory }),
      ...(options.mmSwitches && { switches: options.mmSwitches }),
    });
    this.pages = this.memory.pages;
    this.accounts = new PinAccounts(sched.trace);
    this.map = new KernelMap({
      pages: this.pages,
      layout: options.layout ?? this.arch,
      printk: (text) => this.printk(text, 'warning'),
    });
    this.vfs = new Vfs(new StoreFs(new MemoryStore(), this.#newDev()).root, sched.trace);
    this.devices = new DeviceTable(sched, this.#newDev());
    this.sysfs = new Sysfs(this.#newDev());
    this.processes = new ProcessTable(this);
    this.#populate();
    this.shmMnt = new KernMount('tmpfs', this.#newDev());
    this.secretmemMnt = new KernMount('secretmem', this.#newDev());
  }

  /** CLOCK_REALTIME in nanoseconds. */
  realtimeNs(): bigint {
    return this.#realtimeNs();
  }

  /** Prints to the kernel log; like pr_info() without a level. */
  printk(text: string, level: PrintkLevel = 'info'): void {
    this.dmesg.print(text, level);
  }

  /** A kernel thread; it keeps no run from ending. */
  kthread(name: string, body: Co<unknown>): Task {
    return this.sched.spawn(name, body, { daemon: true });
  }

  /** BUG(): prints, and stops the box. */
  bug(text: string): never {
    this.printk(`kernel BUG: ${text}`, 'crit');
    throw this.sched.halt('kernel BUG', text);
  }

  /**
   * Mounts a byte store; directories on the way are made.
   * @throws when something is mounted there: a mistake of the configuration.
   */
  mount(path: string, store: ByteStore, options?: StoreMountOptions): void {
    this.#mount(path, new StoreFs(store, this.#newDev(), options).root);
  }

  /** An empty address space with this kernel's pages. */
  newAddressSpace(): AddressSpace {
    return new AddressSpace({ pages: this.pages, arch: this.arch });
  }

  /** Every fd of every process, for leak reports. */
  openFiles(): readonly OpenFile[] {
    return this.processes.openFiles();
  }

  #populate(): void {
    this.#mount('/dev', this.devices.fs.root);
    this.#mount('/sys', this.sysfs.fs.root);
    this.mount('/tmp', new MemoryStore(), { dirMode: 0o1777 });
    registerMemDevices(this.devices, this.random);
  }

  #mount(path: string, root: Inode): void {
    const result = this.vfs.mount(path, root, KERNEL_CRED);
    if (result !== 0) throw new Error(`cannot mount ${path}: ${formatErrno(result)}`);
  }

  /** get_anon_bdev(): st_dev of one more file system. */
  #newDev(): number {
    this.#lastDev += 1;
    return this.#lastDev;
  }
}
