/** The raw system calls of operations that have keys: which keys fit, and what happens without any. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import {
  kepAttributes,
  Bench,
  dhPair,
  dsaPair,
  dsaPublic,
  eccPair,
  ref,
  secretOf,
  sm2Pair,
  sm2Public,
  value,
  x25519Pair,
} from '../crypto/testing/asymmetric-drive.ts';
import type { KeySpec } from '../crypto/testing/asymmetric-drive.ts';
import { DH_VECTORS, DSA_VECTORS } from '../crypto/testing/dsa-vectors.ts';
import { ok, result } from '../crypto/testing/drive.ts';
import { ECDH_VECTORS, X25519_VECTORS } from '../crypto/testing/ecc-vectors.ts';
import { SM2_INITIATOR, SM2_RESPONDER, SM2_SIGNATURE } from '../crypto/testing/sm2-vectors.ts';

const OK = 'TEE_SUCCESS';
const BAD = 'BAD_PARAMETERS';
const { TEE_MODE_DECRYPT, TEE_MODE_DERIVE, TEE_MODE_ENCRYPT, TEE_MODE_SIGN, TEE_MODE_VERIFY } = gp;

const bench = new Bench();
const { crypto } = bench;
const filled = (length: number, octet: number): Uint8Array => new Uint8Array(length).fill(octet);

const [dsa, dh, ecdh, x25519] = [
  DSA_VECTORS[0]!,
  DH_VECTORS[0]!,
  ECDH_VECTORS[2]!,
  X25519_VECTORS[0]!,
];
const DSA_PAIR = dsaPair(dsa);
const DSA_PUBLIC = dsaPublic(dsa);
const DH_PAIR = dhPair(dh, dh.xA, dh.yA);
const ECDH_PAIR = eccPair(ecdh, gp.TEE_TYPE_ECDH_KEYPAIR);
const ECDSA_PAIR = eccPair(ecdh, gp.TEE_TYPE_ECDSA_KEYPAIR);
const X25519_PAIR = x25519Pair(x25519.secretA, x25519.publicA);
const KEP_PAIR = sm2Pair(SM2_INITIATOR, gp.TEE_TYPE_SM2_KEP_KEYPAIR);
const KEP_PUBLIC = sm2Public(SM2_INITIATOR, gp.TEE_TYPE_SM2_KEP_PUBLIC_KEY);
const SM2_PAIR = sm2Pair(SM2_SIGNATURE, gp.TEE_TYPE_SM2_DSA_KEYPAIR);
const AES = secretOf(gp.TEE_TYPE_AES, gp.TEE_ATTR_SECRET_VALUE, filled(16, 1));
const IKM = secretOf(gp.TEE_TYPE_HKDF_IKM, gp.TEE_ATTR_HKDF_IKM, filled(16, 1));
const Z = secretOf(gp.TEE_TYPE_CONCAT_KDF_Z, gp.TEE_ATTR_CONCAT_KDF_Z, filled(16, 1));
const PASSWORD = secretOf(gp.TEE_TYPE_PBKDF2_PASSWORD, gp.TEE_ATTR_PBKDF2_PASSWORD, filled(16, 1));

describe('which keys an operation is allocated with', () => {
  type Row = readonly [string, number, number, readonly KeySpec[], string];
  const {
    TEE_ALG_DSA_SHA1: DSA,
    TEE_ALG_DH_DERIVE_SHARED_SECRET: DH,
    TEE_ALG_ECDH_DERIVE_SHARED_SECRET: ECDH,
    TEE_ALG_SM2_KEP: KEP,
    TEE_ALG_AES_CTS: CTS,
    TEE_ALG_HKDF_SHA256_DERIVE_KEY: HKDF,
  } = gp;
  const rows: readonly Row[] = [
    ['DSA: a pair signs', DSA, TEE_MODE_SIGN, [DSA_PAIR], OK],
    ['DSA: a public key does not', DSA, TEE_MODE_SIGN, [DSA_PUBLIC], BAD],
    ['DSA: a pair verifies', DSA, TEE_MODE_VERIFY, [DSA_PAIR], OK],
    ['DSA: a public key does, too', DSA, TEE_MODE_VERIFY, [DSA_PUBLIC], OK],
    // The check knows ciphers and signatures by their modes only.
    ['DSA: and encrypts', DSA, TEE_MODE_ENCRYPT, [DSA_PUBLIC], OK],
    ['DSA: decrypting takes a pair', DSA, TEE_MODE_DECRYPT, [DSA_PUBLIC], BAD],
    ['DSA: no key', DSA, TEE_MODE_SIGN, [], BAD],
    ['DSA: two keys', DSA, TEE_MODE_SIGN, [DSA_PAIR, DSA_PAIR], BAD],
    ['DSA: one of DH', DSA, TEE_MODE_SIGN, [DH_PAIR], BAD],
    ['DH: a pair', DH, TEE_MODE_DERIVE, [DH_PAIR], OK],
    ['DH: no key', DH, TEE_MODE_DERIVE, [], BAD],
    ['DH: two keys', DH, TEE_MODE_DERIVE, [DH_PAIR, DH_PAIR], BAD],
    ['DH: one of DSA', DH, TEE_MODE_DERIVE, [DSA_PAIR], BAD],
    ['DH: nobody looks at the mode', DH, TEE_MODE_SIGN, [DH_PAIR], OK],
    ['ECDH: one of ECDSA', ECDH, TEE_MODE_DERIVE, [ECDSA_PAIR], BAD],
    ['ECDH: two keys', ECDH, TEE_MODE_DERIVE, [ECDH_PAIR, ECDH_PAIR], BAD],
    ['X25519: no key', gp.TEE_ALG_X25519, TEE_MODE_DERIVE, [], BAD],
    ['X25519: one of ECDH', gp.TEE_ALG_X25519, TEE_MODE_DERIVE, [ECDH_PAIR], BAD],
    ['SM2_KEP: two pairs', KEP, TEE_MODE_DERIVE, [KEP_PAIR, KEP_PAIR], OK],
    ['SM2_KEP: public keys', KEP, TEE_MODE_DERIVE, [KEP_PUBLIC, KEP_PUBLIC], OK],
    ['SM2_KEP: one', KEP, TEE_MODE_DERIVE, [KEP_PAIR], BAD],
    ['SM2_KEP: none', KEP, TEE_MODE_DERIVE, [], BAD],
    ['SM2_KEP: one of signatures', KEP, TEE_MODE_DERIVE, [KEP_PAIR, SM2_PAIR], BAD],
    ['HKDF: no key', HKDF, TEE_MODE_DERIVE, [], BAD],
    ['HKDF: that of PBKDF2', HKDF, TEE_MODE_DERIVE, [PASSWORD], BAD],
    ['HKDF: two', HKDF, TEE_MODE_DERIVE, [IKM, IKM], BAD],
    ['CTS: one', CTS, TEE_MODE_ENCRYPT, [AES], OK],
    ['CTS: two', CTS, TEE_MODE_ENCRYPT, [AES, AES], BAD],
    ['CTS: none', CTS, TEE_MODE_ENCRYPT, [], BAD],
    ['CTS: a secret of HKDF', CTS, TEE_MODE_ENCRYPT, [IKM], BAD],
    ['CTS: nobody looks at the mode', CTS, TEE_MODE_SIGN, [AES], OK],
  ];
  for (const [name, algorithm, mode, keys, expected] of rows) {
    test(name, () => {
      const opened = bench.open(algorithm, mode, ...keys);
      assert.equal(typeof opened === 'number' ? OK : opened, expected);
    });
  }

  test('a second key alone, one that is in use, and none such', () => {
    const out = { handle: 0 };
    const alloc = (key1: number, key2: number): string =>
      result(crypto.stateAlloc(KEP, TEE_MODE_DERIVE, key1, key2, out));
    const one = bench.object(KEP_PAIR);
    assert.equal(alloc(0, one), BAD);
    assert.equal(alloc(one, 9999), 'BAD_STATE');
    assert.equal(alloc(9999, one), 'BAD_STATE');
    // What was refused is as it was.
    assert.equal(alloc(one, bench.object(KEP_PAIR)), OK);
    assert.equal(alloc(one, bench.object(KEP_PAIR)), BAD);
    assert.equal(alloc(bench.object(KEP_PAIR), one), BAD);
    assert.equal(result(crypto.objClose(one)), 'ITEM_NOT_FOUND');
    ok(crypto.stateFree(out.handle));
    assert.equal(result(crypto.objClose(one)), 'BAD_STATE');
  });

  test('the same key twice is one key, and freed once', () => {
    const out = { handle: 0 };
    const before = crypto.objectCount;
    const one = bench.object(KEP_PAIR);
    ok(crypto.stateAlloc(KEP, TEE_MODE_DERIVE, one, one, out));
    ok(crypto.stateFree(out.handle));
    assert.equal(crypto.objectCount, before);
  });
});

describe('an operation whose key is empty', () => {
  const operationOf = (algorithm: number, mode: number, ...keys: readonly KeySpec[]): number => {
    const empty = keys.map((key) => ({ ...key, attributes: [] }));
    const opened = bench.open(algorithm, mode, ...empty);
    assert.ok(typeof opened === 'number', `${opened}`);
    return opened;
  };
  const derive = (
    algorithm: number,
    keys: readonly KeySpec[],
    ...told: Parameters<typeof ref>[]
  ) => {
    const handle = operationOf(algorithm, TEE_MODE_DERIVE, ...keys);
    const target = bench.object({ type: gp.TEE_TYPE_GENERIC_SECRET, bits: 256, attributes: [] });
    const attributes = told.map(([id, content]) => ref(id, content));
    return { handle, target, attributes };
  };
  const derived = (
    algorithm: number,
    keys: readonly KeySpec[],
    ...told: Parameters<typeof ref>[]
  ): string => {
    const { handle, target, attributes } = derive(algorithm, keys, ...told);
    return result(crypto.deriveKey(handle, attributes, target));
  };
  const kdf = (algorithm: number, key: KeySpec, ...values: Parameters<typeof value>[]): string => {
    const { handle, target } = derive(algorithm, [key]);
    const attributes = values.map(([id, a]) => value(id, a));
    return result(crypto.deriveKey(handle, attributes, target));
  };
  const size = { size: 64 };
  const operate = (algorithm: number, mode: number, key: KeySpec): string =>
    result(
      crypto.asymmOperate(
        operationOf(algorithm, mode, key),
        [],
        filled(20, 1),
        filled(64, 0),
        size,
      ),
    );
  const verify = (algorithm: number, key: KeySpec): string =>
    result(
      crypto.asymmVerify(
        operationOf(algorithm, TEE_MODE_VERIFY, key),
        [],
        filled(20, 1),
        filled(40, 1),
      ),
    );

  // Signatures look whether there is a key, derivations do not.
  const rows: readonly (readonly [string, () => string, string])[] = [
    ['DSA signs', () => operate(gp.TEE_ALG_DSA_SHA1, TEE_MODE_SIGN, DSA_PAIR), 'GENERIC'],
    ['DSA verifies', () => verify(gp.TEE_ALG_DSA_SHA1, DSA_PUBLIC), BAD],
    ['SM2 signs', () => operate(gp.TEE_ALG_SM2_DSA_SM3, TEE_MODE_SIGN, SM2_PAIR), 'GENERIC'],
    [
      'DH',
      () =>
        derived(
          gp.TEE_ALG_DH_DERIVE_SHARED_SECRET,
          [DH_PAIR],
          [gp.TEE_ATTR_DH_PUBLIC_VALUE, dh.yB],
        ),
      BAD,
    ],
    [
      'ECDH: no curve',
      () =>
        derived(
          gp.TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
          [ECDH_PAIR],
          [gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, ecdh.x],
          [gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, ecdh.y],
        ),
      'NOT_IMPLEMENTED',
    ],
    [
      'X25519: zero',
      () =>
        derived(
          gp.TEE_ALG_X25519,
          [X25519_PAIR],
          [gp.TEE_ATTR_X25519_PUBLIC_VALUE, x25519.publicB],
        ),
      OK,
    ],
    [
      'HKDF: nothing',
      () => kdf(gp.TEE_ALG_HKDF_SHA256_DERIVE_KEY, IKM, [gp.TEE_ATTR_HKDF_OKM_LENGTH, 16]),
      OK,
    ],
    [
      'the concatenation KDF: nothing',
      () => kdf(gp.TEE_ALG_CONCAT_KDF_SHA1_DERIVE_KEY, Z, [gp.TEE_ATTR_CONCAT_KDF_DKM_LENGTH, 16]),
      OK,
    ],
    [
      'PBKDF2: HMAC takes no empty key',
      () =>
        kdf(
          gp.TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
          PASSWORD,
          [gp.TEE_ATTR_PBKDF2_DKM_LENGTH, 16],
          [gp.TEE_ATTR_PBKDF2_ITERATION_COUNT, 1],
        ),
      'BAD_STATE',
    ],
    [
      'CTS',
      () =>
        result(
          crypto.cipherInit(operationOf(gp.TEE_ALG_AES_CTS, TEE_MODE_ENCRYPT, AES), filled(16, 0)),
        ),
      BAD,
    ],
  ];
  for (const [name, call, expected] of rows) test(name, () => assert.equal(call(), expected));

  test('SM2_KEP: zero agrees on nothing', () => {
    const handle = operationOf(gp.TEE_ALG_SM2_KEP, TEE_MODE_DERIVE, KEP_PAIR, KEP_PAIR);
    const target = bench.object({ type: gp.TEE_TYPE_GENERIC_SECRET, bits: 128, attributes: [] });
    const told = kepAttributes(0, SM2_RESPONDER);
    assert.equal(result(crypto.deriveKey(handle, told, target)), 'BAD_STATE');
  });
});

describe('calls for operations of other classes', () => {
  const handleOf = (algorithm: number, mode: number, ...keys: readonly KeySpec[]): number => {
    const opened = bench.open(algorithm, mode, ...keys);
    assert.ok(typeof opened === 'number', `${opened}`);
    return opened;
  };
  const signing = handleOf(gp.TEE_ALG_DSA_SHA1, TEE_MODE_SIGN, DSA_PAIR);
  const deriving = handleOf(gp.TEE_ALG_DH_DERIVE_SHARED_SECRET, TEE_MODE_DERIVE, DH_PAIR);
  const agreeing = handleOf(gp.TEE_ALG_SM2_KEP, TEE_MODE_DERIVE, KEP_PAIR, KEP_PAIR);
  const verifying = handleOf(gp.TEE_ALG_DH_DERIVE_SHARED_SECRET, TEE_MODE_VERIFY, DH_PAIR);
  const [data, out] = [filled(20, 1), filled(64, 0)];
  type Calls = Readonly<Record<string, (handle: number) => number>>;
  const calls: Calls = {
    hashInit: (handle) => crypto.hashInit(handle, filled(0, 0)),
    hashUpdate: (handle) => crypto.hashUpdate(handle, data),
    hashFinal: (handle) => crypto.hashFinal(handle, data, out, { size: 64 }),
    cipherInit: (handle) => crypto.cipherInit(handle, filled(16, 0)),
    cipherUpdate: (handle) => crypto.cipherUpdate(handle, data, out, { size: 64 }),
    cipherFinal: (handle) => crypto.cipherFinal(handle, data, out, { size: 64 }),
    authencInit: (handle) => crypto.authencInit(handle, filled(12, 0), 16, 0, 0),
    authencUpdateAad: (handle) => crypto.authencUpdateAad(handle, data),
    stateCopy: (handle) => crypto.stateCopy(handle, handle),
  };
  const expected = {
    hashInit: BAD,
    hashUpdate: 'BAD_STATE',
    hashFinal: 'BAD_STATE',
    cipherInit: 'BAD_STATE',
    cipherUpdate: 'BAD_STATE',
    cipherFinal: 'BAD_STATE',
    authencInit: 'BAD_STATE',
    authencUpdateAad: 'BAD_STATE',
    stateCopy: 'BAD_STATE',
  };
  for (const [name, handle] of Object.entries({ signing, deriving, agreeing })) {
    test(name, () => {
      const outcomes = Object.entries(calls).map(([call, run]) => [call, result(run(handle))]);
      assert.deepEqual(Object.fromEntries(outcomes), expected);
    });
  }

  test('a derivation neither signs nor verifies, a signature derives nothing', () => {
    const target = bench.object({ type: gp.TEE_TYPE_GENERIC_SECRET, bits: 256, attributes: [] });
    assert.equal(result(crypto.asymmOperate(deriving, [], data, out, { size: 64 })), BAD);
    assert.equal(result(crypto.asymmVerify(deriving, [], data, out)), BAD);
    assert.equal(result(crypto.asymmVerify(verifying, [], data, out)), 'NOT_SUPPORTED');
    assert.equal(result(crypto.deriveKey(signing, [], target)), 'NOT_SUPPORTED');
  });
});
