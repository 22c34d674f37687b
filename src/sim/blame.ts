/**
 * What a finding hangs on: the same choices are run again under the same profile with ever fewer of
 * upstream's bugs, as long as the finding comes out. What is left at the end is to blame. Up to the
 * moment where a bug that was taken away would have shown, both runs are the same; after it the
 * choices mean something else, so that a set may come out larger than need be, never smaller.
 */
import type { Profile } from '../box/profiles.ts';
import { minimize } from './minimize.ts';

/** The parts of a profile that are tables of switches. */
const ROOMS = ['process', 'tee', 'optee', 'opteeOs', 'userland'] as const;

const isBug = ([name, value]: readonly [string, unknown]): boolean =>
  name.startsWith('quirk') && value === true;

/** Names of the bugs that a profile has. */
export const bugsOf = (profile: Profile): readonly string[] =>
  ROOMS.flatMap((room) => Object.entries(profile[room]).filter(isBug)).map(([name]) => name);

/** The same profile with no other bugs than these. */
export function withOnly(profile: Profile, bugs: ReadonlySet<string>): Profile {
  const tables = ROOMS.map((room) => {
    const switches = Object.entries(profile[room]).map((row): [string, unknown] => [
      row[0],
      isBug(row) ? bugs.has(row[0]) : row[1],
    ]);
    return [room, Object.fromEntries(switches)];
  });
  return { ...profile, ...Object.fromEntries(tables) };
}

/** @param shows whether the finding comes out under a profile. */
export const blame = (profile: Profile, shows: (profile: Profile) => boolean): readonly string[] =>
  minimize(bugsOf(profile), (bugs) => shows(withOnly(profile, new Set(bugs))));
