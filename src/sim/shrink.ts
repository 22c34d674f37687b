/**
 * Makes the schedule of a finding small: choices are set to 0 (nothing special happens, the task goes
 * on that ran) in ever smaller pieces, as long as the same finding comes out. What is left is what it
 * takes. Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002.
 */
import type { Profile } from '../box/profiles.ts';
import type { Host } from '../host/host.ts';
import { ReplayPolicy } from '../sched/policy.ts';
import { execute, withOneRam } from './execute.ts';
import { classOf } from './findings.ts';
import type { Complaint } from './findings.ts';
import type { Scenario } from './scenario.ts';

/** Replays at most. */
const BUDGET = 600;

/** @returns choices that show the same finding, most of them 0 and without zeros at the end. */
export function shrink(
  host: Host,
  scenario: Scenario,
  profile: Profile,
  complaint: Complaint,
  choices: readonly number[],
): readonly number[] {
  const machines = withOneRam(host);
  const wanted = classOf(complaint);
  let left = BUDGET;
  const shows = (candidate: readonly number[]): boolean => {
    left -= 1;
    const policy = new ReplayPolicy(candidate);
    const shown = execute(machines, { scenario, profile, policy }).complaint;
    return shown !== undefined && classOf(shown) === wanted;
  };
  let best = withoutEnd(choices);
  for (let size = best.length; size >= 1 && left > 0; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length && left > 0; at += size) {
      for (const change of [without, zeroed]) {
        const candidate = withoutEnd(change(best, at, size));
        if (isSmaller(candidate, best) && shows(candidate)) best = candidate;
      }
    }
  }
  return best;
}

const without = (choices: readonly number[], at: number, size: number): readonly number[] =>
  choices.toSpliced(at, size);

const zeroed = (choices: readonly number[], at: number, size: number): readonly number[] =>
  choices.map((choice, n) => (n >= at && n < at + size ? 0 : choice));

function withoutEnd(choices: readonly number[]): readonly number[] {
  return choices.slice(0, choices.findLastIndex((choice) => choice !== 0) + 1);
}

const special = (choices: readonly number[]): number =>
  choices.filter((choice) => choice !== 0).length;

function isSmaller(a: readonly number[], b: readonly number[]): boolean {
  return a.length < b.length || (a.length === b.length && special(a) < special(b));
}
