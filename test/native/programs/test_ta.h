/* What a client of the test TAs needs to know; commands.ts has the same numbers. */
#ifndef TEST_TA_H
#define TEST_TA_H

/* clang-format off */
#define TA_TEST_UUID { \
	0x3d, 0x5a, 0x8e, 0x10, 0x7c, 0x42, 0x4f, 0x2b, \
	0x9a, 0x61, 0xb4, 0x0e, 0x5f, 0x77, 0x21, 0xc9 }
#define TA_COUNTER_UUID { \
	0x3d, 0x5a, 0x8e, 0x10, 0x7c, 0x42, 0x4f, 0x2b, \
	0x9a, 0x61, 0xb4, 0x0e, 0x5f, 0x77, 0x21, 0xca }
/* clang-format on */

/* [0] value inout: a + 1 */
#define TA_TEST_CMD_INC 0
/* [0] memref in; [1] value out: a = the sum of its bytes */
#define TA_TEST_CMD_SUM 1
/* [0] memref out; [1] value in: a = the byte */
#define TA_TEST_CMD_FILL 2
/* [0] memref inout; [1] value in: a = the byte */
#define TA_TEST_CMD_XOR 3
/* [0] memref inout; [1] value in: a = the byte, b = ms to wait first */
#define TA_TEST_CMD_STRIPE 4
/* [0] memref out: asks for one byte more */
#define TA_TEST_CMD_SHORT_BUFFER 5
/* [0] value in: a = ms */
#define TA_TEST_CMD_WAIT 6
#define TA_TEST_CMD_THROW 7
/* [0] value in: a = the code */
#define TA_TEST_CMD_PANIC 8
#define TA_TEST_CMD_SPIN 9
/* Awaits what never comes. */
#define TA_TEST_CMD_HANG 10
/* Returns what is no TEE_Result. */
#define TA_TEST_CMD_NONSENSE 11
/* [0] value out: a = the sum that another instance sees of this one's memory */
#define TA_TEST_CMD_OWN_MEMORY 12
/* [0] value out: a = seconds */
#define TA_TEST_CMD_REE_TIME 13
/* Opens a session of a TA that does not exist. */
#define TA_TEST_CMD_OPEN_MISSING 14
/* [0] memref in; [1] value inout: b = ms to wait first, a = the sum of the bytes then */
#define TA_TEST_CMD_SUM_LATER 15

/* [0] value out: a = how many calls this instance has had */
#define TA_COUNTER_CMD_NEXT 0

#endif
