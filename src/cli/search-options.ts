/** Options that `explore` and `replay` share: which scenario, on what kernel. */
import type { ParseArgsConfig } from 'node:util';
import { DEFAULT_PROFILE, PROFILES, isProfileName, withoutQuirks } from '../box/profiles.ts';
import type { Profile, ProfileName } from '../box/profiles.ts';
import type { Scenario } from '../sim/scenario.ts';
import { SCENARIOS, findScenario } from '../sim/scenarios/index.ts';
import { parseArguments, wholeNumberOf } from './arguments.ts';
import { UsageError } from './command.ts';

export interface SubjectOptions {
  readonly scenario: Scenario;
  readonly profileName: ProfileName;
  readonly fixed: boolean;
  readonly profile: Profile;
}

const SUBJECT = {
  profile: { type: 'string' },
  fixed: { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

export const SUBJECT_USAGE = [
  `  SCENARIO         ${SCENARIOS.map(({ name }) => name).join(', ')}`,
  `  --profile NAME   ${Object.keys(PROFILES).join(', ')}`,
  "  --fixed          the profile without upstream's bugs",
].join('\n');

export type Values = Readonly<Record<string, string | boolean | undefined>>;

/** @param own options of one command beside the shared ones. */
export function parseSubject(
  args: readonly string[],
  own: NonNullable<ParseArgsConfig['options']>,
): { subject: SubjectOptions; values: Values } {
  const { values, positionals } = parse(args, { ...SUBJECT, ...own });
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) throw new UsageError(`one scenario\n${SUBJECT_USAGE}`);
  const scenario = findScenario(name);
  if (scenario === undefined) throw new UsageError(`no scenario ${name}\n${SUBJECT_USAGE}`);
  const profileName = values['profile'] ?? DEFAULT_PROFILE;
  if (typeof profileName !== 'string' || !isProfileName(profileName)) {
    throw new UsageError(`no profile ${profileName}: ${Object.keys(PROFILES).join(', ')}`);
  }
  const fixed = values['fixed'] === true;
  const profile = fixed ? withoutQuirks(PROFILES[profileName]) : PROFILES[profileName];
  return { subject: { scenario, profileName, fixed, profile }, values };
}

function parse(
  args: readonly string[],
  options: NonNullable<ParseArgsConfig['options']>,
): { values: Values; positionals: readonly string[] } {
  const config = { args: [...args], options, allowPositionals: true };
  const { values, positionals } = parseArguments(config);
  return { values: values as Values, positionals };
}

/** A whole number from 0. */
export function wholeNumber(values: Values, name: string): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const number = wholeNumberOf(String(text));
  if (number !== undefined) return number;
  throw new UsageError(`--${name} ${String(text)}: a whole number is needed`);
}

/** --seed: generators take 32 bits of it. @returns 1 without the option */
export function seedOf(values: Values): number {
  const seed = wholeNumber(values, 'seed') ?? 1;
  if (seed < 2 ** 32) return seed;
  throw new UsageError(`--seed ${String(values['seed'])}: less than 2^32 is needed`);
}
