/**
 * AES and SM4 in XTS mode (IEEE 1619, NIST SP 800-38E) over the host's ECB, in pieces: each goes on
 * with the tweak after the last piece's.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/xts.c and its src/modes/xts,
 * core/crypto/sm4-xts.c and sm4.c. Left out: that SM4 reads beyond its buffer when less than a block
 * comes and no assertion stops the core; TEE_ERROR_BAD_STATE as AES's then.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TEE_AES_BLOCK_SIZE as BLOCK } from '../../abi/utee-defines.ts';
import type { HostCipher } from '../../host/crypto.ts';
import { isCipherMode } from './cipher.ts';
import type { CipherMode } from './cipher.ts';
import type { CipherContext, CryptoServices } from './contexts.ts';
import { KeySlot } from './host-keys.ts';

/** 32-bit words of a block: words are little-endian, as the mode counts and as hosts keep them. */
const WORDS = BLOCK / Uint32Array.BYTES_PER_ELEMENT;
/** x^128 = x^7 + x^2 + x + 1 */
const FEEDBACK = 0x87;
const NO_IV = new Uint8Array(0);

/** A block cipher in XTS mode. */
export interface XtsMode {
  /** The cipher that blocks are encrypted with. */
  readonly ecb: CipherMode;
  /** What keys of different sizes and initialization vectors of another size than a block get. */
  readonly badSize: number;
  /** The function that asserts a block at least, when one does. */
  readonly asserts?: string;
}

export class XtsCipher implements CipherContext {
  readonly kind = 'cipher';
  readonly #services: CryptoServices;
  readonly #row: XtsMode;
  /** TEE_MODE_* */
  readonly #mode: number;
  readonly #dataKeys: KeySlot;
  readonly #tweakKeys: KeySlot;
  /** ECB has no state: forks share it. */
  #blocks: HostCipher | undefined;
  /** The next block's, encrypted. */
  readonly #tweak = new Uint32Array(WORDS);

  constructor(services: CryptoServices, row: XtsMode, mode: number) {
    const { crypto } = services;
    this.#services = services;
    this.#row = row;
    this.#mode = mode;
    this.#dataKeys = new KeySlot(crypto);
    this.#tweakKeys = new KeySlot(crypto);
  }

  init(key1: Uint8Array, key2: Uint8Array | undefined, iv: Uint8Array): number {
    const { ecb, badSize } = this.#row;
    if (!isCipherMode(this.#mode)) return TEE_ERROR_BAD_PARAMETERS;
    if (key2 === undefined || key1.length !== key2.length || iv.length !== BLOCK) return badSize;
    if (!ecb.block.keySizes.includes(key1.length)) return TEE_ERROR_BAD_STATE;
    const { crypto } = this.#services;
    const encrypt = this.#mode === TEE_MODE_ENCRYPT;
    this.#blocks = crypto.cipher(ecb.host, encrypt, this.#dataKeys.get(key1), NO_IV);
    const tweaks = crypto.cipher(ecb.host, true, this.#tweakKeys.get(key2), NO_IV);
    new Uint8Array(this.#tweak.buffer).set(tweaks.update(iv));
    return TEE_SUCCESS;
  }

  update(source: Uint8Array, out: Uint8Array, last: boolean): number {
    const rest = source.length % BLOCK;
    if (rest > 0 && !last) return TEE_ERROR_BAD_PARAMETERS;
    if (this.#blocks === undefined) return TEE_ERROR_BAD_STATE;
    if (source.length < BLOCK) return this.#refuse();
    const data = new Uint8Array(source);
    const whole = rest === 0 ? data.length : data.length - BLOCK - rest;
    this.#crypt(this.#blocks, data.subarray(0, whole), this.#tweaks(whole / BLOCK));
    if (rest > 0) this.#steal(this.#blocks, data.subarray(whole));
    out.set(data);
    return TEE_SUCCESS;
  }

  fork(): XtsCipher {
    const other = new XtsCipher(this.#services, this.#row, this.#mode);
    other.#blocks = this.#blocks;
    other.#tweak.set(this.#tweak);
    return other;
  }

  /** @throws the core's panic where upstream asserts @returns TEE_ERROR_BAD_STATE */
  #refuse(): number {
    const { asserts } = this.#row;
    const { assertion } = this.#services;
    if (asserts !== undefined && assertion !== undefined) throw assertion(asserts, 'len >= 16');
    return TEE_ERROR_BAD_STATE;
  }

  /** The tweaks of as many blocks as come next. */
  #tweaks(blocks: number): Uint32Array {
    const tweaks = new Uint32Array(blocks * WORDS);
    const next = this.#tweak;
    for (let at = 0; at < tweaks.length; at += WORDS) {
      tweaks.set(next, at);
      double(next);
    }
    return tweaks;
  }

  /** XOR, encrypt or decrypt, XOR: in place. */
  #crypt(cipher: HostCipher, data: Uint8Array, tweaks: Uint32Array): void {
    if (data.length === 0) return;
    const words = new Uint32Array(data.buffer, data.byteOffset, tweaks.length);
    for (let i = 0; i < words.length; i++) words[i]! ^= tweaks[i]!;
    cipher.update(data, data);
    for (let i = 0; i < words.length; i++) words[i]! ^= tweaks[i]!;
  }

  /** The last block, which is whole, and what comes after it; a decryption takes tweaks crosswise. */
  #steal(cipher: HostCipher, data: Uint8Array): void {
    const tweaks = this.#tweaks(2);
    const [early, late] = [tweaks.subarray(0, WORDS), tweaks.subarray(WORDS)];
    const [first, second] = this.#mode === TEE_MODE_ENCRYPT ? [early, late] : [late, early];
    const block = data.subarray(0, BLOCK);
    const rest = data.subarray(BLOCK);
    this.#crypt(cipher, block, first);
    const stolen = block.slice(0, rest.length);
    block.set(rest);
    rest.set(stolen);
    this.#crypt(cipher, block, second);
  }
}

/** Multiplies by x in GF(2^128), in place. */
function double(tweak: Uint32Array): void {
  let carry = (tweak[WORDS - 1]! >>> 31) * FEEDBACK;
  for (let i = 0; i < WORDS; i++) {
    const word = tweak[i]!;
    tweak[i] = (word << 1) ^ carry;
    carry = word >>> 31;
  }
}
