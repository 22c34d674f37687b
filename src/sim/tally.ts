/** What a search has seen so far: how many schedules, how many different ones, and what they showed. */
import type { Profile } from '../box/profiles.ts';
import type { Verdict } from './execute.ts';
import { classOf } from './findings.ts';
import type { Complaint } from './findings.ts';
import { scheduleHash } from './schedule.ts';
import type { Strategy } from './strategies.ts';
import { Suspects } from './suspects.ts';
import type { Cause, Rerun } from './suspects.ts';

/** A kind of complaint with one cause, and the first schedule that showed it. */
export interface Finding extends Complaint {
  /** Bugs of the profile that it takes; none under a profile that has none. */
  readonly bugs: readonly string[];
  /** Number of the first schedule, from 1. */
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
  /** Schedules run. */
  readonly schedules: number;
  /** Of these, different ones. */
  readonly distinct: number;
  /** An exhaustive search has tried everything within its bound. */
  readonly exhausted: boolean;
  /** In the order of their first schedules. */
  readonly findings: readonly Finding[];
  /** Of wall-clock time. */
  readonly seconds: number;
}

interface Sample {
  readonly complaint: Complaint;
  readonly cause: Cause;
  readonly first: Pick<Finding, 'schedule' | 'distinct' | 'seed' | 'choices'>;
  count: number;
}

export interface TallyOptions {
  readonly scenario: string;
  readonly profile: Profile;
  readonly strategy: Strategy;
}

export class Tally {
  readonly #options: TallyOptions;
  readonly #suspects: Suspects;
  readonly #seen = new Set<number>();
  readonly #samples = new Map<Cause, Sample>();
  #schedules = 0;

  constructor(options: TallyOptions) {
    this.#options = options;
    this.#suspects = new Suspects(options.profile);
  }

  /** @param rerun the same schedule under another profile. */
  add({ choices, complaint }: Verdict, seed: number | undefined, rerun: Rerun): void {
    this.#schedules += 1;
    this.#seen.add(scheduleHash(choices));
    if (complaint === undefined) return;
    const cause = this.#suspects.causeOf(complaint, rerun);
    const sample = this.#samples.get(cause);
    if (sample !== undefined) {
      sample.count += 1;
      return;
    }
    const first = { schedule: this.#schedules, distinct: this.#seen.size, seed, choices };
    this.#samples.set(cause, { complaint, cause, first, count: 1 });
  }

  result(seconds: number, exhausted: boolean): SearchResult {
    const { scenario, profile, strategy } = this.#options;
    return {
      scenario,
      profile: profile.name,
      strategy,
      schedules: this.#schedules,
      distinct: this.#seen.size,
      exhausted,
      findings: merged([...this.#samples.values()]),
      seconds,
    };
  }
}

/**
 * A cause of more bugs than another one that looks the same is that other one, in a schedule that
 * some bug besides has changed.
 */
function merged(samples: readonly Sample[]): readonly Finding[] {
  const findings = new Map<Sample, Finding>();
  for (const sample of samples.toSorted((a, b) => a.cause.bugs.length - b.cause.bugs.length)) {
    const { complaint, cause, first, count } = sample;
    const same = [...findings.keys()].find((other) => explains(other, sample));
    const known = same && findings.get(same);
    if (known !== undefined) findings.set(same!, { ...known, count: known.count + count });
    else findings.set(sample, { ...complaint, ...first, bugs: cause.bugs, count });
  }
  return [...findings.values()].sort((a, b) => a.schedule - b.schedule);
}

const explains = (one: Sample, other: Sample): boolean =>
  classOf(one.complaint) === classOf(other.complaint) &&
  one.cause.bugs.every((bug) => other.cause.bugs.includes(bug));
