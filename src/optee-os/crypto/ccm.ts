/**
 * AES-CCM in pieces (NIST SP 800-38C): counter mode for the payload, CBC-MAC for the tag. Hosts
 * want CCM's payload in one piece, TEE_AEUpdate does not; so this is a thin layer over the host's
 * AES modes. A message goes on after its tag, as upstream's does: another one can be made of it.
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
import type { HostCipher, HostCrypto, HostKey } from '../../host/crypto.ts';
import { CbcChain } from './cbc-chain.ts';
import { AES } from './cipher.ts';
import type { AuthencContext, AuthencStart } from './contexts.ts';
import { KeySlot } from './host-keys.ts';

/* Source: core/lib/libtomcrypt/ccm.c, OP-TEE OS 4.10. */
const TEE_CCM_NONCE_MAX_LENGTH = 13;
const TEE_CCM_TAG_MAX_LENGTH = 16;

const INT_MAX = 0x7fffffff;
/** From here on the length of the additional data takes six bytes (SP 800-38C, A.2.2). */
const LONG_AAD = 0x10000 - 0x100;

/** One message under way. */
class CcmMessage {
  readonly start: AuthencStart;
  readonly key: HostKey;
  readonly mac: CbcChain;
  readonly stream: HostCipher;
  aadBytes = 0;
  payloadBytes = 0;

  constructor(start: AuthencStart, key: HostKey, mac: CbcChain, stream: HostCipher) {
    this.start = start;
    this.key = key;
    this.mac = mac;
    this.stream = stream;
  }
}

export class AesCcm implements AuthencContext {
  readonly kind = 'authenc';
  readonly #crypto: HostCrypto;
  /** TEE_MODE_* */
  readonly #mode: number;
  readonly #keys: KeySlot;
  #message: CcmMessage | undefined;

  constructor(crypto: HostCrypto, mode: number) {
    this.#crypto = crypto;
    this.#mode = mode;
    this.#keys = new KeySlot(crypto);
  }

  init(start: AuthencStart): number {
    const { key: bytes, nonce, tagLength, aadLength, payloadLength } = start;
    if (bytes.length > TEE_AES_MAX_KEY_SIZE) return TEE_ERROR_BAD_PARAMETERS;
    if (nonce.length > TEE_CCM_NONCE_MAX_LENGTH) return TEE_ERROR_BAD_PARAMETERS;
    if (payloadLength > INT_MAX || aadLength > INT_MAX) return TEE_ERROR_BAD_PARAMETERS;
    if (tagLength < 4 || tagLength > TEE_CCM_TAG_MAX_LENGTH || tagLength % 2 !== 0) {
      return TEE_ERROR_NOT_SUPPORTED;
    }
    if (!AES.keySizes.includes(bytes.length)) return TEE_ERROR_BAD_STATE;
    if (lengthFieldBytes(start) > 8) return TEE_ERROR_BAD_STATE;
    const copy = { ...start, nonce: new Uint8Array(nonce) };
    const key = this.#keys.get(bytes);
    const mac = new CbcChain(this.#crypto, 'aes-cbc', key, new Uint8Array(TEE_AES_BLOCK_SIZE));
    mac.update(firstBlock(copy));
    mac.absorb();
    mac.update(aadLengthField(aadLength));
    const stream = this.#stream(copy, key);
    // The key stream's first block is for the tag.
    stream.update(new Uint8Array(TEE_AES_BLOCK_SIZE));
    this.#message = new CcmMessage(copy, key, mac, stream);
    return TEE_SUCCESS;
  }

  updateAad(aad: Uint8Array): number {
    const message = this.#message;
    if (message === undefined) return TEE_ERROR_BAD_STATE;
    if (message.aadBytes + aad.length > message.start.aadLength) return TEE_ERROR_BAD_STATE;
    message.aadBytes += aad.length;
    message.mac.update(aad);
    if (message.aadBytes === message.start.aadLength) pad(message.mac);
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
    const data = new Uint8Array(source);
    if (this.#mode === TEE_MODE_ENCRYPT) message.mac.update(data);
    message.stream.update(data, data);
    if (this.#mode !== TEE_MODE_ENCRYPT) message.mac.update(data);
    out.set(data);
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
    const valid = this.#crypto.timingSafeEqual(tag, made.subarray(0, tag.length));
    return valid ? TEE_SUCCESS : TEE_ERROR_MAC_INVALID;
  }

  fork(): AesCcm {
    const other = new AesCcm(this.#crypto, this.#mode);
    const message = this.#message;
    if (message === undefined) return other;
    const { start, key, mac, stream } = message;
    other.#message = new CcmMessage(start, key, mac.fork(), stream.fork());
    other.#message.aadBytes = message.aadBytes;
    other.#message.payloadBytes = message.payloadBytes;
    return other;
  }

  /** The whole tag; undefined while payload is missing. The next one pads once more, as ccm_done(). */
  #finish(): Uint8Array | undefined {
    const message = this.#message;
    if (message === undefined) return undefined;
    const { start, key, mac } = message;
    if (message.payloadBytes !== start.payloadLength) return undefined;
    const { filled } = mac;
    pad(mac);
    mac.block.fill(0);
    mac.filled = filled;
    return this.#stream(start, key).update(mac.value);
  }

  #stream(start: AuthencStart, key: HostKey): HostCipher {
    return this.#crypto.cipher('aes-ctr', true, key, counterBlock(start));
  }
}

/** Ends a part of what the tag covers: what follows starts a new block. */
function pad(mac: CbcChain): void {
  if (mac.filled === 0) return;
  mac.block.fill(0, mac.filled);
  mac.absorb();
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
