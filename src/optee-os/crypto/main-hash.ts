/**
 * The digests that asymmetric algorithms and key derivations are made of.
 *
 * Upstream counterpart: optee_os lib/libutee/include/utee_defines.h (TEE_MAIN_ALGO_*).
 */
import {
  TEE_MD5_HASH_SIZE,
  TEE_SHA1_HASH_SIZE,
  TEE_SHA224_HASH_SIZE,
  TEE_SHA256_HASH_SIZE,
  TEE_SHA384_HASH_SIZE,
  TEE_SHA512_HASH_SIZE,
  TEE_SM3_HASH_SIZE,
} from '../../abi/utee-defines.ts';

export interface MainHash {
  /** Of the host's digest. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

export const MD5: MainHash = { name: 'md5', size: TEE_MD5_HASH_SIZE };
export const SHA1: MainHash = { name: 'sha1', size: TEE_SHA1_HASH_SIZE };
export const SHA224: MainHash = { name: 'sha224', size: TEE_SHA224_HASH_SIZE };
export const SHA256: MainHash = { name: 'sha256', size: TEE_SHA256_HASH_SIZE };
export const SHA384: MainHash = { name: 'sha384', size: TEE_SHA384_HASH_SIZE };
export const SHA512: MainHash = { name: 'sha512', size: TEE_SHA512_HASH_SIZE };
export const SM3: MainHash = { name: 'sm3', size: TEE_SM3_HASH_SIZE };
export const SHA3_224: MainHash = { name: 'sha3-224', size: TEE_SHA224_HASH_SIZE };
export const SHA3_256: MainHash = { name: 'sha3-256', size: TEE_SHA256_HASH_SIZE };
export const SHA3_384: MainHash = { name: 'sha3-384', size: TEE_SHA384_HASH_SIZE };
export const SHA3_512: MainHash = { name: 'sha3-512', size: TEE_SHA512_HASH_SIZE };

/** The octets of several pieces in one. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** 32 bits, big-endian. */
export function be32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
