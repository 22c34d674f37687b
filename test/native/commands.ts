/** What a client of the test TAs needs to know; programs/test_ta.h has the same numbers. */
export const TA_TEST_UUID = '3d5a8e10-7c42-4f2b-9a61-b40e5f7721c9';
export const TA_COUNTER_UUID = '3d5a8e10-7c42-4f2b-9a61-b40e5f7721ca';

export const TA_TEST_CMD = {
  /** [0] value inout: a + 1 */
  INC: 0,
  /** [0] memref in; [1] value out: a = the sum of its bytes */
  SUM: 1,
  /** [0] memref out; [1] value in: a = the byte */
  FILL: 2,
  /** [0] memref inout; [1] value in: a = the byte */
  XOR: 3,
  /** [0] memref inout; [1] value in: a = the byte, b = ms to wait first */
  STRIPE: 4,
  /** [0] memref out: asks for one byte more */
  SHORT_BUFFER: 5,
  /** [0] value in: a = ms */
  WAIT: 6,
  THROW: 7,
  /** [0] value in: a = the code */
  PANIC: 8,
  SPIN: 9,
  /** Awaits what never comes. */
  HANG: 10,
  /** Returns what is no TEE_Result. */
  NONSENSE: 11,
  /** [0] value out: a = the sum that another instance sees of this one's memory */
  OWN_MEMORY: 12,
  /** [0] value out: a = seconds */
  REE_TIME: 13,
  /** Opens a session of a TA that does not exist. */
  OPEN_MISSING: 14,
  /** [0] memref in; [1] value inout: b = ms to wait first, a = the sum of the bytes then */
  SUM_LATER: 15,
} as const;

export const TA_COUNTER_CMD = {
  /** [0] value out: a = how many calls this instance has had */
  NEXT: 0,
} as const;
