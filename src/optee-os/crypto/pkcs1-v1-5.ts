/**
 * PKCS #1 v1.5 paddings of encryption (EME) and of signatures (EMSA). Sizes are bytes; `k` is the
 * modulus's.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/src/pk/pkcs1/pkcs_1_v1_5_encode.c and
 * pkcs_1_v1_5_decode.c. Source: RFC 8017, 7.2 and 9.2.
 */
import { TEE_SUCCESS } from '../../abi/gp.ts';
import type { Rng } from './contexts.ts';
import type { LtcError } from './ltc-result.ts';
import type { MainHash } from './main-hash.ts';
import { MD5, SHA1, SHA224, SHA256, SHA384, SHA512, concat } from './main-hash.ts';

const BLOCK_EMSA = 1;
const BLOCK_EME = 2;
/** Two octets before the padding, one after it, eight of it at least. */
const OVERHEAD = 11;
const SHORTEST_PADDING = 8;

export function encodeEme(message: Uint8Array, k: number, rng: Rng): Uint8Array | LtcError {
  if (message.length + OVERHEAD > k) return 'CRYPT_PK_INVALID_SIZE';
  const padding = new Uint8Array(k - message.length - 3);
  if (rng(padding) !== TEE_SUCCESS) return 'CRYPT_ERROR_READPRNG';
  for (let i = 0; i < padding.length; i += 1) {
    while (padding[i] === 0) {
      if (rng(padding.subarray(i, i + 1)) !== TEE_SUCCESS) return 'CRYPT_ERROR_READPRNG';
    }
  }
  return frame(BLOCK_EME, padding, message);
}

export function encodeEmsa(content: Uint8Array, k: number): Uint8Array | LtcError {
  if (content.length + OVERHEAD > k) return 'CRYPT_PK_INVALID_SIZE';
  return frame(BLOCK_EMSA, new Uint8Array(k - content.length - 3).fill(0xff), content);
}

function frame(type: number, padding: Uint8Array, content: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(0, type), padding, Uint8Array.of(0), content);
}

export function decodeEme(block: Uint8Array): Uint8Array | LtcError {
  return unframe(block, BLOCK_EME, block.indexOf(0, 2));
}

export function decodeEmsa(block: Uint8Array): Uint8Array | LtcError {
  const end = block.findIndex((octet, at) => at >= 2 && octet !== 0xff);
  return block[end] === 0 ? unframe(block, BLOCK_EMSA, end) : 'CRYPT_INVALID_PACKET';
}

/** @param end where the padding's separator is, negative when there is none */
function unframe(block: Uint8Array, type: number, end: number): Uint8Array | LtcError {
  if (block.length < OVERHEAD) return 'CRYPT_PK_INVALID_SIZE';
  const framed = block[0] === 0 && block[1] === type;
  return framed && end - 2 >= SHORTEST_PADDING ? block.subarray(end + 1) : 'CRYPT_INVALID_PACKET';
}

/** OBJECT IDENTIFIER, encoded. Source: RFC 8017, 9.2, note 1. */
const OIDS: ReadonlyMap<MainHash, readonly number[]> = new Map([
  [MD5, [0x06, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05]],
  [SHA1, [0x06, 5, 0x2b, 0x0e, 0x03, 0x02, 0x1a]],
  [SHA224, [0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04]],
  [SHA256, [0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01]],
  [SHA384, [0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02]],
  [SHA512, [0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03]],
]);

const DER_NULL = [0x05, 0];

/** DigestInfo in DER. @param parameters what follows the identifier: NULL, or nothing as some leave it */
function digestInfo(hash: MainHash, digest: Uint8Array, parameters: readonly number[]): Uint8Array {
  const algorithm = [...OIDS.get(hash)!, ...parameters];
  const head = [0x30, algorithm.length, ...algorithm, 0x04, digest.length];
  return Uint8Array.of(0x30, head.length + digest.length, ...head, ...digest);
}

export function encodeDigestInfo(hash: MainHash, digest: Uint8Array): Uint8Array {
  return digestInfo(hash, digest, DER_NULL);
}

/** The encodings that are taken for a digest when verifying. */
export function acceptedDigestInfos(hash: MainHash, digest: Uint8Array): readonly Uint8Array[] {
  return [digestInfo(hash, digest, DER_NULL), digestInfo(hash, digest, [])];
}
