/**
 * OAEP, the padding of RSA encryption with a label.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/src/pk/pkcs1/pkcs_1_oaep_encode.c and
 * pkcs_1_oaep_decode.c. Source: RFC 8017, 7.1.
 */
import { TEE_SUCCESS } from '../../abi/gp.ts';
import type { CryptoServices } from './contexts.ts';
import type { LtcError } from './ltc-result.ts';
import type { MainHash } from './main-hash.ts';
import { concat } from './main-hash.ts';
import { applyMgf1 } from './pkcs1-mgf1.ts';

export interface OaepOptions {
  /** Of the label. */
  readonly hash: MainHash;
  readonly mgfHash: MainHash;
  readonly label: Uint8Array;
}

/** @param k bytes of the modulus */
export function encodeOaep(
  { crypto, rng }: CryptoServices,
  { hash, mgfHash, label }: OaepOptions,
  message: Uint8Array,
  k: number,
): Uint8Array | LtcError {
  if (2 * hash.size >= k - 2 || message.length > k - 2 * hash.size - 2) {
    return 'CRYPT_PK_INVALID_SIZE';
  }
  const seed = new Uint8Array(hash.size);
  if (rng(seed) !== TEE_SUCCESS) return 'CRYPT_ERROR_READPRNG';
  const padding = new Uint8Array(k - message.length - 2 * hash.size - 1);
  padding[padding.length - 1] = 1;
  const data = concat(crypto.hash(hash.name, label), padding, message);
  applyMgf1(crypto, mgfHash, seed, data);
  applyMgf1(crypto, mgfHash, data, seed);
  return concat(Uint8Array.of(0), seed, data);
}

/** All that can be wrong is looked at before anything is told. @param block as long as the modulus */
export function decodeOaep(
  { crypto }: CryptoServices,
  { hash, mgfHash, label }: OaepOptions,
  block: Uint8Array,
): Uint8Array | LtcError {
  if (2 * hash.size >= block.length - 2) return 'CRYPT_PK_INVALID_SIZE';
  const seed = block.slice(1, 1 + hash.size);
  const data = block.slice(1 + hash.size);
  applyMgf1(crypto, mgfHash, data, seed);
  applyMgf1(crypto, mgfHash, seed, data);
  const rest = data.subarray(hash.size);
  const end = rest.findIndex((octet) => octet !== 0);
  const labelled = crypto.timingSafeEqual(
    data.subarray(0, hash.size),
    crypto.hash(hash.name, label),
  );
  const valid = [block[0] === 0, labelled, rest[end] === 1].every(Boolean);
  return valid ? rest.subarray(end + 1) : 'CRYPT_INVALID_PACKET';
}
