/**
 * AES-GCM over the host's. A host cannot copy a cipher that is under way, so a fork is given once
 * more what its origin had; that is kept up to a limit: additional data as it came, payload as it
 * went out, which the opposite direction turns back.
 *
 * Upstream counterparts: optee_os core/crypto/crypto.c (crypto_authenc_*), core/crypto/aes-gcm.c.
 * Left out: tags that the TA library never asks for (it allows 12 to 16 bytes), nonces without any
 * bytes or with more than hosts take, forks beyond the limit.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_MAC_INVALID,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TEE_AES_BLOCK_SIZE } from '../../abi/utee-defines.ts';
import type { HostAead, HostCrypto, HostKey } from '../../host/crypto.ts';
import { AES } from './cipher.ts';
import type { AuthencContext, AuthencStart } from './contexts.ts';
import { KeySlot } from './host-keys.ts';
import { Pieces } from './pieces.ts';

/** Tag lengths that hosts have, in bytes. */
const GCM_TAG_LENGTHS: ReadonlySet<number> = new Set([4, 8, 12, 13, 14, 15, 16]);

/** Bytes that hosts take as a nonce. Source: OpenSSL (GCM_IV_MAX_SIZE). */
const GCM_MAX_NONCE = 128;

/** Bytes of additional data and payload that are kept for forks. */
export const GCM_FORK_LIMIT = 0x10_0000;

/** The 32-bit counter must not come around (2^32 - 2 blocks). */
const GCM_MAX_PAYLOAD = 0xffff_fffe * TEE_AES_BLOCK_SIZE;

interface GcmStart {
  readonly key: HostKey;
  readonly nonce: Uint8Array;
  readonly tagLength: number;
}

export class AesGcm implements AuthencContext {
  readonly kind = 'authenc';
  readonly #crypto: HostCrypto;
  /** TEE_MODE_* */
  readonly #mode: number;
  readonly #keys: KeySlot;
  readonly #aad: Pieces;
  readonly #results: Pieces;
  #start: GcmStart | undefined;
  #aead: HostAead | undefined;
  #aadBytes = 0;
  #payloadBytes = 0;

  constructor(crypto: HostCrypto, mode: number) {
    this.#crypto = crypto;
    this.#mode = mode;
    this.#keys = new KeySlot(crypto);
    const release = (piece: Uint8Array): void => crypto.release(piece);
    this.#aad = new Pieces(release);
    this.#results = new Pieces(release);
  }

  init({ key, nonce, tagLength }: AuthencStart): number {
    if (!AES.keySizes.includes(key.length)) return TEE_ERROR_BAD_PARAMETERS;
    if (tagLength > TEE_AES_BLOCK_SIZE) return TEE_ERROR_BAD_PARAMETERS;
    if (!GCM_TAG_LENGTHS.has(tagLength)) return TEE_ERROR_NOT_SUPPORTED;
    if (nonce.length === 0 || nonce.length > GCM_MAX_NONCE) return TEE_ERROR_NOT_SUPPORTED;
    this.#begin({ key: this.#keys.get(key), nonce: new Uint8Array(nonce), tagLength });
    return TEE_SUCCESS;
  }

  updateAad(aad: Uint8Array): number {
    if (this.#aead === undefined) return TEE_ERROR_BAD_STATE;
    if (this.#payloadBytes > 0) return TEE_ERROR_BAD_PARAMETERS;
    if (aad.length === 0) return TEE_SUCCESS;
    this.#aadBytes += aad.length;
    this.#aead.aad(this.#forks ? this.#aad.copy(aad) : aad);
    return TEE_SUCCESS;
  }

  updatePayload(source: Uint8Array, out: Uint8Array): number {
    if (this.#aead === undefined) return TEE_ERROR_BAD_STATE;
    if (source.length === 0) return TEE_SUCCESS;
    if (this.#payloadBytes + source.length > GCM_MAX_PAYLOAD) return TEE_ERROR_BAD_PARAMETERS;
    const result = this.#aead.update(source);
    out.set(result);
    this.#payloadBytes += source.length;
    if (this.#forks) {
      this.#results.keep(result);
    } else {
      this.#forget();
      this.#crypto.release(result);
    }
    return TEE_SUCCESS;
  }

  encFinal(
    source: Uint8Array,
    out: Uint8Array,
    tag: Uint8Array,
    tagSize: { size: number },
  ): number {
    const length = this.#start?.tagLength ?? 0;
    if (tagSize.size < length) return TEE_ERROR_SHORT_BUFFER;
    const result = this.updatePayload(source, out);
    if (result !== TEE_SUCCESS || this.#aead === undefined) return result;
    tag.set(this.#aead.tag());
    tagSize.size = length;
    this.#end();
    return TEE_SUCCESS;
  }

  /** OpenSSL compares tags in constant time (CRYPTO_memcmp), as upstream does. */
  decFinal(source: Uint8Array, out: Uint8Array, tag: Uint8Array): number {
    if (tag.length !== this.#start?.tagLength) return TEE_ERROR_MAC_INVALID;
    const result = this.updatePayload(source, out);
    if (result !== TEE_SUCCESS || this.#aead === undefined) return result;
    const valid = this.#aead.verify(tag);
    this.#end();
    return valid ? TEE_SUCCESS : TEE_ERROR_MAC_INVALID;
  }

  fork(): AesGcm | undefined {
    const other = new AesGcm(this.#crypto, this.#mode);
    if (this.#start === undefined || this.#aead === undefined) return other;
    if (!this.#forks) return undefined;
    other.#begin(this.#start);
    for (const piece of this.#aad.all) other.updateAad(piece);
    const back = this.#open(this.#start, this.#mode !== TEE_MODE_ENCRYPT);
    for (const piece of this.#results.all) {
      const source = back.update(piece);
      other.updatePayload(source, source);
    }
    return other;
  }

  /** Whether all was kept that a fork needs. */
  get #forks(): boolean {
    return this.#aadBytes + this.#payloadBytes <= GCM_FORK_LIMIT;
  }

  #begin(start: GcmStart): void {
    this.#start = start;
    this.#aead = this.#open(start, this.#mode === TEE_MODE_ENCRYPT);
    this.#forget();
    this.#aadBytes = 0;
    this.#payloadBytes = 0;
  }

  #open({ key, nonce, tagLength }: GcmStart, encrypt: boolean): HostAead {
    return this.#crypto.aesGcm(encrypt, key, nonce, tagLength);
  }

  #end(): void {
    this.#aead = undefined;
    this.#forget();
  }

  #forget(): void {
    this.#aad.clear();
    this.#results.clear();
  }
}
