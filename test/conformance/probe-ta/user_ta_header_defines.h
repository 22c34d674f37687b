#ifndef USER_TA_HEADER_DEFINES_H
#define USER_TA_HEADER_DEFINES_H

#define TA_UUID \
	{ 0x6b1c2a44, 0x0f3d, 0x4e7b, { 0x8f, 0x0a, 0x52, 0xc9, 0xa1, 0xd7, 0xe3, 0x60 } }
#define TA_FLAGS 0
#define TA_STACK_SIZE (2 * 1024)
#define TA_DATA_SIZE (32 * 1024)
#define TA_VERSION "1.0"
#define TA_DESCRIPTION "Conformance probe"

#endif
