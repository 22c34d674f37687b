import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PROFILES, withoutQuirks } from '../../src/box/profiles.ts';
import type { Profile } from '../../src/box/profiles.ts';
import { blame, bugsOf, withOnly } from '../../src/sim/blame.ts';
import { minimize } from '../../src/sim/minimize.ts';
import { Suspects } from '../../src/sim/suspects.ts';

const PROFILE = PROFILES['linux-7.3'];

describe('delta debugging', () => {
  it('leaves what it takes, in order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), fc.array(fc.nat(60)), (items, some) => {
        const needed = items.filter((item) => some.includes(item));
        const found = minimize(items, (part) => needed.every((item) => part.includes(item)));
        assert.deepEqual(found, needed);
      }),
    );
  });

  it('leaves one of two that will do', () => {
    assert.deepEqual(
      minimize([1, 2, 3], (part) => part.includes(1) || part.includes(3)),
      [3],
    );
  });
});

describe('blame', () => {
  it('knows the bugs of a profile by their names', () => {
    assert.ok(bugsOf(PROFILE).includes('quirkSendQueuedRequest'));
    assert.deepEqual(bugsOf(withoutQuirks(PROFILE)), []);
    assert.deepEqual(bugsOf(withOnly(PROFILE, new Set(['quirkShortShmAlloc']))), [
      'quirkShortShmAlloc',
    ]);
  });

  it('leaves what is no bug as it is', () => {
    const less = withOnly(PROFILE, new Set());
    assert.equal(less.tee.maxArgSize, PROFILE.tee.maxArgSize);
    assert.equal(less.release, PROFILE.release);
  });

  it('finds the bugs that a finding takes', () => {
    const wanted = ['quirkShortShmAlloc', 'quirkShortShmAllocLost'];
    const shows = (profile: Profile): boolean =>
      wanted.every((bug) => bugsOf(profile).includes(bug));
    assert.deepEqual(blame(PROFILE, shows), wanted);
  });
});

describe('suspects', () => {
  const complaint = { oracle: 'leak', text: 'left behind: pages' };
  const takes =
    (...bugs: readonly string[]) =>
    (profile: Profile) =>
      bugs.every((bug) => bugsOf(profile).includes(bug)) ? complaint : undefined;

  it('are told apart when they look the same', () => {
    const suspects = new Suspects(PROFILE);
    const one = suspects.causeOf(complaint, takes('quirkShortShmAlloc'));
    const other = suspects.causeOf(complaint, takes('quirkSendQueuedRequest'));
    assert.deepEqual([one.bugs, other.bugs], [['quirkShortShmAlloc'], ['quirkSendQueuedRequest']]);
  });

  it('are known again', () => {
    const suspects = new Suspects(PROFILE);
    const first = suspects.causeOf(complaint, takes('quirkShortShmAlloc'));
    assert.equal(suspects.causeOf(complaint, takes('quirkShortShmAlloc')), first);
  });

  it('are nobody when the finding stays without any bug', () => {
    const suspects = new Suspects(PROFILE);
    assert.deepEqual(suspects.causeOf(complaint, () => complaint).bugs, []);
  });
});
