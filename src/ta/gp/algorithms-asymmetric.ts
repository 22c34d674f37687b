/**
 * Asymmetric ciphers, signatures and key derivation as the library knows them.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c (TEE_AllocateOperation,
 * TEE_IsAlgorithmSupported) in the default configuration (core/crypto.mk).
 */
import {
  TEE_ALG_CONCAT_KDF_SHA1_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA224_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA384_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA512_DERIVE_KEY,
  TEE_ALG_DH_DERIVE_SHARED_SECRET,
  TEE_ALG_DSA_SHA1,
  TEE_ALG_DSA_SHA224,
  TEE_ALG_DSA_SHA256,
  TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
  TEE_ALG_ECDSA_SHA1,
  TEE_ALG_ECDSA_SHA224,
  TEE_ALG_ECDSA_SHA256,
  TEE_ALG_ECDSA_SHA384,
  TEE_ALG_ECDSA_SHA512,
  TEE_ALG_ED25519,
  TEE_ALG_HKDF_MD5_DERIVE_KEY,
  TEE_ALG_HKDF_SHA1_DERIVE_KEY,
  TEE_ALG_HKDF_SHA224_DERIVE_KEY,
  TEE_ALG_HKDF_SHA256_DERIVE_KEY,
  TEE_ALG_HKDF_SHA384_DERIVE_KEY,
  TEE_ALG_HKDF_SHA512_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA224_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA256_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA384_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA512_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SM3_DERIVE_KEY,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_MD5,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA224,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA256,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA384,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA512,
  TEE_ALG_RSAES_PKCS1_V1_5,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_MD5,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA224,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512,
  TEE_ALG_RSASSA_PKCS1_V1_5,
  TEE_ALG_RSASSA_PKCS1_V1_5_MD5,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA1,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA224,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA256,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA384,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA512,
  TEE_ALG_RSA_NOPAD,
  TEE_ALG_SM2_DSA_SM3,
  TEE_ALG_SM2_KEP,
  TEE_ALG_SM2_PKE,
  TEE_ALG_X25519,
  TEE_ECC_CURVE_25519,
  TEE_ECC_CURVE_NIST_P192,
  TEE_ECC_CURVE_NIST_P224,
  TEE_ECC_CURVE_NIST_P256,
  TEE_ECC_CURVE_NIST_P384,
  TEE_ECC_CURVE_NIST_P521,
  TEE_ECC_CURVE_SM2,
  TEE_MODE_DECRYPT,
  TEE_MODE_DERIVE,
  TEE_MODE_ENCRYPT,
  TEE_MODE_SIGN,
  TEE_MODE_VERIFY,
  TEE_OPERATION_ASYMMETRIC_CIPHER,
  TEE_OPERATION_ASYMMETRIC_SIGNATURE,
  TEE_OPERATION_KEY_DERIVATION,
  TEE_TYPE_CONCAT_KDF_Z,
  TEE_TYPE_DH_KEYPAIR,
  TEE_TYPE_DSA_KEYPAIR,
  TEE_TYPE_DSA_PUBLIC_KEY,
  TEE_TYPE_ECDH_KEYPAIR,
  TEE_TYPE_ECDSA_KEYPAIR,
  TEE_TYPE_ECDSA_PUBLIC_KEY,
  TEE_TYPE_ED25519_KEYPAIR,
  TEE_TYPE_ED25519_PUBLIC_KEY,
  TEE_TYPE_HKDF_IKM,
  TEE_TYPE_PBKDF2_PASSWORD,
  TEE_TYPE_RSA_KEYPAIR,
  TEE_TYPE_RSA_PUBLIC_KEY,
  TEE_TYPE_SM2_DSA_KEYPAIR,
  TEE_TYPE_SM2_DSA_PUBLIC_KEY,
  TEE_TYPE_SM2_KEP_KEYPAIR,
  TEE_TYPE_SM2_PKE_KEYPAIR,
  TEE_TYPE_SM2_PKE_PUBLIC_KEY,
  TEE_TYPE_X25519_KEYPAIR,
  TEE_USAGE_DECRYPT,
  TEE_USAGE_DERIVE,
  TEE_USAGE_ENCRYPT,
  TEE_USAGE_SIGN,
  TEE_USAGE_VERIFY,
  __OPTEE_ALG_ECDH_P192,
  __OPTEE_ALG_ECDH_P224,
  __OPTEE_ALG_ECDH_P256,
  __OPTEE_ALG_ECDH_P384,
  __OPTEE_ALG_ECDH_P521,
  __OPTEE_ALG_ECDSA_P192,
  __OPTEE_ALG_ECDSA_P224,
  __OPTEE_ALG_ECDSA_P256,
  __OPTEE_ALG_ECDSA_P384,
  __OPTEE_ALG_ECDSA_P521,
} from '../../abi/gp.ts';
import {
  TEE_SHA1_HASH_SIZE,
  TEE_SHA224_HASH_SIZE,
  TEE_SHA256_HASH_SIZE,
  TEE_SHA384_HASH_SIZE,
  TEE_SHA512_HASH_SIZE,
} from '../../abi/utee-defines.ts';
import { algorithmRow } from './algorithm-row.ts';
import type { AlgorithmRow, KeyNeed, RowOptions } from './algorithm-row.ts';

/** The two types of an asymmetric key. */
interface KeyTypes {
  readonly pair: number;
  readonly public: number;
}
const RSA: KeyTypes = { pair: TEE_TYPE_RSA_KEYPAIR, public: TEE_TYPE_RSA_PUBLIC_KEY };
const DSA: KeyTypes = { pair: TEE_TYPE_DSA_KEYPAIR, public: TEE_TYPE_DSA_PUBLIC_KEY };
const ECDSA: KeyTypes = { pair: TEE_TYPE_ECDSA_KEYPAIR, public: TEE_TYPE_ECDSA_PUBLIC_KEY };
const ED25519: KeyTypes = { pair: TEE_TYPE_ED25519_KEYPAIR, public: TEE_TYPE_ED25519_PUBLIC_KEY };
const SM2_DSA: KeyTypes = { pair: TEE_TYPE_SM2_DSA_KEYPAIR, public: TEE_TYPE_SM2_DSA_PUBLIC_KEY };
const SM2_PKE: KeyTypes = { pair: TEE_TYPE_SM2_PKE_KEYPAIR, public: TEE_TYPE_SM2_PKE_PUBLIC_KEY };

/** The mode that needs the pair, and the one for which the public key is enough. */
const asymmetric = (
  privateMode: readonly [mode: number, usage: number],
  publicMode: readonly [mode: number, usage: number],
  keys: KeyTypes,
): ReadonlyMap<number, KeyNeed> =>
  new Map([
    [privateMode[0], { usage: privateMode[1], keyType: keys.pair }],
    [publicMode[0], { usage: publicMode[1], keyType: keys.public }],
  ]);

const signature = (algorithm: number, keys: KeyTypes, options: RowOptions = {}): AlgorithmRow =>
  algorithmRow(
    algorithm,
    TEE_OPERATION_ASYMMETRIC_SIGNATURE,
    asymmetric([TEE_MODE_SIGN, TEE_USAGE_SIGN], [TEE_MODE_VERIFY, TEE_USAGE_VERIFY], keys),
    options,
  );

const cipher = (algorithm: number, keys: KeyTypes, options: RowOptions = {}): AlgorithmRow =>
  algorithmRow(
    algorithm,
    TEE_OPERATION_ASYMMETRIC_CIPHER,
    asymmetric([TEE_MODE_DECRYPT, TEE_USAGE_DECRYPT], [TEE_MODE_ENCRYPT, TEE_USAGE_ENCRYPT], keys),
    options,
  );

function derivation(algorithm: number, keyType: number, options: RowOptions): AlgorithmRow {
  const modes = new Map([[TEE_MODE_DERIVE, { usage: TEE_USAGE_DERIVE, keyType }]]);
  return algorithmRow(algorithm, TEE_OPERATION_KEY_DERIVATION, modes, options);
}

const exactly =
  (...sizes: readonly number[]) =>
  (bits: number): boolean =>
    sizes.includes(bits);

const atMost =
  (most: number) =>
  (bits: number): boolean =>
    bits <= most;

/** Not asked about in TEE_IsAlgorithmSupported, which denies it. */
const DENIED: RowOptions = { elements: [] };

/** An algorithm for one curve. */
const curve = (element: number, bits: number, digestLength = 0): RowOptions => ({
  elements: [element],
  takesKeySize: exactly(bits),
  digestLength,
});

const P192 = TEE_ECC_CURVE_NIST_P192;
const P224 = TEE_ECC_CURVE_NIST_P224;
const P256 = TEE_ECC_CURVE_NIST_P256;
const P384 = TEE_ECC_CURVE_NIST_P384;
const P521 = TEE_ECC_CURVE_NIST_P521;

const RSA_SIGNATURES = [
  TEE_ALG_RSASSA_PKCS1_V1_5,
  TEE_ALG_RSASSA_PKCS1_V1_5_MD5,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA1,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA224,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA256,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA384,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA512,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_MD5,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA224,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512,
];

const RSA_CIPHERS = [
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_MD5,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA224,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA256,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA384,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA512,
];

/** The raw primitive serves signatures, too: its key must be allowed both. */
const RSA_NOPAD = algorithmRow(
  TEE_ALG_RSA_NOPAD,
  TEE_OPERATION_ASYMMETRIC_CIPHER,
  asymmetric(
    [TEE_MODE_DECRYPT, TEE_USAGE_DECRYPT | TEE_USAGE_SIGN],
    [TEE_MODE_ENCRYPT, TEE_USAGE_ENCRYPT | TEE_USAGE_VERIFY],
    RSA,
  ),
  {},
);

const DSA_SIGNATURES: readonly AlgorithmRow[] = [
  signature(TEE_ALG_DSA_SHA1, DSA, {
    digestLength: TEE_SHA1_HASH_SIZE,
    takesKeySize: (bits) => bits >= 512 && bits <= 1024 && bits % 64 === 0,
  }),
  signature(TEE_ALG_DSA_SHA224, DSA, {
    digestLength: TEE_SHA224_HASH_SIZE,
    takesKeySize: exactly(2048),
  }),
  signature(TEE_ALG_DSA_SHA256, DSA, {
    digestLength: TEE_SHA256_HASH_SIZE,
    takesKeySize: exactly(2048, 3072),
  }),
];

const EC_SIGNATURES: readonly AlgorithmRow[] = [
  signature(TEE_ALG_ECDSA_SHA1, ECDSA, curve(P192, 192, TEE_SHA1_HASH_SIZE)),
  signature(TEE_ALG_ECDSA_SHA224, ECDSA, curve(P224, 224, TEE_SHA224_HASH_SIZE)),
  signature(TEE_ALG_ECDSA_SHA256, ECDSA, curve(P256, 256, TEE_SHA256_HASH_SIZE)),
  signature(TEE_ALG_ECDSA_SHA384, ECDSA, curve(P384, 384, TEE_SHA384_HASH_SIZE)),
  signature(TEE_ALG_ECDSA_SHA512, ECDSA, curve(P521, 521, TEE_SHA512_HASH_SIZE)),
  signature(__OPTEE_ALG_ECDSA_P192, ECDSA, curve(P192, 192)),
  signature(__OPTEE_ALG_ECDSA_P224, ECDSA, curve(P224, 224)),
  signature(__OPTEE_ALG_ECDSA_P256, ECDSA, curve(P256, 256)),
  signature(__OPTEE_ALG_ECDSA_P384, ECDSA, curve(P384, 384)),
  signature(__OPTEE_ALG_ECDSA_P521, ECDSA, curve(P521, 521)),
  signature(TEE_ALG_SM2_DSA_SM3, SM2_DSA, curve(TEE_ECC_CURVE_SM2, 256)),
  signature(TEE_ALG_ED25519, ED25519, curve(TEE_ECC_CURVE_25519, 256)),
];

const KEY_EXCHANGES: readonly AlgorithmRow[] = [
  derivation(TEE_ALG_DH_DERIVE_SHARED_SECRET, TEE_TYPE_DH_KEYPAIR, {}),
  derivation(TEE_ALG_ECDH_DERIVE_SHARED_SECRET, TEE_TYPE_ECDH_KEYPAIR, {
    elements: [P192, P224, P256, P384, P521],
    takesKeySize: atMost(521),
  }),
  derivation(__OPTEE_ALG_ECDH_P192, TEE_TYPE_ECDH_KEYPAIR, curve(P192, 192)),
  derivation(__OPTEE_ALG_ECDH_P224, TEE_TYPE_ECDH_KEYPAIR, curve(P224, 224)),
  derivation(__OPTEE_ALG_ECDH_P256, TEE_TYPE_ECDH_KEYPAIR, curve(P256, 256)),
  derivation(__OPTEE_ALG_ECDH_P384, TEE_TYPE_ECDH_KEYPAIR, curve(P384, 384)),
  derivation(__OPTEE_ALG_ECDH_P521, TEE_TYPE_ECDH_KEYPAIR, curve(P521, 521)),
  derivation(TEE_ALG_X25519, TEE_TYPE_X25519_KEYPAIR, curve(TEE_ECC_CURVE_25519, 256)),
  // Two 256-bit keys.
  derivation(TEE_ALG_SM2_KEP, TEE_TYPE_SM2_KEP_KEYPAIR, {
    ...curve(TEE_ECC_CURVE_SM2, 512),
    twoKeys: true,
  }),
];

const HKDFS = [
  TEE_ALG_HKDF_MD5_DERIVE_KEY,
  TEE_ALG_HKDF_SHA1_DERIVE_KEY,
  TEE_ALG_HKDF_SHA224_DERIVE_KEY,
  TEE_ALG_HKDF_SHA256_DERIVE_KEY,
  TEE_ALG_HKDF_SHA384_DERIVE_KEY,
  TEE_ALG_HKDF_SHA512_DERIVE_KEY,
];

const CONCAT_KDFS = [
  TEE_ALG_CONCAT_KDF_SHA1_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA224_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA384_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA512_DERIVE_KEY,
];

const PBKDF2S = [
  TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA224_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA256_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA384_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA512_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SM3_DERIVE_KEY,
];

export const ASYMMETRIC_ROWS: readonly AlgorithmRow[] = [
  ...RSA_SIGNATURES.map((algorithm) => signature(algorithm, RSA)),
  ...DSA_SIGNATURES,
  ...EC_SIGNATURES,
  cipher(TEE_ALG_RSAES_PKCS1_V1_5, RSA, DENIED),
  ...RSA_CIPHERS.map((algorithm) => cipher(algorithm, RSA)),
  RSA_NOPAD,
  cipher(TEE_ALG_SM2_PKE, SM2_PKE, curve(TEE_ECC_CURVE_SM2, 256)),
  ...KEY_EXCHANGES,
  ...HKDFS.map((algorithm) => derivation(algorithm, TEE_TYPE_HKDF_IKM, DENIED)),
  ...CONCAT_KDFS.map((algorithm) => derivation(algorithm, TEE_TYPE_CONCAT_KDF_Z, DENIED)),
  ...PBKDF2S.map((algorithm) => derivation(algorithm, TEE_TYPE_PBKDF2_PASSWORD, DENIED)),
];
