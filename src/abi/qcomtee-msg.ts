/**
 * The message protocol between Linux and Qualcomm's QTEE: inbound invocations, outbound callbacks,
 * asynchronous messages, object ids, result codes; and what stands around it on both sides: object
 * reference flags of the user API, SCM commands.
 *
 * Upstream counterparts: Linux drivers/tee/qcomtee/qcomtee_msg.h, qcomtee.h, qcomtee_object.h,
 * async.c, primordial_obj.c and mem_obj.c, drivers/firmware/qcom/qcom_scm.h (since 6.18). Not in
 * 6.1. Left out: the encrypted and other services of QTEE, which are not published.
 */
import { struct, u32, u64 } from './layout.ts';

/* Object ids. Source: drivers/tee/qcomtee/qcomtee_msg.h, Linux 7.3. */
/** Set in ids of objects that the normal world hosts. */
export const QCOMTEE_MSG_OBJECT_NS_BIT = 0x80000000;
export const QCOMTEE_MSG_OBJECT_NULL = 0;
export const QCOMTEE_MSG_OBJECT_ROOT = 1;
/** The static callback object of the kernel, and the ids handed out after it. Source: core.c. */
export const QCOMTEE_OBJECT_PRIMORDIAL = QCOMTEE_MSG_OBJECT_NS_BIT;
export const QCOMTEE_OBJECT_ID_START = QCOMTEE_MSG_OBJECT_NS_BIT + 1;
export const QCOMTEE_OBJECT_ID_END = 0xffffffff;

/* Messages. Source: drivers/tee/qcomtee/qcomtee_msg.h, Linux 7.3. */
/** A buffer argument; payload offsets count from the start of the message, 8-byte aligned. */
export const QcomteeMsgArgBuffer = struct(
  'qcomtee_msg_arg_b',
  8,
  { offset: u32(0, 'b.offset'), size: u32(4, 'b.size') },
  'union qcomtee_msg_arg',
);
/** An object argument; the second word is not used. */
export const QcomteeMsgArgObject = struct(
  'qcomtee_msg_arg_o',
  8,
  { object: u32(0, 'o'), unused: u32(4, 'b.size') },
  'union qcomtee_msg_arg',
);

/** An invocation of an object in QTEE, in the inbound buffer; arguments follow. */
export const QcomteeMsgObjectInvoke = struct('qcomtee_msg_object_invoke', 12, {
  cxt: u32(0),
  op: u32(4),
  counts: u32(8),
});
/** A callback request, in the outbound buffer; arguments follow. */
export const QcomteeMsgCallback = struct('qcomtee_msg_callback', 16, {
  result: u32(0),
  cxt: u32(4),
  op: u32(8),
  counts: u32(12),
});

/** Arguments stand in this order: input and output buffers, input and output objects. */
export const QCOMTEE_MASK_IB = 0x000f;
export const QCOMTEE_MASK_OB = 0x00f0;
export const QCOMTEE_MASK_IO = 0x0f00;
export const QCOMTEE_MASK_OO = 0xf000;

/** Fields of `counts`. */
export const QCOMTEE_MASK = {
  QCOMTEE_MASK_IB,
  QCOMTEE_MASK_OB,
  QCOMTEE_MASK_IO,
  QCOMTEE_MASK_OO,
} as const;

/** Packs the four counts; each keeps 4 bits, so 16 becomes 0, as in the driver. */
export function qcomteeMsgCounts(ib: number, ob: number, io: number, oo: number): number {
  return (ib & 0xf) | ((ob & 0xf) << 4) | ((io & 0xf) << 8) | ((oo & 0xf) << 12);
}
export const qcomteeMsgNumIb = (counts: number): number => counts & 0xf;
export const qcomteeMsgNumOb = (counts: number): number => (counts >>> 4) & 0xf;
export const qcomteeMsgNumIo = (counts: number): number => (counts >>> 8) & 0xf;
export const qcomteeMsgNumOo = (counts: number): number => (counts >>> 12) & 0xf;
/** Arguments of all kinds. */
export const qcomteeMsgArgs = (counts: number): number =>
  qcomteeMsgNumIb(counts) +
  qcomteeMsgNumOb(counts) +
  qcomteeMsgNumIo(counts) +
  qcomteeMsgNumOo(counts);
/** Payload alignment. */
export const qcomteeMsgOffsetAlign = (offset: number): number => Math.ceil(offset / 8) * 8;
/** Start of the payloads behind an invocation with `n` arguments. */
export const qcomteeInvokePayloadOffset = (n: number): number =>
  qcomteeMsgOffsetAlign(QcomteeMsgObjectInvoke.byteLength + n * QcomteeMsgArgBuffer.byteLength);
/** Start of the payloads behind a callback request with `n` arguments. */
export const qcomteeCallbackPayloadOffset = (n: number): number =>
  qcomteeMsgOffsetAlign(QcomteeMsgCallback.byteLength + n * QcomteeMsgArgBuffer.byteLength);

/* Limits. Source: qcomtee_object.h, shm.c, Linux 7.3. */
export const QCOMTEE_ARGS_PER_TYPE = 16;
export const QCOMTEE_ARGS_MAX = 64;
export const MAX_INBOUND_BUFFER_SIZE = 4 * 1024 * 1024;
export const MAX_OUTBOUND_BUFFER_SIZE = 4096;

/* Operations. Source: drivers/tee/qcomtee/qcomtee_msg.h, Linux 7.3. */
/** The upper half of `op` belongs to the transport. */
export const QCOMTEE_MSG_OBJECT_OP_MASK = 0xffff;
/** Of every object. */
export const QCOMTEE_MSG_OBJECT_OP_RELEASE = 0xffff;
export const QCOMTEE_MSG_OBJECT_OP_RETAIN = 0xfffe;

/** Operations that every object has. */
export const QCOMTEE_MSG_OBJECT_OP = {
  QCOMTEE_MSG_OBJECT_OP_RELEASE,
  QCOMTEE_MSG_OBJECT_OP_RETAIN,
} as const;

export const QCOMTEE_ROOT_OP_NOTIFY_DOMAIN_CHANGE = 4;
export const QCOMTEE_ROOT_OP_REG_WITH_CREDENTIALS = 5;
export const QCOMTEE_ROOT_OP_ADCI_ACCEPT = 8;
export const QCOMTEE_ROOT_OP_ADCI_SHUTDOWN = 9;

/** Operations of the root object. */
export const QCOMTEE_ROOT_OP = {
  QCOMTEE_ROOT_OP_NOTIFY_DOMAIN_CHANGE,
  QCOMTEE_ROOT_OP_REG_WITH_CREDENTIALS,
  QCOMTEE_ROOT_OP_ADCI_ACCEPT,
  QCOMTEE_ROOT_OP_ADCI_SHUTDOWN,
} as const;

/** Operation of a client environment: u32 uid in, service object out. */
export const QCOMTEE_CLIENT_ENV_OPEN = 0;

/** Service that tells versions, its one operation, and the id of QTEE's own version. */
export const QCOMTEE_FEATURE_VER_UID = 2033;
export const QCOMTEE_FEATURE_VER_OP_GET = 0;
export const QCOMTEE_FEATURE_VER_OP_GET_QTEE_ID = 10;
/** Parts of that version. Major and minor keep 8 bits. */
export const QTEE_VERSION_GET_MAJOR = (v: number): number => (v >>> 22) & 0xff;
export const QTEE_VERSION_GET_MINOR = (v: number): number => (v >>> 12) & 0xff;
export const QTEE_VERSION_GET_PATCH = (v: number): number => v & 0xfff;

/** First result register: a callback request is pending. Anything else: finished. */
export const QCOMTEE_RESULT_INBOUND_REQ_NEEDED = 3;

/* Source: drivers/tee/qcomtee/primordial_obj.c, Linux 7.3; MAP_REGION is younger than 6.18. */
/** ob region, io memory object, oo mapping. */
export const QCOMTEE_OBJECT_OP_MAP_REGION = 0;
export const QCOMTEE_OBJECT_OP_YIELD = 1;
/** ib u32 milliseconds. */
export const QCOMTEE_OBJECT_OP_SLEEP = 2;

/** Operations of the primordial object. */
export const QCOMTEE_PRIMORDIAL_OP = {
  QCOMTEE_OBJECT_OP_MAP_REGION,
  QCOMTEE_OBJECT_OP_YIELD,
  QCOMTEE_OBJECT_OP_SLEEP,
} as const;

/** Answer of MAP_REGION, packed; the C struct has no name. */
export const QcomteeMapRegion = struct('qcomtee_map_region', 20, {
  paddr: u64(0),
  len: u64(8),
  perms: u32(16),
});
/** Its permissions: read 4, write 2. Source: include/linux/firmware/qcom/qcom_scm.h. */
export const QCOM_SCM_PERM_READ = 0x4;
export const QCOM_SCM_PERM_WRITE = 0x2;
export const QCOM_SCM_PERM_RW = QCOM_SCM_PERM_READ | QCOM_SCM_PERM_WRITE;

/* Results. Source: drivers/tee/qcomtee/qcomtee_msg.h, Linux 7.3. */
export const QCOMTEE_MSG_OK = 0;
export const QCOMTEE_MSG_ERROR = 1;
export const QCOMTEE_MSG_ERROR_INVALID = 2;
export const QCOMTEE_MSG_ERROR_SIZE_IN = 3;
export const QCOMTEE_MSG_ERROR_SIZE_OUT = 4;
/** An object's own errors start here. */
export const QCOMTEE_MSG_ERROR_USERBASE = 10;
/* Of the transport; negative, as an int. */
export const QCOMTEE_MSG_ERROR_DEFUNCT = -90;
export const QCOMTEE_MSG_ERROR_ABORT = -91;
export const QCOMTEE_MSG_ERROR_BADOBJ = -92;
export const QCOMTEE_MSG_ERROR_NOSLOTS = -93;
export const QCOMTEE_MSG_ERROR_MAXARGS = -94;
export const QCOMTEE_MSG_ERROR_MAXDATA = -95;
export const QCOMTEE_MSG_ERROR_UNAVAIL = -96;
export const QCOMTEE_MSG_ERROR_KMEM = -97;
export const QCOMTEE_MSG_ERROR_REMOTE = -98;
export const QCOMTEE_MSG_ERROR_BUSY = -99;
export const QCOMTEE_MSG_ERROR_TIMEOUT = -103;

/** Results of an invocation. */
export const QCOMTEE_MSG_RESULT = {
  QCOMTEE_MSG_OK,
  QCOMTEE_MSG_ERROR,
  QCOMTEE_MSG_ERROR_INVALID,
  QCOMTEE_MSG_ERROR_SIZE_IN,
  QCOMTEE_MSG_ERROR_SIZE_OUT,
  QCOMTEE_MSG_ERROR_DEFUNCT,
  QCOMTEE_MSG_ERROR_ABORT,
  QCOMTEE_MSG_ERROR_BADOBJ,
  QCOMTEE_MSG_ERROR_NOSLOTS,
  QCOMTEE_MSG_ERROR_MAXARGS,
  QCOMTEE_MSG_ERROR_MAXDATA,
  QCOMTEE_MSG_ERROR_UNAVAIL,
  QCOMTEE_MSG_ERROR_KMEM,
  QCOMTEE_MSG_ERROR_REMOTE,
  QCOMTEE_MSG_ERROR_BUSY,
  QCOMTEE_MSG_ERROR_TIMEOUT,
} as const;

/* Asynchronous messages. Source: drivers/tee/qcomtee/async.c, Linux 7.3. */
export const QCOMTEE_ASYNC_VERSION_1_0 = 0x00010000;
export const QCOMTEE_ASYNC_VERSION_1_1 = 0x00010001;
export const QCOMTEE_ASYNC_VERSION_1_2 = 0x00010002;
export const QCOMTEE_ASYNC_VERSION_CURRENT = QCOMTEE_ASYNC_VERSION_1_2;

/** `version` 0 ends the list. */
export const QcomteeAsyncMsgHdr = struct('qcomtee_async_msg_hdr', 8, {
  version: u32(0),
  op: u32(4),
});
/** op RELEASE: `counts` object ids follow, a u32 each. */
export const QcomteeAsyncReleaseMsg = struct('qcomtee_async_release_msg', 12, {
  version: u32(0, 'hdr.version'),
  op: u32(4, 'hdr.op'),
  counts: u32(8),
});

/* Source: drivers/tee/qcomtee/qcomtee.h, Linux 7.3. */
/** Handle of an object in QTEE. */
export const QCOMTEE_OBJREF_FLAG_TEE = 1 << 0;
/** Callback object of this process; any 64-bit id. */
export const QCOMTEE_OBJREF_FLAG_USER = 1 << 1;
/** Memory object; the id is a shm id. Younger than 6.18. */
export const QCOMTEE_OBJREF_FLAG_MEM = 1 << 2;

/** `b` of an OBJREF parameter. */
export const QCOMTEE_OBJREF_FLAG = {
  QCOMTEE_OBJREF_FLAG_TEE,
  QCOMTEE_OBJREF_FLAG_USER,
  QCOMTEE_OBJREF_FLAG_MEM,
} as const;

/* Inside the driver. Source: drivers/tee/qcomtee/qcomtee_object.h, Linux 7.3. */
/** Ends an argument list. */
export const QCOMTEE_ARG_TYPE_INV = 0;
export const QCOMTEE_ARG_TYPE_OB = 1;
export const QCOMTEE_ARG_TYPE_OO = 2;
export const QCOMTEE_ARG_TYPE_IB = 3;
export const QCOMTEE_ARG_TYPE_IO = 4;

/** Kinds of arguments. */
export const QCOMTEE_ARG_TYPE = {
  QCOMTEE_ARG_TYPE_INV,
  QCOMTEE_ARG_TYPE_OB,
  QCOMTEE_ARG_TYPE_OO,
  QCOMTEE_ARG_TYPE_IB,
  QCOMTEE_ARG_TYPE_IO,
} as const;

export const QCOMTEE_OBJECT_TYPE_TEE = 0;
export const QCOMTEE_OBJECT_TYPE_CB = 1;
export const QCOMTEE_OBJECT_TYPE_ROOT = 2;
export const QCOMTEE_OBJECT_TYPE_NULL = 3;

/** Kinds of objects. */
export const QCOMTEE_OBJECT_TYPE = {
  QCOMTEE_OBJECT_TYPE_TEE,
  QCOMTEE_OBJECT_TYPE_CB,
  QCOMTEE_OBJECT_TYPE_ROOT,
  QCOMTEE_OBJECT_TYPE_NULL,
} as const;

/* SCM, trusted-OS owner. Source: drivers/firmware/qcom/qcom_scm.h, Linux 7.3. */
export const QCOM_SCM_SVC_SMCINVOKE = 0x06;
export const QCOM_SCM_SMCINVOKE_INVOKE_LEGACY = 0x00;
/** Outbound buffer address, size. */
export const QCOM_SCM_SMCINVOKE_CB_RSP = 0x01;
/** Inbound address, size, outbound address, size. */
export const QCOM_SCM_SMCINVOKE_INVOKE = 0x02;

/** Commands of that service. */
export const QCOM_SCM_SMCINVOKE = {
  QCOM_SCM_SMCINVOKE_INVOKE_LEGACY,
  QCOM_SCM_SMCINVOKE_CB_RSP,
  QCOM_SCM_SMCINVOKE_INVOKE,
} as const;
