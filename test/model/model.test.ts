/**
 * Random programs against a model of the driver: whatever several processes do, each call answers
 * what the model says, and nothing is left when they have gone. TEEBOX_MODEL_RUNS says how many
 * sequences are tried for each kernel, TEEBOX_MODEL_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PROFILES, withoutQuirks } from '../../src/index.ts';
import { Lockstep } from './lockstep.ts';
import { operations } from './operations.ts';

const RUNS = Number(process.env['TEEBOX_MODEL_RUNS'] ?? 150);
const SEED = Number(process.env['TEEBOX_MODEL_SEED'] ?? Date.now() % 2 ** 31);
const LONGEST = 60;

describe('the TEE driver and its model', () => {
  for (const profile of Object.values(PROFILES).map(withoutQuirks)) {
    it(`agree on ${RUNS} programs in ${profile.name}`, async (t) => {
      t.diagnostic(`TEEBOX_MODEL_SEED=${SEED}`);
      const sequences = fc.array(operations, { minLength: 5, maxLength: LONGEST, size: 'max' });
      await fc.assert(
        fc.asyncProperty(sequences, async (sequence) => {
          const lockstep = await Lockstep.start(profile);
          try {
            for (const operation of sequence) await operation.run(lockstep);
            await lockstep.end();
          } finally {
            lockstep.box.dispose();
          }
        }),
        { numRuns: RUNS, seed: SEED },
      );
      assert.ok(RUNS > 0);
    });
  }
});
