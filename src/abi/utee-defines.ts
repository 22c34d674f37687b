/**
 * Sizes that OP-TEE's core and its TA library share, and hints that extend GlobalPlatform's.
 *
 * Upstream counterparts: optee_os lib/libutee/include/utee_defines.h and
 * tee_internal_api_extensions.h. Left out: the macros that take an algorithm id apart; the tables
 * of algorithms say the same as data.
 */

/* Block sizes in bytes. Source: utee_defines.h, OP-TEE OS 4.10. */
export const TEE_AES_BLOCK_SIZE = 16;
export const TEE_DES_BLOCK_SIZE = 8;
export const TEE_SM4_BLOCK_SIZE = 16;

/* Longest key in bytes. Source: utee_defines.h, OP-TEE OS 4.10. */
export const TEE_AES_MAX_KEY_SIZE = 32;

/* Digest sizes in bytes. Source: utee_defines.h (t_hash_size), OP-TEE OS 4.10. */
export const TEE_MD5_HASH_SIZE = 16;
export const TEE_SHA1_HASH_SIZE = 20;
export const TEE_SHA224_HASH_SIZE = 28;
export const TEE_SHA256_HASH_SIZE = 32;
export const TEE_SM3_HASH_SIZE = 32;
export const TEE_SHA384_HASH_SIZE = 48;
export const TEE_SHA512_HASH_SIZE = 64;
export const TEE_MD5SHA1_HASH_SIZE = TEE_MD5_HASH_SIZE + TEE_SHA1_HASH_SIZE;
export const TEE_MAX_HASH_SIZE = 64;

/** TEE_Malloc without zeroes. Source: tee_internal_api_extensions.h, OP-TEE OS 4.10. */
export const TEE_USER_MEM_HINT_NO_FILL_ZERO = 0x80000000;
