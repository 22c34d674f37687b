/**
 * MGF1, the mask generation function of PKCS #1.
 *
 * Upstream counterpart: optee_os core/lib/libtomcrypt/src/pk/pkcs1/pkcs_1_mgf1.c. Source: RFC 8017,
 * B.2.1.
 */
import type { HostCrypto } from '../../host/crypto.ts';
import type { MainHash } from './main-hash.ts';
import { be32, concat } from './main-hash.ts';

/** XORs the mask of `seed` onto `target`. */
export function applyMgf1(
  crypto: HostCrypto,
  hash: MainHash,
  seed: Uint8Array,
  target: Uint8Array,
): void {
  for (let at = 0, counter = 0; at < target.length; at += hash.size, counter += 1) {
    const mask = crypto.hash(hash.name, concat(seed, be32(counter)));
    const piece = target.subarray(at, at + hash.size);
    piece.forEach((octet, i) => (piece[i] = octet ^ mask[i]!));
  }
}
