/**
 * The nexus: what there is once, whatever the number of guests: configuration, the machine's ports,
 * the console, the images of built-in TAs. A guest's own state is in `guest.ts`.
 *
 * Upstream counterpart: what optee_os puts into `.nex_data`/`.nex_bss` (core/include/kernel/
 * virtualization.h).
 */
import type { HostCrypto } from '../host/crypto.ts';
import type { BusPort } from '../machine/bus.ts';
import type { Region } from '../machine/machine.ts';
import type { RandomSource } from '../sched/random.ts';
import type { BoxHalted } from '../sched/halt.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import type { TaImage } from '../ta/runtime.ts';
import type { Trace } from '../trace/trace.ts';
import type { OpteeOsConfig } from './config.ts';
import { DEFAULT_TA_PUB_KEY } from './kernel/ta-pub-key.ts';
import type { TaPubKey } from './kernel/ta-pub-key.ts';
import { CoreLog } from './kernel/trace.ts';
import type { LogSite } from './kernel/trace.ts';
import { AsidPool } from './mm/asid.ts';
import { CoreMmu } from './mm/core-mmu.ts';
import { PhysMem } from './mm/phys-mem.ts';
import type { OpteeOsSwitches } from './switches.ts';

/** What a secure world is built from. */
export interface OpteeOsOptions {
  /** A secure CPU's way to memory. */
  readonly port: BusPort;
  readonly regions: {
    readonly core: Region;
    readonly taRam: Region;
    /** Non-secure; used with CFG_CORE_RESERVED_SHM. */
    readonly reservedShm?: Region;
  };
  /** Asserts an interrupt line of the normal world. */
  readonly raise: (line: number) => void;
  /** CFG_CORE_ASYNC_NOTIF_GIC_INTID. */
  readonly notifLine: number | undefined;
  /** For preemption points, the trace and stopping; secure code never sleeps in it. */
  readonly sched: Scheduler;
  readonly config: OpteeOsConfig;
  readonly switches?: OpteeOsSwitches;
  readonly random: RandomSource;
  readonly hostCrypto: HostCrypto;
  /** Nanoseconds of the secure counter since boot. */
  readonly counterNs: () => number;
  /** TA_PUBLIC_KEY; the public default key when absent. */
  readonly taPubKey?: TaPubKey;
  /** TAs that are part of the image, found before any other. */
  readonly earlyTas: readonly TaImage[];
}

export class Nexus {
  readonly config: OpteeOsConfig;
  readonly switches: OpteeOsSwitches;
  readonly sched: Scheduler;
  readonly trace: Trace;
  readonly log: CoreLog;
  readonly port: BusPort;
  readonly mmu: CoreMmu;
  readonly taRam: PhysMem;
  readonly asids = new AsidPool();
  readonly random: RandomSource;
  readonly crypto: HostCrypto;
  readonly taPubKey: TaPubKey;
  readonly earlyTas: ReadonlyMap<string, TaImage>;
  readonly counterNs: () => number;
  readonly #raise: (line: number) => void;
  readonly #notifLine: number | undefined;

  constructor(options: OpteeOsOptions, switches: OpteeOsSwitches) {
    const { config, sched, regions } = options;
    this.config = config;
    this.switches = switches;
    this.sched = sched;
    this.trace = sched.trace;
    this.log = new CoreLog(sched.trace, config);
    this.port = options.port;
    const reserved = config.CFG_CORE_RESERVED_SHM ? regions.reservedShm : undefined;
    this.mmu = new CoreMmu(options.port, reserved);
    this.taRam = new PhysMem(sched.trace, 'TA RAM', regions.taRam);
    this.random = options.random;
    this.crypto = options.hostCrypto;
    this.counterNs = options.counterNs;
    this.taPubKey = options.taPubKey ?? DEFAULT_TA_PUB_KEY;
    this.earlyTas = new Map(options.earlyTas.map((image) => [image.head.uuid, image]));
    this.#raise = options.raise;
    this.#notifLine = options.notifLine;
  }

  /** interrupt_raise_pi() of the notification interrupt. */
  raiseNotif(): void {
    if (this.#notifLine !== undefined) this.#raise(this.#notifLine);
  }

  /** panic(): the core prints why and stops for good. @returns what to throw */
  panic(site: LogSite, fn: string, text: string): BoxHalted {
    this.log.emsgRaw(site, `Panic '${text}' at ?:0 <${fn}>`);
    return this.sched.halt('core panic', `${fn}: ${text}`);
  }
}
