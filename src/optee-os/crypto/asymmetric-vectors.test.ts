/** Published vectors of asymmetric algorithms and key derivation, through the system calls. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import { ASYMMETRIC_ALGORITHMS } from './asymmetric.ts';
import { encodeDigestInfo } from './pkcs1-v1-5.ts';
import { MD5, SHA1, SHA224, SHA256, SHA384, SHA512 } from './main-hash.ts';
import {
  ALL_ECDH_VECTORS,
  ALL_ECDSA_VECTORS,
  ASYMMETRIC_VECTORS,
  V1_5_SIGNATURES,
} from './testing/all-vectors.ts';
import {
  kepAttributes,
  Bench,
  dhPair,
  digest,
  dsaPair,
  dsaPublic,
  eccPair,
  eccPublic,
  ed25519Pair,
  ed25519Public,
  edAttributes,
  kdfAttributes,
  ref,
  rsaPair,
  rsaPublic,
  rsaShortPair,
  secretOf,
  sm2Pair,
  sm2Public,
  value,
  x25519Pair,
} from './testing/asymmetric-drive.ts';
import type { KeySpec, Outcome } from './testing/asymmetric-drive.ts';
import { DH_VECTORS, DSA_VECTORS } from './testing/dsa-vectors.ts';
import { NODE, eachSource } from './testing/drive.ts';
import {
  DETERMINISTIC_ECDSA_VECTORS,
  ED25519_VECTORS,
  X25519_VECTORS,
} from './testing/ecc-vectors.ts';
import { CONCAT_KDF_VECTORS, HKDF_VECTORS, PBKDF2_VECTORS } from './testing/kdf-vectors.ts';
import { RSAES_VECTORS, RSASSA_VECTORS } from './testing/rsa-vectors.ts';
import type { RsaesVector, RsassaVector } from './testing/rsa-vectors.ts';
import {
  SM2_CIPHERTEXT,
  SM2_EXCHANGE,
  SM2_INITIATOR,
  SM2_RESPONDER,
  SM2_SIGNATURE,
} from './testing/sm2-vectors.ts';
import { toHex } from './testing/vector.ts';

const { TEE_MODE_DECRYPT, TEE_MODE_ENCRYPT, TEE_MODE_SIGN } = gp;

const gives = (outcome: Outcome, expected: Uint8Array): void => {
  assert.equal(outcome.code, 'TEE_SUCCESS');
  assert.equal(outcome.out, toHex(expected));
};
const HASHES = [MD5, SHA1, SHA224, SHA256, SHA384, SHA512];
const mainHash = (name: string) => HASHES.find((hash) => hash.name === name)!;

describe('RSA encryption', () => {
  const attributesOf = ({ label, mgfHash }: RsaesVector): readonly TaAttribute[] => [
    ...(mgfHash === undefined ? [] : [ref(gp.TEE_ATTR_RSA_OAEP_MGF_HASH, littleEndian(mgfHash))]),
    ...(label === undefined ? [] : [ref(gp.TEE_ATTR_RSA_OAEP_LABEL, label)]),
  ];
  const littleEndian = (id: number): Uint8Array =>
    Uint8Array.of(id, id >>> 8, id >>> 16, id >>> 24);

  eachSource(RSAES_VECTORS, (v) => {
    const attributes = attributesOf(v);
    for (const key of [rsaPublic(v.key), rsaPair(v.key)]) {
      const bench = new Bench(v.random);
      gives(bench.operate(v.algorithm, TEE_MODE_ENCRYPT, key, v.message, attributes), v.cipher);
    }
    for (const key of [rsaPair(v.key), rsaShortPair(v.key)]) {
      const bench = new Bench();
      gives(bench.operate(v.algorithm, TEE_MODE_DECRYPT, key, v.cipher, attributes), v.message);
    }
  });
});

describe('RSA signatures', () => {
  const attributesOf = ({ salt }: RsassaVector): readonly TaAttribute[] =>
    salt === undefined ? [] : [value(gp.TEE_ATTR_RSA_PSS_SALT_LENGTH, salt.length)];

  eachSource(RSASSA_VECTORS, (v) => {
    const attributes = attributesOf(v);
    const hashed = digest(v.hash, v.message);
    for (const key of [rsaPair(v.key), rsaShortPair(v.key)]) {
      const bench = v.salt === undefined ? new Bench() : new Bench(v.salt);
      gives(bench.operate(v.algorithm, TEE_MODE_SIGN, key, hashed, attributes), v.signature);
    }
    for (const key of [rsaPublic(v.key), rsaPair(v.key)]) {
      const verdict = new Bench().verify(v.algorithm, key, hashed, v.signature, attributes);
      assert.equal(verdict, 'TEE_SUCCESS');
    }
  });

  /** What a signature of PKCS #1 v1.5 has inside is the content of one without hash. */
  eachSource(
    V1_5_SIGNATURES.map((v) => ({ ...v, algorithm: gp.TEE_ALG_RSASSA_PKCS1_V1_5 })),
    (v) => {
      const content = encodeDigestInfo(mainHash(v.hash), digest(v.hash, v.message));
      const bench = new Bench();
      gives(bench.operate(v.algorithm, TEE_MODE_SIGN, rsaPair(v.key), content), v.signature);
      const verdict = bench.verify(v.algorithm, rsaPublic(v.key), content, v.signature);
      assert.equal(verdict, 'TEE_SUCCESS');
    },
  );

  /** A signature's block, and back. */
  eachSource(
    V1_5_SIGNATURES.map((v) => ({ ...v, algorithm: gp.TEE_ALG_RSA_NOPAD })),
    (v) => {
      const content = encodeDigestInfo(mainHash(v.hash), digest(v.hash, v.message));
      const padding = 'ff'.repeat(v.key.n.length - content.length - 3);
      const block = new Uint8Array(Buffer.from(`01${padding}00${toHex(content)}`, 'hex'));
      const bench = new Bench();
      const { algorithm, key, signature } = v;
      gives(bench.operate(algorithm, TEE_MODE_ENCRYPT, rsaPublic(key), signature), block);
      gives(bench.operate(algorithm, TEE_MODE_DECRYPT, rsaPair(key), block), signature);
    },
  );
});

describe('groups modulo a prime', () => {
  eachSource(DSA_VECTORS, (v) => {
    const bench = new Bench(v.k);
    const hashed = digest(v.hash, v.message);
    const cut = hashed.subarray(0, v.q.length);
    gives(bench.operate(v.algorithm, TEE_MODE_SIGN, dsaPair(v), cut), v.signature);
    for (const data of [hashed, cut]) {
      assert.equal(bench.verify(v.algorithm, dsaPublic(v), data, v.signature), 'TEE_SUCCESS');
    }
  });

  eachSource(DH_VECTORS, (v) => {
    const bench = new Bench();
    const derive = (x: Uint8Array, y: Uint8Array, other: Uint8Array): Outcome =>
      bench.derive(v.algorithm, [dhPair(v, x, y)], [ref(gp.TEE_ATTR_DH_PUBLIC_VALUE, other)]);
    gives(derive(v.xA, v.yA, v.yB), v.z);
    gives(derive(v.xB, v.yB, v.yA), v.z);
  });
});

describe('elliptic curves', () => {
  eachSource(ALL_ECDSA_VECTORS, (v) => {
    const bench = new Bench();
    const hashed = digest(v.hash, v.message);
    const verify = (key: KeySpec, signature: Uint8Array): string =>
      bench.verify(v.algorithm, key, hashed, signature);
    assert.equal(verify(eccPublic(v), v.signature), 'TEE_SUCCESS');
    assert.equal(verify(eccPair(v), v.signature), 'TEE_SUCCESS');
    const made = bench.operate(v.algorithm, TEE_MODE_SIGN, eccPair(v), hashed);
    assert.equal(verify(eccPublic(v), new Uint8Array(Buffer.from(made.out, 'hex'))), 'TEE_SUCCESS');
  });

  test('without randomness of its own, a signature is that of RFC 6979', () => {
    const names = ['P-192', 'P-224', 'P-256', 'P-384', 'P-521'] as const;
    for (const [i, v] of DETERMINISTIC_ECDSA_VECTORS.entries()) {
      const secret = BigInt(`0x${toHex(v.d)}`);
      const curve = NODE.publicKey.curve(names[i]!);
      const made = curve.sign(digest(v.hash, v.message), secret, undefined);
      assert.equal(toHex(made), toHex(v.signature));
    }
  });

  eachSource(ALL_ECDH_VECTORS, (v) => {
    const other = [
      ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, v.x),
      ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, v.y),
    ];
    gives(new Bench().derive(v.algorithm, [eccPair(v, gp.TEE_TYPE_ECDH_KEYPAIR)], other), v.secret);
  });

  eachSource(ED25519_VECTORS, (v) => {
    const bench = new Bench();
    const attributes = edAttributes(v);
    const { algorithm, message, signature } = v;
    gives(bench.operate(algorithm, TEE_MODE_SIGN, ed25519Pair(v), message, attributes), signature);
    for (const key of [ed25519Public(v), ed25519Pair(v)]) {
      const verdict = bench.verify(algorithm, key, message, signature, attributes);
      assert.equal(verdict, 'TEE_SUCCESS');
    }
  });

  eachSource(X25519_VECTORS, (v) => {
    const bench = new Bench();
    const derive = (secret: Uint8Array, own: Uint8Array, other: Uint8Array): Outcome =>
      bench.derive(
        v.algorithm,
        [x25519Pair(secret, own)],
        [ref(gp.TEE_ATTR_X25519_PUBLIC_VALUE, other)],
      );
    gives(derive(v.secretA, v.publicA, v.publicB), v.shared);
    gives(derive(v.secretB, v.publicB, v.publicA), v.shared);
  });
});

describe('SM2', () => {
  eachSource([SM2_SIGNATURE], (v) => {
    const bench = new Bench(v.k);
    const hashed = digest('sm3', v.hashed);
    const pair = sm2Pair(v, gp.TEE_TYPE_SM2_DSA_KEYPAIR);
    gives(bench.operate(v.algorithm, TEE_MODE_SIGN, pair, hashed), v.signature);
    const key = sm2Public(v, gp.TEE_TYPE_SM2_DSA_PUBLIC_KEY);
    assert.equal(bench.verify(v.algorithm, key, hashed, v.signature), 'TEE_SUCCESS');
  });

  eachSource([SM2_CIPHERTEXT], (v) => {
    const bench = new Bench(v.k);
    const key = sm2Public(v, gp.TEE_TYPE_SM2_PKE_PUBLIC_KEY);
    const pair = sm2Pair(v, gp.TEE_TYPE_SM2_PKE_KEYPAIR);
    gives(bench.operate(v.algorithm, TEE_MODE_ENCRYPT, key, v.message), v.cipher);
    gives(bench.operate(v.algorithm, TEE_MODE_DECRYPT, pair, v.cipher), v.message);
  });

  /** Upstream derives as many bytes as the object has bits: the first of them are the secret. */
  eachSource([SM2_EXCHANGE], (v) => {
    const bits = 8 * v.secret.length;
    for (const [own, peer, user] of [
      [SM2_INITIATOR, SM2_RESPONDER, 0],
      [SM2_RESPONDER, SM2_INITIATOR, 1],
    ] as const) {
      const keys = [
        sm2Pair(own, gp.TEE_TYPE_SM2_KEP_KEYPAIR),
        sm2Pair(
          { d: own.ephemeralD, x: own.ephemeralX, y: own.ephemeralY },
          gp.TEE_TYPE_SM2_KEP_KEYPAIR,
        ),
      ];
      const attributes = [
        ...kepAttributes(user, peer),
        ref(gp.TEE_ATTR_SM2_KEP_CONFIRMATION_IN, peer.confirmation),
      ];
      const made = new Bench().derive(v.algorithm, keys, attributes, bits);
      assert.equal(made.code, 'TEE_SUCCESS');
      assert.equal(made.size, bits);
      assert.equal(made.out.slice(0, 2 * v.secret.length), toHex(v.secret));
    }
  });
});

describe('key derivation', () => {
  const kinds = [
    [HKDF_VECTORS, gp.TEE_TYPE_HKDF_IKM, gp.TEE_ATTR_HKDF_IKM],
    [CONCAT_KDF_VECTORS, gp.TEE_TYPE_CONCAT_KDF_Z, gp.TEE_ATTR_CONCAT_KDF_Z],
    [PBKDF2_VECTORS, gp.TEE_TYPE_PBKDF2_PASSWORD, gp.TEE_ATTR_PBKDF2_PASSWORD],
  ] as const;
  for (const [vectors, type, attribute] of kinds) {
    eachSource(vectors, (v) => {
      const key = secretOf(type, attribute, v.secret);
      gives(new Bench().derive(v.algorithm, [key], kdfAttributes(attribute, v)), v.output);
    });
  }
});

test('there is a vector for every algorithm', () => {
  const tested = new Set(ASYMMETRIC_VECTORS.map(({ algorithm }) => algorithm));
  const untested = ASYMMETRIC_ALGORITHMS.filter(({ id }) => !tested.has(id));
  assert.deepEqual(
    untested.map(({ id }) => codeName(gp.TEE_ALG, id)),
    [],
  );
});
