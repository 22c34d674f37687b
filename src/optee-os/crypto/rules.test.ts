/** What each algorithm refuses, and with which code: one row a rule. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ALG_AES_CBC_MAC_NOPAD,
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
  TEE_ALG_DES3_ECB_NOPAD,
  TEE_ALG_DES_CBC_MAC_NOPAD,
  TEE_ALG_DES_CBC_NOPAD,
  TEE_ALG_DES_ECB_NOPAD,
  TEE_ALG_HMAC_SHA256,
  TEE_ALG_HMAC_SM3,
  TEE_ALG_SHA256,
  TEE_ALG_SHAKE128,
  TEE_ALG_SM4_CBC_NOPAD,
  TEE_ALG_SM4_CTR,
  TEE_ALG_SM4_ECB_NOPAD,
  TEE_ALG_SM4_XTS,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_MODE_MAC,
} from '../../abi/gp.ts';
import { AEAD_FORK_LIMIT } from '../../host/crypto.ts';
import { digestOf, macOf, ok, open, result } from './testing/drive.ts';
import { toHex } from './testing/vector.ts';

const bytes = (length: number): Uint8Array => new Uint8Array(length);
const BAD_PARAMETERS = 'BAD_PARAMETERS';
const BAD_STATE = 'BAD_STATE';

describe('starting a cipher', () => {
  type Row = readonly [string, number, key: number, key2: number, iv: number, string];
  const rows: readonly Row[] = [
    ['ECB without initialization vector', TEE_ALG_AES_ECB_NOPAD, 16, 0, 0, 'TEE_SUCCESS'],
    ['ECB does not look at it', TEE_ALG_AES_ECB_NOPAD, 16, 0, 5, 'TEE_SUCCESS'],
    ['CBC: of another size than a block', TEE_ALG_AES_CBC_NOPAD, 16, 0, 15, BAD_PARAMETERS],
    ['CBC: none', TEE_ALG_AES_CBC_NOPAD, 16, 0, 0, BAD_PARAMETERS],
    ['DES: that of AES', TEE_ALG_DES_CBC_NOPAD, 8, 0, 16, BAD_PARAMETERS],
    ['CTR: none', TEE_ALG_AES_CTR, 16, 0, 0, BAD_PARAMETERS],
    ['CTS: none', TEE_ALG_AES_CTS, 16, 0, 0, BAD_PARAMETERS],
    ['SM4: none', TEE_ALG_SM4_CBC_NOPAD, 16, 0, 0, BAD_PARAMETERS],
    ['AES takes no such key', TEE_ALG_AES_CBC_NOPAD, 20, 0, 16, BAD_STATE],
    ['CTS neither', TEE_ALG_AES_CTS, 20, 0, 16, BAD_STATE],
    ['DES takes no two keys', TEE_ALG_DES_ECB_NOPAD, 16, 0, 0, BAD_STATE],
    ['DES3 takes two', TEE_ALG_DES3_CBC_NOPAD, 16, 0, 8, 'TEE_SUCCESS'],
    ['DES3 takes not one', TEE_ALG_DES3_ECB_NOPAD, 8, 0, 0, BAD_STATE],
    ['SM4 in ECB takes no such key', TEE_ALG_SM4_ECB_NOPAD, 32, 0, 0, BAD_STATE],
    ['SM4 in CBC neither', TEE_ALG_SM4_CBC_NOPAD, 32, 0, 16, BAD_PARAMETERS],
    ['SM4 in CTR neither', TEE_ALG_SM4_CTR, 32, 0, 16, BAD_PARAMETERS],
    ['XTS with equal keys', TEE_ALG_AES_XTS, 16, 16, 16, 'TEE_SUCCESS'],
    ['XTS with keys of 192 bits', TEE_ALG_AES_XTS, 24, 24, 16, 'TEE_SUCCESS'],
    ['XTS with keys of two sizes', TEE_ALG_AES_XTS, 16, 32, 16, BAD_PARAMETERS],
    ['XTS with one key', TEE_ALG_AES_XTS, 16, 0, 16, BAD_PARAMETERS],
    ['XTS takes no such keys', TEE_ALG_AES_XTS, 20, 20, 16, BAD_STATE],
    ['XTS: short initialization vector', TEE_ALG_AES_XTS, 16, 16, 8, BAD_PARAMETERS],
    ['XTS: none', TEE_ALG_AES_XTS, 16, 16, 0, BAD_PARAMETERS],
    ['XTS of SM4 with keys of two sizes', TEE_ALG_SM4_XTS, 16, 32, 16, BAD_STATE],
    ['XTS of SM4: short initialization vector', TEE_ALG_SM4_XTS, 16, 16, 8, BAD_STATE],
  ];
  for (const [name, id, key, key2, iv, expected] of rows) {
    test(name, () => {
      const context = open('cipher', id);
      const second = key2 === 0 ? undefined : bytes(key2);
      assert.equal(result(context.init(bytes(key), second, bytes(iv))), expected);
    });
  }
  const twoKeys = (id: number): Uint8Array | undefined =>
    [TEE_ALG_AES_XTS, TEE_ALG_SM4_XTS].includes(id) ? bytes(16) : undefined;
  for (const id of [TEE_ALG_AES_CTR, TEE_ALG_AES_CTS, TEE_ALG_AES_XTS, TEE_ALG_SM4_ECB_NOPAD]) {
    test(`0x${id.toString(16)}: the mode of a MAC`, () => {
      const context = open('cipher', id, TEE_MODE_MAC);
      assert.equal(result(context.init(bytes(16), twoKeys(id), bytes(16))), BAD_PARAMETERS);
    });
  }
});

describe('pieces of ciphers', () => {
  const [UPDATE, FINAL] = [false, true];
  type Row = readonly [string, number, length: number, last: boolean, string];
  const rows: readonly Row[] = [
    ['CTR takes any', TEE_ALG_AES_CTR, 5, UPDATE, 'TEE_SUCCESS'],
    ['and ends with any', TEE_ALG_AES_CTR, 5, FINAL, 'TEE_SUCCESS'],
    ['ECB takes no part of a block', TEE_ALG_AES_ECB_NOPAD, 17, UPDATE, BAD_PARAMETERS],
    ['not at the end either', TEE_ALG_AES_ECB_NOPAD, 17, FINAL, BAD_PARAMETERS],
    ['CBC neither', TEE_ALG_AES_CBC_NOPAD, 15, FINAL, BAD_PARAMETERS],
    ['a block of DES is none of AES', TEE_ALG_AES_CBC_NOPAD, 24, UPDATE, BAD_PARAMETERS],
    ['SM4 in CTR takes whole blocks', TEE_ALG_SM4_CTR, 32, UPDATE, 'TEE_SUCCESS'],
    ['no others', TEE_ALG_SM4_CTR, 33, UPDATE, BAD_PARAMETERS],
    ['not even at the end', TEE_ALG_SM4_CTR, 33, FINAL, 'NOT_SUPPORTED'],
    ['CTS before the end', TEE_ALG_AES_CTS, 33, UPDATE, BAD_PARAMETERS],
    ['CTS with one block at the end', TEE_ALG_AES_CTS, 16, FINAL, BAD_STATE],
    ['CTS with less', TEE_ALG_AES_CTS, 1, FINAL, BAD_STATE],
    ['CTS with more', TEE_ALG_AES_CTS, 17, FINAL, 'TEE_SUCCESS'],
    ['XTS before the end', TEE_ALG_AES_XTS, 17, UPDATE, BAD_PARAMETERS],
    ['XTS with less than a block', TEE_ALG_AES_XTS, 15, FINAL, BAD_STATE],
    ['XTS with a block', TEE_ALG_AES_XTS, 16, FINAL, 'TEE_SUCCESS'],
    ['XTS of SM4 with less', TEE_ALG_SM4_XTS, 15, FINAL, BAD_STATE],
  ];
  for (const [name, id, length, last, expected] of rows) {
    for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
      test(`${name} (mode ${mode})`, () => {
        const context = open('cipher', id, mode);
        const two = id === TEE_ALG_AES_XTS || id === TEE_ALG_SM4_XTS;
        ok(context.init(bytes(16), two ? bytes(16) : undefined, bytes(16)));
        assert.equal(result(context.update(bytes(length), bytes(length), last)), expected);
      });
    }
  }
  for (const id of [TEE_ALG_AES_CTR, TEE_ALG_AES_CTS, TEE_ALG_AES_XTS]) {
    test(`0x${id.toString(16)}: before its start, of a fork too`, () => {
      const context = open('cipher', id);
      for (const one of [context, context.fork()]) {
        assert.equal(result(one.update(bytes(32), bytes(32), false)), BAD_STATE);
      }
    });
  }
});

describe('MACs', () => {
  test('a key without bytes: LibTomCrypt refuses it, SM3 takes it', () => {
    assert.equal(result(open('mac', TEE_ALG_HMAC_SHA256).init(bytes(0))), BAD_STATE);
    const empty = '0d23f72ba15e9c189a879aefc70996b06091de6e64d31b7a84004356dd915261';
    assert.equal(toHex(macOf(TEE_ALG_HMAC_SM3, bytes(0), bytes(0))), empty);
  });

  test('a key of another size', () => {
    assert.equal(result(open('mac', TEE_ALG_AES_CMAC).init(bytes(20))), BAD_STATE);
    assert.equal(result(open('mac', TEE_ALG_DES_CBC_MAC_NOPAD).init(bytes(16))), BAD_STATE);
  });

  test('before a start and after an end, of forks too', () => {
    for (const id of [TEE_ALG_HMAC_SHA256, TEE_ALG_AES_CMAC, TEE_ALG_AES_CBC_MAC_PKCS5]) {
      const context = open('mac', id);
      const refuses = (): void => {
        for (const one of [context, context.fork()]) {
          assert.equal(result(one.update(bytes(1))), BAD_STATE);
          assert.equal(result(one.final(bytes(context.size))), BAD_STATE);
        }
      };
      refuses();
      ok(context.init(bytes(32)));
      ok(context.final(bytes(context.size)));
      refuses();
    }
  });

  for (const [length, expected] of [
    [0, BAD_STATE],
    [15, BAD_STATE],
    [16, 'TEE_SUCCESS'],
    [17, BAD_STATE],
    [1600, 'TEE_SUCCESS'],
  ] as const) {
    test(`CBC-MAC without padding ends after ${length} bytes: ${expected}`, () => {
      const context = open('mac', TEE_ALG_AES_CBC_MAC_NOPAD);
      ok(context.init(bytes(16)));
      ok(context.update(bytes(length)));
      assert.equal(result(context.final(bytes(16))), expected);
    });
  }

  test('CBC-MAC without padding goes on after an end that came too early', () => {
    const context = open('mac', TEE_ALG_AES_CBC_MAC_NOPAD);
    ok(context.init(bytes(16)));
    ok(context.update(bytes(15)));
    assert.equal(result(context.final(bytes(16))), BAD_STATE);
    ok(context.update(bytes(1)));
    const out = bytes(16);
    ok(context.final(out));
    assert.equal(toHex(out), toHex(macOf(TEE_ALG_AES_CBC_MAC_NOPAD, bytes(16), bytes(16))));
  });
});

describe('digests', () => {
  const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

  test('a start forgets what was there, an end too', () => {
    const context = open('digest', TEE_ALG_SHA256);
    context.update(bytes(10));
    context.init();
    const out = bytes(32);
    for (let again = 0; again < 2; again++) {
      context.final(out);
      assert.equal(toHex(out), EMPTY);
    }
  });

  test('an extendable output goes on where it stopped, a start begins anew', () => {
    const context = open('digest', TEE_ALG_SHAKE128);
    const data = bytes(100).fill(7);
    const whole = toHex(digestOf(TEE_ALG_SHAKE128, data, 5000));
    for (const sizes of [[5000], [1, 167, 168, 169, 0, 4495], [2500, 1, 2499]]) {
      context.init();
      context.update(data);
      let taken = '';
      for (const size of sizes) {
        const out = bytes(size);
        context.final(out);
        taken += toHex(out);
      }
      assert.equal(taken, whole);
    }
  });

  test('the fork of an extendable output goes on by itself', () => {
    const context = open('digest', TEE_ALG_SHAKE128);
    context.init();
    context.final(bytes(300));
    const fork = context.fork();
    const [a, b] = [bytes(400), bytes(400)];
    context.final(a);
    fork.final(b);
    assert.equal(toHex(a), toHex(b));
    assert.equal(toHex(a), toHex(digestOf(TEE_ALG_SHAKE128, bytes(0), 700).subarray(300)));
  });
});

describe('forks of GCM', () => {
  const start = { key: bytes(16), nonce: bytes(12), tagLength: 16, aadLength: 0, payloadLength: 0 };

  for (const [aad, payload, forks] of [
    [0, AEAD_FORK_LIMIT, true],
    [AEAD_FORK_LIMIT, 0, true],
    [1, AEAD_FORK_LIMIT, false],
    [AEAD_FORK_LIMIT - 4, 4, true],
    [5, 2 * AEAD_FORK_LIMIT, false],
  ] as const) {
    for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
      test(`after ${aad} bytes and a payload of ${payload}: ${forks} (mode ${mode})`, () => {
        const context = open('authenc', TEE_ALG_AES_GCM, mode);
        ok(context.init(start));
        ok(context.updateAad(bytes(aad)));
        ok(context.updatePayload(bytes(payload), bytes(payload)));
        const fork = context.fork();
        assert.equal(fork !== undefined, forks);
        const outs = [bytes(33), bytes(33)];
        ok(context.updatePayload(bytes(33), outs[0]!));
        if (fork !== undefined) {
          ok(fork.updatePayload(bytes(33), outs[1]!));
          assert.equal(toHex(outs[0]!), toHex(outs[1]!));
        }
      });
    }
  }

  test('a new start forgets how much there was', () => {
    const context = open('authenc', TEE_ALG_AES_GCM);
    ok(context.init(start));
    ok(context.updateAad(bytes(AEAD_FORK_LIMIT + 1)));
    assert.equal(context.fork(), undefined);
    ok(context.init(start));
    assert.notEqual(context.fork(), undefined);
  });

  test('and what there was', () => {
    const context = open('authenc', TEE_ALG_AES_GCM);
    for (const [aad, payload] of [
      [10, 3],
      [7, 5000],
      [20, 33],
    ] as const) {
      ok(context.init(start));
      ok(context.updateAad(bytes(aad)));
      ok(context.updatePayload(bytes(payload), bytes(payload)));
      assert.ok(context.fork());
    }
    const fork = context.fork();
    assert.ok(fork);
    const [a, b] = [bytes(16), bytes(16)];
    ok(context.encFinal(bytes(0), bytes(0), a, { size: 16 }));
    ok(fork.encFinal(bytes(0), bytes(0), b, { size: 16 }));
    assert.equal(toHex(a), toHex(b));
  });

  test('before a start and after an end, as of CCM', () => {
    for (const id of [TEE_ALG_AES_GCM, TEE_ALG_AES_CCM]) {
      const context = open('authenc', id);
      const refuses = (): void => {
        const fork = context.fork();
        assert.ok(fork);
        assert.equal(result(fork.updateAad(bytes(1))), BAD_STATE);
        assert.equal(result(fork.updatePayload(bytes(1), bytes(1))), BAD_STATE);
      };
      refuses();
      ok(context.init(start));
      ok(context.encFinal(bytes(0), bytes(0), bytes(16), { size: 16 }));
      refuses();
    }
  });
});
