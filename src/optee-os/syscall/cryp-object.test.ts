import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ATTR_ECC_CURVE,
  TEE_ATTR_RSA_MODULUS,
  TEE_ATTR_SECRET_VALUE,
  TEE_ERROR,
  TEE_ERROR_GENERIC,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  TEE_TYPE_DATA,
  TEE_TYPE_DES,
  TEE_TYPE_DES3,
  TEE_TYPE_ED448_KEYPAIR,
  TEE_TYPE_GENERIC_SECRET,
  TEE_TYPE_HMAC_SHA1,
  TEE_USAGE_ENCRYPT,
  TEE_USAGE_EXTRACTABLE,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { MaybeCo } from '../../sched/task.ts';
import type { TaObjectInfo } from '../../ta/runtime.ts';
import { SecretValue } from './cryp-attr-ops.ts';
import type { AttributeProps } from './cryp-obj-props.ts';
import {
  TEE_TYPE_ATTR_GEN_KEY_OPT,
  TEE_TYPE_ATTR_OPTIONAL_GROUP,
  TEE_TYPE_ATTR_REQUIRED,
  checkAttributes,
} from './cryp-obj-props.ts';
import { TEE_USAGE_DEFAULT } from './cryp-object.ts';
import { run, toHex } from '../../ta/testing/crypto-vectors.ts';
import { TestCrypto } from '../testing/crypto.ts';

const result = (code: number): string => codeName(TEE_ERROR, code).replace('TEE_ERROR_', '');
const ok = (code: MaybeCo<number>): void => assert.equal(code, TEE_SUCCESS);
const SECRET = TEE_ATTR_SECRET_VALUE;

let randomResult = TEE_SUCCESS;
const crypto = new TestCrypto({
  rng: (out) => {
    out.fill(0x5a);
    return randomResult;
  },
});

function object(type: number, bits: number, content?: Uint8Array): number {
  const out = { handle: 0 };
  ok(crypto.objAlloc(type, bits, out));
  if (content !== undefined) ok(crypto.objPopulate(out.handle, [{ id: SECRET, content }]));
  return out.handle;
}

function info(handle: number): TaObjectInfo {
  const out = {
    objectType: 0,
    keySize: 0,
    maxKeySize: 0,
    objectUsage: 0,
    dataSize: 1,
    dataPosition: 1,
    handleFlags: 0,
  };
  ok(crypto.objGetInfo(handle, out));
  return out;
}

function attribute(handle: number, room = 64): string {
  const size = { size: room };
  const out = new Uint8Array(room);
  ok(crypto.objGetAttr(handle, SECRET, out, size));
  return toHex(out.subarray(0, size.size));
}

describe('sizes of object types', () => {
  const cases: readonly (readonly [string, number, number, string])[] = [
    ['AES 128', TEE_TYPE_AES, 128, 'TEE_SUCCESS'],
    ['AES 192', TEE_TYPE_AES, 192, 'TEE_SUCCESS'],
    ['AES 256', TEE_TYPE_AES, 256, 'TEE_SUCCESS'],
    ['AES too small', TEE_TYPE_AES, 64, 'NOT_SUPPORTED'],
    ['AES too large', TEE_TYPE_AES, 320, 'NOT_SUPPORTED'],
    ['AES between', TEE_TYPE_AES, 160, 'NOT_SUPPORTED'],
    ['HMAC-SHA1 smallest', TEE_TYPE_HMAC_SHA1, 80, 'TEE_SUCCESS'],
    ['HMAC-SHA1 below', TEE_TYPE_HMAC_SHA1, 72, 'NOT_SUPPORTED'],
    ['HMAC-SHA1 bits', TEE_TYPE_HMAC_SHA1, 81, 'NOT_SUPPORTED'],
    ['empty secret', TEE_TYPE_GENERIC_SECRET, 0, 'TEE_SUCCESS'],
    ['DES of two keys', TEE_TYPE_DES, 112, 'NOT_SUPPORTED'],
    ['3DES of one key', TEE_TYPE_DES3, 56, 'NOT_SUPPORTED'],
    ['no row', TEE_TYPE_ED448_KEYPAIR, 448, 'NOT_SUPPORTED'],
    ['data object', TEE_TYPE_DATA, 8, 'NOT_SUPPORTED'],
  ];
  for (const [name, type, bits, expected] of cases) {
    test(name, () => assert.equal(result(crypto.objAlloc(type, bits, { handle: 0 })), expected));
  }
});

describe('populate', () => {
  const populate = (bits: number, ids: readonly number[], bytes: number): string =>
    result(
      crypto.objPopulate(
        object(TEE_TYPE_AES, bits),
        ids.map((id) => ({ id, content: run(0, bytes) })),
      ),
    );
  const cases: readonly (readonly [string, number, readonly number[], number, string])[] = [
    ['a key of its size', 128, [SECRET], 16, 'TEE_SUCCESS'],
    ['a smaller key', 256, [SECRET], 24, 'TEE_SUCCESS'],
    ['a larger key', 128, [SECRET], 24, 'BAD_STATE'],
    ['more than the type can hold', 128, [SECRET], 33, 'SECURITY'],
    ['no valid size', 256, [SECRET], 17, 'BAD_PARAMETERS'],
    ['nothing', 128, [], 16, 'ITEM_NOT_FOUND'],
    ['an attribute of other types', 128, [TEE_ATTR_RSA_MODULUS], 16, 'ITEM_NOT_FOUND'],
    ['twice the same', 128, [SECRET, SECRET], 16, 'ITEM_NOT_FOUND'],
  ];
  for (const [name, bits, ids, bytes, expected] of cases) {
    test(name, () => assert.equal(populate(bits, ids, bytes), expected));
  }

  test('only once, and not an object that is gone', () => {
    const handle = object(TEE_TYPE_AES, 128, run(0, 16));
    const attributes = [{ id: SECRET, content: run(0, 16) }];
    assert.equal(result(crypto.objPopulate(handle, attributes)), 'BAD_PARAMETERS');
    ok(crypto.objReset(handle));
    ok(crypto.objPopulate(handle, attributes));
    ok(crypto.objClose(handle));
    assert.equal(result(crypto.objPopulate(handle, attributes)), 'BAD_STATE');
  });
});

describe('keys of DES without their parity bits, as GlobalPlatform 1.0 counted', () => {
  // A key that comes in loses an eighth of its bits twice; one that is made tells what was asked.
  const cases: readonly (readonly [string, number, number, number, number, number])[] = [
    ['DES', TEE_TYPE_DES, 56, 8, 49, 56],
    ['2DES', TEE_TYPE_DES3, 112, 16, 98, 112],
    ['3DES', TEE_TYPE_DES3, 168, 24, 147, 168],
    ['DES with parity bits', TEE_TYPE_DES, 64, 8, 64, 64],
    ['3DES with parity bits', TEE_TYPE_DES3, 192, 24, 192, 192],
    ['a secret of such a size', TEE_TYPE_GENERIC_SECRET, 112, 14, 112, 112],
    ['another one', TEE_TYPE_GENERIC_SECRET, 56, 7, 56, 56],
  ];
  for (const [name, type, bits, bytes, populated, generated] of cases) {
    test(name, () => {
      const given = object(type, bits, run(0, bytes));
      assert.equal(info(given).keySize, populated);
      const made = object(type, bits);
      ok(crypto.generateKey(made, bits, []));
      assert.equal(info(made).keySize, generated);
      assert.equal(attribute(made).length / 2, bytes);
    });
  }

  test('more than there is room for', () => {
    const attributes = [{ id: SECRET, content: run(0, 24) }];
    const handle = object(TEE_TYPE_DES3, 112);
    assert.equal(result(crypto.objPopulate(handle, attributes)), 'BAD_STATE');
  });
});

describe('groups of optional attributes', () => {
  const prop = (id: number, flag: number): AttributeProps => ({
    id,
    flags: flag | TEE_TYPE_ATTR_GEN_KEY_OPT,
    blocks: [],
    create: () => new SecretValue(8),
  });
  const known = [
    prop(1, TEE_TYPE_ATTR_REQUIRED),
    prop(2, TEE_TYPE_ATTR_OPTIONAL_GROUP),
    prop(3, TEE_TYPE_ATTR_OPTIONAL_GROUP),
  ];
  const check = (use: 'populate' | 'generate', ...ids: number[]): string =>
    result(
      checkAttributes(
        use,
        known,
        ids.map((id) => ({ id })),
      ),
    );
  test('all or none when populating', () => {
    assert.equal(check('populate', 1), 'TEE_SUCCESS');
    assert.equal(check('populate', 1, 3, 2), 'TEE_SUCCESS');
    assert.equal(check('populate', 1, 2), 'ITEM_NOT_FOUND');
    assert.equal(check('populate', 2, 3), 'ITEM_NOT_FOUND');
  });
  test('as they come when generating', () => assert.equal(check('generate', 2), 'TEE_SUCCESS'));
});

test('info follows the object: new, populated, restricted, reset', () => {
  const handle = object(TEE_TYPE_AES, 256);
  const fresh = {
    objectType: TEE_TYPE_AES,
    keySize: 0,
    maxKeySize: 256,
    objectUsage: TEE_USAGE_DEFAULT,
    dataSize: 0,
    dataPosition: 0,
    handleFlags: 0,
  };
  assert.deepEqual(info(handle), fresh);
  ok(crypto.objPopulate(handle, [{ id: SECRET, content: run(0, 16) }]));
  const populated = { ...fresh, keySize: 128, handleFlags: TEE_HANDLE_FLAG_INITIALIZED };
  assert.deepEqual(info(handle), populated);
  ok(crypto.objRestrictUsage(handle, TEE_USAGE_ENCRYPT));
  assert.deepEqual(info(handle), { ...populated, objectUsage: TEE_USAGE_ENCRYPT });
  ok(crypto.objReset(handle));
  assert.deepEqual(info(handle), fresh);
});

test('a secret comes out while it may be extracted', () => {
  const handle = object(TEE_TYPE_AES, 128, run(0, 16));
  assert.equal(attribute(handle), toHex(run(0, 16)));
  const size = { size: 15 };
  assert.equal(result(crypto.objGetAttr(handle, SECRET, run(0, 15), size)), 'SHORT_BUFFER');
  assert.equal(size.size, 16);
  assert.equal(result(crypto.objGetAttr(handle, SECRET, undefined, size)), 'SHORT_BUFFER');
  assert.equal(
    result(crypto.objGetAttr(handle, TEE_ATTR_ECC_CURVE, undefined, size)),
    'ITEM_NOT_FOUND',
  );
  ok(crypto.objRestrictUsage(handle, ~TEE_USAGE_EXTRACTABLE));
  assert.equal(result(crypto.objGetAttr(handle, SECRET, run(0, 16), size)), 'BAD_PARAMETERS');
  assert.equal(result(crypto.objGetAttr(9999, SECRET, run(0, 16), size)), 'ITEM_NOT_FOUND');
});

test('copies take value and usage, and need a full source and an empty destination', () => {
  const source = object(TEE_TYPE_AES, 256, run(9, 16));
  ok(crypto.objRestrictUsage(source, TEE_USAGE_EXTRACTABLE));
  const copy = object(TEE_TYPE_AES, 128);
  ok(crypto.objCopy(copy, source));
  assert.equal(attribute(copy), toHex(run(9, 16)));
  assert.equal(info(copy).objectUsage, TEE_USAGE_EXTRACTABLE);
  assert.equal(result(crypto.objCopy(copy, source)), 'BAD_PARAMETERS');
  const empty = object(TEE_TYPE_AES, 128);
  assert.equal(result(crypto.objCopy(empty, object(TEE_TYPE_AES, 128))), 'BAD_PARAMETERS');
  assert.equal(
    result(crypto.objCopy(object(TEE_TYPE_GENERIC_SECRET, 128), source)),
    'BAD_PARAMETERS',
  );
  assert.equal(result(crypto.objCopy(9999, source)), 'BAD_STATE');
});

test('generated keys are random bytes of the size asked for', () => {
  const handle = object(TEE_TYPE_AES, 256);
  ok(crypto.generateKey(handle, 192, []));
  assert.equal(attribute(handle), '5a'.repeat(24));
  assert.equal(info(handle).keySize, 192);
  assert.equal(result(crypto.generateKey(handle, 192, [])), 'BAD_STATE');
  assert.equal(result(crypto.generateKey(object(TEE_TYPE_AES, 128), 100, [])), 'NOT_SUPPORTED');
  const attributes = [{ id: SECRET, content: run(0, 16) }];
  const other = object(TEE_TYPE_AES, 128);
  assert.equal(result(crypto.generateKey(other, 128, attributes)), 'ITEM_NOT_FOUND');
  randomResult = TEE_ERROR_GENERIC;
  assert.equal(result(crypto.generateKey(other, 128, [])), 'GENERIC');
  randomResult = TEE_SUCCESS;
  assert.equal(info(other).handleFlags, 0, 'a failed generation leaves it empty');
});
