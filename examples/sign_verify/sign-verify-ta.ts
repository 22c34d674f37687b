/**
 * What a client of the sign_verify TA needs to know of it.
 * Upstream counterpart: optee_examples sign_verify/ta/include/sign_verify_ta.h.
 */
export const TA_SIGN_VERIFY_UUID = 'f066f150-42af-404f-ae32-c8e6cd117e70';

/**
 * [0] memref in: message; [1] memref out: its signature; [2] value a: TA_ALG_*; [3] value a: key size
 * in bits.
 */
export const TA_RSA_SIGN_CMD_SIGN_VERIFY = 0;

export const TA_ALG_PKCS1_PSS_MGF1_SHA1 = 0;
export const TA_ALG_PKCS1_PSS_MGF1_SHA224 = 1;
export const TA_ALG_PKCS1_PSS_MGF1_SHA256 = 2;
export const TA_ALG_PKCS1_PSS_MGF1_SHA384 = 3;
export const TA_ALG_PKCS1_PSS_MGF1_SHA512 = 4;
export const TA_ALG_PKCS1_V1_5_SHA1 = 5;
export const TA_ALG_PKCS1_V1_5_SHA224 = 6;
export const TA_ALG_PKCS1_V1_5_SHA256 = 7;
export const TA_ALG_PKCS1_V1_5_SHA384 = 8;
export const TA_ALG_PKCS1_V1_5_SHA512 = 9;

/** Bytes. */
export const MAX_SIG_SIZE = 512;
