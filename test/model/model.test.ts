/**
 * Random programs against a model of the driver: whatever several processes do, each call answers
 * what the model says, and nothing is left when they have gone. TEEBOX_MODEL_RUNS says how many
 * sequences are tried for each kernel, TEEBOX_MODEL_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PROFILES, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import { Lockstep } from './lockstep.ts';
import { operations } from './operations.ts';

const RUNS = Number(process.env['TEEBOX_MODEL_RUNS'] ?? 500);
const SEED = Number(process.env['TEEBOX_MODEL_SEED'] ?? Date.now() % 2 ** 31);
const LONGEST = 60;

const sequences = fc.array(operations, { minLength: 5, maxLength: LONGEST, size: 'max' });

/** Runs programs until model and box disagree. @throws with the shortest program that shows it */
function compare(profile: Profile): Promise<void> {
  const property = fc.asyncProperty(sequences, async (sequence) => {
    const lockstep = await Lockstep.start(profile);
    try {
      for (const operation of sequence) await operation.run(lockstep);
      await lockstep.end();
    } finally {
      lockstep.box.dispose();
    }
  });
  return fc.assert(property, { numRuns: RUNS, seed: SEED });
}

const fixed = Object.values(PROFILES).map(withoutQuirks);

describe('the TEE driver and its model', () => {
  for (const profile of fixed) {
    it(`agree on ${RUNS} programs in ${profile.name}`, async (t) => {
      t.diagnostic(`TEEBOX_MODEL_SEED=${SEED}`);
      await compare(profile);
    });
  }

  for (const quirk of ['quirkSuppReleaseByShm', 'quirkSendQueuedRequest'] as const) {
    it(`disagree on a kernel with ${quirk}`, async () => {
      const profile = fixed[0]!;
      const broken = { ...profile, optee: { ...profile.optee, [quirk]: true } };
      await assert.rejects(compare(broken), /Property failed/);
    });
  }
});
