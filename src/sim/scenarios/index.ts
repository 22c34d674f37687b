/** The scenarios that the command line knows. */
import type { Scenario } from '../scenario.ts';
import { BUILTIN_SUPPLICANT } from './builtin-supplicant.ts';
import { CANARY, LOCKED_CANARY } from './canary.ts';
import { SUPPLICANT } from './supplicant.ts';
import { THREADS } from './threads.ts';

export const SCENARIOS: readonly Scenario[] = [
  SUPPLICANT,
  BUILTIN_SUPPLICANT,
  THREADS,
  CANARY,
  LOCKED_CANARY,
];

export const findScenario = (name: string): Scenario | undefined =>
  SCENARIOS.find((scenario) => scenario.name === name);
