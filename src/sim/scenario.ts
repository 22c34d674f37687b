/**
 * A scenario: who is there and what they do, without a word on who runs when. The scheduler's policy
 * decides that, and everything that the parts of a scenario draw with `run.choose`: arguments, faults
 * and deaths are choices like any other, recorded and replayed with them.
 */
import type { BoxOptions } from '../box/box.ts';
import type { Host } from '../host/host.ts';
import type { Run } from './run.ts';

/** What a scenario says about its box. Profile, policy, seed and trace are the search's. */
export type ScenarioBoot = Pick<BoxOptions, 'board' | 'config' | 'tas' | 'taStore' | 'supplicant'>;

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  boot(host: Host): ScenarioBoot;
  /** Starts programs, kernel clients and faults on a box that has just booted. */
  start(run: Run): void;
}
