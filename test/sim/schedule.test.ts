import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  ScheduleError,
  decodeChoices,
  encodeChoices,
  scheduleHash,
} from '../../src/sim/schedule.ts';

const choice = fc.oneof(fc.constant(0), fc.nat(3), fc.nat(40), fc.nat(100_000));

/** As a replay sees it: it takes 0 when it runs out. */
function withoutTail(choices: readonly number[]): readonly number[] {
  return choices.slice(0, choices.findLastIndex((c) => c !== 0) + 1);
}

describe('a schedule as text', () => {
  it('comes back as it was, less the zeros at its end', () => {
    fc.assert(
      fc.property(fc.array(choice), (choices) => {
        assert.deepEqual(decodeChoices(encodeChoices(choices)), withoutTail(choices));
      }),
    );
  });

  it('is one word that a shell leaves alone', () => {
    fc.assert(
      fc.property(fc.array(choice), (choices) => {
        assert.match(encodeChoices(choices), /^[0-9a-zA-Z_]*$/);
      }),
    );
  });

  it('says repeats with letters', () => {
    assert.equal(encodeChoices([0, 0, 0, 1, 35, 36]), '0B1z_10_');
    assert.equal(encodeChoices([...Array<number>(54).fill(7), 1]), '7ZZA1');
  });

  for (const text of ['A', '0-1', '_1', '__', '1 2']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => decodeChoices(text), ScheduleError);
    });
  }
});

describe('the hash of a schedule', () => {
  it('differs where schedules do', () => {
    const seen = new Set<number>();
    for (let n = 0; n < 20_000; n++) {
      const choices = Array.from(n.toString(3), Number);
      seen.add(scheduleHash(choices));
      seen.add(scheduleHash([9, ...choices]));
    }
    assert.equal(seen.size, 40_000);
  });

  it('is a whole number', () => {
    fc.assert(fc.property(fc.array(choice), (c) => Number.isSafeInteger(scheduleHash(c))));
  });
});
