import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { HostCipherName } from '../crypto.ts';
import { NodeCrypto } from './crypto.ts';
import { EvpCrypto } from './evp-crypto.ts';
import { Contexts, loadEvp } from './evp.ts';
import type { Lease } from './evp.ts';

const evp = loadEvp();
const skip = evp === undefined ? 'OpenSSL cannot be reached' : false;
const node = new NodeCrypto();
const direct = evp === undefined ? node : new EvpCrypto(evp);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (min: number, max = min) => fc.uint8Array({ minLength: min, maxLength: max });

const CIPHERS: readonly (readonly [HostCipherName, keys: readonly number[], block: number])[] = [
  ['aes-ecb', [16, 24, 32], 16],
  ['aes-cbc', [16, 24, 32], 16],
  ['aes-ctr', [16, 24, 32], 16],
  ['des3-ecb', [24], 8],
  ['des3-cbc', [24], 8],
  ['sm4-ecb', [16], 16],
  ['sm4-cbc', [16], 16],
  ['sm4-ctr', [16], 16],
];
const KEY = new Uint8Array(16);
/** Pieces around what is copied, and larger ones. */
const piece = fc.oneof(fc.nat(6), fc.integer({ min: 60, max: 70 }), fc.nat(9000));
const FORK = 1;

interface Place {
  readonly data: Uint8Array;
  readonly out: Uint8Array | undefined;
}

/** Where data and output lie to each other. */
const PLACES: readonly ((data: Uint8Array) => Place)[] = [
  (data) => ({ data, out: undefined }),
  (data) => ({ data, out: new Uint8Array(data.length + 3) }),
  (data) => inOne(data, 0, 0),
  (data) => inOne(data, 5, 0),
  (data) => inOne(data, 0, 5),
];

function inOne(data: Uint8Array, from: number, to: number): Place {
  const all = new Uint8Array(data.length + 5);
  all.set(data, from);
  const n = data.length;
  return { data: all.subarray(from, from + n), out: all.subarray(to, to + n) };
}

describe('ciphers of OpenSSL are those of node:crypto', { skip }, () => {
  for (const [name, keys, block] of CIPHERS) {
    const message = fc.record({
      key: fc.oneof(...keys.map((n) => bytes(n))),
      next: fc.oneof(...keys.map((n) => bytes(n))),
      iv: bytes(block),
      encrypt: fc.boolean(),
      pieces: fc.array(piece, { maxLength: 6 }),
      place: fc.nat(PLACES.length - 1),
    });
    test(`${name}: in pieces, in place, forked, started anew`, () => {
      fc.assert(
        fc.property(message, ({ key, next, iv, encrypt, pieces, place }) => {
          const vector = name.endsWith('ecb') ? new Uint8Array(0) : iv;
          let one = node.cipher(name, encrypt, node.secretKey(key), vector);
          let two = direct.cipher(name, encrypt, direct.secretKey(key), vector);
          for (const secret of [key, next, next]) {
            for (const length of pieces) {
              if (length === FORK) [one, two] = [one.fork(), two.fork()];
              const size = name.endsWith('ctr') ? length : length * (block === 8 ? 2 : 1) * 8;
              const whole = size - (name.endsWith('ctr') ? 0 : size % block);
              const data = new Uint8Array(whole).map((_, i) => i * 7 + length);
              const given = PLACES[place]!(data);
              const made = two.update(given.data, given.out).subarray(0, data.length);
              assert.equal(text(made), text(one.update(data)));
            }
            one.start(node.secretKey(secret), vector);
            two.start(direct.secretKey(secret), vector);
          }
        }),
        { numRuns: 60 },
      );
    });
  }

  const sealed = fc.record({
    key: fc.oneof(bytes(16), bytes(24), bytes(32)),
    nonce: bytes(1, 128),
    aad: fc.array(bytes(0, 150), { maxLength: 3 }),
    pieces: fc.array(piece, { maxLength: 6 }),
    tagLength: fc.constantFrom(4, 12, 14, 16),
    spoil: fc.boolean(),
  });
  test('aes-gcm: sealed, opened, spoiled, forked, started anew', () => {
    fc.assert(
      fc.property(sealed, ({ key, nonce, aad, pieces, tagLength, spoil }) => {
        let one = node.aesGcm(true, key, nonce, tagLength);
        let two = direct.aesGcm(true, key, nonce, tagLength);
        const opened = direct.aesGcm(false, direct.secretKey(key), nonce, tagLength);
        for (let round = 0; round < 2; round++) {
          for (const some of aad) for (const each of [one, two, opened]) each.aad(some);
          for (const length of pieces) {
            if (length === FORK) [one, two] = [one.fork()!, two.fork()!];
            const data = new Uint8Array(length).map((_, i) => i ^ length);
            const cipher = one.update(data);
            assert.equal(text(two.update(data, new Uint8Array(length))), text(cipher));
            assert.equal(text(opened.update(cipher)), text(data));
          }
          const tag = two.tag();
          assert.equal(text(tag), text(one.tag()));
          if (spoil) tag[tag.length - 1]! ^= 1;
          assert.equal(opened.verify(tag), !spoil);
          for (const each of [one, two, opened]) each.start(key, nonce);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('digests: pieces and copies', () => {
    for (const name of ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha3-256', 'sm3']) {
      fc.assert(
        fc.property(fc.array(bytes(0, 200), { maxLength: 6 }), bytes(0, 90), (pieces, last) => {
          const [one, two] = [node.digest(name), direct.digest(name)];
          for (const some of pieces) {
            one.update(some);
            two.update(some);
          }
          const copy = two.copy();
          copy.update(last);
          assert.equal(text(two.final()), text(one.final()));
          const whole = Buffer.concat([...pieces, last]);
          assert.equal(text(copy.final()), text(node.hash(name, whole)));
          assert.throws(() => two.update(last), /ended/);
          two.start();
          two.update(last);
          assert.equal(text(two.final()), text(node.hash(name, last)));
        }),
        { numRuns: 30 },
      );
    }
  });

  test('hmac: keys and data of any length', () => {
    fc.assert(
      fc.property(bytes(0, 200), bytes(0, 300), (key, data) => {
        assert.equal(text(direct.hmac('sha256', key, data)), text(node.hmac('sha256', key, data)));
      }),
    );
  });

  test('what is not there, or does not fit, is an error and no crash', () => {
    const key = new Uint8Array(16);
    assert.throws(() => direct.digest('no such digest'));
    assert.throws(() => direct.cipher('aes-cbc', true, new Uint8Array(15), key), RangeError);
    const cipher = direct.cipher('aes-ctr', true, key, key);
    assert.throws(() => cipher.update(new Uint8Array(100), new Uint8Array(99)), RangeError);
    assert.throws(() => cipher.start(key, new Uint8Array(200)), RangeError);
    assert.throws(() => direct.aesGcm(true, key, new Uint8Array(0), 16));
    assert.throws(() => direct.cipher('aes-ctr', true, node.secretKey(key), key), TypeError);
    assert.equal(direct.cipher('aes-ctr', true, key, key).update(key).length, 16);
  });

  test('a box that is gone gives its contexts back, within one turn too', () => {
    let made = 0;
    const reset: number[] = [];
    const contexts = new Contexts(
      () => ++made,
      (context) => reset.push(context),
    );
    for (let round = 0; round < 3; round++) {
      const lent = new Set<Lease>();
      const owners = [{}, {}];
      const addresses = owners.map((owner) => contexts.take(owner, lent).address);
      assert.deepEqual(addresses.sort(), [1, 2]);
      contexts.giveBackAll(lent);
    }
    assert.deepEqual([made, reset.length], [2, 6]);
    const box = direct.forBox();
    const cipher = box.cipher('aes-ctr', true, KEY, KEY);
    const digest = box.digest('sha256');
    box.close();
    assert.throws(() => cipher.update(KEY), /gone/);
    assert.throws(() => digest.update(KEY), /gone/);
    assert.equal(direct.cipher('aes-ctr', true, KEY, KEY).update(KEY).length, 16);
  });

  test('contexts come back once their owners are garbage', async () => {
    const before = process.memoryUsage().rss;
    const key = direct.secretKey(new Uint8Array(32));
    for (let i = 0; i < 100_000; i++) {
      direct.cipher('aes-ctr', true, key, new Uint8Array(16)).update(new Uint8Array(1));
      if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024);
  });
});
