/**
 * Ciphers, authenticated encryption, digests and MACs as the library knows them.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c (TEE_AllocateOperation,
 * TEE_IsAlgorithmSupported) in the default configuration (core/crypto.mk).
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
  TEE_MODE_DECRYPT,
  TEE_MODE_DIGEST,
  TEE_MODE_ENCRYPT,
  TEE_MODE_MAC,
  TEE_OPERATION_AE,
  TEE_OPERATION_CIPHER,
  TEE_OPERATION_DIGEST,
  TEE_OPERATION_MAC,
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
  TEE_USAGE_DECRYPT,
  TEE_USAGE_ENCRYPT,
  TEE_USAGE_MAC,
} from '../../abi/gp.ts';
import {
  TEE_AES_BLOCK_SIZE,
  TEE_DES_BLOCK_SIZE,
  TEE_MD5_HASH_SIZE,
  TEE_SHA1_HASH_SIZE,
  TEE_SHA224_HASH_SIZE,
  TEE_SHA256_HASH_SIZE,
  TEE_SHA384_HASH_SIZE,
  TEE_SHA512_HASH_SIZE,
  TEE_SM3_HASH_SIZE,
  TEE_SM4_BLOCK_SIZE,
} from '../../abi/utee-defines.ts';
import { algorithmRow } from './algorithm-row.ts';
import type { AlgorithmRow, RowOptions } from './algorithm-row.ts';

const cipherModes = (keyType: number): AlgorithmRow['modes'] =>
  new Map([
    [TEE_MODE_ENCRYPT, { usage: TEE_USAGE_ENCRYPT, keyType }],
    [TEE_MODE_DECRYPT, { usage: TEE_USAGE_DECRYPT, keyType }],
  ]);

const cipher = (algorithm: number, keyType: number, options: RowOptions): AlgorithmRow =>
  algorithmRow(algorithm, TEE_OPERATION_CIPHER, cipherModes(keyType), options);

const authenc = (algorithm: number, blockSize: number): AlgorithmRow =>
  algorithmRow(algorithm, TEE_OPERATION_AE, cipherModes(TEE_TYPE_AES), { blockSize });

const DIGEST_MODE = new Map([[TEE_MODE_DIGEST, { usage: 0, keyType: 0 }]]);

/** The block of a digest is the digest itself, for TEE_DigestExtract. */
const digest = (algorithm: number, length: number, options: RowOptions = {}): AlgorithmRow =>
  algorithmRow(algorithm, TEE_OPERATION_DIGEST, DIGEST_MODE, {
    digestLength: length,
    blockSize: length,
    ...options,
  });

function mac(
  algorithm: number,
  keyType: number,
  digestLength: number,
  options: RowOptions = {},
): AlgorithmRow {
  const modes = new Map([[TEE_MODE_MAC, { usage: TEE_USAGE_MAC, keyType }]]);
  return algorithmRow(algorithm, TEE_OPERATION_MAC, modes, { digestLength, ...options });
}

const blocks = (blockSize: number): RowOptions => ({ blockSize, wholeBlocks: true });
const ecb = (blockSize: number): RowOptions => ({ ...blocks(blockSize), noIv: true });
const xts = (blockSize: number): RowOptions => ({ blockSize, holdsTwoBlocks: true, twoKeys: true });

/** Not asked about in TEE_IsAlgorithmSupported, which denies it. */
const DENIED: RowOptions = { elements: [] };

const CIPHERS: readonly AlgorithmRow[] = [
  cipher(TEE_ALG_AES_ECB_NOPAD, TEE_TYPE_AES, ecb(TEE_AES_BLOCK_SIZE)),
  cipher(TEE_ALG_AES_CBC_NOPAD, TEE_TYPE_AES, blocks(TEE_AES_BLOCK_SIZE)),
  cipher(TEE_ALG_AES_CTR, TEE_TYPE_AES, {}),
  cipher(TEE_ALG_AES_CTS, TEE_TYPE_AES, { blockSize: TEE_AES_BLOCK_SIZE, holdsTwoBlocks: true }),
  cipher(TEE_ALG_AES_XTS, TEE_TYPE_AES, xts(TEE_AES_BLOCK_SIZE)),
  cipher(TEE_ALG_DES_ECB_NOPAD, TEE_TYPE_DES, ecb(TEE_DES_BLOCK_SIZE)),
  cipher(TEE_ALG_DES_CBC_NOPAD, TEE_TYPE_DES, blocks(TEE_DES_BLOCK_SIZE)),
  cipher(TEE_ALG_DES3_ECB_NOPAD, TEE_TYPE_DES3, ecb(TEE_DES_BLOCK_SIZE)),
  cipher(TEE_ALG_DES3_CBC_NOPAD, TEE_TYPE_DES3, blocks(TEE_DES_BLOCK_SIZE)),
  cipher(TEE_ALG_SM4_ECB_NOPAD, TEE_TYPE_SM4, ecb(TEE_SM4_BLOCK_SIZE)),
  cipher(TEE_ALG_SM4_CBC_NOPAD, TEE_TYPE_SM4, blocks(TEE_SM4_BLOCK_SIZE)),
  // Collected in blocks, unlike AES in this mode.
  cipher(TEE_ALG_SM4_CTR, TEE_TYPE_SM4, { blockSize: TEE_SM4_BLOCK_SIZE }),
  cipher(TEE_ALG_SM4_XTS, TEE_TYPE_SM4, xts(TEE_SM4_BLOCK_SIZE)),
];

const AUTHENCS: readonly AlgorithmRow[] = [
  authenc(TEE_ALG_AES_CCM, TEE_AES_BLOCK_SIZE),
  authenc(TEE_ALG_AES_GCM, 1),
];

const DIGESTS: readonly AlgorithmRow[] = [
  digest(TEE_ALG_MD5, TEE_MD5_HASH_SIZE),
  digest(TEE_ALG_SHA1, TEE_SHA1_HASH_SIZE),
  digest(TEE_ALG_SHA224, TEE_SHA224_HASH_SIZE),
  digest(TEE_ALG_SHA256, TEE_SHA256_HASH_SIZE),
  digest(TEE_ALG_SHA384, TEE_SHA384_HASH_SIZE),
  digest(TEE_ALG_SHA512, TEE_SHA512_HASH_SIZE),
  digest(TEE_ALG_SHA3_224, TEE_SHA224_HASH_SIZE),
  digest(TEE_ALG_SHA3_256, TEE_SHA256_HASH_SIZE),
  digest(TEE_ALG_SHA3_384, TEE_SHA384_HASH_SIZE),
  digest(TEE_ALG_SHA3_512, TEE_SHA512_HASH_SIZE),
  digest(TEE_ALG_SHAKE128, 0, DENIED),
  digest(TEE_ALG_SHAKE256, 0, DENIED),
  digest(TEE_ALG_SM3, TEE_SM3_HASH_SIZE),
];

const MACS: readonly AlgorithmRow[] = [
  mac(TEE_ALG_AES_CBC_MAC_NOPAD, TEE_TYPE_AES, TEE_AES_BLOCK_SIZE),
  mac(TEE_ALG_AES_CBC_MAC_PKCS5, TEE_TYPE_AES, TEE_AES_BLOCK_SIZE),
  mac(TEE_ALG_AES_CMAC, TEE_TYPE_AES, TEE_AES_BLOCK_SIZE),
  mac(TEE_ALG_DES_CBC_MAC_NOPAD, TEE_TYPE_DES, TEE_DES_BLOCK_SIZE),
  mac(TEE_ALG_DES_CBC_MAC_PKCS5, TEE_TYPE_DES, TEE_DES_BLOCK_SIZE),
  mac(TEE_ALG_DES3_CBC_MAC_NOPAD, TEE_TYPE_DES3, TEE_DES_BLOCK_SIZE),
  mac(TEE_ALG_DES3_CBC_MAC_PKCS5, TEE_TYPE_DES3, TEE_DES_BLOCK_SIZE),
  mac(TEE_ALG_DES3_CMAC, TEE_TYPE_DES3, TEE_DES_BLOCK_SIZE, DENIED),
  mac(TEE_ALG_HMAC_MD5, TEE_TYPE_HMAC_MD5, TEE_MD5_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA1, TEE_TYPE_HMAC_SHA1, TEE_SHA1_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA224, TEE_TYPE_HMAC_SHA224, TEE_SHA224_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA256, TEE_TYPE_HMAC_SHA256, TEE_SHA256_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA384, TEE_TYPE_HMAC_SHA384, TEE_SHA384_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA512, TEE_TYPE_HMAC_SHA512, TEE_SHA512_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA3_224, TEE_TYPE_HMAC_SHA3_224, TEE_SHA224_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA3_256, TEE_TYPE_HMAC_SHA3_256, TEE_SHA256_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA3_384, TEE_TYPE_HMAC_SHA3_384, TEE_SHA384_HASH_SIZE),
  mac(TEE_ALG_HMAC_SHA3_512, TEE_TYPE_HMAC_SHA3_512, TEE_SHA512_HASH_SIZE),
  mac(TEE_ALG_HMAC_SM3, TEE_TYPE_HMAC_SM3, TEE_SM3_HASH_SIZE),
];

export const SYMMETRIC_ROWS: readonly AlgorithmRow[] = [
  ...CIPHERS,
  ...AUTHENCS,
  ...DIGESTS,
  ...MACS,
];
