/** A case that shows what one switch of an upstream bug does. */
import type { Profile, ProfileName } from '../../src/index.ts';
import { bugsOf, quirksOf, withOnly } from '../../src/sim/blame.ts';

/** `room.switch`, as in a profile. */
export type QuirkName = {
  [R in Room]: `${R}.${Extract<keyof Profile[R], `quirk${string}`>}`;
}[Room];
type Room = Exclude<keyof Profile, 'name' | 'release'>;

export interface QuirkCase {
  readonly quirk: QuirkName;
  /** What happens, in a few words. */
  readonly shows: string;
  /** On a box of its own. */
  observe(profile: Profile): unknown;
  readonly on: unknown;
  readonly off: unknown;
  /** Profiles in which the bug cannot be met, and why. */
  readonly notIn?: Partial<Record<ProfileName, string>>;
}

const parts = (quirk: QuirkName): readonly string[] => quirk.split('.');

/** Every switch of a profile that is named `quirk…`. */
export const namesOf = (profile: Profile): readonly string[] =>
  quirksOf(profile).map(([room, name]) => `${room}.${name}`);

export const isOn = (profile: Profile, quirk: QuirkName): boolean =>
  bugsOf(profile).includes(parts(quirk)[1]!);

/** The same profile with one bug less. */
export function without(profile: Profile, quirk: QuirkName): Profile {
  const [, name] = parts(quirk);
  return withOnly(profile, new Set(bugsOf(profile).filter((bug) => bug !== name)));
}
