/**
 * One run of a scenario, under one schedule: the box, and what the parts of a scenario start on it.
 * Everything is stepped synchronously; a run ends when nothing can run any more and no timer is left.
 */
import { SIGKILL } from '../abi/fcntl.ts';
import type { Box } from '../box/box.ts';
import { Program } from '../linux/process/program.ts';
import type { ProgramMain } from '../linux/process/program.ts';
import type { Co, Task } from '../sched/task.ts';
import type { TeeSupplicantOptions } from '../userland/tee-supplicant/tee-supplicant.ts';
import { POOLS } from './faults.ts';

/** Steps after which a run counts as endless; they take a few hundred on the way to a rest. */
const MOST_STEPS = 100_000;
/** Steps of its own that a fault lets pass before it strikes, at most. */
const MOST_DELAY = 64;

/** A run that does not come to rest. */
export class EndlessRun extends Error {
  constructor() {
    super(`still running after ${MOST_STEPS} steps`);
    this.name = 'EndlessRun';
  }
}

/**
 * The box that ran last. V8 forgets the shape of objects when none of them is left, and with it the
 * code that it has optimized for them: a search is half as fast when each box goes before the next.
 */
const kept: { box: Box | undefined } = { box: undefined };

export class Run {
  readonly box: Box;
  /** Tasks of the system itself, which were there before the scenario. */
  readonly ofSystem: ReadonlySet<Task>;
  readonly daemons: Program[] = [];
  /** What parts of the scenario were told that cannot be. */
  readonly wrongAnswers: string[] = [];
  readonly #lastOrders: (() => void)[] = [];

  /** Takes over the box's loop: nothing runs until `settle`. */
  constructor(box: Box) {
    this.box = box;
    kept.box = box;
    box.sched.ownLoop(() => {});
    this.ofSystem = new Set(box.sched.tasks);
  }

  /** A number from 0 to n-1, where 0 is nothing special. */
  choose(n: number, label: string): number {
    return this.box.sched.choose(n, label);
  }

  /** One of several, the first being nothing special. */
  oneOf<T>(items: readonly T[], label: string): T {
    return items[this.choose(items.length, label)]!;
  }

  // --- who is there
  /** A program of root's that has to come to an end. */
  program(name: string, main: ProgramMain): Program {
    return Program.start(this.box.kernel, { name }, main);
  }

  /** A program that serves others, and may go on for ever. */
  daemon(name: string, main: ProgramMain): Program {
    return this.#keep(Program.start(this.box.kernel, { name, daemon: true }, main));
  }

  /** The TypeScript tee-supplicant. */
  supplicant(options: Partial<TeeSupplicantOptions> = {}): Program {
    return this.#keep(this.box.startSupplicant(options));
  }

  #keep(daemon: Program): Program {
    this.daemons.push(daemon);
    return daemon;
  }

  /** Code of the kernel, on a task of its own that has to come to an end. */
  kernelTask(name: string, body: Co<unknown>): Task {
    return this.box.sched.spawn(name, body);
  }

  /** Somebody's call succeeded, and what it should have done is not done. */
  wrongAnswer(text: string): void {
    this.wrongAnswers.push(text);
  }

  // --- what goes wrong
  /** Somebody, or nobody, is killed at some moment. */
  killSomebody(victims: readonly Program[]): void {
    const victim = this.oneOf([undefined, ...victims], 'kill');
    if (victim === undefined) return;
    const { kernel } = this.box;
    this.#fault(`kill ${victim.process.name}`, function* () {
      kernel.processes.kill(victim.pid, SIGKILL);
    });
  }

  /** Perhaps a pool of the secure world is full for a while. */
  fillPool(): void {
    const pool = this.oneOf([undefined, undefined, ...POOLS], 'pool to fill');
    if (pool === undefined) return;
    const [name, take] = pool;
    const { box } = this;
    const wait = (): Co<void> => this.#delay(`free the ${name}`);
    this.#fault(`fill the ${name}`, function* () {
      const giveBack = take(box);
      yield* wait();
      giveBack();
    });
  }

  #fault(name: string, strike: () => Co<void>): void {
    const delay = (): Co<void> => this.#delay(name);
    this.box.sched.spawn(
      name,
      (function* () {
        yield* delay();
        yield* strike();
      })(),
    );
  }

  *#delay(label: string): Co<void> {
    for (let n = this.choose(MOST_DELAY, label); n > 0; n--) yield* this.box.sched.point();
  }

  // --- the end
  /** Calls `fn` when the scenario has come to rest: who is hostile behaves from then on. */
  atLastOrders(fn: () => void): void {
    this.#lastOrders.push(fn);
  }

  lastOrders(): void {
    for (const fn of this.#lastOrders) fn();
  }

  /**
   * Steps the box until nothing can run and no timer is left, or it has stopped.
   * @throws EndlessRun; Error for a scenario that is not synchronous.
   */
  settle(): void {
    const { sched } = this.box;
    const state = sched.runReady(true, MOST_STEPS);
    if (state === 'endless') throw new EndlessRun();
    if (state === 'host') {
      const name = sched.awaited?.name ?? 'a task';
      throw new Error(`${name} awaits a promise: a scenario must not, nor its TAs`);
    }
  }
}
