/**
 * What a finding hangs on: the same choices are run again under the same profile with ever fewer of
 * upstream's bugs, as long as the finding comes out. What is left at the end is to blame. Up to the
 * moment where a bug that was taken away would have shown, both runs are the same; after it the
 * choices mean something else, so that a set may come out larger than need be, never smaller.
 */
import type { Profile } from '../box/profiles.ts';
import { minimize } from './minimize.ts';

type Switches = readonly (readonly [name: string, value: unknown])[];

/** The parts of a profile that are tables of switches. */
function switchesOf(profile: Profile): readonly (readonly [room: string, switches: Switches])[] {
  return Object.entries(profile)
    .filter(([, part]) => typeof part === 'object')
    .map(([room, part]) => [room, Object.entries(part)]);
}

/** Names of the bugs that a profile could have: `quirk…`, each with its room. */
export const quirksOf = (profile: Profile): readonly (readonly [room: string, name: string])[] =>
  switchesOf(profile).flatMap(([room, switches]) =>
    switches.filter(([name]) => name.startsWith('quirk')).map(([name]) => [room, name] as const),
  );

const isBug = ([name, value]: readonly [string, unknown]): boolean =>
  name.startsWith('quirk') && value === true;

/** Names of the bugs that a profile has. */
export const bugsOf = (profile: Profile): readonly string[] =>
  switchesOf(profile).flatMap(([, switches]) => switches.filter(isBug).map(([name]) => name));

/** The same profile with no other bugs than these. */
export function withOnly(profile: Profile, bugs: ReadonlySet<string>): Profile {
  const tables = switchesOf(profile).map(([room, switches]) => {
    const kept = switches.map((row) => [row[0], isBug(row) ? bugs.has(row[0]) : row[1]]);
    return [room, Object.fromEntries(kept)];
  });
  return { ...profile, ...Object.fromEntries(tables) };
}

/** @param shows whether the finding comes out under a profile. */
export const blame = (profile: Profile, shows: (profile: Profile) => boolean): readonly string[] =>
  minimize(bugsOf(profile), (bugs) => shows(withOnly(profile, new Set(bugs))));
