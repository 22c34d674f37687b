/**
 * CBC with a zero initialization vector over blocks that arrive in pieces, of which only the last
 * block that comes out matters: the heart of CBC-MAC, CMAC and CCM. The last block that went in,
 * whole or not, always waits, as those three pad it each in its own way.
 */
import type { HostCipher, HostCipherName, HostCrypto, HostKey } from '../../host/crypto.ts';

/** Bytes that are encrypted at a time: whole blocks. */
const PIECE = 1024;

export class CbcChain {
  readonly #crypto: HostCrypto;
  readonly #name: HostCipherName;
  readonly #key: HostKey;
  readonly #cipher: HostCipher;
  /** The block that waits, and how many bytes of it there are. */
  readonly block: Uint8Array;
  filled = 0;
  /** What came out, which nobody needs but for its end. */
  readonly #out = new Uint8Array(PIECE);
  /** The last block that came out. */
  readonly value: Uint8Array;

  /** @param value a block: where the chain starts, zero for a new one. */
  constructor(crypto: HostCrypto, name: HostCipherName, key: HostKey, value: Uint8Array) {
    this.#crypto = crypto;
    this.#name = name;
    this.#key = key;
    this.#cipher = crypto.cipher(name, true, key, value);
    this.block = new Uint8Array(value.length);
    this.value = value;
  }

  update(data: Uint8Array): void {
    const size = this.block.length;
    if (this.filled + data.length <= size) {
      this.block.set(data, this.filled);
      this.filled += data.length;
      return;
    }
    let at = 0;
    if (this.filled > 0) {
      at = size - this.filled;
      this.block.set(data.subarray(0, at), this.filled);
      this.absorb();
    }
    const waits = ((data.length - at - 1) % size) + 1;
    const end = data.length - waits;
    if (end > at) this.#take(data.subarray(at, end));
    this.block.set(data.subarray(end));
    this.filled = waits;
  }

  /** Takes in the block that waits, all of it. */
  absorb(): void {
    this.#take(this.block);
    this.filled = 0;
  }

  fork(): CbcChain {
    const other = new CbcChain(this.#crypto, this.#name, this.#key, new Uint8Array(this.value));
    other.block.set(this.block);
    other.filled = this.filled;
    return other;
  }

  #take(blocks: Uint8Array): void {
    for (let at = 0; at < blocks.length; at += PIECE) {
      const piece = blocks.subarray(at, at + PIECE);
      const result = this.#cipher.update(piece, this.#out.subarray(0, piece.length));
      this.value.set(result.subarray(-this.block.length));
    }
  }
}
