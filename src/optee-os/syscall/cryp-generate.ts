/**
 * New keys: which attributes an object gets for each type, and from where.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (syscall_obj_generate_key,
 * tee_svc_obj_generate_key_*, check_pub_rsa_key).
 */
import * as gp from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { CryptoServices } from '../crypto/contexts.ts';
import { makeDhKey } from '../crypto/dh.ts';
import { makeDsaKey } from '../crypto/dsa.ts';
import { makeEccKey } from '../crypto/ecc.ts';
import { byteLength } from '../crypto/mpi.ts';
import { makeRsaKey } from '../crypto/rsa-key.ts';
import { sizeWithParity } from './cryp-obj-props.ts';
import type { CryptoObject } from './cryp-object.ts';

/** @returns a TEE_Result; what has been made before an error stays in the object */
type Generator = (object: CryptoObject, bits: number, services: CryptoServices) => number;

/** Only what is random; no parity is set in keys of DES. */
const generateSecret: Generator = (object, bits, { rng }) => {
  const bytes = Math.floor(sizeWithParity(object.type, bits) / 8);
  if (bytes > object.secretRoom) return gp.TEE_ERROR_EXCESS_DATA;
  const content = new Uint8Array(bytes);
  const result = rng(content);
  if (result === gp.TEE_SUCCESS) object.put(gp.TEE_ATTR_SECRET_VALUE, content);
  return result;
};

const LONGEST_EXPONENT_BYTES = 32;
const DEFAULT_EXPONENT = 65537n;

/** check_pub_rsa_key(): NIST SP 800-56B wants an odd one of 65537 or more. */
function fitsAsExponent(e: bigint): boolean {
  const bytes = byteLength(e);
  return bytes >= 1 && bytes <= LONGEST_EXPONENT_BYTES && e % 2n === 1n && e >= DEFAULT_EXPONENT;
}

const generateRsa: Generator = (object, bits, services) => {
  const given = object.attribute(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT) !== undefined;
  const e = given ? object.number(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT) : DEFAULT_EXPONENT;
  if (!fitsAsExponent(e)) return gp.TEE_ERROR_BAD_PARAMETERS;
  const key = makeRsaKey(services, bits, e);
  if (key === undefined) return gp.TEE_ERROR_BAD_PARAMETERS;
  object.put(gp.TEE_ATTR_RSA_MODULUS, key.n);
  object.put(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT, key.e);
  object.put(gp.TEE_ATTR_RSA_PRIVATE_EXPONENT, key.d);
  object.put(gp.TEE_ATTR_RSA_PRIME1, key.p);
  object.put(gp.TEE_ATTR_RSA_PRIME2, key.q);
  object.put(gp.TEE_ATTR_RSA_EXPONENT1, key.dp);
  object.put(gp.TEE_ATTR_RSA_EXPONENT2, key.dq);
  object.put(gp.TEE_ATTR_RSA_COEFFICIENT, key.qp);
  return gp.TEE_SUCCESS;
};

const generateDsa: Generator = (object, bits, services) => {
  if (bits !== 8 * byteLength(object.number(gp.TEE_ATTR_DSA_PRIME))) {
    return gp.TEE_ERROR_BAD_PARAMETERS;
  }
  const key = makeDsaKey(services, object);
  if (key === undefined) return gp.TEE_ERROR_BAD_PARAMETERS;
  object.put(gp.TEE_ATTR_DSA_PRIVATE_VALUE, key.x);
  object.put(gp.TEE_ATTR_DSA_PUBLIC_VALUE, key.y);
  return gp.TEE_SUCCESS;
};

/** The object has its number of bits afterwards, 0 when nobody has said any. */
const generateDh: Generator = (object, bits, services) => {
  if (bits !== 8 * byteLength(object.number(gp.TEE_ATTR_DH_PRIME))) {
    return gp.TEE_ERROR_BAD_PARAMETERS;
  }
  const given = object.attribute(gp.TEE_ATTR_DH_SUBPRIME) !== undefined;
  const q = given ? object.number(gp.TEE_ATTR_DH_SUBPRIME) : undefined;
  const xBits = object.value(gp.TEE_ATTR_DH_X_BITS) ?? 0;
  const key = makeDhKey(services, object, q, xBits);
  if (key === undefined) return gp.TEE_ERROR_BAD_PARAMETERS;
  object.put(gp.TEE_ATTR_DH_PUBLIC_VALUE, key.y);
  object.put(gp.TEE_ATTR_DH_PRIVATE_VALUE, key.x);
  object.put(gp.TEE_ATTR_DH_X_BITS, xBits);
  return gp.TEE_SUCCESS;
};

/** Types of SM2 have no attribute for their curve. */
const generateEcc: Generator = (object, bits, services) => {
  const curve = object.value(gp.TEE_ATTR_ECC_CURVE) ?? gp.TEE_ECC_CURVE_SM2;
  const key = makeEccKey(services, curve, bits);
  if (typeof key === 'number') return key;
  object.put(gp.TEE_ATTR_ECC_PRIVATE_VALUE, key.d);
  object.put(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, key.point.x);
  object.put(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, key.point.y);
  return gp.TEE_SUCCESS;
};

const SEED_BYTES = 32;

const octetsGenerator =
  (
    privateValue: number,
    publicValue: number,
    publicKeyOf: (services: CryptoServices, secret: Uint8Array) => Uint8Array,
  ): Generator =>
  (object, _bits, services) => {
    const secret = new Uint8Array(SEED_BYTES);
    if (services.rng(secret) !== gp.TEE_SUCCESS) return gp.TEE_ERROR_BAD_PARAMETERS;
    object.put(privateValue, secret);
    object.put(publicValue, publicKeyOf(services, secret));
    return gp.TEE_SUCCESS;
  };

const GENERATORS: ReadonlyMap<number, Generator> = new Map([
  [gp.TEE_TYPE_RSA_KEYPAIR, generateRsa],
  [gp.TEE_TYPE_DSA_KEYPAIR, generateDsa],
  [gp.TEE_TYPE_DH_KEYPAIR, generateDh],
  [gp.TEE_TYPE_ECDSA_KEYPAIR, generateEcc],
  [gp.TEE_TYPE_ECDH_KEYPAIR, generateEcc],
  [gp.TEE_TYPE_SM2_DSA_KEYPAIR, generateEcc],
  [gp.TEE_TYPE_SM2_KEP_KEYPAIR, generateEcc],
  [gp.TEE_TYPE_SM2_PKE_KEYPAIR, generateEcc],
  [
    gp.TEE_TYPE_X25519_KEYPAIR,
    octetsGenerator(
      gp.TEE_ATTR_X25519_PRIVATE_VALUE,
      gp.TEE_ATTR_X25519_PUBLIC_VALUE,
      ({ crypto }, secret) => crypto.publicKey.x25519.publicKey(secret),
    ),
  ],
  [
    gp.TEE_TYPE_ED25519_KEYPAIR,
    octetsGenerator(
      gp.TEE_ATTR_ED25519_PRIVATE_VALUE,
      gp.TEE_ATTR_ED25519_PUBLIC_VALUE,
      ({ crypto }, seed) => crypto.publicKey.ed25519.publicKey(seed),
    ),
  ],
]);

/** After checkAttributes(). @returns a TEE_Result; TEE_ERROR_BAD_FORMAT for types that nothing makes */
export function generateKey(
  object: CryptoObject,
  bits: number,
  attributes: readonly TaAttribute[],
  services: CryptoServices,
): number {
  const generator = object.isSecret ? generateSecret : GENERATORS.get(object.type);
  if (generator === undefined) return gp.TEE_ERROR_BAD_FORMAT;
  const populated = object.populate(attributes);
  const result = populated === gp.TEE_SUCCESS ? generator(object, bits, services) : populated;
  if (result !== gp.TEE_SUCCESS) return result;
  object.keySize = bits;
  object.initialized = true;
  return gp.TEE_SUCCESS;
}
