/** What signatures and ciphers on curves and in groups refuse, and with which code: one row a rule. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import { concat } from './main-hash.ts';
import { toNumber, toOctets } from './mpi.ts';
import {
  Bench,
  digest,
  dsaPair,
  dsaPublic,
  eccPair,
  eccPublic,
  ed25519Pair,
  ed25519Public,
  edAttributes,
  ref,
  rsaPair,
  sm2Pair,
  sm2Public,
  value,
} from './testing/asymmetric-drive.ts';
import type { KeySpec } from './testing/asymmetric-drive.ts';
import { DSA_VECTORS } from './testing/dsa-vectors.ts';
import { NODE, ok } from './testing/drive.ts';
import { DETERMINISTIC_ECDSA_VECTORS, ED25519_VECTORS } from './testing/ecc-vectors.ts';
import { EXAMPLE1, SIGGEN15 } from './testing/rsa-keys.ts';
import { SM2_CIPHERTEXT, SM2_SIGNATURE } from './testing/sm2-vectors.ts';

const { TEE_MODE_DECRYPT, TEE_MODE_DERIVE, TEE_MODE_ENCRYPT, TEE_MODE_SIGN } = gp;
const OK = 'TEE_SUCCESS';
const INVALID = 'SIGNATURE_INVALID';
const BAD = 'BAD_PARAMETERS';
const bench = new Bench();

const filled = (length: number, octet: number): Uint8Array => new Uint8Array(length).fill(octet);
const flipped = (octets: Uint8Array, at: number): Uint8Array =>
  octets.map((octet, i) => (i === at ? octet ^ 1 : octet));
/** A signature with another half. */
const halves = (
  left: Uint8Array | bigint,
  right: Uint8Array | bigint,
  length: number,
): Uint8Array => {
  const part = (half: Uint8Array | bigint): Uint8Array =>
    typeof half === 'bigint' ? toOctets(half, length) : half;
  return concat(part(left), part(right));
};

test('an operation whose key becomes another one computes with that', () => {
  const { crypto } = bench;
  const key = bench.object(rsaPair(EXAMPLE1));
  const out = { handle: 0 };
  const algorithm = gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA256;
  ok(crypto.stateAlloc(algorithm, TEE_MODE_SIGN, key, 0, out));
  const hashed = digest('sha256', filled(3, 3));
  for (const one of [EXAMPLE1, SIGGEN15, EXAMPLE1]) {
    const spec = rsaPair(one);
    ok(crypto.objReset(key));
    ok(crypto.objPopulate(key, spec.attributes));
    const [signature, size] = [filled(128, 0), { size: 128 }];
    ok(crypto.asymmOperate(out.handle, [], hashed, signature, size));
    assert.equal(bench.verify(algorithm, spec, hashed, signature), OK);
  }
});

describe('DSA', () => {
  const v = DSA_VECTORS[1]!;
  const { algorithm, signature } = v;
  const N = v.q.length;
  const q = toNumber(v.q);
  const [r, s] = [signature.subarray(0, N), signature.subarray(N)];
  const hashed = digest(v.hash, v.message);
  const rows: readonly (readonly [string, Uint8Array, Uint8Array, string])[] = [
    ['what is published', hashed, signature, OK],
    ['the digest cut to the order', hashed.subarray(0, N), signature, OK],
    ['the digest cut elsewhere', hashed.subarray(0, N - 1), signature, BAD],
    ['another digest', flipped(hashed, 0), signature, INVALID],
    ['a digest that differs behind the order', flipped(hashed, N), signature, OK],
    ['r = 0', hashed, halves(0n, s, N), INVALID],
    ['s = 0', hashed, halves(r, 0n, N), INVALID],
    ['r = q', hashed, halves(q, s, N), INVALID],
    ['s = q', hashed, halves(r, q, N), INVALID],
    ['-s', hashed, halves(r, q - toNumber(s), N), INVALID],
    ['s and r', hashed, halves(s, r, N), INVALID],
    ['nothing', hashed, filled(0, 0), INVALID],
    ['an octet less', hashed, signature.subarray(1), INVALID],
    ['halves with zeroes in front', hashed, halves(toNumber(r), toNumber(s), N + 9), OK],
  ];
  for (const [name, data, given, expected] of rows) {
    test(`verify: ${name}`, () =>
      assert.equal(bench.verify(algorithm, dsaPublic(v), data, given), expected));
  }

  const sign = (data: Uint8Array, room?: number, key: KeySpec = dsaPair(v)) =>
    bench.operate(algorithm, TEE_MODE_SIGN, key, data, [], room);
  test('sign: digests are as long as the order, if the hash is not shorter', () => {
    assert.equal(sign(hashed.subarray(0, N)).code, OK);
    assert.equal(sign(hashed).code, 'SECURITY');
    assert.equal(sign(hashed.subarray(0, N - 1)).code, 'SECURITY');
  });
  test('sign: short buffer', () => {
    const made = sign(hashed.subarray(0, N), 2 * N - 1);
    assert.deepEqual([made.code, made.size], ['SHORT_BUFFER', 2 * N]);
  });
  test('sign: a base without order gives no signature', () => {
    const key = dsaPair({ ...v, g: Uint8Array.of(0) });
    assert.equal(sign(hashed.subarray(0, N), undefined, key).code, 'GENERIC');
  });
  test('sign: a public key does not', () => {
    assert.equal(bench.open(algorithm, TEE_MODE_SIGN, dsaPublic(v)), BAD);
  });
});

describe('ECDSA', () => {
  for (const v of DETERMINISTIC_ECDSA_VECTORS) {
    const { algorithm, signature } = v;
    const N = signature.length / 2;
    const [r, s] = [signature.subarray(0, N), signature.subarray(N)];
    const names = ['P-192', 'P-224', 'P-256', 'P-384', 'P-521'] as const;
    const name = names[DETERMINISTIC_ECDSA_VECTORS.indexOf(v)]!;
    const { order, prime } = NODE.publicKey.curve(name);
    const hashed = digest(v.hash, v.message);
    const rows: readonly (readonly [string, Uint8Array, string])[] = [
      ['r = 0', halves(0n, s, N), INVALID],
      ['s = 0', halves(r, 0n, N), INVALID],
      ['r = n', halves(order, s, N), INVALID],
      ['s = n', halves(r, order, N), INVALID],
      ['all ones', filled(2 * N, 0xff), INVALID],
      // As ECDSA has it: nothing wants the smaller of both.
      ['-s', halves(r, order - toNumber(s), N), OK],
      ['s and r', halves(s, r, N), INVALID],
      ['r changed', flipped(signature, N - 1), INVALID],
      ['an octet less', signature.subarray(1), BAD],
      ['an octet more', concat(signature, filled(1, 0)), BAD],
      ['nothing', filled(0, 0), BAD],
    ];
    test(`${name}: signatures`, () => {
      for (const [what, given, expected] of rows) {
        assert.equal(bench.verify(algorithm, eccPublic(v), hashed, given), expected, what);
      }
      assert.equal(bench.verify(algorithm, eccPublic(v), flipped(hashed, 0), signature), INVALID);
    });

    test(`${name}: public keys that are no points`, () => {
      const verify = (x: Uint8Array, y: Uint8Array): string =>
        bench.verify(algorithm, eccPublic({ ...v, x, y }), hashed, signature);
      assert.equal(verify(v.x, flipped(v.y, N - 1)), INVALID);
      assert.equal(verify(filled(1, 0), filled(1, 0)), INVALID);
      assert.equal(verify(v.y, v.x), INVALID);
      assert.equal(verify(toOctets(prime), toOctets(1n)), INVALID);
    });

    test(`${name}: sizes, and algorithms of other curves`, () => {
      const short = bench.operate(algorithm, TEE_MODE_SIGN, eccPair(v), hashed, [], 2 * N - 1);
      assert.deepEqual([short.code, short.size], ['SHORT_BUFFER', 2 * N]);
      const { TEE_ALG_ECDSA_SHA1, TEE_ALG_ECDSA_SHA256 } = gp;
      const other = algorithm === TEE_ALG_ECDSA_SHA1 ? TEE_ALG_ECDSA_SHA256 : TEE_ALG_ECDSA_SHA1;
      assert.equal(bench.operate(other, TEE_MODE_SIGN, eccPair(v), hashed).code, BAD);
      assert.equal(bench.verify(other, eccPublic(v), hashed, signature), BAD);
    });
  }

  test('any length of digest is signed and verified', () => {
    const v = DETERMINISTIC_ECDSA_VECTORS[2]!;
    for (const length of [0, 1, 20, 31, 32, 33, 64, 8193, 20_000]) {
      const data = filled(length, length);
      const made = bench.operate(v.algorithm, TEE_MODE_SIGN, eccPair(v), data);
      const signature = new Uint8Array(Buffer.from(made.out, 'hex'));
      assert.equal(bench.verify(v.algorithm, eccPublic(v), data, signature), OK, `${length}`);
      const counts = data.subarray(0, 32);
      assert.equal(bench.verify(v.algorithm, eccPublic(v), counts, signature), OK, `${length}`);
    }
  });

  test('keys of other curves than NIST has', () => {
    const v = DETERMINISTIC_ECDSA_VECTORS[2]!;
    const sign = (curve: number): string => {
      const key = { ...eccPair({ ...v, curve }), bits: 256 };
      return bench.operate(v.algorithm, TEE_MODE_SIGN, key, v.x).code;
    };
    assert.equal(sign(gp.TEE_ECC_CURVE_SM2), BAD);
    assert.equal(sign(gp.TEE_ECC_CURVE_25519), 'NOT_SUPPORTED');
  });

  test('a private value of zero signs nothing', () => {
    const v = DETERMINISTIC_ECDSA_VECTORS[2]!;
    const key = eccPair({ ...v, d: Uint8Array.of(0) });
    assert.equal(bench.operate(v.algorithm, TEE_MODE_SIGN, key, v.x).code, 'GENERIC');
  });
});

describe('Ed25519', () => {
  const [plain, , , context, , prehashed] = ED25519_VECTORS as readonly Required<
    (typeof ED25519_VECTORS)[number]
  >[];
  const v = plain!;
  const ctx = (length: number): TaAttribute => ref(gp.TEE_ATTR_EDDSA_CTX, filled(length, 1));
  const ph = (a: number, b = 0): TaAttribute => value(gp.TEE_ATTR_EDDSA_PREHASH, a, b);
  const parameters: readonly (readonly [string, readonly TaAttribute[], string])[] = [
    ['none', [], OK],
    ['not hashed before', [ph(0)], OK],
    ['hashed before', [ph(1)], OK],
    ['neither of both', [ph(2)], BAD],
    ['a second number', [ph(0, 1)], BAD],
    ['the last word on hashing counts', [ph(1), ph(0)], OK],
    ['the longest context', [ctx(255)], OK],
    ['a longer one', [ctx(256)], BAD],
    ['two contexts', [ctx(1), ctx(1)], BAD],
    ['an empty one is none', [ctx(0), ctx(1)], OK],
    ['another attribute', [value(gp.TEE_ATTR_ECC_CURVE, 1)], BAD],
  ];
  for (const [name, attributes, expected] of parameters) {
    test(`parameters: ${name}`, () => {
      const { algorithm, message } = v;
      const made = bench.operate(algorithm, TEE_MODE_SIGN, ed25519Pair(v), message, attributes);
      assert.equal(made.code, expected);
      const signature = made.code === OK ? Buffer.from(made.out, 'hex') : filled(64, 0);
      const key = ed25519Public(v);
      assert.equal(bench.verify(algorithm, key, message, signature, attributes), expected);
    });
  }

  test('context and prehash are part of what is signed', () => {
    for (const one of [context!, prehashed!]) {
      const key = ed25519Public(one);
      const verify = (attributes: readonly TaAttribute[]): string =>
        bench.verify(one.algorithm, key, one.message, one.signature, attributes);
      assert.equal(verify(edAttributes(one)), OK);
      assert.equal(verify([]), INVALID);
      assert.equal(verify([...edAttributes(one), ph(one === context ? 1 : 0)]), INVALID);
      assert.equal(verify([ctx(3)]), INVALID);
    }
  });

  const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
  const littleEndian = (number: bigint): Uint8Array => toOctets(number, 32).toReversed();
  const scalar = toNumber(v.signature.slice(32).reverse());
  const withScalar = (s: bigint): Uint8Array =>
    concat(v.signature.subarray(0, 32), littleEndian(s));
  const rows: readonly (readonly [string, Uint8Array, string])[] = [
    // TweetNaCl, which the core has, reduces the scalar; RFC 8032, 5.1.7, would not have it.
    ['the scalar and the order', withScalar(scalar + ORDER), OK],
    ['the negative scalar', withScalar(ORDER - scalar), INVALID],
    ['no scalar', withScalar(0n), INVALID],
    ['another commitment', flipped(v.signature, 0), INVALID],
    ['63 octets', v.signature.subarray(1), BAD],
    ['65 octets', concat(v.signature, filled(1, 0)), BAD],
  ];
  for (const [name, signature, expected] of rows) {
    test(`verify: ${name}`, () =>
      assert.equal(bench.verify(v.algorithm, ed25519Public(v), v.message, signature), expected));
  }

  test('verify: a key that is no point', () => {
    const key = ed25519Public({ publicKey: littleEndian(2n) });
    assert.equal(bench.verify(v.algorithm, key, v.message, v.signature), BAD);
  });
  test('sign: short buffer', () => {
    const made = bench.operate(v.algorithm, TEE_MODE_SIGN, ed25519Pair(v), v.message, [], 63);
    assert.deepEqual([made.code, made.size], ['SHORT_BUFFER', 64]);
  });
});

describe('SM2 signatures', () => {
  const v = SM2_SIGNATURE;
  const { order } = NODE.publicKey.sm2;
  const [r, s] = [v.signature.subarray(0, 32), v.signature.subarray(32)];
  const hashed = digest('sm3', v.hashed);
  const rows: readonly (readonly [string, Uint8Array, string])[] = [
    ['r = 0', halves(0n, s, 32), INVALID],
    ['s = 0', halves(r, 0n, 32), INVALID],
    ['r = n', halves(order, s, 32), INVALID],
    ['s = n', halves(r, order, 32), INVALID],
    ['r + s = n', halves(r, order - toNumber(r), 32), INVALID],
    ['s changed', flipped(v.signature, 63), INVALID],
    ['an octet less', v.signature.subarray(1), BAD],
  ];
  const verify = (signature: Uint8Array, data = hashed, point = { x: v.x, y: v.y }): string =>
    bench.verify(v.algorithm, sm2Public(point, gp.TEE_TYPE_SM2_DSA_PUBLIC_KEY), data, signature);
  for (const [name, signature, expected] of rows) {
    test(name, () => assert.equal(verify(signature), expected));
  }
  test('another digest, another key, and a key that is no point', () => {
    assert.equal(verify(v.signature, flipped(hashed, 0)), INVALID);
    const { x, y } = NODE.publicKey.sm2.base;
    assert.equal(verify(v.signature, hashed, { x: toOctets(x), y: toOctets(y) }), INVALID);
    assert.equal(verify(v.signature, hashed, { x: v.y, y: v.x }), INVALID);
  });
  test('pairs do not verify, public keys do not sign', () => {
    const pair = sm2Pair(v, gp.TEE_TYPE_SM2_DSA_KEYPAIR);
    const key = sm2Public(v, gp.TEE_TYPE_SM2_DSA_PUBLIC_KEY);
    assert.equal(bench.open(v.algorithm, gp.TEE_MODE_VERIFY, pair), BAD);
    assert.equal(bench.open(v.algorithm, TEE_MODE_SIGN, key), BAD);
  });
  test('short buffer', () => {
    const pair = sm2Pair(v, gp.TEE_TYPE_SM2_DSA_KEYPAIR);
    const made = bench.operate(v.algorithm, TEE_MODE_SIGN, pair, hashed, [], 63);
    assert.deepEqual([made.code, made.size], ['SHORT_BUFFER', 64]);
  });
});

describe('SM2 encryption', () => {
  const v = SM2_CIPHERTEXT;
  const pair = sm2Pair(v, gp.TEE_TYPE_SM2_PKE_KEYPAIR);
  const key = sm2Public(v, gp.TEE_TYPE_SM2_PKE_PUBLIC_KEY);
  const headed = (first: number): Uint8Array => concat(Uint8Array.of(first), v.cipher.subarray(1));
  const WRONG = 'CIPHERTEXT_INVALID';
  const rows: readonly (readonly [string, Uint8Array, string])[] = [
    ['what is published', v.cipher, OK],
    ['a compressed point', headed(2), 'NOT_SUPPORTED'],
    ['a hybrid point', headed(6), 'NOT_SUPPORTED'],
    ['no form of points', headed(5), BAD],
    ['infinity', Uint8Array.of(0), BAD],
    ['no point of the curve', flipped(v.cipher, 64), BAD],
    ['another point', concat(v.cipher.subarray(0, 1), filled(64, 0), v.cipher.subarray(65)), BAD],
    ['the message changed', flipped(v.cipher, 65), WRONG],
    ['the hash changed', flipped(v.cipher, v.cipher.length - 1), WRONG],
    ['an octet less', v.cipher.subarray(0, -1), WRONG],
    ['no message', v.cipher.subarray(0, 65 + 32), BAD],
    ['a point alone', v.cipher.subarray(0, 65), BAD],
    ['less than a point', v.cipher.subarray(0, 64), BAD],
    ['nothing', filled(0, 0), BAD],
  ];
  for (const [name, cipher, expected] of rows) {
    test(`decrypt: ${name}`, () =>
      assert.equal(bench.operate(v.algorithm, TEE_MODE_DECRYPT, pair, cipher).code, expected));
  }

  test('decrypt: a message is cut to the buffer', () => {
    const made = bench.operate(v.algorithm, TEE_MODE_DECRYPT, pair, v.cipher, [], 5);
    assert.deepEqual([made.code, made.size], [OK, 5]);
  });
  test('encrypt: buffers', () => {
    const encrypt = (room: number) =>
      bench.operate(v.algorithm, TEE_MODE_ENCRYPT, key, v.message, [], room);
    assert.equal(encrypt(64).code, 'BAD_STATE');
    const short = encrypt(v.cipher.length - 1);
    assert.deepEqual([short.code, short.size], ['SHORT_BUFFER', v.cipher.length]);
  });
  test('encrypt: a key that is no point, and nothing to encrypt', () => {
    const none = sm2Public({ x: v.y, y: v.x }, gp.TEE_TYPE_SM2_PKE_PUBLIC_KEY);
    const encrypt = (to: KeySpec, message: Uint8Array): string =>
      bench.operate(v.algorithm, TEE_MODE_ENCRYPT, to, message).code;
    assert.equal(encrypt(none, v.message), 'BAD_STATE');
    assert.equal(encrypt(key, filled(0, 0)), WRONG);
  });
  test('pairs do not encrypt', () =>
    assert.equal(bench.open(v.algorithm, TEE_MODE_ENCRYPT, pair), BAD));
});

describe('operations of another class, or in another mode', () => {
  const { crypto } = bench;
  const open = (algorithm: number, mode: number, key: KeySpec): number => {
    const handle = bench.open(algorithm, mode, key);
    assert.ok(typeof handle === 'number');
    return handle;
  };
  const rsa = rsaPair(EXAMPLE1);
  const aes = {
    type: gp.TEE_TYPE_AES,
    bits: 128,
    attributes: [ref(gp.TEE_ATTR_SECRET_VALUE, filled(16, 1))],
  };
  const ecdh = eccPair(DETERMINISTIC_ECDSA_VECTORS[2]!, gp.TEE_TYPE_ECDH_KEYPAIR);
  const { TEE_ALG_ECDH_DERIVE_SHARED_SECRET, TEE_ALG_RSASSA_PKCS1_V1_5_SHA1 } = gp;
  const signing = open(TEE_ALG_RSASSA_PKCS1_V1_5_SHA1, TEE_MODE_SIGN, rsa);
  const cipher = open(gp.TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, aes);
  const deriving = open(TEE_ALG_ECDH_DERIVE_SHARED_SECRET, TEE_MODE_DERIVE, ecdh);
  const out = filled(200, 0);
  const operate = (handle: number, room = 200): number =>
    crypto.asymmOperate(handle, [], filled(20, 1), out, { size: room });
  const verify = (handle: number): number => crypto.asymmVerify(handle, [], out, out);
  const secret = bench.object({ type: gp.TEE_TYPE_GENERIC_SECRET, bits: 256, attributes: [] });
  const rows: readonly (readonly [string, () => number, number])[] = [
    ['sign', () => operate(signing), gp.TEE_SUCCESS],
    ['sign: no such operation', () => operate(9999), gp.TEE_ERROR_BAD_PARAMETERS],
    ['sign: beyond the buffer', () => operate(signing, 201), gp.TEE_ERROR_ACCESS_DENIED],
    ['sign: a cipher', () => operate(cipher), gp.TEE_ERROR_BAD_PARAMETERS],
    ['sign: a derivation', () => operate(deriving), gp.TEE_ERROR_BAD_PARAMETERS],
    ['verify: a signing operation', () => verify(signing), gp.TEE_ERROR_BAD_PARAMETERS],
    ['verify: no such operation', () => verify(9999), gp.TEE_ERROR_BAD_PARAMETERS],
    [
      'derive: no such operation',
      () => crypto.deriveKey(9999, [], secret),
      gp.TEE_ERROR_BAD_PARAMETERS,
    ],
    ['derive: no such object', () => crypto.deriveKey(deriving, [], 9999), gp.TEE_ERROR_BAD_STATE],
    [
      'derive: a signature',
      () => crypto.deriveKey(signing, [], secret),
      gp.TEE_ERROR_NOT_SUPPORTED,
    ],
    ['copy', () => crypto.stateCopy(signing, signing), gp.TEE_ERROR_BAD_STATE],
  ];
  for (const [name, call, expected] of rows) {
    test(name, () => assert.equal(call(), expected));
  }
  test('and all can be freed', () => {
    for (const handle of [signing, cipher, deriving]) ok(crypto.stateFree(handle));
  });
});
