/** Authenticated encryption after a tag: what can be had of the same message then. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import {
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_GCM,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { run, toHex } from '../../ta/testing/crypto-vectors.ts';
import { TestCrypto } from '../testing/crypto.ts';
import { ok, result } from './testing/drive.ts';

const KEY = run(1, 16);
const NONCE = run(0x10, 12);
const TAG_BYTES = 16;
const WRONG_TAG = new Uint8Array(TAG_BYTES);
const NOTHING = new Uint8Array(0);
const crypto = new TestCrypto({ rng: () => TEE_SUCCESS });

const state = (algorithm: number, mode: number): number => crypto.aesState(algorithm, mode, KEY);

function begin(algorithm: number, mode: number, aad: Uint8Array, payloadBytes: number): number {
  const handle = state(algorithm, mode);
  ok(crypto.authencInit(handle, NONCE, TAG_BYTES, aad.length, payloadBytes));
  if (aad.length > 0) ok(crypto.authencUpdateAad(handle, aad));
  return handle;
}

function update(handle: number, data: Uint8Array): string {
  const out = new Uint8Array(data.length);
  ok(crypto.authencUpdatePayload(handle, data, out, { size: out.length }));
  return toHex(out);
}

function seal(handle: number, data: Uint8Array): [Uint8Array, Uint8Array] {
  const [out, tag] = [new Uint8Array(data.length), new Uint8Array(TAG_BYTES)];
  ok(crypto.authencEncFinal(handle, data, out, { size: out.length }, tag, { size: TAG_BYTES }));
  return [out, tag];
}

const open = (handle: number, data: Uint8Array, tag: Uint8Array): string =>
  result(crypto.authencDecFinal(handle, data, new Uint8Array(64), { size: 64 }, tag));

function encryptBlock(block: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-128-ecb', KEY, null).setAutoPadding(false);
  return new Uint8Array(cipher.update(block));
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((octet, i) => octet ^ b[i]!);

describe('CCM', () => {
  /** The tag of a message of which one was made before: its CBC-MAC through the cipher once more. */
  function tagAfter(tag: Uint8Array): Uint8Array {
    const counter = new Uint8Array(16);
    counter[0] = 15 - NONCE.length - 1;
    counter.set(NONCE, 1);
    const stream = encryptBlock(counter);
    return xor(encryptBlock(xor(tag, stream)), stream);
  }

  for (const bytes of [1, 16, 21, 32]) {
    test(`of ${bytes} bytes: the next tag is another one, both ways`, () => {
      const sealing = begin(TEE_ALG_AES_CCM, TEE_MODE_ENCRYPT, run(5, 20), bytes);
      const [text, tag] = seal(sealing, run(7, bytes));
      const again = seal(sealing, NOTHING)[1];
      assert.equal(toHex(again), toHex(tagAfter(tag)));
      assert.equal(toHex(seal(sealing, NOTHING)[1]), toHex(tagAfter(again)));
      const opening = begin(TEE_ALG_AES_CCM, TEE_MODE_DECRYPT, run(5, 20), bytes);
      assert.equal(open(opening, text, WRONG_TAG), 'MAC_INVALID');
      assert.equal(open(opening, NOTHING, again), 'TEE_SUCCESS');
      assert.equal(open(opening, NOTHING, tag), 'MAC_INVALID');
      assert.equal(open(opening, run(0, 1), tag), 'BAD_STATE');
    });
  }

  test('without payload the tag stays the same', () => {
    for (const aad of [NOTHING, run(5, 14), run(5, 20)]) {
      const sealing = begin(TEE_ALG_AES_CCM, TEE_MODE_ENCRYPT, aad, 0);
      const [, tag] = seal(sealing, NOTHING);
      assert.equal(toHex(seal(sealing, NOTHING)[1]), toHex(tag));
      const opening = begin(TEE_ALG_AES_CCM, TEE_MODE_DECRYPT, aad, 0);
      assert.equal(open(opening, NOTHING, WRONG_TAG), 'MAC_INVALID');
      assert.equal(open(opening, NOTHING, tag), 'TEE_SUCCESS');
    }
  });

  test('a copy goes on from there', () => {
    const sealing = begin(TEE_ALG_AES_CCM, TEE_MODE_ENCRYPT, NOTHING, 21);
    const [, tag] = seal(sealing, run(7, 21));
    const copy = state(TEE_ALG_AES_CCM, TEE_MODE_ENCRYPT);
    ok(crypto.stateCopy(copy, sealing));
    assert.equal(toHex(seal(copy, NOTHING)[1]), toHex(tagAfter(tag)));
  });
});

describe('GCM, after a wrong tag', () => {
  const plain = run(7, 9000);
  const [text, tag] = seal(begin(TEE_ALG_AES_GCM, TEE_MODE_ENCRYPT, run(5, 20), 0), plain);
  const opening = (fed: number): number => {
    const handle = begin(TEE_ALG_AES_GCM, TEE_MODE_DECRYPT, run(5, 20), 0);
    if (fed > 0) update(handle, text.subarray(0, fed));
    assert.equal(open(handle, NOTHING, WRONG_TAG), 'MAC_INVALID');
    return handle;
  };

  for (const fed of [0, 5, 16, 4096, 8200]) {
    test(`the payload goes on behind ${fed} bytes, and no tag is right`, () => {
      const handle = opening(fed);
      assert.equal(
        update(handle, text.subarray(fed, fed + 7)),
        toHex(plain.subarray(fed, fed + 7)),
      );
      assert.equal(open(handle, NOTHING, tag), 'MAC_INVALID');
      const next = text.subarray(fed + 7, fed + 40);
      assert.equal(update(handle, next), toHex(plain.subarray(fed + 7, fed + 40)));
      assert.equal(open(handle, text.subarray(fed + 40, fed + 50), tag), 'MAC_INVALID');
    });
  }

  test('additional data still come before the payload', () => {
    assert.equal(result(crypto.authencUpdateAad(opening(1), run(0, 1))), 'BAD_PARAMETERS');
    const handle = opening(0);
    ok(crypto.authencUpdateAad(handle, run(0, 1)));
    assert.equal(open(handle, text.subarray(0, 60), tag), 'MAC_INVALID');
  });

  test('a copy goes on, and both begin anew', () => {
    const handle = opening(16);
    const copy = state(TEE_ALG_AES_GCM, TEE_MODE_DECRYPT);
    ok(crypto.stateCopy(copy, handle));
    for (const one of [handle, copy]) {
      assert.equal(update(one, text.subarray(16, 40)), toHex(plain.subarray(16, 40)));
      assert.equal(open(one, NOTHING, tag), 'MAC_INVALID');
    }
    ok(crypto.authencInit(copy, NONCE, TAG_BYTES, 0, 0));
    ok(crypto.authencUpdateAad(copy, run(5, 20)));
    update(copy, text.subarray(0, 8960));
    assert.equal(open(copy, text.subarray(8960), tag), 'TEE_SUCCESS');
  });
});
