/**
 * Contexts that are used again: started anew and forked in the middle of messages, fed nothing and
 * pieces of any size, in memory where input and output overlap. What comes out is what a fresh
 * context makes of the message that counts, in one piece and in memory of its own, on either host.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  TEE_ALG,
  TEE_ALG_AES_CBC_MAC_PKCS5,
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_CMAC,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_CTS,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ALG_AES_XTS,
  TEE_ALG_DES3_CBC_NOPAD,
  TEE_ALG_DES3_CMAC,
  TEE_ALG_DES_CBC_MAC_PKCS5,
  TEE_ALG_DES_ECB_NOPAD,
  TEE_ALG_HMAC_SHA256,
  TEE_ALG_HMAC_SHA3_512,
  TEE_ALG_HMAC_SM3,
  TEE_ALG_MD5,
  TEE_ALG_SHA256,
  TEE_ALG_SHA3_512,
  TEE_ALG_SHAKE128,
  TEE_ALG_SM3,
  TEE_ALG_SM4_CBC_NOPAD,
  TEE_ALG_SM4_CTR,
  TEE_ALG_SM4_XTS,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { hostCrypto } from '../../host/node/evp-crypto.ts';
import type { AuthencContext, CipherContext } from './contexts.ts';
import { digestOf, macOf, ok, open } from './testing/drive.ts';
import { toHex } from './testing/vector.ts';

const HOSTS: Readonly<Record<string, HostCrypto>> = {
  'node:crypto': new NodeCrypto(),
  OpenSSL: hostCrypto(),
};
const RUNS = { numRuns: 25 };
const nameOf = (id: number): string => codeName(TEE_ALG, id).replace('TEE_ALG_', '');

/** `start` forgets what there was, `fork` goes on with a copy, a number feeds as many units. */
type Step = 'start' | 'fork' | number;
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.constant('start' as const) },
  { weight: 1, arbitrary: fc.constant('fork' as const) },
  { weight: 4, arbitrary: fc.oneof(fc.nat(3), fc.nat(40)) },
);
const steps = fc.array(step, { maxLength: 12 });
const seed = fc.nat(255);
const pattern = (length: number, by: number): Uint8Array =>
  new Uint8Array(length).map((_, i) => (i * 7 + by) ^ (i >> 8));
/** What an origin gets that its fork does not. */
const SPOIL = pattern(48, 99);

function eachHost(check: (crypto: HostCrypto) => void): void {
  for (const [name, crypto] of Object.entries(HOSTS)) test(name, () => check(crypto));
}

describe('digests', () => {
  const rows = [TEE_ALG_MD5, TEE_ALG_SHA256, TEE_ALG_SHA3_512, TEE_ALG_SM3, TEE_ALG_SHAKE128];
  for (const id of rows) {
    describe(nameOf(id), () =>
      eachHost((crypto) => {
        const property = fc.property(steps, seed, (taken, by) => {
          let context = open('digest', id, undefined, crypto);
          context.init();
          let message: Uint8Array = new Uint8Array(0);
          for (const one of taken) {
            if (one === 'start') {
              context.init();
              message = new Uint8Array(0);
            } else if (one === 'fork') {
              const other = context.fork();
              context.update(SPOIL);
              context = other;
            } else {
              const piece = pattern(one * 5, by + message.length);
              context.update(piece);
              message = Buffer.concat([message, piece]);
            }
          }
          const out = new Uint8Array(context.size ?? 77);
          context.final(out);
          assert.equal(toHex(out), toHex(digestOf(id, message, out.length)));
        });
        fc.assert(property, RUNS);
      }),
    );
  }
});

describe('MACs', () => {
  const rows = [
    [TEE_ALG_HMAC_SHA256, 32],
    [TEE_ALG_HMAC_SHA3_512, 100],
    [TEE_ALG_HMAC_SM3, 0],
    [TEE_ALG_AES_CMAC, 24],
    [TEE_ALG_DES3_CMAC, 16],
    [TEE_ALG_AES_CBC_MAC_PKCS5, 16],
    [TEE_ALG_DES_CBC_MAC_PKCS5, 8],
  ] as const;
  for (const [id, keyBytes] of rows) {
    describe(nameOf(id), () =>
      eachHost((crypto) => {
        const property = fc.property(steps, seed, (taken, by) => {
          let context = open('mac', id, undefined, crypto);
          let key = pattern(keyBytes, by);
          ok(context.init(key));
          let message: Uint8Array = new Uint8Array(0);
          for (const [n, one] of taken.entries()) {
            if (one === 'start') {
              // With the same key, or with another one.
              key = pattern(keyBytes, by + (n % 2));
              ok(context.init(key));
              message = new Uint8Array(0);
            } else if (one === 'fork') {
              const other = context.fork();
              ok(context.update(SPOIL));
              context = other;
            } else {
              const piece = pattern(one * 5, by + message.length);
              ok(context.update(piece));
              message = Buffer.concat([message, piece]);
            }
          }
          const out = new Uint8Array(context.size);
          ok(context.final(out));
          assert.equal(toHex(out), toHex(macOf(id, key, message)));
        });
        fc.assert(property, RUNS);
      }),
    );
  }
});

/** Where a piece lies in memory, and where its result goes: apart, in place, or that far shifted. */
const shift = fc.oneof(fc.constant(undefined), fc.constant(0), fc.integer({ min: -70, max: 70 }));

type Transform = (source: Uint8Array, out: Uint8Array) => number;

/** Runs `transform` on a piece with its result that far from it. @returns the result */
function shifted(piece: Uint8Array, by: number | undefined, transform: Transform): Uint8Array {
  const arena = new Uint8Array(2 * piece.length + 140);
  const source = arena.subarray(70, 70 + piece.length);
  source.set(piece);
  const at = by === undefined ? 70 + piece.length : 70 + by;
  const out = arena.subarray(at, at + piece.length);
  ok(transform(source, out));
  return out.slice();
}

interface CipherRow {
  readonly id: number;
  readonly key: number;
  readonly key2?: number;
  readonly iv: number;
  /** What pieces are made of. */
  readonly unit: number;
  /** Bytes that the end has at least, more than a unit's worth. */
  readonly end: number;
}
const row = (id: number, key: number, iv: number, unit: number, end = 0): CipherRow => ({
  ...{ id, key, iv, unit, end },
});
const CIPHERS: readonly CipherRow[] = [
  row(TEE_ALG_AES_ECB_NOPAD, 32, 0, 16),
  row(TEE_ALG_AES_CBC_NOPAD, 24, 16, 16),
  row(TEE_ALG_AES_CTR, 16, 16, 1),
  row(TEE_ALG_AES_CTS, 16, 16, 16, 17),
  { ...row(TEE_ALG_AES_XTS, 32, 16, 16, 17), key2: 32 },
  { ...row(TEE_ALG_SM4_XTS, 16, 16, 16, 17), key2: 16 },
  row(TEE_ALG_DES_ECB_NOPAD, 8, 0, 8),
  row(TEE_ALG_DES3_CBC_NOPAD, 16, 8, 8),
  row(TEE_ALG_SM4_CBC_NOPAD, 16, 16, 16),
  row(TEE_ALG_SM4_CTR, 16, 16, 16),
];

describe('ciphers', () => {
  const begin = (context: CipherContext, { key, key2, iv }: CipherRow, by: number): void =>
    ok(
      context.init(
        pattern(key, by),
        key2 === undefined ? undefined : pattern(key2, by + 50),
        pattern(iv, by + 9),
      ),
    );
  /** The message in one piece, by a fresh context of the first host. */
  const whole = (given: CipherRow, mode: number, by: number, message: Uint8Array): string => {
    const context = open('cipher', given.id, mode, HOSTS['node:crypto']);
    begin(context, given, by);
    const out = new Uint8Array(message.length);
    if (message.length > 0) ok(context.update(message, out, true));
    return toHex(out);
  };
  for (const given of CIPHERS) {
    for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
      describe(`${nameOf(given.id)}, mode ${mode}`, () =>
        eachHost((crypto) => {
          const end = fc.nat(given.end === 0 ? 0 : 20);
          const property = fc.property(steps, seed, shift, end, (taken, first, by, rest) => {
            let context = open('cipher', given.id, mode, crypto);
            let key = first;
            begin(context, given, key);
            const [pieces, results]: [Uint8Array[], Uint8Array[]] = [[], []];
            const feed = (length: number, last: boolean): void => {
              const piece = pattern(length, pieces.length + first);
              pieces.push(piece);
              const transform: Transform = (source, out) => context.update(source, out, last);
              results.push(length === 0 ? piece : shifted(piece, by, transform));
            };
            for (const [n, one] of taken.entries()) {
              if (one === 'start') {
                key = first + (n % 2);
                begin(context, given, key);
                pieces.length = 0;
                results.length = 0;
              } else if (one === 'fork') {
                const other = context.fork();
                ok(context.update(SPOIL, new Uint8Array(SPOIL.length), false));
                context = other;
              } else {
                feed(one * given.unit, false);
              }
            }
            if (given.end > 0) feed(given.end + rest, true);
            const made = toHex(Buffer.concat(results));
            assert.equal(made, whole(given, mode, key, Buffer.concat(pieces)));
          });
          fc.assert(property, RUNS);
        }));
    }
  }
});

describe('authenticated encryption', () => {
  const NONCE = pattern(12, 3);
  /** Units of additional data and payload come to this at most. */
  const lengths = fc.record({ aad: fc.nat(60), payload: fc.nat(500) });
  const begin = (context: AuthencContext, by: number, aad: number, payload: number): void =>
    ok(
      context.init({
        key: pattern(16, by),
        nonce: NONCE,
        tagLength: 16,
        aadLength: aad,
        payloadLength: payload,
      }),
    );
  const seal = (context: AuthencContext, rest: Uint8Array, by: number | undefined): string[] => {
    const [tag, size] = [new Uint8Array(16), { size: 16 }];
    const out = shifted(rest, by, (source, to) => context.encFinal(source, to, tag, size));
    return [toHex(out), toHex(tag)];
  };
  for (const id of [TEE_ALG_AES_GCM, TEE_ALG_AES_CCM]) {
    describe(nameOf(id), () =>
      eachHost((crypto) => {
        const property = fc.property(steps, seed, shift, lengths, (taken, first, by, most) => {
          let context = open('authenc', id, TEE_MODE_ENCRYPT, crypto);
          const [aad, payload] = [pattern(most.aad, first), pattern(most.payload, first + 1)];
          let key = first;
          let [fedAad, fed] = [0, 0];
          let results: Uint8Array[] = [];
          const feed = (length: number): void => {
            const piece = (all: Uint8Array, at: number) => all.subarray(at, at + length);
            const data = piece(aad, fedAad);
            if (fedAad < aad.length) {
              ok(context.updateAad(data));
              fedAad += data.length;
              return;
            }
            const given = piece(payload, fed);
            fed += given.length;
            const transform: Transform = (source, out) => context.updatePayload(source, out);
            results.push(shifted(given, by, transform));
          };
          const start = (): void => {
            begin(context, key, aad.length, payload.length);
            [fedAad, fed, results] = [0, 0, []];
          };
          start();
          for (const [n, one] of taken.entries()) {
            if (one === 'start') {
              key = first + (n % 2);
              start();
            } else if (one === 'fork') {
              const other = context.fork();
              assert.ok(other);
              context.updateAad(SPOIL);
              context.updatePayload(SPOIL, new Uint8Array(SPOIL.length));
              context = other;
            } else {
              feed(one);
            }
          }
          while (fedAad < aad.length) feed(aad.length);
          const [rest = '', tag] = seal(context, payload.subarray(fed), by);
          const made = [toHex(Buffer.concat(results)) + rest, tag];
          const fresh = open('authenc', id, TEE_MODE_ENCRYPT, HOSTS['node:crypto']);
          begin(fresh, key, aad.length, payload.length);
          ok(fresh.updateAad(aad));
          assert.deepEqual(made, seal(fresh, payload, undefined));
        });
        fc.assert(property, RUNS);
      }),
    );
  }
});
