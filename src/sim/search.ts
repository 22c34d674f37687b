/**
 * Search: one box after the other, each under another schedule, until as many were run as asked for
 * or there are no more. What the oracles say is gathered by what it looks like and what it comes from,
 * with the first schedule that showed it.
 */
import type { Profile } from '../box/profiles.ts';
import type { Host } from '../host/host.ts';
import { ReplayPolicy } from '../sched/policy.ts';
import { execute, withOneRam } from './execute.ts';
import type { Scenario } from './scenario.ts';
import { DEFAULT_BOUNDS, policySource } from './strategies.ts';
import type { PolicySource, Strategy } from './strategies.ts';
import { Tally } from './tally.ts';
import type { SearchResult } from './tally.ts';

export interface SearchOptions {
  readonly profile: Profile;
  readonly strategy: Strategy;
  /** Schedules at most. */
  readonly schedules: number;
  /** Of the first schedule; 1 by default. */
  readonly seed?: number;
  /** See `StrategyOptions`; by strategy when left out. */
  readonly bound?: number;
  /** Told every now and then; a search ends early when it answers `stop`. */
  readonly onProgress?: (soFar: SearchResult) => 'stop' | void;
}

/** Schedules between two turns of the outside, which also let go of the boxes. */
const TURN_EVERY = 32;

export async function search(
  host: Host,
  scenario: Scenario,
  options: SearchOptions,
): Promise<SearchResult> {
  const { profile, strategy } = options;
  const machines = withOneRam(host);
  const tally = new Tally({ scenario: scenario.name, profile, strategy });
  const next = sourceOf(machines, scenario, options);
  const startNs = host.clock.monotonicNs();
  const resultNow = (exhausted: boolean): SearchResult =>
    tally.result((host.clock.monotonicNs() - startNs) / 1e9, exhausted);
  for (let n = 0; n < options.schedules; n++) {
    const drawn = next(n);
    if (drawn === undefined) return resultNow(true);
    const verdict = execute(machines, { scenario, profile, policy: drawn.policy });
    tally.add(verdict, drawn.seed, (other) => {
      const policy = new ReplayPolicy(verdict.choices);
      return execute(machines, { scenario, profile: other, policy }).complaint;
    });
    if (n % TURN_EVERY !== 0) continue;
    await host.turn();
    if (options.onProgress?.(resultNow(false)) === 'stop') break;
  }
  return resultNow(false);
}

function sourceOf(host: Host, scenario: Scenario, options: SearchOptions): PolicySource {
  const { strategy, profile, seed = 1 } = options;
  // The run in which nothing special happens says how long runs are.
  const straight = { scenario, profile, policy: new ReplayPolicy([]) };
  const steps = strategy === 'pct' ? execute(host, straight).choices.length : 0;
  return policySource(strategy, { seed, steps, bound: options.bound ?? DEFAULT_BOUNDS[strategy] });
}
