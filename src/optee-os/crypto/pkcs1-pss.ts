/**
 * PSS, the padding of RSA signatures with a salt. MGF1 has the hash of the signature.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/src/pk/pkcs1/pkcs_1_pss_encode.c and
 * pkcs_1_pss_decode.c. Source: RFC 8017, 9.1.
 */
import { TEE_SUCCESS } from '../../abi/gp.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { CryptoServices } from './contexts.ts';
import type { LtcError } from './ltc-result.ts';
import type { MainHash } from './main-hash.ts';
import { concat } from './main-hash.ts';
import { applyMgf1 } from './pkcs1-mgf1.ts';

const TRAILER = 0xbc;

/** How a digest is padded for a modulus: its length in bytes is that of one bit less. */
interface Shape {
  readonly length: number;
  /** Of the first octet: bits that belong to the padding. */
  readonly mask: number;
  /** Bytes before the digest. */
  readonly dataLength: number;
  readonly zeroes: number;
}

function shapeOf(hash: MainHash, saltLength: number, modulusBits: number): Shape | undefined {
  const length = Math.ceil((modulusBits - 1) / 8);
  if (saltLength > length || length < hash.size + saltLength + 2) return undefined;
  const dataLength = length - hash.size - 1;
  const mask = 0xff >> (8 * length - (modulusBits - 1));
  return { length, mask, dataLength, zeroes: dataLength - saltLength - 1 };
}

function hashSalted(
  crypto: HostCrypto,
  hash: MainHash,
  digest: Uint8Array,
  salt: Uint8Array,
): Uint8Array {
  return crypto.hash(hash.name, concat(new Uint8Array(8), digest, salt));
}

export function encodePss(
  { crypto, rng }: CryptoServices,
  hash: MainHash,
  digest: Uint8Array,
  saltLength: number,
  modulusBits: number,
): Uint8Array | LtcError {
  const shape = shapeOf(hash, saltLength, modulusBits);
  if (shape === undefined) return 'CRYPT_PK_INVALID_SIZE';
  const salt = new Uint8Array(saltLength);
  if (saltLength > 0 && rng(salt) !== TEE_SUCCESS) return 'CRYPT_ERROR_READPRNG';
  const salted = hashSalted(crypto, hash, digest, salt);
  const data = concat(new Uint8Array(shape.zeroes), Uint8Array.of(1), salt);
  applyMgf1(crypto, hash, salted, data);
  data[0]! &= shape.mask;
  return concat(data, salted, Uint8Array.of(TRAILER));
}

/** @param block as long as the modulus */
export function verifyPss(
  crypto: HostCrypto,
  hash: MainHash,
  digest: Uint8Array,
  saltLength: number,
  modulusBits: number,
  block: Uint8Array,
): boolean | LtcError {
  const shape = shapeOf(hash, saltLength, modulusBits);
  if (shape === undefined) return 'CRYPT_PK_INVALID_SIZE';
  // A modulus with one bit more than whole octets: nobody looks at the octet in front.
  const encoded = block.subarray(block.length - shape.length);
  const data = encoded.slice(0, shape.dataLength);
  const salted = encoded.subarray(shape.dataLength, shape.length - 1);
  if (encoded[shape.length - 1] !== TRAILER) return 'CRYPT_INVALID_PACKET';
  if ((encoded[0]! & ~shape.mask) !== 0) return 'CRYPT_INVALID_PACKET';
  applyMgf1(crypto, hash, salted, data);
  data[0]! &= shape.mask;
  const padding = data.subarray(0, shape.zeroes).every((octet) => octet === 0);
  if (!padding || data[shape.zeroes] !== 1) return 'CRYPT_INVALID_PACKET';
  const expected = hashSalted(crypto, hash, digest, data.subarray(shape.zeroes + 1));
  return crypto.timingSafeEqual(expected, salted);
}
