/**
 * Which bugs of a profile the findings of a search come from. Two bugs may look the same from outside,
 * so that each schedule with a finding is run again without each of the bugs that are known to look so:
 * if the finding is still there it has another cause, which is looked for then.
 */
import type { Profile } from '../box/profiles.ts';
import { blame, bugsOf, withOnly } from './blame.ts';
import { classOf } from './findings.ts';
import type { Complaint } from './findings.ts';

/** Runs the same choices under another profile. */
export type Rerun = (profile: Profile) => Complaint | undefined;

/** One object for each cause of one kind of complaint: bugs that it takes together. */
export interface Cause {
  readonly bugs: readonly string[];
}

export class Suspects {
  readonly #profile: Profile;
  readonly #all: readonly string[];
  readonly #byClass = new Map<string, Cause[]>();

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#all = bugsOf(profile);
  }

  causeOf(complaint: Complaint, rerun: Rerun): Cause {
    const name = classOf(complaint);
    const shows = (profile: Profile): boolean => {
      const other = rerun(profile);
      return other !== undefined && classOf(other) === name;
    };
    const causes = this.#byClass.get(name) ?? [];
    this.#byClass.set(name, causes);
    const known = causes.find(({ bugs }) => bugs.every((bug) => !shows(this.#without(bug))));
    return known ?? this.#newCause(causes, blame(this.#profile, shows));
  }

  /** What takes the fewest bugs is asked for first. */
  #newCause(causes: Cause[], bugs: readonly string[]): Cause {
    const same = causes.find((cause) => cause.bugs.join() === bugs.join());
    if (same !== undefined) return same;
    const cause = { bugs };
    causes.push(cause);
    causes.sort((a, b) => a.bugs.length - b.bugs.length);
    return cause;
  }

  #without(bug: string): Profile {
    return withOnly(this.#profile, new Set(this.#all.filter((other) => other !== bug)));
  }
}
