/**
 * What a client of the trusted keys TA needs to know of it; the client is the Linux kernel.
 * Upstream counterpart: optee_os ta/trusted_keys/include/trusted_keys.h.
 */
export const TRUSTED_KEYS_UUID = 'f04a0fe7-1f5d-4b9b-abf7-619b85b4ce8c';

/** [0] memref out: filled with random bytes. */
export const TA_CMD_GET_RANDOM = 0x0;
/** [0] memref in: a key; [1] memref out: its blob, which only this device can open. */
export const TA_CMD_SEAL = 0x1;
/** [0] memref in: a blob; [1] memref out: the key. */
export const TA_CMD_UNSEAL = 0x2;

/** Sizes in a blob, bytes: one that is reserved, initial vector, tag, then the enciphered key. */
export const IV_SIZE = 16;
export const TAG_SIZE = 16;
export const BLOB_HEADER_SIZE = 1 + IV_SIZE + TAG_SIZE;
