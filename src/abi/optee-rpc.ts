/**
 * What OP-TEE asks of the normal world: RPC commands and their sub-commands, and the RPMB requests
 * and frames that some of them carry.
 *
 * Upstream counterparts: Linux drivers/tee/optee/optee_rpc_cmd.h (the commands that the kernel
 * answers), optee_os core/include/optee_rpc_cmd.h (all), optee_client
 * tee-supplicant/src/optee_msg_supplicant.h (the same numbers under other names), and
 * core/tee/tee_rpmb_fs.c and tee-supplicant/src/rpmb.c for RPMB. Left out: the RPMB file system.
 */
import { be16, be32, bytes, struct, u8, u16 } from './layout.ts';

/*
 * Commands. Source: core/include/optee_rpc_cmd.h, OP-TEE OS 4.10; 3-7 and 21 also
 * drivers/tee/optee/optee_rpc_cmd.h, Linux 6.1; 22-24 Linux 6.12.
 */
/** value in a,b UUID octets; memref out, NULL at first to learn the size. */
export const OPTEE_RPC_CMD_LOAD_TA = 0;
/** memref in `RpmbReq` and frames; memref out frames or `RpmbDevInfo`. */
export const OPTEE_RPC_CMD_RPMB = 1;
export const OPTEE_RPC_CMD_FS = 2;
/** value out a seconds, b nanoseconds. */
export const OPTEE_RPC_CMD_GET_TIME = 3;
/** value in a WAIT or SEND, b key, c time-out in ms (0: none). */
export const OPTEE_RPC_CMD_NOTIFICATION = 4;
/** value in a milliseconds. */
export const OPTEE_RPC_CMD_SUSPEND = 5;
/** value in a type, b size, c alignment; tmem or fmem out. */
export const OPTEE_RPC_CMD_SHM_ALLOC = 6;
/** value in a type, b cookie. */
export const OPTEE_RPC_CMD_SHM_FREE = 7;
export const OPTEE_RPC_CMD_SQL_FS_RESERVED = 8;
export const OPTEE_RPC_CMD_GPROF = 9;
export const OPTEE_RPC_CMD_SOCKET = 10;
export const OPTEE_RPC_CMD_FTRACE = 11;
export const OPTEE_RPC_CMD_SUPP_PLUGIN = 12;
/** Linux no longer serves it. */
export const OPTEE_RPC_CMD_BENCH_REG = 20;
/** value in a mode, b bus, c address; value in a flags; memref inout; value out a bytes. */
export const OPTEE_RPC_CMD_I2C_TRANSFER = 21;
/** value out a: type of shared memory to use for frames. */
export const OPTEE_RPC_CMD_RPMB_PROBE_RESET = 22;
/** value out a device type, b capacity in 128 KiB, c reliable write sectors; memref out CID. */
export const OPTEE_RPC_CMD_RPMB_PROBE_NEXT = 23;
/** memref in, memref out: frames. */
export const OPTEE_RPC_CMD_RPMB_FRAMES = 24;

/** `cmd` of a message from the secure world. */
export const OPTEE_RPC_CMD = {
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_RPMB,
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_CMD_GET_TIME,
  OPTEE_RPC_CMD_NOTIFICATION,
  OPTEE_RPC_CMD_SUSPEND,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
  OPTEE_RPC_CMD_SQL_FS_RESERVED,
  OPTEE_RPC_CMD_GPROF,
  OPTEE_RPC_CMD_SOCKET,
  OPTEE_RPC_CMD_FTRACE,
  OPTEE_RPC_CMD_SUPP_PLUGIN,
  OPTEE_RPC_CMD_BENCH_REG,
  OPTEE_RPC_CMD_I2C_TRANSFER,
  OPTEE_RPC_CMD_RPMB_PROBE_RESET,
  OPTEE_RPC_CMD_RPMB_PROBE_NEXT,
  OPTEE_RPC_CMD_RPMB_FRAMES,
} as const;

/* Source: drivers/tee/optee/optee_rpc_cmd.h, Linux 6.1. */
export const OPTEE_RPC_NOTIFICATION_WAIT = 0;
export const OPTEE_RPC_NOTIFICATION_SEND = 1;

/** Sub-commands of NOTIFICATION. */
export const OPTEE_RPC_NOTIFICATION = {
  OPTEE_RPC_NOTIFICATION_WAIT,
  OPTEE_RPC_NOTIFICATION_SEND,
} as const;

/* Source: drivers/tee/optee/optee_rpc_cmd.h, Linux 6.1; GLOBAL OP-TEE OS 4.10. */
/** From the supplicant: may be shared with a user-space program. */
export const OPTEE_RPC_SHM_TYPE_APPL = 0;
/** From the kernel, for itself. */
export const OPTEE_RPC_SHM_TYPE_KERNEL = 1;
/** For both; never sent to Linux. */
export const OPTEE_RPC_SHM_TYPE_GLOBAL = 2;

/** Types of memory in SHM_ALLOC and SHM_FREE. */
export const OPTEE_RPC_SHM_TYPE = {
  OPTEE_RPC_SHM_TYPE_APPL,
  OPTEE_RPC_SHM_TYPE_KERNEL,
  OPTEE_RPC_SHM_TYPE_GLOBAL,
} as const;

/* Source: drivers/tee/optee/optee_rpc_cmd.h, Linux 6.1. */
export const OPTEE_RPC_I2C_TRANSFER_RD = 0;
export const OPTEE_RPC_I2C_TRANSFER_WR = 1;

/** Modes of I2C_TRANSFER. */
export const OPTEE_RPC_I2C_TRANSFER = {
  OPTEE_RPC_I2C_TRANSFER_RD,
  OPTEE_RPC_I2C_TRANSFER_WR,
} as const;

/** Ten-bit device address. */
export const OPTEE_RPC_I2C_FLAGS_TEN_BIT = 1 << 0;

/* Source: drivers/tee/optee/optee_rpc_cmd.h, Linux 6.12; OP-TEE OS names EMMC only. */
export const OPTEE_RPC_RPMB_EMMC = 0;
export const OPTEE_RPC_RPMB_UFS = 1;
export const OPTEE_RPC_RPMB_NVME = 2;

/** Device types of RPMB_PROBE_NEXT. */
export const OPTEE_RPC_RPMB_TYPE = {
  OPTEE_RPC_RPMB_EMMC,
  OPTEE_RPC_RPMB_UFS,
  OPTEE_RPC_RPMB_NVME,
} as const;

/* FS, sub-command in value[0].a. Source: core/include/optee_rpc_cmd.h, OP-TEE OS 4.10. */
/** [1] memref in name; [2] value out a file descriptor. */
export const OPTEE_RPC_FS_OPEN = 0;
/** As OPEN. */
export const OPTEE_RPC_FS_CREATE = 1;
/** [0] b file descriptor. */
export const OPTEE_RPC_FS_CLOSE = 2;
/** [0] b file descriptor, c offset; [1] memref out data. */
export const OPTEE_RPC_FS_READ = 3;
/** [0] b file descriptor, c offset; [1] memref in data. */
export const OPTEE_RPC_FS_WRITE = 4;
/** [0] b file descriptor, c length. */
export const OPTEE_RPC_FS_TRUNCATE = 5;
/** [1] memref in name. */
export const OPTEE_RPC_FS_REMOVE = 6;
/** [0] b overwrite; [1] memref in old name; [2] memref in new name. */
export const OPTEE_RPC_FS_RENAME = 7;
/** [1] memref in name; [2] value out a handle. */
export const OPTEE_RPC_FS_OPENDIR = 8;
/** [0] b handle. */
export const OPTEE_RPC_FS_CLOSEDIR = 9;
/** [0] b handle; [1] memref out name. */
export const OPTEE_RPC_FS_READDIR = 10;

/** Sub-commands of FS. */
export const OPTEE_RPC_FS = {
  OPTEE_RPC_FS_OPEN,
  OPTEE_RPC_FS_CREATE,
  OPTEE_RPC_FS_CLOSE,
  OPTEE_RPC_FS_READ,
  OPTEE_RPC_FS_WRITE,
  OPTEE_RPC_FS_TRUNCATE,
  OPTEE_RPC_FS_REMOVE,
  OPTEE_RPC_FS_RENAME,
  OPTEE_RPC_FS_OPENDIR,
  OPTEE_RPC_FS_CLOSEDIR,
  OPTEE_RPC_FS_READDIR,
} as const;

/* SOCKET, sub-command in value[0].a. Source: core/include/optee_rpc_cmd.h, OP-TEE OS 4.10. */
export const OPTEE_RPC_SOCKET_TIMEOUT_NONBLOCKING = 0;
export const OPTEE_RPC_SOCKET_TIMEOUT_BLOCKING = 0xffffffff;
/** [0] b TA instance; [1] a port, b protocol, c IP version; [2] host; [3] out a handle. */
export const OPTEE_RPC_SOCKET_OPEN = 0;
export const OPTEE_RPC_SOCKET_CLOSE = 1;
export const OPTEE_RPC_SOCKET_CLOSE_ALL = 2;
export const OPTEE_RPC_SOCKET_SEND = 3;
export const OPTEE_RPC_SOCKET_RECV = 4;
export const OPTEE_RPC_SOCKET_IOCTL = 5;

/** Sub-commands of SOCKET. */
export const OPTEE_RPC_SOCKET = {
  OPTEE_RPC_SOCKET_OPEN,
  OPTEE_RPC_SOCKET_CLOSE,
  OPTEE_RPC_SOCKET_CLOSE_ALL,
  OPTEE_RPC_SOCKET_SEND,
  OPTEE_RPC_SOCKET_RECV,
  OPTEE_RPC_SOCKET_IOCTL,
} as const;

/* Source: core/include/optee_rpc_cmd.h, OP-TEE OS 4.10. */
/** [0] b,c, [1] a,b the UUID as LE words, [1] c command; [2] a sub-command, b length; [3] data. */
export const OPTEE_RPC_SUPP_PLUGIN_INVOKE = 0;

/** Sub-commands of SUPP_PLUGIN. */
export const OPTEE_RPC_SUPP_PLUGIN = { OPTEE_RPC_SUPP_PLUGIN_INVOKE } as const;

/* Legacy RPMB requests. Source: core/tee/tee_rpmb_fs.c, OP-TEE OS 4.10. */
export const RPMB_CMD_DATA_REQ = 0x00;
export const RPMB_CMD_GET_DEV_INFO = 0x01;

/** `cmd` of an `RpmbReq`. */
export const RPMB_CMD = { RPMB_CMD_DATA_REQ, RPMB_CMD_GET_DEV_INFO } as const;

/** Head of a legacy request; frames follow for DATA_REQ. */
export const RpmbReq = struct('rpmb_req', 6, { cmd: u16(0), devId: u16(2), blockCount: u16(4) });

export const RPMB_CID_SIZE = 16;
export const RPMB_CMD_GET_DEV_INFO_RET_OK = 0x00;
export const RPMB_CMD_GET_DEV_INFO_RET_ERROR = 0x01;

/** Reply to GET_DEV_INFO. */
export const RpmbDevInfo = struct('rpmb_dev_info', 19, {
  cid: bytes(0, RPMB_CID_SIZE),
  rpmbSizeMult: u8(16),
  relWrSecC: u8(17),
  retCode: u8(18),
});

/** Unit of `rpmb_size_mult`, in bytes. */
export const RPMB_SIZE_SINGLE = 128 * 1024;

/* Frames. Source: core/tee/tee_rpmb_fs.c, OP-TEE OS 4.10 (JEDEC eMMC, big endian). */
export const RPMB_STUFF_DATA_SIZE = 196;
export const RPMB_KEY_MAC_SIZE = 32;
export const RPMB_DATA_SIZE = 256;
export const RPMB_NONCE_SIZE = 16;
export const RPMB_DATA_FRAME_SIZE = 512;
/** The MAC covers the frame from here to its end. */
export const RPMB_DATA_OFFSET = RPMB_STUFF_DATA_SIZE + RPMB_KEY_MAC_SIZE;
export const RPMB_MAC_PROTECT_DATA_SIZE = RPMB_DATA_FRAME_SIZE - RPMB_DATA_OFFSET;

/** One frame: half a sector of data with its MAC. */
export const RpmbDataFrame = struct('rpmb_data_frame', RPMB_DATA_FRAME_SIZE, {
  stuffBytes: bytes(0, RPMB_STUFF_DATA_SIZE),
  keyMac: bytes(196, RPMB_KEY_MAC_SIZE),
  data: bytes(228, RPMB_DATA_SIZE),
  nonce: bytes(484, RPMB_NONCE_SIZE),
  writeCounter: be32(500),
  address: be16(504),
  blockCount: be16(506),
  opResult: be16(508),
  msgType: be16(510),
});

export const RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM = 0x0001;
export const RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ = 0x0002;
export const RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE = 0x0003;
export const RPMB_MSG_TYPE_REQ_AUTH_DATA_READ = 0x0004;
export const RPMB_MSG_TYPE_REQ_RESULT_READ = 0x0005;
export const RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM = 0x0100;
export const RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ = 0x0200;
export const RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE = 0x0300;
export const RPMB_MSG_TYPE_RESP_AUTH_DATA_READ = 0x0400;

/** `msg_type` of a frame. */
export const RPMB_MSG_TYPE = {
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_RESULT_READ,
  RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_READ,
} as const;

export const RPMB_RESULT_OK = 0x00;
export const RPMB_RESULT_GENERAL_FAILURE = 0x01;
export const RPMB_RESULT_AUTH_FAILURE = 0x02;
export const RPMB_RESULT_COUNTER_FAILURE = 0x03;
export const RPMB_RESULT_ADDRESS_FAILURE = 0x04;
export const RPMB_RESULT_WRITE_FAILURE = 0x05;
export const RPMB_RESULT_READ_FAILURE = 0x06;
export const RPMB_RESULT_AUTH_KEY_NOT_PROGRAMMED = 0x07;
/** Bits of `op_result` that hold the code. */
export const RPMB_RESULT_MASK = 0x3f;
/** Flag beside the code: the write counter has reached its end. */
export const RPMB_RESULT_WR_CNT_EXPIRED = 0x80;

/** Codes of `op_result`, under `RPMB_RESULT_MASK`. */
export const RPMB_RESULT = {
  RPMB_RESULT_OK,
  RPMB_RESULT_GENERAL_FAILURE,
  RPMB_RESULT_AUTH_FAILURE,
  RPMB_RESULT_COUNTER_FAILURE,
  RPMB_RESULT_ADDRESS_FAILURE,
  RPMB_RESULT_WRITE_FAILURE,
  RPMB_RESULT_READ_FAILURE,
  RPMB_RESULT_AUTH_KEY_NOT_PROGRAMMED,
} as const;
