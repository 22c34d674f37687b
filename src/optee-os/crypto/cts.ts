/**
 * AES in CBC mode with ciphertext stealing, in the form that always swaps the last two blocks
 * (CBC-CS3 in the addendum to NIST SP 800-38A), over ECB and CBC.
 *
 * Upstream counterpart: optee_os core/crypto/aes-cts.c. Left out: that upstream decrypts the last
 * block wrongly when source and destination are the same memory.
 */
import { TEE_ERROR_BAD_STATE, TEE_MODE_ENCRYPT, TEE_SUCCESS } from '../../abi/gp.ts';
import { TEE_AES_BLOCK_SIZE as BLOCK } from '../../abi/utee-defines.ts';
import type { ChainedCipher } from './cipher.ts';
import type { CipherContext } from './contexts.ts';

export class AesCts implements CipherContext {
  readonly kind = 'cipher';
  /** TEE_MODE_* */
  readonly #mode: number;
  readonly #ecb: ChainedCipher;
  readonly #cbc: ChainedCipher;

  /** @param ecb of AES, as `cbc` */
  constructor(mode: number, ecb: ChainedCipher, cbc: ChainedCipher) {
    this.#mode = mode;
    this.#ecb = ecb;
    this.#cbc = cbc;
  }

  init(key: Uint8Array, key2: Uint8Array | undefined, iv: Uint8Array): number {
    const result = this.#ecb.init(key, key2, iv);
    return result === TEE_SUCCESS ? this.#cbc.init(key, key2, iv) : result;
  }

  update(source: Uint8Array, out: Uint8Array, last: boolean): number {
    if (!last) return this.#cbc.update(source, out, last);
    const blocks = Math.ceil(source.length / BLOCK);
    if (blocks < 2) return TEE_ERROR_BAD_STATE;
    const padded = new Uint8Array(blocks * BLOCK);
    padded.set(source);
    const result =
      this.#mode === TEE_MODE_ENCRYPT
        ? this.#encrypt(padded)
        : this.#decrypt(padded, source.length - (blocks - 1) * BLOCK);
    if (result === TEE_SUCCESS) out.set(padded.subarray(0, source.length));
    return result;
  }

  fork(): AesCts {
    return new AesCts(this.#mode, this.#ecb.fork(), this.#cbc.fork());
  }

  /** Leaves what is too much at the end. */
  #encrypt(blocks: Uint8Array): number {
    const result = this.#cbc.update(blocks, blocks, false);
    swapLast(blocks);
    return result;
  }

  /** @param rest bytes that there are of the last block, which was encrypted before the one ahead. */
  #decrypt(blocks: Uint8Array, rest: number): number {
    const ahead = blocks.slice(-2 * BLOCK, -BLOCK);
    const stolen = new Uint8Array(BLOCK);
    const result = this.#ecb.update(ahead, stolen, false);
    if (result !== TEE_SUCCESS) return result;
    blocks.set(stolen.subarray(rest), blocks.length - BLOCK + rest);
    swapLast(blocks);
    return this.#cbc.update(blocks, blocks, false);
  }
}

function swapLast(blocks: Uint8Array): void {
  const ahead = blocks.slice(-2 * BLOCK, -BLOCK);
  blocks.copyWithin(blocks.length - 2 * BLOCK, blocks.length - BLOCK);
  blocks.set(ahead, blocks.length - BLOCK);
}
