/**
 * SM2 encryption: a point, the message under a key stream, a hash.
 *
 * Upstream counterpart: optee_os core/lib/libtomcrypt/sm2-pke.c. Source: GM/T 0003.4-2012, 6.1 and
 * 7.1. As upstream, points are uncompressed, a message that does not fit is cut off when decrypting,
 * and a buffer that has no room for the point is a bad state. Deviates: a public key that is no point
 * of the curve is a bad state at once; upstream encrypts to it, and nobody can decrypt that.
 */
import {
  TEE_ATTR_ECC_PRIVATE_VALUE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_CIPHERTEXT_INVALID,
  TEE_ERROR_GENERIC,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { AffinePoint } from '../../host/public-key.ts';
import type { Operation } from './asymmetric-context.ts';
import { deliver } from './asymmetric-context.ts';
import { publicPoint } from './ecc.ts';
import { SM3, concat } from './main-hash.ts';
import { randomUpto, toNumber, toOctets } from './mpi.ts';
import { SM2_INT_SIZE_BYTES, sm2Kdf, sm3 } from './sm2-kdf.ts';

const UNCOMPRESSED = 4;
/** Compressed and hybrid forms of points: they exist, but are not read. */
const OTHER_FORMS: readonly number[] = [2, 3, 6, 7];
const POINT_BYTES = 1 + 2 * SM2_INT_SIZE_BYTES;

export function operateSm2Pke(operation: Operation): number {
  if (operation.mode === TEE_MODE_ENCRYPT) return encrypt(operation);
  return operation.mode === TEE_MODE_DECRYPT ? decrypt(operation) : TEE_ERROR_GENERIC;
}

const octets = (value: bigint): Uint8Array => toOctets(value, SM2_INT_SIZE_BYTES);

/** The key stream of a shared point; undefined when it would hide nothing. */
function keyStream(
  crypto: HostCrypto,
  { x, y }: AffinePoint,
  length: number,
): Uint8Array | undefined {
  const stream = sm2Kdf(crypto, concat(octets(x), octets(y)), length);
  return stream.some((octet) => octet !== 0) ? stream : undefined;
}

const exclusiveOr = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  left.map((octet, i) => octet ^ right[i]!);

const hashOf = (crypto: HostCrypto, { x, y }: AffinePoint, message: Uint8Array): Uint8Array =>
  sm3(crypto, octets(x), message, octets(y));

function encrypt({ services, key, source, out, size }: Operation): number {
  const { crypto, rng } = services;
  const { sm2 } = crypto.publicKey;
  const k = randomUpto(sm2.order, rng);
  const point = k === undefined ? undefined : sm2.multiply(sm2.base, k);
  const shared = k === undefined ? undefined : sm2.multiply(publicPoint(key), k);
  if (point === undefined || shared === undefined) return TEE_ERROR_BAD_STATE;
  const stream = keyStream(crypto, shared, source.length);
  if (stream === undefined) return TEE_ERROR_CIPHERTEXT_INVALID;
  if (size.size < POINT_BYTES) return TEE_ERROR_BAD_STATE;
  const first = concat(Uint8Array.of(UNCOMPRESSED), octets(point.x), octets(point.y));
  const last = hashOf(crypto, shared, source);
  return deliver(concat(first, exclusiveOr(source, stream), last), out, size);
}

function decrypt({ services, key, source, out, size }: Operation): number {
  const { crypto } = services;
  const { sm2 } = crypto.publicKey;
  const point = readPoint(source);
  if (typeof point === 'number') return point;
  if (!sm2.contains(point)) return TEE_ERROR_BAD_PARAMETERS;
  const shared = sm2.multiply(point, key.number(TEE_ATTR_ECC_PRIVATE_VALUE));
  if (shared === undefined) return TEE_ERROR_BAD_STATE;
  const length = source.length - POINT_BYTES - SM3.size;
  if (length <= 0) return TEE_ERROR_BAD_PARAMETERS;
  const stream = keyStream(crypto, shared, length);
  if (stream === undefined) return TEE_ERROR_CIPHERTEXT_INVALID;
  const end = POINT_BYTES + length;
  const message = exclusiveOr(source.subarray(POINT_BYTES, end), stream);
  // What fits goes out before it is known to be right.
  size.size = Math.min(size.size, length);
  out.set(message.subarray(0, size.size));
  const valid = crypto.timingSafeEqual(hashOf(crypto, shared, message), source.subarray(end));
  return valid ? TEE_SUCCESS : TEE_ERROR_CIPHERTEXT_INVALID;
}

/** @returns what stands at the start, or a TEE_Result */
function readPoint(source: Uint8Array): AffinePoint | number {
  if (OTHER_FORMS.includes(source[0] ?? 0)) return TEE_ERROR_NOT_SUPPORTED;
  if (source[0] !== UNCOMPRESSED || source.length < POINT_BYTES) return TEE_ERROR_BAD_PARAMETERS;
  return {
    x: toNumber(source.subarray(1, 1 + SM2_INT_SIZE_BYTES)),
    y: toNumber(source.subarray(1 + SM2_INT_SIZE_BYTES, POINT_BYTES)),
  };
}
