/**
 * What RSA refuses, and with which code: one row a rule. Forged blocks come about by the permutation
 * without padding, which makes a signature or a ciphertext of whatever is in a block.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import { MD5, SHA1, SHA256, concat } from './main-hash.ts';
import { toNumber, toOctets } from './mpi.ts';
import { applyMgf1 } from './pkcs1-mgf1.ts';
import { encodeDigestInfo } from './pkcs1-v1-5.ts';
import { Bench, digest, ref, rsaPair, rsaPublic, value } from './testing/asymmetric-drive.ts';
import type { KeySpec } from './testing/asymmetric-drive.ts';
import { NODE } from './testing/drive.ts';
import { EXAMPLE1 } from './testing/rsa-keys.ts';
import type { RsaVectorKey } from './testing/rsa-keys.ts';
import { toHex } from './testing/vector.ts';

const { TEE_MODE_DECRYPT, TEE_MODE_ENCRYPT, TEE_MODE_SIGN, TEE_MODE_VERIFY } = gp;
const OK = 'TEE_SUCCESS';
const INVALID = 'SIGNATURE_INVALID';
const BAD = 'BAD_PARAMETERS';

const K = 128;
const PAIR = rsaPair(EXAMPLE1);
const PUBLIC = rsaPublic(EXAMPLE1);
const MESSAGE = Uint8Array.from('teebox', (c) => c.charCodeAt(0));
const HASHED = digest('sha256', MESSAGE);
const INFO = encodeDigestInfo(SHA256, HASHED);
const bench = new Bench();

const filled = (length: number, octet: number): Uint8Array => new Uint8Array(length).fill(octet);
const apply = (mode: number, key: KeySpec, block: Uint8Array): Uint8Array => {
  const made = bench.operate(gp.TEE_ALG_RSA_NOPAD, mode, key, block);
  assert.equal(made.code, OK);
  return new Uint8Array(Buffer.from(made.out.padStart(2 * block.length, '0'), 'hex'));
};
const signatureOf = (block: Uint8Array): Uint8Array => apply(TEE_MODE_DECRYPT, PAIR, block);
const cipherOf = (block: Uint8Array): Uint8Array => apply(TEE_MODE_ENCRYPT, PUBLIC, block);
/** A block as long as the modulus: two octets, filling, separator and content. */
const block = (
  content: Uint8Array,
  { zero = 0, type = 1, fill = 0xff, separator = 0 } = {},
): Uint8Array => {
  const padding = filled(K - content.length - 3, fill);
  return concat(Uint8Array.of(zero, type), padding, Uint8Array.of(separator), content);
};
const changed = (octets: Uint8Array, at: number, to: number): Uint8Array => {
  const copy = Uint8Array.from(octets);
  copy[at] = to;
  return copy;
};

describe('signatures of PKCS #1 v1.5 with this inside', () => {
  /** 30 31 30 0d 06 09 oid 05 00 04 20 digest */
  const withoutNull = concat(
    Uint8Array.of(0x30, 47, 0x30, 11),
    INFO.subarray(4, 15),
    INFO.subarray(17),
  );
  const longLength = concat(Uint8Array.of(0x30, 0x81, 0x31), INFO.subarray(2));
  const tail = filled(K - 11 - INFO.length, 0xaa);
  const rows: readonly (readonly [string, Uint8Array, string])[] = [
    ['what belongs there', block(INFO), OK],
    ['an algorithm without NULL, as some leave it', block(withoutNull), OK],
    ['another first octet', block(INFO, { zero: 1 }), INVALID],
    ['the block type of encryption', block(INFO, { type: 2 }), INVALID],
    ['block type 0', block(INFO, { type: 0, fill: 0 }), INVALID],
    ['padding of other octets', block(INFO, { fill: 0xfe }), INVALID],
    ['one octet of the padding changed', changed(block(INFO), 20, 0), INVALID],
    ['no separator', block(INFO, { separator: 0xff }), INVALID],
    ['nothing but padding', block(new Uint8Array(0)), INVALID],
    ['eight octets of padding, and more after the digest', block(concat(INFO, tail)), INVALID],
    ['a length in the long form', block(longLength), INVALID],
    ['another digest', block(encodeDigestInfo(SHA256, filled(32, 1))), INVALID],
    ['the name of another hash', block(encodeDigestInfo(SHA1, HASHED)), INVALID],
    ['the digest alone', block(HASHED), INVALID],
    ['the digest a byte short', block(encodeDigestInfo(SHA256, HASHED.subarray(1))), INVALID],
  ];
  for (const [name, content, expected] of rows) {
    test(name, () => {
      const signature = signatureOf(content);
      const verdict = bench.verify(gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA256, PUBLIC, HASHED, signature);
      assert.equal(verdict, expected);
    });
  }

  test('without a hash, the content is all that counts', () => {
    const verify = (content: Uint8Array, data: Uint8Array): string =>
      bench.verify(gp.TEE_ALG_RSASSA_PKCS1_V1_5, PUBLIC, data, signatureOf(content));
    assert.equal(verify(block(MESSAGE), MESSAGE), OK);
    assert.equal(verify(block(MESSAGE), MESSAGE.subarray(1)), INVALID);
    assert.equal(verify(block(MESSAGE, { type: 2 }), MESSAGE), INVALID);
    assert.equal(verify(block(filled(K - 11, 7)), filled(K - 11, 7)), OK);
    assert.equal(verify(block(filled(K - 10, 7)), filled(K - 10, 7)), INVALID, 'short padding');
  });

  test('without a hash, and without content, the core stops at the comparison', () => {
    const nothing = new Uint8Array(0);
    const verify = (content: Uint8Array, data: Uint8Array): string =>
      bench.verify(gp.TEE_ALG_RSASSA_PKCS1_V1_5, PUBLIC, data, signatureOf(content));
    assert.throws(
      () => verify(block(nothing), nothing),
      /core panic in ___ftmn_set_check_res_memcmp/,
    );
    assert.equal(verify(block(MESSAGE), nothing), INVALID);
    assert.equal(verify(block(nothing), MESSAGE), INVALID);
  });
});

describe('signatures of PSS with this inside', () => {
  interface Parts {
    readonly salt?: Uint8Array;
    readonly separator?: number;
    readonly filling?: number;
    readonly top?: number;
    readonly trailer?: number;
  }
  /** EMSA-PSS with SHA-256. */
  function pssBlock({
    salt = filled(32, 5),
    separator = 1,
    filling = 0,
    top = 0,
    trailer = 0xbc,
  }: Parts): Uint8Array {
    const salted = digest('sha256', concat(new Uint8Array(8), HASHED, salt));
    const zeroes = filled(K - salted.length - salt.length - 2, filling);
    const data = concat(zeroes, Uint8Array.of(separator), salt);
    applyMgf1(NODE, SHA256, salted, data);
    data[0] = (data[0]! & 0x7f) | top;
    return concat(data, salted, Uint8Array.of(trailer));
  }
  const rows: readonly (readonly [string, Parts, number | undefined, string])[] = [
    ['what belongs there', {}, undefined, OK],
    ['a salt of the length that is told', { salt: filled(20, 5) }, 20, OK],
    ['no salt', { salt: filled(0, 0) }, 0, OK],
    ['a salt of another length', { salt: filled(20, 5) }, undefined, INVALID],
    ['a longer salt than is told', {}, 20, INVALID],
    ['the longest salt that fits', { salt: filled(94, 5) }, 94, OK],
    ['a salt that does not fit', {}, 95, INVALID],
    ['a length beyond an int, which is as none', {}, 0x7fffffff, OK],
    ['the longest that an int has', {}, 0x7ffffffe, INVALID],
    ['another trailer', { trailer: 0xcc }, undefined, INVALID],
    ['octets that are not zero before the salt', { filling: 1 }, undefined, INVALID],
    ['another separator', { separator: 2 }, undefined, INVALID],
  ];
  const verify = (made: Uint8Array, saltLength?: number): string => {
    const given =
      saltLength === undefined ? [] : [value(gp.TEE_ATTR_RSA_PSS_SALT_LENGTH, saltLength)];
    const algorithm = gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256;
    return bench.verify(algorithm, PUBLIC, HASHED, signatureOf(made), given);
  };
  for (const [name, parts, saltLength, expected] of rows) {
    test(name, () => assert.equal(verify(pssBlock(parts), saltLength), expected));
  }

  test('a bit before the modulus', () => {
    // Only a block below the modulus can be signed: look for a salt that makes it so.
    const blocks = Array.from({ length: 64 }, (_, i) =>
      pssBlock({ salt: filled(32, i), top: 0x80 }),
    );
    const below = blocks.find((made) => Buffer.compare(made, EXAMPLE1.n) < 0);
    assert.ok(below);
    assert.equal(verify(below), INVALID);
  });
});

describe('ciphertexts of PKCS #1 v1.5 with this inside', () => {
  const eme = { type: 2, fill: 3 };
  const rows: readonly (readonly [string, Uint8Array, string])[] = [
    ['a message', block(MESSAGE, eme), OK],
    ['no message', block(new Uint8Array(0), eme), OK],
    ['the longest message', block(filled(K - 11, 1), eme), OK],
    ['padding of seven octets', block(filled(K - 10, 1), eme), BAD],
    ['another first octet', block(MESSAGE, { ...eme, zero: 1 }), BAD],
    ['the block type of signatures', block(MESSAGE, { ...eme, type: 1 }), BAD],
    ['no separator', block(filled(6, 1), { ...eme, separator: 1 }), BAD],
  ];
  for (const [name, content, expected] of rows) {
    test(name, () => {
      const cipher = cipherOf(content);
      const made = bench.operate(gp.TEE_ALG_RSAES_PKCS1_V1_5, TEE_MODE_DECRYPT, PAIR, cipher);
      assert.equal(made.code, expected);
    });
  }

  test('a ciphertext with a zero in front is another one', () => {
    const cipher = concat(Uint8Array.of(0), cipherOf(block(MESSAGE, eme)));
    const made = bench.operate(gp.TEE_ALG_RSAES_PKCS1_V1_5, TEE_MODE_DECRYPT, PAIR, cipher);
    assert.equal(made.code, BAD);
  });

  test('no octet of the padding is zero, whatever the randomness is', () => {
    const zeroes = new Bench(filled(K - 3 - MESSAGE.length, 0));
    const made = zeroes.operate(gp.TEE_ALG_RSAES_PKCS1_V1_5, TEE_MODE_ENCRYPT, PUBLIC, MESSAGE);
    const inside = apply(TEE_MODE_DECRYPT, PAIR, new Uint8Array(Buffer.from(made.out, 'hex')));
    assert.equal(inside.indexOf(0, 2), K - MESSAGE.length - 1);
  });
});

describe('ciphertexts of OAEP with this inside', () => {
  interface Parts {
    readonly first?: number;
    readonly labelHash?: Uint8Array;
    readonly separator?: number;
    readonly message?: Uint8Array;
  }
  const EMPTY_LABEL = digest('sha1', new Uint8Array(0));
  function oaepBlock({
    first = 0,
    labelHash = EMPTY_LABEL,
    separator = 1,
    message = MESSAGE,
  }: Parts): Uint8Array {
    const seed = filled(SHA1.size, 9);
    const zeroes = new Uint8Array(K - 2 * SHA1.size - 2 - message.length);
    const data = concat(labelHash, zeroes, Uint8Array.of(separator), message);
    applyMgf1(NODE, SHA1, seed, data);
    applyMgf1(NODE, SHA1, data, seed);
    return concat(Uint8Array.of(first), seed, data);
  }
  const rows: readonly (readonly [string, Parts, string])[] = [
    ['a message', {}, OK],
    ['no message', { message: new Uint8Array(0) }, OK],
    ['the longest message', { message: filled(K - 42, 0) }, OK],
    ['another first octet', { first: 1 }, BAD],
    ['another label', { labelHash: digest('sha1', MESSAGE) }, BAD],
    ['another separator', { separator: 2 }, BAD],
    ['no separator', { separator: 0, message: filled(6, 0) }, BAD],
  ];
  for (const [name, parts, expected] of rows) {
    test(name, () => {
      const cipher = cipherOf(oaepBlock(parts));
      const algorithm = gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1;
      assert.equal(bench.operate(algorithm, TEE_MODE_DECRYPT, PAIR, cipher).code, expected);
    });
  }

  test('label and hash of the mask belong to the ciphertext; after a label nobody looks', () => {
    const algorithm = gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1;
    const label = ref(gp.TEE_ATTR_RSA_OAEP_LABEL, MESSAGE);
    const mgf = (...id: readonly number[]) =>
      ref(gp.TEE_ATTR_RSA_OAEP_MGF_HASH, Uint8Array.from(id));
    const sha256 = mgf(4, 0, 0, 0x50);
    const made = bench.operate(algorithm, TEE_MODE_ENCRYPT, PUBLIC, MESSAGE, [sha256, label]);
    const cipher = new Uint8Array(Buffer.from(made.out, 'hex'));
    const rows = [
      [[sha256, label], OK],
      [[label, sha256], BAD],
      [[label], BAD],
      [[sha256], BAD],
      [[mgf(2, 0, 0, 0x50), label], BAD],
      [[mgf(6, 0, 0, 0x60), label], BAD],
      [[mgf(4, 0, 0), label], BAD],
    ] as const;
    for (const [attributes, expected] of rows) {
      const opened = bench.operate(algorithm, TEE_MODE_DECRYPT, PAIR, cipher, attributes);
      assert.equal(opened.code, expected);
    }
  });

  const hashes: readonly (readonly [keyof typeof gp.TEE_ALG, string])[] = [
    ['TEE_ALG_SHA256', OK],
    ['TEE_ALG_RSASSA_PKCS1_V1_5_SHA256', OK],
    ['TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256', OK],
    ['TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA256', OK],
    ['TEE_ALG_HMAC_SHA256', BAD],
    ['TEE_ALG_SHA3_256', BAD],
    ['TEE_ALG_RSASSA_PKCS1_V1_5', 'GENERIC'],
    ['TEE_ALG_RSAES_PKCS1_V1_5', 'GENERIC'],
  ];
  for (const [name, expected] of hashes) {
    test(`the hash of the mask as ${name}`, () => {
      const octets = new Uint8Array(4);
      new DataView(octets.buffer).setUint32(0, gp.TEE_ALG[name], true);
      const mgf = [ref(gp.TEE_ATTR_RSA_OAEP_MGF_HASH, octets)];
      const algorithm = gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA256;
      const made = bench.operate(algorithm, TEE_MODE_ENCRYPT, PUBLIC, MESSAGE, mgf);
      assert.equal(made.code, expected);
      const plain = bench.operate(algorithm, TEE_MODE_ENCRYPT, PUBLIC, MESSAGE);
      const cipher = new Uint8Array(Buffer.from(plain.out, 'hex'));
      assert.equal(bench.operate(algorithm, TEE_MODE_DECRYPT, PAIR, cipher, mgf).code, expected);
    });
  }
});

describe('sizes', () => {
  const {
    TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1: OAEP,
    TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA512: OAEP_SHA512,
    TEE_ALG_RSAES_PKCS1_V1_5: V1_5,
    TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512: PSS_SHA512,
    TEE_ALG_RSASSA_PKCS1_V1_5: NA1,
    TEE_ALG_RSASSA_PKCS1_V1_5_MD5: SIGN_MD5,
    TEE_ALG_RSA_NOPAD: NOPAD,
  } = gp;
  type Row = readonly [string, number, number, Uint8Array, room: number, string, size?: number];
  const rows: readonly Row[] = [
    ['v1.5: as much as fits', V1_5, TEE_MODE_ENCRYPT, filled(K - 11, 1), K, OK, K],
    ['v1.5: more than fits', V1_5, TEE_MODE_ENCRYPT, filled(K - 10, 1), K, BAD],
    ['v1.5: short buffer', V1_5, TEE_MODE_ENCRYPT, MESSAGE, K - 1, 'SHORT_BUFFER', K],
    ['OAEP: as much as fits', OAEP, TEE_MODE_ENCRYPT, filled(K - 42, 1), K, OK, K],
    ['OAEP: more than fits', OAEP, TEE_MODE_ENCRYPT, filled(K - 41, 1), K, BAD],
    ['OAEP: short buffer', OAEP, TEE_MODE_ENCRYPT, MESSAGE, K - 1, 'SHORT_BUFFER', K],
    [
      'OAEP: a hash that the modulus has no room for',
      OAEP_SHA512,
      TEE_MODE_ENCRYPT,
      MESSAGE,
      K,
      BAD,
    ],
    ['v1.5: a short ciphertext', V1_5, TEE_MODE_DECRYPT, filled(K - 1, 1), K, BAD],
    ['v1.5: a long ciphertext', V1_5, TEE_MODE_DECRYPT, filled(K + 1, 0), K, BAD],
    ['v1.5: no ciphertext', V1_5, TEE_MODE_DECRYPT, filled(0, 0), K, BAD],
    ['v1.5: above the modulus', V1_5, TEE_MODE_DECRYPT, filled(K, 0xff), K, BAD],
    ['OAEP: a short ciphertext', OAEP, TEE_MODE_DECRYPT, filled(K - 1, 1), K, BAD],
    ['OAEP: above the modulus', OAEP, TEE_MODE_DECRYPT, filled(K, 0xff), K, BAD],
    ['plain: above the modulus', NOPAD, TEE_MODE_ENCRYPT, filled(K, 0xff), K, BAD],
    ['plain: longer, but zeroes only', NOPAD, TEE_MODE_ENCRYPT, filled(K + 5, 0), K, OK, 1],
    ['plain: one stays one', NOPAD, TEE_MODE_ENCRYPT, Uint8Array.of(1), K, OK, 1],
    ['plain: short buffer', NOPAD, TEE_MODE_ENCRYPT, Uint8Array.of(2), 1, 'SHORT_BUFFER', K],
    ['plain: no signature', NOPAD, TEE_MODE_SIGN, MESSAGE, K, 'GENERIC'],
    ['sign: a digest of another size', SIGN_MD5, TEE_MODE_SIGN, filled(20, 1), K, BAD],
    ['sign: short buffer', SIGN_MD5, TEE_MODE_SIGN, filled(16, 1), K - 1, 'SHORT_BUFFER', K],
    ['sign: decrypting is no signing', SIGN_MD5, TEE_MODE_DECRYPT, filled(16, 1), K, BAD],
    ['sign: as much as fits', NA1, TEE_MODE_SIGN, filled(K - 11, 1), K, OK, K],
    ['sign: more than fits', NA1, TEE_MODE_SIGN, filled(K - 10, 1), K, BAD],
    ['PSS: digest and salt of 64 need 130', PSS_SHA512, TEE_MODE_SIGN, filled(64, 1), K, BAD],
    ['encryption is no signature', V1_5, TEE_MODE_SIGN, MESSAGE, K, BAD],
  ];
  for (const [name, algorithm, mode, source, room, expected, size] of rows) {
    test(name, () => {
      const made = bench.operate(algorithm, mode, PAIR, source, [], room);
      assert.equal(made.code, expected);
      assert.equal(made.size, size ?? room);
    });
  }

  test('a decrypted message that the buffer has no room for, and its size', () => {
    const cipher = cipherOf(block(MESSAGE, { type: 2, fill: 3 }));
    const made = bench.operate(V1_5, TEE_MODE_DECRYPT, PAIR, cipher, [], 5);
    assert.deepEqual([made.code, made.size], ['SHORT_BUFFER', MESSAGE.length]);
  });

  test('signatures of another size than the modulus are no signatures', () => {
    const verify = (signature: Uint8Array, data = HASHED): string =>
      bench.verify(gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA256, PUBLIC, data, signature);
    const signature = signatureOf(block(INFO));
    assert.equal(verify(signature), OK);
    assert.equal(verify(signature.subarray(1)), INVALID);
    assert.equal(verify(concat(Uint8Array.of(0), signature)), INVALID);
    assert.equal(verify(filled(K, 0xff)), INVALID, 'above the modulus');
    assert.equal(verify(signature, HASHED.subarray(1)), BAD);
    assert.equal(verify(signature, digest(MD5.name, MESSAGE)), BAD);
  });
});

describe('which keys and modes go together', () => {
  const { TEE_ALG_RSAES_PKCS1_V1_5: RSAES, TEE_ALG_RSASSA_PKCS1_V1_5_SHA1: RSASSA } = gp;
  const rows: readonly (readonly [string, number, number, KeySpec, string])[] = [
    ['a public key encrypts', RSAES, TEE_MODE_ENCRYPT, PUBLIC, OK],
    ['a pair encrypts, too', RSAES, TEE_MODE_ENCRYPT, PAIR, OK],
    ['a public key decrypts nothing', RSAES, TEE_MODE_DECRYPT, PUBLIC, BAD],
    ['a public key verifies', RSASSA, TEE_MODE_VERIFY, PUBLIC, OK],
    ['a public key signs nothing', RSASSA, TEE_MODE_SIGN, PUBLIC, BAD],
    [
      'a secret is no key',
      RSASSA,
      TEE_MODE_SIGN,
      { type: gp.TEE_TYPE_GENERIC_SECRET, bits: 8, attributes: [] },
      BAD,
    ],
  ];
  for (const [name, algorithm, mode, key, expected] of rows) {
    test(name, () => {
      const opened = bench.open(algorithm, mode, key);
      assert.equal(typeof opened === 'number' ? OK : opened, expected);
    });
  }

  test('without a key, and with two', () => {
    assert.equal(bench.open(RSAES, TEE_MODE_ENCRYPT), BAD);
    assert.equal(bench.open(RSAES, TEE_MODE_ENCRYPT, PUBLIC, PUBLIC), BAD);
  });

  test('ciphers verify nothing', () => {
    for (const algorithm of [gp.TEE_ALG_RSA_NOPAD, RSAES, gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1]) {
      assert.equal(bench.verify(algorithm, PUBLIC, HASHED, MESSAGE), 'NOT_SUPPORTED');
    }
  });

  test('a key without attributes', () => {
    const empty = { ...PAIR, attributes: [] };
    assert.equal(bench.operate(RSASSA, TEE_MODE_SIGN, empty, MESSAGE).code, 'GENERIC');
    assert.equal(bench.verify(RSASSA, empty, MESSAGE, MESSAGE), BAD);
  });
});

describe('keys whose parts do not fit together', () => {
  const fromPrimes = (p: bigint, q: bigint): RsaVectorKey => {
    const e = 65537n;
    const d = NODE.publicKey.modInverse(e, (p - 1n) * (q - 1n))!;
    return {
      n: toOctets(p * q),
      e: toOctets(e),
      d: toOctets(d),
      p: toOctets(p),
      q: toOctets(q),
      dp: toOctets(d % (p - 1n)),
      dq: toOctets(d % (q - 1n)),
      qp: toOctets(NODE.publicKey.modInverse(q, p)!),
    };
  };
  const swapped = { ...EXAMPLE1, dp: EXAMPLE1.dq, dq: EXAMPLE1.dp };
  const evenPrime = { ...EXAMPLE1, p: Uint8Array.of(2) };
  const evenModulus = { ...EXAMPLE1, n: changed(EXAMPLE1.n, K - 1, 0xfa) };
  const otherExponent = { ...EXAMPLE1, d: Uint8Array.of(3) };
  const composite = fromPrimes(((1n << 127n) - 1n) * ((1n << 107n) - 1n), (1n << 521n) - 1n);
  const rows = [
    ['a prime that is none: no result leads back', composite, 'GENERIC'],
    ['exponents of the other prime: no result', swapped, 'GENERIC'],
    ['an even prime', evenPrime, 'GENERIC'],
    ['an even modulus', evenModulus, 'GENERIC'],
    // With the primes nobody uses it.
    ['another private exponent', otherExponent, OK],
  ] as const;
  for (const [name, key, expected] of rows) {
    test(name, () => {
      const source = filled(composite.n.length - 1, 5);
      const made = bench.operate(gp.TEE_ALG_RSA_NOPAD, TEE_MODE_DECRYPT, rsaPair(key), source);
      assert.equal(made.code, expected);
      if (expected === OK) {
        const right = bench.operate(gp.TEE_ALG_RSA_NOPAD, TEE_MODE_DECRYPT, PAIR, source);
        assert.equal(made.out, right.out);
      }
    });
  }

  test('a long exponent with a long modulus, where the host’s library has no key', () => {
    const n = ((1n << 2203n) - 1n) * ((1n << 1279n) - 1n);
    const e = (1n << 64n) + 1n;
    const key = rsaPublic({ ...EXAMPLE1, n: toOctets(n), e: toOctets(e) });
    const made = bench.operate(gp.TEE_ALG_RSA_NOPAD, TEE_MODE_ENCRYPT, key, MESSAGE);
    assert.equal(made.out, toHex(toOctets(NODE.publicKey.modPow(toNumber(MESSAGE), e, n))));
  });

  test('the modulus itself gives zero', () => {
    const made = bench.operate(gp.TEE_ALG_RSA_NOPAD, TEE_MODE_ENCRYPT, PUBLIC, EXAMPLE1.n);
    assert.equal(made.out, toHex(Uint8Array.of(0)));
  });
});
