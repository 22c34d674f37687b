/** Transient objects: what allocation, attributes and key generation answer, one row a rule. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ATTR_ECC_CURVE,
  TEE_ATTR_RSA_MODULUS,
  TEE_ATTR_SECRET_VALUE,
  TEE_ECC_CURVE_NIST_P256,
  TEE_ERROR,
  TEE_TYPE_AES,
  TEE_TYPE_DATA,
  TEE_TYPE_ECDSA_KEYPAIR,
  TEE_TYPE_GENERIC_SECRET,
  TEE_TYPE_HMAC_SHA256,
  TEE_TYPE_RSA_KEYPAIR,
  TEE_TYPE_RSA_PUBLIC_KEY,
  TEE_USAGE_EXTRACTABLE,
  TEE_USAGE_ENCRYPT,
} from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import { curveAttribute, key, object } from '../testing/operations.ts';
import { inTa, panicOf } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { TEE_Attribute, TEE_ObjectInfo, memref, objectHandle, ref } from './types.ts';
import type { TEE_ObjectHandle } from './types.ts';

const NO_SUCH_TYPE = 0xa0ffffff;

function secretOf(tee: Tee, bytes: number, id: number = TEE_ATTR_SECRET_VALUE): TEE_Attribute {
  const attribute = new TEE_Attribute();
  tee.TEE_InitRefAttribute(attribute, id, new Uint8Array(bytes).fill(1));
  return attribute;
}

const allocate = (type: number, bits: number) => (tee: Tee) =>
  tee.TEE_AllocateTransientObject(type, bits, ref(objectHandle(0)));

const populate = (bits: number, attributes: (tee: Tee) => TEE_Attribute[]) => (tee: Tee) =>
  tee.TEE_PopulateTransientObject(object(tee, TEE_TYPE_AES, bits), attributes(tee));

const generate =
  (
    type: number,
    bits: number,
    size: number,
    attributes: (tee: Tee) => TEE_Attribute[] = () => [],
  ) =>
  (tee: Tee) =>
    tee.TEE_GenerateKey(object(tee, type, bits), size, attributes(tee));

/** An AES key that may only be used for `usage`. */
function restricted(tee: Tee, usage: number): TEE_ObjectHandle {
  const made = key(tee, TEE_TYPE_AES, 128);
  void tee.TEE_RestrictObjectUsage1(made, usage);
  return made;
}

type Row = readonly [rule: string, call: (tee: Tee) => unknown, outcome: string];

/** Outcomes: success, a result's name without TEE_ERROR_, or a panic with its code. */
const ROWS: readonly Row[] = [
  ['TEE_AllocateTransientObject: AES', allocate(TEE_TYPE_AES, 128), 'SUCCESS'],
  ['TEE_AllocateTransientObject: data', allocate(TEE_TYPE_DATA, 0), 'NOT_SUPPORTED'],
  ['TEE_AllocateTransientObject: no such type', allocate(NO_SUCH_TYPE, 128), 'NOT_SUPPORTED'],
  ['TEE_AllocateTransientObject: AES, 64 bits', allocate(TEE_TYPE_AES, 64), 'NOT_SUPPORTED'],
  ['TEE_AllocateTransientObject: AES, 129 bits', allocate(TEE_TYPE_AES, 129), 'NOT_SUPPORTED'],
  ['TEE_AllocateTransientObject: AES, 512 bits', allocate(TEE_TYPE_AES, 512), 'NOT_SUPPORTED'],
  [
    'TEE_AllocateTransientObject: RSA, 255 bits',
    allocate(TEE_TYPE_RSA_KEYPAIR, 255),
    'NOT_SUPPORTED',
  ],
  [
    'TEE_AllocateTransientObject: RSA, 4097 bits',
    allocate(TEE_TYPE_RSA_KEYPAIR, 4097),
    'NOT_SUPPORTED',
  ],
  [
    'TEE_AllocateTransientObject: EC, 522 bits',
    allocate(TEE_TYPE_ECDSA_KEYPAIR, 522),
    'NOT_SUPPORTED',
  ],

  ['TEE_PopulateTransientObject: the key', populate(128, (tee) => [secretOf(tee, 16)]), 'SUCCESS'],
  [
    'TEE_PopulateTransientObject: a shorter key',
    populate(256, (tee) => [secretOf(tee, 16)]),
    'SUCCESS',
  ],
  [
    'TEE_PopulateTransientObject: too long a key',
    populate(128, (tee) => [secretOf(tee, 32)]),
    'panic BAD_STATE',
  ],
  [
    'TEE_PopulateTransientObject: a key of no such size',
    populate(256, (tee) => [secretOf(tee, 20)]),
    'BAD_PARAMETERS',
  ],
  ['TEE_PopulateTransientObject: nothing', populate(128, () => []), 'panic ITEM_NOT_FOUND'],
  [
    'TEE_PopulateTransientObject: the key twice',
    populate(128, (tee) => [secretOf(tee, 16), secretOf(tee, 16)]),
    'panic ITEM_NOT_FOUND',
  ],
  [
    'TEE_PopulateTransientObject: an attribute of other types',
    populate(128, (tee) => [secretOf(tee, 16, TEE_ATTR_RSA_MODULUS)]),
    'panic ITEM_NOT_FOUND',
  ],

  ['TEE_GenerateKey: AES', generate(TEE_TYPE_AES, 256, 128), 'SUCCESS'],
  [
    'TEE_GenerateKey: longer than maxObjectSize, which only allocation looks at',
    generate(TEE_TYPE_AES, 128, 256),
    'SUCCESS',
  ],
  ['TEE_GenerateKey: AES, 129 bits', generate(TEE_TYPE_AES, 256, 129), 'panic NOT_SUPPORTED'],
  ['TEE_GenerateKey: HMAC', generate(TEE_TYPE_HMAC_SHA256, 256, 256), 'SUCCESS'],
  [
    'TEE_GenerateKey: EC without a curve',
    generate(TEE_TYPE_ECDSA_KEYPAIR, 256, 256),
    'panic ITEM_NOT_FOUND',
  ],
  [
    'TEE_GenerateKey: EC',
    generate(TEE_TYPE_ECDSA_KEYPAIR, 256, 256, (tee) => [
      curveAttribute(tee, TEE_ECC_CURVE_NIST_P256),
    ]),
    'SUCCESS',
  ],
  [
    'TEE_GenerateKey: a public key',
    generate(TEE_TYPE_RSA_PUBLIC_KEY, 512, 512),
    'panic BAD_FORMAT',
  ],
  [
    'TEE_GenerateKey: twice',
    (tee) => tee.TEE_GenerateKey(key(tee, TEE_TYPE_AES, 128), 128, []),
    'panic BAD_STATE',
  ],

  [
    'TEE_GetObjectBufferAttribute: the key',
    (tee) =>
      tee.TEE_GetObjectBufferAttribute(
        key(tee, TEE_TYPE_AES, 128),
        TEE_ATTR_SECRET_VALUE,
        memref(new Uint8Array(16)),
      ),
    'SUCCESS',
  ],
  [
    'TEE_GetObjectBufferAttribute: short',
    (tee) =>
      tee.TEE_GetObjectBufferAttribute(
        key(tee, TEE_TYPE_AES, 128),
        TEE_ATTR_SECRET_VALUE,
        memref(new Uint8Array(15)),
      ),
    'SHORT_BUFFER',
  ],
  [
    'TEE_GetObjectBufferAttribute: how long it is',
    (tee) =>
      tee.TEE_GetObjectBufferAttribute(
        key(tee, TEE_TYPE_AES, 128),
        TEE_ATTR_SECRET_VALUE,
        memref(null),
      ),
    'SHORT_BUFFER',
  ],
  [
    'TEE_GetObjectBufferAttribute: absent',
    (tee) =>
      tee.TEE_GetObjectBufferAttribute(
        key(tee, TEE_TYPE_AES, 128),
        TEE_ATTR_RSA_MODULUS,
        memref(null),
      ),
    'ITEM_NOT_FOUND',
  ],
  [
    'TEE_GetObjectBufferAttribute: of an empty object',
    (tee) =>
      tee.TEE_GetObjectBufferAttribute(
        object(tee, TEE_TYPE_AES, 128),
        TEE_ATTR_SECRET_VALUE,
        memref(null),
      ),
    'panic BAD_PARAMETERS',
  ],
  [
    'TEE_GetObjectBufferAttribute: that may not be extracted',
    (tee) =>
      tee.TEE_GetObjectBufferAttribute(
        restricted(tee, TEE_USAGE_ENCRYPT),
        TEE_ATTR_SECRET_VALUE,
        memref(null),
      ),
    'panic BAD_PARAMETERS',
  ],
  [
    'TEE_GetObjectBufferAttribute: that may be extracted',
    (tee) =>
      tee.TEE_GetObjectBufferAttribute(
        restricted(tee, TEE_USAGE_EXTRACTABLE),
        TEE_ATTR_SECRET_VALUE,
        memref(new Uint8Array(16)),
      ),
    'SUCCESS',
  ],
  [
    'TEE_GetObjectValueAttribute: the curve',
    (tee) =>
      tee.TEE_GetObjectValueAttribute(
        key(tee, TEE_TYPE_ECDSA_KEYPAIR, 256, [curveAttribute(tee, TEE_ECC_CURVE_NIST_P256)]),
        TEE_ATTR_ECC_CURVE,
        ref(0),
        null,
      ),
    'SUCCESS',
  ],
  [
    'TEE_GetObjectValueAttribute: absent',
    (tee) =>
      tee.TEE_GetObjectValueAttribute(key(tee, TEE_TYPE_AES, 128), TEE_ATTR_ECC_CURVE, null, null),
    'ITEM_NOT_FOUND',
  ],
  [
    'TEE_GetObjectValueAttribute: a buffer',
    (tee) =>
      tee.TEE_GetObjectValueAttribute(
        key(tee, TEE_TYPE_AES, 128),
        TEE_ATTR_SECRET_VALUE,
        null,
        null,
      ),
    'panic BAD_PARAMETERS',
  ],

  [
    'TEE_CopyObjectAttributes1: same type',
    (tee) =>
      tee.TEE_CopyObjectAttributes1(object(tee, TEE_TYPE_AES, 128), key(tee, TEE_TYPE_AES, 128)),
    'SUCCESS',
  ],
  [
    'TEE_CopyObjectAttributes1: longer than maxObjectSize',
    (tee) =>
      tee.TEE_CopyObjectAttributes1(object(tee, TEE_TYPE_AES, 128), key(tee, TEE_TYPE_AES, 256)),
    'SUCCESS',
  ],
  [
    'TEE_CopyObjectAttributes1: the public half',
    (tee) =>
      tee.TEE_CopyObjectAttributes1(
        object(tee, TEE_TYPE_RSA_PUBLIC_KEY, 512),
        key(tee, TEE_TYPE_RSA_KEYPAIR, 512),
      ),
    'SUCCESS',
  ],
  [
    'TEE_CopyObjectAttributes1: another type',
    (tee) =>
      tee.TEE_CopyObjectAttributes1(
        object(tee, TEE_TYPE_GENERIC_SECRET, 128),
        key(tee, TEE_TYPE_AES, 128),
      ),
    'panic BAD_PARAMETERS',
  ],
];

describe('rules of transient objects', () => {
  for (const [rule, call, outcome] of ROWS) {
    test(`${rule}: ${outcome}`, async () => {
      const [kind, name] = outcome.startsWith('panic ')
        ? ['panic', outcome.slice(6)]
        : ['', outcome];
      const code =
        name === 'SUCCESS' ? 0 : TEE_ERROR[`TEE_ERROR_${name}` as keyof typeof TEE_ERROR];
      if (kind === 'panic') {
        const { panic } = await panicOf(call);
        assert.equal(hex32(panic.code), hex32(code));
        assert.match(panic.where, /objects\.test\.ts:\d+$/, 'the line of the TA');
      } else {
        await inTa((tee) => assert.equal(hex32(Number(call(tee))), hex32(code)));
      }
    });
  }
});

test('a reset object is empty, and has all its rights again', () =>
  inTa((tee) => {
    const made = restricted(tee, TEE_USAGE_ENCRYPT);
    const info = new TEE_ObjectInfo();
    tee.TEE_GetObjectInfo1(made, info);
    assert.equal(info.objectUsage, TEE_USAGE_ENCRYPT);
    tee.TEE_ResetTransientObject(made);
    tee.TEE_GetObjectInfo1(made, info);
    assert.deepEqual(
      [info.objectUsage, info.objectSize, info.maxObjectSize, info.handleFlags],
      [0xffffffff, 0, 128, 0],
    );
    assert.equal(tee.TEE_PopulateTransientObject(made, [secretOf(tee, 16)]), 0);
  }));
