/**
 * The key derivation function of SM2, and SM3 over several pieces.
 *
 * Upstream counterpart: optee_os core/crypto/sm2-kdf.c. Source: GM/T 0003.4-2012, 5.4.3.
 */
import type { HostCrypto } from '../../host/crypto.ts';
import { SM3, be32, concat } from './main-hash.ts';

export function sm3(crypto: HostCrypto, ...parts: readonly Uint8Array[]): Uint8Array {
  return crypto.hash(SM3.name, concat(...parts));
}

export function sm2Kdf(crypto: HostCrypto, z: Uint8Array, length: number): Uint8Array {
  const key = new Uint8Array(length);
  for (let at = 0, count = 1; at < length; at += SM3.size, count += 1) {
    key.set(sm3(crypto, z, be32(count)).subarray(0, length - at), at);
  }
  return key;
}

/** Numbers of SM2 are this many bytes. */
export const SM2_INT_SIZE_BYTES = 32;
