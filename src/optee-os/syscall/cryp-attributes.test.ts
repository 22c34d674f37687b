/** The attributes of keys: which are needed, what can be read, how they are copied and stored. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { TaAttribute, TaObjectInfo } from '../../ta/runtime.ts';
import {
  Bench,
  dhPair,
  dsaPair,
  dsaPublic,
  eccPair,
  eccPublic,
  ed25519Pair,
  ed25519Public,
  ref,
  rsaPair,
  rsaPublic,
  rsaShortPair,
  secretOf,
  sm2Pair,
  sm2Public,
  value,
  x25519Pair,
} from '../crypto/testing/asymmetric-drive.ts';
import type { KeySpec } from '../crypto/testing/asymmetric-drive.ts';
import { DH_VECTORS, DSA_VECTORS } from '../crypto/testing/dsa-vectors.ts';
import { ok, result } from '../crypto/testing/drive.ts';
import { ECDSA_VECTORS, ED25519_VECTORS, X25519_VECTORS } from '../crypto/testing/ecc-vectors.ts';
import { EXAMPLE1 } from '../crypto/testing/rsa-keys.ts';
import { SM2_SIGNATURE } from '../crypto/testing/sm2-vectors.ts';
import { hex, toHex } from '../crypto/testing/vector.ts';
import { objectOfType } from './cryp-object.ts';
import type { CryptoObject } from './cryp-object.ts';

const OK = 'TEE_SUCCESS';
const bench = new Bench();
const { crypto } = bench;

const DSA = DSA_VECTORS[0]!;
const DH = DH_VECTORS[0]!;
const P256 = ECDSA_VECTORS[2]!;
const P521 = ECDSA_VECTORS[4]!;
const ED = ED25519_VECTORS[0]!;
const X = X25519_VECTORS[0]!;
const DH_PAIR = dhPair(DH, DH.xA, DH.yA);
const DH_WITH_GROUP: KeySpec = {
  ...DH_PAIR,
  attributes: [...DH_PAIR.attributes, ref(gp.TEE_ATTR_DH_SUBPRIME, DH.q)],
};

/** A key of each type; the size that its object tells afterwards. */
const KEYS: readonly (readonly [KeySpec, number])[] = [
  [rsaPublic(EXAMPLE1), 1024],
  [rsaPair(EXAMPLE1), 1024],
  [rsaShortPair(EXAMPLE1), 1024],
  [dsaPublic(DSA), 1024],
  [dsaPair(DSA), 1024],
  [DH_PAIR, 1024],
  [DH_WITH_GROUP, 1024],
  [eccPublic(P521), 521],
  [eccPair(P521), 521],
  [{ ...eccPublic(P256), type: gp.TEE_TYPE_ECDH_PUBLIC_KEY }, 256],
  [eccPair(P256, gp.TEE_TYPE_ECDH_KEYPAIR), 256],
  [sm2Public(SM2_SIGNATURE, gp.TEE_TYPE_SM2_DSA_PUBLIC_KEY), 0],
  [sm2Pair(SM2_SIGNATURE, gp.TEE_TYPE_SM2_DSA_KEYPAIR), 0],
  [sm2Public(SM2_SIGNATURE, gp.TEE_TYPE_SM2_PKE_PUBLIC_KEY), 0],
  [sm2Pair(SM2_SIGNATURE, gp.TEE_TYPE_SM2_PKE_KEYPAIR), 0],
  [sm2Public(SM2_SIGNATURE, gp.TEE_TYPE_SM2_KEP_PUBLIC_KEY), 0],
  [sm2Pair(SM2_SIGNATURE, gp.TEE_TYPE_SM2_KEP_KEYPAIR), 0],
  [ed25519Public(ED), 0],
  [ed25519Pair(ED), 0],
  [x25519Pair(X.secretA, X.publicA), 0],
  [secretOf(gp.TEE_TYPE_HKDF_IKM, gp.TEE_ATTR_HKDF_IKM, X.secretA), 256],
  [secretOf(gp.TEE_TYPE_CONCAT_KDF_Z, gp.TEE_ATTR_CONCAT_KDF_Z, X.secretA), 256],
  [secretOf(gp.TEE_TYPE_PBKDF2_PASSWORD, gp.TEE_ATTR_PBKDF2_PASSWORD, X.secretA), 256],
];
const named = ({ type, attributes }: KeySpec): string =>
  `${codeName(gp.TEE_TYPE, type)} of ${attributes.length}`;

function alloc({ type, bits }: KeySpec): number {
  const out = { handle: 0 };
  ok(crypto.objAlloc(type, bits, out));
  return out.handle;
}
const populate = (key: KeySpec, attributes: readonly TaAttribute[] = key.attributes): string =>
  result(crypto.objPopulate(alloc(key), attributes));

function filledObject(key: KeySpec): number {
  const handle = alloc(key);
  ok(crypto.objPopulate(handle, key.attributes));
  return handle;
}

function restrict(handle: number, usage: number): void {
  const code = crypto.objRestrictUsage(handle, usage);
  assert.ok(typeof code === 'number', 'a transient object never leaves the secure world');
  ok(code);
}

function info(handle: number): TaObjectInfo {
  const out = {
    objectType: 0,
    keySize: 0,
    maxKeySize: 0,
    objectUsage: 0,
    dataSize: 0,
    dataPosition: 0,
    handleFlags: 0,
  };
  ok(crypto.objGetInfo(handle, out));
  return out;
}

function get(handle: number, id: number, room = 600): { code: string; size: number; out: string } {
  const [out, size] = [new Uint8Array(room), { size: room }];
  const code = result(crypto.objGetAttr(handle, id, out, size));
  return { code, size: size.size, out: toHex(out.subarray(0, size.size)) };
}

const trimmed = (octets: Uint8Array): Uint8Array => {
  const first = octets.findIndex((octet) => octet !== 0);
  return first < 0 ? new Uint8Array(0) : octets.subarray(first);
};
const isValue = ({ id }: TaAttribute): boolean => (id & gp.TEE_ATTR_FLAG_VALUE) !== 0;
const isPublic = ({ id }: TaAttribute): boolean => (id & gp.TEE_ATTR_FLAG_PUBLIC) !== 0;
/** Types whose values are octets as they are; all others are numbers. */
const OCTETS = new Set<number>([
  gp.TEE_TYPE_ED25519_KEYPAIR,
  gp.TEE_TYPE_ED25519_PUBLIC_KEY,
  gp.TEE_TYPE_X25519_KEYPAIR,
  gp.TEE_TYPE_HKDF_IKM,
  gp.TEE_TYPE_CONCAT_KDF_Z,
  gp.TEE_TYPE_PBKDF2_PASSWORD,
]);
const storedOf = (type: number, { content }: TaAttribute): Uint8Array =>
  OCTETS.has(type) ? content! : trimmed(content!);

describe('populate', () => {
  for (const [key, bits] of KEYS) {
    test(`${named(key)}: all that there must be`, () => {
      assert.equal(populate(key), OK);
      const handle = filledObject(key);
      assert.equal(info(handle).keySize, bits);
      assert.equal(info(handle).handleFlags, gp.TEE_HANDLE_FLAG_INITIALIZED);
      assert.equal(populate(key, key.attributes.toReversed()), OK, 'in any order');
    });

    test(`${named(key)}: one missing, one twice, a foreign one`, () => {
      const { attributes } = key;
      for (const one of attributes) {
        const missing = attributes.filter((other) => other !== one);
        // DH has one that need not be there.
        const optional = one.id === gp.TEE_ATTR_DH_SUBPRIME;
        assert.equal(populate(key, missing), optional ? OK : 'ITEM_NOT_FOUND');
        assert.equal(populate(key, [...attributes, one]), 'ITEM_NOT_FOUND');
      }
      const foreign = ref(gp.TEE_ATTR_SECRET_VALUE, X.secretA);
      assert.equal(populate(key, [...attributes, foreign]), 'ITEM_NOT_FOUND');
    });
  }

  test('of the primes of RSA all or none', () => {
    const { attributes } = rsaPair(EXAMPLE1);
    for (let count = 4; count < attributes.length; count += 1) {
      assert.equal(populate(rsaPair(EXAMPLE1), attributes.slice(0, count)), 'ITEM_NOT_FOUND');
    }
  });

  const changed = (key: KeySpec, id: number, content: Uint8Array): readonly TaAttribute[] =>
    key.attributes.map((one) => (one.id === id ? ref(id, content) : one));
  const filled = (length: number): Uint8Array => new Uint8Array(length).fill(0xff);
  const curve = (id: number): readonly TaAttribute[] => [
    ...eccPublic(P256).attributes.slice(0, 2),
    value(gp.TEE_ATTR_ECC_CURVE, id),
  ];
  const RSA = rsaPublic(EXAMPLE1);
  const DSA_KEY = dsaPublic(DSA);
  const ECC = { ...eccPublic(P256), bits: 521 };
  type Row = readonly [string, KeySpec, readonly TaAttribute[], string];
  const rows: readonly Row[] = [
    ['a modulus below the object’s size', { ...RSA, bits: 4096 }, RSA.attributes, OK],
    ['a modulus above it', { ...RSA, bits: 1016 }, RSA.attributes, 'BAD_STATE'],
    [
      'a modulus that no type has',
      RSA,
      changed(RSA, gp.TEE_ATTR_RSA_MODULUS, filled(31)),
      'BAD_PARAMETERS',
    ],
    [
      'zeroes in front of it count',
      RSA,
      changed(RSA, gp.TEE_ATTR_RSA_MODULUS, new Uint8Array(129)),
      'BAD_STATE',
    ],
    [
      'no exponent is too long',
      RSA,
      changed(RSA, gp.TEE_ATTR_RSA_PUBLIC_EXPONENT, filled(300)),
      OK,
    ],
    [
      'a base longer than the prime',
      DSA_KEY,
      changed(DSA_KEY, gp.TEE_ATTR_DSA_BASE, filled(129)),
      'BAD_STATE',
    ],
    [
      'an order longer than the prime',
      DSA_KEY,
      changed(DSA_KEY, gp.TEE_ATTR_DSA_SUBPRIME, filled(129)),
      OK,
    ],
    [
      'a prime between sizes',
      DSA_KEY,
      changed(DSA_KEY, gp.TEE_ATTR_DSA_PRIME, filled(127)),
      'BAD_PARAMETERS',
    ],
    ['a smaller curve', ECC, curve(gp.TEE_ECC_CURVE_NIST_P192), OK],
    ['a larger curve', eccPublic(P256), curve(gp.TEE_ECC_CURVE_NIST_P384), 'BAD_STATE'],
    ['a curve that nobody knows', ECC, curve(0x99), 'NOT_SUPPORTED'],
    [
      '31 octets',
      ed25519Public(ED),
      [ref(gp.TEE_ATTR_ED25519_PUBLIC_VALUE, filled(31))],
      'SECURITY',
    ],
    [
      '33 octets',
      ed25519Public(ED),
      [ref(gp.TEE_ATTR_ED25519_PUBLIC_VALUE, filled(33))],
      'SECURITY',
    ],
  ];
  for (const [name, key, attributes, expected] of rows) {
    test(name, () => assert.equal(populate(key, attributes), expected));
  }
});

describe('get', () => {
  for (const [key] of KEYS) {
    test(named(key), () => {
      const handle = filledObject(key);
      for (const one of key.attributes) {
        const wanted = isValue(one)
          ? Uint8Array.of(one.a!, 0, 0, 0, 0, 0, 0, 0)
          : storedOf(key.type, one);
        const found = get(handle, one.id, isValue(one) ? 8 : undefined);
        assert.deepEqual([found.code, found.out], [OK, toHex(wanted)]);
        const short = get(handle, one.id, wanted.length - 1);
        assert.equal(short.code, 'SHORT_BUFFER');
        if (!isValue(one)) assert.equal(short.size, wanted.length);
      }
      assert.equal(get(handle, gp.TEE_ATTR_SECRET_VALUE).code, 'ITEM_NOT_FOUND');
    });

    test(`${named(key)}: what is not extractable`, () => {
      const handle = filledObject(key);
      restrict(handle, ~gp.TEE_USAGE_EXTRACTABLE);
      for (const one of key.attributes) {
        assert.equal(get(handle, one.id).code, isPublic(one) ? OK : 'BAD_PARAMETERS');
      }
    });
  }

  test('zero has no octets, and needs no buffer', () => {
    const key = rsaPublic({ ...EXAMPLE1, e: new Uint8Array(3) });
    const handle = filledObject(key);
    const size = { size: 0 };
    const id = gp.TEE_ATTR_RSA_PUBLIC_EXPONENT;
    ok(crypto.objGetAttr(handle, id, undefined, size));
    assert.equal(size.size, 0);
  });

  test('primes that were not given', () => {
    const handle = filledObject(rsaShortPair(EXAMPLE1));
    assert.equal(get(handle, gp.TEE_ATTR_RSA_PRIME1).code, 'ITEM_NOT_FOUND');
  });
});

describe('copy', () => {
  const pairs: readonly (readonly [KeySpec, KeySpec])[] = [
    [rsaPair(EXAMPLE1), rsaPublic(EXAMPLE1)],
    [dsaPair(DSA), dsaPublic(DSA)],
    [eccPair(P256), eccPublic(P256)],
    [
      eccPair(P256, gp.TEE_TYPE_ECDH_KEYPAIR),
      { ...eccPublic(P256), type: gp.TEE_TYPE_ECDH_PUBLIC_KEY },
    ],
    [
      sm2Pair(SM2_SIGNATURE, gp.TEE_TYPE_SM2_DSA_KEYPAIR),
      sm2Public(SM2_SIGNATURE, gp.TEE_TYPE_SM2_DSA_PUBLIC_KEY),
    ],
    [ed25519Pair(ED), ed25519Public(ED)],
  ];
  for (const [pair, key] of pairs) {
    test(`${named(pair)}: its public key`, () => {
      const copy = alloc(key);
      const source = filledObject(pair);
      restrict(source, gp.TEE_USAGE_VERIFY);
      ok(crypto.objCopy(copy, source));
      for (const one of key.attributes) {
        if (!isValue(one)) assert.equal(get(copy, one.id).out, toHex(storedOf(key.type, one)));
      }
      assert.equal(info(copy).objectUsage, gp.TEE_USAGE_VERIFY);
      const back = result(crypto.objCopy(alloc(pair), filledObject(key)));
      assert.equal(back, 'BAD_PARAMETERS', 'not the other way round');
    });
    test(`${named(pair)}: the same once more`, () => {
      const copy = alloc(pair);
      ok(crypto.objCopy(copy, filledObject(pair)));
      for (const one of pair.attributes) {
        if (!isValue(one)) assert.equal(get(copy, one.id).out, toHex(storedOf(pair.type, one)));
      }
    });
  }
  test('a public key of another algorithm', () => {
    const source = filledObject(eccPair(P256));
    assert.equal(result(crypto.objCopy(alloc(dsaPublic(DSA)), source)), 'BAD_PARAMETERS');
  });
});

describe('in a file', () => {
  const objectOf = (key: KeySpec, fill = true): CryptoObject => {
    const object = objectOfType(key.type, key.bits);
    assert.ok(typeof object !== 'number');
    if (fill) ok(object.populate(key.attributes));
    return object;
  };
  /** A length, big-endian, and the octets; a value alone. All of the type, in its order. */
  const encoded = (octets: string): string =>
    (octets.length / 2).toString(16).padStart(8, '0') + octets;

  const EXPECTED: readonly (readonly [KeySpec, string])[] = [
    [
      eccPair(P521),
      [P521.d, P521.x, P521.y].map((part) => encoded(toHex(trimmed(part)))).join('') + '00000005',
    ],
    [eccPublic(P256), encoded(toHex(P256.x)) + encoded(toHex(P256.y)) + '00000003'],
    [ed25519Pair(ED), encoded(toHex(ED.seed)) + encoded(toHex(ED.publicKey))],
    [
      rsaShortPair(EXAMPLE1),
      encoded(toHex(EXAMPLE1.n)) +
        encoded('010001') +
        encoded(toHex(EXAMPLE1.d)) +
        encoded('').repeat(5),
    ],
    [
      DH_PAIR,
      [DH.p, DH.g, DH.yA, DH.xA].map((part) => encoded(toHex(part))).join('') +
        encoded('') +
        '00000000',
    ],
    [
      secretOf(gp.TEE_TYPE_PBKDF2_PASSWORD, gp.TEE_ATTR_PBKDF2_PASSWORD, X.secretA),
      encoded(toHex(X.secretA)),
    ],
  ];
  for (const [key, expected] of EXPECTED) {
    test(`${named(key)}: octet by octet`, () =>
      assert.equal(toHex(objectOf(key).attributesToBinary()), expected));
  }

  for (const [key] of KEYS) {
    test(`${named(key)}: comes back`, () => {
      const binary = objectOf(key).attributesToBinary();
      const back = objectOf(key, false);
      ok(back.attributesFromBinary(binary));
      assert.equal(toHex(back.attributesToBinary()), toHex(binary));
    });

    test(`${named(key)}: cut anywhere is corrupt`, () => {
      const binary = objectOf(key).attributesToBinary();
      for (let length = 0; length < binary.length; length += 1) {
        const back = objectOf(key, false);
        const code = back.attributesFromBinary(binary.subarray(0, length));
        assert.equal(result(code), 'CORRUPT_OBJECT');
      }
    });
  }

  test('lengths that lead out of it are corrupt', () => {
    const key = ed25519Public(ED);
    const rows = [
      ['ffffffff' + toHex(ED.publicKey), 'CORRUPT_OBJECT'],
      ['00000021' + toHex(ED.publicKey), 'CORRUPT_OBJECT'],
      ['00000021' + toHex(ED.publicKey) + '00', 'CORRUPT_OBJECT'],
      ['00000020' + toHex(ED.publicKey) + '00', OK],
      ['00000000', OK],
    ] as const;
    for (const [binary, expected] of rows) {
      assert.equal(result(objectOf(key, false).attributesFromBinary(hex(binary))), expected);
    }
  });

  test('a secret that is longer than its buffer is corrupt', () => {
    const key = { type: gp.TEE_TYPE_AES, bits: 256, attributes: [] };
    const code = objectOf(key, false).attributesFromBinary(hex(encoded('11'.repeat(33))));
    assert.equal(result(code), 'CORRUPT_OBJECT');
  });
});

test('types that there are not, and a public key that signs', () => {
  assert.equal(
    bench.open(gp.TEE_ALG_ED25519, gp.TEE_MODE_SIGN, ed25519Public(ED)),
    'BAD_PARAMETERS',
  );
  assert.equal(
    result(crypto.objAlloc(gp.TEE_TYPE_X448_KEYPAIR, 448, { handle: 0 })),
    'NOT_IMPLEMENTED',
  );
  assert.equal(
    result(crypto.objAlloc(gp.TEE_TYPE_X448_KEYPAIR, 456, { handle: 0 })),
    'NOT_SUPPORTED',
  );
  assert.equal(
    result(crypto.objAlloc(gp.TEE_TYPE_ED448_KEYPAIR, 448, { handle: 0 })),
    'NOT_SUPPORTED',
  );
});
