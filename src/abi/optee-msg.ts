/**
 * The OP-TEE message protocol, version 2.0: what a yielding call or an RPC carries in shared
 * memory.
 *
 * Upstream counterparts: Linux drivers/tee/optee/optee_msg.h and optee_os core/include/optee_msg.h,
 * kept in step by their authors. 64-bit little-endian fields; messages are 8-byte aligned. Left
 * out: how a message is passed (`optee-smc.ts`, `optee-ffa.ts`), RPC commands (`optee-rpc.ts`).
 */
import { bytes, flexibleSize, struct, u16, u32, u64 } from './layout.ts';

/* Parameter attributes. Source: drivers/tee/optee/optee_msg.h, Linux 6.1. */
export const OPTEE_MSG_ATTR_TYPE_NONE = 0x0;
export const OPTEE_MSG_ATTR_TYPE_VALUE_INPUT = 0x1;
export const OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT = 0x2;
export const OPTEE_MSG_ATTR_TYPE_VALUE_INOUT = 0x3;
export const OPTEE_MSG_ATTR_TYPE_RMEM_INPUT = 0x5;
export const OPTEE_MSG_ATTR_TYPE_RMEM_OUTPUT = 0x6;
export const OPTEE_MSG_ATTR_TYPE_RMEM_INOUT = 0x7;
/** FF-A reuses the numbers of RMEM. */
export const OPTEE_MSG_ATTR_TYPE_FMEM_INPUT = OPTEE_MSG_ATTR_TYPE_RMEM_INPUT;
export const OPTEE_MSG_ATTR_TYPE_FMEM_OUTPUT = OPTEE_MSG_ATTR_TYPE_RMEM_OUTPUT;
export const OPTEE_MSG_ATTR_TYPE_FMEM_INOUT = OPTEE_MSG_ATTR_TYPE_RMEM_INOUT;
export const OPTEE_MSG_ATTR_TYPE_TMEM_INPUT = 0x9;
export const OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT = 0xa;
export const OPTEE_MSG_ATTR_TYPE_TMEM_INOUT = 0xb;
export const OPTEE_MSG_ATTR_TYPE_MASK = 0xff;

/** Parameter types; the FMEM aliases are named by the FF-A driver only. */
export const OPTEE_MSG_ATTR_TYPE = {
  OPTEE_MSG_ATTR_TYPE_NONE,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INOUT,
  OPTEE_MSG_ATTR_TYPE_RMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_RMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_RMEM_INOUT,
  OPTEE_MSG_ATTR_TYPE_FMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_FMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_FMEM_INOUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_INOUT,
} as const;

/* Source: drivers/tee/optee/optee_msg.h, Linux 6.1. */
/** For the TEE itself: not a parameter of the TA. */
export const OPTEE_MSG_ATTR_META = 1 << 8;
/** `buf_ptr` is a page list, low 12 bits the offset of the data in its first page. */
export const OPTEE_MSG_ATTR_NONCONTIG = 1 << 9;

/** Attribute bits beside the type. */
export const OPTEE_MSG_ATTR_FLAG = { OPTEE_MSG_ATTR_META, OPTEE_MSG_ATTR_NONCONTIG } as const;

export const OPTEE_MSG_ATTR_CACHE_SHIFT = 16;
export const OPTEE_MSG_ATTR_CACHE_MASK = 0x7;
export const OPTEE_MSG_ATTR_CACHE_PREDEFINED = 0;

/* Logins. Source: drivers/tee/optee/optee_msg.h, Linux 6.1. */
export const OPTEE_MSG_LOGIN_PUBLIC = 0;
export const OPTEE_MSG_LOGIN_USER = 1;
export const OPTEE_MSG_LOGIN_GROUP = 2;
export const OPTEE_MSG_LOGIN_APPLICATION = 4;
export const OPTEE_MSG_LOGIN_APPLICATION_USER = 5;
export const OPTEE_MSG_LOGIN_APPLICATION_GROUP = 6;

/** Logins that the message protocol names; REE_KERNEL comes from `tee.ts`. */
export const OPTEE_MSG_LOGIN = {
  OPTEE_MSG_LOGIN_PUBLIC,
  OPTEE_MSG_LOGIN_USER,
  OPTEE_MSG_LOGIN_GROUP,
  OPTEE_MSG_LOGIN_APPLICATION,
  OPTEE_MSG_LOGIN_APPLICATION_USER,
  OPTEE_MSG_LOGIN_APPLICATION_GROUP,
} as const;

/* Source: drivers/tee/optee/optee_msg.h, Linux 6.1. */
/** Granule of page lists, whatever the kernel's page size. */
export const OPTEE_MSG_NONCONTIG_PAGE_SIZE = 4096;
/** `global_id` of a NULL FMEM reference. */
export const OPTEE_MSG_FMEM_INVALID_GLOBAL_ID = 0xffff_ffff_ffff_ffffn;

/** Page addresses in one page of a list; the 512th entry is the address of the next list page. */
export const OPTEE_MSG_PAGES_PER_LIST_PAGE = OPTEE_MSG_NONCONTIG_PAGE_SIZE / 8 - 1;

/*
 * One parameter, 32 bytes: attribute and a union. Each arm of the union is a layout of the whole
 * parameter, so that all of them are used with the parameter's own address.
 * Source: drivers/tee/optee/optee_msg.h, Linux 6.1.
 */
const PARAM = 'struct optee_msg_param';

/** The union as octets: a UUID stands in octets 0-15. */
export const OpteeMsgParam = struct(
  'optee_msg_param',
  32,
  { attr: u64(0), octets: bytes(8, 24, 'u.octets') },
  PARAM,
);
/** The three u64 of a value parameter. */
export const OpteeMsgParamValue = struct(
  'optee_msg_param_value',
  32,
  { attr: u64(0), a: u64(8, 'u.value.a'), b: u64(16, 'u.value.b'), c: u64(24, 'u.value.c') },
  PARAM,
);
/** Memory by physical address, or by page list with NONCONTIG. */
export const OpteeMsgParamTmem = struct(
  'optee_msg_param_tmem',
  32,
  {
    attr: u64(0),
    bufPtr: u64(8, 'u.tmem.buf_ptr'),
    size: u64(16, 'u.tmem.size'),
    shmRef: u64(24, 'u.tmem.shm_ref'),
  },
  PARAM,
);
/** Registered memory by cookie. */
export const OpteeMsgParamRmem = struct(
  'optee_msg_param_rmem',
  32,
  {
    attr: u64(0),
    offs: u64(8, 'u.rmem.offs'),
    size: u64(16, 'u.rmem.size'),
    shmRef: u64(24, 'u.rmem.shm_ref'),
  },
  PARAM,
);
/** FF-A shared memory by handle; the offset has 48 bits. */
export const OpteeMsgParamFmem = struct(
  'optee_msg_param_fmem',
  32,
  {
    attr: u64(0),
    offsLow: u32(8, 'u.fmem.offs_low'),
    offsHigh: u16(12, 'u.fmem.offs_high'),
    internalOffs: u16(14, 'u.fmem.internal_offs'),
    size: u64(16, 'u.fmem.size'),
    globalId: u64(24, 'u.fmem.global_id'),
  },
  PARAM,
);

/** Head of a message; `num_params` parameters follow. `pad` is a real field of the C struct. */
export const OpteeMsgArg = struct('optee_msg_arg', 32, {
  cmd: u32(0),
  func: u32(4),
  session: u32(8),
  cancelId: u32(12),
  pad: u32(16),
  ret: u32(20),
  retOrigin: u32(24),
  numParams: u32(28),
});

/** Bytes of a message with `numParams` parameters (OPTEE_MSG_GET_ARG_SIZE). */
export const opteeMsgArgSize = (numParams: number): number =>
  flexibleSize(OpteeMsgArg, OpteeMsgParam, numParams);
/** Upstream's name of the same. */
export const OPTEE_MSG_GET_ARG_SIZE = opteeMsgArgSize;

/** Byte offset of parameter `i` in a message. */
export const opteeMsgParamOffset = (i: number): number =>
  OpteeMsgArg.byteLength + OpteeMsgParam.byteLength * i;

/** Most parameters of a message in one page. Source: core/include/optee_msg.h, OP-TEE OS 4.10. */
export const OPTEE_MSG_MAX_NUM_PARAMS =
  (OPTEE_MSG_NONCONTIG_PAGE_SIZE - OpteeMsgArg.byteLength) / OpteeMsgParam.byteLength;

/* Identity. Source: drivers/tee/optee/optee_msg.h, Linux 6.1. */
export const OPTEE_MSG_UID_0 = 0x384fb3e0;
export const OPTEE_MSG_UID_1 = 0xe7f811e3;
export const OPTEE_MSG_UID_2 = 0xaf630002;
export const OPTEE_MSG_UID_3 = 0xa5d5c51b;
export const OPTEE_MSG_FUNCID_CALLS_UID = 0xff01;

export const OPTEE_MSG_REVISION_MAJOR = 2;
export const OPTEE_MSG_REVISION_MINOR = 0;
export const OPTEE_MSG_FUNCID_CALLS_REVISION = 0xff03;

export const OPTEE_MSG_OS_OPTEE_UUID_0 = 0x486178e0;
export const OPTEE_MSG_OS_OPTEE_UUID_1 = 0xe7f811e3;
export const OPTEE_MSG_OS_OPTEE_UUID_2 = 0xbc5e0002;
export const OPTEE_MSG_OS_OPTEE_UUID_3 = 0xa5d5c51b;
export const OPTEE_MSG_FUNCID_GET_OS_UUID = 0x0000;
export const OPTEE_MSG_FUNCID_GET_OS_REVISION = 0x0001;

/** UID of a firmware that still waits for its OP-TEE image (LOAD_IMAGE). Linux 6.4. */
export const OPTEE_MSG_IMAGE_LOAD_UID_0 = 0xa3fbeab1;
export const OPTEE_MSG_IMAGE_LOAD_UID_1 = 0x1246315d;
export const OPTEE_MSG_IMAGE_LOAD_UID_2 = 0xc7c406b9;
export const OPTEE_MSG_IMAGE_LOAD_UID_3 = 0xc03cbea4;

/* Use cases of protected memory. Source: core/include/optee_msg.h, OP-TEE OS 4.10; Linux 6.18. */
export const OPTEE_MSG_PROTMEM_RESERVED = 0;
export const OPTEE_MSG_PROTMEM_SECURE_VIDEO_PLAY = 1;
export const OPTEE_MSG_PROTMEM_TRUSTED_UI = 2;
export const OPTEE_MSG_PROTMEM_SECURE_VIDEO_RECORD = 3;

/** Use cases of protected memory; the kernel's heap ids are the same numbers. */
export const OPTEE_MSG_PROTMEM = {
  OPTEE_MSG_PROTMEM_RESERVED,
  OPTEE_MSG_PROTMEM_SECURE_VIDEO_PLAY,
  OPTEE_MSG_PROTMEM_TRUSTED_UI,
  OPTEE_MSG_PROTMEM_SECURE_VIDEO_RECORD,
} as const;

/*
 * Commands. Source: drivers/tee/optee/optee_msg.h, Linux 6.1; PROTMEM core/include/optee_msg.h,
 * OP-TEE OS 4.10 and Linux 6.18.
 */
export const OPTEE_MSG_CMD_OPEN_SESSION = 0;
export const OPTEE_MSG_CMD_INVOKE_COMMAND = 1;
export const OPTEE_MSG_CMD_CLOSE_SESSION = 2;
export const OPTEE_MSG_CMD_CANCEL = 3;
export const OPTEE_MSG_CMD_REGISTER_SHM = 4;
export const OPTEE_MSG_CMD_UNREGISTER_SHM = 5;
export const OPTEE_MSG_CMD_DO_BOTTOM_HALF = 6;
export const OPTEE_MSG_CMD_STOP_ASYNC_NOTIF = 7;
export const OPTEE_MSG_CMD_LEND_PROTMEM = 8;
export const OPTEE_MSG_CMD_RECLAIM_PROTMEM = 9;
export const OPTEE_MSG_CMD_GET_PROTMEM_CONFIG = 10;
export const OPTEE_MSG_CMD_ASSIGN_PROTMEM = 11;
export const OPTEE_MSG_FUNCID_CALL_WITH_ARG = 0x0004;

/** `cmd` of a message from the normal world. */
export const OPTEE_MSG_CMD = {
  OPTEE_MSG_CMD_OPEN_SESSION,
  OPTEE_MSG_CMD_INVOKE_COMMAND,
  OPTEE_MSG_CMD_CLOSE_SESSION,
  OPTEE_MSG_CMD_CANCEL,
  OPTEE_MSG_CMD_REGISTER_SHM,
  OPTEE_MSG_CMD_UNREGISTER_SHM,
  OPTEE_MSG_CMD_DO_BOTTOM_HALF,
  OPTEE_MSG_CMD_STOP_ASYNC_NOTIF,
  OPTEE_MSG_CMD_LEND_PROTMEM,
  OPTEE_MSG_CMD_RECLAIM_PROTMEM,
  OPTEE_MSG_CMD_GET_PROTMEM_CONFIG,
  OPTEE_MSG_CMD_ASSIGN_PROTMEM,
} as const;
