/**
 * What a client of the random TA needs to know of it.
 * Upstream counterpart: optee_examples random/ta/include/random_ta.h.
 */
export const TA_RANDOM_UUID = 'b6c53aba-9669-4668-a7f2-205629d00f86';

/** [0] memref out: filled with random bytes. */
export const TA_RANDOM_CMD_GENERATE = 0;
