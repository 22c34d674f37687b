/** Ciphers, MACs and authenticated encryption: what each call does in each state. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ALG_AES_XTS,
  TEE_ALG_HMAC_SHA256,
  TEE_HANDLE_NULL,
  TEE_MODE_ENCRYPT,
  TEE_MODE_MAC,
  TEE_TYPE_AES,
  TEE_TYPE_HMAC_SHA256,
} from '../../abi/gp.ts';
import { after, clearKey, key, object, operation } from '../testing/operations.ts';
import type { Call, Make } from '../testing/operations.ts';
import { checkStateTable } from '../testing/state-table.ts';
import { inTa } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { TEE_OperationInfo, TEE_OperationInfoMultiple, memref } from './types.ts';
import type { TEE_ObjectHandle } from './types.ts';

const BLOCK = new Uint8Array(16);
const HALF = new Uint8Array(8);
const room = (bytes = 64) => memref(new Uint8Array(bytes));
const aesKey = (tee: Tee): TEE_ObjectHandle => key(tee, TEE_TYPE_AES, 128);

const reset: Call = (tee, op) => tee.TEE_ResetOperation(op);

/** What every operation knows. `keyed` makes one of the same algorithm and mode with a key. */
const common = (made: Make, keyed: Make) => ({
  TEE_GetOperationInfo: ((tee, op) =>
    tee.TEE_GetOperationInfo(op, new TEE_OperationInfo())) as Call,
  TEE_GetOperationInfoMultiple: ((tee, op) =>
    tee.TEE_GetOperationInfoMultiple(op, new TEE_OperationInfoMultiple())) as Call,
  TEE_ResetOperation: reset,
  'TEE_CopyOperation to a new one': ((tee, op) => tee.TEE_CopyOperation(made(tee), op)) as Call,
  'TEE_CopyOperation from one with a key': ((tee, op) =>
    tee.TEE_CopyOperation(op, keyed(tee))) as Call,
  'TEE_SetOperationKey NULL': clearKey,
  TEE_FreeOperation: ((tee, op) => tee.TEE_FreeOperation(op)) as Call,
});

/** Calls that are for operations of other classes. */
const strangers: Readonly<Record<string, Call>> = {
  TEE_DigestUpdate: (tee, op) => tee.TEE_DigestUpdate(op, BLOCK),
  TEE_DigestDoFinal: (tee, op) => tee.TEE_DigestDoFinal(op, BLOCK, room()),
  TEE_DigestExtract: (tee, op) => tee.TEE_DigestExtract(op, room()),
  TEE_AsymmetricEncrypt: (tee, op) => tee.TEE_AsymmetricEncrypt(op, [], BLOCK, room()),
  TEE_AsymmetricDecrypt: (tee, op) => tee.TEE_AsymmetricDecrypt(op, [], BLOCK, room()),
  TEE_AsymmetricSignDigest: (tee, op) => tee.TEE_AsymmetricSignDigest(op, [], BLOCK, room()),
  TEE_AsymmetricVerifyDigest: (tee, op) => tee.TEE_AsymmetricVerifyDigest(op, [], BLOCK, BLOCK),
  TEE_DeriveKey: (tee, op) => tee.TEE_DeriveKey(op, [], aesKey(tee)),
};
const STRANGERS = `
  TEE_DigestUpdate           | panic 0
  TEE_DigestDoFinal          | panic BAD_PARAMETERS
  TEE_DigestExtract          | panic 0
  TEE_AsymmetricEncrypt      | panic 0
  TEE_AsymmetricDecrypt      | panic 0
  TEE_AsymmetricSignDigest   | panic 0
  TEE_AsymmetricVerifyDigest | panic 0
  TEE_DeriveKey              | panic 0
`;

// --- ciphers
const cbc: Make = (tee) => operation(tee, TEE_ALG_AES_CBC_NOPAD, TEE_MODE_ENCRYPT, 128);
const setKey: Call = (tee, op) => tee.TEE_SetOperationKey(op, aesKey(tee));
const init: Call = (tee, op) => tee.TEE_CipherInit(op, BLOCK);
const cbcKeyed = after(cbc, setKey);
const cbcBegun = after(cbcKeyed, init);
const feedHalf: Call = (tee, op) => tee.TEE_CipherUpdate(op, HALF, room());
const twoKeys: Call = (tee, op) => tee.TEE_SetOperationKey2(op, aesKey(tee), aesKey(tee));

checkStateTable('AES CBC', {
  states: {
    made: cbc,
    keyed: cbcKeyed,
    begun: cbcBegun,
    fed: after(cbcBegun, feedHalf),
    ended: after(cbcBegun, (tee, op) => tee.TEE_CipherDoFinal(op, BLOCK, room())),
    reset: after(after(cbcBegun, feedHalf), reset),
    cleared: after(cbcKeyed, clearKey),
  },
  calls: {
    ...common(cbc, cbcKeyed),
    TEE_SetOperationKey: setKey,
    TEE_SetOperationKey2: twoKeys,
    TEE_CipherInit: init,
    TEE_CipherUpdate: (tee, op) => tee.TEE_CipherUpdate(op, BLOCK, room()),
    'TEE_CipherUpdate short': (tee, op) => tee.TEE_CipherUpdate(op, BLOCK, room(15)),
    'TEE_CipherUpdate nothing': (tee, op) => tee.TEE_CipherUpdate(op, null, memref(null)),
    'TEE_CipherDoFinal a block': (tee, op) => tee.TEE_CipherDoFinal(op, BLOCK, room()),
    'TEE_CipherDoFinal half a block': (tee, op) => tee.TEE_CipherDoFinal(op, HALF, room()),
    'TEE_CipherDoFinal short': (tee, op) => tee.TEE_CipherDoFinal(op, BLOCK, room(15)),
    TEE_MACInit: (tee, op) => tee.TEE_MACInit(op, null),
    TEE_AEInit: (tee, op) => tee.TEE_AEInit(op, BLOCK, 128, 0, 0),
  },
  expected: `
    function                              | made                 | keyed                | begun                | fed                  | ended                | reset                | cleared
    TEE_GetOperationInfo                  | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_GetOperationInfoMultiple          | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_ResetOperation                    | panic 0              | ok                   | ok                   | ok                   | ok                   | ok                   | panic 0
    TEE_CopyOperation to a new one        | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CopyOperation from one with a key | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey NULL              | ok                   | ok                   | panic 0              | panic 0              | ok                   | ok                   | ok
    TEE_FreeOperation                     | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey                   | ok                   | ok                   | panic 0              | panic 0              | ok                   | ok                   | ok
    TEE_SetOperationKey2                  | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0              | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherInit                        | panic 0              | ok                   | ok                   | ok                   | ok                   | ok                   | panic 0
    TEE_CipherUpdate                      | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok                   | ok                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherUpdate short                | panic BAD_PARAMETERS | panic BAD_PARAMETERS | SHORT_BUFFER         | SHORT_BUFFER         | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherUpdate nothing              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok                   | ok                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherDoFinal a block             | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherDoFinal half a block        | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherDoFinal short               | panic BAD_PARAMETERS | panic BAD_PARAMETERS | SHORT_BUFFER         | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_MACInit                           | panic 0              | panic 0              | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
    TEE_AEInit                            | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  `,
});

checkStateTable('AES CBC, calls for other classes', {
  states: { begun: cbcBegun },
  calls: strangers,
  expected: `function | begun ${STRANGERS}`,
});

// --- two keys
const xts: Make = (tee) => operation(tee, TEE_ALG_AES_XTS, TEE_MODE_ENCRYPT, 256);
const xtsKeyed = after(xts, twoKeys);
const xtsBegun = after(xtsKeyed, init);

checkStateTable('AES XTS', {
  states: {
    made: xts,
    keyed: xtsKeyed,
    begun: xtsBegun,
    ended: after(xtsBegun, (tee, op) => tee.TEE_CipherDoFinal(op, BLOCK, room())),
    'half cleared': after(xtsKeyed, clearKey),
  },
  calls: {
    ...common(xts, xtsKeyed),
    TEE_SetOperationKey: setKey,
    TEE_SetOperationKey2: twoKeys,
    'TEE_SetOperationKey2 the same one twice': (tee, op) => {
      const one = aesKey(tee);
      return tee.TEE_SetOperationKey2(op, one, one);
    },
    'TEE_SetOperationKey2 NULL, NULL': (tee, op) =>
      tee.TEE_SetOperationKey2(op, TEE_HANDLE_NULL, TEE_HANDLE_NULL),
    'TEE_SetOperationKey2 one, NULL': (tee, op) =>
      tee.TEE_SetOperationKey2(op, aesKey(tee), TEE_HANDLE_NULL),
    'TEE_SetOperationKey2 NULL, one': (tee, op) =>
      tee.TEE_SetOperationKey2(op, TEE_HANDLE_NULL, aesKey(tee)),
    'TEE_SetOperationKey2 of two sizes': (tee, op) =>
      tee.TEE_SetOperationKey2(op, aesKey(tee), key(tee, TEE_TYPE_AES, 256)),
    'TEE_SetOperationKey2 an empty one': (tee, op) =>
      tee.TEE_SetOperationKey2(op, aesKey(tee), object(tee, TEE_TYPE_AES, 128)),
    TEE_CipherInit: init,
  },
  expected: `
    function                                | made                 | keyed                | begun                | ended                | half cleared
    TEE_GetOperationInfo                    | ok                   | ok                   | ok                   | ok                   | ok
    TEE_GetOperationInfoMultiple            | ok                   | ok                   | ok                   | ok                   | ok
    TEE_ResetOperation                      | panic 0              | ok                   | ok                   | ok                   | panic 0
    TEE_CopyOperation to a new one          | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CopyOperation from one with a key   | ok                   | ok                   | panic 0              | ok                   | ok
    TEE_SetOperationKey NULL                | ok                   | ok                   | panic 0              | ok                   | ok
    TEE_FreeOperation                       | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey                     | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2                    | ok                   | ok                   | panic 0              | ok                   | ok
    TEE_SetOperationKey2 the same one twice | SECURITY             | SECURITY             | SECURITY             | SECURITY             | SECURITY
    TEE_SetOperationKey2 NULL, NULL         | ok                   | ok                   | panic 0              | ok                   | ok
    TEE_SetOperationKey2 one, NULL          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2 NULL, one          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2 of two sizes       | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2 an empty one       | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherInit                          | panic 0              | ok                   | ok                   | ok                   | panic 0
  `,
});

// --- MACs
const hmac: Make = (tee) => operation(tee, TEE_ALG_HMAC_SHA256, TEE_MODE_MAC, 256);
const setHmacKey: Call = (tee, op) =>
  tee.TEE_SetOperationKey(op, key(tee, TEE_TYPE_HMAC_SHA256, 256));
const hmacKeyed = after(hmac, setHmacKey);
const hmacBegun = after(hmacKeyed, (tee, op) => tee.TEE_MACInit(op, null));
const hmacFed = after(hmacBegun, (tee, op) => tee.TEE_MACUpdate(op, BLOCK));

checkStateTable('HMAC', {
  states: {
    made: hmac,
    keyed: hmacKeyed,
    begun: hmacBegun,
    fed: hmacFed,
    ended: after(hmacBegun, (tee, op) => tee.TEE_MACComputeFinal(op, null, room())),
    compared: after(hmacBegun, (tee, op) => tee.TEE_MACCompareFinal(op, null, BLOCK)),
    reset: after(hmacFed, reset),
    cleared: after(hmacKeyed, clearKey),
  },
  calls: {
    ...common(hmac, hmacKeyed),
    TEE_SetOperationKey: setHmacKey,
    TEE_MACInit: (tee, op) => tee.TEE_MACInit(op, null),
    TEE_MACUpdate: (tee, op) => tee.TEE_MACUpdate(op, BLOCK),
    TEE_MACComputeFinal: (tee, op) => tee.TEE_MACComputeFinal(op, BLOCK, room()),
    'TEE_MACComputeFinal short': (tee, op) => tee.TEE_MACComputeFinal(op, BLOCK, room(31)),
    'TEE_MACCompareFinal another one': (tee, op) =>
      tee.TEE_MACCompareFinal(op, BLOCK, new Uint8Array(32)),
    'TEE_MACCompareFinal of other length': (tee, op) => tee.TEE_MACCompareFinal(op, BLOCK, BLOCK),
    TEE_CipherInit: (tee, op) => tee.TEE_CipherInit(op, null),
    TEE_CipherUpdate: (tee, op) => tee.TEE_CipherUpdate(op, BLOCK, room()),
    TEE_AEUpdate: (tee, op) => tee.TEE_AEUpdate(op, BLOCK, room()),
  },
  expected: `
    function                              | made                 | keyed                | begun                | fed                  | ended                | compared             | reset                | cleared
    TEE_GetOperationInfo                  | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_GetOperationInfoMultiple          | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_ResetOperation                    | panic 0              | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | panic 0
    TEE_CopyOperation to a new one        | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CopyOperation from one with a key | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey NULL              | ok                   | ok                   | panic 0              | panic 0              | ok                   | ok                   | ok                   | ok
    TEE_FreeOperation                     | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey                   | ok                   | ok                   | panic 0              | panic 0              | ok                   | ok                   | ok                   | ok
    TEE_MACInit                           | panic 0              | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | panic 0
    TEE_MACUpdate                         | panic 0              | panic 0              | ok                   | ok                   | panic 0              | panic 0              | panic 0              | panic 0
    TEE_MACComputeFinal                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok                   | ok                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_MACComputeFinal short             | panic BAD_PARAMETERS | panic BAD_PARAMETERS | SHORT_BUFFER         | SHORT_BUFFER         | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_MACCompareFinal another one       | panic BAD_PARAMETERS | panic BAD_PARAMETERS | MAC_INVALID          | MAC_INVALID          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_MACCompareFinal of other length   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | MAC_INVALID          | MAC_INVALID          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherInit                        | panic 0              | panic 0              | panic 0              | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
    TEE_CipherUpdate                      | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdate                          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  `,
});

// --- authenticated encryption
const NONCE = new Uint8Array(12);
const gcm: Make = (tee) => operation(tee, TEE_ALG_AES_GCM, TEE_MODE_ENCRYPT, 128);
const gcmKeyed = after(gcm, setKey);
const gcmBegun = after(gcmKeyed, (tee, op) => tee.TEE_AEInit(op, NONCE, 128, 0, 0));
const gcmFed = after(gcmBegun, (tee, op) => tee.TEE_AEUpdate(op, HALF, room()));

checkStateTable('AES GCM', {
  states: {
    made: gcm,
    keyed: gcmKeyed,
    begun: gcmBegun,
    'with data': after(gcmBegun, (tee, op) => tee.TEE_AEUpdateAAD(op, BLOCK)),
    fed: gcmFed,
    ended: after(gcmFed, (tee, op) => tee.TEE_AEEncryptFinal(op, null, room(), room(16))),
    reset: after(gcmFed, reset),
    cleared: after(gcmKeyed, clearKey),
  },
  calls: {
    ...common(gcm, gcmKeyed),
    TEE_SetOperationKey: setKey,
    TEE_SetOperationKey2: twoKeys,
    TEE_AEInit: (tee, op) => tee.TEE_AEInit(op, NONCE, 128, 0, 0),
    'TEE_AEInit with a tag of 97 bits': (tee, op) => tee.TEE_AEInit(op, NONCE, 97, 0, 0),
    'TEE_AEInit without a nonce': (tee, op) => tee.TEE_AEInit(op, null, 128, 0, 0),
    TEE_AEUpdateAAD: (tee, op) => tee.TEE_AEUpdateAAD(op, BLOCK),
    TEE_AEUpdate: (tee, op) => tee.TEE_AEUpdate(op, BLOCK, room()),
    'TEE_AEUpdate short': (tee, op) => tee.TEE_AEUpdate(op, BLOCK, room(15)),
    'TEE_AEUpdate nothing': (tee, op) => tee.TEE_AEUpdate(op, null, memref(null)),
    TEE_AEEncryptFinal: (tee, op) => tee.TEE_AEEncryptFinal(op, BLOCK, room(), room(16)),
    'TEE_AEEncryptFinal short': (tee, op) => tee.TEE_AEEncryptFinal(op, BLOCK, room(15), room(16)),
    'TEE_AEEncryptFinal, tag short': (tee, op) =>
      tee.TEE_AEEncryptFinal(op, BLOCK, room(), room(15)),
    TEE_AEDecryptFinal: (tee, op) => tee.TEE_AEDecryptFinal(op, BLOCK, room(), BLOCK),
    TEE_MACInit: (tee, op) => tee.TEE_MACInit(op, null),
  },
  expected: `
    function                              | made                 | keyed                | begun                | with data            | fed                  | ended                | reset                | cleared
    TEE_GetOperationInfo                  | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_GetOperationInfoMultiple          | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_ResetOperation                    | panic 0              | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | panic 0
    TEE_CopyOperation to a new one        | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CopyOperation from one with a key | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey NULL              | ok                   | ok                   | panic 0              | panic 0              | panic 0              | ok                   | ok                   | ok
    TEE_FreeOperation                     | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey                   | ok                   | ok                   | panic 0              | panic 0              | panic 0              | ok                   | ok                   | ok
    TEE_SetOperationKey2                  | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEInit                            | panic BAD_PARAMETERS | ok                   | ok                   | ok                   | panic BAD_PARAMETERS | ok                   | ok                   | panic BAD_PARAMETERS
    TEE_AEInit with a tag of 97 bits      | NOT_SUPPORTED        | NOT_SUPPORTED        | NOT_SUPPORTED        | NOT_SUPPORTED        | panic BAD_PARAMETERS | NOT_SUPPORTED        | NOT_SUPPORTED        | NOT_SUPPORTED
    TEE_AEInit without a nonce            | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdateAAD                       | panic 0              | panic 0              | ok                   | ok                   | panic 0              | panic 0              | panic 0              | panic 0
    TEE_AEUpdate                          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok                   | ok                   | ok                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdate short                    | panic BAD_PARAMETERS | panic BAD_PARAMETERS | SHORT_BUFFER         | SHORT_BUFFER         | SHORT_BUFFER         | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdate nothing                  | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok                   | ok                   | ok                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal                    | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok                   | ok                   | ok                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal short              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | SHORT_BUFFER         | SHORT_BUFFER         | SHORT_BUFFER         | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal, tag short         | panic BAD_PARAMETERS | panic BAD_PARAMETERS | SHORT_BUFFER         | SHORT_BUFFER         | SHORT_BUFFER         | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEDecryptFinal                    | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_MACInit                           | panic 0              | panic 0              | panic 0              | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
  `,
});

test('TEE_SetOperationKey with NULL clears the first of two keys', () =>
  inTa((tee) => {
    const op = xtsKeyed(tee);
    const info = new TEE_OperationInfoMultiple();
    const sizes = (): number[] => {
      tee.TEE_GetOperationInfoMultiple(op, info);
      return info.keyInformation.map(({ keySize }) => keySize);
    };
    assert.deepEqual(sizes(), [128, 128]);
    tee.TEE_SetOperationKey(op, TEE_HANDLE_NULL);
    assert.deepEqual(sizes(), [0, 128]);
    tee.TEE_SetOperationKey2(op, TEE_HANDLE_NULL, TEE_HANDLE_NULL);
    assert.deepEqual(sizes(), [0, 0]);
  }));
