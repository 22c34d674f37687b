/**
 * What a client of the hotp TA needs to know of it.
 * Upstream counterpart: optee_examples hotp/ta/include/hotp_ta.h.
 */
export const TA_HOTP_UUID = '484d4143-2d53-4841-3120-4a6f636b6542';

/** [0] memref in: the key, up to 64 bytes. */
export const TA_HOTP_CMD_REGISTER_SHARED_KEY = 0;
/** [0] value out a: the next one-time password. */
export const TA_HOTP_CMD_GET_HOTP = 1;
