/**
 * Where the schedules of a search come from: one policy for each run, and how to name it in a replay
 * line. The policies themselves are the scheduler's.
 */
import { ExhaustivePolicy, PctPolicy, RandomPolicy } from '../sched/policy.ts';
import type { Policy } from '../sched/policy.ts';

export const STRATEGIES = ['random', 'pct', 'exhaustive'] as const;
export type Strategy = (typeof STRATEGIES)[number];

export const isStrategy = (name: string): name is Strategy =>
  STRATEGIES.some((strategy) => strategy === name);

export interface StrategyOptions {
  /** Seed of the first schedule; each further one counts up. */
  readonly seed: number;
  /** pct: depth of the bugs that are looked for; exhaustive: preemptions at most. */
  readonly bound: number;
  /** pct: choices that a run makes, about. */
  readonly steps: number;
}

/** The policy of one schedule; `seed` names it where a seed is all it takes. */
export interface Drawn {
  readonly policy: Policy;
  readonly seed: number | undefined;
}

/** Gives the policy of the n-th schedule, from 0; undefined when there are no more. */
export type PolicySource = (n: number) => Drawn | undefined;

export const DEFAULT_BOUNDS: Readonly<Record<Strategy, number>> = {
  random: 0,
  pct: 3,
  exhaustive: 2,
};

const SOURCES: Readonly<Record<Strategy, (options: StrategyOptions) => PolicySource>> = {
  random:
    ({ seed }) =>
    (n) => ({ policy: new RandomPolicy(seed + n), seed: seed + n }),
  pct:
    ({ seed, bound, steps }) =>
    (n) => ({
      policy: new PctPolicy(seed + n, bound, steps),
      seed: undefined,
    }),
  exhaustive: ({ bound }) => {
    const policy = new ExhaustivePolicy(bound);
    return () => (policy.begin() ? { policy, seed: undefined } : undefined);
  },
};

export const policySource = (strategy: Strategy, options: StrategyOptions): PolicySource =>
  SOURCES[strategy](options);
