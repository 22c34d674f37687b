/**
 * The loop around a scheduler: for boxes with async bodies, promises of the host, or timers of a
 * live clock. It starts by itself when work appears, unless somebody owns it (the supervisor of
 * native programs, a search that steps the box synchronously).
 */
import type { Clock } from './clock.ts';
import type { Halt } from './halt.ts';
import type { Task } from './task.ts';

/** What the loop needs of its scheduler. */
export interface Driven {
  readonly clock: Clock;
  readonly halted: Halt | undefined;
  readonly awaited: Task | undefined;
  readonly nextTimerNs: number | undefined;
  runReady(jump: boolean, most: number): 'idle' | 'host' | 'halted' | 'endless';
  resumeAwaited(): void;
  releaseAwaited(whenSettled: Promise<void>): void;
  settleHalted(): void;
}

/** The turns of the outside's event loop; a Host has them. */
export interface Outside {
  turn(): Promise<void>;
  after(ms: number, fn: () => void): () => void;
}

/** How long an async body may go without settling before its await counts as foreign. */
const FOREIGN_TURNS = 8;
const FOREIGN_MICROTASKS = 64;

/** A box that never rests, like one with a wait that a signal keeps ending, leaves the outside its turn. */
const STEPS_PER_TURN = 100_000;

/** Until the outside gets its turn it holds this, not the box: searches make many in one turn. */
interface Start {
  loop: Loop | undefined;
}

function startLater(start: Start): void {
  void Promise.resolve().then(() => start.loop?.drive());
}

export class Loop {
  readonly #sched: Driven;
  readonly #outside: Outside;
  /** Set while the loop runs. */
  #driving: Promise<void> | undefined;
  #owned = false;
  /** Something became ready while the loop was about to end. */
  #again = false;
  #wake: (() => void) | undefined;
  /** A start that the outside has been asked for and has not made. */
  #start: Start | undefined;

  constructor(sched: Driven, outside: Outside) {
    this.#sched = sched;
    this.#outside = outside;
  }

  /** @param wake called when there is something to run. */
  own(wake: () => void): void {
    this.#owned = true;
    this.#wake = wake;
    if (this.#start !== undefined) this.#start.loop = undefined;
  }

  /** There is something to run. */
  kick(): void {
    this.#again = true;
    if (this.#driving !== undefined || this.#owned) this.#wake?.();
    else if (this.#start === undefined) {
      this.#start = { loop: this };
      startLater(this.#start);
    }
  }

  /** Resolves when nothing is left to do, also for those who come while it runs. */
  drive(): Promise<void> {
    this.#start = undefined;
    if (this.#owned) return Promise.resolve();
    if (this.#driving !== undefined) return this.#driving;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#driving = promise;
    this.#run().then(resolve, reject);
    return promise;
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#again = false;
        await this.#untilIdle();
      } while (this.#again && this.#sched.halted === undefined);
    } finally {
      this.#driving = undefined;
      this.#wake = undefined;
      this.#sched.settleHalted();
    }
  }

  /** Waits for the promise of an async body; one that nothing in the box settles is foreign. */
  async settleHost(): Promise<void> {
    const task = this.#sched.awaited;
    if (task?.hostWait === undefined) return;
    let settled = false;
    const settling = Promise.resolve(task.hostWait).then(() => {
      settled = true;
    });
    for (let i = 0; i < FOREIGN_MICROTASKS && !settled; i++) await Promise.resolve();
    for (let i = 0; i < FOREIGN_TURNS && !settled; i++) await this.#outside.turn();
    if (!settled && task.onForeign === 'wait') this.#sched.releaseAwaited(settling);
    else this.#sched.resumeAwaited();
  }

  async #untilIdle(): Promise<void> {
    const { clock } = this.#sched;
    for (;;) {
      const state = this.#sched.runReady(true, STEPS_PER_TURN);
      if (state === 'halted') return;
      const next = this.#sched.nextTimerNs;
      if (state === 'endless') await this.#outside.turn();
      else if (state === 'host') await this.settleHost();
      else if (clock.live && next !== undefined) await this.#sleepUntil(next);
      else return;
    }
  }

  async #sleepUntil(atNs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const ms = Math.max(0, (atNs - this.#sched.clock.nowNs()) / 1e6);
      const cancel = this.#outside.after(Math.ceil(ms), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
