/**
 * What a client of the sha TA needs to know of it. Algorithms are GlobalPlatform's ids.
 * Upstream counterpart: optee_examples sha/ta/include/sha_ta.h.
 */
export const TA_SHA_UUID = '1dc6a16b-2fba-4aa1-9519-ea8a6c8c16e5';

/** [0] value a: algorithm; [1] value a: key size in bytes; [2] value a: TA_SHA_OBJ_TYPE_*. */
export const TA_SHA_CMD_PREPARE = 0;
/** [0] memref in: the key, of the prepared size. */
export const TA_SHA_CMD_SET_KEY = 1;
/** [0] memref in: the initial vector. */
export const TA_SHA_CMD_SET_IV = 2;
/** [0] memref in: message; [1] memref out: its code. */
export const TA_SHA_CMD_COMPUTE_MAC = 3;
/** [0] memref in: message; [1] memref in: the expected code. */
export const TA_SHA_CMD_COMPARE_MAC = 4;
/** [0] memref in: message; [1] memref out: its digest; [2] value a: algorithm. */
export const TA_SHA_CMD_COMPUTE_DIGEST = 5;

export const TA_SHA_OBJ_TYPE_HMAC_SHA256 = 0;
export const TA_SHA_OBJ_TYPE_HMAC_SHA1 = 1;
export const TA_SHA_OBJ_TYPE_HMAC_SHA224 = 2;
export const TA_SHA_OBJ_TYPE_HMAC_SHA384 = 3;
export const TA_SHA_OBJ_TYPE_HMAC_SHA512 = 4;
export const TA_SHA_OBJ_TYPE_AES = 5;
