/** Random messages, in random pieces and by forks, give what node:crypto gives for the whole. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_GCM,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
} from '../../abi/gp.ts';
import type { AuthencVector } from './testing/authenc-vectors.ts';
import { authenc, ok, result } from './testing/drive.ts';
import { toHex } from './testing/vector.ts';

const bytes = (min: number, max = min) => fc.uint8Array({ minLength: min, maxLength: max });
/** Lengths of pieces: tiny, around a page, and large. */
const FORK = 0;
const length = fc.oneof(
  fc.constant(FORK),
  fc.nat(40),
  fc.integer({ min: 4080, max: 4110 }),
  fc.constant(9000),
  fc.constant(40_000),
);
const message = fc.record({
  key: fc.oneof(bytes(16), bytes(24), bytes(32)),
  nonce: bytes(7, 13),
  aad: bytes(0, 60),
  // fast-check's own arrays of so many bytes take too long.
  plain: fc
    .tuple(fc.oneof(fc.nat(20_000), fc.nat(100_000)), fc.nat(255))
    .map(([n, seed]) => pattern(n, seed)),
  tagLength: fc.constantFrom(12, 14, 16),
  at: fc.array(length, { minLength: 1, maxLength: 5 }).map((lengths) => [...lengths, 3000, FORK]),
});

const pattern = (length: number, seed: number): Uint8Array =>
  new Uint8Array(length).map((_, i) => (i * 7 + seed) ^ (i >> 8));

type Seal = (
  key: Uint8Array,
  nonce: Uint8Array,
  tagLength: number,
  aad: Uint8Array,
  plain: Uint8Array,
) => { cipher: Uint8Array; tag: Uint8Array };

const SEALS: Readonly<Record<number, Seal>> = {
  [TEE_ALG_AES_GCM]: (key, nonce, authTagLength, aad, plain) => {
    const name = `aes-${key.length * 8}-gcm` as 'aes-128-gcm';
    const under = createCipheriv(name, key, nonce, { authTagLength }).setAAD(aad);
    const cipher = under.update(plain);
    under.final();
    return { cipher, tag: under.getAuthTag() };
  },
  [TEE_ALG_AES_CCM]: (key, nonce, authTagLength, aad, plain) => {
    const name = `aes-${key.length * 8}-ccm` as 'aes-128-ccm';
    const under = createCipheriv(name, key, nonce, { authTagLength });
    const cipher = under.setAAD(aad, { plaintextLength: plain.length }).update(plain);
    under.final();
    return { cipher, tag: under.getAuthTag() };
  },
};

/** CCM's length field has what the nonce leaves of 15 bytes. */
const mostPlain = (algorithm: number, nonce: Uint8Array): number =>
  algorithm === TEE_ALG_AES_CCM ? 2 ** (8 * (15 - nonce.length)) - 1 : Infinity;

for (const [name, algorithm] of Object.entries({ TEE_ALG_AES_GCM, TEE_ALG_AES_CCM })) {
  describe(name, () => {
    test('whole messages, in pieces, both ways, and with one bit of the tag turned', () => {
      const property = fc.property(message, ({ key, nonce, aad, tagLength, at, ...rest }) => {
        const plain = rest.plain.subarray(0, mostPlain(algorithm, nonce));
        const { cipher, tag } = SEALS[algorithm]!(key, nonce, tagLength, aad, plain);
        const v: AuthencVector = {
          ...{ algorithm, source: 'node:crypto', valid: true },
          ...{ key: toHex(key), nonce: toHex(nonce), aad: toHex(aad), plain: toHex(plain) },
          ...{ cipher: toHex(cipher), tag: toHex(tag) },
        };
        const sealed = authenc(v, TEE_MODE_ENCRYPT, at);
        ok(sealed.code);
        assert.equal(toHex(sealed.out), v.cipher);
        assert.equal(toHex(sealed.tag), v.tag);
        const opened = authenc(v, TEE_MODE_DECRYPT, at);
        ok(opened.code);
        assert.equal(toHex(opened.out), v.plain);
        tag[at[0]! % tagLength]! ^= 1 << (plain.length % 8);
        const forged = authenc({ ...v, tag: toHex(tag) }, TEE_MODE_DECRYPT, at);
        assert.equal(result(forged.code), 'MAC_INVALID');
      });
      fc.assert(property, { numRuns: 40 });
    });
  });
}
