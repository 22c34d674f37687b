/**
 * Search: one box after the other, each under another schedule, until as many were run as asked for
 * or there are no more. What the oracles say is gathered by class: the first schedule that showed it
 * and how many did.
 */
import type { Profile } from '../box/profiles.ts';
import type { Host } from '../host/host.ts';
import { ReplayPolicy } from '../sched/policy.ts';
import { execute, withOneRam } from './execute.ts';
import type { Verdict } from './execute.ts';
import { classOf } from './findings.ts';
import type { Complaint } from './findings.ts';
import type { Scenario } from './scenario.ts';
import { scheduleHash } from './schedule.ts';
import { DEFAULT_BOUNDS, policySource } from './strategies.ts';
import type { PolicySource, Strategy } from './strategies.ts';

export interface SearchOptions {
  readonly profile: Profile;
  readonly strategy: Strategy;
  /** Schedules at most. */
  readonly schedules: number;
  /** Of the first schedule; 1 by default. */
  readonly seed?: number;
  /** See `StrategyOptions`; by strategy when left out. */
  readonly bound?: number;
  /** Ends the search early: asked after each schedule. */
  readonly enough?: (result: SearchResult) => boolean;
  /** Told every now and then. */
  readonly onProgress?: (result: SearchResult) => void;
}

/** A kind of complaint with one cause, and the first schedule that showed it. */
export interface Finding extends Complaint {
  /** Bugs of the profile without which it would not be there; none under one that has none. */
  readonly bugs: readonly string[];
  /** Number of that schedule, from 1. */
  readonly schedule: number;
  /** Different schedules up to and with that one. */
  readonly distinct: number;
  /** Where a seed is all that a replay needs. */
  readonly seed: number | undefined;
  readonly choices: readonly number[];
  /** Schedules that showed it. */
  readonly count: number;
}

export interface SearchResult {
  readonly scenario: string;
  readonly profile: string;
  readonly strategy: Strategy;
  /** Run so far. */
  schedules: number;
  /** Of these, different ones. */
  distinct: number;
  /** True when an exhaustive search has tried everything within its bound. */
  exhausted: boolean;
  readonly findings: Finding[];
  /** Of wall-clock time. */
  seconds: number;
}

/** Schedules between two turns of the outside, which also let go of the boxes. */
const TURN_EVERY = 32;

export async function search(
  host: Host,
  scenario: Scenario,
  options: SearchOptions,
): Promise<SearchResult> {
  const machines = withOneRam(host);
  const tally = new Tally(scenario, options);
  const next = sourceOf(machines, scenario, options);
  const startNs = host.clock.monotonicNs();
  const { result } = tally;
  for (let n = 0; n < options.schedules; n++) {
    const drawn = next(n);
    if (drawn === undefined) {
      result.exhausted = true;
      break;
    }
    const { policy, seed } = drawn;
    tally.add(execute(machines, { scenario, profile: options.profile, policy }), seed);
    if (n % TURN_EVERY === 0) await host.turn();
    result.seconds = (host.clock.monotonicNs() - startNs) / 1e9;
    options.onProgress?.(result);
    if (options.enough?.(result) === true) break;
  }
  return result;
}

function sourceOf(host: Host, scenario: Scenario, options: SearchOptions): PolicySource {
  const { strategy, profile, seed = 1 } = options;
  // The run without any preemption says how long runs are.
  const straight = { scenario, profile, policy: new ReplayPolicy([]) };
  const steps = strategy === 'pct' ? execute(host, straight).choices.length : 0;
  return policySource(strategy, { seed, steps, bound: options.bound ?? DEFAULT_BOUNDS[strategy] });
}

/** The result in the making. */
class Tally {
  readonly result: SearchResult;
  readonly #seen = new Set<number>();
  readonly #suspects: Suspects;
  readonly #byCause = new Map<object, Record>();

  constructor(scenario: Scenario, { profile, strategy }: SearchOptions) {
    this.#suspects = new Suspects(profile);
    this.result = {
      scenario: scenario.name,
      profile: profile.name,
      strategy,
      schedules: 0,
      distinct: 0,
      exhausted: false,
      findings: [],
      seconds: 0,
    };
  }

  add({ choices, complaint }: Verdict, seed: number | undefined, rerun: Rerun): void {
    const { result } = this;
    result.schedules += 1;
    this.#seen.add(scheduleHash(choices));
    result.distinct = this.#seen.size;
    if (complaint === undefined) return;
    const cause = this.#suspects.causeOf(complaint, rerun);
    const known = this.#byCause.get(cause);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const { schedules, distinct } = result;
    const finding = new Record(complaint, cause, { schedule: schedules, distinct, seed, choices });
    this.#byCause.set(cause, finding);
    result.findings.push(finding);
  }
}
