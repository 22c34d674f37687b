/**
 * AES-GCM over the host's.
 *
 * Upstream counterparts: optee_os core/crypto/crypto.c (crypto_authenc_*), core/crypto/aes-gcm.c.
 * Left out: tags that the TA library never asks for (it allows 12 to 16 bytes), nonces without any
 * bytes or with more than hosts take, forks of a message that is longer than a host keeps. After a
 * wrong tag upstream's key stream goes on, and here; that no other tag is right then is made sure.
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

/** Tag lengths that hosts have, in bytes. */
const GCM_TAG_LENGTHS: ReadonlySet<number> = new Set([4, 8, 12, 13, 14, 15, 16]);

/** Bytes that hosts take as a nonce. Source: OpenSSL (GCM_IV_MAX_SIZE). */
const GCM_MAX_NONCE = 128;

/** The 32-bit counter must not come around (2^32 - 2 blocks). */
const GCM_MAX_PAYLOAD = 0xffff_fffe * TEE_AES_BLOCK_SIZE;

/** Bytes at a time when a key stream is wound forward. */
const PIECE = 4096;
const NOTHING = new Uint8Array(0);

export class AesGcm implements AuthencContext {
  readonly kind = 'authenc';
  readonly #crypto: HostCrypto;
  /** TEE_MODE_* */
  readonly #mode: number;
  readonly #keys: KeySlot;
  /** The host's ends with a tag: undefined when the message goes on after a wrong one. */
  #aead: HostAead | undefined;
  #key: HostKey | undefined;
  /** What `#aead` was made for; it can be started anew for the same lengths. */
  #nonce = NOTHING;
  #tagLength = 0;
  #isUnderWay = false;
  /** A tag was wrong. */
  #isSpent = false;
  #payloadBytes = 0;

  constructor(crypto: HostCrypto, mode: number) {
    this.#crypto = crypto;
    this.#mode = mode;
    this.#keys = new KeySlot(crypto);
  }

  init({ key, nonce, tagLength }: AuthencStart): number {
    if (!AES.keySizes.includes(key.length)) return TEE_ERROR_BAD_PARAMETERS;
    if (tagLength > TEE_AES_BLOCK_SIZE) return TEE_ERROR_BAD_PARAMETERS;
    if (!GCM_TAG_LENGTHS.has(tagLength)) return TEE_ERROR_NOT_SUPPORTED;
    if (nonce.length === 0 || nonce.length > GCM_MAX_NONCE) return TEE_ERROR_NOT_SUPPORTED;
    this.#begin(this.#keys.get(key), nonce, tagLength);
    return TEE_SUCCESS;
  }

  updateAad(aad: Uint8Array): number {
    const aead = this.#underWay;
    if (aead === undefined) return TEE_ERROR_BAD_STATE;
    if (this.#payloadBytes > 0) return TEE_ERROR_BAD_PARAMETERS;
    if (aad.length > 0) aead.aad(aad);
    return TEE_SUCCESS;
  }

  updatePayload(source: Uint8Array, out: Uint8Array): number {
    const aead = this.#underWay;
    if (aead === undefined) return TEE_ERROR_BAD_STATE;
    if (source.length === 0) return TEE_SUCCESS;
    if (this.#payloadBytes + source.length > GCM_MAX_PAYLOAD) return TEE_ERROR_BAD_PARAMETERS;
    aead.update(source, out);
    this.#payloadBytes += source.length;
    return TEE_SUCCESS;
  }

  encFinal(
    source: Uint8Array,
    out: Uint8Array,
    tag: Uint8Array,
    tagSize: { size: number },
  ): number {
    const length = this.#isUnderWay ? this.#tagLength : 0;
    if (tagSize.size < length) return TEE_ERROR_SHORT_BUFFER;
    const aead = this.#underWay;
    const result = this.updatePayload(source, out);
    if (result !== TEE_SUCCESS || aead === undefined) return result;
    aead.tag(tag);
    tagSize.size = length;
    this.#isUnderWay = false;
    return TEE_SUCCESS;
  }

  /** OpenSSL compares tags in constant time (CRYPTO_memcmp), as upstream does. */
  decFinal(source: Uint8Array, out: Uint8Array, tag: Uint8Array): number {
    const aead = this.#underWay;
    if (aead === undefined || tag.length !== this.#tagLength) return TEE_ERROR_MAC_INVALID;
    const result = this.updatePayload(source, out);
    if (result !== TEE_SUCCESS) return result;
    if (this.#isSpent) return TEE_ERROR_MAC_INVALID;
    this.#isUnderWay = !aead.verify(tag);
    if (!this.#isUnderWay) return TEE_SUCCESS;
    this.#isSpent = true;
    this.#aead = undefined;
    return TEE_ERROR_MAC_INVALID;
  }

  fork(): AesGcm | undefined {
    const other = new AesGcm(this.#crypto, this.#mode);
    const aead = this.#underWay;
    if (aead === undefined) return other;
    other.#aead = aead.fork();
    if (other.#aead === undefined) return undefined;
    other.#key = this.#key;
    other.#nonce = this.#nonce;
    other.#tagLength = this.#tagLength;
    other.#isSpent = this.#isSpent;
    other.#payloadBytes = this.#payloadBytes;
    other.#isUnderWay = true;
    return other;
  }

  get #underWay(): HostAead | undefined {
    return this.#isUnderWay ? (this.#aead ??= this.#wound()) : undefined;
  }

  #begin(key: HostKey, nonce: Uint8Array, tagLength: number): void {
    const isSameShape = nonce.length === this.#nonce.length && tagLength === this.#tagLength;
    const aead = isSameShape ? this.#aead : undefined;
    this.#key = key;
    this.#nonce = new Uint8Array(nonce);
    this.#tagLength = tagLength;
    if (aead === undefined) this.#aead = this.#start();
    else aead.start(key, nonce);
    this.#isUnderWay = true;
    this.#isSpent = false;
    this.#payloadBytes = 0;
  }

  /** A cipher at the start of the message. */
  #start(): HostAead {
    const encrypt = this.#mode === TEE_MODE_ENCRYPT;
    return this.#crypto.aesGcm(encrypt, this.#key!, this.#nonce, this.#tagLength);
  }

  /** A cipher whose key stream stands where the message does. */
  #wound(): HostAead {
    const aead = this.#start();
    const piece = new Uint8Array(Math.min(PIECE, this.#payloadBytes));
    for (let left = this.#payloadBytes; left > 0; left -= piece.length) {
      aead.update(piece.subarray(0, left));
    }
    return aead;
  }
}
