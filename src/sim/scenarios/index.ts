/** The scenarios that the command line knows. */
import type { Scenario } from '../scenario.ts';
import { CANARY, LOCKED_CANARY } from './canary.ts';
import { SUPPLICANT } from './supplicant.ts';

export const SCENARIOS: readonly Scenario[] = [SUPPLICANT, CANARY, LOCKED_CANARY];
