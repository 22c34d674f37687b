/**
 * Sizes that OP-TEE's core and its TA library share, and hints that extend GlobalPlatform's.
 *
 * Upstream counterparts: optee_os lib/libutee/include/utee_defines.h and
 * tee_internal_api_extensions.h. Left out: the macros that take an algorithm id apart; the tables
 * of algorithms say the same as data.
 */

/* Block sizes in bytes. Source: utee_defines.h, OP-TEE OS 4.10. */
export const TEE_AES_BLOCK_SIZE = 16;

/* Longest key in bytes. Source: utee_defines.h, OP-TEE OS 4.10. */
export const TEE_AES_MAX_KEY_SIZE = 32;

/** TEE_Malloc without zeroes. Source: tee_internal_api_extensions.h, OP-TEE OS 4.10. */
export const TEE_USER_MEM_HINT_NO_FILL_ZERO = 0x80000000;
