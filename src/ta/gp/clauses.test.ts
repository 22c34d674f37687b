/** Each function of the specification has its clause, and a panic names it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TEE_HANDLE_NULL } from '../../abi/gp.ts';
import { TEE_PANIC_ID } from '../../abi/gp-panic.ts';
import { World, inTa } from '../testing/world.ts';
import { CLAUSES, authorityOf } from './clauses.ts';

test('all that the specification numbers has a clause', () => {
  const known = new Set([...CLAUSES.keys()].map((name) => name.toUpperCase()));
  const missing = Object.keys(TEE_PANIC_ID)
    .map((id) => id.replace('TEE_PANIC_ID_', ''))
    .filter((name) => name.startsWith('TEE_') && !known.has(name));
  assert.deepEqual(missing, []);
});

for (const [api, clause] of [
  ['TEE_GetPropertyAsU64', '4.4.3'],
  ['TEE_GetNextProperty', '4.4.12'],
  ['TEE_MemFill', '4.11.9'],
  ['TEE_InitValueAttribute', '5.6.5'],
  ['TEE_CopyObjectAttributes', '5.6.6'],
  ['TEE_RenamePersistentObject', '5.7.5'],
  ['TEE_IsAlgorithmSupported', '6.2.9'],
  ['TEE_DigestExtract', '6.3.3'],
  ['TEE_CipherUpdate', '6.4.2'],
  ['TEE_MACUpdate', '6.5.2'],
  ['TEE_AEUpdateAAD', '6.6.2'],
  ['TEE_AsymmetricDecrypt', '6.7.1'],
  ['TEE_BigIntFMMSizeInU32', '8.4.3'],
  ['TEE_BigIntIsProbablePrime', '8.10.3'],
] as const) {
  test(`${api} is ${clause}`, () =>
    assert.match(
      authorityOf(api),
      new RegExp(`^TEE Internal Core API 1\\.3\\.1 §${clause}(, function 0x[0-9a-f]+)?$`),
    ));
}

test('with the number that the specification gives a function', () => {
  const authority = 'TEE Internal Core API 1.3.1 §6.2.1, function 0xc01';
  assert.equal(authorityOf('TEE_AllocateOperation'), authority);
});

test('a panic says which clause demands it', async () => {
  const world = new World();
  const run = inTa((tee) => tee.TEE_ResetOperation(TEE_HANDLE_NULL), undefined, world);
  await assert.rejects(run, { code: 0 });
  const { text = '', hint = '' } = world.trace.lastCause ?? {};
  assert.equal(text, 'TEE_ResetOperation: no such operation: 0');
  assert.equal(
    hint,
    'TEE Internal Core API 1.3.1 §6.2.5, function 0xc05 makes this a panic of the TA',
  );
});

test('what the specification does not know is the library’s own rule', () =>
  assert.equal(authorityOf('TEE_tcpSocket->open'), 'libutee'));
