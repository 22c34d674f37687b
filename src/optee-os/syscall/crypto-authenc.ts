/**
 * Authenticated encryption: what an operation does, and AES-GCM over the host's.
 *
 * Upstream counterparts: optee_os core/crypto/crypto.c (crypto_authenc_*), core/crypto/aes-gcm.c.
 * Left out: forking GCM once additional data or payload went in, since no host can copy its hash.
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
import type { HostAead, HostCrypto } from '../../host/crypto.ts';

/** What an operation is started with; lengths in bytes. */
export interface AuthencStart {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly tagLength: number;
  readonly aadLength: number;
  readonly payloadLength: number;
}

/**
 * As `struct crypto_authenc_ops`. Results are TEE_Results. `out` has room for as many bytes as
 * `source` has.
 */
export interface AuthencContext {
  readonly kind: 'authenc';
  init(start: AuthencStart): number;
  updateAad(aad: Uint8Array): number;
  updatePayload(source: Uint8Array, out: Uint8Array): number;
  /** Sets `tagSize` to the tag's length. */
  encFinal(source: Uint8Array, out: Uint8Array, tag: Uint8Array, tagSize: { size: number }): number;
  decFinal(source: Uint8Array, out: Uint8Array, tag: Uint8Array): number;
  /** A context that goes on where this one is; undefined when it cannot be. */
  fork(): AuthencContext | undefined;
}

/** Tag lengths that hosts have, in bytes. */
const GCM_TAG_LENGTHS: ReadonlySet<number> = new Set([4, 8, 12, 13, 14, 15, 16]);

/** The 32-bit counter must not come around (2^32 - 2 blocks). */
const GCM_MAX_PAYLOAD = 0xffff_fffe * TEE_AES_BLOCK_SIZE;

export class AesGcm implements AuthencContext {
  readonly kind = 'authenc';
  readonly #crypto: HostCrypto;
  /** TEE_MODE_* */
  readonly #mode: number;
  #start: AuthencStart | undefined;
  #aead: HostAead | undefined;
  #aadBytes = 0;
  #payloadBytes = 0;

  constructor(crypto: HostCrypto, mode: number) {
    this.#crypto = crypto;
    this.#mode = mode;
  }

  init(start: AuthencStart): number {
    if (start.tagLength > TEE_AES_BLOCK_SIZE) return TEE_ERROR_BAD_PARAMETERS;
    if (!GCM_TAG_LENGTHS.has(start.tagLength)) return TEE_ERROR_NOT_SUPPORTED;
    if (start.nonce.length === 0) return TEE_ERROR_NOT_SUPPORTED;
    this.#start = { ...start, key: start.key.slice(), nonce: start.nonce.slice() };
    this.#aead = this.#open(this.#start);
    this.#aadBytes = 0;
    this.#payloadBytes = 0;
    return TEE_SUCCESS;
  }

  updateAad(aad: Uint8Array): number {
    if (this.#payloadBytes > 0) return TEE_ERROR_BAD_PARAMETERS;
    if (aad.length > 0) this.#aead?.aad(aad);
    this.#aadBytes += aad.length;
    return TEE_SUCCESS;
  }

  updatePayload(source: Uint8Array, out: Uint8Array): number {
    if (this.#aead === undefined) return TEE_ERROR_BAD_STATE;
    this.#payloadBytes += source.length;
    if (this.#payloadBytes > GCM_MAX_PAYLOAD) return TEE_ERROR_BAD_PARAMETERS;
    out.set(this.#aead.update(source));
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
    this.#aead = undefined;
    return TEE_SUCCESS;
  }

  decFinal(source: Uint8Array, out: Uint8Array, tag: Uint8Array): number {
    if (tag.length !== this.#start?.tagLength) return TEE_ERROR_MAC_INVALID;
    const result = this.updatePayload(source, out);
    if (result !== TEE_SUCCESS || this.#aead === undefined) return result;
    const valid = this.#aead.verify(tag);
    this.#aead = undefined;
    return valid ? TEE_SUCCESS : TEE_ERROR_MAC_INVALID;
  }

  fork(): AesGcm | undefined {
    if (this.#aadBytes > 0 || this.#payloadBytes > 0) return undefined;
    const other = new AesGcm(this.#crypto, this.#mode);
    other.#start = this.#start;
    if (this.#start !== undefined) other.#aead = other.#open(this.#start);
    return other;
  }

  #open(start: AuthencStart): HostAead {
    const encrypt = this.#mode === TEE_MODE_ENCRYPT;
    return this.#crypto.aesGcm(encrypt, start.key, start.nonce, start.tagLength);
  }
}
