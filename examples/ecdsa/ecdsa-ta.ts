/**
 * What a client of the ecdsa TA needs to know of it. Algorithms are GlobalPlatform's ids.
 * Upstream counterpart: optee_examples ecdsa/ta/include/ecdsa_ta.h.
 */
export const TA_ECDSA_UUID = '1945e8e7-0278-4bfb-bb99-af1080b2a934';

/** [0] memref in: message; [1] memref out: its digest; [2] value a: TEE_ALG_ECDSA_*, kept. */
export const TA_ECDSA_CMD_COMPUTE_DIGEST = 0;
/** Makes a key for the algorithm of the digest. */
export const TA_ECDSA_GEN_KEY = 1;
/** [0] memref in: digest; [1] memref out: its signature. */
export const TA_ECDSA_SIGN_VERIFY_DIGEST = 2;
