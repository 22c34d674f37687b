/** Random messages in random pieces give what node:crypto gives for the whole, where it has the mode. */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  TEE_ALG_AES_CBC_MAC_PKCS5,
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CMAC,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_CTS,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_XTS,
  TEE_ALG_DES3_CBC_NOPAD,
  TEE_ALG_DES_CBC_NOPAD,
  TEE_ALG_HMAC_MD5,
  TEE_ALG_HMAC_SHA1,
  TEE_ALG_HMAC_SHA256,
  TEE_ALG_HMAC_SHA3_224,
  TEE_ALG_HMAC_SHA3_256,
  TEE_ALG_HMAC_SHA3_384,
  TEE_ALG_HMAC_SHA3_512,
  TEE_ALG_HMAC_SHA384,
  TEE_ALG_HMAC_SHA512,
  TEE_ALG_HMAC_SM3,
  TEE_ALG_MD5,
  TEE_ALG_SHA3_384,
  TEE_ALG_SHA512,
  TEE_ALG_SHAKE256,
  TEE_ALG_SM3,
  TEE_ALG_SM4_CBC_NOPAD,
  TEE_ALG_SM4_CTR,
  TEE_ALG_SM4_XTS,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
} from '../../abi/gp.ts';
import { WHOLE, crypt, digestOf, macOf, open, ok } from './testing/drive.ts';
import type { Cuts } from './testing/drive.ts';
import { toHex } from './testing/vector.ts';

const bytes = (min: number, max = min) => fc.uint8Array({ minLength: min, maxLength: max });
/** Cuts of up to `most` units; some of them are forks. */
const cuts = (unit: number, most = 20): fc.Arbitrary<Cuts> =>
  fc
    .array(fc.nat({ max: most }), { minLength: 1, maxLength: 6 })
    .map((lengths) => [...lengths.map((length) => length * unit), unit]);
const RUNS = { numRuns: 60 };

describe('digests and MACs in pieces', () => {
  const digests = [
    [TEE_ALG_MD5, 'md5', 16],
    [TEE_ALG_SHA512, 'sha512', 64],
    [TEE_ALG_SHA3_384, 'sha3-384', 48],
    [TEE_ALG_SM3, 'sm3', 32],
    [TEE_ALG_SHAKE256, 'shake256', 1000],
  ] as const;
  for (const [id, name, outputLength] of digests) {
    test(name, () => {
      const property = fc.property(bytes(0, 600), cuts(1, 80), (data, at) => {
        const options = name === 'shake256' ? { outputLength } : {};
        const expected = createHash(name, options).update(data).digest('hex');
        assert.equal(toHex(digestOf(id, data, outputLength, at)), expected);
      });
      fc.assert(property, RUNS);
    });
  }

  const macs = [
    [TEE_ALG_HMAC_MD5, 'md5'],
    [TEE_ALG_HMAC_SHA1, 'sha1'],
    [TEE_ALG_HMAC_SHA256, 'sha256'],
    [TEE_ALG_HMAC_SHA384, 'sha384'],
    [TEE_ALG_HMAC_SHA512, 'sha512'],
    [TEE_ALG_HMAC_SHA3_224, 'sha3-224'],
    [TEE_ALG_HMAC_SHA3_256, 'sha3-256'],
    [TEE_ALG_HMAC_SHA3_384, 'sha3-384'],
    [TEE_ALG_HMAC_SHA3_512, 'sha3-512'],
    [TEE_ALG_HMAC_SM3, 'sm3'],
  ] as const;
  for (const [id, name] of macs) {
    test(`HMAC with ${name}, keys around the block`, () => {
      const property = fc.property(bytes(1, 200), bytes(0, 300), cuts(1, 80), (key, data, at) => {
        const expected = createHmac(name, key).update(data).digest('hex');
        assert.equal(toHex(macOf(id, key, data, at)), expected);
      });
      fc.assert(property, RUNS);
    });
  }

  for (const id of [TEE_ALG_AES_CMAC, TEE_ALG_AES_CBC_MAC_PKCS5]) {
    test(`0x${id.toString(16)} is the same in pieces`, () => {
      const property = fc.property(bytes(16), bytes(0, 300), cuts(1, 40), (key, data, at) => {
        assert.equal(toHex(macOf(id, key, data, at)), toHex(macOf(id, key, data)));
      });
      fc.assert(property, RUNS);
    });

    test(`0x${id.toString(16)} is the same in large pieces`, () => {
      const [key, data] = [new Uint8Array(16), new Uint8Array(100_001).map((_, i) => i)];
      assert.equal(toHex(macOf(id, key, data, [40_000, 0])), toHex(macOf(id, key, data, [10])));
    });
  }

  test('CBC-MAC with padding is the last block that node:crypto pads', () => {
    const property = fc.property(bytes(32), bytes(0, 100), (key, data) => {
      const cbc = createCipheriv('aes-256-cbc', key, new Uint8Array(16));
      const padded = Buffer.concat([cbc.update(data), cbc.final()]);
      const mac = macOf(TEE_ALG_AES_CBC_MAC_PKCS5, key, data, [7, 16]);
      assert.equal(toHex(mac), toHex(padded.subarray(-16)));
    });
    fc.assert(property, RUNS);
  });
});

/** An algorithm with what node:crypto calls it; `block` is what pieces are made of. */
interface CipherRow {
  readonly id: number;
  readonly name: string;
  readonly key: number;
  readonly key2: number;
  readonly iv: number;
  readonly block: number;
  /** The key as node:crypto wants it. */
  readonly keyOf: (key: Uint8Array, key2: Uint8Array) => Uint8Array;
}

const asIs = (key: Uint8Array): Uint8Array => key;
const both = (a: Uint8Array, b: Uint8Array): Uint8Array => Buffer.concat([a, b]);
const cipherRow = (id: number, name: string, key: number, block: number): CipherRow => {
  const iv = name.endsWith('ecb') ? 0 : Math.max(block, 8);
  return { id, name, key, key2: 0, iv, block, keyOf: asIs };
};
const xtsRow = (name: string, key: number): CipherRow => ({
  ...cipherRow(TEE_ALG_AES_XTS, name, key, 16),
  key2: key,
  keyOf: both,
});
const CIPHERS: readonly CipherRow[] = [
  cipherRow(TEE_ALG_AES_ECB_NOPAD, 'aes-192-ecb', 24, 16),
  cipherRow(TEE_ALG_AES_CBC_NOPAD, 'aes-256-cbc', 32, 16),
  { ...cipherRow(TEE_ALG_AES_CTR, 'aes-128-ctr', 16, 1), iv: 16 },
  xtsRow('aes-128-xts', 16),
  xtsRow('aes-256-xts', 32),
  {
    ...cipherRow(TEE_ALG_DES_CBC_NOPAD, 'des-ede3-cbc', 8, 8),
    keyOf: (key) => Buffer.concat([key, key, key]),
  },
  cipherRow(TEE_ALG_DES3_CBC_NOPAD, 'des-ede3-cbc', 24, 8),
  { ...cipherRow(TEE_ALG_DES3_CBC_NOPAD, 'des-ede-cbc', 16, 8) },
  cipherRow(TEE_ALG_SM4_CBC_NOPAD, 'sm4-cbc', 16, 16),
  cipherRow(TEE_ALG_SM4_CTR, 'sm4-ctr', 16, 16),
];

describe('ciphers in pieces', () => {
  for (const row of CIPHERS) {
    const { id, name, block } = row;
    test(`0x${id.toString(16)}, ${name}`, () => {
      const message = fc.record({
        key: bytes(row.key),
        key2: bytes(row.key2),
        iv: bytes(row.iv),
        data: bytes(0, 40).chain((head) => bytes(head.length * block)),
        at: cuts(block),
      });
      const property = fc.property(message, ({ key, key2, iv, data, at }) => {
        // node:crypto refuses equal keys, and takes no message without bytes.
        if (id === TEE_ALG_AES_XTS && (toHex(key) === toHex(key2) || data.length === 0)) return;
        const vector = iv.length === 0 ? null : iv;
        const cipher = createCipheriv(name, row.keyOf(key, key2), vector).setAutoPadding(false);
        const expected = toHex(cipher.update(data));
        const v = { algorithm: id, key: toHex(key), key2: toHex(key2), iv: toHex(iv) };
        const given = { ...v, plain: toHex(data), cipher: expected };
        assert.equal(toHex(crypt(given, TEE_MODE_ENCRYPT, at)), expected);
        assert.equal(toHex(crypt(given, TEE_MODE_DECRYPT, at)), toHex(data));
      });
      fc.assert(property, RUNS);
    });

    test(`0x${id.toString(16)}, ${name}, large pieces`, () => {
      const filled = (length: number, by: number) => new Uint8Array(length).map((_, i) => i + by);
      const [key, key2, iv] = [filled(row.key, 1), filled(row.key2, 2), filled(row.iv, 3)];
      const data = filled(100_000 - (100_000 % block), 4);
      const vector = iv.length === 0 ? null : iv;
      const cipher = createCipheriv(name, row.keyOf(key, key2), vector).setAutoPadding(false);
      const expected = toHex(cipher.update(data));
      const v = { algorithm: id, key: toHex(key), key2: toHex(key2), iv: toHex(iv) };
      const given = { ...v, plain: toHex(data), cipher: expected };
      for (const at of [WHOLE, [40_000 - (40_000 % block), 0]]) {
        assert.equal(toHex(crypt(given, TEE_MODE_ENCRYPT, at)), expected);
        assert.equal(toHex(crypt(given, TEE_MODE_DECRYPT, at)), given.plain);
      }
    });
  }

  test('AES in XTS, every length of an end that steals', () => {
    const [key, key2, iv] = [1, 2, 3].map((fill) => new Uint8Array(16).fill(fill)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    for (let length = 16; length < 100; length++) {
      const data = new Uint8Array(length).map((_, i) => i * 5);
      for (const create of [createCipheriv, createDecipheriv]) {
        const expected = toHex(create('aes-128-xts', both(key, key2), iv).update(data));
        const mode = create === createCipheriv ? TEE_MODE_ENCRYPT : TEE_MODE_DECRYPT;
        const v = { key: toHex(key), key2: toHex(key2), iv: toHex(iv) };
        const given = { ...v, algorithm: TEE_ALG_AES_XTS, plain: toHex(data), cipher: toHex(data) };
        for (const at of [WHOLE, [16], [32, 0]])
          assert.equal(toHex(crypt(given, mode, at)), expected);
      }
    }
  });

  for (const id of [TEE_ALG_AES_CTS, TEE_ALG_SM4_XTS]) {
    test(`0x${id.toString(16)}: every length, in pieces, comes back`, () => {
      const key = '0123456789abcdeffedcba9876543210';
      for (let length = 17; length < 100; length++) {
        const plain = toHex(new Uint8Array(length).map((_, i) => i * 3));
        const key2 = id === TEE_ALG_SM4_XTS ? 'f0'.repeat(16) : '';
        const given = { algorithm: id, key, key2, iv: 'a5'.repeat(16), plain, cipher: '' };
        const cipher = toHex(crypt(given, TEE_MODE_ENCRYPT));
        assert.equal(toHex(crypt(given, TEE_MODE_ENCRYPT, [16, 0, 32])), cipher);
        assert.equal(toHex(crypt({ ...given, cipher }, TEE_MODE_DECRYPT, [32, 0, 16])), plain);
      }
    });
  }

  test('CTS of whole blocks is CBC with the last two swapped', () => {
    const property = fc.property(
      bytes(16),
      bytes(16),
      fc.integer({ min: 2, max: 9 }),
      (key, iv, n) => {
        const data = new Uint8Array(16 * n).map((_, i) => i);
        const cbc = createCipheriv('aes-128-cbc', key, iv).setAutoPadding(false).update(data);
        const v = { key: toHex(key), key2: '', iv: toHex(iv), plain: toHex(data), cipher: '' };
        const made = crypt({ algorithm: TEE_ALG_AES_CTS, ...v }, TEE_MODE_ENCRYPT);
        const swapped = both(cbc.subarray(-16), cbc.subarray(-32, -16));
        assert.equal(toHex(made), toHex(both(cbc.subarray(0, -32), swapped)));
      },
    );
    fc.assert(property, RUNS);
  });

  for (const id of [TEE_ALG_AES_CBC_NOPAD, TEE_ALG_AES_CTS, TEE_ALG_AES_XTS, TEE_ALG_AES_CTR]) {
    for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
      test(`0x${id.toString(16)} in place, mode ${mode}`, () => {
        const key2 = id === TEE_ALG_AES_XTS ? new Uint8Array(16).fill(9) : undefined;
        const outs = [new Uint8Array(64), new Uint8Array(64).map((_, i) => i)];
        const source = outs[1]!.slice();
        for (const out of outs) {
          const context = open('cipher', id, mode);
          ok(context.init(new Uint8Array(16), key2, new Uint8Array(16)));
          ok(context.update(out === outs[0] ? source : out, out, true));
        }
        assert.equal(toHex(outs[0]!), toHex(outs[1]!));
      });
    }
  }
});
