/**
 * Ciphers over node:crypto. They are streaming and unpadded, so that they keep their chaining state.
 * What they return is a fresh buffer; where that was only a station on the way, its memory is given
 * back at once, as garbage that waits for a collector costs more than the cipher. They cannot be
 * copied while they are under way, so a fork is started where its origin is: after its last block,
 * counter, or, under GCM, with all that it has had once more.
 */
import type { CipherGCM, DecipherGCM } from 'node:crypto';
import { AEAD_FORK_LIMIT } from '../crypto.ts';
import type { HostAead, HostCipher, HostCipherName, HostKeyOrBytes } from '../crypto.ts';
import { placed } from './crypto-digest.ts';
import { Pieces } from './pieces.ts';

/** A cipher of node:crypto. */
export interface Transform {
  update(data: Uint8Array): Uint8Array<ArrayBuffer>;
}

/** One of its authenticated ciphers: an encryption has a tag, a decryption takes one. */
export type GcmCipher = CipherGCM | DecipherGCM;

/** Bytes of a result from which on giving its memory back pays. */
const LEAST_RELEASED = 16 * 1024;

function release({ buffer, byteLength }: Uint8Array<ArrayBuffer>): void {
  const isWhole = byteLength === buffer.byteLength;
  if (isWhole && byteLength >= LEAST_RELEASED) buffer.transfer(0);
}

/** What a fork starts with: nothing, the last ciphertext block, or the counter. */
type Chaining = 'none' | 'output' | 'input' | 'counter';

export function chainingOf(name: HostCipherName, encrypt: boolean): Chaining {
  if (name.endsWith('ecb')) return 'none';
  if (name.endsWith('ctr')) return 'counter';
  return encrypt ? 'output' : 'input';
}

export class NodeCipher implements HostCipher {
  readonly #open: (key: HostKeyOrBytes, iv: Uint8Array) => Transform;
  readonly #chaining: Chaining;
  #key: HostKeyOrBytes;
  /** The last ciphertext block, or the first counter. */
  #chain: Uint8Array;
  #bytes = 0;
  #cipher: Transform;

  constructor(
    open: (key: HostKeyOrBytes, iv: Uint8Array) => Transform,
    chaining: Chaining,
    key: HostKeyOrBytes,
    iv: Uint8Array,
  ) {
    this.#open = open;
    this.#chaining = chaining;
    this.#key = key;
    this.#chain = new Uint8Array(iv);
    this.#cipher = open(key, iv);
  }

  start(key: HostKeyOrBytes, iv: Uint8Array): void {
    this.#key = key;
    this.#chain = new Uint8Array(iv);
    this.#bytes = 0;
    this.#cipher = this.#open(key, iv);
  }

  update(data: Uint8Array, out?: Uint8Array): Uint8Array {
    // Data and out may be the same memory: the data's end is read before anything is written.
    if (this.#chaining === 'input') this.#chainOn(data);
    const result = this.#cipher.update(data);
    if (this.#chaining === 'output') this.#chainOn(result);
    this.#bytes += data.length;
    if (out === undefined) return result;
    out.set(result);
    release(result);
    return out;
  }

  fork(): NodeCipher {
    const isCounter = this.#chaining === 'counter';
    const rest = isCounter ? this.#bytes % this.#chain.length : 0;
    const blocks = isCounter ? (this.#bytes - rest) / this.#chain.length : 0;
    const start = addToCounter(this.#chain, blocks);
    const other = new NodeCipher(this.#open, this.#chaining, this.#key, start);
    if (rest > 0) other.update(new Uint8Array(rest));
    return other;
  }

  #chainOn(ciphertext: Uint8Array): void {
    const size = this.#chain.length;
    if (ciphertext.length > 0) this.#chain.set(ciphertext.subarray(-size));
  }
}

/** `counter + n`, as big-endian numbers of as many bits as the counter has. */
function addToCounter(counter: Uint8Array, n: number): Uint8Array {
  const sum = new Uint8Array(counter);
  let carry = n;
  for (let i = sum.length - 1; i >= 0 && carry > 0; i--) {
    carry += sum[i]!;
    sum[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return sum;
}

/** Opens a cipher, or the one of the opposite direction. */
type OpenGcm = (key: HostKeyOrBytes, nonce: Uint8Array, opposite: boolean) => GcmCipher;

/** Keeps additional data as it came, payload as it went out, which the opposite direction undoes. */
export class NodeGcm implements HostAead {
  readonly #open: OpenGcm;
  readonly #aad = new Pieces(release);
  readonly #results = new Pieces(release);
  #key: HostKeyOrBytes;
  #nonce: Uint8Array;
  #cipher: GcmCipher;
  #bytes = 0;

  constructor(open: OpenGcm, key: HostKeyOrBytes, nonce: Uint8Array) {
    this.#open = open;
    this.#key = key;
    this.#nonce = new Uint8Array(nonce);
    this.#cipher = open(key, nonce, false);
  }

  start(key: HostKeyOrBytes, nonce: Uint8Array): void {
    this.#key = key;
    this.#nonce = new Uint8Array(nonce);
    this.#cipher = this.#open(key, nonce, false);
    this.#bytes = 0;
    this.#forget();
  }

  aad(data: Uint8Array): void {
    this.#bytes += data.length;
    this.#cipher.setAAD(this.#keeps ? this.#aad.copy(data) : data);
  }

  update(data: Uint8Array, out?: Uint8Array): Uint8Array {
    const result = this.#cipher.update(data);
    this.#bytes += data.length;
    if (!this.#keeps) this.#forget();
    if (out === undefined) {
      if (this.#keeps) this.#results.keep(new Uint8Array(result));
      return result;
    }
    out.set(result);
    if (this.#keeps) this.#results.keep(result);
    else release(result);
    return out;
  }

  tag(out?: Uint8Array): Uint8Array {
    if (!('getAuthTag' in this.#cipher)) throw new Error('a decryption makes no tag');
    this.#cipher.final();
    this.#forget();
    return placed(this.#cipher.getAuthTag(), out);
  }

  verify(tag: Uint8Array): boolean {
    if (!('setAuthTag' in this.#cipher)) throw new Error('an encryption has no tag to verify');
    this.#forget();
    this.#cipher.setAuthTag(tag);
    try {
      this.#cipher.final();
      return true;
    } catch {
      return false;
    }
  }

  fork(): NodeGcm | undefined {
    if (!this.#keeps) return undefined;
    const other = new NodeGcm(this.#open, this.#key, this.#nonce);
    for (const piece of this.#aad.all) other.aad(piece);
    const back = this.#open(this.#key, this.#nonce, true);
    for (const piece of this.#results.all) {
      const source = back.update(piece);
      other.update(source, source);
    }
    return other;
  }

  /** Whether all was kept that a fork needs. */
  get #keeps(): boolean {
    return this.#bytes <= AEAD_FORK_LIMIT;
  }

  #forget(): void {
    this.#aad.clear();
    this.#results.clear();
  }
}
