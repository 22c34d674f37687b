/**
 * How the normal world calls OP-TEE by SMC or HVC: function ids, capabilities, return codes, the
 * RPC values that a call returns with. SMC32 convention, registers a0 to a7.
 *
 * Upstream counterparts: Linux drivers/tee/optee/optee_smc.h and include/linux/arm-smccc.h;
 * optee_os core/arch/arm/include/sm/optee_smc.h. Left out: the register structs of the replies
 * (their fields are the registers in order), SMC64, calls to other owners.
 */
import {
  OPTEE_MSG_FUNCID_CALL_WITH_ARG,
  OPTEE_MSG_FUNCID_CALLS_REVISION,
  OPTEE_MSG_FUNCID_CALLS_UID,
  OPTEE_MSG_FUNCID_GET_OS_REVISION,
  OPTEE_MSG_FUNCID_GET_OS_UUID,
} from './optee-msg.ts';

/* The calling convention. Source: include/linux/arm-smccc.h, Linux 6.1. */
/** Bit 31: the call runs to its end without returning to the normal world. */
export const ARM_SMCCC_FAST_CALL = 1;
/** The call may return early (RPC, interrupt) and is resumed. */
export const ARM_SMCCC_STD_CALL = 0;
export const ARM_SMCCC_TYPE_SHIFT = 31;
export const ARM_SMCCC_SMC_32 = 0;
export const ARM_SMCCC_SMC_64 = 1;
export const ARM_SMCCC_CALL_CONV_SHIFT = 30;
export const ARM_SMCCC_OWNER_MASK = 0x3f;
export const ARM_SMCCC_OWNER_SHIFT = 24;
export const ARM_SMCCC_FUNC_MASK = 0xffff;

export const ARM_SMCCC_OWNER_ARCH = 0;
export const ARM_SMCCC_OWNER_CPU = 1;
export const ARM_SMCCC_OWNER_SIP = 2;
export const ARM_SMCCC_OWNER_OEM = 3;
export const ARM_SMCCC_OWNER_STANDARD = 4;
export const ARM_SMCCC_OWNER_STANDARD_HYP = 5;
export const ARM_SMCCC_OWNER_VENDOR_HYP = 6;
export const ARM_SMCCC_OWNER_TRUSTED_APP = 48;
export const ARM_SMCCC_OWNER_TRUSTED_APP_END = 49;
export const ARM_SMCCC_OWNER_TRUSTED_OS = 50;
/** Between the secure monitor's dispatcher and OP-TEE. Source: OP-TEE OS 4.10, sm/optee_smc.h. */
export const ARM_SMCCC_OWNER_TRUSTED_OS_OPTEED = 62;
export const ARM_SMCCC_OWNER_TRUSTED_OS_END = 63;

/** Owners of function ids. */
export const ARM_SMCCC_OWNER = {
  ARM_SMCCC_OWNER_ARCH,
  ARM_SMCCC_OWNER_CPU,
  ARM_SMCCC_OWNER_SIP,
  ARM_SMCCC_OWNER_OEM,
  ARM_SMCCC_OWNER_STANDARD,
  ARM_SMCCC_OWNER_STANDARD_HYP,
  ARM_SMCCC_OWNER_VENDOR_HYP,
  ARM_SMCCC_OWNER_TRUSTED_APP,
  ARM_SMCCC_OWNER_TRUSTED_APP_END,
  ARM_SMCCC_OWNER_TRUSTED_OS,
  ARM_SMCCC_OWNER_TRUSTED_OS_OPTEED,
  ARM_SMCCC_OWNER_TRUSTED_OS_END,
} as const;

/** Builds a function id. */
export function ARM_SMCCC_CALL_VAL(
  type: number,
  callingConvention: number,
  owner: number,
  funcNum: number,
): number {
  return (
    ((type << ARM_SMCCC_TYPE_SHIFT) |
      (callingConvention << ARM_SMCCC_CALL_CONV_SHIFT) |
      ((owner & ARM_SMCCC_OWNER_MASK) << ARM_SMCCC_OWNER_SHIFT) |
      (funcNum & ARM_SMCCC_FUNC_MASK)) >>>
    0
  );
}

/** Whether the id names a fast call. */
export const ARM_SMCCC_IS_FAST_CALL = (id: number): boolean => id >>> ARM_SMCCC_TYPE_SHIFT === 1;
/** Whether the id uses 64-bit registers. */
export const ARM_SMCCC_IS_64 = (id: number): boolean =>
  ((id >>> ARM_SMCCC_CALL_CONV_SHIFT) & 1) === 1;
/** Function number of an id. */
export const ARM_SMCCC_FUNC_NUM = (id: number): number => id & ARM_SMCCC_FUNC_MASK;
/** Owner of an id. */
export const ARM_SMCCC_OWNER_NUM = (id: number): number =>
  (id >>> ARM_SMCCC_OWNER_SHIFT) & ARM_SMCCC_OWNER_MASK;

/** A yielding call of the trusted OS. */
export const OPTEE_SMC_STD_CALL_VAL = (funcNum: number): number =>
  ARM_SMCCC_CALL_VAL(ARM_SMCCC_STD_CALL, ARM_SMCCC_SMC_32, ARM_SMCCC_OWNER_TRUSTED_OS, funcNum);
/** A fast call of the trusted OS. */
export const OPTEE_SMC_FAST_CALL_VAL = (funcNum: number): number =>
  ARM_SMCCC_CALL_VAL(ARM_SMCCC_FAST_CALL, ARM_SMCCC_SMC_32, ARM_SMCCC_OWNER_TRUSTED_OS, funcNum);

const apiCall = (funcNum: number): number =>
  ARM_SMCCC_CALL_VAL(
    ARM_SMCCC_FAST_CALL,
    ARM_SMCCC_SMC_32,
    ARM_SMCCC_OWNER_TRUSTED_OS_END,
    funcNum,
  );

/* Queries of the trusted-OS API range. Source: drivers/tee/optee/optee_smc.h, Linux 6.1. */
export const OPTEE_SMC_FUNCID_CALLS_COUNT = 0xff00;
export const OPTEE_SMC_CALLS_COUNT = apiCall(OPTEE_SMC_FUNCID_CALLS_COUNT);

/** Cache attribute of shared memory: normal, cached. The only one in use. */
export const OPTEE_SMC_SHM_CACHED = 1;

export const OPTEE_SMC_FUNCID_CALLS_UID = OPTEE_MSG_FUNCID_CALLS_UID;
export const OPTEE_SMC_CALLS_UID = apiCall(OPTEE_SMC_FUNCID_CALLS_UID);

export const OPTEE_SMC_FUNCID_CALLS_REVISION = OPTEE_MSG_FUNCID_CALLS_REVISION;
export const OPTEE_SMC_CALLS_REVISION = apiCall(OPTEE_SMC_FUNCID_CALLS_REVISION);

/* Source: drivers/tee/optee/optee_smc.h, Linux 6.1. */
export const OPTEE_SMC_FUNCID_GET_OS_UUID = OPTEE_MSG_FUNCID_GET_OS_UUID;
export const OPTEE_SMC_CALL_GET_OS_UUID = OPTEE_SMC_FAST_CALL_VAL(OPTEE_SMC_FUNCID_GET_OS_UUID);

export const OPTEE_SMC_FUNCID_GET_OS_REVISION = OPTEE_MSG_FUNCID_GET_OS_REVISION;
export const OPTEE_SMC_CALL_GET_OS_REVISION = OPTEE_SMC_FAST_CALL_VAL(
  OPTEE_SMC_FUNCID_GET_OS_REVISION,
);

/** Owner 63, fast: a1:a2 size, a3:a4 physical address, high half first. Linux 6.4. */
export const OPTEE_SMC_FUNCID_LOAD_IMAGE = 2;
export const OPTEE_SMC_CALL_LOAD_IMAGE = apiCall(OPTEE_SMC_FUNCID_LOAD_IMAGE);

/* Yielding calls. Source: drivers/tee/optee/optee_smc.h, Linux 6.1. */
export const OPTEE_SMC_FUNCID_CALL_WITH_ARG = OPTEE_MSG_FUNCID_CALL_WITH_ARG;
export const OPTEE_SMC_FUNCID_CALL_WITH_RPC_ARG = 18;
export const OPTEE_SMC_FUNCID_CALL_WITH_REGD_ARG = 19;
/** a1:a2 physical address of the message, high half first, a3 cache attribute, a7 client id. */
export const OPTEE_SMC_CALL_WITH_ARG = OPTEE_SMC_STD_CALL_VAL(OPTEE_SMC_FUNCID_CALL_WITH_ARG);
/** The same, with room for the RPC message behind the message. */
export const OPTEE_SMC_CALL_WITH_RPC_ARG = OPTEE_SMC_STD_CALL_VAL(
  OPTEE_SMC_FUNCID_CALL_WITH_RPC_ARG,
);
/** a1:a2 cookie of registered memory, a3 offset of the message in it. */
export const OPTEE_SMC_CALL_WITH_REGD_ARG = OPTEE_SMC_STD_CALL_VAL(
  OPTEE_SMC_FUNCID_CALL_WITH_REGD_ARG,
);

/** Reply: a1 physical address, a2 size, a3 cache attribute of the reserved memory. */
export const OPTEE_SMC_FUNCID_GET_SHM_CONFIG = 7;
export const OPTEE_SMC_GET_SHM_CONFIG = OPTEE_SMC_FAST_CALL_VAL(OPTEE_SMC_FUNCID_GET_SHM_CONFIG);

/* The PL310 mutex. Source: core/arch/arm/include/sm/optee_smc.h, OP-TEE OS 4.10. */
export const OPTEE_SMC_L2CC_MUTEX_GET_ADDR = 0;
export const OPTEE_SMC_L2CC_MUTEX_SET_ADDR = 1;
export const OPTEE_SMC_L2CC_MUTEX_ENABLE = 2;
export const OPTEE_SMC_L2CC_MUTEX_DISABLE = 3;
export const OPTEE_SMC_FUNCID_L2CC_MUTEX = 8;
export const OPTEE_SMC_L2CC_MUTEX = OPTEE_SMC_FAST_CALL_VAL(OPTEE_SMC_FUNCID_L2CC_MUTEX);

/* Capabilities. Source: drivers/tee/optee/optee_smc.h, Linux 6.1; bits 7-9 OP-TEE OS 4.10. */
export const OPTEE_SMC_NSEC_CAP_UNIPROCESSOR = 1 << 0;
export const OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM = 1 << 0;
export const OPTEE_SMC_SEC_CAP_UNREGISTERED_SHM = 1 << 1;
export const OPTEE_SMC_SEC_CAP_DYNAMIC_SHM = 1 << 2;
export const OPTEE_SMC_SEC_CAP_VIRTUALIZATION = 1 << 3;
export const OPTEE_SMC_SEC_CAP_MEMREF_NULL = 1 << 4;
export const OPTEE_SMC_SEC_CAP_ASYNC_NOTIF = 1 << 5;
export const OPTEE_SMC_SEC_CAP_RPC_ARG = 1 << 6;
export const OPTEE_SMC_SEC_CAP_RPMB_PROBE = 1 << 7;
export const OPTEE_SMC_SEC_CAP_PROTMEM = 1 << 8;
export const OPTEE_SMC_SEC_CAP_DYNAMIC_PROTMEM = 1 << 9;

/** What the normal world offers in EXCHANGE_CAPABILITIES. */
export const OPTEE_SMC_NSEC_CAP = { OPTEE_SMC_NSEC_CAP_UNIPROCESSOR } as const;

/** What the secure world answers. */
export const OPTEE_SMC_SEC_CAP = {
  OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM,
  OPTEE_SMC_SEC_CAP_UNREGISTERED_SHM,
  OPTEE_SMC_SEC_CAP_DYNAMIC_SHM,
  OPTEE_SMC_SEC_CAP_VIRTUALIZATION,
  OPTEE_SMC_SEC_CAP_MEMREF_NULL,
  OPTEE_SMC_SEC_CAP_ASYNC_NOTIF,
  OPTEE_SMC_SEC_CAP_RPC_ARG,
  OPTEE_SMC_SEC_CAP_RPMB_PROBE,
  OPTEE_SMC_SEC_CAP_PROTMEM,
  OPTEE_SMC_SEC_CAP_DYNAMIC_PROTMEM,
} as const;

/** Bits of EXCHANGE_CAPABILITIES' a3 that hold the number of RPC parameters. Linux 6.1. */
export const OPTEE_SMC_RPC_PARAM_COUNT_MASK = 0xff;

/* Fast calls 9 to 17. Source: drivers/tee/optee/optee_smc.h, Linux 6.1. */
export const OPTEE_SMC_FUNCID_EXCHANGE_CAPABILITIES = 9;
export const OPTEE_SMC_EXCHANGE_CAPABILITIES = OPTEE_SMC_FAST_CALL_VAL(
  OPTEE_SMC_FUNCID_EXCHANGE_CAPABILITIES,
);
export const OPTEE_SMC_FUNCID_DISABLE_SHM_CACHE = 10;
export const OPTEE_SMC_DISABLE_SHM_CACHE = OPTEE_SMC_FAST_CALL_VAL(
  OPTEE_SMC_FUNCID_DISABLE_SHM_CACHE,
);
export const OPTEE_SMC_FUNCID_ENABLE_SHM_CACHE = 11;
export const OPTEE_SMC_ENABLE_SHM_CACHE = OPTEE_SMC_FAST_CALL_VAL(
  OPTEE_SMC_FUNCID_ENABLE_SHM_CACHE,
);

/* Source: core/arch/arm/include/sm/optee_smc.h, OP-TEE OS 4.10. */
export const OPTEE_SMC_FUNCID_BOOT_SECONDARY = 12;
export const OPTEE_SMC_BOOT_SECONDARY = OPTEE_SMC_FAST_CALL_VAL(OPTEE_SMC_FUNCID_BOOT_SECONDARY);
/** a1 guest id; only from the hypervisor (a7 = 0). */
export const OPTEE_SMC_FUNCID_VM_CREATED = 13;
export const OPTEE_SMC_VM_CREATED = OPTEE_SMC_FAST_CALL_VAL(OPTEE_SMC_FUNCID_VM_CREATED);
export const OPTEE_SMC_FUNCID_VM_DESTROYED = 14;
export const OPTEE_SMC_VM_DESTROYED = OPTEE_SMC_FAST_CALL_VAL(OPTEE_SMC_FUNCID_VM_DESTROYED);

/* Source: drivers/tee/optee/optee_smc.h, Linux 6.1. */
export const OPTEE_SMC_FUNCID_GET_THREAD_COUNT = 15;
export const OPTEE_SMC_GET_THREAD_COUNT = OPTEE_SMC_FAST_CALL_VAL(
  OPTEE_SMC_FUNCID_GET_THREAD_COUNT,
);
export const OPTEE_SMC_FUNCID_ENABLE_ASYNC_NOTIF = 16;
export const OPTEE_SMC_ENABLE_ASYNC_NOTIF = OPTEE_SMC_FAST_CALL_VAL(
  OPTEE_SMC_FUNCID_ENABLE_ASYNC_NOTIF,
);
/** a2 bit 0: a1 holds a value. */
export const OPTEE_SMC_ASYNC_NOTIF_VALUE_VALID = 1 << 0;
/** a2 bit 1: more values wait. */
export const OPTEE_SMC_ASYNC_NOTIF_VALUE_PENDING = 1 << 1;
/** The value that asks for OPTEE_MSG_CMD_DO_BOTTOM_HALF. */
export const OPTEE_SMC_ASYNC_NOTIF_VALUE_DO_BOTTOM_HALF = 0;
export const OPTEE_SMC_FUNCID_GET_ASYNC_NOTIF_VALUE = 17;
export const OPTEE_SMC_GET_ASYNC_NOTIF_VALUE = OPTEE_SMC_FAST_CALL_VAL(
  OPTEE_SMC_FUNCID_GET_ASYNC_NOTIF_VALUE,
);

/* Source: core/arch/arm/include/sm/optee_smc.h, OP-TEE OS 4.10; Linux 6.18. */
/** Reply: a1 physical address, a2 size, a3 bits of a physical address. */
export const OPTEE_SMC_FUNCID_GET_PROTMEM_CONFIG = 20;
export const OPTEE_SMC_GET_PROTMEM_CONFIG = OPTEE_SMC_FAST_CALL_VAL(
  OPTEE_SMC_FUNCID_GET_PROTMEM_CONFIG,
);

/** Yielding: a0 of the resumption, a1-a7 as the RPC wants them. Linux 6.1. */
export const OPTEE_SMC_FUNCID_RETURN_FROM_RPC = 3;
export const OPTEE_SMC_CALL_RETURN_FROM_RPC = OPTEE_SMC_STD_CALL_VAL(
  OPTEE_SMC_FUNCID_RETURN_FROM_RPC,
);

/** Function ids by name. */
export const OPTEE_SMC_CALLS = {
  OPTEE_SMC_CALLS_COUNT,
  OPTEE_SMC_CALLS_UID,
  OPTEE_SMC_CALLS_REVISION,
  OPTEE_SMC_CALL_GET_OS_UUID,
  OPTEE_SMC_CALL_GET_OS_REVISION,
  OPTEE_SMC_CALL_LOAD_IMAGE,
  OPTEE_SMC_CALL_WITH_ARG,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_CALL_WITH_REGD_ARG,
  OPTEE_SMC_GET_SHM_CONFIG,
  OPTEE_SMC_L2CC_MUTEX,
  OPTEE_SMC_EXCHANGE_CAPABILITIES,
  OPTEE_SMC_DISABLE_SHM_CACHE,
  OPTEE_SMC_ENABLE_SHM_CACHE,
  OPTEE_SMC_BOOT_SECONDARY,
  OPTEE_SMC_VM_CREATED,
  OPTEE_SMC_VM_DESTROYED,
  OPTEE_SMC_GET_THREAD_COUNT,
  OPTEE_SMC_ENABLE_ASYNC_NOTIF,
  OPTEE_SMC_GET_ASYNC_NOTIF_VALUE,
  OPTEE_SMC_GET_PROTMEM_CONFIG,
  OPTEE_SMC_CALL_RETURN_FROM_RPC,
} as const;

/* RPC values in a0 of a return. Source: drivers/tee/optee/optee_smc.h, Linux 6.1. */
export const OPTEE_SMC_RETURN_RPC_PREFIX_MASK = 0xffff0000;
export const OPTEE_SMC_RETURN_RPC_PREFIX = 0xffff0000;
export const OPTEE_SMC_RETURN_RPC_FUNC_MASK = 0x0000ffff;

/** RPC function of a return. */
export const OPTEE_SMC_RETURN_GET_RPC_FUNC = (ret: number): number =>
  ret & OPTEE_SMC_RETURN_RPC_FUNC_MASK;
/** The return that asks for an RPC function. */
export const OPTEE_SMC_RPC_VAL = (func: number): number =>
  (func | OPTEE_SMC_RETURN_RPC_PREFIX) >>> 0;

/** a1 size in; reply a1:a2 physical address (0 on failure), a4:a5 cookie, high halves first. */
export const OPTEE_SMC_RPC_FUNC_ALLOC = 0;
export const OPTEE_SMC_RETURN_RPC_ALLOC = OPTEE_SMC_RPC_VAL(OPTEE_SMC_RPC_FUNC_ALLOC);
/** a1:a2 cookie. */
export const OPTEE_SMC_RPC_FUNC_FREE = 2;
export const OPTEE_SMC_RETURN_RPC_FREE = OPTEE_SMC_RPC_VAL(OPTEE_SMC_RPC_FUNC_FREE);
/** An interrupt of the normal world is pending: take it and resume. */
export const OPTEE_SMC_RPC_FUNC_FOREIGN_INTR = 4;
export const OPTEE_SMC_RETURN_RPC_FOREIGN_INTR = OPTEE_SMC_RPC_VAL(OPTEE_SMC_RPC_FUNC_FOREIGN_INTR);
/** a1:a2 cookie of the RPC message, unless it was supplied with the call. */
export const OPTEE_SMC_RPC_FUNC_CMD = 5;
export const OPTEE_SMC_RETURN_RPC_CMD = OPTEE_SMC_RPC_VAL(OPTEE_SMC_RPC_FUNC_CMD);

/** RPC functions; 1 and 3 are retired. */
export const OPTEE_SMC_RPC_FUNC = {
  OPTEE_SMC_RPC_FUNC_ALLOC,
  OPTEE_SMC_RPC_FUNC_FREE,
  OPTEE_SMC_RPC_FUNC_FOREIGN_INTR,
  OPTEE_SMC_RPC_FUNC_CMD,
} as const;

/* Return codes in a0. Source: drivers/tee/optee/optee_smc.h, Linux 6.1. */
export const OPTEE_SMC_RETURN_UNKNOWN_FUNCTION = 0xffffffff;
export const OPTEE_SMC_RETURN_OK = 0x0;
export const OPTEE_SMC_RETURN_ETHREAD_LIMIT = 0x1;
export const OPTEE_SMC_RETURN_EBUSY = 0x2;
export const OPTEE_SMC_RETURN_ERESUME = 0x3;
export const OPTEE_SMC_RETURN_EBADADDR = 0x4;
export const OPTEE_SMC_RETURN_EBADCMD = 0x5;
export const OPTEE_SMC_RETURN_ENOMEM = 0x6;
export const OPTEE_SMC_RETURN_ENOTAVAIL = 0x7;

/** Whatever a0 may hold after a call, RPC requests included. */
export const OPTEE_SMC_RETURN = {
  OPTEE_SMC_RETURN_OK,
  OPTEE_SMC_RETURN_ETHREAD_LIMIT,
  OPTEE_SMC_RETURN_EBUSY,
  OPTEE_SMC_RETURN_ERESUME,
  OPTEE_SMC_RETURN_EBADADDR,
  OPTEE_SMC_RETURN_EBADCMD,
  OPTEE_SMC_RETURN_ENOMEM,
  OPTEE_SMC_RETURN_ENOTAVAIL,
  OPTEE_SMC_RETURN_UNKNOWN_FUNCTION,
  OPTEE_SMC_RETURN_RPC_ALLOC,
  OPTEE_SMC_RETURN_RPC_FREE,
  OPTEE_SMC_RETURN_RPC_FOREIGN_INTR,
  OPTEE_SMC_RETURN_RPC_CMD,
} as const;

/** Whether a return asks for an RPC. UNKNOWN_FUNCTION has the prefix and is none. */
export const OPTEE_SMC_RETURN_IS_RPC = (ret: number): boolean =>
  ret >>> 0 !== OPTEE_SMC_RETURN_UNKNOWN_FUNCTION &&
  (ret & OPTEE_SMC_RETURN_RPC_PREFIX_MASK) >>> 0 === OPTEE_SMC_RETURN_RPC_PREFIX;
