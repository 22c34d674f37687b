import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ALG_MD5SHA1,
  TEE_ATTR_SECRET_VALUE,
  TEE_ERROR,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_MODE_MAC,
  TEE_SUCCESS,
  TEE_TYPE,
  TEE_TYPE_AES,
  TEE_TYPE_HMAC_SHA256,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { UTEE_SYSCALLS } from '../../abi/utee.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { Trace } from '../../trace/trace.ts';
import { TestCrypto } from '../testing/crypto.ts';
import { CRYPTO_SUPPORT } from './svc-cryp-support.ts';
import { CIPHER_VECTORS, PLAIN, hex, run, toHex } from '../../ta/testing/crypto-vectors.ts';

const result = (code: number): string => codeName(TEE_ERROR, code).replace('TEE_ERROR_', '');
const ok = (code: number): void => assert.equal(result(code), 'TEE_SUCCESS');

/** The syscalls of one context, a counting heap, and what a test says often. */
function context(heapBytes = 1 << 20) {
  let used = 0;
  const trace = new Trace();
  const heap = {
    alloc(bytes: number): boolean {
      if (used + bytes > heapBytes) return false;
      used += bytes;
      return true;
    },
    free(bytes: number): void {
      used -= bytes;
    },
  };
  const rng = (out: Uint8Array): number => {
    out.fill(0x42);
    return TEE_SUCCESS;
  };
  const crypto = new TestCrypto({ rng, trace, heap });
  const object = (type: number, bits: number): number => {
    const out = { handle: 0 };
    ok(crypto.objAlloc(type, bits, out));
    return out.handle;
  };
  const key = (content: Uint8Array): number => {
    const handle = object(TEE_TYPE_AES, content.length * 8);
    ok(crypto.objPopulate(handle, [{ id: TEE_ATTR_SECRET_VALUE, content }]));
    return handle;
  };
  const state = (algorithm: number, mode: number, content: Uint8Array): number => {
    const out = { handle: 0 };
    ok(crypto.stateAlloc(algorithm, mode, key(content), 0, out));
    return out.handle;
  };
  const update = (handle: number, data: Uint8Array): Uint8Array => {
    const size = { size: data.length };
    const out = new Uint8Array(data.length);
    ok(crypto.cipherUpdate(handle, data, out, size));
    assert.equal(size.size, data.length);
    return out;
  };
  return { crypto, trace, object, key, state, update, heapUsed: () => used };
}

const KEY = run(1, 16);
const IV = run(0xf0, 16);

describe('ciphers', () => {
  for (const { name, algorithm, key, iv, cipher } of CIPHER_VECTORS) {
    test(`${name}: at once, block by block, and back`, () => {
      const { crypto, state, update } = context();
      for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
        const [from, to] = mode === TEE_MODE_ENCRYPT ? [PLAIN, hex(cipher)] : [hex(cipher), PLAIN];
        const handle = state(algorithm, mode, key);
        ok(crypto.cipherInit(handle, iv));
        assert.equal(toHex(update(handle, from)), toHex(to));
        ok(crypto.cipherInit(handle, iv));
        const blocks = [0, 16, 32, 48].map((at) =>
          toHex(update(handle, from.subarray(at, at + 16))),
        );
        assert.equal(blocks.join(''), toHex(to));
      }
    });
  }

  test('CTR in pieces of every length keeps its place in the key stream', () => {
    const { name, algorithm, key, iv, cipher } = CIPHER_VECTORS.at(-1)!;
    assert.match(name, /CTR/);
    const { crypto, state, update } = context();
    const handle = state(algorithm, TEE_MODE_ENCRYPT, key);
    for (let length = 1; length <= 33; length++) {
      ok(crypto.cipherInit(handle, iv));
      let text = '';
      for (let at = 0; at < PLAIN.length; at += length) {
        text += toHex(update(handle, PLAIN.subarray(at, at + length)));
      }
      assert.equal(text, cipher, `pieces of ${length}`);
    }
  });

  test('a large buffer, in place, is what the host gives', () => {
    const data = new Uint8Array(100_003).map((_, i) => i * 7);
    const expected = new NodeCrypto().cipher('aes-ctr', true, KEY, IV).update(data);
    const { crypto, state } = context();
    const handle = state(TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, KEY);
    ok(crypto.cipherInit(handle, IV));
    ok(crypto.cipherUpdate(handle, data, data, { size: data.length }));
    assert.equal(Buffer.compare(data, expected), 0);
  });

  test('the counter carries over all 128 bits', () => {
    const { crypto, state, update } = context();
    const iv = new Uint8Array(16).fill(0xff);
    const handle = state(TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, KEY);
    const copy = state(TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, KEY);
    ok(crypto.cipherInit(handle, iv));
    update(handle, new Uint8Array(40));
    ok(crypto.stateCopy(copy, handle));
    const ecb = new NodeCrypto().cipher('aes-ecb', true, KEY, new Uint8Array(0));
    const counters = new Uint8Array(32);
    counters[15] = 1;
    counters[31] = 2;
    const stream = toHex(ecb.update(counters)).slice(16, 48);
    assert.equal(toHex(update(copy, new Uint8Array(16))), stream);
    assert.equal(toHex(update(handle, new Uint8Array(16))), stream);
  });

  for (const algorithm of [TEE_ALG_AES_ECB_NOPAD, TEE_ALG_AES_CBC_NOPAD, TEE_ALG_AES_CTR]) {
    for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
      test(`a copy of 0x${algorithm.toString(16)} mode ${mode} goes on by itself`, () => {
        const { crypto, state, update } = context();
        const [one, two] = [state(algorithm, mode, KEY), state(algorithm, mode, run(7, 16))];
        ok(crypto.cipherInit(one, algorithm === TEE_ALG_AES_ECB_NOPAD ? new Uint8Array(0) : IV));
        update(one, PLAIN.subarray(0, algorithm === TEE_ALG_AES_CTR ? 21 : 32));
        ok(crypto.stateCopy(two, one));
        const rest = PLAIN.subarray(32);
        const expected = toHex(update(one, rest));
        assert.equal(toHex(update(two, rest)), expected);
      });
    }
  }

  test('a copy of an operation that was never started is not started', () => {
    const { crypto, state } = context();
    const [one, two] = [1, 2].map(() => state(TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, KEY));
    ok(crypto.stateCopy(two!, one!));
    assert.equal(
      result(crypto.cipherUpdate(two!, KEY, new Uint8Array(16), { size: 16 })),
      'BAD_STATE',
    );
  });
});

describe('errors of ciphers, as tee_svc_cryp.c has them', () => {
  const { crypto, key, object, state } = context();
  const cbc = state(TEE_ALG_AES_CBC_NOPAD, TEE_MODE_ENCRYPT, KEY);
  const gcm = state(TEE_ALG_AES_GCM, TEE_MODE_ENCRYPT, KEY);
  const mac = state(TEE_ALG_AES_CBC_NOPAD, TEE_MODE_MAC, KEY);
  const running = state(TEE_ALG_AES_CBC_NOPAD, TEE_MODE_ENCRYPT, KEY);
  ok(crypto.cipherInit(running, IV));
  const empty = object(TEE_TYPE_AES, 128);
  const hmac = object(TEE_TYPE_HMAC_SHA256, 256);
  const out = { handle: 0 };
  const noKey = { handle: 0 };
  ok(crypto.stateAlloc(TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, empty, 0, noKey));
  const busy = key(KEY);
  ok(crypto.stateAlloc(TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, busy, 0, { handle: 0 }));
  const room = new Uint8Array(64);
  const update = (handle: number, length: number, size: number): number =>
    crypto.cipherUpdate(handle, new Uint8Array(length), room, { size });

  const alloc = (algorithm: number, key1: number, key2: number): number =>
    crypto.stateAlloc(algorithm, TEE_MODE_ENCRYPT, key1, key2, out);

  const cases: readonly (readonly [string, () => number, string])[] = [
    ['alloc: absent digest', () => alloc(TEE_ALG_MD5SHA1, 0, 0), 'NOT_IMPLEMENTED'],
    ['alloc: absent cipher', () => alloc(TEE_ALG_AES_ECB_NOPAD + 0x800, 0, 0), 'BAD_PARAMETERS'],
    ['alloc: no class', () => alloc(0x00000001, 0, 0), 'NOT_SUPPORTED'],
    ['alloc: absent, no such key', () => alloc(TEE_ALG_MD5SHA1, 9999, 0), 'BAD_STATE'],
    ['alloc: absent, with a key', () => alloc(TEE_ALG_MD5SHA1, 0, hmac), 'BAD_PARAMETERS'],
    ['alloc: no key', () => crypto.stateAlloc(TEE_ALG_AES_CTR, 0, 0, 0, out), 'BAD_PARAMETERS'],
    [
      'alloc: two keys',
      () => crypto.stateAlloc(TEE_ALG_AES_CTR, 0, key(KEY), key(KEY), out),
      'BAD_PARAMETERS',
    ],
    ['alloc: no such key', () => crypto.stateAlloc(TEE_ALG_AES_CTR, 0, 9999, 0, out), 'BAD_STATE'],
    [
      'alloc: key of another type',
      () => crypto.stateAlloc(TEE_ALG_AES_CTR, 0, hmac, 0, out),
      'BAD_PARAMETERS',
    ],
    [
      'alloc: key of another operation',
      () => crypto.stateAlloc(TEE_ALG_AES_CTR, 0, busy, 0, out),
      'BAD_PARAMETERS',
    ],
    ['init: no such operation', () => crypto.cipherInit(9999, IV), 'BAD_PARAMETERS'],
    ['init: an AE operation', () => crypto.cipherInit(gcm, IV), 'BAD_STATE'],
    ['init: key without value', () => crypto.cipherInit(noKey.handle, IV), 'BAD_PARAMETERS'],
    ['init: short IV', () => crypto.cipherInit(cbc, IV.subarray(1)), 'BAD_PARAMETERS'],
    ['init: long IV', () => crypto.cipherInit(cbc, run(0, 17)), 'BAD_PARAMETERS'],
    ['init: IV of a page', () => crypto.cipherInit(cbc, run(0, 4096)), 'BAD_PARAMETERS'],
    ['init: longer IV', () => crypto.cipherInit(cbc, run(0, 4097)), 'OUT_OF_MEMORY'],
    ['hash: nothing, of nothing', () => crypto.hashUpdate(9999, run(0, 0)), 'TEE_SUCCESS'],
    ['hash: no such operation', () => crypto.hashUpdate(9999, run(0, 1)), 'BAD_PARAMETERS'],
    ['init: neither encrypt nor decrypt', () => crypto.cipherInit(mac, IV), 'BAD_PARAMETERS'],
    ['update: no such operation', () => update(9999, 16, 16), 'BAD_PARAMETERS'],
    ['update: not started', () => update(cbc, 16, 16), 'BAD_STATE'],
    ['update: AE', () => update(gcm, 16, 16), 'BAD_STATE'],
    ['update: part of a block', () => update(running, 15, 16), 'BAD_PARAMETERS'],
    ['update: short buffer', () => update(running, 32, 16), 'SHORT_BUFFER'],
    ['update: size beyond the buffer', () => update(running, 16, 65), 'ACCESS_DENIED'],
    [
      'final: part of a block',
      () => crypto.cipherFinal(running, run(0, 3), room, { size: 16 }),
      'BAD_PARAMETERS',
    ],
    ['copy: other algorithm', () => crypto.stateCopy(cbc, gcm), 'BAD_PARAMETERS'],
    ['copy: other mode', () => crypto.stateCopy(cbc, mac), 'BAD_PARAMETERS'],
    ['copy: no such operation', () => crypto.stateCopy(cbc, 9999), 'BAD_PARAMETERS'],
    ['free: no such operation', () => crypto.stateFree(9999), 'BAD_PARAMETERS'],
    ['authenc: no such operation', () => crypto.authencInit(9999, IV, 16, 0, 0), 'BAD_PARAMETERS'],
    ['authenc: a cipher', () => crypto.authencInit(cbc, IV, 16, 0, 0), 'BAD_STATE'],
    ['authenc: not started', () => crypto.authencUpdateAad(gcm, IV), 'BAD_STATE'],
  ];
  for (const [name, call, expected] of cases) {
    test(name, () => assert.equal(result(call()), expected));
  }

  test('a short buffer learns the length, and the operation is as it was', () => {
    const size = { size: 16 };
    assert.equal(result(crypto.cipherUpdate(running, PLAIN, room, size)), 'SHORT_BUFFER');
    assert.equal(size.size, 64);
    ok(crypto.cipherUpdate(running, PLAIN, room, size));
    const direct = new NodeCrypto().cipher('aes-cbc', true, KEY, IV).update(PLAIN);
    assert.equal(toHex(room), toHex(direct));
  });
});

describe('handles', () => {
  test('the heap bounds them, and freeing returns to nothing', () => {
    const { crypto, object, state, heapUsed } = context(4096);
    const [object0, state0] = [object(TEE_TYPE_AES, 128), state(TEE_ALG_AES_CTR, 0, KEY)];
    const out = { handle: 0 };
    let full = 0;
    while (full === TEE_SUCCESS) full = crypto.objAlloc(TEE_TYPE_AES, 128, out);
    assert.equal(result(full), 'OUT_OF_MEMORY');
    assert.equal(result(crypto.stateAlloc(TEE_ALG_AES_CTR, 0, object0, 0, out)), 'OUT_OF_MEMORY');
    ok(crypto.stateFree(state0));
    ok(crypto.objClose(object0));
    assert.equal(result(crypto.objClose(object0)), 'BAD_STATE');
    crypto.freeAll();
    assert.deepEqual([heapUsed(), crypto.objectCount, crypto.stateCount], [0, 0, 0]);
  });

  test('what is behind an attribute takes as much of the heap as its kind does', () => {
    const number = 16 + 512;
    const octets = 32;
    const takes: readonly (readonly [type: number, bits: number, bytes: number])[] = [
      [TEE_TYPE.TEE_TYPE_DATA, 0, 0],
      [TEE_TYPE.TEE_TYPE_AES, 128, 8 + 32],
      [TEE_TYPE.TEE_TYPE_RSA_PUBLIC_KEY, 512, 16 + 2 * number],
      [TEE_TYPE.TEE_TYPE_RSA_KEYPAIR, 4096, 64 + 8 * number],
      [TEE_TYPE.TEE_TYPE_DSA_PUBLIC_KEY, 1024, 32 + 4 * number],
      [TEE_TYPE.TEE_TYPE_DSA_KEYPAIR, 1024, 40 + 5 * number],
      [TEE_TYPE.TEE_TYPE_DH_KEYPAIR, 2048, 48 + 5 * number],
      [TEE_TYPE.TEE_TYPE_ECDSA_PUBLIC_KEY, 256, 32 + 2 * number],
      [TEE_TYPE.TEE_TYPE_ECDH_KEYPAIR, 521, 40 + 3 * number],
      [TEE_TYPE.TEE_TYPE_SM2_PKE_PUBLIC_KEY, 256, 32 + 2 * number],
      [TEE_TYPE.TEE_TYPE_SM2_KEP_KEYPAIR, 256, 40 + 3 * number],
      [TEE_TYPE.TEE_TYPE_X25519_KEYPAIR, 256, 16 + 2 * octets],
      [TEE_TYPE.TEE_TYPE_ED25519_PUBLIC_KEY, 256, 16 + octets],
      [TEE_TYPE.TEE_TYPE_ED25519_KEYPAIR, 256, 24 + 2 * octets],
    ];
    for (const [type, bits, bytes] of takes) {
      const { crypto, object, heapUsed } = context();
      const handle = object(type, bits);
      assert.equal(heapUsed(), 96 + bytes, codeName(TEE_TYPE, type));
      ok(crypto.objClose(handle));
      assert.equal(heapUsed(), 0);
    }
  });

  test('an object that there is room for a part of takes nothing', () => {
    const { crypto, heapUsed } = context(96 + 40 + 3 * 528 - 1);
    const out = { handle: 0 };
    const made = crypto.objAlloc(TEE_TYPE.TEE_TYPE_ECDSA_KEYPAIR, 256, out);
    assert.equal(result(made), 'OUT_OF_MEMORY');
    assert.equal(heapUsed(), 0);
  });

  test('freeing an operation closes its keys', () => {
    const { crypto, key } = context();
    const [handle, out] = [key(KEY), { handle: 0 }];
    ok(crypto.stateAlloc(TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, handle, 0, out));
    assert.equal(result(crypto.objClose(handle)), 'ITEM_NOT_FOUND', 'it belongs to the operation');
    ok(crypto.stateFree(out.handle));
    assert.equal(crypto.objectCount, 0);
  });

  test('what is absent says so', () => {
    const { crypto, trace } = context();
    assert.equal(
      result(crypto.stateAlloc(TEE_ALG_AES_CCM + 1, 0, 0, 0, { handle: 0 })),
      'BAD_PARAMETERS',
    );
    assert.match(trace.lastCause?.text ?? '', /no such algorithm: 0x40000711/);
  });
});

test('support rows: every cryptographic call of the table once, under its name', () => {
  const isCrypto = (name: string): boolean => /^(cryp_|hash_|cipher_|authenc_|asymm_)/.test(name);
  const known = UTEE_SYSCALLS.map((call) => call.name).filter(isCrypto);
  const here = new Set(CRYPTO_SUPPORT.map((row) => row.name));
  here.add('cryp_random_number_generate');
  assert.deepEqual([...here].sort(), known.sort());
});
