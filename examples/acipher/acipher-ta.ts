/**
 * What a client of the acipher TA needs to know of it.
 * Upstream counterpart: optee_examples acipher/ta/include/acipher_ta.h.
 */
export const TA_ACIPHER_UUID = 'a734eed9-d6a1-4244-aa50-7c99719e7b7b';

/** [0] value a: key size in bits. */
export const TA_ACIPHER_CMD_GEN_KEY = 0;
/**
 * [0] memref in: data; [1] memref out; [2] value a: 0 decrypts, anything else encrypts;
 * [3] value a: algorithm.
 */
export const TA_ACIPHER_CMD_ENCRYPT_DECRYPT = 1;

export const TA_ALG_PKCS1_V1_5 = 0x60000130;
export const TA_ALG_OAEP_MGF1_SHA1 = 0x60210230;
export const TA_ALG_OAEP_MGF1_SHA224 = 0x60310230;
export const TA_ALG_OAEP_MGF1_SHA256 = 0x60410230;
export const TA_ALG_OAEP_MGF1_SHA384 = 0x60510230;
export const TA_ALG_OAEP_MGF1_SHA512 = 0x60610230;

/** Algorithms by the names that the client takes as its argument. */
export const TA_ALG = {
  TA_ALG_PKCS1_V1_5,
  TA_ALG_OAEP_MGF1_SHA1,
  TA_ALG_OAEP_MGF1_SHA224,
  TA_ALG_OAEP_MGF1_SHA256,
  TA_ALG_OAEP_MGF1_SHA384,
  TA_ALG_OAEP_MGF1_SHA512,
} as const;
