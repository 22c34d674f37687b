/** All published vectors: which algorithm has which source. */
import * as gp from '../../../abi/gp.ts';
import { AUTHENC_VECTORS } from './authenc-vectors.ts';
import { CIPHER_VECTORS } from './cipher-vectors.ts';
import { DIGEST_VECTORS } from './digest-vectors.ts';
import { DH_VECTORS, DSA_VECTORS } from './dsa-vectors.ts';
import {
  DETERMINISTIC_ECDSA_VECTORS,
  ECDH_VECTORS,
  ECDSA_VECTORS,
  ED25519_VECTORS,
  X25519_VECTORS,
} from './ecc-vectors.ts';
import { CONCAT_KDF_VECTORS, HKDF_VECTORS, PBKDF2_VECTORS } from './kdf-vectors.ts';
import { MAC_VECTORS } from './mac-vectors.ts';
import { RSAES_VECTORS, RSASSA_VECTORS } from './rsa-vectors.ts';
import { SM2_CIPHERTEXT, SM2_EXCHANGE, SM2_SIGNATURE } from './sm2-vectors.ts';
import type { Vector } from './vector.ts';

export const SYMMETRIC_VECTORS: readonly Vector[] = [
  ...DIGEST_VECTORS,
  ...MAC_VECTORS,
  ...CIPHER_VECTORS,
  ...AUTHENC_VECTORS,
];

/** Names that algorithms had before GlobalPlatform had them: one for each curve. */
const OLD_NAMES: readonly (readonly [curve: number, ecdsa: number, ecdh: number])[] = [
  [gp.TEE_ECC_CURVE_NIST_P192, gp.__OPTEE_ALG_ECDSA_P192, gp.__OPTEE_ALG_ECDH_P192],
  [gp.TEE_ECC_CURVE_NIST_P224, gp.__OPTEE_ALG_ECDSA_P224, gp.__OPTEE_ALG_ECDH_P224],
  [gp.TEE_ECC_CURVE_NIST_P256, gp.__OPTEE_ALG_ECDSA_P256, gp.__OPTEE_ALG_ECDH_P256],
  [gp.TEE_ECC_CURVE_NIST_P384, gp.__OPTEE_ALG_ECDSA_P384, gp.__OPTEE_ALG_ECDH_P384],
  [gp.TEE_ECC_CURVE_NIST_P521, gp.__OPTEE_ALG_ECDSA_P521, gp.__OPTEE_ALG_ECDH_P521],
];

function renamed<V extends { readonly curve: number }>(vectors: readonly V[], column: 1 | 2): V[] {
  return vectors.map((v) => {
    const names = OLD_NAMES.find(([curve]) => curve === v.curve)!;
    return { ...v, algorithm: names[column] };
  });
}

export const ALL_ECDSA_VECTORS = [
  ...ECDSA_VECTORS,
  ...DETERMINISTIC_ECDSA_VECTORS,
  ...renamed(ECDSA_VECTORS, 1),
];
export const ALL_ECDH_VECTORS = [...ECDH_VECTORS, ...renamed(ECDH_VECTORS, 2)];

/** Signatures of PKCS #1 v1.5, which say what RSA without padding makes, and without a hash. */
export const V1_5_SIGNATURES = RSASSA_VECTORS.filter(({ salt }) => salt === undefined);

const as = (algorithm: number, vectors: readonly Vector[]): readonly Vector[] =>
  vectors.map(({ source }) => ({ algorithm, source }));

export const ASYMMETRIC_VECTORS: readonly Vector[] = [
  ...RSAES_VECTORS,
  ...RSASSA_VECTORS,
  ...as(gp.TEE_ALG_RSA_NOPAD, V1_5_SIGNATURES),
  ...as(gp.TEE_ALG_RSASSA_PKCS1_V1_5, V1_5_SIGNATURES),
  ...DSA_VECTORS,
  ...DH_VECTORS,
  ...ALL_ECDSA_VECTORS,
  ...ALL_ECDH_VECTORS,
  ...ED25519_VECTORS,
  ...X25519_VECTORS,
  SM2_SIGNATURE,
  SM2_CIPHERTEXT,
  SM2_EXCHANGE,
  ...HKDF_VECTORS,
  ...CONCAT_KDF_VECTORS,
  ...PBKDF2_VECTORS,
];
