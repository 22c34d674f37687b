/** What key derivation refuses, and with which code: one row a rule. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import { toOctets } from './mpi.ts';
import {
  kepAttributes,
  Bench,
  dhPair,
  eccPair,
  ref,
  secretOf,
  sm2Pair,
  value,
  x25519Pair,
} from './testing/asymmetric-drive.ts';
import type { KeySpec } from './testing/asymmetric-drive.ts';
import { DH_VECTORS } from './testing/dsa-vectors.ts';
import { NODE } from './testing/drive.ts';
import { ECDH_VECTORS, X25519_VECTORS } from './testing/ecc-vectors.ts';
import { SM2_INITIATOR, SM2_RESPONDER } from './testing/sm2-vectors.ts';
import { toHex } from './testing/vector.ts';

const OK = 'TEE_SUCCESS';
const BAD = 'BAD_PARAMETERS';
const bench = new Bench();
const filled = (length: number, octet: number): Uint8Array => new Uint8Array(length).fill(octet);

type Attributes = readonly TaAttribute[];
type Row = readonly [string, Attributes, string];

/** A table for one algorithm and key. */
function refuses(algorithm: number, keys: readonly KeySpec[], rows: readonly Row[]): void {
  for (const [name, attributes, expected] of rows) {
    test(name, () => assert.equal(bench.derive(algorithm, keys, attributes).code, expected));
  }
}

describe('where the secret goes', () => {
  const v = ECDH_VECTORS[4]!;
  const key = eccPair(v, gp.TEE_TYPE_ECDH_KEYPAIR);
  const other = [
    ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, v.x),
    ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, v.y),
  ];
  const into = (type: number, bits: number): string => {
    const target = bench.object({ type, bits, attributes: [] });
    const handle = bench.open(gp.TEE_ALG_ECDH_DERIVE_SHARED_SECRET, gp.TEE_MODE_DERIVE, key);
    assert.ok(typeof handle === 'number');
    const out = { code: bench.crypto.deriveKey(handle, other, target) };
    return gp.TEE_SUCCESS === out.code ? OK : String(out.code);
  };
  // The secret is 66 bytes; what an object says of its size does not bound it.
  const rows = [
    ['a generic secret', gp.TEE_TYPE_GENERIC_SECRET, 4096, gp.TEE_SUCCESS],
    ['a small generic secret', gp.TEE_TYPE_GENERIC_SECRET, 8, gp.TEE_SUCCESS],
    ['a key of HMAC-SHA512', gp.TEE_TYPE_HMAC_SHA512, 256, gp.TEE_SUCCESS],
    ['a key of AES, which is too small', gp.TEE_TYPE_AES, 256, gp.TEE_ERROR_BAD_PARAMETERS],
    ['what HKDF takes', gp.TEE_TYPE_HKDF_IKM, 4096, gp.TEE_ERROR_NOT_SUPPORTED],
    ['a key pair', gp.TEE_TYPE_ECDH_KEYPAIR, 521, gp.TEE_ERROR_NOT_SUPPORTED],
    ['data', gp.TEE_TYPE_DATA, 0, gp.TEE_ERROR_NOT_SUPPORTED],
  ] as const;
  for (const [name, type, bits, expected] of rows) {
    test(name, () => {
      assert.equal(into(type, bits), expected === gp.TEE_SUCCESS ? OK : String(expected));
    });
  }

  test('an object that is derived into again has the new secret', () => {
    const target = bench.object({ type: gp.TEE_TYPE_GENERIC_SECRET, bits: 4096, attributes: [] });
    for (const one of [v, ECDH_VECTORS[0]!]) {
      const pair = eccPair(one, gp.TEE_TYPE_ECDH_KEYPAIR);
      const handle = bench.open(gp.TEE_ALG_ECDH_DERIVE_SHARED_SECRET, gp.TEE_MODE_DERIVE, pair);
      assert.ok(typeof handle === 'number');
      const point = [
        ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, one.x),
        ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, one.y),
      ];
      assert.equal(bench.crypto.deriveKey(handle, point, target), gp.TEE_SUCCESS);
      assert.equal(bench.attribute(target, gp.TEE_ATTR_SECRET_VALUE), toHex(one.secret));
    }
  });
});

describe('ECDH', () => {
  const names = ['P-192', 'P-224', 'P-256', 'P-384', 'P-521'] as const;
  for (const [i, v] of ECDH_VECTORS.entries()) {
    const { prime } = NODE.publicKey.curve(names[i]!);
    const x = (octets: Uint8Array): TaAttribute => ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, octets);
    const y = (octets: Uint8Array): TaAttribute => ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, octets);
    const low = toOctets(prime - 1n);
    const zero = filled(1, 0);
    const rows: readonly Row[] = [
      ['what is published', [x(v.x), y(v.y)], OK],
      ['with zeroes in front', [x(Uint8Array.of(0, ...v.x)), y(v.y)], OK],
      ['y first', [y(v.y), x(v.x)], BAD],
      ['x alone', [x(v.x)], BAD],
      ['x twice', [x(v.x), x(v.y)], BAD],
      ['one attribute more', [x(v.x), y(v.y), y(v.y)], BAD],
      ['nothing', [], BAD],
      ['a point of another curve', [x(v.x), y(v.x)], BAD],
      ['-1, -1', [x(low), y(low)], BAD],
      ['0, 0', [x(zero), y(zero)], BAD],
      ['x not reduced', [x(toOctets(prime)), y(v.y)], BAD],
    ];
    describe(names[i]!, () => refuses(v.algorithm, [eccPair(v, gp.TEE_TYPE_ECDH_KEYPAIR)], rows));
  }

  test('a private value that is a multiple of the order agrees on nothing', () => {
    const v = ECDH_VECTORS[2]!;
    const { order } = NODE.publicKey.curve('P-256');
    const other = [
      ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, v.x),
      ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, v.y),
    ];
    for (const [d, expected] of [
      [0n, BAD],
      [order, BAD],
      [order + 1n, OK],
    ] as const) {
      const key = eccPair({ ...v, d: toOctets(d, 32) }, gp.TEE_TYPE_ECDH_KEYPAIR);
      assert.equal(bench.derive(v.algorithm, [key], other).code, expected);
    }
  });

  test('curves that are not NIST’s', () => {
    const v = ECDH_VECTORS[2]!;
    const other = [
      ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, v.x),
      ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, v.y),
    ];
    for (const curve of [gp.TEE_ECC_CURVE_SM2, gp.TEE_ECC_CURVE_25519]) {
      const key = { ...eccPair({ ...v, curve }, gp.TEE_TYPE_ECDH_KEYPAIR), bits: 256 };
      assert.equal(bench.derive(v.algorithm, [key], other).code, 'NOT_IMPLEMENTED');
    }
  });
});

describe('Diffie-Hellman', () => {
  const v = DH_VECTORS[0]!;
  const other = (octets: Uint8Array): TaAttribute => ref(gp.TEE_ATTR_DH_PUBLIC_VALUE, octets);
  refuses(
    v.algorithm,
    [dhPair(v, v.xA, v.yA)],
    [
      ['what is published', [other(v.yB)], OK],
      ['two of them', [other(v.yB), other(v.yB)], BAD],
      ['none', [], BAD],
      ['another attribute', [ref(gp.TEE_ATTR_DH_BASE, v.yB)], BAD],
      // Nobody looks whether it is of the group.
      ['one', [other(Uint8Array.of(1))], OK],
      ['the prime', [other(v.p)], OK],
    ],
  );

  test('secrets have no zeroes in front, and none at all for zero', () => {
    const derive = (y: Uint8Array): string =>
      bench.derive(v.algorithm, [dhPair(v, Uint8Array.of(1), y)], [other(y)]).out;
    assert.equal(derive(Uint8Array.of(0, 0, 7)), '07');
    assert.equal(derive(v.p), '');
  });
  test('an even prime', () => {
    const key = dhPair({ ...v, p: filled(128, 0xfe) }, v.xA, v.yA);
    assert.equal(bench.derive(v.algorithm, [key], [other(v.yB)]).code, BAD);
  });
});

describe('X25519', () => {
  const v = X25519_VECTORS[0]!;
  const other = (octets: Uint8Array): TaAttribute => ref(gp.TEE_ATTR_X25519_PUBLIC_VALUE, octets);
  const littleEndian = (number: bigint): Uint8Array => toOctets(number, 32).toReversed();
  const prime = 2n ** 255n - 19n;
  /** A point of order 8. */
  const eighth = 325606250916557431795983626356110631294008115727848805560023387167927233504n;
  refuses(
    v.algorithm,
    [x25519Pair(v.secretA, v.publicA)],
    [
      ['what is published', [other(v.publicB)], OK],
      ['31 octets', [other(v.publicB.subarray(1))], BAD],
      ['33 octets', [other(filled(33, 9))], BAD],
      ['two of them', [other(v.publicB), other(v.publicB)], BAD],
      ['none', [], BAD],
      ['another attribute', [ref(gp.TEE_ATTR_X25519_PRIVATE_VALUE, v.publicB)], BAD],
      ['0, of order 4', [other(littleEndian(0n))], 'SECURITY'],
      ['1, of order 1', [other(littleEndian(1n))], 'SECURITY'],
      ['a point of order 8', [other(littleEndian(eighth))], 'SECURITY'],
      ['-1', [other(littleEndian(prime - 1n))], 'SECURITY'],
      ['0, not reduced', [other(littleEndian(prime))], 'SECURITY'],
    ],
  );
  test('the highest bit does not count', () => {
    const masked = v.publicB.map((octet, i) => (i === 31 ? octet | 0x80 : octet));
    const key = x25519Pair(v.secretA, v.publicA);
    assert.equal(bench.derive(v.algorithm, [key], [other(masked)]).out, toHex(v.shared));
  });
});

describe('SM2 key exchange', () => {
  const { TEE_ALG_SM2_KEP, TEE_TYPE_SM2_KEP_KEYPAIR } = gp;
  const [own, peer] = [SM2_INITIATOR, SM2_RESPONDER];
  const ephemeral = { d: own.ephemeralD, x: own.ephemeralX, y: own.ephemeralY };
  const keys = [own, ephemeral].map((pair) => sm2Pair(pair, TEE_TYPE_SM2_KEP_KEYPAIR));
  const mandatory: Attributes = kepAttributes(0, peer);
  const confirmation = (octets: Uint8Array): TaAttribute =>
    ref(gp.TEE_ATTR_SM2_KEP_CONFIRMATION_IN, octets);
  const out = (length: number): TaAttribute =>
    ref(gp.TEE_ATTR_SM2_KEP_CONFIRMATION_OUT, filled(length, 0));
  const replaced = (id: number, octets: Uint8Array): Attributes =>
    mandatory.map((one) => (one.id === id ? ref(id, octets) : one));
  const rows: readonly Row[] = [
    ['without confirmations', mandatory, OK],
    ['with both', [...mandatory, confirmation(peer.confirmation), out(32)], OK],
    ['our own confirmation', [...mandatory, confirmation(own.confirmation)], 'BAD_STATE'],
    ['a short confirmation', [...mandatory, confirmation(filled(31, 0))], BAD],
    ['no room for ours', [...mandatory, out(31)], BAD],
    ['another attribute', [...mandatory, value(gp.TEE_ATTR_ECC_CURVE, 0)], BAD],
    [
      'an ephemeral key that is no point',
      replaced(gp.TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X, peer.ephemeralY),
      'BAD_STATE',
    ],
    ...mandatory.map(({ id }): Row => [
      `without 0x${id.toString(16)}`,
      mandatory.filter((one) => one.id !== id),
      BAD,
    ]),
  ];
  for (const [name, attributes, expected] of rows) {
    test(name, () => {
      assert.equal(bench.derive(TEE_ALG_SM2_KEP, keys, attributes, 128).code, expected);
    });
  }
  test('needs two keys', () => {
    assert.equal(bench.open(TEE_ALG_SM2_KEP, gp.TEE_MODE_DERIVE, keys[0]!), BAD);
  });
  test('more bytes than the object has bits for', () => {
    assert.equal(bench.derive(TEE_ALG_SM2_KEP, keys, mandatory, 520).code, BAD);
  });
});

describe('HKDF', () => {
  const key = secretOf(gp.TEE_TYPE_HKDF_IKM, gp.TEE_ATTR_HKDF_IKM, filled(22, 11));
  const length = (bytes: number): TaAttribute => value(gp.TEE_ATTR_HKDF_OKM_LENGTH, bytes);
  const salt = (octets: Uint8Array): TaAttribute => ref(gp.TEE_ATTR_HKDF_SALT, octets);
  const info = ref(gp.TEE_ATTR_HKDF_INFO, filled(3, 3));
  refuses(
    gp.TEE_ALG_HKDF_SHA256_DERIVE_KEY,
    [key],
    [
      ['a length alone', [length(42)], OK],
      ['all', [salt(filled(3, 3)), info, length(42)], OK],
      ['no length', [salt(filled(3, 3)), info], BAD],
      ['nothing', [length(0)], OK],
      ['as much as there is room for', [length(512)], OK],
      ['more', [length(513)], BAD],
      ['another attribute', [length(1), value(gp.TEE_ATTR_PBKDF2_DKM_LENGTH, 1)], BAD],
    ],
  );

  const of = (...attributes: Attributes): string =>
    bench.derive(gp.TEE_ALG_HKDF_SHA256_DERIVE_KEY, [key], attributes).out;
  test('of several of one kind the first counts', () => {
    assert.equal(of(length(16), length(32)), of(length(16)));
    assert.equal(
      of(salt(filled(1, 1)), salt(filled(2, 2)), length(16)),
      of(salt(filled(1, 1)), length(16)),
    );
  });
  test('no salt, an empty one and zeroes are the same', () => {
    assert.equal(of(length(16)), of(salt(filled(0, 0)), length(16)));
    assert.equal(of(length(16)), of(salt(filled(32, 0)), length(16)));
  });
  test('OP-TEE’s own names of the attributes', () => {
    const own = [
      ref(gp.__OPTEE_TEE_ATTR_HKDF_SALT, filled(3, 1)),
      ref(gp.__OPTEE_ATTR_HKDF_INFO, filled(3, 2)),
    ];
    const theirs = [salt(filled(3, 1)), ref(gp.TEE_ATTR_HKDF_INFO, filled(3, 2))];
    const size = value(gp.TEE_ATTR_KDF_KEY_SIZE, 16);
    assert.equal(of(...own, length(16)), of(...theirs, size));
  });

  // The classes of digests and of MACs go over what is given.
  describe('told the hash', () => {
    const hash = (id: number): TaAttribute => value(gp.TEE_ATTR_HKDF_HASH_ALGORITHM, id);
    refuses(
      gp.TEE_ALG_HKDF,
      [key],
      [
        ['a digest without its class', [length(1), hash(gp.TEE_ALG_SHA256 & 0xff)], OK],
        ['a class that is part of both', [length(1), hash(0x10000004)], OK],
        ['a digest', [length(1), hash(gp.TEE_ALG_SHA256)], 'NOT_SUPPORTED'],
        ['a MAC', [length(1), hash(gp.TEE_ALG_HMAC_SHA256)], 'NOT_SUPPORTED'],
        ['a class of digests only', [length(1), hash(0x40000004)], 'NOT_SUPPORTED'],
        ['no digest', [length(1), hash(0)], 'NOT_SUPPORTED'],
        ['nothing, which is a digest', [length(1)], 'NOT_SUPPORTED'],
      ],
    );
  });
});

describe('the concatenation KDF', () => {
  const key = secretOf(gp.TEE_TYPE_CONCAT_KDF_Z, gp.TEE_ATTR_CONCAT_KDF_Z, filled(22, 11));
  const length = (bytes: number): TaAttribute => value(gp.TEE_ATTR_CONCAT_KDF_DKM_LENGTH, bytes);
  const info = ref(gp.TEE_ATTR_CONCAT_KDF_OTHER_INFO, filled(3, 3));
  refuses(
    gp.TEE_ALG_CONCAT_KDF_SHA1_DERIVE_KEY,
    [key],
    [
      ['a length alone', [length(42)], OK],
      ['all', [info, length(512)], OK],
      ['no length', [info], BAD],
      ['more than there is room for', [length(513)], BAD],
      ['another attribute', [length(1), value(gp.TEE_ATTR_HKDF_OKM_LENGTH, 1)], BAD],
    ],
  );
});

describe('PBKDF2', () => {
  const { TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY, TEE_ALG_PBKDF2_HMAC_SM3_DERIVE_KEY } = gp;
  const password = (octets: Uint8Array): KeySpec =>
    secretOf(gp.TEE_TYPE_PBKDF2_PASSWORD, gp.TEE_ATTR_PBKDF2_PASSWORD, octets);
  const length = (bytes: number): TaAttribute => value(gp.TEE_ATTR_PBKDF2_DKM_LENGTH, bytes);
  const count = (times: number): TaAttribute => value(gp.TEE_ATTR_PBKDF2_ITERATION_COUNT, times);
  const salt = ref(gp.TEE_ATTR_PBKDF2_SALT, filled(8, 8));
  refuses(
    TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
    [password(filled(8, 1))],
    [
      ['all', [salt, length(42), count(3)], OK],
      ['no salt', [length(42), count(3)], OK],
      ['no length', [salt, count(3)], BAD],
      ['no count', [salt, length(42)], BAD],
      ['more than there is room for', [salt, length(513), count(1)], BAD],
      ['another attribute', [salt, length(1), count(1), value(gp.TEE_ATTR_ECC_CURVE, 1)], BAD],
    ],
  );
  test('more iterations than hosts count', () => {
    const made = bench.derive(
      TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
      [password(filled(8, 1))],
      [salt, length(9), count(0x8000_0000)],
    );
    assert.equal(made.code, 'NOT_SUPPORTED');
  });
  test('no iteration gives zeroes', () => {
    const made = bench.derive(
      TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
      [password(filled(8, 1))],
      [salt, length(9), count(0)],
    );
    assert.equal(made.out, '00'.repeat(9));
  });
  test('only HMAC-SM3 takes an empty password', () => {
    const derive = (algorithm: number): string =>
      bench.derive(algorithm, [password(filled(0, 0))], [salt, length(9), count(1)]).code;
    assert.equal(derive(TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY), 'BAD_STATE');
    assert.equal(derive(TEE_ALG_PBKDF2_HMAC_SM3_DERIVE_KEY), OK);
  });
});
