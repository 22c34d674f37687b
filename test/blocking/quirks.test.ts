/** Each upstream bug has the consequence that its switch names, and none when it is switched off. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PROFILES } from '../../src/index.ts';
import { CALL_QUIRKS } from './quirks-calls.ts';
import { isOn, quirksOf, without } from './quirk-case.ts';
import { KERNEL_QUIRKS } from './quirks-kernel.ts';

const CASES = [...KERNEL_QUIRKS, ...CALL_QUIRKS];

for (const name of ['linux-6.1', 'linux-7.3'] as const) {
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
  const switches = new Set(Object.values(PROFILES).flatMap(quirksOf));
  assert.deepEqual([...switches].sort(), CASES.map(({ quirk }) => quirk).sort());
});
