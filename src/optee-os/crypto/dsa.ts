/**
 * DSA signatures of digests, and new keys in given domains.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (syscall_asymm_verify),
 * core/lib/libtomcrypt/dsa.c, src/pk/dsa/dsa_sign_hash.c, dsa_verify_hash.c, dsa_generate_key.c.
 */
import {
  TEE_ATTR_DSA_BASE,
  TEE_ATTR_DSA_PRIME,
  TEE_ATTR_DSA_PRIVATE_VALUE,
  TEE_ATTR_DSA_PUBLIC_VALUE,
  TEE_ATTR_DSA_SUBPRIME,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_GENERIC,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
} from '../../abi/gp.ts';
import type { HostPublicKey } from '../../host/public-key.ts';
import type { Operation, Verification } from './asymmetric-context.ts';
import { deliver } from './asymmetric-context.ts';
import type { CryptoServices, KeyObject, Rng } from './contexts.ts';
import type { LtcError } from './ltc-result.ts';
import { convertVerifyStatus } from './ltc-result.ts';
import type { MainHash } from './main-hash.ts';
import { concat } from './main-hash.ts';
import { byteLength, gcd, randomUpto, toNumber, toOctets } from './mpi.ts';

interface Domain {
  readonly p: bigint;
  readonly q: bigint;
  readonly g: bigint;
}

const domainOf = (key: KeyObject): Domain => ({
  p: key.number(TEE_ATTR_DSA_PRIME),
  q: key.number(TEE_ATTR_DSA_SUBPRIME),
  g: key.number(TEE_ATTR_DSA_BASE),
});

/** LTC_MDSA_MAX_GROUP: bytes that the subgroup's order is shorter than. */
const MAX_GROUP = 64;
/** Upstream tries for ever, which a base without order would make it do. */
const MAX_RETRIES = 20;

/** The host takes odd moduli, as the core's library does. */
const isModulus = (value: bigint): boolean => value > 1n && value % 2n === 1n;

export function signDsa(hash: MainHash, { services, key, source, out, size }: Operation): number {
  const domain = domainOf(key);
  const qBytes = byteLength(domain.q);
  if (source.length !== Math.min(qBytes, hash.size)) return TEE_ERROR_SECURITY;
  if (size.size < 2 * qBytes) {
    size.size = 2 * qBytes;
    return TEE_ERROR_SHORT_BUFFER;
  }
  if (qBytes >= MAX_GROUP || !isModulus(domain.p)) return TEE_ERROR_GENERIC;
  const secret = key.number(TEE_ATTR_DSA_PRIVATE_VALUE);
  for (let tries = 0; tries < MAX_RETRIES; tries += 1) {
    const signature = trySign(services, domain, secret, toNumber(source));
    if (signature !== undefined) return deliver(signature, out, size);
  }
  return TEE_ERROR_GENERIC;
}

/** Undefined when half of the signature would be zero. */
function trySign(
  { crypto, rng }: CryptoServices,
  { p, q, g }: Domain,
  secret: bigint,
  digest: bigint,
): Uint8Array | undefined {
  const host = crypto.publicKey;
  const k = nonce(q, rng);
  const inverse = k === undefined ? undefined : host.modInverse(k, q);
  if (k === undefined || inverse === undefined) return undefined;
  const r = host.modPow(g, k, p) % q;
  const s = ((secret * r + digest) * inverse) % q;
  if (r === 0n || s === 0n) return undefined;
  return concat(toOctets(r, byteLength(q)), toOctets(s, byteLength(q)));
}

function nonce(q: bigint, rng: Rng): bigint | undefined {
  const k = randomUpto(q, rng);
  return k === undefined || gcd(k, q) === 1n ? k : undefined;
}

/** Some digests are longer than the subgroup's order: those may come cut to it. */
export function verifyDsa(
  hash: MainHash,
  { services, key, data, signature }: Verification,
): number {
  const domain = domainOf(key);
  const qBytes = byteLength(domain.q);
  if (data.length !== hash.size && data.length !== qBytes) return TEE_ERROR_BAD_PARAMETERS;
  const half = Math.floor(signature.length / 2);
  const r = toNumber(signature.subarray(0, half));
  const s = toNumber(signature.subarray(half, 2 * half));
  const y = key.number(TEE_ATTR_DSA_PUBLIC_VALUE);
  const digest = toNumber(data.subarray(0, qBytes));
  return convertVerifyStatus(holds(services.crypto.publicKey, domain, y, digest, r, s));
}

/** dsa_verify_hash_raw() */
function holds(
  host: HostPublicKey,
  { p, q, g }: Domain,
  y: bigint,
  digest: bigint,
  r: bigint,
  s: bigint,
): boolean | LtcError {
  if (r === 0n || s === 0n || r >= q || s >= q) return 'CRYPT_INVALID_PACKET';
  const w = host.modInverse(s, q);
  if (w === undefined || !isModulus(p)) return 'CRYPT_ERROR';
  const left = host.modPow(g, (digest * w) % q, p);
  const right = host.modPow(y, (r * w) % q, p);
  return ((left * right) % p) % q === r;
}

/** crypto_acipher_gen_dsa_key(), after the check of the prime's size. Undefined when it fails. */
export function makeDsaKey(
  { crypto, rng }: CryptoServices,
  key: KeyObject,
): { x: bigint; y: bigint } | undefined {
  const { p, q, g } = domainOf(key);
  const x = randomUpto(q, rng);
  if (x === undefined || !isModulus(p)) return undefined;
  return { x, y: crypto.publicKey.modPow(g, x, p) };
}
