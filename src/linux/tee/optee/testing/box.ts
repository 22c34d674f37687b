/** For tests: a kernel with the OP-TEE driver on a scripted secure world. */
import { createHash } from 'node:crypto';
import { Machine } from '../../../../machine/machine.ts';
import type { DeviceTree } from '../../../../machine/machine.ts';
import { VirtualClock } from '../../../../sched/clock.ts';
import { FifoPolicy } from '../../../../sched/policy.ts';
import type { Policy } from '../../../../sched/policy.ts';
import { SeededRandom } from '../../../../sched/random.ts';
import { Scheduler } from '../../../../sched/scheduler.ts';
import type { Co, Task, WaitMode } from '../../../../sched/task.ts';
import { Trace } from '../../../../trace/trace.ts';
import { O_RDONLY } from '../../../../abi/fcntl.ts';
import { Kernel } from '../../../process/kernel.ts';
import { Program } from '../../../process/program.ts';
import type { TeeSwitches } from '../../switches.ts';
import { teedevOpen } from '../../tee-context.ts';
import type { TeeContext } from '../../tee-context.ts';
import { TeeSubsystem } from '../../tee-subsystem.ts';
import { LINUX_7_3 as CORE_7_3 } from '../../testing/profiles.ts';
import type { Optee } from '../optee.ts';
import { opteeProbe } from '../probe.ts';
import type { OpteePlatform } from '../probe.ts';
import type { OpteeSwitches } from '../switches.ts';
import { FakeOptee } from './fake-optee.ts';
import { LINUX_7_3 } from './profiles.ts';

const RAM_BYTES = 32 << 20;
/** Seconds and nanoseconds that are told apart easily. */
export const REALTIME_NS = 1_700_000_000_000_000_123n;

export interface BoxOptions {
  readonly switches?: Partial<OpteeSwitches>;
  readonly core?: TeeSwitches;
  readonly policy?: Policy;
  readonly cpus?: number;
  readonly tree?: Partial<Omit<DeviceTree, 'memory'>>;
  readonly platform?: OpteePlatform;
  /** Before the driver is probed. */
  readonly setUp?: (world: FakeOptee, kernel: Kernel) => void;
}

export interface OpteeBox {
  readonly kernel: Kernel;
  readonly sched: Scheduler;
  readonly tee: TeeSubsystem;
  readonly world: FakeOptee;
  readonly switches: OpteeSwitches;
  /** Of `opteeProbe`. */
  readonly probed: Optee | number;
  /** The driver; throws when it could not be probed. */
  readonly optee: Optee;
  /** Runs a task to its end, with whatever else runs meanwhile. */
  run<T>(body: Co<T>): T;
  /** Starts a task; the box then runs until nothing is left to do. */
  spawn<T>(name: string, body: Co<T>): Running<T>;
  /** Lets everything run that can. */
  settle(): void;
}

/** A task of a test. */
export interface Running<T> {
  readonly task: Task;
  /** What it ended with; undefined while it has not. */
  readonly result: T | undefined;
  readonly site: string | undefined;
  /** SIGKILL: ends killable and interruptible sleeps. */
  kill(): void;
  /** A signal with a handler: ends interruptible sleeps only. */
  signal(): void;
}

export function makeBox(options: BoxOptions = {}): OpteeBox {
  const random = new SeededRandom(1);
  const sched = new Scheduler({
    trace: new Trace(),
    clock: new VirtualClock(),
    random,
    policy: options.policy ?? new FifoPolicy(),
    outside: { turn: () => new Promise((resolve) => setImmediate(resolve)), after: () => () => {} },
    cpus: options.cpus ?? 2,
  });
  const optee = { method: 'smc', interrupt: 41 } as const;
  const tree = { secure: [], reservedShm: undefined, optee, ...options.tree };
  const machine = new Machine({
    sched,
    ram: { bytes: new Uint8Array(RAM_BYTES), memory: undefined, release() {} },
    tree,
  });
  const kernel = new Kernel({
    sched,
    machine,
    random,
    realtimeNs: () => REALTIME_NS,
    release: '7.3.4',
  });
  const sha1 = (data: Uint8Array): Uint8Array =>
    new Uint8Array(createHash('sha1').update(data).digest());
  const tee = new TeeSubsystem(kernel, options.core ?? CORE_7_3, { sha1 });
  const world = new FakeOptee(machine);
  machine.conduit.install(world);
  options.setUp?.(world, kernel);
  sched.ownLoop(() => {});
  const switches = { ...LINUX_7_3, ...options.switches };
  const spawn = <T>(name: string, body: Co<T>): Running<T> => start(sched, name, body);
  const settle = (): void => {
    sched.runReady();
    if (sched.halted !== undefined) throw sched.halted.error;
  };
  const run = <T>(body: Co<T>): T => {
    const running = spawn('test', body);
    settle();
    if (running.task.state !== 'done') throw new Error(`the task sleeps in ${running.site}`);
    return running.result as T;
  };
  const probed = run(opteeProbe(tee, switches, options.platform));
  return {
    kernel,
    sched,
    tee,
    world,
    switches,
    probed,
    get optee(): Optee {
      if (typeof probed === 'number') throw new Error(`the driver was not probed: ${probed}`);
      return probed;
    },
    run,
    spawn,
    settle,
  };
}

function start<T>(sched: Scheduler, name: string, body: Co<T>): Running<T> {
  const modes = new Set<WaitMode>();
  let result: T | undefined;
  const task = sched.spawn(
    name,
    (function* () {
      result = yield* body;
    })(),
  );
  task.signals = { pending: (mode) => modes.has(mode) };
  const interrupt = (...ended: readonly WaitMode[]): void => {
    for (const mode of ended) modes.add(mode);
    sched.interrupt(task);
  };
  return {
    task,
    get result() {
      return result;
    },
    get site() {
      return task.blocked?.site;
    },
    kill: () => interrupt('killable', 'interruptible'),
    signal: () => interrupt('interruptible'),
  };
}

/** A context as an open file has it: it waits for a supplicant. */
export function* openClient(optee: Optee): Co<TeeContext> {
  const ctx = yield* teedevOpen(optee.teedev);
  if (typeof ctx === 'number') throw new Error(`no context: ${ctx}`);
  return ctx;
}

export function* openSupplicant(optee: Optee): Co<TeeContext> {
  const ctx = yield* teedevOpen(optee.suppTeedev);
  if (typeof ctx === 'number') throw new Error(`no supplicant: ${ctx}`);
  return ctx;
}

/** What a program reads from a file, or the negative errno. */
export function readFile(box: OpteeBox, path: string): string | number {
  const { memory, sys } = new Program(box.kernel, { name: 'cat' });
  const fd = box.run(sys.open(path, O_RDONLY));
  if (fd < 0) return fd;
  const at = memory.malloc(4096);
  const length = box.run(sys.read(fd, at, 4096));
  return length < 0 ? length : new TextDecoder().decode(memory.read(at, length));
}
