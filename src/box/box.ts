/**
 * A box: one machine with its Linux kernel, OP-TEE driver, secure world and user space, wired up
 * from a configuration. A value like everything below it: a process holds as many as it likes.
 */
import { QEMU_ARMV8, mapOf } from '../boards/boards.ts';
import type { Board } from '../boards/boards.ts';
import { ETIMEDOUT, formatErrno } from '../abi/errno.ts';
import type { Host } from '../host/host.ts';
import type { HostNet } from '../host/net.ts';
import type { ByteStore } from '../host/store.ts';
import type { KernelLayoutName } from '../linux/mm/kernel-layout.ts';
import type { MemoryParameters } from '../linux/mm/mm-init.ts';
import { KernelClients, parseKernelClient } from '../linux/clients/modules.ts';
import type { KernelClient } from '../linux/clients/modules.ts';
import { Kernel } from '../linux/process/kernel.ts';
import { LoopbackNet } from '../linux/process/loopback.ts';
import { Program } from '../linux/process/program.ts';
import type { ProcessOptions } from '../linux/process/user-process.ts';
import { MmcRpmb } from '../linux/rpmb/mmc-rpmb.ts';
import type { KeepRpmb } from '../linux/rpmb/mmc-rpmb.ts';
import { RpmbCore } from '../linux/rpmb/rpmb-core.ts';
import { opteeProbe } from '../linux/tee/optee/probe.ts';
import type { Optee } from '../linux/tee/optee/optee.ts';
import { TeeSubsystem } from '../linux/tee/tee-subsystem.ts';
import type { TeeOptions } from '../linux/tee/tee-subsystem.ts';
import { EmulatedRpmb } from '../machine/emulated-rpmb.ts';
import { Machine } from '../machine/machine.ts';
import type { TaPubKey } from '../optee-os/kernel/ta-pub-key.ts';
import { OpteeOs } from '../optee-os/optee-os.ts';
import { QEMU_ARMV8A, makeConfig } from '../optee-os/config.ts';
import type { OpteeOsConfig } from '../optee-os/config.ts';
import { LiveClock, VirtualClock } from '../sched/clock.ts';
import type { Halt } from '../sched/halt.ts';
import { FifoPolicy } from '../sched/policy.ts';
import type { Policy } from '../sched/policy.ts';
import { SeededRandom } from '../sched/random.ts';
import type { RandomSource } from '../sched/random.ts';
import { Scheduler } from '../sched/scheduler.ts';
import type { Co } from '../sched/task.ts';
import type { TaImage } from '../ta/runtime.ts';
import { Trace } from '../trace/trace.ts';
import type { TraceLevel } from '../trace/events.ts';
import type { SupplicantPlugin } from '../userland/tee-supplicant/plugin.ts';
import { TeeSupplicant } from '../userland/tee-supplicant/tee-supplicant.ts';
import type { TeeSupplicantOptions } from '../userland/tee-supplicant/tee-supplicant.ts';
import { TeeClient } from '../userland/tee-client.ts';
import { DEFAULT_PROFILE, PROFILES } from './profiles.ts';
import type { Profile, ProfileName } from './profiles.ts';
import { leaksOf, usageOf } from './report.ts';
import type { Leak, Usage } from './report.ts';
import { Statistics } from './statistics.ts';

export interface BoxOptions {
  /** A profile's name, or a table of switches of your own; `linux-7.3` by default. */
  readonly profile?: ProfileName | Profile;
  /** TAs that are part of the secure world's image, from `taImageOf`. */
  readonly tas?: readonly TaImage[];
  /** TA_PUBLIC_KEY: who signs `.ta` files; the public default key when absent. */
  readonly taPubKey?: TaPubKey;
  /** OP-TEE's build-time configuration, by its CFG_ names. */
  readonly config?: Partial<OpteeOsConfig>;
  readonly board?: Board;
  /** The kernel's command line as far as it is about memory: `cma=`, `movablecore=`, swap. */
  readonly memory?: MemoryParameters;
  /** Where the kernel's own addresses are: as on arm64 by default; `arm` has high memory. */
  readonly kernelLayout?: KernelLayoutName;
  /** Seed of everything that is drawn; boxes are deterministic unless they are live. */
  readonly seed?: number;
  /** Wall clock and the host's entropy instead of virtual time and a seed. */
  readonly live?: boolean;
  /** Who runs next; first come, first served by default. */
  readonly policy?: Policy;
  /** The TypeScript tee-supplicant (default), none, or one with options of its own. */
  readonly supplicant?: 'builtin' | 'none' | Partial<TeeSupplicantOptions>;
  /** Plugins of the TypeScript tee-supplicant. */
  readonly plugins?: readonly SupplicantPlugin[];
  /**
   * What sockets reach: the box itself and servers that a test plays in memory (`loopback`, the
   * default), the network of the host (`host`, for live boxes only), or nothing.
   */
  readonly net?: NetChoice;
  /** What lies in /lib/optee_armtz: `.ta` files; empty by default. */
  readonly taStore?: ByteStore;
  /**
   * The RPMB partition of an eMMC of the board, which the kernel's RPMB class knows where there is
   * one: its image (`newRpmbImage`), changed in place, or with what is told of each change. None by
   * default, so that requests go to tee-supplicant, which emulates a device of its own.
   */
  readonly rpmb?: Uint8Array | KeptRpmb;
  /** What lies in /var/lib/tee: secure storage; empty and gone with the box by default. */
  readonly stateStore?: ByteStore;
  /**
   * Kernel modules that are clients of TAs, as modprobe takes them: `trusted rng=kernel`. None by
   * default.
   */
  readonly kernelClients?: readonly KernelClient[];
  readonly trace?: TraceLevel;
  /** Events that the trace keeps. */
  readonly traceCapacity?: number;
  /** Owner and mode of the device nodes; root's own by default. */
  readonly nodeAccess?: TeeOptions['nodeAccess'];
}

/** A device that outlives the box. */
export interface KeptRpmb {
  readonly image: Uint8Array;
  readonly keep: KeepRpmb;
}

export type NetChoice = 'loopback' | 'host' | 'none';

/** Realtime of a seeded box starts here: 2026-01-01 00:00:00 UTC. */
const SEEDED_EPOCH_NS = 1_767_225_600_000_000_000n;

/**
 * The box could not be made: its options contradict each other, the driver did not find its secure
 * world, or the box has stopped.
 */
export class BootError extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(`the box did not boot: ${why}`, options);
    this.name = 'BootError';
  }
}

export class Box {
  readonly host: Host;
  readonly profile: Profile;
  readonly board: Board;
  readonly config: OpteeOsConfig;
  readonly seed: number;
  readonly trace: Trace;
  readonly sched: Scheduler;
  readonly machine: Machine;
  readonly kernel: Kernel;
  /** The network in memory, where tests play servers; unused with another `net`. */
  readonly loopback: LoopbackNet;
  readonly tee: TeeSubsystem;
  readonly opteeOs: OpteeOs;
  /** The driver's state, once it has probed. */
  readonly optee: Optee;
  /** What kernel clients offer the rest of the kernel, as far as they are loaded. */
  readonly kernelClients: KernelClients;
  /** The program that is the built-in tee-supplicant, if there is one. */
  readonly supplicant: Program | undefined;
  /** Calls and pools so far; with the trace off, none. */
  readonly statistics: Statistics;
  /** What was in use when user space began: a clean run comes back to it. */
  readonly baseline: Usage;
  readonly #plugins: readonly SupplicantPlugin[];
  readonly #release: () => void;

  /** Boots to the point where user space runs. @throws BootError */
  constructor(host: Host, options: BoxOptions = {}) {
    const profile = options.profile ?? DEFAULT_PROFILE;
    this.host = host;
    this.profile = typeof profile === 'string' ? PROFILES[profile] : profile;
    this.board = options.board ?? QEMU_ARMV8;
    this.config = makeConfig(QEMU_ARMV8A, options.config ?? {});
    this.seed = options.seed ?? 1;
    this.trace = new Trace(options.traceCapacity);
    this.trace.setLevel(options.trace ?? 'off');
    this.statistics = new Statistics(this.trace, (pid) => pid !== this.supplicant?.pid);
    const random = this.#randomSource(options);
    this.sched = new Scheduler({
      trace: this.trace,
      clock:
        options.live === true ? new LiveClock(() => host.clock.monotonicNs()) : new VirtualClock(),
      random,
      policy: options.policy ?? new FifoPolicy(),
      outside: host,
      cpus: this.board.cpus,
    });
    const ram = host.ram(this.board.ramBytes);
    const crypto = host.crypto.forBox();
    this.#release = () => {
      crypto.close();
      ram.release();
    };
    const map = mapOf(this.board);
    const reservedShm = this.config.CFG_CORE_RESERVED_SHM ? map.reservedShm : undefined;
    const notifInterrupt = this.config.CFG_CORE_ASYNC_NOTIF ? this.board.notifInterrupt : undefined;
    this.machine = new Machine({
      sched: this.sched,
      ram,
      tree: {
        secure: [map.core, map.taRam],
        reservedShm,
        reusable: map.reusable,
        optee: { method: 'smc', interrupt: notifInterrupt },
      },
    });
    this.opteeOs = new OpteeOs({
      port: this.machine.secure,
      regions: { core: map.core, taRam: map.taRam, ...(reservedShm && { reservedShm }) },
      raise: (line) => this.machine.interrupts.raise(line),
      notifLine: notifInterrupt,
      sched: this.sched,
      config: this.config,
      switches: this.profile.opteeOs,
      random,
      hostCrypto: crypto,
      counterNs: () => this.sched.nowNs(),
      earlyTas: options.tas ?? [],
      ...(options.taPubKey && { taPubKey: options.taPubKey }),
    });
    this.machine.conduit.install(this.opteeOs);
    this.loopback = new LoopbackNet(this.sched);
    this.kernel = new Kernel({
      sched: this.sched,
      machine: this.machine,
      random,
      realtimeNs: () => this.#realtimeNs(options.live === true),
      release: this.profile.release,
      switches: this.profile.process,
      mmSwitches: this.profile.mm,
      ...(options.memory && { memory: options.memory }),
      ...(options.kernelLayout && { layout: options.kernelLayout }),
      net: this.#net(options),
    });
    this.kernel.mount('/lib/optee_armtz', options.taStore ?? host.memoryStore());
    this.kernel.mount('/var/lib/tee', options.stateStore ?? host.memoryStore());
    this.tee = new TeeSubsystem(this.kernel, this.profile.tee, {
      sha1: (data) => host.crypto.hash('sha1', data),
      ...(options.nodeAccess && { nodeAccess: options.nodeAccess }),
    });
    this.optee = this.#probe(this.#rpmbClass(options.rpmb));
    this.kernelClients = new KernelClients(this.tee, this.profile.clients);
    this.#loadClients(options.kernelClients ?? []);
    this.#plugins = options.plugins ?? [];
    this.supplicant = this.#startSupplicant(options.supplicant ?? 'builtin');
    this.baseline = usageOf(this);
  }

  /** Why the box stopped for good, if it has. */
  get halted(): Halt | undefined {
    return this.sched.halted;
  }

  /** A program of user space, root's by default: make its system calls with `program.run`. */
  program(options: Partial<ProcessOptions> = {}): Program {
    return new Program(this.kernel, { name: 'program', ...options });
  }

  /** A program with the TEE Client API under its own names. */
  client(options: Partial<ProcessOptions> = {}): TeeClient {
    return new TeeClient(this.program({ name: 'client', ...options }));
  }

  /** Starts the TypeScript tee-supplicant. */
  startSupplicant(options: Partial<TeeSupplicantOptions> = {}): Program {
    const process = { name: 'tee-supplicant', daemon: true };
    return Program.start(this.kernel, process, (program) =>
      new TeeSupplicant(program, {
        switches: this.profile.userland,
        plugins: this.#plugins,
        hmacSha256: (key, data) => this.host.crypto.hmac('sha256', key, data),
        ...options,
      }).main(),
    );
  }

  /** Lets everything that can run do so, and resolves when nothing is left to do. */
  settle(): Promise<void> {
    return this.sched.drive();
  }

  /** What is in use now beyond what was at the start, with owners. */
  leaks(): readonly Leak[] {
    return leaksOf(this, this.baseline);
  }

  /** Gives the box's memory back; it must not be used afterwards. */
  dispose(): void {
    this.kernel.net?.close();
    this.#release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #randomSource(options: BoxOptions): RandomSource {
    if (options.live !== true) return new SeededRandom(this.seed);
    const bytes = new Uint8Array(4);
    const view = new DataView(bytes.buffer);
    return {
      below: (n) => {
        this.host.entropy(bytes);
        return Math.floor((view.getUint32(0) / 2 ** 32) * n);
      },
      fill: (out) => this.host.entropy(out),
    };
  }

  #net({ net = 'loopback', live = false }: BoxOptions): HostNet | undefined {
    if (net === 'loopback') return this.loopback;
    if (net === 'none') return undefined;
    if (!live) throw new BootError('the network of the host is for live boxes: it has no seed');
    const made = this.host.net?.();
    if (made === undefined) throw new BootError('this host gives no network');
    return made;
  }

  #realtimeNs(live: boolean): bigint {
    if (live) return this.host.clock.realtimeNs();
    return SEEDED_EPOCH_NS + BigInt(Math.floor(this.sched.nowNs()));
  }

  /** CONFIG_RPMB, where the kernel has it and the board an eMMC. */
  #rpmbClass(device: BoxOptions['rpmb']): RpmbCore | undefined {
    if (device === undefined || !this.profile.optee.rpmbRouting) return undefined;
    const { image, keep }: Partial<KeptRpmb> & Pick<KeptRpmb, 'image'> =
      device instanceof Uint8Array ? { image: device } : device;
    const { crypto } = this.host;
    const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array =>
      crypto.hmac('sha256', key, data);
    const rpmb = new RpmbCore(this.kernel);
    rpmb.register(new MmcRpmb(new EmulatedRpmb(image, hmac), keep));
    return rpmb;
  }

  #probe(rpmb: RpmbCore | undefined): Optee {
    let outcome: Optee | number | undefined;
    const { tee, profile, sched } = this;
    sched.spawn(
      'modprobe optee',
      (function* () {
        outcome = yield* opteeProbe(tee, profile.optee, rpmb === undefined ? {} : { rpmb });
      })(),
    );
    sched.runReady();
    if (sched.halted !== undefined) {
      throw new BootError(sched.halted.text, { cause: sched.halted.error });
    }
    if (typeof outcome === 'number')
      throw new BootError(`optee: probe failed: ${formatErrno(outcome)}`);
    if (outcome === undefined)
      throw new BootError('the driver waits for something that never comes');
    return outcome;
  }

  /** modprobe of each, in order. */
  #loadClients(wanted: readonly KernelClient[]): void {
    for (const client of wanted) {
      const request = parseKernelClient(client);
      let rc: number | undefined;
      const load = this.kernelClients.load(request);
      const body = function* (): Co<void> {
        rc = yield* load;
      };
      this.sched.spawn(`modprobe ${request.name}`, body());
      this.sched.runReady();
      const { halted } = this.sched;
      if (halted !== undefined) throw new BootError(halted.text, { cause: halted.error });
      if (rc !== 0) throw new BootError(`modprobe ${client}: ${formatErrno(rc ?? -ETIMEDOUT)}`);
    }
  }

  #startSupplicant(option: NonNullable<BoxOptions['supplicant']>): Program | undefined {
    if (option === 'none') return undefined;
    const program = this.startSupplicant(option === 'builtin' ? {} : option);
    this.sched.runReady();
    return program;
  }
}
