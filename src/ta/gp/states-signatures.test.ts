/** Signatures over groups and curves: what each call does in each state, and with what it is given. */
import * as gp from '../../abi/gp.ts';
import {
  digest,
  dsaPair,
  dsaPublic,
  ed25519Pair,
  ed25519Public,
  ref as buffer,
  sm2Pair,
  sm2Public,
  value,
} from '../../optee-os/crypto/testing/asymmetric-drive.ts';
import type { KeySpec } from '../../optee-os/crypto/testing/asymmetric-drive.ts';
import { DSA_VECTORS } from '../../optee-os/crypto/testing/dsa-vectors.ts';
import { ED25519_VECTORS } from '../../optee-os/crypto/testing/ecc-vectors.ts';
import { SM2_SIGNATURE } from '../../optee-os/crypto/testing/sm2-vectors.ts';
import type { TaAttribute } from '../runtime.ts';
import {
  after,
  attributeOf,
  clearKey,
  key,
  object,
  operation,
  populated,
} from '../testing/operations.ts';
import type { Call, Make } from '../testing/operations.ts';
import { checkStateTable } from '../testing/state-table.ts';

import { TEE_OperationInfo, memref } from './types.ts';

const { TEE_MODE_SIGN, TEE_MODE_VERIFY } = gp;

type Attributes = readonly TaAttribute[];

const filled = (length: number, octet: number): Uint8Array => new Uint8Array(length).fill(octet);
const flipped = (octets: Uint8Array, at: number): Uint8Array =>
  octets.map((octet, i) => (i === at ? octet ^ 1 : octet));

interface Scheme {
  readonly algorithm: number;
  readonly bits: number;
  readonly pair: KeySpec;
  readonly publicKey: KeySpec;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

const sign =
  (data: Uint8Array | null, room: number, attributes: Attributes = []): Call =>
  (tee, op) =>
    tee.TEE_AsymmetricSignDigest(
      op,
      attributes.map((one) => attributeOf(tee, one)),
      data,
      memref(filled(room, 0)),
    );
const verify =
  (data: Uint8Array | null, signature: Uint8Array | null, attributes: Attributes = []): Call =>
  (tee, op) =>
    tee.TEE_AsymmetricVerifyDigest(
      op,
      attributes.map((one) => attributeOf(tee, one)),
      data,
      signature,
    );

const set =
  (spec: KeySpec): Call =>
  (tee, op) =>
    tee.TEE_SetOperationKey(op, populated(tee, spec));
const restricted =
  (spec: KeySpec, usage: number): Call =>
  (tee, op) => {
    const mine = populated(tee, spec);
    void tee.TEE_RestrictObjectUsage1(mine, ~usage >>> 0);
    return tee.TEE_SetOperationKey(op, mine);
  };

const statesOf = ({ algorithm, bits, pair }: Scheme, mode: number) => {
  const made: Make = (tee) => operation(tee, algorithm, mode, bits);
  return { made, keyed: after(made, set(pair)), cleared: after(after(made, set(pair)), clearKey) };
};

/** The calls that all schemes have in common. */
function common(scheme: Scheme, mode: number): Readonly<Record<string, Call>> {
  const { pair, publicKey, signed, signature } = scheme;
  const { made } = statesOf(scheme, mode);
  return {
    TEE_GetOperationInfo: (tee, op) => tee.TEE_GetOperationInfo(op, new TEE_OperationInfo()),
    TEE_ResetOperation: (tee, op) => tee.TEE_ResetOperation(op),
    TEE_CopyOperation: (tee, op) => tee.TEE_CopyOperation(made(tee), op),
    TEE_SetOperationKey: set(pair),
    'TEE_SetOperationKey NULL': clearKey,
    'TEE_SetOperationKey for signing': restricted(pair, gp.TEE_USAGE_VERIFY),
    'TEE_SetOperationKey for verifying': restricted(pair, gp.TEE_USAGE_SIGN),
    TEE_SetOperationKey2: (tee, op) =>
      tee.TEE_SetOperationKey2(op, populated(tee, pair), populated(tee, pair)),
    'TEE_CopyObjectAttributes1 in it: a public key': set(publicKey),
    'TEE_CopyObjectAttributes1 in it: empty': (tee, op) =>
      tee.TEE_SetOperationKey(op, object(tee, pair.type, pair.bits)),
    'TEE_CopyObjectAttributes1 in it: another type': (tee, op) =>
      tee.TEE_SetOperationKey(op, key(tee, gp.TEE_TYPE_AES, 128)),
    TEE_AsymmetricSignDigest: sign(signed, 64),
    'TEE_AsymmetricSignDigest short': sign(signed, signature.length - 1),
    TEE_AsymmetricVerifyDigest: verify(signed, signature),
    'TEE_AsymmetricVerifyDigest wrong': verify(signed, flipped(signature, 0)),
    'TEE_AsymmetricEncrypt is for others': (tee, op) =>
      tee.TEE_AsymmetricEncrypt(op, [], signed, memref(filled(64, 0))),
    'TEE_AsymmetricDecrypt is for others': (tee, op) =>
      tee.TEE_AsymmetricDecrypt(op, [], signed, memref(filled(64, 0))),
    'TEE_DeriveKey is for others': (tee, op) =>
      tee.TEE_DeriveKey(op, [], object(tee, gp.TEE_TYPE_GENERIC_SECRET, 256)),
  };
}

const SIGNING = `
  function                                      | made                 | keyed                | cleared
  TEE_GetOperationInfo                          | ok                   | ok                   | ok
  TEE_ResetOperation                            | panic 0              | ok                   | panic 0
  TEE_CopyOperation                             | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE
  TEE_SetOperationKey                           | ok                   | ok                   | ok
  TEE_SetOperationKey NULL                      | ok                   | ok                   | ok
  TEE_SetOperationKey for signing               | ok                   | ok                   | ok
  TEE_SetOperationKey for verifying             | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_SetOperationKey2                          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_CopyObjectAttributes1 in it: a public key | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_CopyObjectAttributes1 in it: empty        | panic 0              | panic 0              | panic 0
  TEE_CopyObjectAttributes1 in it: another type | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_AsymmetricSignDigest                      | panic GENERIC        | ok                   | panic GENERIC
  TEE_AsymmetricSignDigest short                | panic GENERIC        | SHORT_BUFFER         | panic GENERIC
  TEE_AsymmetricVerifyDigest                    | panic 0              | panic 0              | panic 0
  TEE_AsymmetricVerifyDigest wrong              | panic 0              | panic 0              | panic 0
  TEE_AsymmetricEncrypt is for others           | panic 0              | panic 0              | panic 0
  TEE_AsymmetricDecrypt is for others           | panic 0              | panic 0              | panic 0
  TEE_DeriveKey is for others                   | panic 0              | panic 0              | panic 0
`;

const VERIFYING = `
  function                                      | made                 | keyed                | cleared
  TEE_GetOperationInfo                          | ok                   | ok                   | ok
  TEE_ResetOperation                            | panic 0              | ok                   | panic 0
  TEE_CopyOperation                             | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE
  TEE_SetOperationKey                           | ok                   | ok                   | ok
  TEE_SetOperationKey NULL                      | ok                   | ok                   | ok
  TEE_SetOperationKey for signing               | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_SetOperationKey for verifying             | ok                   | ok                   | ok
  TEE_SetOperationKey2                          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_CopyObjectAttributes1 in it: a public key | ok                   | ok                   | ok
  TEE_CopyObjectAttributes1 in it: empty        | panic 0              | panic 0              | panic 0
  TEE_CopyObjectAttributes1 in it: another type | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  TEE_AsymmetricSignDigest                      | panic 0              | panic 0              | panic 0
  TEE_AsymmetricSignDigest short                | panic 0              | panic 0              | panic 0
  TEE_AsymmetricVerifyDigest                    | panic BAD_PARAMETERS | ok                   | panic BAD_PARAMETERS
  TEE_AsymmetricVerifyDigest wrong              | panic BAD_PARAMETERS | SIGNATURE_INVALID    | panic BAD_PARAMETERS
  TEE_AsymmetricEncrypt is for others           | panic 0              | panic 0              | panic 0
  TEE_AsymmetricDecrypt is for others           | panic 0              | panic 0              | panic 0
  TEE_DeriveKey is for others                   | panic 0              | panic 0              | panic 0
`;

type Given = readonly [calls: Readonly<Record<string, Call>>, expected: string];

function check(title: string, scheme: Scheme, [signs, signed]: Given, [verifies, verified]: Given) {
  const rows = [
    [`${title}, signing`, TEE_MODE_SIGN, SIGNING, signs, signed],
    [`${title}, verifying`, TEE_MODE_VERIFY, VERIFYING, verifies, verified],
  ] as const;
  for (const [name, mode, expected, calls, outcomes] of rows) {
    const states = statesOf(scheme, mode);
    checkStateTable(name, { states, calls: common(scheme, mode), expected });
    checkStateTable(`${name}, given`, {
      states: { keyed: states.keyed },
      calls,
      expected: `function | keyed ${outcomes}`,
    });
  }
}

// --- DSA
const dsa = DSA_VECTORS.find(({ algorithm }) => algorithm === gp.TEE_ALG_DSA_SHA1)!;
const hashed = digest(dsa.hash, dsa.message);
/** Of 2048 bits, where the operation takes 1024. */
const longer = DSA_VECTORS.find(({ p }) => p.length === 256)!;
const foreign = [value(gp.TEE_ATTR_ECC_CURVE, 1)];

check(
  'DSA',
  {
    algorithm: dsa.algorithm,
    bits: 1024,
    pair: dsaPair(dsa),
    publicKey: dsaPublic(dsa),
    signed: hashed,
    signature: dsa.signature,
  },
  [
    {
      'TEE_SetOperationKey too long': set(dsaPair(longer)),
      'TEE_AsymmetricSignDigest an octet less': sign(hashed.subarray(1), 64),
      'TEE_AsymmetricSignDigest an octet more': sign(filled(21, 1), 64),
      'TEE_AsymmetricSignDigest nothing': sign(null, 64),
      'TEE_AsymmetricSignDigest nowhere': sign(hashed, 0),
      'TEE_AsymmetricSignDigest a foreign attribute': sign(hashed, 64, foreign),
    },
    `
      TEE_SetOperationKey too long                 | panic BAD_PARAMETERS
      TEE_AsymmetricSignDigest an octet less       | panic SECURITY
      TEE_AsymmetricSignDigest an octet more       | panic SECURITY
      TEE_AsymmetricSignDigest nothing             | panic SECURITY
      TEE_AsymmetricSignDigest nowhere             | SHORT_BUFFER
      TEE_AsymmetricSignDigest a foreign attribute | ok
    `,
  ],
  [
    {
      'TEE_SetOperationKey too long': set(dsaPublic(longer)),
      'TEE_AsymmetricVerifyDigest an octet less': verify(hashed.subarray(1), dsa.signature),
      'TEE_AsymmetricVerifyDigest nothing': verify(null, dsa.signature),
      'TEE_AsymmetricVerifyDigest no signature': verify(hashed, null),
      'TEE_AsymmetricVerifyDigest half of it': verify(hashed, dsa.signature.subarray(0, 20)),
      'TEE_AsymmetricVerifyDigest zeroes': verify(hashed, filled(40, 0)),
      'TEE_AsymmetricVerifyDigest another digest': verify(flipped(hashed, 0), dsa.signature),
      'TEE_AsymmetricVerifyDigest a foreign attribute': verify(hashed, dsa.signature, foreign),
    },
    `
      TEE_SetOperationKey too long                   | panic BAD_PARAMETERS
      TEE_AsymmetricVerifyDigest an octet less       | panic BAD_PARAMETERS
      TEE_AsymmetricVerifyDigest nothing             | panic BAD_PARAMETERS
      TEE_AsymmetricVerifyDigest no signature        | SIGNATURE_INVALID
      TEE_AsymmetricVerifyDigest half of it          | SIGNATURE_INVALID
      TEE_AsymmetricVerifyDigest zeroes              | SIGNATURE_INVALID
      TEE_AsymmetricVerifyDigest another digest      | SIGNATURE_INVALID
      TEE_AsymmetricVerifyDigest a foreign attribute | ok
    `,
  ],
);

// --- SM2
const sm2 = SM2_SIGNATURE;
const sm2Hashed = digest('sm3', sm2.hashed);
check(
  'SM2',
  {
    algorithm: sm2.algorithm,
    bits: 256,
    pair: sm2Pair(sm2, gp.TEE_TYPE_SM2_DSA_KEYPAIR),
    publicKey: sm2Public(sm2, gp.TEE_TYPE_SM2_DSA_PUBLIC_KEY),
    signed: sm2Hashed,
    signature: sm2.signature,
  },
  [
    {
      // Nobody looks how long a digest is.
      'TEE_AsymmetricSignDigest an octet less': sign(sm2Hashed.subarray(1), 64),
      'TEE_AsymmetricSignDigest nothing': sign(null, 64),
      'TEE_AsymmetricSignDigest nowhere': sign(sm2Hashed, 0),
    },
    `
      TEE_AsymmetricSignDigest an octet less | ok
      TEE_AsymmetricSignDigest nothing       | ok
      TEE_AsymmetricSignDigest nowhere       | SHORT_BUFFER
    `,
  ],
  [
    {
      'TEE_AsymmetricVerifyDigest nothing': verify(null, sm2.signature),
      'TEE_AsymmetricVerifyDigest no signature': verify(sm2Hashed, null),
      'TEE_AsymmetricVerifyDigest 63 octets': verify(sm2Hashed, sm2.signature.subarray(1)),
      'TEE_AsymmetricVerifyDigest 65 octets': verify(sm2Hashed, Uint8Array.of(...sm2.signature, 0)),
      'TEE_AsymmetricVerifyDigest zeroes': verify(sm2Hashed, filled(64, 0)),
    },
    `
      TEE_AsymmetricVerifyDigest nothing      | SIGNATURE_INVALID
      TEE_AsymmetricVerifyDigest no signature | panic BAD_PARAMETERS
      TEE_AsymmetricVerifyDigest 63 octets    | panic BAD_PARAMETERS
      TEE_AsymmetricVerifyDigest 65 octets    | panic BAD_PARAMETERS
      TEE_AsymmetricVerifyDigest zeroes       | SIGNATURE_INVALID
    `,
  ],
);

// --- Ed25519
const ed = ED25519_VECTORS[1]!;
const context = (length: number): TaAttribute => buffer(gp.TEE_ATTR_EDDSA_CTX, filled(length, 1));
const prehash = (a: number, b = 0): TaAttribute => value(gp.TEE_ATTR_EDDSA_PREHASH, a, b);
check(
  'Ed25519',
  {
    algorithm: ed.algorithm,
    bits: 256,
    pair: ed25519Pair(ed),
    publicKey: ed25519Public(ed),
    signed: ed.message,
    signature: ed.signature,
  },
  [
    {
      'TEE_AsymmetricSignDigest nothing': sign(null, 64),
      'TEE_AsymmetricSignDigest a page and more': sign(filled(5000, 1), 64),
      'TEE_AsymmetricSignDigest in a context': sign(ed.message, 64, [context(255)]),
      'TEE_AsymmetricSignDigest in a longer one': sign(ed.message, 64, [context(256)]),
      'TEE_AsymmetricSignDigest in two': sign(ed.message, 64, [context(1), context(1)]),
      'TEE_AsymmetricSignDigest hashed': sign(ed.message, 64, [prehash(1), context(3)]),
      'TEE_AsymmetricSignDigest neither nor': sign(ed.message, 64, [prehash(2)]),
      'TEE_AsymmetricSignDigest a second number': sign(ed.message, 64, [prehash(1, 1)]),
      'TEE_AsymmetricSignDigest a foreign attribute': sign(ed.message, 64, foreign),
    },
    `
      TEE_AsymmetricSignDigest nothing             | ok
      TEE_AsymmetricSignDigest a page and more     | ok
      TEE_AsymmetricSignDigest in a context        | ok
      TEE_AsymmetricSignDigest in a longer one     | panic BAD_PARAMETERS
      TEE_AsymmetricSignDigest in two              | panic BAD_PARAMETERS
      TEE_AsymmetricSignDigest hashed              | ok
      TEE_AsymmetricSignDigest neither nor         | panic BAD_PARAMETERS
      TEE_AsymmetricSignDigest a second number     | panic BAD_PARAMETERS
      TEE_AsymmetricSignDigest a foreign attribute | panic BAD_PARAMETERS
    `,
  ],
  [
    {
      'TEE_AsymmetricVerifyDigest nothing': verify(null, ed.signature),
      'TEE_AsymmetricVerifyDigest no signature': verify(ed.message, null),
      'TEE_AsymmetricVerifyDigest 63 octets': verify(ed.message, ed.signature.subarray(1)),
      'TEE_AsymmetricVerifyDigest in a context': verify(ed.message, ed.signature, [context(1)]),
      'TEE_AsymmetricVerifyDigest hashed': verify(ed.message, ed.signature, [prehash(1)]),
      'TEE_AsymmetricVerifyDigest in two': verify(ed.message, ed.signature, [
        context(1),
        context(1),
      ]),
    },
    `
      TEE_AsymmetricVerifyDigest nothing      | SIGNATURE_INVALID
      TEE_AsymmetricVerifyDigest no signature | panic BAD_PARAMETERS
      TEE_AsymmetricVerifyDigest 63 octets    | panic BAD_PARAMETERS
      TEE_AsymmetricVerifyDigest in a context | SIGNATURE_INVALID
      TEE_AsymmetricVerifyDigest hashed       | SIGNATURE_INVALID
      TEE_AsymmetricVerifyDigest in two       | panic BAD_PARAMETERS
    `,
  ],
);
