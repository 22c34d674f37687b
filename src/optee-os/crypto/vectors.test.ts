import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TEE_ALG, TEE_MODE_DECRYPT, TEE_MODE_ENCRYPT } from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { SYMMETRIC_ALGORITHMS } from './symmetric.ts';
import { SYMMETRIC_VECTORS } from './testing/all-vectors.ts';
import { AUTHENC_VECTORS } from './testing/authenc-vectors.ts';
import { CIPHER_VECTORS } from './testing/cipher-vectors.ts';
import { DIGEST_VECTORS } from './testing/digest-vectors.ts';
import { WHOLE, authenc, crypt, digestOf, eachSource, macOf, ok, result } from './testing/drive.ts';
import { MAC_VECTORS } from './testing/mac-vectors.ts';
import { hex, toHex } from './testing/vector.ts';

/** Whole, in odd pieces, and by a chain of forks. */
const PIECES = [WHOLE, [1], [3, 17, 64], [5, 0, 16, 0, 1]] as const;
/** The same for ciphers that want whole blocks. */
const BLOCKS = [WHOLE, [16], [48, 16], [16, 0, 32, 0]] as const;

describe('digests', () => {
  eachSource(DIGEST_VECTORS, ({ algorithm, data, out }) => {
    for (const pieces of PIECES) {
      assert.equal(toHex(digestOf(algorithm, hex(data), out.length / 2, pieces)), out);
    }
  });
});

describe('MACs', () => {
  eachSource(MAC_VECTORS, ({ algorithm, key, data, out, valid }) => {
    for (const pieces of PIECES) {
      assert.equal(toHex(macOf(algorithm, hex(key), hex(data), pieces)) === out, valid, out);
    }
  });
});

describe('ciphers, both ways', () => {
  eachSource(CIPHER_VECTORS, (v) => {
    for (const pieces of BLOCKS) {
      assert.equal(toHex(crypt(v, TEE_MODE_ENCRYPT, pieces)), v.cipher);
      assert.equal(toHex(crypt(v, TEE_MODE_DECRYPT, pieces)), v.plain);
    }
  });
});

describe('authenticated encryption, both ways', () => {
  eachSource(AUTHENC_VECTORS, (v) => {
    for (const pieces of PIECES) {
      const sealed = authenc(v, TEE_MODE_ENCRYPT, pieces);
      ok(sealed.code);
      assert.equal(toHex(sealed.out), v.cipher);
      assert.equal(toHex(sealed.tag) === v.tag, v.valid);
      const opened = authenc(v, TEE_MODE_DECRYPT, pieces);
      assert.equal(result(opened.code), v.valid ? 'TEE_SUCCESS' : 'MAC_INVALID');
      if (v.valid) assert.equal(toHex(opened.out), v.plain);
    }
  });
});

test('there is a vector for every algorithm', () => {
  const tested = new Set(SYMMETRIC_VECTORS.map(({ algorithm }) => algorithm));
  const untested = SYMMETRIC_ALGORITHMS.filter(({ id }) => !tested.has(id));
  assert.deepEqual(
    untested.map(({ id }) => codeName(TEE_ALG, id)),
    [],
  );
});
