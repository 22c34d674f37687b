/**
 * Which results of the core each function of objects and operations hands on; all others end the TA,
 * with the core's code.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ALG_ECDSA_SHA256,
  TEE_ALG_HMAC_SHA256,
  TEE_ALG_RSAES_PKCS1_V1_5,
  TEE_ALG_SHA256,
  TEE_ATTR_ECC_CURVE,
  TEE_ATTR_SECRET_VALUE,
  TEE_ERROR,
  TEE_ERROR_GENERIC,
  TEE_MODE_DECRYPT,
  TEE_MODE_DIGEST,
  TEE_MODE_ENCRYPT,
  TEE_MODE_SIGN,
  TEE_MODE_VERIFY,
  TEE_TYPE_AES,
  TEE_TYPE_GENERIC_SECRET,
  TEE_TYPE_HMAC_SHA256,
} from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import { TestCrypto } from '../../optee-os/testing/crypto.ts';
import type { TaCryptoSyscalls } from '../runtime.ts';
import { agreement, digest, key, mac, object, operation } from '../testing/operations.ts';
import { World, inTa, panicOf } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { TEE_ObjectInfo, memref, objectHandle, operationHandle, ref } from './types.ts';
import type { TEE_ObjectHandle, TEE_OperationHandle } from './types.ts';

type Names = readonly string[];
type Syscall = keyof TaCryptoSyscalls;
/** Returns the call to make; what it does before is answered by the real core. */
type Prepare = (tee: Tee) => () => unknown;
type Row = readonly [api: string, syscall: Syscall, prepare: Prepare, handedOn: Names];

const STORAGE = ['CORRUPT_OBJECT', 'STORAGE_NOT_AVAILABLE'];
const BLOCK = new Uint8Array(16);
const room = () => memref(new Uint8Array(64));
const aesKey = (tee: Tee): TEE_ObjectHandle => key(tee, TEE_TYPE_AES, 128);

const onKey =
  (call: (tee: Tee, made: TEE_ObjectHandle) => unknown): Prepare =>
  (tee) => {
    const made = aesKey(tee);
    return () => call(tee, made);
  };

const onOperation =
  (
    make: (tee: Tee) => TEE_OperationHandle,
    call: (tee: Tee, op: TEE_OperationHandle) => unknown,
  ): Prepare =>
  (tee) => {
    const op = make(tee);
    return () => call(tee, op);
  };

function cipher(tee: Tee, algorithm: number, mode: number = TEE_MODE_ENCRYPT): TEE_OperationHandle {
  const op = operation(tee, algorithm, mode, 128);
  tee.TEE_SetOperationKey(op, aesKey(tee));
  return op;
}
const sha256 = (tee: Tee): TEE_OperationHandle => digest(tee, TEE_ALG_SHA256);
const cbc = (tee: Tee): TEE_OperationHandle => cipher(tee, TEE_ALG_AES_CBC_NOPAD);
function begunCbc(tee: Tee): TEE_OperationHandle {
  const op = cbc(tee);
  tee.TEE_CipherInit(op, BLOCK);
  return op;
}
const hmac = (tee: Tee): TEE_OperationHandle =>
  mac(tee, TEE_ALG_HMAC_SHA256, TEE_TYPE_HMAC_SHA256, 256);
function begunHmac(tee: Tee): TEE_OperationHandle {
  const op = hmac(tee);
  tee.TEE_MACInit(op, null);
  return op;
}
const begunGcm =
  (mode: number) =>
  (tee: Tee): TEE_OperationHandle => {
    const op = cipher(tee, TEE_ALG_AES_GCM, mode);
    tee.TEE_AEInit(op, BLOCK, 128, 0, 0);
    return op;
  };
const rsa = (mode: number) => (tee: Tee) => operation(tee, TEE_ALG_RSAES_PKCS1_V1_5, mode, 512);
const ecdsa = (mode: number) => (tee: Tee) => operation(tee, TEE_ALG_ECDSA_SHA256, mode, 256);
const ASYMMETRIC = ['SHORT_BUFFER', 'BAD_PARAMETERS', 'CIPHERTEXT_INVALID', 'NOT_SUPPORTED'];

const OBJECTS: readonly Row[] = [
  [
    'TEE_AllocateTransientObject',
    'objAlloc',
    (tee) => () => tee.TEE_AllocateTransientObject(TEE_TYPE_AES, 128, ref(objectHandle(0))),
    ['OUT_OF_MEMORY', 'NOT_SUPPORTED'],
  ],
  ['TEE_FreeTransientObject', 'objClose', onKey((tee, o) => tee.TEE_FreeTransientObject(o)), []],
  ['TEE_FreeTransientObject', 'objGetInfo', onKey((tee, o) => tee.TEE_FreeTransientObject(o)), []],
  ['TEE_CloseObject', 'objClose', onKey((tee, o) => tee.TEE_CloseObject(o)), []],
  ['TEE_ResetTransientObject', 'objReset', onKey((tee, o) => tee.TEE_ResetTransientObject(o)), []],
  [
    'TEE_PopulateTransientObject',
    'objPopulate',
    (tee) => {
      const made = object(tee, TEE_TYPE_AES, 128);
      return () => tee.TEE_PopulateTransientObject(made, []);
    },
    ['BAD_PARAMETERS'],
  ],
  [
    'TEE_GetObjectInfo',
    'objGetInfo',
    onKey((tee, o) => tee.TEE_GetObjectInfo(o, new TEE_ObjectInfo())),
    [],
  ],
  [
    'TEE_GetObjectInfo1',
    'objGetInfo',
    onKey((tee, o) => tee.TEE_GetObjectInfo1(o, new TEE_ObjectInfo())),
    STORAGE,
  ],
  [
    'TEE_RestrictObjectUsage',
    'objRestrictUsage',
    onKey((tee, o) => tee.TEE_RestrictObjectUsage(o, 0)),
    [],
  ],
  [
    'TEE_RestrictObjectUsage1',
    'objRestrictUsage',
    onKey((tee, o) => tee.TEE_RestrictObjectUsage1(o, 0)),
    STORAGE,
  ],
  [
    'TEE_GetObjectBufferAttribute',
    'objGetAttr',
    onKey((tee, o) => tee.TEE_GetObjectBufferAttribute(o, TEE_ATTR_SECRET_VALUE, room())),
    ['ITEM_NOT_FOUND', 'SHORT_BUFFER', ...STORAGE],
  ],
  [
    'TEE_GetObjectValueAttribute',
    'objGetAttr',
    onKey((tee, o) => tee.TEE_GetObjectValueAttribute(o, TEE_ATTR_ECC_CURVE, null, null)),
    ['ITEM_NOT_FOUND', ...STORAGE],
  ],
  [
    'TEE_CopyObjectAttributes',
    'objCopy',
    onKey((tee, o) => tee.TEE_CopyObjectAttributes(object(tee, TEE_TYPE_AES, 128), o)),
    [],
  ],
  [
    'TEE_CopyObjectAttributes1',
    'objCopy',
    onKey((tee, o) => tee.TEE_CopyObjectAttributes1(object(tee, TEE_TYPE_AES, 128), o)),
    STORAGE,
  ],
  [
    'TEE_GenerateKey',
    'generateKey',
    (tee) => () => tee.TEE_GenerateKey(object(tee, TEE_TYPE_AES, 128), 128, []),
    ['BAD_PARAMETERS'],
  ],
];

const OPERATIONS: readonly Row[] = [
  [
    'TEE_AllocateOperation',
    'stateAlloc',
    (tee) => () =>
      tee.TEE_AllocateOperation(ref(operationHandle(0)), TEE_ALG_SHA256, TEE_MODE_DIGEST, 0),
    ['OUT_OF_MEMORY', 'NOT_SUPPORTED'],
  ],
  [
    'TEE_FreeOperation',
    'stateFree',
    onOperation(sha256, (tee, op) => tee.TEE_FreeOperation(op)),
    [],
  ],
  [
    'TEE_ResetOperation',
    'hashInit',
    onOperation(sha256, (tee, op) => tee.TEE_ResetOperation(op)),
    [],
  ],
  [
    'TEE_SetOperationKey',
    'objCopy',
    onOperation(cbc, (tee, op) => tee.TEE_SetOperationKey(op, aesKey(tee))),
    STORAGE,
  ],
  [
    'TEE_CopyOperation',
    'stateCopy',
    onOperation(sha256, (tee, op) => tee.TEE_CopyOperation(sha256(tee), op)),
    [],
  ],
  [
    'TEE_DigestUpdate',
    'hashUpdate',
    onOperation(sha256, (tee, op) => tee.TEE_DigestUpdate(op, BLOCK)),
    [],
  ],
  [
    'TEE_DigestDoFinal',
    'hashFinal',
    onOperation(sha256, (tee, op) => tee.TEE_DigestDoFinal(op, BLOCK, room())),
    ['SHORT_BUFFER'],
  ],
  [
    'TEE_CipherInit',
    'cipherInit',
    onOperation(cbc, (tee, op) => tee.TEE_CipherInit(op, BLOCK)),
    [],
  ],
  [
    'TEE_CipherUpdate',
    'cipherUpdate',
    onOperation(begunCbc, (tee, op) => tee.TEE_CipherUpdate(op, BLOCK, room())),
    [],
  ],
  [
    'TEE_CipherDoFinal',
    'cipherFinal',
    onOperation(begunCbc, (tee, op) => tee.TEE_CipherDoFinal(op, BLOCK, room())),
    ['SHORT_BUFFER'],
  ],
  ['TEE_MACInit', 'hashInit', onOperation(hmac, (tee, op) => tee.TEE_MACInit(op, null)), []],
  [
    'TEE_MACUpdate',
    'hashUpdate',
    onOperation(begunHmac, (tee, op) => tee.TEE_MACUpdate(op, BLOCK)),
    [],
  ],
  [
    'TEE_MACComputeFinal',
    'hashFinal',
    onOperation(begunHmac, (tee, op) => tee.TEE_MACComputeFinal(op, BLOCK, room())),
    ['SHORT_BUFFER'],
  ],
  [
    'TEE_MACCompareFinal',
    'hashFinal',
    onOperation(begunHmac, (tee, op) => tee.TEE_MACCompareFinal(op, BLOCK, BLOCK)),
    [],
  ],
  [
    'TEE_AEInit',
    'authencInit',
    onOperation(
      (tee) => cipher(tee, TEE_ALG_AES_GCM),
      (tee, op) => tee.TEE_AEInit(op, BLOCK, 128, 0, 0),
    ),
    ['NOT_SUPPORTED'],
  ],
  [
    'TEE_AEUpdateAAD',
    'authencUpdateAad',
    onOperation(begunGcm(TEE_MODE_ENCRYPT), (tee, op) => tee.TEE_AEUpdateAAD(op, BLOCK)),
    [],
  ],
  [
    'TEE_AEUpdate',
    'authencUpdatePayload',
    onOperation(begunGcm(TEE_MODE_ENCRYPT), (tee, op) => tee.TEE_AEUpdate(op, BLOCK, room())),
    [],
  ],
  [
    'TEE_AEEncryptFinal',
    'authencEncFinal',
    onOperation(begunGcm(TEE_MODE_ENCRYPT), (tee, op) =>
      tee.TEE_AEEncryptFinal(op, BLOCK, room(), room()),
    ),
    ['SHORT_BUFFER'],
  ],
  [
    'TEE_AEDecryptFinal',
    'authencDecFinal',
    onOperation(begunGcm(TEE_MODE_DECRYPT), (tee, op) =>
      tee.TEE_AEDecryptFinal(op, BLOCK, room(), BLOCK),
    ),
    ['SHORT_BUFFER', 'MAC_INVALID'],
  ],
  [
    'TEE_AsymmetricEncrypt',
    'asymmOperate',
    onOperation(rsa(TEE_MODE_ENCRYPT), (tee, op) =>
      tee.TEE_AsymmetricEncrypt(op, [], BLOCK, room()),
    ),
    ASYMMETRIC,
  ],
  [
    'TEE_AsymmetricDecrypt',
    'asymmOperate',
    onOperation(rsa(TEE_MODE_DECRYPT), (tee, op) =>
      tee.TEE_AsymmetricDecrypt(op, [], BLOCK, room()),
    ),
    ASYMMETRIC,
  ],
  [
    'TEE_AsymmetricSignDigest',
    'asymmOperate',
    onOperation(ecdsa(TEE_MODE_SIGN), (tee, op) =>
      tee.TEE_AsymmetricSignDigest(op, [], BLOCK, room()),
    ),
    ['SHORT_BUFFER'],
  ],
  [
    'TEE_AsymmetricVerifyDigest',
    'asymmVerify',
    onOperation(ecdsa(TEE_MODE_VERIFY), (tee, op) =>
      tee.TEE_AsymmetricVerifyDigest(op, [], BLOCK, BLOCK),
    ),
    ['SIGNATURE_INVALID'],
  ],
  [
    'TEE_DeriveKey',
    'deriveKey',
    onOperation(agreement, (tee, op) =>
      tee.TEE_DeriveKey(op, [], object(tee, TEE_TYPE_GENERIC_SECRET, 256)),
    ),
    [],
  ],
];

/** What the core is made to answer: all that any function hands on, and some that none does. */
const CODES = [
  ...new Set([...OBJECTS, ...OPERATIONS].flatMap(([, , , handedOn]) => handedOn)),
  ...['GENERIC', 'ACCESS_DENIED', 'BAD_STATE', 'SECURITY', 'TARGET_DEAD'],
].map((name) => [name, codeOf(name)] as const);

function codeOf(name: string): number {
  return new Map<string, number>(Object.entries(TEE_ERROR)).get(`TEE_ERROR_${name}`)!;
}

/** A world whose core answers one system call as told, once it is told to. */
function answering(syscall: Syscall): { world: World; answer: (code: number) => void } {
  let code: number | undefined;
  function answered(this: TestCrypto, ...args: unknown[]): unknown {
    if (code !== undefined) return code;
    const real: unknown = Reflect.get(TestCrypto.prototype, syscall);
    return typeof real === 'function' ? Reflect.apply(real, this, args) : undefined;
  }
  const world = new World({ crypto: { [syscall]: answered } });
  return { world, answer: (given) => (code = given) };
}

describe('results of the core', () => {
  for (const [api, syscall, prepare, handedOn] of [...OBJECTS, ...OPERATIONS]) {
    test(`${api}, ${syscall}: ${handedOn.length === 0 ? 'none' : handedOn.join(', ')}`, async () => {
      const returned: string[] = [];
      for (const [name, code] of CODES) {
        const { world, answer } = answering(syscall);
        let result: unknown;
        const body = async (tee: Tee): Promise<void> => {
          const call = prepare(tee);
          answer(code);
          result = await call();
        };
        if (handedOn.includes(name)) {
          await inTa(body, undefined, world);
          returned.push(name);
          assert.equal(result, code, name);
        } else {
          const { panic, cause } = await panicOf(body, undefined, world);
          assert.equal(hex32(panic.code), hex32(code), name);
          assert.match(cause, /^TEE_\w+: the core answered/);
        }
      }
      assert.deepEqual(returned.sort(), [...handedOn].sort());
    });
  }

  test('TEE_DigestExtract panics with 0, whatever the core said', async () => {
    const { world, answer } = answering('hashFinal');
    const body = (tee: Tee): unknown => {
      const op = sha256(tee);
      answer(TEE_ERROR_GENERIC);
      return tee.TEE_DigestExtract(op, room());
    };
    assert.equal((await panicOf(body, undefined, world)).panic.code, 0);
  });
});
