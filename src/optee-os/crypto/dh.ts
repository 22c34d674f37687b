/**
 * Diffie-Hellman in the multiplicative group of a prime field.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (syscall_cryp_derive_key),
 * core/lib/libtomcrypt/dh.c, src/pk/dh/dh_make_key.c. As upstream, the other side's value is taken
 * whatever it is.
 */
import {
  TEE_ATTR_DH_BASE,
  TEE_ATTR_DH_PRIME,
  TEE_ATTR_DH_PRIVATE_VALUE,
  TEE_ATTR_DH_PUBLIC_VALUE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Derivation } from './derivation-context.ts';
import type { CryptoServices, KeyObject } from './contexts.ts';
import { byteLength, toNumber, toOctets } from './mpi.ts';

/** TEE_ALG_DH_DERIVE_SHARED_SECRET: the secret has no leading zeroes. */
export function deriveDh({ services, key1, attributes, derived }: Derivation): number {
  const [only] = attributes;
  if (attributes.length !== 1 || only?.id !== TEE_ATTR_DH_PUBLIC_VALUE) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  const p = key1.number(TEE_ATTR_DH_PRIME);
  if (p <= 1n || p % 2n === 0n) return TEE_ERROR_BAD_PARAMETERS;
  const other = toNumber(only.content ?? new Uint8Array(0));
  const x = key1.number(TEE_ATTR_DH_PRIVATE_VALUE);
  const secret = toOctets(services.crypto.publicKey.modPow(other, x, p));
  if (secret.length > derived.secretRoom) return TEE_ERROR_BAD_PARAMETERS;
  derived.setSecret(secret);
  return TEE_SUCCESS;
}

/**
 * dh_make_key(). Undefined when it fails.
 * @param q undefined when there is none
 * @param xBits of the private value, 0 for as many as p or q has
 */
export function makeDhKey(
  { crypto, rng }: CryptoServices,
  key: KeyObject,
  q: bigint | undefined,
  xBits: number,
): { x: bigint; y: bigint } | undefined {
  const p = key.number(TEE_ATTR_DH_PRIME);
  const [pBytes, qBytes] = [byteLength(p), q === undefined ? Infinity : byteLength(q)];
  const xBytes = xBits / 8;
  const fits = Number.isInteger(xBytes) && xBytes <= pBytes && xBytes <= qBytes;
  if (!fits || p <= 1n || p % 2n === 0n) return undefined;
  const octets = new Uint8Array(xBytes === 0 ? Math.min(pBytes, qBytes) : xBytes);
  if (rng(octets) !== TEE_SUCCESS) return undefined;
  const modulus = q !== undefined && qBytes < pBytes ? q : p;
  if (modulus === 0n) return undefined;
  const x = toNumber(octets) % modulus;
  return { x, y: crypto.publicKey.modPow(key.number(TEE_ATTR_DH_BASE), x, p) };
}
