/** The system calls of digests and MACs: what each checks, in which order, and what it leaves. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_HMAC_SHA256,
  TEE_ALG_SHA256,
  TEE_ALG_SHAKE128,
  TEE_ATTR_SECRET_VALUE,
  TEE_MODE_DIGEST,
  TEE_MODE_ENCRYPT,
  TEE_MODE_MAC,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  TEE_TYPE_HMAC_SHA256,
} from '../../abi/gp.ts';
import { run, toHex } from '../../ta/testing/crypto-vectors.ts';
import { ok, result } from '../crypto/testing/drive.ts';
import { TestCrypto } from '../testing/crypto.ts';

const NONE = new Uint8Array(0);
const KEY = run(1, 32);
const MESSAGE = run(0, 100);
const crypto = new TestCrypto({ rng: () => TEE_SUCCESS });

function key(type: number, content?: Uint8Array): number {
  const out = { handle: 0 };
  ok(crypto.objAlloc(type, 256, out));
  const attributes = [{ id: TEE_ATTR_SECRET_VALUE, content: content ?? NONE }];
  if (content !== undefined) ok(crypto.objPopulate(out.handle, attributes));
  return out.handle;
}

function state(algorithm: number, mode: number, key1 = 0): number {
  const out = { handle: 0 };
  ok(crypto.stateAlloc(algorithm, mode, key1, 0, out));
  return out.handle;
}

const sha256 = (): number => state(TEE_ALG_SHA256, TEE_MODE_DIGEST);
const hmac = (): number => state(TEE_ALG_HMAC_SHA256, TEE_MODE_MAC, key(TEE_TYPE_HMAC_SHA256, KEY));
const begun = (handle: number): number => {
  ok(crypto.hashInit(handle, NONE));
  return handle;
};

describe('what is refused', () => {
  const cbc = state(TEE_ALG_AES_CBC_NOPAD, TEE_MODE_ENCRYPT, key(TEE_TYPE_AES, KEY));
  ok(crypto.cipherInit(cbc, run(0, 16)));
  const noKey = state(TEE_ALG_HMAC_SHA256, TEE_MODE_MAC, key(TEE_TYPE_HMAC_SHA256));
  const init = (handle: number): number => crypto.hashInit(handle, NONE);
  const update = (handle: number, bytes = 1): number =>
    crypto.hashUpdate(handle, new Uint8Array(bytes));
  const final = (handle: number, size = 32, room = 32): number =>
    crypto.hashFinal(handle, NONE, new Uint8Array(room), { size });
  const cases: readonly (readonly [string, () => number, string])[] = [
    ['init: no such operation', () => init(9999), 'BAD_PARAMETERS'],
    ['init: a cipher', () => init(cbc), 'BAD_PARAMETERS'],
    ['init: a key without value', () => init(noKey), 'BAD_PARAMETERS'],
    ['update: no such operation', () => update(9999), 'BAD_PARAMETERS'],
    ['update: nothing, of nothing', () => update(9999, 0), 'TEE_SUCCESS'],
    ['update: not started', () => update(sha256()), 'BAD_STATE'],
    ['update: nothing, not started', () => update(sha256(), 0), 'TEE_SUCCESS'],
    ['update: a cipher', () => update(cbc), 'BAD_PARAMETERS'],
    ['final: size beyond the buffer, which comes first', () => final(9999, 33), 'ACCESS_DENIED'],
    ['final: no such operation', () => final(9999), 'BAD_PARAMETERS'],
    ['final: not started', () => final(hmac()), 'BAD_STATE'],
    ['final: a cipher', () => final(cbc), 'BAD_PARAMETERS'],
    ['final: a digest without room', () => final(begun(sha256()), 31), 'SHORT_BUFFER'],
    ['final: a MAC without room', () => final(begun(hmac()), 31), 'SHORT_BUFFER'],
  ];
  for (const [name, call, expected] of cases) {
    test(name, () => assert.equal(result(call()), expected));
  }
});

for (const [name, make, expected] of [
  ['a digest', sha256, createHash('sha256').update(MESSAGE).digest('hex')],
  ['a MAC', hmac, createHmac('sha256', KEY).update(MESSAGE).digest('hex')],
] as const) {
  test(`${name}: too little room says how much, takes nothing in, and more than enough is cut`, () => {
    const handle = begun(make());
    ok(crypto.hashUpdate(handle, MESSAGE.subarray(0, 60)));
    const [room, size] = [new Uint8Array(40), { size: 31 }];
    const rest = MESSAGE.subarray(60);
    assert.equal(result(crypto.hashFinal(handle, rest, room, size)), 'SHORT_BUFFER');
    assert.equal(size.size, 32);
    size.size = 40;
    ok(crypto.hashFinal(handle, rest, room, size));
    assert.equal(size.size, 32);
    assert.equal(toHex(room), expected + '00'.repeat(8));
  });
}

test('an extendable-output function: as many bytes as there is room for, and then the next', () => {
  const handle = begun(state(TEE_ALG_SHAKE128, TEE_MODE_DIGEST));
  const [room, size] = [new Uint8Array(50), { size: 20 }];
  ok(crypto.hashFinal(handle, MESSAGE, room, size));
  assert.equal(size.size, 20);
  size.size = 30;
  ok(crypto.hashFinal(handle, NONE, room.subarray(20), size));
  const whole = createHash('shake128', { outputLength: 50 }).update(MESSAGE).digest('hex');
  assert.equal(toHex(room), whole);
});
