/**
 * Asymmetric encryption, signatures and key derivation, a row each.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (syscall_asymm_operate,
 * syscall_asymm_verify, syscall_cryp_derive_key, tee_svc_cryp_check_key_type,
 * translate_compat_algo). Absent as in the default build of 4.10: X448, Ed448, and the variants with
 * SHA-3 of RSA, DSA and ECDSA.
 */
import * as gp from '../../abi/gp.ts';
import { stateless } from './asymmetric-context.ts';
import type { Operation, Verification } from './asymmetric-context.ts';
import type { Algorithm } from './contexts.ts';
import { derivation } from './derivation-context.ts';
import type { Derivation } from './derivation-context.ts';
import { deriveDh } from './dh.ts';
import { signDsa, verifyDsa } from './dsa.ts';
import { deriveEcdh, signEcdsa, verifyEcdsa } from './ecc.ts';
import { signEd25519, verifyEd25519 } from './ed25519.ts';
import { deriveConcatKdf, deriveHkdf, derivePbkdf2 } from './kdf.ts';
import type { MainHash } from './main-hash.ts';
import { MD5, SHA1, SHA224, SHA256, SHA384, SHA512, SM3 } from './main-hash.ts';
import { RsaNoPad } from './rsa-context.ts';
import { Rsaes } from './rsaes.ts';
import type { SignatureScheme } from './rsassa.ts';
import { Rsassa, V1_5_NA1, pss, v1_5 } from './rsassa.ts';
import { signSm2, verifySm2 } from './sm2-dsa.ts';
import { deriveSm2Kep } from './sm2-kep.ts';
import { operateSm2Pke } from './sm2-pke.ts';
import { deriveX25519 } from './x25519.ts';

/** A row for an algorithm with one key. */
const row = (id: number, keyTypes: Algorithm['keyTypes'], open: Algorithm['open']): Algorithm => ({
  id,
  keys: 1,
  keyTypes,
  open,
});

/** A public key does in some modes, a key pair in all. */
const withPublic =
  (pair: number, publicKey: number, ...modes: readonly number[]) =>
  (mode: number): readonly number[] =>
    modes.includes(mode) ? [pair, publicKey] : [pair];

/** SM2's key pairs are no public keys. */
const either =
  (pair: number, publicKey: number, publicMode: number) =>
  (mode: number): readonly number[] => [mode === publicMode ? publicKey : pair];

const RSA_KEYS = withPublic(
  gp.TEE_TYPE_RSA_KEYPAIR,
  gp.TEE_TYPE_RSA_PUBLIC_KEY,
  gp.TEE_MODE_ENCRYPT,
  gp.TEE_MODE_VERIFY,
);
const DSA_KEYS = withPublic(
  gp.TEE_TYPE_DSA_KEYPAIR,
  gp.TEE_TYPE_DSA_PUBLIC_KEY,
  gp.TEE_MODE_ENCRYPT,
  gp.TEE_MODE_VERIFY,
);
const ECDSA_KEYS = withPublic(
  gp.TEE_TYPE_ECDSA_KEYPAIR,
  gp.TEE_TYPE_ECDSA_PUBLIC_KEY,
  gp.TEE_MODE_VERIFY,
);
const ED25519_KEYS = withPublic(
  gp.TEE_TYPE_ED25519_KEYPAIR,
  gp.TEE_TYPE_ED25519_PUBLIC_KEY,
  gp.TEE_MODE_VERIFY,
);

const rsaes = (id: number, hash: MainHash | undefined): Algorithm =>
  row(id, RSA_KEYS, (services, mode) => new Rsaes(services, mode, hash));

const rsassa = (id: number, scheme: SignatureScheme): Algorithm =>
  row(id, RSA_KEYS, (services, mode) => new Rsassa(services, mode, scheme));

const dsa = (id: number, hash: MainHash): Algorithm =>
  row(
    id,
    DSA_KEYS,
    stateless(
      (operation) => signDsa(hash, operation),
      (verification) => verifyDsa(hash, verification),
    ),
  );

/** @param meaning the algorithm that an id of before GlobalPlatform 1.3.1 stands for */
const ecdsa = (id: number, meaning: number = id): Algorithm =>
  row(
    id,
    ECDSA_KEYS,
    stateless(
      (operation: Operation) => signEcdsa(meaning, operation),
      (verification: Verification) => verifyEcdsa(meaning, verification),
    ),
  );

const derive = (id: number, keyType: number, run: (call: Derivation) => number): Algorithm =>
  row(id, () => [keyType], derivation(run));

const ecdh = (id: number): Algorithm => derive(id, gp.TEE_TYPE_ECDH_KEYPAIR, deriveEcdh);

const hkdf = (id: number, hash: MainHash | undefined): Algorithm =>
  derive(id, gp.TEE_TYPE_HKDF_IKM, (call) => deriveHkdf(hash, call));

const concatKdf = (id: number, hash: MainHash): Algorithm =>
  derive(id, gp.TEE_TYPE_CONCAT_KDF_Z, (call) => deriveConcatKdf(hash, call));

const pbkdf2 = (id: number, hash: MainHash): Algorithm =>
  derive(id, gp.TEE_TYPE_PBKDF2_PASSWORD, (call) => derivePbkdf2(hash, call));

const RSA: readonly Algorithm[] = [
  row(gp.TEE_ALG_RSA_NOPAD, RSA_KEYS, (services, mode) => new RsaNoPad(services, mode)),
  rsaes(gp.TEE_ALG_RSAES_PKCS1_V1_5, undefined),
  rsaes(gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_MD5, MD5),
  rsaes(gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1, SHA1),
  rsaes(gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA224, SHA224),
  rsaes(gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA256, SHA256),
  rsaes(gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA384, SHA384),
  rsaes(gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA512, SHA512),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_V1_5, V1_5_NA1),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_V1_5_MD5, v1_5(MD5)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA1, v1_5(SHA1)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA224, v1_5(SHA224)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA256, v1_5(SHA256)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA384, v1_5(SHA384)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA512, v1_5(SHA512)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_MD5, pss(MD5)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1, pss(SHA1)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA224, pss(SHA224)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256, pss(SHA256)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384, pss(SHA384)),
  rsassa(gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512, pss(SHA512)),
];

const CURVES: readonly Algorithm[] = [
  ecdsa(gp.TEE_ALG_ECDSA_SHA1),
  ecdsa(gp.TEE_ALG_ECDSA_SHA224),
  ecdsa(gp.TEE_ALG_ECDSA_SHA256),
  ecdsa(gp.TEE_ALG_ECDSA_SHA384),
  ecdsa(gp.TEE_ALG_ECDSA_SHA512),
  ecdsa(gp.__OPTEE_ALG_ECDSA_P192, gp.TEE_ALG_ECDSA_SHA1),
  ecdsa(gp.__OPTEE_ALG_ECDSA_P224, gp.TEE_ALG_ECDSA_SHA224),
  ecdsa(gp.__OPTEE_ALG_ECDSA_P256, gp.TEE_ALG_ECDSA_SHA256),
  ecdsa(gp.__OPTEE_ALG_ECDSA_P384, gp.TEE_ALG_ECDSA_SHA384),
  ecdsa(gp.__OPTEE_ALG_ECDSA_P521, gp.TEE_ALG_ECDSA_SHA512),
  ecdh(gp.TEE_ALG_ECDH_DERIVE_SHARED_SECRET),
  ecdh(gp.__OPTEE_ALG_ECDH_P192),
  ecdh(gp.__OPTEE_ALG_ECDH_P224),
  ecdh(gp.__OPTEE_ALG_ECDH_P256),
  ecdh(gp.__OPTEE_ALG_ECDH_P384),
  ecdh(gp.__OPTEE_ALG_ECDH_P521),
  row(gp.TEE_ALG_ED25519, ED25519_KEYS, stateless(signEd25519, verifyEd25519)),
  derive(gp.TEE_ALG_X25519, gp.TEE_TYPE_X25519_KEYPAIR, deriveX25519),
];

const SM2: readonly Algorithm[] = [
  row(
    gp.TEE_ALG_SM2_DSA_SM3,
    either(gp.TEE_TYPE_SM2_DSA_KEYPAIR, gp.TEE_TYPE_SM2_DSA_PUBLIC_KEY, gp.TEE_MODE_VERIFY),
    stateless(signSm2, verifySm2),
  ),
  row(
    gp.TEE_ALG_SM2_PKE,
    either(gp.TEE_TYPE_SM2_PKE_KEYPAIR, gp.TEE_TYPE_SM2_PKE_PUBLIC_KEY, gp.TEE_MODE_ENCRYPT),
    stateless(operateSm2Pke, () => gp.TEE_ERROR_NOT_SUPPORTED),
  ),
  {
    id: gp.TEE_ALG_SM2_KEP,
    keys: 2,
    keyTypes: () => [gp.TEE_TYPE_SM2_KEP_KEYPAIR, gp.TEE_TYPE_SM2_KEP_PUBLIC_KEY],
    open: derivation(deriveSm2Kep),
  },
];

const KEY_DERIVATION: readonly Algorithm[] = [
  derive(gp.TEE_ALG_DH_DERIVE_SHARED_SECRET, gp.TEE_TYPE_DH_KEYPAIR, deriveDh),
  hkdf(gp.TEE_ALG_HKDF, undefined),
  hkdf(gp.TEE_ALG_HKDF_MD5_DERIVE_KEY, MD5),
  hkdf(gp.TEE_ALG_HKDF_SHA1_DERIVE_KEY, SHA1),
  hkdf(gp.TEE_ALG_HKDF_SHA224_DERIVE_KEY, SHA224),
  hkdf(gp.TEE_ALG_HKDF_SHA256_DERIVE_KEY, SHA256),
  hkdf(gp.TEE_ALG_HKDF_SHA384_DERIVE_KEY, SHA384),
  hkdf(gp.TEE_ALG_HKDF_SHA512_DERIVE_KEY, SHA512),
  concatKdf(gp.TEE_ALG_CONCAT_KDF_SHA1_DERIVE_KEY, SHA1),
  concatKdf(gp.TEE_ALG_CONCAT_KDF_SHA224_DERIVE_KEY, SHA224),
  concatKdf(gp.TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY, SHA256),
  concatKdf(gp.TEE_ALG_CONCAT_KDF_SHA384_DERIVE_KEY, SHA384),
  concatKdf(gp.TEE_ALG_CONCAT_KDF_SHA512_DERIVE_KEY, SHA512),
  pbkdf2(gp.TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY, SHA1),
  pbkdf2(gp.TEE_ALG_PBKDF2_HMAC_SHA224_DERIVE_KEY, SHA224),
  pbkdf2(gp.TEE_ALG_PBKDF2_HMAC_SHA256_DERIVE_KEY, SHA256),
  pbkdf2(gp.TEE_ALG_PBKDF2_HMAC_SHA384_DERIVE_KEY, SHA384),
  pbkdf2(gp.TEE_ALG_PBKDF2_HMAC_SHA512_DERIVE_KEY, SHA512),
  pbkdf2(gp.TEE_ALG_PBKDF2_HMAC_SM3_DERIVE_KEY, SM3),
];

export const ASYMMETRIC_ALGORITHMS: readonly Algorithm[] = [
  ...RSA,
  dsa(gp.TEE_ALG_DSA_SHA1, SHA1),
  dsa(gp.TEE_ALG_DSA_SHA224, SHA224),
  dsa(gp.TEE_ALG_DSA_SHA256, SHA256),
  ...CURVES,
  ...SM2,
  ...KEY_DERIVATION,
];
