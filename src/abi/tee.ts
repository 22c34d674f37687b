/**
 * The user-space ABI of `/dev/teeN` and `/dev/teeprivN`: ioctl numbers, structs, attributes,
 * capabilities, logins.
 *
 * Upstream counterpart: include/uapi/linux/tee.h. What 6.1 lacks (OBJREF, UBUF, SHM_REGISTER_FD,
 * OBJECT_INVOKE) is marked. Left out: the in-kernel API (include/linux/tee_drv.h), which is no ABI.
 */
import { _IOR, _IOWR } from './ioctl.ts';
import { bytes, flexibleSize, pad, s32, s64, struct, u32, u64 } from './layout.ts';

/* Source: include/uapi/linux/tee.h, Linux 6.1 and 7.3. */
export const TEE_IOC_MAGIC = 0xa4;
export const TEE_IOC_BASE = 0;

/*
 * Largest `buf_len` of the ioctls that take a `tee_ioctl_buf_data`; raised between the two.
 * Source: include/uapi/linux/tee.h, Linux 7.3 and 6.1.
 */
export const TEE_MAX_ARG_SIZE = 4096;
export const TEE_MAX_ARG_SIZE_6_1 = 1024;

/* Source: include/uapi/linux/tee.h, Linux 6.1; OBJREF Linux 6.18. */
export const TEE_GEN_CAP_GP = 1 << 0;
export const TEE_GEN_CAP_PRIVILEGED = 1 << 1;
export const TEE_GEN_CAP_REG_MEM = 1 << 2;
export const TEE_GEN_CAP_MEMREF_NULL = 1 << 3;
export const TEE_GEN_CAP_OBJREF = 1 << 4;

/** `gen_caps` bits. */
export const TEE_GEN_CAP = {
  TEE_GEN_CAP_GP,
  TEE_GEN_CAP_PRIVILEGED,
  TEE_GEN_CAP_REG_MEM,
  TEE_GEN_CAP_MEMREF_NULL,
  TEE_GEN_CAP_OBJREF,
} as const;

/** Shared-memory id of a NULL memref: all 64 bits set (`U64Field.allOnes`). */
export const TEE_MEMREF_NULL = 0xffff_ffff_ffff_ffffn;
/** Object id of a NULL object reference. Since Linux 6.18. */
export const TEE_OBJREF_NULL = 0xffff_ffff_ffff_ffffn;

/* Source: include/uapi/linux/tee.h, Linux 6.1; TSTEE Linux 6.9, QTEE Linux 6.18. */
export const TEE_IMPL_ID_OPTEE = 1;
export const TEE_IMPL_ID_AMDTEE = 2;
export const TEE_IMPL_ID_TSTEE = 3;
export const TEE_IMPL_ID_QTEE = 4;

/** `impl_id`: which implementation stands behind the device. */
export const TEE_IMPL_ID = {
  TEE_IMPL_ID_OPTEE,
  TEE_IMPL_ID_AMDTEE,
  TEE_IMPL_ID_TSTEE,
  TEE_IMPL_ID_QTEE,
} as const;

/** `impl_caps` of OP-TEE: TrustZone based. */
export const TEE_OPTEE_CAP_TZ = 1 << 0;

/** `impl_caps` bits of OP-TEE. */
export const TEE_OPTEE_CAP = { TEE_OPTEE_CAP_TZ } as const;

/* Structs and ioctls 0 and 1. Source: include/uapi/linux/tee.h, Linux 6.1. */
export const TeeIoctlVersionData = struct('tee_ioctl_version_data', 12, {
  implId: u32(0),
  implCaps: u32(4),
  genCaps: u32(8),
});
export const TEE_IOC_VERSION = _IOR(TEE_IOC_MAGIC, TEE_IOC_BASE + 0, TeeIoctlVersionData);

export const TeeIoctlShmAllocData = struct('tee_ioctl_shm_alloc_data', 16, {
  size: u64(0),
  flags: u32(8),
  id: s32(12),
});
export const TEE_IOC_SHM_ALLOC = _IOWR(TEE_IOC_MAGIC, TEE_IOC_BASE + 1, TeeIoctlShmAllocData);

/** Since Linux 6.18. Its number, 8, is lower than that of TEE_IOC_SHM_REGISTER. */
export const TeeIoctlShmRegisterFdData = struct('tee_ioctl_shm_register_fd_data', 24, {
  fd: s64(0),
  size: u64(8),
  flags: u32(16),
  id: s32(20),
});
export const TEE_IOC_SHM_REGISTER_FD = _IOWR(
  TEE_IOC_MAGIC,
  TEE_IOC_BASE + 8,
  TeeIoctlShmRegisterFdData,
);

/** Argument of the ioctls with a variable number of parameters. */
export const TeeIoctlBufData = struct('tee_ioctl_buf_data', 16, {
  bufPtr: u64(0),
  bufLen: u64(8),
});

/* Parameter attributes. Source: include/uapi/linux/tee.h, Linux 6.1; UBUF and OBJREF Linux 6.18. */
export const TEE_IOCTL_PARAM_ATTR_TYPE_NONE = 0;
export const TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT = 1;
export const TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT = 2;
export const TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT = 3;
export const TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT = 5;
export const TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT = 6;
export const TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT = 7;
export const TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT = 8;
export const TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT = 9;
export const TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT = 10;
export const TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT = 11;
export const TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT = 12;
export const TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INOUT = 13;

/** Parameter types; 4 is not defined. */
export const TEE_IOCTL_PARAM_ATTR_TYPE = {
  TEE_IOCTL_PARAM_ATTR_TYPE_NONE,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INOUT,
} as const;

/* Source: include/uapi/linux/tee.h, Linux 6.1. */
export const TEE_IOCTL_PARAM_ATTR_TYPE_MASK = 0xff;
/** A parameter of the protocol, not of the caller. */
export const TEE_IOCTL_PARAM_ATTR_META = 0x100;
/** Every legal bit. */
export const TEE_IOCTL_PARAM_ATTR_MASK = TEE_IOCTL_PARAM_ATTR_TYPE_MASK | TEE_IOCTL_PARAM_ATTR_META;

/* Logins. Source: include/uapi/linux/tee.h, Linux 6.1. */
export const TEE_IOCTL_LOGIN_PUBLIC = 0;
export const TEE_IOCTL_LOGIN_USER = 1;
export const TEE_IOCTL_LOGIN_GROUP = 2;
export const TEE_IOCTL_LOGIN_APPLICATION = 4;
export const TEE_IOCTL_LOGIN_USER_APPLICATION = 5;
export const TEE_IOCTL_LOGIN_GROUP_APPLICATION = 6;
/** First of the range that only the kernel may use. */
export const TEE_IOCTL_LOGIN_REE_KERNEL_MIN = 0x80000000;
/** Last of it. */
export const TEE_IOCTL_LOGIN_REE_KERNEL_MAX = 0xbfffffff;
/** The one login of that range that is in use. */
export const TEE_IOCTL_LOGIN_REE_KERNEL = 0x80000000;

/** `clnt_login` values. */
export const TEE_IOCTL_LOGIN = {
  TEE_IOCTL_LOGIN_PUBLIC,
  TEE_IOCTL_LOGIN_USER,
  TEE_IOCTL_LOGIN_GROUP,
  TEE_IOCTL_LOGIN_APPLICATION,
  TEE_IOCTL_LOGIN_USER_APPLICATION,
  TEE_IOCTL_LOGIN_GROUP_APPLICATION,
  TEE_IOCTL_LOGIN_REE_KERNEL,
} as const;

/**
 * One parameter. a, b, c by type: value; memref offset, size, shm id; ubuf address, size; objref
 * id, flags. Source: include/uapi/linux/tee.h, Linux 6.1.
 */
export const TeeIoctlParam = struct('tee_ioctl_param', 32, {
  attr: u64(0),
  a: u64(8),
  b: u64(16),
  c: u64(24),
});

export const TEE_IOCTL_UUID_LEN = 16;

/* Sessions: ioctls 2 to 5. Source: include/uapi/linux/tee.h, Linux 6.1. */
/** Followed by `num_params` parameters; UUIDs as RFC 4122 octets. */
export const TeeIoctlOpenSessionArg = struct('tee_ioctl_open_session_arg', 56, {
  uuid: bytes(0, TEE_IOCTL_UUID_LEN),
  clntUuid: bytes(16, TEE_IOCTL_UUID_LEN),
  clntLogin: u32(32),
  cancelId: u32(36),
  session: u32(40),
  ret: u32(44),
  retOrigin: u32(48),
  numParams: u32(52),
});
export const TEE_IOC_OPEN_SESSION = _IOR(TEE_IOC_MAGIC, TEE_IOC_BASE + 2, TeeIoctlBufData);

/** Followed by `num_params` parameters. */
export const TeeIoctlInvokeArg = struct('tee_ioctl_invoke_arg', 24, {
  func: u32(0),
  session: u32(4),
  cancelId: u32(8),
  ret: u32(12),
  retOrigin: u32(16),
  numParams: u32(20),
});
export const TEE_IOC_INVOKE = _IOR(TEE_IOC_MAGIC, TEE_IOC_BASE + 3, TeeIoctlBufData);

export const TeeIoctlCancelArg = struct('tee_ioctl_cancel_arg', 8, {
  cancelId: u32(0),
  session: u32(4),
});
export const TEE_IOC_CANCEL = _IOR(TEE_IOC_MAGIC, TEE_IOC_BASE + 4, TeeIoctlCancelArg);

export const TeeIoctlCloseSessionArg = struct('tee_ioctl_close_session_arg', 4, {
  session: u32(0),
});
export const TEE_IOC_CLOSE_SESSION = _IOR(TEE_IOC_MAGIC, TEE_IOC_BASE + 5, TeeIoctlCloseSessionArg);

/*
 * Supplicant: ioctls 6 and 7. Upstream spells these two structs `tee_iocl_`.
 * Source: include/uapi/linux/tee.h, Linux 6.1.
 */
/** Followed by `num_params` parameters: capacity in, number used out. */
export const TeeIoclSuppRecvArg = struct('tee_iocl_supp_recv_arg', 8, {
  func: u32(0),
  numParams: u32(4),
});
export const TEE_IOC_SUPPL_RECV = _IOR(TEE_IOC_MAGIC, TEE_IOC_BASE + 6, TeeIoctlBufData);

/** Followed by `num_params` parameters. */
export const TeeIoclSuppSendArg = struct('tee_iocl_supp_send_arg', 8, {
  ret: u32(0),
  numParams: u32(4),
});
export const TEE_IOC_SUPPL_SEND = _IOR(TEE_IOC_MAGIC, TEE_IOC_BASE + 7, TeeIoctlBufData);

/* Source: include/uapi/linux/tee.h, Linux 6.1. */
export const TeeIoctlShmRegisterData = struct('tee_ioctl_shm_register_data', 24, {
  addr: u64(0),
  length: u64(8),
  flags: u32(16),
  id: s32(20),
});
export const TEE_IOC_SHM_REGISTER = _IOWR(TEE_IOC_MAGIC, TEE_IOC_BASE + 9, TeeIoctlShmRegisterData);

/* Source: include/uapi/linux/tee.h, Linux 6.18. */
/** Followed by `num_params` parameters. Has no origin. */
export const TeeIoctlObjectInvokeArg = struct('tee_ioctl_object_invoke_arg', 24, {
  id: u64(0),
  op: u32(8),
  ret: u32(12),
  numParams: u32(16),
  pad: pad(20, 4),
});
export const TEE_IOC_OBJECT_INVOKE = _IOR(TEE_IOC_MAGIC, TEE_IOC_BASE + 10, TeeIoctlBufData);

/** ioctl commands by name. */
export const TEE_IOCTLS = {
  TEE_IOC_VERSION,
  TEE_IOC_SHM_ALLOC,
  TEE_IOC_OPEN_SESSION,
  TEE_IOC_INVOKE,
  TEE_IOC_CANCEL,
  TEE_IOC_CLOSE_SESSION,
  TEE_IOC_SUPPL_RECV,
  TEE_IOC_SUPPL_SEND,
  TEE_IOC_SHM_REGISTER_FD,
  TEE_IOC_SHM_REGISTER,
  TEE_IOC_OBJECT_INVOKE,
} as const;

/** Bytes of a `tee_ioctl_open_session_arg` with `n` parameters. */
export const openSessionArgSize = (n: number): number =>
  flexibleSize(TeeIoctlOpenSessionArg, TeeIoctlParam, n);
/** Bytes of a `tee_ioctl_invoke_arg` with `n` parameters. */
export const invokeArgSize = (n: number): number =>
  flexibleSize(TeeIoctlInvokeArg, TeeIoctlParam, n);
/** Bytes of a `tee_iocl_supp_recv_arg` with `n` parameters. */
export const suppRecvArgSize = (n: number): number =>
  flexibleSize(TeeIoclSuppRecvArg, TeeIoctlParam, n);
/** Bytes of a `tee_iocl_supp_send_arg` with `n` parameters. */
export const suppSendArgSize = (n: number): number =>
  flexibleSize(TeeIoclSuppSendArg, TeeIoctlParam, n);
/** Bytes of a `tee_ioctl_object_invoke_arg` with `n` parameters. */
export const objectInvokeArgSize = (n: number): number =>
  flexibleSize(TeeIoctlObjectInvokeArg, TeeIoctlParam, n);

/** Devices in all, client and privileged halves. Source: drivers/tee/tee_core.c, Linux 6.1. */
export const TEE_NUM_DEVICES = 32;
