/**
 * What a client of the aes TA needs to know of it.
 * Upstream counterpart: optee_examples aes/ta/include/aes_ta.h.
 */
export const TA_AES_UUID = '5dbac793-f574-4871-8ad3-04331ec17f24';

/** [0] value a: algorithm; [1] value a: key size in bytes; [2] value a: mode. */
export const TA_AES_CMD_PREPARE = 0;
/** [0] memref in: the key, of the prepared size. */
export const TA_AES_CMD_SET_KEY = 1;
/** [0] memref in: the initial vector, one block; NULL for ECB. */
export const TA_AES_CMD_SET_IV = 2;
/** [0] memref in: data; [1] memref out: at least as large. */
export const TA_AES_CMD_CIPHER = 3;
/** [0] memref in: data; [1] memref out; [2] value a: mode; [3] memref inout: the tag. */
export const TA_AES_CMD_AUTHENC = 4;

export const TA_AES_ALGO_ECB = 0;
export const TA_AES_ALGO_CBC = 1;
export const TA_AES_ALGO_CTR = 2;
export const TA_AES_ALGO_CCM = 3;
export const TA_AES_ALGO_GCM = 4;

/** Algorithms by the names that the client takes as its argument. */
export const TA_AES_ALGO = {
  TA_AES_ALGO_ECB,
  TA_AES_ALGO_CBC,
  TA_AES_ALGO_CTR,
  TA_AES_ALGO_CCM,
  TA_AES_ALGO_GCM,
} as const;

/** Key sizes in bytes. */
export const TA_AES_SIZE_128BIT = 128 / 8;
export const TA_AES_SIZE_256BIT = 256 / 8;

export const TA_AES_MODE_ENCODE = 1;
export const TA_AES_MODE_DECODE = 0;
