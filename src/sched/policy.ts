/**
 * Who runs next, and every other choice that a run makes. A policy is three methods, as in
 * shuttle: a new execution, the next task, the next number.
 * Policies: fifo (live runs), seeded random, PCT (Burckhardt et al., ASPLOS 2010), bounded
 * exhaustive (depth first over all choices), replay.
 */
import { SeededRandom } from './random.ts';
import type { RandomSource } from './random.ts';
import type { Task } from './task.ts';

export interface Policy {
  readonly name: string;
  /** A searching policy also gets a choice at each preemption point. */
  readonly searching: boolean;
  /**
   * Index into `ready` of the task to run; called only when there are two or more.
   * @param last the task that ran before, when it is among `ready` at a preemption point.
   */
  pick(ready: readonly Task[], last: Task | undefined): number;
  /** A number from 0 to n-1 for something else that may go either way; 0 is "nothing special". */
  choose(n: number, label: string): number;
}

/** First come, first served; other choices come from the random source. */
export class FifoPolicy implements Policy {
  readonly name = 'fifo';
  readonly searching = false;
  pick(): number {
    return 0;
  }
  choose(): number {
    return 0;
  }
}

/** Every choice is drawn from a seed. */
export class RandomPolicy implements Policy {
  readonly name = 'random';
  readonly searching: boolean;
  readonly #random: RandomSource;
  constructor(seed: number, searching = true) {
    this.#random = new SeededRandom(seed);
    this.searching = searching;
  }
  pick(ready: readonly Task[]): number {
    return this.#random.below(ready.length);
  }
  choose(n: number): number {
    return this.#random.below(n);
  }
}

/**
 * Probabilistic concurrency testing: random priorities, the highest runs, and at `depth - 1` random
 * steps out of `steps` the running task drops below all others. Finds a bug of depth d with
 * probability of at least 1 / (tasks · steps^(d-1)).
 */
export class PctPolicy implements Policy {
  readonly name = 'pct';
  readonly searching = true;
  readonly #random: SeededRandom;
  readonly #changes: Set<number>;
  #step = 0;
  #lowest = 0;

  constructor(seed: number, depth: number, steps: number) {
    this.#random = new SeededRandom(seed);
    this.#changes = new Set(
      Array.from({ length: Math.max(0, depth - 1) }, () => this.#random.below(steps)),
    );
  }

  pick(ready: readonly Task[]): number {
    for (const task of ready) {
      if (task.priority === 0) task.priority = 1 + this.#random.below(0x3fffffff);
    }
    let best = 0;
    for (let i = 1; i < ready.length; i++) {
      if (ready[i]!.priority > ready[best]!.priority) best = i;
    }
    if (this.#changes.has(this.#step++)) {
      this.#lowest -= 1;
      ready[best]!.priority = this.#lowest;
      return this.pick(ready);
    }
    return best;
  }

  choose(n: number): number {
    return this.#random.below(n);
  }
}

/** Repeats recorded choices; past their end the first is taken, so that a prefix is a schedule too. */
export class ReplayPolicy implements Policy {
  readonly name = 'replay';
  readonly searching: boolean;
  readonly #choices: readonly number[];
  #at = 0;
  constructor(choices: readonly number[], searching = true) {
    this.#choices = choices;
    this.searching = searching;
  }
  #next(n: number): number {
    const choice = this.#choices[this.#at++] ?? 0;
    return Math.min(choice, n - 1);
  }
  pick(ready: readonly Task[], last: Task | undefined): number {
    return fromLast(this.#next(ready.length), ready, last);
  }
  choose(n: number): number {
    return this.#next(n);
  }
}

/**
 * Depth-first over all choice sequences. Choice 0 at a preemption point means "go on with the same
 * task", so that the first execution has no preemption and a bound on preemptions cuts the tree.
 * One object serves all executions of a search: `begin()` before each.
 */
export class ExhaustivePolicy implements Policy {
  readonly name = 'exhaustive';
  readonly searching = true;
  readonly #maxPreemptions: number;
  readonly #maxDepth: number;
  readonly #path: { choice: number; readonly of: number }[] = [];
  #at = 0;
  #preemptions = 0;
  #started = false;

  /** @param maxPreemptions switches away from a task that could have gone on. */
  constructor(maxPreemptions: number, maxDepth = 100_000) {
    this.#maxPreemptions = maxPreemptions;
    this.#maxDepth = maxDepth;
  }

  /** Moves on to the next unexplored sequence; false when the space is exhausted. */
  begin(): boolean {
    this.#at = 0;
    this.#preemptions = 0;
    if (!this.#started) {
      this.#started = true;
      return true;
    }
    for (let last = this.#path.at(-1); last !== undefined; last = this.#path.at(-1)) {
      if (last.choice + 1 < last.of) {
        last.choice += 1;
        return true;
      }
      this.#path.pop();
    }
    return false;
  }

  /** @throws Error when an execution does not repeat what an earlier one did. */
  #next(of: number): number {
    if (this.#at >= this.#maxDepth) return 0;
    const step = (this.#path[this.#at] ??= { choice: 0, of });
    if (step.of !== of) {
      throw new Error(
        `choice ${this.#at} was one of ${step.of} and is now one of ${of}: something that is no choice decided`,
      );
    }
    this.#at += 1;
    return step.choice;
  }

  pick(ready: readonly Task[], last: Task | undefined): number {
    if (last !== undefined && this.#preemptions >= this.#maxPreemptions) {
      return ready.indexOf(last);
    }
    const choice = this.#next(ready.length);
    if (last !== undefined && choice !== 0) this.#preemptions += 1;
    return fromLast(choice, ready, last);
  }

  choose(n: number): number {
    return this.#next(n);
  }
}

/** Turns a choice that counts from the task that ran last into an index of `ready`. */
function fromLast(choice: number, ready: readonly Task[], last: Task | undefined): number {
  const first = last === undefined ? -1 : ready.indexOf(last);
  if (first <= 0) return choice;
  return choice === 0 ? first : choice <= first ? choice - 1 : choice;
}

/** The other direction, for recording: what a replay must be told to pick `index`. */
export function toLast(index: number, ready: readonly Task[], last: Task | undefined): number {
  const first = last === undefined ? -1 : ready.indexOf(last);
  if (first <= 0) return index;
  return index === first ? 0 : index < first ? index + 1 : index;
}
