/** Ciphers and authenticated encryption as a TA uses them: published vectors, pieces, sizes. */
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
  TEE_CRYPTO_ELEMENT_NONE,
  TEE_ECC_CURVE_NIST_P256,
  TEE_ERROR_MAC_INVALID,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_KEY_SET,
  TEE_HANDLE_NULL,
  TEE_MODE_DECRYPT,
  TEE_MODE_DIGEST,
  TEE_MODE_ENCRYPT,
  TEE_MODE_MAC,
  TEE_OPERATION_CIPHER,
  TEE_OPERATION_STATE_ACTIVE,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  TEE_TYPE_DATA,
  TEE_USAGE_ENCRYPT,
} from '../../abi/gp.ts';
import {
  CCM_KEY,
  CCM_VECTORS,
  CIPHER_VECTORS,
  PLAIN,
  hex,
  run,
  toHex,
} from '../testing/crypto-vectors.ts';
import { World, inTa, taOf } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { TEE_Attribute, TEE_ObjectInfo, TEE_OperationInfo, memref, ref } from './types.ts';
import { TEE_OperationInfoMultiple } from './types.ts';
import type { TEE_ObjectHandle, TEE_OperationHandle } from './types.ts';

function loadKey(tee: Tee, content: Uint8Array): TEE_ObjectHandle {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  assert.equal(tee.TEE_AllocateTransientObject(TEE_TYPE_AES, content.length * 8, object), 0);
  const attr = new TEE_Attribute();
  tee.TEE_InitRefAttribute(attr, TEE_ATTR_SECRET_VALUE, content);
  assert.equal(tee.TEE_PopulateTransientObject(object.value, [attr]), TEE_SUCCESS);
  return object.value;
}

function operation(
  tee: Tee,
  algorithm: number,
  mode: number,
  key: Uint8Array,
): TEE_OperationHandle {
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  assert.equal(tee.TEE_AllocateOperation(op, algorithm, mode, key.length * 8), TEE_SUCCESS);
  const object = loadKey(tee, key);
  assert.equal(tee.TEE_SetOperationKey(op.value, object), TEE_SUCCESS);
  tee.TEE_FreeTransientObject(object);
  return op.value;
}

/** Feeds pieces; whatever waits in the operation comes out at the end. */
function inPieces(tee: Tee, op: TEE_OperationHandle, data: Uint8Array, piece: number): string {
  let text = '';
  for (let at = 0; at < data.length; at += piece) {
    const out = memref(new Uint8Array(64));
    assert.equal(tee.TEE_CipherUpdate(op, data.subarray(at, at + piece), out), TEE_SUCCESS);
    text += toHex(out.buffer!.subarray(0, out.size));
  }
  const last = memref(new Uint8Array(16));
  assert.equal(tee.TEE_CipherDoFinal(op, null, last), TEE_SUCCESS);
  return text + toHex(last.buffer!.subarray(0, last.size));
}

for (const { name, algorithm, key, iv, cipher } of CIPHER_VECTORS) {
  test(`${name} in pieces of any length, both ways`, () =>
    inTa((tee) => {
      for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
        const [from, to] = mode === TEE_MODE_ENCRYPT ? [PLAIN, hex(cipher)] : [hex(cipher), PLAIN];
        const op = operation(tee, algorithm, mode, key);
        for (const piece of [1, 3, 15, 16, 17, 31, 33, 64]) {
          tee.TEE_CipherInit(op, iv);
          assert.equal(inPieces(tee, op, from, piece), toHex(to), `pieces of ${piece}`);
        }
        tee.TEE_FreeOperation(op);
      }
    }));
}

test('where the source lies, whole or with whole blocks ahead', () =>
  inTa((tee) => {
    for (const { name, algorithm, key, iv, cipher } of CIPHER_VECTORS) {
      for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
        const [from, to] = mode === TEE_MODE_ENCRYPT ? [PLAIN, hex(cipher)] : [hex(cipher), PLAIN];
        const op = operation(tee, algorithm, mode, key);
        for (const ahead of [0, 16]) {
          const place = from.slice();
          const start = memref(place.subarray(0, ahead));
          tee.TEE_CipherInit(op, iv);
          assert.equal(tee.TEE_CipherUpdate(op, place.slice(0, ahead), start), TEE_SUCCESS);
          // Where blocks wait in the operation, what comes out lies ahead of the source.
          const rest = memref(place.subarray(start.size));
          const source = rest.buffer!.subarray(ahead - start.size);
          assert.equal(tee.TEE_CipherDoFinal(op, source, rest), TEE_SUCCESS, name);
          assert.equal(toHex(place), toHex(to), `${name}, ${ahead} bytes ahead`);
        }
        tee.TEE_FreeOperation(op);
      }
    }
  }));

for (const { name, nonce, aad, plain, tagLength, sealed } of CCM_VECTORS) {
  test(`CCM ${name}`, () =>
    inTa((tee) => {
      const sealing = operation(tee, TEE_ALG_AES_CCM, TEE_MODE_ENCRYPT, CCM_KEY);
      const opening = operation(tee, TEE_ALG_AES_CCM, TEE_MODE_DECRYPT, CCM_KEY);
      for (const piece of [1, 7, 16, 32]) {
        const cut = Math.min(piece, plain.length);
        const [out, rest] = [memref(new Uint8Array(64)), memref(new Uint8Array(64))];
        const tag = memref(new Uint8Array(16));
        assert.equal(tee.TEE_AEInit(sealing, nonce, tagLength * 8, aad.length, plain.length), 0);
        tee.TEE_AEUpdateAAD(sealing, aad);
        assert.equal(tee.TEE_AEUpdate(sealing, plain.subarray(0, cut), out), TEE_SUCCESS);
        assert.equal(tee.TEE_AEEncryptFinal(sealing, plain.subarray(cut), rest, tag), TEE_SUCCESS);
        const made = [out, rest, tag].map((m) => toHex(m.buffer!.subarray(0, m.size)));
        assert.equal(made.join(''), sealed);

        const opened = memref(new Uint8Array(64));
        const given = hex(sealed);
        assert.equal(tee.TEE_AEInit(opening, nonce, tagLength * 8, aad.length, plain.length), 0);
        tee.TEE_AEUpdateAAD(opening, aad);
        const body = given.subarray(0, plain.length);
        assert.equal(
          tee.TEE_AEDecryptFinal(opening, body, opened, given.subarray(plain.length)),
          0,
        );
        assert.equal(toHex(opened.buffer!.subarray(0, opened.size)), toHex(plain));
      }
    }));
}

test('GCM: tag sizes, a wrong tag, and both lengths when buffers are short', () =>
  inTa((tee) => {
    const [key, nonce] = [run(1, 16), run(2, 12)];
    const sealing = operation(tee, TEE_ALG_AES_GCM, TEE_MODE_ENCRYPT, key);
    for (const bits of [88, 95, 100, 136]) {
      assert.equal(tee.TEE_AEInit(sealing, nonce, bits, 0, 0), TEE_ERROR_NOT_SUPPORTED);
    }
    assert.equal(tee.TEE_AEInit(sealing, nonce, 96, 0, 0), TEE_SUCCESS);
    const [short, shortTag] = [memref(new Uint8Array(19)), memref(new Uint8Array(11))];
    const result = tee.TEE_AEEncryptFinal(sealing, run(0, 20), short, shortTag);
    assert.deepEqual([result, short.size, shortTag.size], [TEE_ERROR_SHORT_BUFFER, 20, 12]);
    const [out, tag] = [memref(new Uint8Array(20)), memref(new Uint8Array(16))];
    assert.equal(tee.TEE_AEEncryptFinal(sealing, run(0, 20), out, tag), TEE_SUCCESS);
    assert.equal(tag.size, 12);

    const opening = operation(tee, TEE_ALG_AES_GCM, TEE_MODE_DECRYPT, key);
    assert.equal(tee.TEE_AEInit(opening, nonce, 96, 0, 0), TEE_SUCCESS);
    const plain = memref(new Uint8Array(20));
    const wrong = tag.buffer!.slice(0, 12);
    wrong[3]! ^= 1;
    assert.equal(tee.TEE_AEDecryptFinal(opening, out.buffer, plain, wrong), TEE_ERROR_MAC_INVALID);
  }));

describe('sizes', () => {
  test('blocks wait until they are whole, and short buffers change nothing', () =>
    inTa((tee) => {
      const op = operation(tee, TEE_ALG_AES_CBC_NOPAD, TEE_MODE_ENCRYPT, run(1, 16));
      tee.TEE_CipherInit(op, run(0, 16));
      const none = memref(null);
      assert.equal(tee.TEE_CipherUpdate(op, run(0, 10), none), TEE_SUCCESS);
      assert.equal(none.size, 0);
      const short = memref(new Uint8Array(15));
      assert.equal(tee.TEE_CipherUpdate(op, run(10, 10), short), TEE_ERROR_SHORT_BUFFER);
      assert.equal(short.size, 16);
      const final = memref(new Uint8Array(31));
      assert.equal(tee.TEE_CipherDoFinal(op, run(10, 22), final), TEE_ERROR_SHORT_BUFFER);
      assert.equal(final.size, 32);
      const out = memref(new Uint8Array(40));
      assert.equal(tee.TEE_CipherDoFinal(op, run(10, 22), out), TEE_SUCCESS);
      assert.equal(out.size, 32);
      const whole = memref(new Uint8Array(32));
      tee.TEE_CipherInit(op, run(0, 16));
      assert.equal(tee.TEE_CipherUpdate(op, run(0, 32), whole), TEE_SUCCESS);
      assert.equal(toHex(whole.buffer!), toHex(out.buffer!.subarray(0, 32)));
    }));

  test('in place, and nothing at all', () =>
    inTa((tee) => {
      const op = operation(tee, TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, run(1, 16));
      tee.TEE_CipherInit(op, run(0, 16));
      const apart = memref(new Uint8Array(33));
      tee.TEE_CipherUpdate(op, run(5, 33), apart);
      tee.TEE_CipherInit(op, run(0, 16));
      const place = memref(run(5, 33));
      assert.equal(tee.TEE_CipherUpdate(op, place.buffer, place), TEE_SUCCESS);
      assert.equal(toHex(place.buffer!), toHex(apart.buffer!));
      const nothing = memref(new Uint8Array(4));
      assert.equal(tee.TEE_CipherUpdate(op, null, nothing), TEE_SUCCESS);
      assert.equal(nothing.size, 0);
      assert.equal(tee.TEE_CipherDoFinal(op, null, null), TEE_SUCCESS);
    }));
});

describe('operations', () => {
  test('info follows the life of an operation', () =>
    inTa((tee) => {
      const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
      tee.TEE_AllocateOperation(op, TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, 256);
      const info = (): TEE_OperationInfo => {
        const out = new TEE_OperationInfo();
        tee.TEE_GetOperationInfo(op.value, out);
        return out;
      };
      const fresh = {
        algorithm: TEE_ALG_AES_CTR,
        operationClass: TEE_OPERATION_CIPHER,
        mode: TEE_MODE_ENCRYPT,
        digestLength: 0,
        maxKeySize: 256,
        keySize: 0,
        requiredKeyUsage: TEE_USAGE_ENCRYPT,
        handleState: 0,
      };
      assert.deepEqual(Object.assign({}, info()), fresh);
      tee.TEE_SetOperationKey(op.value, loadKey(tee, run(1, 16)));
      const keyed = { ...fresh, keySize: 128, handleState: TEE_HANDLE_FLAG_KEY_SET };
      assert.deepEqual(Object.assign({}, info()), keyed);
      tee.TEE_CipherInit(op.value, run(0, 16));
      const both = TEE_HANDLE_FLAG_KEY_SET | TEE_HANDLE_FLAG_INITIALIZED;
      assert.equal(info().handleState, both);
      const multiple = new TEE_OperationInfoMultiple();
      assert.equal(tee.TEE_GetOperationInfoMultiple(op.value, multiple), TEE_SUCCESS);
      assert.equal(multiple.operationState, TEE_OPERATION_STATE_ACTIVE);
      const key = { keySize: 128, requiredKeyUsage: TEE_USAGE_ENCRYPT };
      assert.deepEqual(multiple.keyInformation, [key]);
      tee.TEE_ResetOperation(op.value);
      assert.deepEqual(Object.assign({}, info()), keyed);
      tee.TEE_SetOperationKey(op.value, TEE_HANDLE_NULL);
      assert.equal(info().handleState, 0);
    }));

  test('a copy has key and state, also in the middle of a block', () =>
    inTa((tee) => {
      const [key, iv] = [run(1, 16), run(0, 16)];
      const one = operation(tee, TEE_ALG_AES_CBC_NOPAD, TEE_MODE_ENCRYPT, key);
      const two = operation(tee, TEE_ALG_AES_CBC_NOPAD, TEE_MODE_ENCRYPT, run(9, 16));
      tee.TEE_CipherInit(one, iv);
      tee.TEE_CipherUpdate(one, run(0, 21), memref(new Uint8Array(16)));
      tee.TEE_CopyOperation(two, one);
      const rest = [one, two].map((op) => {
        const out = memref(new Uint8Array(32));
        assert.equal(tee.TEE_CipherDoFinal(op, run(21, 11), out), TEE_SUCCESS);
        return toHex(out.buffer!.subarray(0, out.size));
      });
      assert.equal(rest[0], rest[1]);
      assert.equal(rest[0]!.length, 32);
    }));

  test('what can be allocated', () =>
    inTa((tee) => {
      const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
      const allocate = (algorithm: number, mode: number, bits: number): number =>
        tee.TEE_AllocateOperation(op, algorithm, mode, bits);
      assert.equal(allocate(TEE_ALG_AES_ECB_NOPAD, TEE_MODE_MAC, 128), TEE_ERROR_NOT_SUPPORTED);
      assert.equal(allocate(TEE_ALG_AES_ECB_NOPAD, TEE_MODE_ENCRYPT, 100), TEE_ERROR_NOT_SUPPORTED);
      assert.equal(allocate(TEE_ALG_MD5SHA1, TEE_MODE_DIGEST, 0), TEE_ERROR_NOT_SUPPORTED);
      assert.equal(op.value, TEE_HANDLE_NULL);
      assert.equal(tee.TEE_IsAlgorithmSupported(TEE_ALG_AES_CTR, TEE_CRYPTO_ELEMENT_NONE), 0);
      const curve = tee.TEE_IsAlgorithmSupported(TEE_ALG_AES_CTR, TEE_ECC_CURVE_NIST_P256);
      assert.equal(curve, TEE_ERROR_NOT_SUPPORTED);
      const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
      assert.equal(
        tee.TEE_AllocateTransientObject(TEE_TYPE_DATA, 0, object),
        TEE_ERROR_NOT_SUPPORTED,
      );
    }));

  test('nothing stays in the core when a TA frees what it allocated', async () => {
    const world = new World();
    const ta = world.load(
      taOf(async (tee) => {
        tee.TEE_FreeOperation(operation(tee, TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, run(1, 16)));
        tee.TEE_FreeOperation(TEE_HANDLE_NULL);
        tee.TEE_FreeTransientObject(TEE_HANDLE_NULL);
        await tee.TEE_CloseObject(TEE_HANDLE_NULL);
        tee.TEE_ResetTransientObject(TEE_HANDLE_NULL);
      }),
    );
    await ta.invoke(await ta.open(), 0);
    const { crypto } = ta.syscalls;
    assert.deepEqual([crypto.objectCount, crypto.stateCount], [0, 0]);
  });
});

test('objects: info, usage, secret, copy, generation', () =>
  inTa(async (tee) => {
    const object = loadKey(tee, run(1, 16));
    const info = new TEE_ObjectInfo();
    assert.equal(tee.TEE_GetObjectInfo1(object, info), TEE_SUCCESS);
    assert.deepEqual(
      [info.objectType, info.objectSize, info.maxObjectSize],
      [TEE_TYPE_AES, 128, 128],
    );
    const secret = memref(new Uint8Array(16));
    assert.equal(tee.TEE_GetObjectBufferAttribute(object, TEE_ATTR_SECRET_VALUE, secret), 0);
    assert.equal(toHex(secret.buffer!), toHex(run(1, 16)));
    const none = memref(null);
    const short = tee.TEE_GetObjectBufferAttribute(object, TEE_ATTR_SECRET_VALUE, none);
    assert.deepEqual([short, none.size], [TEE_ERROR_SHORT_BUFFER, 16]);
    await tee.TEE_RestrictObjectUsage(object, TEE_USAGE_ENCRYPT);
    tee.TEE_GetObjectInfo(object, info);
    assert.equal(info.objectUsage, TEE_USAGE_ENCRYPT);

    const copy = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
    tee.TEE_AllocateTransientObject(TEE_TYPE_AES, 256, copy);
    tee.TEE_CopyObjectAttributes(copy.value, object);
    tee.TEE_GetObjectInfo(copy.value, info);
    assert.deepEqual([info.objectSize, info.objectUsage], [128, TEE_USAGE_ENCRYPT]);
    tee.TEE_ResetTransientObject(copy.value);
    assert.equal(tee.TEE_GenerateKey(copy.value, 256, []), TEE_SUCCESS);
    tee.TEE_GetObjectInfo(copy.value, info);
    assert.equal(info.objectSize, 256);
  }));
