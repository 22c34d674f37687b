/**
 * AES-CCM in pieces (NIST SP 800-38C): counter mode for the payload, CBC-MAC for the tag. Hosts
 * want CCM's payload in one piece, TEE_AEUpdate does not; so this is a thin layer over the host's
 * AES modes.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/ccm.c and its src/encauth/ccm, whose error
 * codes and whose way to fit nonce and length field these are.
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
import { TEE_AES_BLOCK_SIZE, TEE_AES_MAX_KEY_SIZE } from '../../abi/utee-defines.ts';
import type { HostCipher, HostCrypto } from '../../host/crypto.ts';
import type { AuthencContext, AuthencStart } from './crypto-authenc.ts';
import { ctrAt } from './crypto-cipher.ts';

/* Source: core/lib/libtomcrypt/ccm.c, OP-TEE OS 4.10. */
const TEE_CCM_NONCE_MAX_LENGTH = 13;
const TEE_CCM_TAG_MAX_LENGTH = 16;

const INT_MAX = 0x7fffffff;
/** From here on the length of the additional data takes six bytes (SP 800-38C, A.2.2). */
const LONG_AAD = 0x10000 - 0x100;

/** CBC-MAC over blocks that arrive in pieces; a last piece is filled up with zeroes. */
class CbcMac {
  readonly #crypto: HostCrypto;
  readonly #key: Uint8Array;
  readonly #block = new Uint8Array(TEE_AES_BLOCK_SIZE);
  #filled = 0;
  #last: Uint8Array = new Uint8Array(TEE_AES_BLOCK_SIZE);
  #cipher: HostCipher;

  constructor(crypto: HostCrypto, key: Uint8Array, last = new Uint8Array(TEE_AES_BLOCK_SIZE)) {
    this.#crypto = crypto;
    this.#key = key;
    this.#last.set(last);
    this.#cipher = crypto.aes('cbc', true, key, this.#last);
  }

  update(data: Uint8Array): void {
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(TEE_AES_BLOCK_SIZE - this.#filled, data.length);
      this.#block.set(data.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < TEE_AES_BLOCK_SIZE) return;
      this.#absorb(this.#block);
    }
    const whole = data.length - ((data.length - at) % TEE_AES_BLOCK_SIZE);
    if (whole > at) this.#absorb(data.subarray(at, whole));
    this.#block.set(data.subarray(whole));
    this.#filled = data.length - whole;
  }

  /** Ends the current part: what follows starts a new block. */
  pad(): void {
    if (this.#filled === 0) return;
    this.#block.fill(0, this.#filled);
    this.#absorb(this.#block);
    this.#filled = 0;
  }

  /** The value so far, after `pad`. */
  get value(): Uint8Array {
    return this.#last;
  }

  fork(): CbcMac {
    const other = new CbcMac(this.#crypto, this.#key, this.#last.slice());
    other.#block.set(this.#block);
    other.#filled = this.#filled;
    return other;
  }

  #absorb(blocks: Uint8Array): void {
    this.#last = this.#cipher.update(blocks).subarray(-TEE_AES_BLOCK_SIZE);
  }
}

/** One message under way. */
class CcmMessage {
  readonly start: AuthencStart;
  readonly mac: CbcMac;
  readonly stream: HostCipher;
  aadBytes = 0;
  payloadBytes = 0;

  constructor(start: AuthencStart, mac: CbcMac, stream: HostCipher) {
    this.start = start;
    this.mac = mac;
    this.stream = stream;
  }
}

export class AesCcm implements AuthencContext {
  readonly kind = 'authenc';
  readonly #crypto: HostCrypto;
  /** TEE_MODE_* */
  readonly #mode: number;
  #message: CcmMessage | undefined;

  constructor(crypto: HostCrypto, mode: number) {
    this.#crypto = crypto;
    this.#mode = mode;
  }

  init(start: AuthencStart): number {
    const { key, nonce, tagLength, aadLength, payloadLength } = start;
    if (key.length > TEE_AES_MAX_KEY_SIZE) return TEE_ERROR_BAD_PARAMETERS;
    if (nonce.length > TEE_CCM_NONCE_MAX_LENGTH) return TEE_ERROR_BAD_PARAMETERS;
    if (payloadLength > INT_MAX || aadLength > INT_MAX) return TEE_ERROR_BAD_PARAMETERS;
    if (tagLength < 4 || tagLength > TEE_CCM_TAG_MAX_LENGTH || tagLength % 2 !== 0) {
      return TEE_ERROR_NOT_SUPPORTED;
    }
    if (lengthFieldBytes(start) > 8) return TEE_ERROR_BAD_STATE;
    const copy = { ...start, key: key.slice(), nonce: nonce.slice() };
    const mac = new CbcMac(this.#crypto, copy.key);
    mac.update(firstBlock(copy));
    mac.update(aadLengthField(aadLength));
    const stream = ctrAt(this.#crypto, copy.key, counterBlock(copy), TEE_AES_BLOCK_SIZE);
    this.#message = new CcmMessage(copy, mac, stream);
    return TEE_SUCCESS;
  }

  updateAad(aad: Uint8Array): number {
    const message = this.#message;
    if (message === undefined) return TEE_ERROR_BAD_STATE;
    if (message.aadBytes + aad.length > message.start.aadLength) return TEE_ERROR_BAD_STATE;
    message.aadBytes += aad.length;
    message.mac.update(aad);
    if (message.aadBytes === message.start.aadLength) message.mac.pad();
    return TEE_SUCCESS;
  }

  updatePayload(source: Uint8Array, out: Uint8Array): number {
    const message = this.#message;
    if (message === undefined) return TEE_ERROR_BAD_STATE;
    const { start } = message;
    if (message.aadBytes !== start.aadLength) return TEE_ERROR_BAD_STATE;
    if (message.payloadBytes + source.length > start.payloadLength) return TEE_ERROR_BAD_STATE;
    message.payloadBytes += source.length;
    // Source and out may be shared with the normal world: each byte is read once, into a copy.
    const given = source.slice();
    const result = message.stream.update(given);
    message.mac.update(this.#mode === TEE_MODE_ENCRYPT ? given : result);
    out.set(result);
    return TEE_SUCCESS;
  }

  encFinal(
    source: Uint8Array,
    out: Uint8Array,
    tag: Uint8Array,
    tagSize: { size: number },
  ): number {
    const result = this.updatePayload(source, out);
    if (result !== TEE_SUCCESS) return result;
    const length = this.#message?.start.tagLength ?? 0;
    const room = tagSize.size;
    tagSize.size = length;
    if (room < length) return TEE_ERROR_SHORT_BUFFER;
    const made = this.#finish();
    if (made === undefined) return TEE_ERROR_BAD_STATE;
    tag.set(made.subarray(0, length));
    return TEE_SUCCESS;
  }

  decFinal(source: Uint8Array, out: Uint8Array, tag: Uint8Array): number {
    if (tag.length === 0) return TEE_ERROR_SHORT_BUFFER;
    if (tag.length > TEE_CCM_TAG_MAX_LENGTH) return TEE_ERROR_BAD_STATE;
    const result = this.updatePayload(source, out);
    if (result !== TEE_SUCCESS) return result;
    const made = this.#finish();
    if (made === undefined) return TEE_ERROR_BAD_STATE;
    return tag.every((byte, i) => byte === made[i]) ? TEE_SUCCESS : TEE_ERROR_MAC_INVALID;
  }

  fork(): AesCcm {
    const other = new AesCcm(this.#crypto, this.#mode);
    const message = this.#message;
    if (message === undefined) return other;
    const { start, payloadBytes } = message;
    const at = TEE_AES_BLOCK_SIZE + payloadBytes;
    const stream = ctrAt(this.#crypto, start.key, counterBlock(start), at);
    other.#message = new CcmMessage(start, message.mac.fork(), stream);
    other.#message.aadBytes = message.aadBytes;
    other.#message.payloadBytes = payloadBytes;
    return other;
  }

  /** The whole tag; undefined while payload is missing. */
  #finish(): Uint8Array | undefined {
    const message = this.#message;
    if (message === undefined) return undefined;
    const { start, mac } = message;
    if (message.payloadBytes !== start.payloadLength) return undefined;
    mac.pad();
    this.#message = undefined;
    return ctrAt(this.#crypto, start.key, counterBlock(start), 0).update(mac.value);
  }
}

/** Bytes of the payload's length in the first block; what the nonce leaves, and two at least. */
function lengthFieldBytes(start: AuthencStart): number {
  const needed = Math.ceil(Math.log2(start.payloadLength + 1) / 8);
  return Math.max(needed, 2, TEE_AES_BLOCK_SIZE - 1 - start.nonce.length);
}

/** Flags, nonce and a number in what is left: the shape of B0 and of the counter blocks. */
function block(start: AuthencStart, flags: number, number: number): Uint8Array {
  const fieldBytes = lengthFieldBytes(start);
  const bytes = new Uint8Array(TEE_AES_BLOCK_SIZE);
  bytes[0] = flags | (fieldBytes - 1);
  bytes.set(start.nonce.subarray(0, TEE_AES_BLOCK_SIZE - 1 - fieldBytes), 1);
  new DataView(bytes.buffer).setUint16(TEE_AES_BLOCK_SIZE - 2, number & 0xffff);
  if (fieldBytes > 2) bytes[13] = (number >>> 16) & 0xff;
  if (fieldBytes > 3) bytes[12] = number >>> 24;
  return bytes;
}

const counterBlock = (start: AuthencStart): Uint8Array => block(start, 0, 0);

/** B0 (SP 800-38C, A.2.1). */
function firstBlock(start: AuthencStart): Uint8Array {
  const hasAad = start.aadLength > 0 ? 1 << 6 : 0;
  return block(start, hasAad | (((start.tagLength - 2) / 2) << 3), start.payloadLength);
}

/** SP 800-38C, A.2.2. */
function aadLengthField(length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0);
  if (length < LONG_AAD) return Uint8Array.of(length >>> 8, length);
  return Uint8Array.of(0xff, 0xfe, length >>> 24, length >>> 16, length >>> 8, length);
}
