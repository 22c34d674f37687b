/**
 * What stands in a TA's ELF image for its loader: the head in section `.ta_head`, the TA flags, the
 * property types, and `__elf_phdr_info`, which the loader fills.
 *
 * Upstream counterparts: optee_os lib/libutee/include/user_ta_header.h, and
 * core/include/kernel/pseudo_ta.h for the flags of pseudo TAs. Left out: the ftrace buffer.
 */
import { bytes, pad, struct, u16, u32, u64, u8 } from './layout.ts';

/* Flags; bits 0, 1 and 6 are retired. Source: user_ta_header.h, OP-TEE OS 4.10. */
export const TA_FLAG_SINGLE_INSTANCE = 1 << 2;
export const TA_FLAG_MULTI_SESSION = 1 << 3;
export const TA_FLAG_INSTANCE_KEEP_ALIVE = 1 << 4;
export const TA_FLAG_SECURE_DATA_PATH = 1 << 5;
export const TA_FLAG_CACHE_MAINTENANCE = 1 << 7;
/** Pseudo TAs only. */
export const TA_FLAG_CONCURRENT = 1 << 8;
export const TA_FLAG_DEVICE_ENUM = 1 << 9;
export const TA_FLAG_DEVICE_ENUM_SUPP = 1 << 10;
export const TA_FLAG_DONT_CLOSE_HANDLE_ON_CORRUPT_OBJECT = 1 << 11;
export const TA_FLAG_DEVICE_ENUM_TEE_STORAGE_PRIVATE = 1 << 12;
export const TA_FLAG_INSTANCE_KEEP_CRASHED = 1 << 13;

/** TA flags by name. */
export const TA_FLAG = {
  TA_FLAG_SINGLE_INSTANCE,
  TA_FLAG_MULTI_SESSION,
  TA_FLAG_INSTANCE_KEEP_ALIVE,
  TA_FLAG_SECURE_DATA_PATH,
  TA_FLAG_CACHE_MAINTENANCE,
  TA_FLAG_CONCURRENT,
  TA_FLAG_DEVICE_ENUM,
  TA_FLAG_DEVICE_ENUM_SUPP,
  TA_FLAG_DONT_CLOSE_HANDLE_ON_CORRUPT_OBJECT,
  TA_FLAG_DEVICE_ENUM_TEE_STORAGE_PRIVATE,
  TA_FLAG_INSTANCE_KEEP_CRASHED,
} as const;

/** A TA with a bit outside is refused. */
export const TA_FLAGS_MASK = 0x3fff;

/* Source: core/include/kernel/pseudo_ta.h, OP-TEE OS 4.10. */
export const PTA_MANDATORY_FLAGS =
  TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION | TA_FLAG_INSTANCE_KEEP_ALIVE;
export const PTA_ALLOWED_FLAGS =
  PTA_MANDATORY_FLAGS | TA_FLAG_SECURE_DATA_PATH | TA_FLAG_CONCURRENT | TA_FLAG_DEVICE_ENUM;
export const PTA_DEFAULT_FLAGS = PTA_MANDATORY_FLAGS;

/* Source: lib/libutee/include/user_ta_header.h, OP-TEE OS 4.10. */
/** Section and dynamic symbol that lead to it: `.ta_head`, `ta_head`. The UUID is a TEE_UUID. */
export const TaHead = struct('ta_head', 32, {
  uuid: bytes(0, 16),
  stackSize: u32(16),
  flags: u32(20),
  deprEntry: u64(24),
});

/** `depr_entry` of a TA whose entry point is the ELF's `e_entry`. */
export const TA_HEAD_DEPR_ENTRY_NONE = 0xffff_ffff_ffff_ffffn;

/** Filled by the loader in an AArch64 TA; `dlpi` points to `count` dl_phdr_info. */
export const ElfPhdrInfo = struct('__elf_phdr_info', 16, {
  reserved: u32(0),
  count: u16(4),
  reserved2: u8(6),
  zero: u8(7),
  dlpi: u64(8),
});

/** The same in an AArch32 TA. */
export const ElfPhdrInfo32 = struct('__elf_phdr_info32', 12, {
  reserved: u32(0),
  count: u16(4),
  reserved2: u8(6),
  zero: u8(7),
  dlpi: u32(8),
});

/** One entry of `ta_props` in an AArch64 TA: pointers to a name and a value. */
export const UserTaProperty = struct('user_ta_property', 24, {
  name: u64(0),
  type: u32(8),
  pad: pad(12, 4),
  value: u64(16),
});

/* Source: user_ta_header.h, OP-TEE OS 4.10. */
export const USER_TA_PROP_TYPE_BOOL = 0;
export const USER_TA_PROP_TYPE_U32 = 1;
export const USER_TA_PROP_TYPE_UUID = 2;
export const USER_TA_PROP_TYPE_IDENTITY = 3;
export const USER_TA_PROP_TYPE_STRING = 4;
export const USER_TA_PROP_TYPE_BINARY_BLOCK = 5;
export const USER_TA_PROP_TYPE_U64 = 6;
export const USER_TA_PROP_TYPE_INVALID = 7;

/** Property types, also what GET_PROPERTY answers. */
export const USER_TA_PROP_TYPE = {
  USER_TA_PROP_TYPE_BOOL,
  USER_TA_PROP_TYPE_U32,
  USER_TA_PROP_TYPE_UUID,
  USER_TA_PROP_TYPE_IDENTITY,
  USER_TA_PROP_TYPE_STRING,
  USER_TA_PROP_TYPE_BINARY_BLOCK,
  USER_TA_PROP_TYPE_U64,
  USER_TA_PROP_TYPE_INVALID,
} as const;

/** Property names that a TA's header file declares. Source: user_ta_header.h, OP-TEE OS 4.10. */
export const TA_PROP_STR = {
  TA_PROP_STR_SINGLE_INSTANCE: 'gpd.ta.singleInstance',
  TA_PROP_STR_MULTI_SESSION: 'gpd.ta.multiSession',
  TA_PROP_STR_KEEP_ALIVE: 'gpd.ta.instanceKeepAlive',
  TA_PROP_STR_KEEP_CRASHED: 'optee.ta.instanceKeepCrashed',
  TA_PROP_STR_DATA_SIZE: 'gpd.ta.dataSize',
  TA_PROP_STR_STACK_SIZE: 'gpd.ta.stackSize',
  TA_PROP_STR_VERSION: 'gpd.ta.version',
  TA_PROP_STR_DESCRIPTION: 'gpd.ta.description',
  TA_PROP_STR_ENDIAN: 'gpd.ta.endian',
  TA_PROP_STR_DOES_NOT_CLOSE_HANDLE_ON_CORRUPT_OBJECT: 'gpd.ta.doesNotCloseHandleOnCorruptObject',
} as const;
