/** A case that shows what one switch of an upstream bug does. */
import type { Profile, ProfileName } from '../../src/index.ts';

/** `room.switch`, as in a profile. */
export type QuirkName = {
  [R in Room]: `${R}.${Extract<keyof Profile[R], `quirk${string}`>}`;
}[Room];
export type Room = 'process' | 'tee' | 'optee' | 'opteeOs' | 'userland';

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

const ROOMS: readonly Room[] = ['process', 'tee', 'optee', 'opteeOs', 'userland'];

/** Every switch of a profile that is named `quirk…`. */
export const quirksOf = (profile: Profile): readonly string[] =>
  ROOMS.flatMap((room) =>
    Object.keys(profile[room])
      .filter((name) => name.startsWith('quirk'))
      .map((name) => `${room}.${name}`),
  );

function parts(quirk: QuirkName): [Room, string] {
  const [room, name] = quirk.split('.') as [Room, string];
  return [room, name];
}

export function isOn(profile: Profile, quirk: QuirkName): boolean {
  const [room, name] = parts(quirk);
  return Reflect.get(profile[room], name) === true;
}

/** The same profile with one bug less. */
export function without(profile: Profile, quirk: QuirkName): Profile {
  const [room, name] = parts(quirk);
  return { ...profile, [room]: { ...profile[room], [name]: false } };
}
