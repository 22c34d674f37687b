/** Each upstream bug has the consequence that its switch names, and none when it is switched off. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { PROFILES } from '../../src/index.ts';
import { CALL_QUIRKS } from './quirks-calls.ts';
import type { QuirkCase } from './quirk-case.ts';
import { isOn, namesOf, without } from './quirk-case.ts';
import { KERNEL_QUIRKS } from './quirks-kernel.ts';

const CASES = [...KERNEL_QUIRKS, ...CALL_QUIRKS];

const KERNELS = ['linux-6.1', 'linux-7.3'] as const;

for (const name of KERNELS) {
  const profile = PROFILES[name];
  describe(`upstream bugs in ${name}`, () => {
    for (const { quirk, shows, observe, on, off, notIn } of CASES) {
      const skip = notIn?.[name] ?? false;
      if (isOn(profile, quirk)) {
        it(`${quirk}: ${shows}`, { skip }, async () => {
          assert.deepEqual(await observe(profile), on);
        });
      }
      it(`without ${quirk}`, { skip }, async () => {
        assert.deepEqual(await observe(without(profile, quirk)), off);
      });
    }
  });
}

it('each switch of an upstream bug has its case', () => {
  const switches = new Set(Object.values(PROFILES).flatMap(namesOf));
  assert.deepEqual([...switches].sort(), CASES.map(({ quirk }) => quirk).sort());
});

it('each bug can be met in one of the kernels', () => {
  const met = ({ quirk, notIn }: QuirkCase): boolean =>
    KERNELS.some((name) => isOn(PROFILES[name], quirk) && notIn?.[name] === undefined);
  assert.deepEqual(
    CASES.filter((one) => !met(one)),
    [],
  );
});

it('each case tells a kernel with the bug from one without', () => {
  const same = CASES.filter(({ on, off }) => isDeepStrictEqual(on, off));
  assert.deepEqual(same, []);
});
