/**
 * What a client of the hello_world TA needs to know of it.
 * Upstream counterpart: optee_examples hello_world/ta/include/hello_world_ta.h.
 */
export const TA_HELLO_WORLD_UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';

/** [0] value inout: a is incremented. */
export const TA_HELLO_WORLD_CMD_INC_VALUE = 0;
/** [0] value inout: a is decremented. */
export const TA_HELLO_WORLD_CMD_DEC_VALUE = 1;
