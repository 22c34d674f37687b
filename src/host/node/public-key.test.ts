/** The primitives against OpenSSL's and against their definitions, and what they answer when there is nothing. */
import assert from 'node:assert/strict';
import { createECDH, createHash, createPublicKey, createVerify } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { AffinePoint, HostCurve, NistCurve, RsaKeyPair } from '../public-key.ts';
import { NodePublicKey } from './public-key.ts';

const HOST = new NodePublicKey();
const RUNS = { numRuns: 20 };

const toNumber = (octets: Uint8Array): bigint => BigInt(`0x${Buffer.from(octets).toString('hex')}`);
const toOctets = (value: bigint, length: number): Uint8Array =>
  Uint8Array.from(Buffer.from(value.toString(16).padStart(2 * length, '0'), 'hex'));

describe('numbers', () => {
  const odd = fc.bigInt({ min: 1n, max: 1n << 200n }).map((half) => 2n * half + 1n);
  const number = fc.bigInt({ min: 0n, max: 1n << 220n });

  test('powers are products', () => {
    const property = fc.property(number, fc.nat({ max: 40 }), odd, (base, exponent, modulus) => {
      let product = 1n % modulus;
      for (let i = 0; i < exponent; i += 1) product = (product * base) % modulus;
      assert.equal(HOST.modPow(base, BigInt(exponent), modulus), product);
    });
    fc.assert(property, RUNS);
  });

  test('an inverse times the number is 1, or there is none', () => {
    const property = fc.property(number, odd, (value, modulus) => {
      const inverse = HOST.modInverse(value, modulus);
      if (inverse !== undefined) assert.equal((inverse * value) % modulus, 1n);
    });
    fc.assert(property, RUNS);
    assert.equal(HOST.modInverse(6n, 9n), undefined);
    assert.equal(HOST.modInverse(0n, 9n), undefined);
    assert.equal(HOST.modInverse(4n, 9n), 7n);
  });

  test('primes', () => {
    const small = [2n, 3n, 5n, 65537n, (1n << 521n) - 1n];
    assert.ok(small.every((prime) => HOST.isPrime(prime)));
    // Among them Carmichael numbers, and a product of two primes.
    const composite = [0n, 1n, 4n, 561n, 41041n, (1n << 523n) - 1n, 65537n * 65539n];
    assert.ok(composite.every((value) => !HOST.isPrime(value)));
  });
});

describe('RSA', () => {
  /** From two primes. */
  function keyOf(p: bigint, q: bigint): RsaKeyPair {
    const e = 65537n;
    const d = HOST.modInverse(e, (p - 1n) * (q - 1n))!;
    const qp = HOST.modInverse(q, p)!;
    return { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qp };
  }
  const KEY = keyOf((1n << 607n) - 1n, (1n << 521n) - 1n);
  const BYTES = 141;

  test('the permutation is a power, there and back', () => {
    const [open, secret] = [HOST.rsaPublicKey(KEY.n, KEY.e)!, HOST.rsaPrivateKey(KEY)!];
    const below = fc.bigInt({ min: 0n, max: KEY.n - 1n });
    const property = fc.property(below, (value) => {
      const image = open.apply(toOctets(value, BYTES));
      assert.equal(toNumber(image), HOST.modPow(value, KEY.e, KEY.n));
      assert.equal(toNumber(secret.apply(image)), value);
    });
    fc.assert(property, RUNS);
  });

  test('keys that OpenSSL has no use for', () => {
    const n = ((1n << 2203n) - 1n) * ((1n << 1279n) - 1n);
    assert.ok(HOST.rsaPublicKey(n, 65537n));
    assert.equal(HOST.rsaPublicKey(n, (1n << 64n) + 1n), undefined);
    assert.equal(HOST.rsaPublicKey(0n, 0n), undefined);
    assert.equal(HOST.rsaPublicKey(KEY.n, KEY.n + 2n), undefined);
  });

  // OpenSSL's blinding would show: each result would be another one.
  test('a private key whose prime is none', () => {
    const p = ((1n << 127n) - 1n) * ((1n << 107n) - 1n);
    const q = (1n << 521n) - 1n;
    assert.ok(HOST.rsaPrivateKey(KEY));
    assert.equal(HOST.rsaPrivateKey(keyOf(p, q)), undefined);
    assert.equal(HOST.rsaPrivateKey(keyOf(q, p)), undefined);
  });
});

/** Names that OpenSSL has for the curves. */
const NIST: readonly (readonly [NistCurve, string])[] = [
  ['P-192', 'prime192v1'],
  ['P-224', 'secp224r1'],
  ['P-256', 'prime256v1'],
  ['P-384', 'secp384r1'],
  ['P-521', 'secp521r1'],
];
const CURVES: readonly (readonly [name: string, curve: HostCurve, openssl: string])[] = [
  ...NIST.map(([name, openssl]) => [name, HOST.curve(name), openssl] as const),
  ['SM2', HOST.sm2, 'SM2'],
];

for (const [name, curve, openssl] of CURVES) {
  describe(name, () => {
    const length = Math.ceil(curve.prime.toString(2).length / 8);
    const scalar = fc.bigInt({ min: 1n, max: curve.order - 1n });
    const { base, order, prime } = curve;
    const negative = ({ x, y }: AffinePoint): AffinePoint => ({ x, y: prime - y });

    test('has the points that OpenSSL has', () => {
      const ecdh = createECDH(openssl);
      const property = fc.property(scalar, (d) => {
        ecdh.setPrivateKey(toOctets(d, length));
        const encoded = ecdh.getPublicKey();
        assert.deepEqual(curve.multiply(base, d), {
          x: toNumber(encoded.subarray(1, 1 + length)),
          y: toNumber(encoded.subarray(1 + length)),
        });
      });
      fc.assert(property, RUNS);
    });

    test('infinity is no point, nor is what is not on the curve', () => {
      assert.equal(curve.multiply(base, 0n), undefined);
      assert.equal(curve.multiply(base, order), undefined);
      assert.deepEqual(curve.multiply(base, order + 1n), base);
      const other = { x: base.y, y: base.x };
      assert.deepEqual([curve.contains(base), curve.contains(other)], [true, false]);
      assert.equal(curve.contains({ x: 0n, y: 0n }), false);
      assert.equal(curve.contains({ x: base.x + prime, y: base.y }), false);
      assert.equal(curve.multiply(other, 5n), undefined);
      assert.equal(curve.multiplyAdd(other, 1n, base, 1n), undefined);
      assert.equal(curve.multiplyAdd(base, 7n, negative(base), 7n), undefined);
    });

    test('sums of multiples', () => {
      const property = fc.property(scalar, scalar, (a, b) => {
        const point = curve.multiply(base, 3n)!;
        const sum = curve.multiplyAdd(base, a, point, b);
        assert.deepEqual(sum, curve.multiply(base, (a + 3n * b) % order));
      });
      fc.assert(property, RUNS);
    });
  });
}

describe('ECDSA', () => {
  for (const [name, crv] of [
    ['P-256', 'P-256'],
    ['P-384', 'P-384'],
    ['P-521', 'P-521'],
  ] as const) {
    test(`OpenSSL takes signatures of ${name}, whatever entropy there is`, () => {
      const curve = HOST.curve(name);
      const length = Math.ceil(curve.prime.toString(2).length / 8);
      const message = Buffer.from('message');
      const hashed = createHash('sha256').update(message).digest();
      const scalar = fc.bigInt({ min: 1n, max: curve.order - 1n });
      const entropy = fc.option(fc.uint8Array({ minLength: length, maxLength: length }), {
        nil: undefined,
      });
      const property = fc.property(scalar, entropy, (d, extra) => {
        const signature = curve.sign(hashed, d, extra);
        assert.equal(signature.length, 2 * length);
        const point = curve.multiply(curve.base, d)!;
        const [x, y] = [point.x, point.y].map((value) =>
          Buffer.from(toOctets(value, length)).toString('base64url'),
        );
        const key = createPublicKey({ key: { kty: 'EC', crv, x: x!, y: y! }, format: 'jwk' });
        const verify = createVerify('sha256').update(message);
        assert.ok(verify.verify({ key, dsaEncoding: 'ieee-p1363' }, signature));
        assert.ok(curve.verify(hashed, signature, point));
      });
      fc.assert(property, { numRuns: 5 });
    });
  }
});
