/**
 * What goes to the core, and when, of ciphers that collect blocks: the system calls are answered by
 * the test, which writes down what it was given.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_CTS,
  TEE_ALG_AES_GCM,
  TEE_ALG_AES_XTS,
  TEE_ALG_DES_CBC_NOPAD,
  TEE_ALG_SM4_CTR,
  TEE_ERROR_SHORT_BUFFER,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  TEE_TYPE_DES,
  TEE_TYPE_SM4,
} from '../../abi/gp.ts';
import type { TaCryptoSyscalls } from '../runtime.ts';
import { key, operation } from '../testing/operations.ts';
import { World, inTa } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { memref } from './types.ts';
import type { TEE_Memref, TEE_OperationHandle } from './types.ts';

interface Kind {
  readonly name: string;
  readonly algorithm: number;
  readonly type: number;
  readonly keyBits: number;
  readonly block: number;
  /** Bytes that TEE_*Update holds back at most, of `total` that came. */
  readonly held: (total: number) => number;
  readonly twoKeys?: true;
}

const lastTwoBlocks = (total: number): number => {
  if (total <= 32) return total;
  return 16 + (total % 16 === 0 ? 16 : total % 16);
};

const CIPHERS: readonly Kind[] = [
  {
    name: 'AES CTR: nothing is held',
    algorithm: TEE_ALG_AES_CTR,
    type: TEE_TYPE_AES,
    keyBits: 128,
    block: 1,
    held: () => 0,
  },
  {
    name: 'AES CBC: part of a block',
    algorithm: TEE_ALG_AES_CBC_NOPAD,
    type: TEE_TYPE_AES,
    keyBits: 128,
    block: 16,
    held: (total) => total % 16,
  },
  {
    name: 'DES CBC: part of a block of 8',
    algorithm: TEE_ALG_DES_CBC_NOPAD,
    type: TEE_TYPE_DES,
    keyBits: 56,
    block: 8,
    held: (total) => total % 8,
  },
  {
    name: 'SM4 CTR: part of a block, unlike AES',
    algorithm: TEE_ALG_SM4_CTR,
    type: TEE_TYPE_SM4,
    keyBits: 128,
    block: 16,
    held: (total) => total % 16,
  },
  {
    name: 'AES CTS: the last two blocks',
    algorithm: TEE_ALG_AES_CTS,
    type: TEE_TYPE_AES,
    keyBits: 128,
    block: 16,
    held: lastTwoBlocks,
  },
  {
    name: 'AES XTS: the last two blocks',
    algorithm: TEE_ALG_AES_XTS,
    type: TEE_TYPE_AES,
    keyBits: 128,
    block: 16,
    held: lastTwoBlocks,
    twoKeys: true,
  },
];

/** A core that gives each byte back as it is. */
class Echo {
  readonly updates: number[] = [];
  readonly finals: number[] = [];
  readonly crypto: Partial<TaCryptoSyscalls>;

  constructor() {
    const echo =
      (sizes: number[]) =>
      (_state: number, source: Uint8Array, out: Uint8Array, size: { size: number }): number => {
        sizes.push(source.length);
        out.set(source);
        size.size = source.length;
        return TEE_SUCCESS;
      };
    const final = echo(this.finals);
    this.crypto = {
      cipherInit: () => TEE_SUCCESS,
      cipherUpdate: echo(this.updates),
      cipherFinal: final,
      authencInit: () => TEE_SUCCESS,
      authencUpdatePayload: echo(this.updates),
      authencEncFinal: (state, source, out, size) => final(state, source, out, size),
    };
  }
}

/** Feeds `data` in chunks; what came out, and how much after each chunk. */
interface Fed {
  readonly out: number[];
  readonly after: number[];
}

const sequence = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 0xff);

function feed(
  update: (chunk: Uint8Array, dest: TEE_Memref) => number,
  final: (dest: TEE_Memref) => number,
  chunks: readonly number[],
): Fed {
  const data = sequence(chunks.reduce((sum, size) => sum + size, 0));
  const out: number[] = [];
  const after: number[] = [];
  let at = 0;
  for (const size of chunks) {
    const dest = memref(new Uint8Array(data.length));
    assert.equal(update(data.subarray(at, at + size), dest), TEE_SUCCESS);
    out.push(...dest.buffer!.subarray(0, dest.size));
    after.push(out.length);
    at += size;
  }
  const dest = memref(new Uint8Array(data.length));
  assert.equal(final(dest), TEE_SUCCESS);
  out.push(...dest.buffer!.subarray(0, dest.size));
  assert.deepEqual(out, [...data], 'all of it, in its order');
  return { out, after };
}

function begun(tee: Tee, kind: Kind): TEE_OperationHandle {
  const { algorithm, type, keyBits, twoKeys } = kind;
  const op = operation(tee, algorithm, TEE_MODE_ENCRYPT, twoKeys ? 2 * keyBits : keyBits);
  if (twoKeys) tee.TEE_SetOperationKey2(op, key(tee, type, keyBits), key(tee, type, keyBits));
  else tee.TEE_SetOperationKey(op, key(tee, type, keyBits));
  tee.TEE_CipherInit(op, new Uint8Array(kind.block));
  return op;
}

const chunkSizes = fc.array(fc.nat(50), { minLength: 1, maxLength: 8 });

/** Ends on a whole block, for ciphers that demand it. */
function padded(chunks: readonly number[], block: number): number[] {
  const total = chunks.reduce((sum, size) => sum + size, 0);
  return [...chunks, Math.ceil(total / block) * block - total];
}

describe('ciphers in pieces', () => {
  for (const kind of CIPHERS) {
    test(kind.name, async () => {
      const echo = new Echo();
      await inTa(
        (tee) => {
          const op = begun(tee, kind);
          fc.assert(
            fc.property(chunkSizes, (sizes) => {
              tee.TEE_CipherInit(op, new Uint8Array(kind.block));
              const chunks = padded(sizes, kind.block);
              const { after } = feed(
                (chunk, dest) => tee.TEE_CipherUpdate(op, chunk, dest),
                (dest) => tee.TEE_CipherDoFinal(op, null, dest),
                chunks,
              );
              let total = 0;
              for (const [i, size] of chunks.entries()) {
                total += size;
                assert.equal(after[i], total - kind.held(total), `after ${total} bytes`);
              }
              return true;
            }),
            { numRuns: 200 },
          );
          assert.ok(echo.updates.every((size) => size > 0 && size % kind.block === 0));
        },
        undefined,
        new World({ crypto: echo.crypto }),
      );
    });
  }

  test('the end takes what is left in as few calls as it can', async () => {
    const echo = new Echo();
    await inTa(
      (tee) => {
        const [ctr, cbc, , , cts] = [0, 1, 2, 3, 4].map((n) => begun(tee, CIPHERS[n]!));
        for (const op of [ctr!, cbc!, cts!]) {
          tee.TEE_CipherDoFinal(op, sequence(64), memref(new Uint8Array(64)));
        }
      },
      undefined,
      new World({ crypto: echo.crypto }),
    );
    assert.deepEqual(echo.updates, [64, 32]);
    assert.deepEqual(echo.finals, [64, 0, 32]);
  });

  test('a short buffer feeds nothing', async () => {
    const echo = new Echo();
    await inTa(
      (tee) => {
        const xts = begun(tee, CIPHERS.at(-1)!);
        const dest = memref(new Uint8Array(15));
        assert.equal(tee.TEE_CipherUpdate(xts, sequence(33), dest), TEE_ERROR_SHORT_BUFFER);
        assert.equal(dest.size, 16);
        const end = memref(new Uint8Array(32));
        assert.equal(tee.TEE_CipherDoFinal(xts, sequence(33), end), TEE_ERROR_SHORT_BUFFER);
        assert.equal(end.size, 33);
      },
      undefined,
      new World({ crypto: echo.crypto }),
    );
    assert.deepEqual([echo.updates, echo.finals], [[], []]);
  });
});

describe('authenticated encryption in pieces', () => {
  for (const mode of [TEE_MODE_ENCRYPT, TEE_MODE_DECRYPT]) {
    test(`what is held counts when the end has too little room: mode ${mode}`, async () => {
      const echo = new Echo();
      await inTa(
        (tee) => {
          const op = operation(tee, TEE_ALG_AES_CCM, mode, 128);
          tee.TEE_SetOperationKey(op, key(tee, TEE_TYPE_AES, 128));
          tee.TEE_AEInit(op, new Uint8Array(12), 128, 0, 400);
          tee.TEE_AEUpdate(op, sequence(10), memref(new Uint8Array(0)));
          const tag = memref(new Uint8Array(16));
          const end = (dest: TEE_Memref): number =>
            mode === TEE_MODE_ENCRYPT
              ? tee.TEE_AEEncryptFinal(op, sequence(10), dest, tag)
              : tee.TEE_AEDecryptFinal(op, sequence(10), dest, tag.buffer!);
          const dest = memref(new Uint8Array(19));
          assert.equal(end(dest), TEE_ERROR_SHORT_BUFFER);
          assert.equal(dest.size, 20);
        },
        undefined,
        new World({ crypto: echo.crypto }),
      );
      assert.deepEqual([echo.updates, echo.finals], [[], []]);
    });
  }

  for (const [name, algorithm, block] of [
    ['CCM: part of a block is held', TEE_ALG_AES_CCM, 16],
    ['GCM: nothing is held', TEE_ALG_AES_GCM, 1],
  ] as const) {
    test(name, async () => {
      const echo = new Echo();
      await inTa(
        (tee) => {
          const op = operation(tee, algorithm, TEE_MODE_ENCRYPT, 128);
          tee.TEE_SetOperationKey(op, key(tee, TEE_TYPE_AES, 128));
          fc.assert(
            fc.property(chunkSizes, (chunks) => {
              tee.TEE_AEInit(op, new Uint8Array(12), 128, 0, 400);
              const { after } = feed(
                (chunk, dest) => tee.TEE_AEUpdate(op, chunk, dest),
                (dest) => tee.TEE_AEEncryptFinal(op, null, dest, memref(new Uint8Array(16))),
                chunks,
              );
              let total = 0;
              for (const [i, size] of chunks.entries()) {
                total += size;
                assert.equal(after[i], total - (total % block));
              }
            }),
          );
        },
        undefined,
        new World({ crypto: echo.crypto }),
      );
    });
  }
});
