/**
 * Random programs against a model of the driver: whatever several processes do, each call answers
 * what the model says, and nothing is left when they have gone. TEEBOX_MODEL_RUNS says how many
 * sequences are tried for each kernel, TEEBOX_MODEL_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PROFILES, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import { ANSWERS } from './answers.ts';
import { Lockstep } from './lockstep.ts';
import { operations } from './operations.ts';

const RUNS = Number(process.env['TEEBOX_MODEL_RUNS'] ?? 500);
const SEED = Number(process.env['TEEBOX_MODEL_SEED'] ?? Date.now() % 2 ** 31);
const LONGEST = 120;
/** Programs after which everything must have happened. */
const ENOUGH = 500;
const TOO_FEW = `TEEBOX_MODEL_RUNS is less than ${ENOUGH}`;

/** Without fast-check's bias, which draws what stands first and last far too often: the rare. */
const sequences = fc.noBias(
  fc.array(operations, { minLength: 5, maxLength: LONGEST, size: 'max' }),
);

/**
 * Runs programs until model and box disagree.
 * @param given gains the kinds of answers that were given.
 * @throws with the shortest program that shows it
 */
function compare(profile: Profile, given: Set<string>): Promise<void> {
  const property = fc.asyncProperty(sequences, async (sequence) => {
    const lockstep = await Lockstep.start(profile, given);
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
  const given = new Set<string>();

  for (const profile of fixed) {
    it(`agree on ${RUNS} programs in ${profile.name}`, async (t) => {
      t.diagnostic(`TEEBOX_MODEL_SEED=${SEED}`);
      await compare(profile, given);
    });
  }

  it('have given every answer that there is', { skip: RUNS < ENOUGH && TOO_FEW }, () => {
    const all = Object.entries(ANSWERS).flatMap(([call, answers]) =>
      answers.map((answer) => `${call}: ${answer}`),
    );
    assert.deepEqual(
      all.filter((answer) => !given.has(answer)),
      [],
    );
  });

  for (const quirk of ['quirkSuppReleaseByShm', 'quirkSendQueuedRequest'] as const) {
    it(`disagree on a kernel with ${quirk}`, async () => {
      const profile = fixed[0]!;
      const broken = { ...profile, optee: { ...profile.optee, [quirk]: true } };
      await assert.rejects(compare(broken, new Set()), /Property failed/);
    });
  }
});

/** The model is a model only as long as it does not look at what it predicts. */
describe('the model', () => {
  const files = ['model.ts', 'state.ts', 'params.ts', 'requests.ts'];
  for (const file of files) {
    it(`${file} imports numbers of the ABI and other parts of the model, nothing else`, () => {
      const text = readFileSync(new URL(file, import.meta.url), 'utf8');
      const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, path = '']) => path);
      const known = (path: string): boolean =>
        path.startsWith('../../src/abi/') || files.includes(path.replace('./', ''));
      assert.deepEqual(
        imported.filter((path) => !known(path)),
        [],
      );
    });
  }
});
