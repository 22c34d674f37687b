/** New keys: sizes, parameters, what is in them, and that a seed always gives the same. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { Rng } from '../crypto/contexts.ts';
import { byteLength, toNumber, toOctets } from '../crypto/mpi.ts';
import { randomness, ref, value } from '../crypto/testing/asymmetric-drive.ts';
import { DH_VECTORS, DSA_VECTORS } from '../crypto/testing/dsa-vectors.ts';
import { NODE, ok, result } from '../crypto/testing/drive.ts';
import { toHex } from '../crypto/testing/vector.ts';
import { TestCrypto } from '../testing/crypto.ts';

const OK = 'TEE_SUCCESS';
const BAD = 'BAD_PARAMETERS';
const DSA = DSA_VECTORS[0]!;
const DH = DH_VECTORS[0]!;
const curve = (id: number): readonly TaAttribute[] => [value(gp.TEE_ATTR_ECC_CURVE, id)];
const exponent = (e: bigint): readonly TaAttribute[] => [
  ref(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT, toOctets(e)),
];
const DSA_DOMAIN: readonly TaAttribute[] = [
  ref(gp.TEE_ATTR_DSA_PRIME, DSA.p),
  ref(gp.TEE_ATTR_DSA_SUBPRIME, DSA.q),
  ref(gp.TEE_ATTR_DSA_BASE, DSA.g),
];
const DH_DOMAIN: readonly TaAttribute[] = [
  ref(gp.TEE_ATTR_DH_PRIME, DH.p),
  ref(gp.TEE_ATTR_DH_BASE, DH.g),
];
const xBits = (bits: number): TaAttribute => value(gp.TEE_ATTR_DH_X_BITS, bits);
const subprime = ref(gp.TEE_ATTR_DH_SUBPRIME, DH.q);
const noOrder = ref(gp.TEE_ATTR_DH_SUBPRIME, Uint8Array.of(0));

class Maker {
  readonly crypto: TestCrypto;

  constructor(rng: Rng = randomness(0)) {
    this.crypto = new TestCrypto({ rng });
  }

  make(
    type: number,
    bits: number,
    attributes: readonly TaAttribute[] = [],
    maxBits = bits,
  ): { code: string; handle: number } {
    const out = { handle: 0 };
    ok(this.crypto.objAlloc(type, maxBits, out));
    return { code: result(this.crypto.generateKey(out.handle, bits, attributes)), ...out };
  }

  bytes(handle: number, id: number): Uint8Array {
    const [out, size] = [new Uint8Array(600), { size: 600 }];
    ok(this.crypto.objGetAttr(handle, id, out, size));
    return out.subarray(0, size.size);
  }

  number(handle: number, id: number): bigint {
    return toNumber(this.bytes(handle, id));
  }

  info(handle: number): { keySize: number; handleFlags: number } {
    const out = {
      objectType: 0,
      keySize: 0,
      maxKeySize: 0,
      objectUsage: 0,
      dataSize: 0,
      dataPosition: 0,
      handleFlags: 0,
    };
    ok(this.crypto.objGetInfo(handle, out));
    return out;
  }
}

describe('RSA', () => {
  type Row = readonly [string, number, readonly TaAttribute[], string];
  const rows: readonly Row[] = [
    ['256 bits', 256, [], OK],
    ['272 bits', 272, [], OK],
    ['512 bits', 512, [], OK],
    ['255 bits', 255, [], 'NOT_SUPPORTED'],
    ['4097 bits', 4097, [], 'NOT_SUPPORTED'],
    ['an odd number of octets', 264, [], BAD],
    ['bits that are no octets', 258, [], BAD],
    ['one bit more', 513, [], BAD],
    ['65537', 512, exponent(65537n), OK],
    ['less', 512, exponent(65535n), BAD],
    ['3', 512, exponent(3n), BAD],
    ['1', 512, exponent(1n), BAD],
    ['0', 512, exponent(0n), BAD],
    ['an even one', 512, exponent(65538n), BAD],
    ['the least, which is the usual one', 512, exponent(65537n), OK],
    ['the longest', 512, exponent((1n << 254n) + 643n), OK],
    ['one of 256 bits', 512, exponent((1n << 255n) + 1n), BAD],
    ['one of 33 octets', 512, exponent((1n << 256n) + 1n), BAD],
    [
      'the modulus is not ours to say',
      512,
      [ref(gp.TEE_ATTR_RSA_MODULUS, DSA.p)],
      'ITEM_NOT_FOUND',
    ],
  ];
  for (const [name, bits, attributes, expected] of rows) {
    test(name, () => {
      const maker = new Maker();
      const maxBits = bits < 256 || bits > 4096 ? 4096 : bits;
      const made = maker.make(gp.TEE_TYPE_RSA_KEYPAIR, bits, attributes, maxBits);
      assert.equal(made.code, expected);
      const { keySize, handleFlags } = maker.info(made.handle);
      const initialized = expected === OK ? gp.TEE_HANDLE_FLAG_INITIALIZED : 0;
      assert.deepEqual([keySize, handleFlags], [expected === OK ? bits : 0, initialized]);
    });
  }

  for (const bits of [256, 1024, 2048]) {
    test(`the parts of a key of ${bits} bits fit together`, () => {
      const maker = new Maker();
      const { code, handle } = maker.make(gp.TEE_TYPE_RSA_KEYPAIR, bits);
      assert.equal(code, OK);
      const part = (id: number): bigint => maker.number(handle, id);
      const [n, e, d] = [
        part(gp.TEE_ATTR_RSA_MODULUS),
        part(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT),
        part(gp.TEE_ATTR_RSA_PRIVATE_EXPONENT),
      ];
      const [p, q] = [part(gp.TEE_ATTR_RSA_PRIME1), part(gp.TEE_ATTR_RSA_PRIME2)];
      assert.equal(n.toString(2).length, bits);
      assert.equal(p * q, n);
      assert.ok(p !== q && [p, q].every((prime) => NODE.publicKey.isPrime(prime)));
      const top = BigInt(bits / 2 - 2);
      assert.ok(
        [p, q].every((prime) => prime >> top === 3n),
        'both primes start with two ones',
      );
      assert.equal(e, 65537n);
      assert.ok([p, q].every((prime) => (e * d) % (prime - 1n) === 1n));
      assert.equal(part(gp.TEE_ATTR_RSA_EXPONENT1), d % (p - 1n));
      assert.equal(part(gp.TEE_ATTR_RSA_EXPONENT2), d % (q - 1n));
      assert.equal((part(gp.TEE_ATTR_RSA_COEFFICIENT) * q) % p, 1n);
    });
  }
});

describe('DSA and Diffie-Hellman', () => {
  type Row = readonly [string, number, number, readonly TaAttribute[], string];
  const { TEE_TYPE_DH_KEYPAIR: DH_PAIR, TEE_TYPE_DSA_KEYPAIR: DSA_PAIR } = gp;
  const odd = ref(gp.TEE_ATTR_DH_PRIME, DH.p.with(127, 0x70));
  const rows: readonly Row[] = [
    ['DSA: in a domain', DSA_PAIR, 1024, DSA_DOMAIN, OK],
    ['DSA: of another size', DSA_PAIR, 960, DSA_DOMAIN, BAD],
    ['DSA: no size', DSA_PAIR, 1000, DSA_DOMAIN, 'NOT_SUPPORTED'],
    ['DSA: without base', DSA_PAIR, 1024, DSA_DOMAIN.slice(0, 2), 'ITEM_NOT_FOUND'],
    ['DSA: without domain', DSA_PAIR, 1024, [], 'ITEM_NOT_FOUND'],
    [
      'DSA: nothing below the order',
      DSA_PAIR,
      1024,
      [...DSA_DOMAIN.slice(0, 1), ref(gp.TEE_ATTR_DSA_SUBPRIME, Uint8Array.of(1)), DSA_DOMAIN[2]!],
      BAD,
    ],
    ['DH: in a group', DH_PAIR, 1024, DH_DOMAIN, OK],
    ['DH: with the order', DH_PAIR, 1024, [...DH_DOMAIN, subprime], OK],
    ['DH: with a number of bits', DH_PAIR, 1024, [...DH_DOMAIN, xBits(256)], OK],
    ['DH: as many as the order has', DH_PAIR, 1024, [...DH_DOMAIN, subprime, xBits(160)], OK],
    ['DH: more than the order has', DH_PAIR, 1024, [...DH_DOMAIN, subprime, xBits(168)], BAD],
    ['DH: as many as the order has', DH_PAIR, 1024, [...DH_DOMAIN, subprime, xBits(160)], OK],
    ['DH: as many as the prime has', DH_PAIR, 1024, [...DH_DOMAIN, xBits(1024)], OK],
    ['DH: an order of 0', DH_PAIR, 1024, [...DH_DOMAIN, noOrder], BAD],
    ['DH: more than the prime has', DH_PAIR, 1024, [...DH_DOMAIN, xBits(1032)], BAD],
    ['DH: bits that are no octets', DH_PAIR, 1024, [...DH_DOMAIN, xBits(255)], BAD],
    ['DH: of another size', DH_PAIR, 1023, DH_DOMAIN, BAD],
    ['DH: below all sizes', DH_PAIR, 255, DH_DOMAIN, 'NOT_SUPPORTED'],
    ['DH: an even prime', DH_PAIR, 1024, [odd, DH_DOMAIN[1]!], BAD],
    ['DH: without base', DH_PAIR, 1024, DH_DOMAIN.slice(0, 1), 'ITEM_NOT_FOUND'],
  ];
  for (const [name, type, bits, attributes, expected] of rows) {
    test(name, () => assert.equal(new Maker().make(type, bits, attributes, 1024).code, expected));
  }

  test('DSA: the public value belongs to the private one', () => {
    const maker = new Maker();
    const { handle } = maker.make(DSA_PAIR, 1024, DSA_DOMAIN);
    const x = maker.number(handle, gp.TEE_ATTR_DSA_PRIVATE_VALUE);
    assert.ok(x > 0n && x < toNumber(DSA.q));
    const y = NODE.publicKey.modPow(toNumber(DSA.g), x, toNumber(DSA.p));
    assert.equal(maker.number(handle, gp.TEE_ATTR_DSA_PUBLIC_VALUE), y);
  });

  test('DH: so does it, and bits are what was asked for', () => {
    for (const [attributes, bytes, bits] of [
      [[], 128, 0],
      [[xBits(256)], 32, 256],
      [[subprime], 20, 0],
    ] as const) {
      const maker = new Maker();
      const { handle } = maker.make(DH_PAIR, 1024, [...DH_DOMAIN, ...attributes]);
      const x = maker.number(handle, gp.TEE_ATTR_DH_PRIVATE_VALUE);
      assert.equal(byteLength(x), bytes);
      const y = NODE.publicKey.modPow(toNumber(DH.g), x, toNumber(DH.p));
      assert.equal(maker.number(handle, gp.TEE_ATTR_DH_PUBLIC_VALUE), y);
      const told = new DataView(maker.bytes(handle, gp.TEE_ATTR_DH_X_BITS).slice(0, 4).buffer);
      assert.equal(told.getUint32(0, true), bits);
    }
  });
});

test('DH: a private value is below the order', () => {
  const highest = new Uint8Array(DH.q.length).fill(0xff);
  const maker = new Maker(randomness(0, highest));
  const { handle } = maker.make(gp.TEE_TYPE_DH_KEYPAIR, 1024, [...DH_DOMAIN, subprime]);
  const x = maker.number(handle, gp.TEE_ATTR_DH_PRIVATE_VALUE);
  assert.equal(x, toNumber(highest) % toNumber(DH.q));
});

describe('curves', () => {
  const NIST = [
    [gp.TEE_ECC_CURVE_NIST_P192, 192, 'P-192'],
    [gp.TEE_ECC_CURVE_NIST_P224, 224, 'P-224'],
    [gp.TEE_ECC_CURVE_NIST_P256, 256, 'P-256'],
    [gp.TEE_ECC_CURVE_NIST_P384, 384, 'P-384'],
    [gp.TEE_ECC_CURVE_NIST_P521, 521, 'P-521'],
  ] as const;
  const { TEE_TYPE_ECDH_KEYPAIR, TEE_TYPE_ECDSA_KEYPAIR } = gp;
  for (const [id, bits, name] of NIST) {
    test(`${name}: sizes, and a point of the curve`, () => {
      for (const type of [TEE_TYPE_ECDSA_KEYPAIR, TEE_TYPE_ECDH_KEYPAIR]) {
        const maker = new Maker();
        const { code, handle } = maker.make(type, bits, curve(id));
        assert.equal(code, OK);
        assert.equal(maker.info(handle).keySize, bits);
        const d = maker.number(handle, gp.TEE_ATTR_ECC_PRIVATE_VALUE);
        const host = NODE.publicKey.curve(name);
        assert.ok(d > 0n && d < host.order);
        assert.deepEqual(host.multiply(host.base, d), {
          x: maker.number(handle, gp.TEE_ATTR_ECC_PUBLIC_VALUE_X),
          y: maker.number(handle, gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y),
        });
        assert.equal(maker.make(type, bits === 521 ? 520 : bits + 1, curve(id), 521).code, BAD);
      }
    });
  }

  test('P-521: bits above the order are dropped; what is not below it is drawn again', () => {
    const [above, zero, wanted] = [0xff, 0, 0xfe].map((octet) => new Uint8Array(66).fill(octet));
    const maker = new Maker(randomness(0, above!, zero!, wanted!));
    const attributes = curve(gp.TEE_ECC_CURVE_NIST_P521);
    const { handle } = maker.make(TEE_TYPE_ECDSA_KEYPAIR, 521, attributes);
    const d = maker.number(handle, gp.TEE_ATTR_ECC_PRIVATE_VALUE);
    assert.equal(d, toNumber(wanted!.with(0, 0)));
  });

  type Row = readonly [string, number, number, readonly TaAttribute[], string];
  const rows: readonly Row[] = [
    ['no curve', TEE_TYPE_ECDSA_KEYPAIR, 256, [], 'ITEM_NOT_FOUND'],
    ['a curve that nobody knows', TEE_TYPE_ECDSA_KEYPAIR, 256, curve(0x99), 'NOT_SUPPORTED'],
    [
      'a curve of another library',
      TEE_TYPE_ECDSA_KEYPAIR,
      256,
      curve(gp.TEE_ECC_CURVE_25519),
      'NOT_SUPPORTED',
    ],
    ['SM2 under ECDSA’s name', TEE_TYPE_ECDSA_KEYPAIR, 256, curve(gp.TEE_ECC_CURVE_SM2), OK],
    [
      'below all sizes',
      TEE_TYPE_ECDSA_KEYPAIR,
      191,
      curve(gp.TEE_ECC_CURVE_NIST_P192),
      'NOT_SUPPORTED',
    ],
    ['SM2 for signatures', gp.TEE_TYPE_SM2_DSA_KEYPAIR, 256, [], OK],
    ['SM2 for encryption', gp.TEE_TYPE_SM2_PKE_KEYPAIR, 256, [], OK],
    ['SM2 for exchange', gp.TEE_TYPE_SM2_KEP_KEYPAIR, 256, [], OK],
    [
      'SM2 knows its curve',
      gp.TEE_TYPE_SM2_DSA_KEYPAIR,
      256,
      curve(gp.TEE_ECC_CURVE_SM2),
      'ITEM_NOT_FOUND',
    ],
    ['Ed25519', gp.TEE_TYPE_ED25519_KEYPAIR, 256, [], OK],
    ['X25519', gp.TEE_TYPE_X25519_KEYPAIR, 256, [], OK],
    ['Ed25519 of another size', gp.TEE_TYPE_ED25519_KEYPAIR, 255, [], 'NOT_SUPPORTED'],
  ];
  for (const [name, type, bits, attributes, expected] of rows) {
    test(name, () => {
      const maxBits = type === TEE_TYPE_ECDSA_KEYPAIR ? 521 : 256;
      assert.equal(new Maker().make(type, bits, attributes, maxBits).code, expected);
    });
  }

  test('SM2: a point of the curve', () => {
    const maker = new Maker();
    const { handle } = maker.make(gp.TEE_TYPE_SM2_DSA_KEYPAIR, 256);
    const { sm2 } = NODE.publicKey;
    const d = maker.number(handle, gp.TEE_ATTR_ECC_PRIVATE_VALUE);
    assert.deepEqual(sm2.multiply(sm2.base, d), {
      x: maker.number(handle, gp.TEE_ATTR_ECC_PUBLIC_VALUE_X),
      y: maker.number(handle, gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y),
    });
  });
});

test('types that nothing makes', () => {
  const types = [
    gp.TEE_TYPE_RSA_PUBLIC_KEY,
    gp.TEE_TYPE_DSA_PUBLIC_KEY,
    gp.TEE_TYPE_ECDSA_PUBLIC_KEY,
    gp.TEE_TYPE_ECDH_PUBLIC_KEY,
    gp.TEE_TYPE_ED25519_PUBLIC_KEY,
    gp.TEE_TYPE_SM2_PKE_PUBLIC_KEY,
    gp.TEE_TYPE_HKDF_IKM,
    gp.TEE_TYPE_CONCAT_KDF_Z,
    gp.TEE_TYPE_PBKDF2_PASSWORD,
  ];
  for (const type of types) {
    const bits = type === gp.TEE_TYPE_DSA_PUBLIC_KEY ? 512 : 256;
    assert.equal(new Maker().make(type, bits).code, 'BAD_FORMAT', codeName(gp.TEE_TYPE, type));
  }
});

/** A key of every kind. */
const KINDS: readonly (readonly [number, number, readonly TaAttribute[], number])[] = [
  [gp.TEE_TYPE_RSA_KEYPAIR, 512, [], gp.TEE_ATTR_RSA_MODULUS],
  [gp.TEE_TYPE_DSA_KEYPAIR, 1024, DSA_DOMAIN, gp.TEE_ATTR_DSA_PUBLIC_VALUE],
  [gp.TEE_TYPE_DH_KEYPAIR, 1024, DH_DOMAIN, gp.TEE_ATTR_DH_PUBLIC_VALUE],
  [
    gp.TEE_TYPE_ECDSA_KEYPAIR,
    256,
    curve(gp.TEE_ECC_CURVE_NIST_P256),
    gp.TEE_ATTR_ECC_PUBLIC_VALUE_X,
  ],
  [gp.TEE_TYPE_SM2_DSA_KEYPAIR, 256, [], gp.TEE_ATTR_ECC_PUBLIC_VALUE_X],
  [gp.TEE_TYPE_ED25519_KEYPAIR, 256, [], gp.TEE_ATTR_ED25519_PUBLIC_VALUE],
  [gp.TEE_TYPE_X25519_KEYPAIR, 256, [], gp.TEE_ATTR_X25519_PUBLIC_VALUE],
];

test('without randomness there is no key, and the object stays empty', () => {
  for (const [type, bits, attributes] of KINDS) {
    const maker = new Maker(() => gp.TEE_ERROR_GENERIC);
    const { code, handle } = maker.make(type, bits, attributes);
    assert.equal(code, BAD, codeName(gp.TEE_TYPE, type));
    assert.equal(maker.info(handle).handleFlags, 0);
  }
});

describe('the same seed', () => {
  for (const [type, bits, attributes, id] of KINDS) {
    test(`makes the same key of ${codeName(gp.TEE_TYPE, type)}, and another one another`, () => {
      const [one, same, other] = [1, 1, 2].map((seed) => {
        const maker = new Maker(randomness(seed));
        return toHex(maker.bytes(maker.make(type, bits, attributes).handle, id));
      });
      assert.equal(one, same);
      assert.notEqual(one, other);
    });
  }

  type Signer = readonly [
    name: string,
    kind: number,
    algorithm: number,
    bytes: number,
    mode: number,
  ];
  const { TEE_MODE_ENCRYPT, TEE_MODE_SIGN } = gp;
  const signers: readonly Signer[] = [
    ['PSS', 0, gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1, 20, TEE_MODE_SIGN],
    ['OAEP', 0, gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1, 20, TEE_MODE_ENCRYPT],
    ['PKCS #1 v1.5', 0, gp.TEE_ALG_RSAES_PKCS1_V1_5, 20, TEE_MODE_ENCRYPT],
    ['DSA', 1, gp.TEE_ALG_DSA_SHA1, 20, TEE_MODE_SIGN],
    ['ECDSA', 3, gp.TEE_ALG_ECDSA_SHA256, 32, TEE_MODE_SIGN],
    ['SM2', 4, gp.TEE_ALG_SM2_DSA_SM3, 32, TEE_MODE_SIGN],
  ];
  for (const [name, kind, algorithm, bytes, mode] of signers) {
    test(`gives what ${name} gives; what comes next is different`, () => {
      const [type, bits, attributes] = KINDS[kind]!;
      const runs = [1, 1, 2].map((seed) => {
        const maker = new Maker(randomness(seed));
        const { handle } = maker.make(type, bits, attributes);
        const out = { handle: 0 };
        ok(maker.crypto.stateAlloc(algorithm, mode, handle, 0, out));
        const source = new Uint8Array(bytes).fill(1);
        return [0, 1].map(() => {
          const [made, size] = [new Uint8Array(600), { size: 600 }];
          ok(maker.crypto.asymmOperate(out.handle, [], source, made, size));
          return toHex(made.subarray(0, size.size));
        });
      });
      assert.deepEqual(runs[0], runs[1]);
      assert.notEqual(runs[0]![0], runs[0]![1]);
      assert.notEqual(runs[0]![0], runs[2]![0]);
    });
  }
});
