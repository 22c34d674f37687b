/** Digests, asymmetric operations and key derivation: what each call does in each state. */
import {
  TEE_ALG_ECDSA_SHA256,
  TEE_ALG_RSAES_PKCS1_V1_5,
  TEE_ALG_SHA256,
  TEE_ALG_SHAKE128,
  TEE_ATTR_ECC_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_PUBLIC_VALUE_Y,
  TEE_ECC_CURVE_NIST_P256,
  TEE_HANDLE_NULL,
  TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
  TEE_MODE_DECRYPT,
  TEE_MODE_DERIVE,
  TEE_MODE_ENCRYPT,
  TEE_MODE_SIGN,
  TEE_MODE_VERIFY,
  TEE_TYPE_AES,
  TEE_TYPE_ECDH_KEYPAIR,
  TEE_TYPE_ECDSA_KEYPAIR,
  TEE_TYPE_GENERIC_SECRET,
  TEE_TYPE_RSA_KEYPAIR,
} from '../../abi/gp.ts';
import {
  after,
  clearKey,
  curveAttribute,
  digest,
  key,
  object,
  operation,
} from '../testing/operations.ts';
import type { Call, Make } from '../testing/operations.ts';
import { checkStateTable } from '../testing/state-table.ts';
import type { Tee } from './tee.ts';
import { TEE_Attribute, TEE_OperationInfo, memref } from './types.ts';
import type { TEE_ObjectHandle } from './types.ts';

const BLOCK = new Uint8Array(16);
const room = (bytes = 64) => memref(new Uint8Array(bytes));

const info: Call = (tee, op) => tee.TEE_GetOperationInfo(op, new TEE_OperationInfo());
const reset: Call = (tee, op) => tee.TEE_ResetOperation(op);

// --- digests
const update: Call = (tee, op) => tee.TEE_DigestUpdate(op, BLOCK);
const extract =
  (bytes: number): Call =>
  (tee, op) =>
    tee.TEE_DigestExtract(op, room(bytes));

const digestStates = (made: Make) => ({
  made,
  fed: after(made, update),
  extracting: after(made, extract(8)),
  ended: after(made, (tee, op) => tee.TEE_DigestDoFinal(op, BLOCK, room())),
  reset: after(after(made, update), reset),
});

const digestCalls = (made: Make): Readonly<Record<string, Call>> => ({
  TEE_GetOperationInfo: info,
  TEE_ResetOperation: reset,
  'TEE_CopyOperation to a new one': (tee, op) => tee.TEE_CopyOperation(made(tee), op),
  'TEE_CopyOperation from a new one': (tee, op) => tee.TEE_CopyOperation(op, made(tee)),
  'TEE_SetOperationKey NULL': clearKey,
  'TEE_SetOperationKey2 NULL, NULL': (tee, op) =>
    tee.TEE_SetOperationKey2(op, TEE_HANDLE_NULL, TEE_HANDLE_NULL),
  'TEE_SetOperationKey2 two': (tee, op) =>
    tee.TEE_SetOperationKey2(op, key(tee, TEE_TYPE_AES, 128), key(tee, TEE_TYPE_AES, 128)),
  TEE_DigestUpdate: update,
  'TEE_DigestUpdate nothing': (tee, op) => tee.TEE_DigestUpdate(op, null),
  TEE_DigestDoFinal: (tee, op) => tee.TEE_DigestDoFinal(op, BLOCK, room()),
  'TEE_DigestDoFinal nothing more': (tee, op) => tee.TEE_DigestDoFinal(op, null, room()),
  'TEE_DigestDoFinal short': (tee, op) => tee.TEE_DigestDoFinal(op, null, room(31)),
  TEE_DigestExtract: extract(8),
  TEE_CipherInit: (tee, op) => tee.TEE_CipherInit(op, null),
  TEE_MACInit: (tee, op) => tee.TEE_MACInit(op, null),
});

const sha256: Make = (tee) => digest(tee, TEE_ALG_SHA256);
checkStateTable('SHA-256', {
  states: digestStates(sha256),
  calls: digestCalls(sha256),
  expected: `
    function                         | made                 | fed                  | extracting           | ended                | reset
    TEE_GetOperationInfo             | ok                   | ok                   | ok                   | ok                   | ok
    TEE_ResetOperation               | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CopyOperation to a new one   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CopyOperation from a new one | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey NULL         | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
    TEE_SetOperationKey2 NULL, NULL  | ok                   | panic 0              | panic 0              | ok                   | ok
    TEE_SetOperationKey2 two         | panic BAD_PARAMETERS | panic 0              | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_DigestUpdate                 | ok                   | ok                   | ok                   | ok                   | ok
    TEE_DigestUpdate nothing         | ok                   | ok                   | ok                   | ok                   | ok
    TEE_DigestDoFinal                | ok                   | ok                   | panic BAD_PARAMETERS | ok                   | ok
    TEE_DigestDoFinal nothing more   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_DigestDoFinal short          | SHORT_BUFFER         | SHORT_BUFFER         | ok                   | SHORT_BUFFER         | SHORT_BUFFER
    TEE_DigestExtract                | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CipherInit                   | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
    TEE_MACInit                      | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
  `,
});

const shake: Make = (tee) => digest(tee, TEE_ALG_SHAKE128);
checkStateTable('SHAKE128', {
  states: digestStates(shake),
  calls: digestCalls(shake),
  expected: `
    function                         | made                 | fed                  | extracting           | ended                | reset
    TEE_GetOperationInfo             | ok                   | ok                   | ok                   | ok                   | ok
    TEE_ResetOperation               | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CopyOperation to a new one   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CopyOperation from a new one | ok                   | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey NULL         | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
    TEE_SetOperationKey2 NULL, NULL  | ok                   | panic 0              | panic 0              | ok                   | ok
    TEE_SetOperationKey2 two         | panic BAD_PARAMETERS | panic 0              | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_DigestUpdate                 | ok                   | ok                   | ok                   | ok                   | ok
    TEE_DigestUpdate nothing         | ok                   | ok                   | ok                   | ok                   | ok
    TEE_DigestDoFinal                | ok                   | ok                   | panic BAD_PARAMETERS | ok                   | ok
    TEE_DigestDoFinal nothing more   | ok                   | ok                   | ok                   | ok                   | ok
    TEE_DigestDoFinal short          | ok                   | ok                   | ok                   | ok                   | ok
    TEE_DigestExtract                | ok                   | ok                   | ok                   | ok                   | ok
    TEE_CipherInit                   | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
    TEE_MACInit                      | panic 0              | panic 0              | panic 0              | panic 0              | panic 0
  `,
});

// --- asymmetric operations
const rsaKey = (tee: Tee): TEE_ObjectHandle => key(tee, TEE_TYPE_RSA_KEYPAIR, 512);
const setRsaKey: Call = (tee, op) => tee.TEE_SetOperationKey(op, rsaKey(tee));
const asymmetricCalls = (made: Make): Readonly<Record<string, Call>> => ({
  TEE_GetOperationInfo: info,
  TEE_ResetOperation: reset,
  'TEE_CopyOperation to a new one': (tee, op) => tee.TEE_CopyOperation(made(tee), op),
  'TEE_SetOperationKey NULL': clearKey,
  TEE_AsymmetricEncrypt: (tee, op) => tee.TEE_AsymmetricEncrypt(op, [], BLOCK, room()),
  'TEE_AsymmetricEncrypt short': (tee, op) => tee.TEE_AsymmetricEncrypt(op, [], BLOCK, room(8)),
  TEE_AsymmetricDecrypt: (tee, op) => tee.TEE_AsymmetricDecrypt(op, [], BLOCK, room()),
  TEE_AsymmetricSignDigest: (tee, op) =>
    tee.TEE_AsymmetricSignDigest(op, [], new Uint8Array(32), room()),
  'TEE_AsymmetricSignDigest short': (tee, op) =>
    tee.TEE_AsymmetricSignDigest(op, [], new Uint8Array(32), room(63)),
  TEE_AsymmetricVerifyDigest: (tee, op) =>
    tee.TEE_AsymmetricVerifyDigest(op, [], new Uint8Array(32), new Uint8Array(64).fill(1)),
  TEE_DeriveKey: (tee, op) => tee.TEE_DeriveKey(op, [], secret(tee)),
});
const secret = (tee: Tee): TEE_ObjectHandle => object(tee, TEE_TYPE_GENERIC_SECRET, 256);

const asymmetricStates = (made: Make, setKey: Call) => ({
  made,
  keyed: after(made, setKey),
  cleared: after(after(made, setKey), clearKey),
});

const encrypt: Make = (tee) => operation(tee, TEE_ALG_RSAES_PKCS1_V1_5, TEE_MODE_ENCRYPT, 512);
checkStateTable('RSA encryption', {
  states: asymmetricStates(encrypt, setRsaKey),
  calls: asymmetricCalls(encrypt),
  expected: `
    function                       | made            | keyed           | cleared
    TEE_GetOperationInfo           | ok              | ok              | ok
    TEE_ResetOperation             | panic 0         | ok              | panic 0
    TEE_CopyOperation to a new one | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE
    TEE_SetOperationKey NULL       | ok              | ok              | ok
    TEE_AsymmetricEncrypt          | panic GENERIC   | ok              | panic GENERIC
    TEE_AsymmetricEncrypt short    | panic GENERIC   | SHORT_BUFFER    | panic GENERIC
    TEE_AsymmetricDecrypt          | panic 0         | panic 0         | panic 0
    TEE_AsymmetricSignDigest       | panic 0         | panic 0         | panic 0
    TEE_AsymmetricSignDigest short | panic 0         | panic 0         | panic 0
    TEE_AsymmetricVerifyDigest     | panic 0         | panic 0         | panic 0
    TEE_DeriveKey                  | panic 0         | panic 0         | panic 0
  `,
});

const decrypt: Make = (tee) => operation(tee, TEE_ALG_RSAES_PKCS1_V1_5, TEE_MODE_DECRYPT, 512);
checkStateTable('RSA decryption', {
  states: asymmetricStates(decrypt, setRsaKey),
  calls: asymmetricCalls(decrypt),
  expected: `
    function                       | made            | keyed           | cleared
    TEE_GetOperationInfo           | ok              | ok              | ok
    TEE_ResetOperation             | panic 0         | ok              | panic 0
    TEE_CopyOperation to a new one | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE
    TEE_SetOperationKey NULL       | ok              | ok              | ok
    TEE_AsymmetricEncrypt          | panic 0         | panic 0         | panic 0
    TEE_AsymmetricEncrypt short    | panic 0         | panic 0         | panic 0
    TEE_AsymmetricDecrypt          | panic GENERIC   | BAD_PARAMETERS  | panic GENERIC
    TEE_AsymmetricSignDigest       | panic 0         | panic 0         | panic 0
    TEE_AsymmetricSignDigest short | panic 0         | panic 0         | panic 0
    TEE_AsymmetricVerifyDigest     | panic 0         | panic 0         | panic 0
    TEE_DeriveKey                  | panic 0         | panic 0         | panic 0
  `,
});

const curve = (tee: Tee): TEE_Attribute[] => [curveAttribute(tee, TEE_ECC_CURVE_NIST_P256)];
const setEcdsaKey: Call = (tee, op) =>
  tee.TEE_SetOperationKey(op, key(tee, TEE_TYPE_ECDSA_KEYPAIR, 256, curve(tee)));

const sign: Make = (tee) => operation(tee, TEE_ALG_ECDSA_SHA256, TEE_MODE_SIGN, 256);
checkStateTable('ECDSA, signing', {
  states: asymmetricStates(sign, setEcdsaKey),
  calls: asymmetricCalls(sign),
  expected: `
    function                       | made            | keyed           | cleared
    TEE_GetOperationInfo           | ok              | ok              | ok
    TEE_ResetOperation             | panic 0         | ok              | panic 0
    TEE_CopyOperation to a new one | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE
    TEE_SetOperationKey NULL       | ok              | ok              | ok
    TEE_AsymmetricEncrypt          | panic 0         | panic 0         | panic 0
    TEE_AsymmetricEncrypt short    | panic 0         | panic 0         | panic 0
    TEE_AsymmetricDecrypt          | panic 0         | panic 0         | panic 0
    TEE_AsymmetricSignDigest       | panic GENERIC   | ok              | panic GENERIC
    TEE_AsymmetricSignDigest short | panic GENERIC   | SHORT_BUFFER    | panic GENERIC
    TEE_AsymmetricVerifyDigest     | panic 0         | panic 0         | panic 0
    TEE_DeriveKey                  | panic 0         | panic 0         | panic 0
  `,
});

const verify: Make = (tee) => operation(tee, TEE_ALG_ECDSA_SHA256, TEE_MODE_VERIFY, 256);
checkStateTable('ECDSA, verifying', {
  states: asymmetricStates(verify, setEcdsaKey),
  calls: asymmetricCalls(verify),
  expected: `
    function                       | made                 | keyed             | cleared
    TEE_GetOperationInfo           | ok                   | ok                | ok
    TEE_ResetOperation             | panic 0              | ok                | panic 0
    TEE_CopyOperation to a new one | panic BAD_STATE      | panic BAD_STATE   | panic BAD_STATE
    TEE_SetOperationKey NULL       | ok                   | ok                | ok
    TEE_AsymmetricEncrypt          | panic 0              | panic 0           | panic 0
    TEE_AsymmetricEncrypt short    | panic 0              | panic 0           | panic 0
    TEE_AsymmetricDecrypt          | panic 0              | panic 0           | panic 0
    TEE_AsymmetricSignDigest       | panic 0              | panic 0           | panic 0
    TEE_AsymmetricSignDigest short | panic 0              | panic 0           | panic 0
    TEE_AsymmetricVerifyDigest     | panic BAD_PARAMETERS | SIGNATURE_INVALID | panic BAD_PARAMETERS
    TEE_DeriveKey                  | panic 0              | panic 0           | panic 0
  `,
});

// --- key derivation
const derive: Make = (tee) =>
  operation(tee, TEE_ALG_ECDH_DERIVE_SHARED_SECRET, TEE_MODE_DERIVE, 256);
const ecdhKey = (tee: Tee): TEE_ObjectHandle => key(tee, TEE_TYPE_ECDH_KEYPAIR, 256, curve(tee));

/** A partner's public value. */
function partner(tee: Tee): TEE_Attribute[] {
  const theirs = ecdhKey(tee);
  return [TEE_ATTR_ECC_PUBLIC_VALUE_X, TEE_ATTR_ECC_PUBLIC_VALUE_Y].map((id) => {
    const value = room(32);
    tee.TEE_GetObjectBufferAttribute(theirs, id, value);
    const attribute = new TEE_Attribute();
    tee.TEE_InitRefAttribute(attribute, id, value.buffer!.subarray(0, value.size));
    return attribute;
  });
}

checkStateTable('ECDH', {
  states: asymmetricStates(derive, (tee, op) => tee.TEE_SetOperationKey(op, ecdhKey(tee))),
  calls: {
    TEE_GetOperationInfo: info,
    TEE_ResetOperation: reset,
    'TEE_CopyOperation to a new one': (tee, op) => tee.TEE_CopyOperation(derive(tee), op),
    'TEE_SetOperationKey NULL': clearKey,
    TEE_DeriveKey: (tee, op) => tee.TEE_DeriveKey(op, partner(tee), secret(tee)),
    'TEE_DeriveKey twice': (tee, op) => {
      tee.TEE_DeriveKey(op, partner(tee), secret(tee));
      tee.TEE_DeriveKey(op, partner(tee), secret(tee));
    },
    'TEE_DeriveKey without a partner': (tee, op) => tee.TEE_DeriveKey(op, [], secret(tee)),
    'TEE_DeriveKey into NULL': (tee, op) => tee.TEE_DeriveKey(op, partner(tee), TEE_HANDLE_NULL),
    'TEE_DeriveKey into a key': (tee, op) =>
      tee.TEE_DeriveKey(op, partner(tee), object(tee, TEE_TYPE_AES, 256)),
    'TEE_DeriveKey into one that is full': (tee, op) =>
      tee.TEE_DeriveKey(op, partner(tee), key(tee, TEE_TYPE_GENERIC_SECRET, 256)),
    TEE_AsymmetricEncrypt: (tee, op) => tee.TEE_AsymmetricEncrypt(op, [], BLOCK, room()),
    TEE_AsymmetricSignDigest: (tee, op) => tee.TEE_AsymmetricSignDigest(op, [], BLOCK, room()),
  },
  expected: `
    function                            | made            | keyed                | cleared
    TEE_GetOperationInfo                | ok              | ok                   | ok
    TEE_ResetOperation                  | panic 0         | ok                   | panic 0
    TEE_CopyOperation to a new one      | panic BAD_STATE | panic BAD_STATE      | panic BAD_STATE
    TEE_SetOperationKey NULL            | ok              | ok                   | ok
    TEE_DeriveKey                       | panic 0         | ok                   | panic 0
    TEE_DeriveKey twice                 | panic 0         | ok                   | panic 0
    TEE_DeriveKey without a partner     | panic 0         | panic BAD_PARAMETERS | panic 0
    TEE_DeriveKey into NULL             | panic 0         | panic 0              | panic 0
    TEE_DeriveKey into a key            | panic 0         | panic 0              | panic 0
    TEE_DeriveKey into one that is full | panic 0         | panic 0              | panic 0
    TEE_AsymmetricEncrypt               | panic 0         | panic 0              | panic 0
    TEE_AsymmetricSignDigest            | panic 0         | panic 0              | panic 0
  `,
});
