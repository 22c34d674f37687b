/** Key derivation: what each call does in each state, and what a derivation is told. */
import * as gp from '../../abi/gp.ts';
import {
  dhPair,
  ref as buffer,
  secretOf,
  value,
  x25519Pair,
} from '../../optee-os/crypto/testing/asymmetric-drive.ts';
import type { KeySpec } from '../../optee-os/crypto/testing/asymmetric-drive.ts';
import { DH_VECTORS } from '../../optee-os/crypto/testing/dsa-vectors.ts';
import { X25519_VECTORS } from '../../optee-os/crypto/testing/ecc-vectors.ts';
import type { TaAttribute } from '../runtime.ts';
import {
  after,
  clearKey,
  derived,
  key,
  object,
  operation,
  populated,
} from '../testing/operations.ts';
import type { Call, Make } from '../testing/operations.ts';
import { checkStateTable } from '../testing/state-table.ts';
import type { Tee } from './tee.ts';
import { TEE_OperationInfo, memref, objectHandle } from './types.ts';
import type { TEE_ObjectHandle } from './types.ts';

const { TEE_HANDLE_NULL, TEE_TYPE_GENERIC_SECRET, TEE_USAGE_DERIVE } = gp;

type Attributes = readonly TaAttribute[];

const filled = (length: number, octet: number): Uint8Array => new Uint8Array(length).fill(octet);
const BLOCK = filled(16, 1);
const secret = (tee: Tee, bits = 256): TEE_ObjectHandle =>
  object(tee, TEE_TYPE_GENERIC_SECRET, bits);

const derive = (attributes: Attributes, into = secret): Call => derived(attributes, into);

interface Derivation {
  readonly algorithm: number;
  /** Of the operation, in bits. */
  readonly bits: number;
  readonly key: KeySpec;
  /** A key of the type that is longer than the operation takes. */
  readonly longer: KeySpec;
  readonly attributes: Attributes;
}

/** States, and the calls that all algorithms of one key have in common. */
function common({ algorithm, bits, key: spec, longer, attributes }: Derivation) {
  const made: Make = (tee) => operation(tee, algorithm, gp.TEE_MODE_DERIVE, bits);
  const setKey: Call = (tee, op) => tee.TEE_SetOperationKey(op, populated(tee, spec));
  const keyed = after(made, setKey);
  const states = { made, keyed, cleared: after(keyed, clearKey) };
  const calls: Readonly<Record<string, Call>> = {
    TEE_GetOperationInfo: (tee, op) => tee.TEE_GetOperationInfo(op, new TEE_OperationInfo()),
    TEE_ResetOperation: (tee, op) => tee.TEE_ResetOperation(op),
    TEE_CopyOperation: (tee, op) => tee.TEE_CopyOperation(made(tee), op),
    TEE_SetOperationKey: setKey,
    'TEE_SetOperationKey NULL': clearKey,
    'TEE_GetObjectInfo1 in it: no such object': (tee, op) =>
      tee.TEE_SetOperationKey(op, objectHandle(99)),
    'TEE_CopyObjectAttributes1 in it: empty': (tee, op) =>
      tee.TEE_SetOperationKey(op, object(tee, spec.type, spec.bits)),
    'TEE_CopyObjectAttributes1 in it: another type': (tee, op) =>
      tee.TEE_SetOperationKey(op, key(tee, gp.TEE_TYPE_AES, 128)),
    'TEE_SetOperationKey not for derivation': (tee, op) => {
      const mine = populated(tee, spec);
      void tee.TEE_RestrictObjectUsage1(mine, ~TEE_USAGE_DERIVE >>> 0);
      return tee.TEE_SetOperationKey(op, mine);
    },
    'TEE_SetOperationKey too long': (tee, op) =>
      tee.TEE_SetOperationKey(op, populated(tee, longer)),
    TEE_SetOperationKey2: (tee, op) =>
      tee.TEE_SetOperationKey2(op, populated(tee, spec), populated(tee, spec)),
    TEE_DeriveKey: derive(attributes),
    'TEE_DeriveKey told nothing': derive([]),
    'TEE_DeriveKey and a foreign attribute': derive([
      ...attributes,
      buffer(gp.TEE_ATTR_RSA_MODULUS, BLOCK),
    ]),
    'TEE_DeriveKey into NULL': derive(attributes, () => TEE_HANDLE_NULL),
    'TEE_DeriveKey into no object': derive(attributes, () => objectHandle(99)),
    'TEE_DeriveKey into a key': derive(attributes, (tee) => object(tee, gp.TEE_TYPE_AES, 256)),
    'TEE_DeriveKey into one that is full': derive(attributes, (tee) =>
      key(tee, TEE_TYPE_GENERIC_SECRET, 256),
    ),
    'TEE_AsymmetricEncrypt is for others': (tee, op) =>
      tee.TEE_AsymmetricEncrypt(op, [], BLOCK, memref(filled(64, 0))),
    'TEE_AsymmetricVerifyDigest is for others': (tee, op) =>
      tee.TEE_AsymmetricVerifyDigest(op, [], BLOCK, BLOCK),
  };
  return { states, calls };
}

const COMMON = `
  function                                      | made                 | keyed                | cleared
  TEE_GetOperationInfo                          | ok                   | ok                   | ok
  TEE_ResetOperation                            | panic 0              | ok                   | panic 0
  TEE_CopyOperation                             | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE
  TEE_SetOperationKey                           | ok                   | ok                   | ok
  TEE_SetOperationKey NULL                      | ok                   | ok                   | ok
  TEE_GetObjectInfo1 in it: no such object      | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE
  TEE_CopyObjectAttributes1 in it: empty        | panic 0              | panic 0              | panic 0
  TEE_CopyObjectAttributes1 in it: another type | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_SetOperationKey not for derivation        | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_SetOperationKey too long                  | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_SetOperationKey2                          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_DeriveKey                                 | panic 0              | ok                   | panic 0
  TEE_DeriveKey told nothing                    | panic 0              | panic BAD_PARAMETERS | panic 0
  TEE_DeriveKey and a foreign attribute         | panic 0              | panic BAD_PARAMETERS | panic 0
  TEE_DeriveKey into NULL                       | panic 0              | panic 0              | panic 0
  TEE_DeriveKey into no object                  | panic 0              | panic BAD_STATE      | panic 0
  TEE_DeriveKey into a key                      | panic 0              | panic 0              | panic 0
  TEE_DeriveKey into one that is full           | panic 0              | panic 0              | panic 0
  TEE_AsymmetricEncrypt is for others           | panic 0              | panic 0              | panic 0
  TEE_AsymmetricVerifyDigest is for others      | panic 0              | panic 0              | panic 0
`;

/** @param told what else a derivation can be told; `expected` says what it answers with its key set */
function check(title: string, derivation: Derivation, told: Record<string, Call>, expected = '') {
  const { states, calls } = common(derivation);
  checkStateTable(title, { states, calls, expected: COMMON });
  checkStateTable(`${title}, told`, {
    states: { keyed: states.keyed },
    calls: told,
    expected: `function | keyed ${expected}`,
  });
}

// --- agreements
const dh = DH_VECTORS[0]!;
const peer = (octets: Uint8Array): TaAttribute => buffer(gp.TEE_ATTR_DH_PUBLIC_VALUE, octets);
check(
  'DH',
  {
    algorithm: dh.algorithm,
    bits: 1024,
    key: dhPair(dh, dh.xA, dh.yA),
    longer: dhPair({ p: filled(256, 0xff), g: filled(1, 2) }, dh.xA, dh.yA),
    attributes: [peer(dh.yB)],
  },
  {
    'TEE_DeriveKey two values': derive([peer(dh.yB), peer(dh.yB)]),
    'TEE_DeriveKey the base': derive([buffer(gp.TEE_ATTR_DH_BASE, dh.yB)]),
    'TEE_DeriveKey into 8 bits': derive([peer(dh.yB)], (tee) => secret(tee, 8)),
    'TEE_DeriveKey an empty value': derive([peer(filled(0, 0))]),
    'TEE_DeriveKey more than a page': derive([peer(filled(4097, 1))]),
  },
  `
    TEE_DeriveKey two values        | panic BAD_PARAMETERS
    TEE_DeriveKey the base          | panic BAD_PARAMETERS
    TEE_DeriveKey into 8 bits       | ok
    TEE_DeriveKey an empty value    | ok
    TEE_DeriveKey more than a page  | panic OUT_OF_MEMORY
  `,
);

const x = X25519_VECTORS[0]!;
const point = (octets: Uint8Array): TaAttribute => buffer(gp.TEE_ATTR_X25519_PUBLIC_VALUE, octets);
const x25519 = x25519Pair(x.secretA, x.publicA);
check(
  'X25519',
  {
    algorithm: x.algorithm,
    bits: 256,
    key: x25519,
    // The type has no longer ones.
    longer: { ...x25519, type: gp.TEE_TYPE_RSA_KEYPAIR, bits: 512, attributes: rsaNumbers() },
    attributes: [point(x.publicB)],
  },
  {
    'TEE_DeriveKey two values': derive([point(x.publicB), point(x.publicB)]),
    'TEE_DeriveKey 31 octets': derive([point(x.publicB.subarray(1))]),
    'TEE_DeriveKey 33 octets': derive([point(filled(33, 9))]),
    'TEE_DeriveKey of low order': derive([point(filled(32, 0))]),
    'TEE_DeriveKey into 8 bits': derive([point(x.publicB)], (tee) => secret(tee, 8)),
  },
  `
    TEE_DeriveKey two values   | panic BAD_PARAMETERS
    TEE_DeriveKey 31 octets    | panic BAD_PARAMETERS
    TEE_DeriveKey 33 octets    | panic BAD_PARAMETERS
    TEE_DeriveKey of low order | panic SECURITY
    TEE_DeriveKey into 8 bits  | ok
  `,
);

function rsaNumbers(): Attributes {
  const octets = filled(64, 0xff);
  return [
    buffer(gp.TEE_ATTR_RSA_MODULUS, octets),
    buffer(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT, filled(1, 3)),
    buffer(gp.TEE_ATTR_RSA_PRIVATE_EXPONENT, octets),
  ];
}

// --- derivations from a secret
const kdf = (
  algorithm: number,
  type: number,
  attribute: number,
  attributes: Attributes,
): Derivation => ({
  algorithm,
  bits: 256,
  key: secretOf(type, attribute, filled(32, 1)),
  longer: secretOf(type, attribute, filled(33, 1)),
  attributes,
});

const okm = (bytes: number): TaAttribute => value(gp.TEE_ATTR_HKDF_OKM_LENGTH, bytes);
check(
  'HKDF',
  kdf(gp.TEE_ALG_HKDF_SHA256_DERIVE_KEY, gp.TEE_TYPE_HKDF_IKM, gp.TEE_ATTR_HKDF_IKM, [okm(32)]),
  {
    'TEE_DeriveKey no length': derive([buffer(gp.TEE_ATTR_HKDF_SALT, BLOCK)]),
    'TEE_DeriveKey two lengths': derive([okm(32), okm(9999)]),
    'TEE_DeriveKey nothing': derive([okm(0)]),
    'TEE_DeriveKey as much as there is room for': derive([okm(512)]),
    'TEE_DeriveKey more': derive([okm(513)]),
    'TEE_DeriveKey a length below 0': derive([okm(-1)]),
    'TEE_DeriveKey a salt beyond a page': derive([
      okm(1),
      buffer(gp.TEE_ATTR_HKDF_SALT, filled(4097, 0)),
    ]),
  },
  `
    TEE_DeriveKey no length                    | panic BAD_PARAMETERS
    TEE_DeriveKey two lengths                  | ok
    TEE_DeriveKey nothing                      | ok
    TEE_DeriveKey as much as there is room for | ok
    TEE_DeriveKey more                         | panic BAD_PARAMETERS
    TEE_DeriveKey a length below 0             | panic BAD_PARAMETERS
    TEE_DeriveKey a salt beyond a page         | panic OUT_OF_MEMORY
  `,
);

const dkm = (bytes: number): TaAttribute => value(gp.TEE_ATTR_CONCAT_KDF_DKM_LENGTH, bytes);
check(
  'the concatenation KDF',
  kdf(gp.TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY, gp.TEE_TYPE_CONCAT_KDF_Z, gp.TEE_ATTR_CONCAT_KDF_Z, [
    dkm(32),
  ]),
  {
    'TEE_DeriveKey no length': derive([buffer(gp.TEE_ATTR_CONCAT_KDF_OTHER_INFO, BLOCK)]),
    'TEE_DeriveKey two lengths': derive([dkm(32), dkm(9999)]),
    'TEE_DeriveKey nothing': derive([dkm(0)]),
    'TEE_DeriveKey as much as there is room for': derive([dkm(512)]),
    'TEE_DeriveKey more': derive([dkm(513)]),
    'TEE_DeriveKey a length below 0': derive([dkm(-1)]),
  },
  `
    TEE_DeriveKey no length                    | panic BAD_PARAMETERS
    TEE_DeriveKey two lengths                  | ok
    TEE_DeriveKey nothing                      | ok
    TEE_DeriveKey as much as there is room for | ok
    TEE_DeriveKey more                         | panic BAD_PARAMETERS
    TEE_DeriveKey a length below 0             | panic BAD_PARAMETERS
  `,
);

const length = (bytes: number): TaAttribute => value(gp.TEE_ATTR_PBKDF2_DKM_LENGTH, bytes);
const count = (times: number): TaAttribute => value(gp.TEE_ATTR_PBKDF2_ITERATION_COUNT, times);
check(
  'PBKDF2',
  kdf(
    gp.TEE_ALG_PBKDF2_HMAC_SHA256_DERIVE_KEY,
    gp.TEE_TYPE_PBKDF2_PASSWORD,
    gp.TEE_ATTR_PBKDF2_PASSWORD,
    [length(32), count(2)],
  ),
  {
    'TEE_DeriveKey no length': derive([count(1)]),
    'TEE_DeriveKey no count': derive([length(1)]),
    'TEE_DeriveKey two counts': derive([length(1), count(1), count(0xffff_ffff)]),
    'TEE_DeriveKey no iteration': derive([length(1), count(0)]),
    'TEE_DeriveKey more iterations than hosts count': derive([length(1), count(-1)]),
    'TEE_DeriveKey as much as there is room for': derive([length(512), count(1)]),
    'TEE_DeriveKey more': derive([length(513), count(1)]),
    'TEE_DeriveKey a length below 0': derive([length(-1), count(1)]),
  },
  `
    TEE_DeriveKey no length                        | panic BAD_PARAMETERS
    TEE_DeriveKey no count                         | panic BAD_PARAMETERS
    TEE_DeriveKey two counts                       | ok
    TEE_DeriveKey no iteration                     | ok
    TEE_DeriveKey more iterations than hosts count | panic NOT_SUPPORTED
    TEE_DeriveKey as much as there is room for     | ok
    TEE_DeriveKey more                             | panic BAD_PARAMETERS
    TEE_DeriveKey a length below 0                 | panic BAD_PARAMETERS
  `,
);
