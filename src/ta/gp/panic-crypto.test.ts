/** Panics of objects, operations, ciphers and authenticated encryption. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ATTR_ECC_CURVE,
  TEE_ATTR_RSA_MODULUS,
  TEE_ATTR_SECRET_VALUE,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_HANDLE_NULL,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_TYPE_AES,
  TEE_USAGE_DECRYPT,
} from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import { panicOf } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { TEE_Attribute, memref, objectHandle, operationHandle, ref } from './types.ts';
import type { TEE_ObjectHandle, TEE_OperationHandle } from './types.ts';

function key(tee: Tee, bits = 128): TEE_ObjectHandle {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  tee.TEE_AllocateTransientObject(TEE_TYPE_AES, bits, object);
  const attr = new TEE_Attribute();
  tee.TEE_InitRefAttribute(attr, TEE_ATTR_SECRET_VALUE, new Uint8Array(bits / 8));
  tee.TEE_PopulateTransientObject(object.value, [attr]);
  return object.value;
}

function operation(
  tee: Tee,
  algorithm: number,
  mode: number = TEE_MODE_ENCRYPT,
): TEE_OperationHandle {
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  tee.TEE_AllocateOperation(op, algorithm, mode, 128);
  return op.value;
}

function keyed(tee: Tee, algorithm: number): TEE_OperationHandle {
  const op = operation(tee, algorithm);
  tee.TEE_SetOperationKey(op, key(tee));
  return op;
}

function started(tee: Tee, algorithm: number): TEE_OperationHandle {
  const op = keyed(tee, algorithm);
  if (algorithm === TEE_ALG_AES_GCM) tee.TEE_AEInit(op, new Uint8Array(12), 128, 0, 0);
  else tee.TEE_CipherInit(op, algorithm === TEE_ALG_AES_ECB_NOPAD ? null : new Uint8Array(16));
  return op;
}

const CTR = TEE_ALG_AES_CTR;
const CBC = TEE_ALG_AES_CBC_NOPAD;
const ECB = TEE_ALG_AES_ECB_NOPAD;
const GCM = TEE_ALG_AES_GCM;
const NO_OP = operationHandle(99);
const NO_OBJECT = objectHandle(99);
const BLOCK = new Uint8Array(16);
const room = (bytes = 16) => memref(new Uint8Array(bytes));

type Case = readonly [string, (tee: Tee) => unknown, number, RegExp];

const CASES: readonly Case[] = [
  [
    'TEE_GetObjectInfo1: no such object',
    (tee) => tee.TEE_GetObjectInfo1(NO_OBJECT, Object.create(null)),
    TEE_ERROR_BAD_STATE,
    /./,
  ],
  [
    'TEE_CloseObject: no such object',
    (tee) => tee.TEE_CloseObject(NO_OBJECT),
    TEE_ERROR_BAD_STATE,
    /./,
  ],
  [
    'TEE_FreeTransientObject: no such object',
    (tee) => tee.TEE_FreeTransientObject(NO_OBJECT),
    TEE_ERROR_BAD_STATE,
    /./,
  ],
  [
    'TEE_ResetTransientObject: no such object',
    (tee) => tee.TEE_ResetTransientObject(NO_OBJECT),
    TEE_ERROR_BAD_STATE,
    /./,
  ],
  [
    'TEE_PopulateTransientObject: twice',
    (tee) => tee.TEE_PopulateTransientObject(key(tee), []),
    0,
    /reset it first/,
  ],
  [
    'TEE_PopulateTransientObject: an attribute of other types',
    (tee) => {
      const object = ref<TEE_ObjectHandle>(0);
      tee.TEE_AllocateTransientObject(TEE_TYPE_AES, 128, object);
      const attr = new TEE_Attribute();
      tee.TEE_InitRefAttribute(attr, TEE_ATTR_RSA_MODULUS, BLOCK);
      tee.TEE_PopulateTransientObject(object.value, [attr]);
    },
    TEE_ERROR_ITEM_NOT_FOUND,
    /./,
  ],
  [
    'TEE_InitRefAttribute: a value',
    (tee) => tee.TEE_InitRefAttribute(new TEE_Attribute(), TEE_ATTR_ECC_CURVE, null),
    0,
    /is a value/,
  ],
  [
    'TEE_InitValueAttribute: a buffer',
    (tee) => tee.TEE_InitValueAttribute(new TEE_Attribute(), TEE_ATTR_SECRET_VALUE, 1, 2),
    0,
    /is a buffer/,
  ],
  [
    'TEE_GetObjectBufferAttribute: a value',
    (tee) => tee.TEE_GetObjectBufferAttribute(key(tee), TEE_ATTR_ECC_CURVE, room()),
    TEE_ERROR_BAD_PARAMETERS,
    /is a value/,
  ],
  [
    'TEE_GetObjectValueAttribute: a buffer',
    (tee) => tee.TEE_GetObjectValueAttribute(key(tee), TEE_ATTR_SECRET_VALUE, null, null),
    TEE_ERROR_BAD_PARAMETERS,
    /is a buffer/,
  ],
  [
    'TEE_GetObjectBufferAttribute: not extractable',
    async (tee) => {
      const object = key(tee);
      await tee.TEE_RestrictObjectUsage1(object, TEE_USAGE_DECRYPT);
      tee.TEE_GetObjectBufferAttribute(object, TEE_ATTR_SECRET_VALUE, room());
    },
    TEE_ERROR_BAD_PARAMETERS,
    /./,
  ],
  [
    'TEE_CopyObjectAttributes1: into one that is full',
    (tee) => tee.TEE_CopyObjectAttributes1(key(tee), key(tee)),
    0,
    /destination/,
  ],
  [
    'TEE_CopyObjectAttributes1: from an empty one',
    (tee) => {
      const [to, from] = [ref<TEE_ObjectHandle>(0), ref<TEE_ObjectHandle>(0)];
      for (const object of [to, from]) tee.TEE_AllocateTransientObject(TEE_TYPE_AES, 128, object);
      tee.TEE_CopyObjectAttributes1(to.value, from.value);
    },
    0,
    /source/,
  ],
  [
    'TEE_GenerateKey: into one that is full',
    (tee) => tee.TEE_GenerateKey(key(tee), 128, []),
    TEE_ERROR_BAD_STATE,
    /./,
  ],

  [
    'TEE_FreeOperation: no such operation',
    (tee) => tee.TEE_FreeOperation(NO_OP),
    0,
    /no such operation/,
  ],
  [
    'TEE_FreeOperation: twice',
    (tee) => {
      const op = operation(tee, CTR);
      tee.TEE_FreeOperation(op);
      tee.TEE_FreeOperation(op);
    },
    0,
    /no such operation/,
  ],
  [
    'TEE_GetOperationInfo: NULL',
    (tee) => tee.TEE_GetOperationInfo(TEE_HANDLE_NULL, Object.create(null)),
    0,
    /no such operation/,
  ],
  ['TEE_ResetOperation: no key', (tee) => tee.TEE_ResetOperation(operation(tee, CTR)), 0, /no key/],
  [
    'TEE_SetOperationKey: under way',
    (tee) => tee.TEE_SetOperationKey(started(tee, CTR), key(tee)),
    0,
    /under way/,
  ],
  [
    'TEE_SetOperationKey: too long',
    (tee) => tee.TEE_SetOperationKey(operation(tee, CTR), key(tee, 256)),
    TEE_ERROR_BAD_PARAMETERS,
    /too long/,
  ],
  [
    'TEE_SetOperationKey: not for this use',
    async (tee) => {
      const object = key(tee);
      await tee.TEE_RestrictObjectUsage1(object, TEE_USAGE_DECRYPT);
      tee.TEE_SetOperationKey(operation(tee, CTR), object);
    },
    TEE_ERROR_BAD_PARAMETERS,
    /may not be used/,
  ],
  [
    'TEE_SetOperationKey: an empty object',
    (tee) => {
      const object = ref<TEE_ObjectHandle>(0);
      tee.TEE_AllocateTransientObject(TEE_TYPE_AES, 128, object);
      tee.TEE_SetOperationKey(operation(tee, CTR), object.value);
    },
    0,
    /source has no attributes/,
  ],
  [
    'TEE_CopyOperation: other algorithm',
    (tee) => tee.TEE_CopyOperation(operation(tee, CTR), operation(tee, CBC)),
    0,
    /differ/,
  ],
  [
    'TEE_CopyOperation: other mode',
    (tee) => tee.TEE_CopyOperation(operation(tee, CTR), operation(tee, CTR, TEE_MODE_DECRYPT)),
    0,
    /differ/,
  ],

  [
    'TEE_CipherInit: NULL',
    (tee) => tee.TEE_CipherInit(TEE_HANDLE_NULL, null),
    0,
    /no such operation/,
  ],
  [
    'TEE_CipherInit: no cipher',
    (tee) => tee.TEE_CipherInit(keyed(tee, GCM), null),
    0,
    /not a cipher/,
  ],
  ['TEE_CipherInit: no key', (tee) => tee.TEE_CipherInit(operation(tee, CTR), BLOCK), 0, /no key/],
  [
    'TEE_CipherInit: ECB with IV',
    (tee) => tee.TEE_CipherInit(keyed(tee, ECB), BLOCK),
    0,
    /no initialization vector/,
  ],
  [
    'TEE_CipherInit: CBC without IV',
    (tee) => tee.TEE_CipherInit(keyed(tee, CBC), null),
    TEE_ERROR_BAD_PARAMETERS,
    /./,
  ],
  [
    'TEE_CipherUpdate: NULL',
    (tee) => tee.TEE_CipherUpdate(TEE_HANDLE_NULL, BLOCK, room()),
    TEE_ERROR_BAD_PARAMETERS,
    /no such operation/,
  ],
  [
    'TEE_CipherUpdate: not started',
    (tee) => tee.TEE_CipherUpdate(keyed(tee, CTR), BLOCK, room()),
    TEE_ERROR_BAD_PARAMETERS,
    /TEE_CipherInit comes first/,
  ],
  [
    'TEE_CipherUpdate: size beyond the buffer',
    (tee) => tee.TEE_CipherUpdate(started(tee, CTR), BLOCK, { buffer: BLOCK, size: 17 }),
    TEE_ERROR_ACCESS_DENIED,
    /17 in 16/,
  ],
  [
    'TEE_CipherUpdate: NULL with a size',
    (tee) => tee.TEE_CipherUpdate(started(tee, CTR), BLOCK, { buffer: null, size: 16 }),
    TEE_ERROR_ACCESS_DENIED,
    /16 in 0/,
  ],
  [
    'TEE_CipherDoFinal: not started',
    (tee) => tee.TEE_CipherDoFinal(keyed(tee, CTR), null, null),
    TEE_ERROR_BAD_PARAMETERS,
    /TEE_CipherInit comes first/,
  ],
  [
    'TEE_CipherDoFinal: part of a block',
    (tee) => tee.TEE_CipherDoFinal(started(tee, CBC), new Uint8Array(17), room(32)),
    TEE_ERROR_BAD_PARAMETERS,
    /no whole blocks/,
  ],

  [
    'TEE_AEInit: a cipher',
    (tee) => tee.TEE_AEInit(keyed(tee, CTR), BLOCK, 128, 0, 0),
    TEE_ERROR_BAD_PARAMETERS,
    /not authenticated encryption/,
  ],
  [
    'TEE_AEInit: no key',
    (tee) => tee.TEE_AEInit(operation(tee, GCM), BLOCK, 128, 0, 0),
    TEE_ERROR_BAD_PARAMETERS,
    /./,
  ],
  [
    'TEE_AEUpdateAAD: not started',
    (tee) => tee.TEE_AEUpdateAAD(keyed(tee, GCM), BLOCK),
    0,
    /TEE_AEInit comes first/,
  ],
  [
    'TEE_AEUpdateAAD: after the payload',
    (tee) => {
      const op = started(tee, GCM);
      tee.TEE_AEUpdate(op, BLOCK, room());
      tee.TEE_AEUpdateAAD(op, BLOCK);
    },
    0,
    /before the payload/,
  ],
  [
    'TEE_AEUpdate: not started',
    (tee) => tee.TEE_AEUpdate(keyed(tee, GCM), BLOCK, room()),
    TEE_ERROR_BAD_PARAMETERS,
    /TEE_AEInit comes first/,
  ],
  [
    'TEE_AEDecryptFinal: an encryption',
    (tee) => tee.TEE_AEDecryptFinal(started(tee, GCM), null, room(), BLOCK),
    TEE_ERROR_BAD_PARAMETERS,
    /the core answered/,
  ],
];

for (const [name, body, code, cause] of CASES) {
  test(name, async () => {
    const { panic, cause: reason } = await panicOf(body);
    assert.equal(hex32(panic.code), hex32(code));
    assert.match(reason, cause);
    assert.match(panic.where, /panic-crypto\.test\.ts:\d+$/, 'the line of the TA');
  });
}
