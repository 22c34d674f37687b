/** Is the search itself alive? The canary must be found, by every strategy and soon. */
import { DEFAULT_PROFILE, PROFILES } from '../box/profiles.ts';
import type { Host } from '../host/host.ts';
import type { Scenario } from './scenario.ts';
import { CANARY } from './scenarios/canary.ts';
import { search } from './search.ts';
import type { Strategy } from './strategies.ts';
import type { Finding } from './tally.ts';

/** Schedules within which each strategy finds the canary. */
const SOON = 200;

/** A search that does not find the race that is there on purpose: it would not find another. */
export class CanaryNotFound extends Error {
  constructor(strategy: Strategy, schedules: number) {
    super(`the ${strategy} search did not find its canary in ${schedules} schedules`);
    this.name = 'CanaryNotFound';
  }
}

/** @throws CanaryNotFound */
export async function findCanary(
  host: Host,
  strategy: Strategy,
  canary: Scenario = CANARY,
): Promise<Finding> {
  const profile = PROFILES[DEFAULT_PROFILE];
  const { findings, schedules } = await search(host, canary, {
    profile,
    strategy,
    schedules: SOON,
    onProgress: (soFar) => (soFar.findings.length > 0 ? 'stop' : undefined),
  });
  const [found] = findings;
  if (found === undefined) throw new CanaryNotFound(strategy, schedules);
  return found;
}
