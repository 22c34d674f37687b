/** Each upstream bug has the consequence that its switch names, and none when it is switched off. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { PROFILES } from '../../src/index.ts';
import { CALL_QUIRKS } from './quirks-calls.ts';
import type { QuirkCase, QuirkName } from './quirk-case.ts';
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

/** Bugs that need no kernel to be met: the tests of the part that has them show them, on and off. */
const BESIDE: { readonly [Q in QuirkName]?: string } = {
  'clients.quirkBnxtFailedProbe': 'src/linux/clients/tee-bnxt-fw.test.ts',
  'opteeOs.quirkCopiedUsageLost': 'src/optee-os/syscall/svc-storage-objects.test.ts',
  'opteeOs.quirkDirfileRemovedOnError': 'test/sim/power-cut.test.ts',
  'opteeOs.quirkFailedFindIsAbsence': 'src/optee-os/storage/tee-ree-fs.test.ts',
  'opteeOs.quirkNextOfFailedEnumPanics': 'src/optee-os/syscall/svc-storage-objects.test.ts',
  'opteeOs.quirkOwnHandleStaysCreating': 'src/optee-os/syscall/svc-storage-objects.test.ts',
  'opteeOs.quirkRpmbReplaceLoses': 'src/optee-os/storage/rpmb-image.test.ts',
  'opteeOs.quirkRpmbStaleEntryFound': 'src/optee-os/storage/tee-rpmb-fs.test.ts',
  'opteeOs.quirkRpmbTemporaryKept': 'src/optee-os/storage/rpmb-image.test.ts',
  'opteeOs.quirkTruncateBeforeCommit': 'test/sim/power-cut.test.ts',
  'opteeOs.quirkTruncateKeepsHashes': 'test/sim/power-cut.test.ts',
  'userland.quirkCreateTwoDirectories': 'src/userland/tee-supplicant/tee-supp-fs.test.ts',
  'userland.quirkRenameFailsSilently': 'src/userland/tee-supplicant/tee-supp-fs.test.ts',
  'userland.quirkRpmbSingleFrames': 'src/userland/tee-supplicant/rpmb.test.ts',
  'userland.quirkSocketHandleAborts': 'src/userland/tee-supplicant/tee-socket.test.ts',
};

it('each switch of an upstream bug has its case', () => {
  const switches = new Set(Object.values(PROFILES).flatMap(namesOf));
  const known = [...CASES.map(({ quirk }) => quirk), ...Object.keys(BESIDE)];
  assert.deepEqual([...switches].sort(), known.sort());
});

for (const [quirk, path] of Object.entries(BESIDE)) {
  it(`${quirk} is shown in ${path}`, () => {
    const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
    assert.ok(text.includes(quirk.split('.')[1]!));
  });
}

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
