/**
 * Which bugs of a profile the findings of a search come from. Two bugs may look the same from outside,
 * so that each schedule with a finding is run once more without those that are known to look so: if
 * the finding is still there it has another cause, which is looked for then.
 */
import type { Profile } from '../box/profiles.ts';
import { blame, bugsOf, withOnly } from './blame.ts';
import { classOf } from './findings.ts';
import type { Complaint } from './findings.ts';

/** Further schedules that may show that fewer bugs are to blame. */
const MOST_SECOND_LOOKS = 12;

/** Runs the same choices under another profile. */
export type Rerun = (profile: Profile) => Complaint | undefined;

interface Cause {
  bugs: readonly string[];
  secondLooks: number;
}

export class Suspects {
  readonly #profile: Profile;
  readonly #all: readonly string[];
  readonly #byClass = new Map<string, Cause[]>();

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#all = bugsOf(profile);
  }

  /**
   * What a complaint comes from. The object is the same for the same cause; its `bugs` become fewer
   * when a later schedule shows that some of them have nothing to do with it.
   */
  causeOf(complaint: Complaint, rerun: Rerun): { readonly bugs: readonly string[] } {
    const name = classOf(complaint);
    const shows = (profile: Profile): boolean => {
      const other = rerun(profile);
      return other !== undefined && classOf(other) === name;
    };
    const causes = this.#byClass.get(name) ?? [];
    this.#byClass.set(name, causes);
    const known = causes.find(({ bugs }) => bugs.length > 0 && !shows(this.#without(bugs)));
    if (known === undefined) return this.#newCause(causes, shows);
    if (known.bugs.length > 1 && known.secondLooks < MOST_SECOND_LOOKS) {
      known.secondLooks += 1;
      const bugs = blame(this.#profile, shows);
      if (bugs.length < known.bugs.length) known.bugs = bugs;
    }
    return known;
  }

  #newCause(causes: Cause[], shows: (profile: Profile) => boolean): Cause {
    const bugs = blame(this.#profile, shows);
    const same = causes.find((cause) => cause.bugs.join() === bugs.join());
    if (same !== undefined) return same;
    const cause = { bugs, secondLooks: 0 };
    causes.push(cause);
    return cause;
  }

  #without(bugs: readonly string[]): Profile {
    return withOnly(this.#profile, new Set(this.#all.filter((bug) => !bugs.includes(bug))));
  }
}
