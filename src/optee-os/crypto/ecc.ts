/**
 * Elliptic curves over prime fields: ECDSA, ECDH and new keys.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (syscall_cryp_derive_key),
 * core/lib/libtomcrypt/ecc.c, src/pk/ecc/ecc_sign_hash.c, ecc_verify_hash.c, ecc_make_key.c,
 * ecc_shared_secret.c, ltc_ecc_verify_key.c. Deviates: a nonce comes from the key, the digest and
 * the core's randomness together (RFC 6979, 3.6), not from randomness alone; and a private value that
 * is a multiple of the order signs nothing and agrees on nothing, where upstream takes the other
 * side's point, or none, for the secret.
 */
import {
  TEE_ALG_ECDSA_SHA1,
  TEE_ALG_ECDSA_SHA224,
  TEE_ALG_ECDSA_SHA256,
  TEE_ALG_ECDSA_SHA384,
  TEE_ALG_ECDSA_SHA512,
  TEE_ATTR_ECC_CURVE,
  TEE_ATTR_ECC_PRIVATE_VALUE,
  TEE_ATTR_ECC_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_PUBLIC_VALUE_Y,
  TEE_ECC_CURVE_NIST_P192,
  TEE_ECC_CURVE_NIST_P224,
  TEE_ECC_CURVE_NIST_P256,
  TEE_ECC_CURVE_NIST_P384,
  TEE_ECC_CURVE_NIST_P521,
  TEE_ECC_CURVE_SM2,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_GENERIC,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { AffinePoint, HostCurve, HostPublicKey, NistCurve } from '../../host/public-key.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { Operation, Verification } from './asymmetric-context.ts';
import { deliver } from './asymmetric-context.ts';
import type { CryptoServices, KeyObject } from './contexts.ts';
import type { Derivation } from './derivation-context.ts';
import { convertVerifyStatus } from './ltc-result.ts';
import { byteLength, randomUpto, toNumber, toOctets } from './mpi.ts';

/** ecc_get_curve_info(): each curve goes with one algorithm of signatures. */
interface CurveInfo {
  readonly name: NistCurve;
  readonly bits: number;
  readonly bytes: number;
  readonly ecdsa: number;
}

const CURVES: ReadonlyMap<number, CurveInfo> = new Map([
  [TEE_ECC_CURVE_NIST_P192, { name: 'P-192', bits: 192, bytes: 24, ecdsa: TEE_ALG_ECDSA_SHA1 }],
  [TEE_ECC_CURVE_NIST_P224, { name: 'P-224', bits: 224, bytes: 28, ecdsa: TEE_ALG_ECDSA_SHA224 }],
  [TEE_ECC_CURVE_NIST_P256, { name: 'P-256', bits: 256, bytes: 32, ecdsa: TEE_ALG_ECDSA_SHA256 }],
  [TEE_ECC_CURVE_NIST_P384, { name: 'P-384', bits: 384, bytes: 48, ecdsa: TEE_ALG_ECDSA_SHA384 }],
  [TEE_ECC_CURVE_NIST_P521, { name: 'P-521', bits: 521, bytes: 66, ecdsa: TEE_ALG_ECDSA_SHA512 }],
]);

const SM2_BITS = 256;

/** @returns the curve of a key that signs with `algorithm`, or a TEE_Result */
function ecdsaCurve(key: KeyObject, algorithm: number): CurveInfo | number {
  const id = key.value(TEE_ATTR_ECC_CURVE) ?? 0;
  if (id === TEE_ECC_CURVE_SM2) return TEE_ERROR_BAD_PARAMETERS;
  const info = CURVES.get(id);
  if (info === undefined) return TEE_ERROR_NOT_SUPPORTED;
  return info.ecdsa === algorithm ? info : TEE_ERROR_BAD_PARAMETERS;
}

export const publicPoint = (key: KeyObject): AffinePoint => ({
  x: key.number(TEE_ATTR_ECC_PUBLIC_VALUE_X),
  y: key.number(TEE_ATTR_ECC_PUBLIC_VALUE_Y),
});

export function signEcdsa(algorithm: number, operation: Operation): number {
  const { services, key, source, out, size } = operation;
  const info = ecdsaCurve(key, algorithm);
  if (typeof info === 'number') return info;
  if (size.size < 2 * info.bytes) {
    size.size = 2 * info.bytes;
    return TEE_ERROR_SHORT_BUFFER;
  }
  const curve = services.crypto.publicKey.curve(info.name);
  const secret = key.number(TEE_ATTR_ECC_PRIVATE_VALUE) % curve.order;
  const entropy = new Uint8Array(info.bytes);
  if (secret === 0n || services.rng(entropy) !== TEE_SUCCESS) return TEE_ERROR_GENERIC;
  return deliver(curve.sign(leftmost(source, info), secret, entropy), out, size);
}

export function verifyEcdsa(algorithm: number, verification: Verification): number {
  const { services, key, data, signature } = verification;
  const info = ecdsaCurve(key, algorithm);
  if (typeof info === 'number') return info;
  if (signature.length !== 2 * info.bytes) return TEE_ERROR_BAD_PARAMETERS;
  const curve = services.crypto.publicKey.curve(info.name);
  return convertVerifyStatus(curve.verify(leftmost(data, info), signature, publicPoint(key)));
}

/** Of a digest no more counts than the order has bits; hosts take no longer one than they like. */
const leftmost = (digest: Uint8Array, { bytes }: CurveInfo): Uint8Array =>
  digest.subarray(0, bytes);

/** TEE_ALG_ECDH_DERIVE_SHARED_SECRET: the secret is as long as the field. */
export function deriveEcdh({ services, key1, attributes, derived }: Derivation): number {
  const other = pointOf(attributes);
  if (other === undefined) return TEE_ERROR_BAD_PARAMETERS;
  const info = CURVES.get(key1.value(TEE_ATTR_ECC_CURVE) ?? 0);
  if (info === undefined) return TEE_ERROR_NOT_IMPLEMENTED;
  const curve = services.crypto.publicKey.curve(info.name);
  const shared = curve.multiply(other, key1.number(TEE_ATTR_ECC_PRIVATE_VALUE));
  if (shared === undefined || derived.secretRoom < info.bytes) return TEE_ERROR_BAD_PARAMETERS;
  derived.setSecret(toOctets(shared.x, byteLength(curve.prime)));
  return TEE_SUCCESS;
}

/** Both coordinates in this order, and nothing else. */
function pointOf(attributes: readonly TaAttribute[]): AffinePoint | undefined {
  const [x, y] = attributes;
  if (attributes.length !== 2 || x === undefined || y === undefined) return undefined;
  if (x.id !== TEE_ATTR_ECC_PUBLIC_VALUE_X || y.id !== TEE_ATTR_ECC_PUBLIC_VALUE_Y)
    return undefined;
  const none = new Uint8Array(0);
  return { x: toNumber(x.content ?? none), y: toNumber(y.content ?? none) };
}

export interface EccKeyPair {
  readonly d: bigint;
  readonly point: AffinePoint;
}

/** crypto_acipher_gen_ecc_key(). @param curveId TEE_ECC_CURVE_* @returns a key, or a TEE_Result */
export function makeEccKey(
  { crypto, rng }: CryptoServices,
  curveId: number,
  bits: number,
): EccKeyPair | number {
  const found = findCurve(crypto.publicKey, curveId);
  if (found === undefined) return TEE_ERROR_NOT_SUPPORTED;
  const d = bits === found.bits ? randomUpto(found.curve.order, rng) : undefined;
  const point = d === undefined ? undefined : found.curve.multiply(found.curve.base, d);
  return d === undefined || point === undefined ? TEE_ERROR_BAD_PARAMETERS : { d, point };
}

function findCurve(
  host: HostPublicKey,
  id: number,
): { curve: HostCurve; bits: number } | undefined {
  if (id === TEE_ECC_CURVE_SM2) return { curve: host.sm2, bits: SM2_BITS };
  const info = CURVES.get(id);
  return info === undefined ? undefined : { curve: host.curve(info.name), bits: info.bits };
}
