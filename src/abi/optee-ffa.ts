/**
 * How the normal world calls OP-TEE through FF-A: service ids in w3 of direct messages, and the
 * FF-A function ids and errors around them.
 *
 * Upstream counterparts: optee_os core/arch/arm/include/optee_ffa.h and ffa.h; Linux
 * drivers/tee/optee/optee_ffa.h (6.1 lacks notifications, RPMB probing and protected memory) and
 * include/linux/arm_ffa.h. Left out: memory-transaction descriptors and partition-info layouts.
 */

/* Source: drivers/tee/optee/optee_ffa.h, Linux 6.1. */
export const OPTEE_FFA_VERSION_MAJOR = 1;
export const OPTEE_FFA_VERSION_MINOR = 0;

/** The call runs to its end. */
export const OPTEE_FFA_BLOCKING_CALL = (id: number): number => id;
export const OPTEE_FFA_YIELDING_CALL_BIT = 31;
/** The call may return early and is resumed. */
export const OPTEE_FFA_YIELDING_CALL = (id: number): number =>
  (id | (1 << OPTEE_FFA_YIELDING_CALL_BIT)) >>> 0;

/*
 * Service ids in w3. Source: core/arch/arm/include/optee_ffa.h, OP-TEE OS 4.10; 0-3 and the
 * yielding ones also Linux 6.1.
 */
/** Reply: w3 major, w4 minor. */
export const OPTEE_FFA_GET_API_VERSION = OPTEE_FFA_BLOCKING_CALL(0);
/** Reply: w3 major, w4 minor, w5 build id. */
export const OPTEE_FFA_GET_OS_VERSION = OPTEE_FFA_BLOCKING_CALL(1);
/** Reply: w3 error, w4 bits 7-0 RPC parameters, w5 capabilities, w6 largest notification value. */
export const OPTEE_FFA_EXCHANGE_CAPABILITIES = OPTEE_FFA_BLOCKING_CALL(2);
/** w4 low, w5 high half of a memory handle. */
export const OPTEE_FFA_UNREGISTER_SHM = OPTEE_FFA_BLOCKING_CALL(3);
/** w4 notification value for bottom halves. */
export const OPTEE_FFA_ENABLE_ASYNC_NOTIF = OPTEE_FFA_BLOCKING_CALL(5);
/** w4 low, w5 high half of a memory handle. */
export const OPTEE_FFA_RELEASE_PROTMEM = OPTEE_FFA_BLOCKING_CALL(8);
/** w4 low, w5 high half of the handle, w6 offset of the message. */
export const OPTEE_FFA_YIELDING_CALL_WITH_ARG = OPTEE_FFA_YIELDING_CALL(0);
/** w7 resume information. */
export const OPTEE_FFA_YIELDING_CALL_RESUME = OPTEE_FFA_YIELDING_CALL(1);

/** Service ids. */
export const OPTEE_FFA_CALLS = {
  OPTEE_FFA_GET_API_VERSION,
  OPTEE_FFA_GET_OS_VERSION,
  OPTEE_FFA_EXCHANGE_CAPABILITIES,
  OPTEE_FFA_UNREGISTER_SHM,
  OPTEE_FFA_ENABLE_ASYNC_NOTIF,
  OPTEE_FFA_RELEASE_PROTMEM,
  OPTEE_FFA_YIELDING_CALL_WITH_ARG,
  OPTEE_FFA_YIELDING_CALL_RESUME,
} as const;

/** The bottom-half notification value is below this. Source: OP-TEE OS 4.10, optee_ffa.h. */
export const OPTEE_FFA_MAX_ASYNC_NOTIF_VALUE = 64;

/* Source: core/arch/arm/include/optee_ffa.h, OP-TEE OS 4.10; ARG_OFFSET also Linux 6.1. */
export const OPTEE_FFA_SEC_CAP_ARG_OFFSET = 1 << 0;
export const OPTEE_FFA_SEC_CAP_ASYNC_NOTIF = 1 << 1;
export const OPTEE_FFA_SEC_CAP_RPMB_PROBE = 1 << 2;
export const OPTEE_FFA_SEC_CAP_PROTMEM = 1 << 3;

/** What the secure world answers to EXCHANGE_CAPABILITIES. */
export const OPTEE_FFA_SEC_CAP = {
  OPTEE_FFA_SEC_CAP_ARG_OFFSET,
  OPTEE_FFA_SEC_CAP_ASYNC_NOTIF,
  OPTEE_FFA_SEC_CAP_RPMB_PROBE,
  OPTEE_FFA_SEC_CAP_PROTMEM,
} as const;

/* Source: drivers/tee/optee/optee_ffa.h, Linux 6.1. */
export const OPTEE_FFA_YIELDING_CALL_RETURN_DONE = 0;
export const OPTEE_FFA_YIELDING_CALL_RETURN_RPC_CMD = 1;
export const OPTEE_FFA_YIELDING_CALL_RETURN_INTERRUPT = 2;

/** w4 of a reply to a yielding call. */
export const OPTEE_FFA_YIELDING_CALL_RETURN = {
  OPTEE_FFA_YIELDING_CALL_RETURN_DONE,
  OPTEE_FFA_YIELDING_CALL_RETURN_RPC_CMD,
  OPTEE_FFA_YIELDING_CALL_RETURN_INTERRUPT,
} as const;

/**
 * Errors of FF-A itself. OP-TEE's own w3 holds a TEE_Result: too few threads is TEE_ERROR_BUSY
 * there. Source: core/arch/arm/include/ffa.h, OP-TEE OS 4.10.
 */
export const FFA_ERRORS = {
  FFA_OK: 0,
  FFA_NOT_SUPPORTED: -1,
  FFA_INVALID_PARAMETERS: -2,
  FFA_NO_MEMORY: -3,
  FFA_BUSY: -4,
  FFA_INTERRUPTED: -5,
  FFA_DENIED: -6,
  FFA_RETRY: -7,
  FFA_ABORTED: -8,
  FFA_NO_DATA: -9,
} as const;

/** FF-A function ids. Source: core/arch/arm/include/ffa.h, OP-TEE OS 4.10. */
export const FFA_FUNCTIONS = {
  FFA_ERROR: 0x84000060,
  FFA_SUCCESS_32: 0x84000061,
  FFA_SUCCESS_64: 0xc4000061,
  FFA_INTERRUPT: 0x84000062,
  FFA_VERSION: 0x84000063,
  FFA_FEATURES: 0x84000064,
  FFA_RX_RELEASE: 0x84000065,
  FFA_RX_ACQUIRE: 0x84000084,
  FFA_RXTX_MAP_32: 0x84000066,
  FFA_RXTX_MAP_64: 0xc4000066,
  FFA_RXTX_UNMAP: 0x84000067,
  FFA_PARTITION_INFO_GET: 0x84000068,
  FFA_ID_GET: 0x84000069,
  FFA_SPM_ID_GET: 0x84000085,
  FFA_MSG_WAIT: 0x8400006b,
  FFA_MSG_YIELD: 0x8400006c,
  FFA_RUN: 0x8400006d,
  FFA_MSG_SEND2: 0x84000086,
  FFA_MSG_SEND: 0x8400006e,
  FFA_MSG_SEND_DIRECT_REQ_32: 0x8400006f,
  FFA_MSG_SEND_DIRECT_REQ_64: 0xc400006f,
  FFA_MSG_SEND_DIRECT_RESP_32: 0x84000070,
  FFA_MSG_SEND_DIRECT_RESP_64: 0xc4000070,
  FFA_MSG_SEND_DIRECT_REQ2: 0xc400008d,
  FFA_MSG_SEND_DIRECT_RESP2: 0xc400008e,
  FFA_MSG_POLL: 0x8400006a,
  FFA_MEM_DONATE_32: 0x84000071,
  FFA_MEM_DONATE_64: 0xc4000071,
  FFA_MEM_LEND_32: 0x84000072,
  FFA_MEM_LEND_64: 0xc4000072,
  FFA_MEM_SHARE_32: 0x84000073,
  FFA_MEM_SHARE_64: 0xc4000073,
  FFA_MEM_RETRIEVE_REQ_32: 0x84000074,
  FFA_MEM_RETRIEVE_REQ_64: 0xc4000074,
  FFA_MEM_RETRIEVE_RESP: 0x84000075,
  FFA_MEM_RELINQUISH: 0x84000076,
  FFA_MEM_RECLAIM: 0x84000077,
  FFA_MEM_FRAG_RX: 0x8400007a,
  FFA_MEM_FRAG_TX: 0x8400007b,
  FFA_NORMAL_WORLD_RESUME: 0x8400007c,
  FFA_NOTIFICATION_BITMAP_CREATE: 0x8400007d,
  FFA_NOTIFICATION_BITMAP_DESTROY: 0x8400007e,
  FFA_NOTIFICATION_BIND: 0x8400007f,
  FFA_NOTIFICATION_UNBIND: 0x84000080,
  FFA_NOTIFICATION_SET: 0x84000081,
  FFA_NOTIFICATION_GET: 0x84000082,
  FFA_NOTIFICATION_INFO_GET_32: 0x84000083,
  FFA_NOTIFICATION_INFO_GET_64: 0xc4000083,
  FFA_SECONDARY_EP_REGISTER_64: 0xc4000087,
  FFA_MEM_PERM_GET_32: 0x84000088,
  FFA_MEM_PERM_GET_64: 0xc4000088,
  FFA_MEM_PERM_SET_32: 0x84000089,
  FFA_MEM_PERM_SET_64: 0xc4000089,
  FFA_CONSOLE_LOG_32: 0x8400008a,
  FFA_CONSOLE_LOG_64: 0xc400008a,
  FFA_EL3_INTR_HANDLE: 0x8400008c,
  FFA_PARTITION_INFO_GET_REGS: 0xc400008b,
} as const;

/** Flags of a memory handle, and of access rights in a descriptor. Source: as above. */
export const FFA_MEMORY_HANDLE_HYPERVISOR_BIT = 1n << 63n;
export const FFA_MEMORY_HANDLE_SECURE_BIT = 1n << 45n;
export const FFA_MEMORY_HANDLE_NON_SECURE_BIT = 1n << 44n;
export const FFA_NORMAL_MEM_REG_ATTR = 0x2f;
export const FFA_MEM_ACC_RW = 1 << 1;
export const FFA_MEM_ACC_EXE = 1 << 3;
export const FFA_MEM_ACC_MASK = 0xf;

/** Packs a version as FFA_VERSION returns it. */
export const MAKE_FFA_VERSION = (major: number, minor: number): number =>
  ((major & 0x7fff) << 16) | (minor & 0xffff);
export const FFA_VERSION_1_0 = MAKE_FFA_VERSION(1, 0);
export const FFA_VERSION_1_1 = MAKE_FFA_VERSION(1, 1);
export const FFA_VERSION_1_2 = MAKE_FFA_VERSION(1, 2);
