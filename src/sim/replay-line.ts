/** The one line that shows a finding again. */
import { encodeChoices } from './schedule.ts';
import type { Finding } from './tally.ts';

export interface Searched {
  readonly scenario: string;
  /** The profile's name on the command line, and whether its bugs were off. */
  readonly profile: string;
  readonly fixed: boolean;
}

export function replayLine(
  { scenario, profile, fixed }: Searched,
  { seed, choices }: Pick<Finding, 'seed' | 'choices'>,
): string {
  const how =
    seed === undefined
      ? `--choices ${encodeChoices(choices) || '0'}`
      : `--policy random --seed ${seed}`;
  return `npx teebox replay ${scenario} --profile ${profile}${fixed ? ' --fixed' : ''} ${how}`;
}
