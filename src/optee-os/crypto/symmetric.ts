/**
 * Digests, MACs, ciphers and authenticated encryption, a row each: all that the default
 * configuration has.
 *
 * Upstream counterparts: optee_os core/crypto/crypto.c (crypto_*_alloc_ctx), core/crypto.mk,
 * tee_svc_cryp_check_key_type() in core/tee/tee_svc_cryp.c.
 */
import {
  TEE_ALG_AES_CBC_MAC_NOPAD,
  TEE_ALG_AES_CBC_MAC_PKCS5,
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_CMAC,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_CTS,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ALG_AES_XTS,
  TEE_ALG_DES3_CBC_MAC_NOPAD,
  TEE_ALG_DES3_CBC_MAC_PKCS5,
  TEE_ALG_DES3_CBC_NOPAD,
  TEE_ALG_DES3_CMAC,
  TEE_ALG_DES3_ECB_NOPAD,
  TEE_ALG_DES_CBC_MAC_NOPAD,
  TEE_ALG_DES_CBC_MAC_PKCS5,
  TEE_ALG_DES_CBC_NOPAD,
  TEE_ALG_DES_ECB_NOPAD,
  TEE_ALG_HMAC_MD5,
  TEE_ALG_HMAC_SHA1,
  TEE_ALG_HMAC_SHA224,
  TEE_ALG_HMAC_SHA256,
  TEE_ALG_HMAC_SHA384,
  TEE_ALG_HMAC_SHA3_224,
  TEE_ALG_HMAC_SHA3_256,
  TEE_ALG_HMAC_SHA3_384,
  TEE_ALG_HMAC_SHA3_512,
  TEE_ALG_HMAC_SHA512,
  TEE_ALG_HMAC_SM3,
  TEE_ALG_MD5,
  TEE_ALG_SHA1,
  TEE_ALG_SHA224,
  TEE_ALG_SHA256,
  TEE_ALG_SHA384,
  TEE_ALG_SHA3_224,
  TEE_ALG_SHA3_256,
  TEE_ALG_SHA3_384,
  TEE_ALG_SHA3_512,
  TEE_ALG_SHA512,
  TEE_ALG_SHAKE128,
  TEE_ALG_SHAKE256,
  TEE_ALG_SM3,
  TEE_ALG_SM4_CBC_NOPAD,
  TEE_ALG_SM4_CTR,
  TEE_ALG_SM4_ECB_NOPAD,
  TEE_ALG_SM4_XTS,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_TYPE_AES,
  TEE_TYPE_DES,
  TEE_TYPE_DES3,
  TEE_TYPE_HMAC_MD5,
  TEE_TYPE_HMAC_SHA1,
  TEE_TYPE_HMAC_SHA224,
  TEE_TYPE_HMAC_SHA256,
  TEE_TYPE_HMAC_SHA384,
  TEE_TYPE_HMAC_SHA3_224,
  TEE_TYPE_HMAC_SHA3_256,
  TEE_TYPE_HMAC_SHA3_384,
  TEE_TYPE_HMAC_SHA3_512,
  TEE_TYPE_HMAC_SHA512,
  TEE_TYPE_HMAC_SM3,
  TEE_TYPE_SM4,
} from '../../abi/gp.ts';
import {
  TEE_MD5_HASH_SIZE,
  TEE_SHA1_HASH_SIZE,
  TEE_SHA224_HASH_SIZE,
  TEE_SHA256_HASH_SIZE,
  TEE_SHA384_HASH_SIZE,
  TEE_SHA512_HASH_SIZE,
  TEE_SM3_HASH_SIZE,
} from '../../abi/utee-defines.ts';
import { BlockMac, CMAC, NOPAD, PKCS5 } from './cbc-mac.ts';
import type { MacPadding } from './cbc-mac.ts';
import { AesCcm } from './ccm.ts';
import {
  AES_CBC,
  AES_CTR,
  AES_ECB,
  ChainedCipher,
  DES3_CBC,
  DES3_ECB,
  DES_CBC,
  DES_ECB,
  SM4_CBC,
  SM4_CTR,
  SM4_ECB,
} from './cipher.ts';
import type { CipherMode } from './cipher.ts';
import type { Algorithm } from './contexts.ts';
import { AesCts } from './cts.ts';
import { Digest, Xof } from './digest.ts';
import { AesGcm } from './gcm.ts';
import { Hmac } from './hmac.ts';
import { XtsCipher } from './xts.ts';
import type { XtsMode } from './xts.ts';

const NO_KEYS: readonly number[] = [];

/** An algorithm of one type of keys in all modes. */
function row(id: number, keyType: number, open: Algorithm['open']): Algorithm {
  const keyTypes = [keyType];
  return { id, keys: 1, keyTypes: () => keyTypes, open };
}

const unkeyed = (id: number, open: Algorithm['open']): Algorithm => ({
  id,
  keys: 0,
  keyTypes: () => NO_KEYS,
  open,
});

const digest = (id: number, name: string, size: number): Algorithm =>
  unkeyed(id, ({ crypto }) => new Digest(crypto, name, size));

const xof = (id: number, name: string): Algorithm =>
  unkeyed(id, ({ crypto }) => new Xof(crypto, name));

function hmac(
  id: number,
  keyType: number,
  name: string,
  size: number,
  blockSize: number,
  shortestKey = 1,
): Algorithm {
  const hashed = { name, size, blockSize, shortestKey };
  return row(id, keyType, ({ crypto }) => new Hmac(crypto, hashed));
}

const blockMac = (id: number, keyType: number, cbc: CipherMode, padding: MacPadding): Algorithm =>
  row(id, keyType, ({ crypto }) => new BlockMac(crypto, cbc, padding));

const cipher = (id: number, keyType: number, chaining: CipherMode): Algorithm =>
  row(id, keyType, ({ crypto }, mode) => new ChainedCipher(crypto, chaining, mode));

const xts = (id: number, keyType: number, mode: XtsMode): Algorithm => ({
  ...row(id, keyType, (services, direction) => new XtsCipher(services, mode, direction)),
  keys: 2,
});

const DIGESTS: readonly Algorithm[] = [
  digest(TEE_ALG_MD5, 'md5', TEE_MD5_HASH_SIZE),
  digest(TEE_ALG_SHA1, 'sha1', TEE_SHA1_HASH_SIZE),
  digest(TEE_ALG_SHA224, 'sha224', TEE_SHA224_HASH_SIZE),
  digest(TEE_ALG_SHA256, 'sha256', TEE_SHA256_HASH_SIZE),
  digest(TEE_ALG_SHA384, 'sha384', TEE_SHA384_HASH_SIZE),
  digest(TEE_ALG_SHA512, 'sha512', TEE_SHA512_HASH_SIZE),
  digest(TEE_ALG_SHA3_224, 'sha3-224', TEE_SHA224_HASH_SIZE),
  digest(TEE_ALG_SHA3_256, 'sha3-256', TEE_SHA256_HASH_SIZE),
  digest(TEE_ALG_SHA3_384, 'sha3-384', TEE_SHA384_HASH_SIZE),
  digest(TEE_ALG_SHA3_512, 'sha3-512', TEE_SHA512_HASH_SIZE),
  xof(TEE_ALG_SHAKE128, 'shake128'),
  xof(TEE_ALG_SHAKE256, 'shake256'),
  digest(TEE_ALG_SM3, 'sm3', TEE_SM3_HASH_SIZE),
];

const HMACS: readonly Algorithm[] = [
  hmac(TEE_ALG_HMAC_MD5, TEE_TYPE_HMAC_MD5, 'md5', TEE_MD5_HASH_SIZE, 64),
  hmac(TEE_ALG_HMAC_SHA1, TEE_TYPE_HMAC_SHA1, 'sha1', TEE_SHA1_HASH_SIZE, 64),
  hmac(TEE_ALG_HMAC_SHA224, TEE_TYPE_HMAC_SHA224, 'sha224', TEE_SHA224_HASH_SIZE, 64),
  hmac(TEE_ALG_HMAC_SHA256, TEE_TYPE_HMAC_SHA256, 'sha256', TEE_SHA256_HASH_SIZE, 64),
  hmac(TEE_ALG_HMAC_SHA384, TEE_TYPE_HMAC_SHA384, 'sha384', TEE_SHA384_HASH_SIZE, 128),
  hmac(TEE_ALG_HMAC_SHA512, TEE_TYPE_HMAC_SHA512, 'sha512', TEE_SHA512_HASH_SIZE, 128),
  hmac(TEE_ALG_HMAC_SHA3_224, TEE_TYPE_HMAC_SHA3_224, 'sha3-224', TEE_SHA224_HASH_SIZE, 144),
  hmac(TEE_ALG_HMAC_SHA3_256, TEE_TYPE_HMAC_SHA3_256, 'sha3-256', TEE_SHA256_HASH_SIZE, 136),
  hmac(TEE_ALG_HMAC_SHA3_384, TEE_TYPE_HMAC_SHA3_384, 'sha3-384', TEE_SHA384_HASH_SIZE, 104),
  hmac(TEE_ALG_HMAC_SHA3_512, TEE_TYPE_HMAC_SHA3_512, 'sha3-512', TEE_SHA512_HASH_SIZE, 72),
  // Not LibTomCrypt's, which alone refuses a key without bytes.
  hmac(TEE_ALG_HMAC_SM3, TEE_TYPE_HMAC_SM3, 'sm3', TEE_SM3_HASH_SIZE, 64, 0),
];

const BLOCK_MACS: readonly Algorithm[] = [
  blockMac(TEE_ALG_AES_CBC_MAC_NOPAD, TEE_TYPE_AES, AES_CBC, NOPAD),
  blockMac(TEE_ALG_AES_CBC_MAC_PKCS5, TEE_TYPE_AES, AES_CBC, PKCS5),
  blockMac(TEE_ALG_AES_CMAC, TEE_TYPE_AES, AES_CBC, CMAC),
  blockMac(TEE_ALG_DES_CBC_MAC_NOPAD, TEE_TYPE_DES, DES_CBC, NOPAD),
  blockMac(TEE_ALG_DES_CBC_MAC_PKCS5, TEE_TYPE_DES, DES_CBC, PKCS5),
  blockMac(TEE_ALG_DES3_CBC_MAC_NOPAD, TEE_TYPE_DES3, DES3_CBC, NOPAD),
  blockMac(TEE_ALG_DES3_CBC_MAC_PKCS5, TEE_TYPE_DES3, DES3_CBC, PKCS5),
  blockMac(TEE_ALG_DES3_CMAC, TEE_TYPE_DES3, DES3_CBC, CMAC),
];

const CIPHERS: readonly Algorithm[] = [
  cipher(TEE_ALG_AES_ECB_NOPAD, TEE_TYPE_AES, AES_ECB),
  cipher(TEE_ALG_AES_CBC_NOPAD, TEE_TYPE_AES, AES_CBC),
  cipher(TEE_ALG_AES_CTR, TEE_TYPE_AES, AES_CTR),
  row(TEE_ALG_AES_CTS, TEE_TYPE_AES, ({ crypto }, mode) => {
    const ecb = new ChainedCipher(crypto, AES_ECB, mode);
    return new AesCts(mode, ecb, new ChainedCipher(crypto, AES_CBC, mode));
  }),
  xts(TEE_ALG_AES_XTS, TEE_TYPE_AES, { ecb: AES_ECB, badSize: TEE_ERROR_BAD_PARAMETERS }),
  cipher(TEE_ALG_DES_ECB_NOPAD, TEE_TYPE_DES, DES_ECB),
  cipher(TEE_ALG_DES_CBC_NOPAD, TEE_TYPE_DES, DES_CBC),
  cipher(TEE_ALG_DES3_ECB_NOPAD, TEE_TYPE_DES3, DES3_ECB),
  cipher(TEE_ALG_DES3_CBC_NOPAD, TEE_TYPE_DES3, DES3_CBC),
  cipher(TEE_ALG_SM4_ECB_NOPAD, TEE_TYPE_SM4, SM4_ECB),
  cipher(TEE_ALG_SM4_CBC_NOPAD, TEE_TYPE_SM4, SM4_CBC),
  cipher(TEE_ALG_SM4_CTR, TEE_TYPE_SM4, SM4_CTR),
  xts(TEE_ALG_SM4_XTS, TEE_TYPE_SM4, {
    ecb: SM4_ECB,
    badSize: TEE_ERROR_BAD_STATE,
    asserts: 'sm4_crypt_xts',
  }),
];

const AUTHENCS: readonly Algorithm[] = [
  row(TEE_ALG_AES_CCM, TEE_TYPE_AES, ({ crypto }, mode) => new AesCcm(crypto, mode)),
  row(TEE_ALG_AES_GCM, TEE_TYPE_AES, ({ crypto }, mode) => new AesGcm(crypto, mode)),
];

export const SYMMETRIC_ALGORITHMS: readonly Algorithm[] = [
  ...DIGESTS,
  ...HMACS,
  ...BLOCK_MACS,
  ...CIPHERS,
  ...AUTHENCS,
];
