/**
 * A box, programs on it, and the death of one of them at a wait site. Everything is stepped
 * synchronously and drawn from one seed, so that a run can be repeated up to the moment of the kill.
 */
import { SMALL } from '../../src/boards/boards.ts';
import { Box } from '../../src/box/box.ts';
import type { BoxOptions } from '../../src/box/box.ts';
import type { Profile } from '../../src/box/profiles.ts';
import { SIGKILL } from '../../src/abi/fcntl.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import type { Program, ProgramMain } from '../../src/linux/process/program.ts';
import { FifoPolicy, RandomPolicy } from '../../src/sched/policy.ts';
import type { Policy } from '../../src/sched/policy.ts';
import type { Co, Task, WaitMode } from '../../src/sched/task.ts';
import { withOneRam } from '../../src/sim/execute.ts';
import { Run } from '../../src/sim/run.ts';
import { TAS } from './tas.ts';

const host = withOneRam(nodeHost());
const KILLER = 'killer';
/** World switches after which a run counts as endless; they take a few hundred. */
const MOST_SMCS = 20_000;
/** Virtual time until `later`. */
const LATER_NS = 1_000_000;

/** Who runs next is another policy's choice, but a killer goes first: the victim sleeps still. */
class KillerFirst implements Policy {
  readonly name = 'killer first';
  readonly searching: boolean;
  readonly #policy: Policy;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.searching = policy.searching;
  }
  pick(ready: readonly Task[], last: Task | undefined): number {
    const killer = ready.findIndex(({ name }) => name === KILLER);
    return killer >= 0 ? killer : this.#policy.pick(ready, last);
  }
  choose(n: number, label: string): number {
    return this.#policy.choose(n, label);
  }
}

/** Seed 0 is first come, first served. */
const policyOf = (seed: number): Policy =>
  new KillerFirst(seed === 0 ? new FifoPolicy() : new RandomPolicy(seed));

/** A moment to kill somebody at: the first time that a program sleeps at a wait site, or a later one. */
export interface Moment {
  readonly site: string;
  /** From 1. */
  readonly nth: number;
}

/** What was seen of a wait site. */
export interface Seen {
  readonly modes: Set<WaitMode>;
  /** How often a program of the scenario slept there, or the kernel on its behalf. */
  times: number;
}

/** What a scenario is given to start its programs with. */
export class Stage {
  readonly box: Box;
  readonly run: Run;
  readonly programs: Program[] = [];
  /** By wait site. */
  readonly sites = new Map<string, Seen>();
  /** The program that was killed. */
  victim: Program | undefined;
  readonly #killAt: Moment | undefined;
  readonly #kernelTasks = new Set<Task>();

  /**
   * @param killAt the program of the scenario that sleeps there is killed while it does; when it is
   * the kernel that sleeps there, some program.
   */
  constructor(profile: Profile, options: BoxOptions, seed: number, killAt?: Moment) {
    const common = { board: SMALL, tas: TAS, profile, supplicant: 'none', trace: 'all' } as const;
    // The first that a TA which is unknown asks for is LOAD_TA.
    const config = { CFG_SECSTOR_TA: false, ...options.config };
    const quiet = { traceCapacity: 1, policy: policyOf(seed) };
    this.box = new Box(host, { ...common, ...quiet, ...options, config });
    this.run = new Run(this.box);
    this.#killAt = killAt;
    this.#countSmcs();
    this.box.trace.addSink((event) => {
      if (event.name === 'task.block') this.#blocked();
    });
  }

  /** A client: it exits with 0 when everything went as it should. */
  client(name: string, main: ProgramMain): Program {
    const program = this.run.program(name, main);
    this.programs.push(program);
    return program;
  }

  /** A tee-supplicant that can be the one that is killed. */
  supplicant(options: Parameters<Box['startSupplicant']>[0] = {}): Program {
    const program = this.box.startSupplicant(options);
    this.programs.push(program);
    return program;
  }

  /** Does something in the kernel, when the programs are under way. */
  later(name: string, body: () => Co<unknown>): void {
    const { sched } = this.box;
    const task = this.run.kernelTask(
      name,
      (function* () {
        yield* sched.sleep(LATER_NS, 'uninterruptible', 'scenario');
        yield* body();
      })(),
    );
    this.#kernelTasks.add(task);
  }

  /** The program of the scenario that runs. */
  running(): Program | undefined {
    const task = this.box.sched.current;
    return task === undefined ? undefined : this.#programOf(task);
  }

  /** A call that never sleeps does not come to rest either. */
  #countSmcs(): void {
    const { machine, opteeOs, sched } = this.box;
    let count = 0;
    machine.conduit.install({
      smc(cpu, regs) {
        count += 1;
        if (count > MOST_SMCS) throw sched.halt('internal error', `${count} SMCs and no end`);
        return opteeOs.smc(cpu, regs);
      },
    });
  }

  #blocked(): void {
    const { sched, kernel } = this.box;
    const blocked = sched.current?.blocked;
    const program = this.running();
    if (blocked === undefined || program === undefined) return;
    const { site, mode } = blocked;
    const times = this.#count(site, mode);
    const killAt = this.#killAt;
    if (site !== killAt?.site || times !== killAt.nth) return;
    this.victim = program;
    sched.spawn(
      KILLER,
      (function* () {
        kernel.processes.kill(program.pid, SIGKILL);
      })(),
    );
  }

  #count(site: string, mode: WaitMode): number {
    const seen = this.sites.get(site) ?? { modes: new Set(), times: 0 };
    this.sites.set(site, seen);
    seen.modes.add(mode);
    seen.times += 1;
    return seen.times;
  }

  #programOf(task: Task): Program | undefined {
    const ofKernel = this.#kernelTasks.has(task);
    return this.programs.find(({ process }) =>
      ofKernel
        ? process.exitStatus === undefined
        : [...process.threads].some((thread) => thread.task === task),
    );
  }
}
