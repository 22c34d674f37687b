/**
 * UUIDs and commands of the pseudo TAs, of the in-tree TAs that Linux talks to, and of other kernel
 * clients' peers.
 *
 * Upstream counterparts: optee_os lib/libutee/include/pta_*.h, ta/trusted_keys and ta/qcom_pas; on
 * Linux's side the clients named at each block. UUIDs are text; `uuid.ts` makes bytes of them. Left
 * out: the PTAs of single boards (i.MX, STM32, Rockchip, Versal, Widevine, Veraison), remoteproc
 * and AVB.
 */
import type { CodeTable } from './layout.ts';
import { bytes, pad, struct, u32, u64, u8 } from './layout.ts';

/*
 * Device enumeration; Linux: drivers/tee/optee/device.c.
 * Source: lib/libutee/include/pta_device.h, OP-TEE OS 4.10.
 */
export const PTA_DEVICE_UUID = '7011a688-ddde-4053-a5a9-7b3c4ddf13b8';
export const PTA_CMD_GET_DEVICES = 0x0;
export const PTA_CMD_GET_DEVICES_SUPP = 0x1;
export const PTA_CMD_GET_DEVICES_RPMB = 0x2;

/** Commands of PTA_DEVICE. */
export const PTA_DEVICE_CMD = {
  PTA_CMD_GET_DEVICES,
  PTA_CMD_GET_DEVICES_SUPP,
  PTA_CMD_GET_DEVICES_RPMB,
} as const;

/** What `PTA_DEVICE_CMD` lists is named so on Linux's tee bus, with the UUID behind. */
export const OPTEE_DEVICE_NAME_PREFIX = 'optee-ta-';

/*
 * Services for TAs and ldelf.
 * Source: lib/libutee/include/pta_system.h, OP-TEE OS 4.10.
 */
export const PTA_SYSTEM_UUID = '3a2f8978-5dc0-11e8-9c2d-fa7ae01bbebc';
export const PTA_SYSTEM_ADD_RNG_ENTROPY = 0;
export const PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY = 1;
export const PTA_SYSTEM_MAP_ZI = 2;
export const PTA_SYSTEM_UNMAP = 3;
export const PTA_SYSTEM_OPEN_TA_BINARY = 4;
export const PTA_SYSTEM_CLOSE_TA_BINARY = 5;
export const PTA_SYSTEM_MAP_TA_BINARY = 6;
export const PTA_SYSTEM_COPY_FROM_TA_BINARY = 7;
export const PTA_SYSTEM_SET_PROT = 8;
export const PTA_SYSTEM_REMAP = 9;
export const PTA_SYSTEM_DLOPEN = 10;
export const PTA_SYSTEM_DLSYM = 11;
export const PTA_SYSTEM_GET_TPM_EVENT_LOG = 12;
export const PTA_SYSTEM_SUPP_PLUGIN_INVOKE = 13;

/** Commands of PTA_SYSTEM. */
export const PTA_SYSTEM_CMD = {
  PTA_SYSTEM_ADD_RNG_ENTROPY,
  PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY,
  PTA_SYSTEM_MAP_ZI,
  PTA_SYSTEM_UNMAP,
  PTA_SYSTEM_OPEN_TA_BINARY,
  PTA_SYSTEM_CLOSE_TA_BINARY,
  PTA_SYSTEM_MAP_TA_BINARY,
  PTA_SYSTEM_COPY_FROM_TA_BINARY,
  PTA_SYSTEM_SET_PROT,
  PTA_SYSTEM_REMAP,
  PTA_SYSTEM_DLOPEN,
  PTA_SYSTEM_DLSYM,
  PTA_SYSTEM_GET_TPM_EVENT_LOG,
  PTA_SYSTEM_SUPP_PLUGIN_INVOKE,
} as const;

export const TA_DERIVED_KEY_MIN_SIZE = 16;
export const TA_DERIVED_KEY_MAX_SIZE = 32;
export const TA_DERIVED_EXTRA_DATA_MAX_SIZE = 1024;

export const PTA_SYSTEM_MAP_FLAG_SHAREABLE = 1 << 0;
export const PTA_SYSTEM_MAP_FLAG_WRITEABLE = 1 << 1;
export const PTA_SYSTEM_MAP_FLAG_EXECUTABLE = 1 << 2;

/** Flags of MAP_ZI and MAP_TA_BINARY. */
export const PTA_SYSTEM_MAP_FLAG = {
  PTA_SYSTEM_MAP_FLAG_SHAREABLE,
  PTA_SYSTEM_MAP_FLAG_WRITEABLE,
  PTA_SYSTEM_MAP_FLAG_EXECUTABLE,
} as const;

/* Source: lib/libdl/include/dlfcn.h, OP-TEE OS 4.10. */
export const RTLD_NOW = 2;
export const RTLD_GLOBAL = 0x100;
export const RTLD_NODELETE = 0x1000;

/** Flags of DLOPEN, which takes all three and nothing else. */
export const PTA_SYSTEM_RTLD = { RTLD_NOW, RTLD_GLOBAL, RTLD_NODELETE } as const;

/*
 * Statistics.
 * Source: lib/libutee/include/pta_stats.h, OP-TEE OS 4.10.
 */
export const STATS_UUID = 'd96a5b40-e2c7-b1af-8794-1002a5d5c61b';
export const STATS_CMD_PAGER_STATS = 0;
export const STATS_CMD_ALLOC_STATS = 1;
export const STATS_CMD_MEMLEAK_STATS = 2;
export const STATS_CMD_TA_STATS = 3;
export const STATS_CMD_GET_TIME = 4;
export const STATS_CMD_PRINT_DRIVER_INFO = 5;

/** Commands of PTA_STATS. */
export const STATS_CMD = {
  STATS_CMD_PAGER_STATS,
  STATS_CMD_ALLOC_STATS,
  STATS_CMD_MEMLEAK_STATS,
  STATS_CMD_TA_STATS,
  STATS_CMD_GET_TIME,
  STATS_CMD_PRINT_DRIVER_INFO,
} as const;

export const ALLOC_ID_ALL = 0;
export const ALLOC_ID_HEAP = 1;
export const ALLOC_ID_PUBLIC_DDR = 2;
export const ALLOC_ID_TA_RAM = 3;
export const ALLOC_ID_NEXUS_HEAP = 4;
export const ALLOC_ID_RPMB = 5;

/** Allocators of ALLOC_STATS; 2 is retired. */
export const STATS_ALLOC_ID = {
  ALLOC_ID_ALL,
  ALLOC_ID_HEAP,
  ALLOC_ID_PUBLIC_DDR,
  ALLOC_ID_TA_RAM,
  ALLOC_ID_NEXUS_HEAP,
  ALLOC_ID_RPMB,
} as const;

export const STATS_DRIVER_TYPE_CLOCK = 0;
export const STATS_DRIVER_TYPE_REGULATOR = 1;
export const TEE_ALLOCATOR_DESC_LENGTH = 32;

/** One allocator; answers of ALLOC_STATS are an array of these. */
export const PtaStatsAlloc = struct('pta_stats_alloc', 64, {
  desc: bytes(0, TEE_ALLOCATOR_DESC_LENGTH),
  free2Sum: u64(32, 'free2_sum'),
  allocated: u32(40),
  maxAllocated: u32(44),
  size: u32(48),
  numAllocFail: u32(52),
  biggestAllocFail: u32(56),
  biggestAllocFailUsed: u32(60),
});

/** One loaded TA; `heap` is a `PtaStatsAlloc`, the UUID a TEE_UUID. */
export const PtaStatsTa = struct('pta_stats_ta', 88, {
  uuid: bytes(0, 16),
  panicked: u32(16),
  sessNum: u32(20),
  heap: bytes(24, 64),
});

/*
 * Self tests that xtest drives.
 * Source: lib/libutee/include/pta_invoke_tests.h, OP-TEE OS 4.10.
 */
export const PTA_INVOKE_TESTS_UUID = 'd96a5b40-c3e5-21e3-8794-1002a5d5c61b';
export const PTA_INVOKE_TESTS_CMD_TRACE = 0;
export const PTA_INVOKE_TESTS_CMD_PARAMS = 1;
export const PTA_INVOKE_TESTS_CMD_SELF_TESTS = 2;
export const PTA_INVOKE_TESTS_CMD_COPY_NSEC_TO_SEC = 3;
export const PTA_INVOKE_TESTS_CMD_READ_MODIFY_SEC = 4;
export const PTA_INVOKE_TESTS_CMD_COPY_SEC_TO_NSEC = 5;
export const PTA_INVOKE_TESTS_CMD_FS_HTREE = 6;
export const PTA_INVOKE_TESTS_CMD_MUTEX = 7;
export const PTA_INVOKE_TESTS_CMD_LOCKDEP = 8;
export const PTA_INVOKE_TEST_CMD_AES_PERF = 9;
export const PTA_INVOKE_TESTS_CMD_MEMREF_NULL = 10;
export const PTA_INVOKE_TESTS_CMD_DT_DRIVER_TESTS = 11;
export const PTA_INVOKE_TESTS_CMD_TRANSFER_LIST_TESTS = 12;

/** Commands of PTA_INVOKE_TESTS. */
export const PTA_INVOKE_TESTS_CMD = {
  PTA_INVOKE_TESTS_CMD_TRACE,
  PTA_INVOKE_TESTS_CMD_PARAMS,
  PTA_INVOKE_TESTS_CMD_SELF_TESTS,
  PTA_INVOKE_TESTS_CMD_COPY_NSEC_TO_SEC,
  PTA_INVOKE_TESTS_CMD_READ_MODIFY_SEC,
  PTA_INVOKE_TESTS_CMD_COPY_SEC_TO_NSEC,
  PTA_INVOKE_TESTS_CMD_FS_HTREE,
  PTA_INVOKE_TESTS_CMD_MUTEX,
  PTA_INVOKE_TESTS_CMD_LOCKDEP,
  PTA_INVOKE_TEST_CMD_AES_PERF,
  PTA_INVOKE_TESTS_CMD_MEMREF_NULL,
  PTA_INVOKE_TESTS_CMD_DT_DRIVER_TESTS,
  PTA_INVOKE_TESTS_CMD_TRANSFER_LIST_TESTS,
} as const;

export const PTA_MUTEX_TEST_WRITER = 0;
export const PTA_MUTEX_TEST_READER = 1;

/** Sides of the mutex test. */
export const PTA_MUTEX_TEST = {
  PTA_MUTEX_TEST_WRITER,
  PTA_MUTEX_TEST_READER,
} as const;

export const PTA_INVOKE_TESTS_AES_ECB = 0;
export const PTA_INVOKE_TESTS_AES_CBC = 1;
export const PTA_INVOKE_TESTS_AES_CTR = 2;
export const PTA_INVOKE_TESTS_AES_XTS = 3;
export const PTA_INVOKE_TESTS_AES_GCM = 4;

/** Modes of the AES benchmark. */
export const PTA_INVOKE_TESTS_AES = {
  PTA_INVOKE_TESTS_AES_ECB,
  PTA_INVOKE_TESTS_AES_CBC,
  PTA_INVOKE_TESTS_AES_CTR,
  PTA_INVOKE_TESTS_AES_XTS,
  PTA_INVOKE_TESTS_AES_GCM,
} as const;

/*
 * Profiling; for TAs only.
 * Source: lib/libutee/include/pta_gprof.h, OP-TEE OS 4.10.
 */
export const PTA_GPROF_UUID = '2f6e0d48-c574-426d-824e-40198cde5cac';
export const PTA_GPROF_SEND = 0;
export const PTA_GPROF_START_PC_SAMPLING = 1;
export const PTA_GPROF_STOP_PC_SAMPLING = 2;

/** Commands of PTA_GPROF. */
export const PTA_GPROF_CMD = {
  PTA_GPROF_SEND,
  PTA_GPROF_START_PC_SAMPLING,
  PTA_GPROF_STOP_PC_SAMPLING,
} as const;

/*
 * Sockets; for TAs only.
 * Source: lib/libutee/include/pta_socket.h, OP-TEE OS 4.10.
 */
export const PTA_SOCKET_UUID = '3b996a7d-2c2b-4a49-a896-e1fb5766d2f4';
export const PTA_SOCKET_OPEN = 1;
export const PTA_SOCKET_CLOSE = 2;
export const PTA_SOCKET_SEND = 3;
export const PTA_SOCKET_RECV = 4;
export const PTA_SOCKET_IOCTL = 5;

/** Commands of PTA_SOCKET. */
export const PTA_SOCKET_CMD = {
  PTA_SOCKET_OPEN,
  PTA_SOCKET_CLOSE,
  PTA_SOCKET_SEND,
  PTA_SOCKET_RECV,
  PTA_SOCKET_IOCTL,
} as const;

/*
 * Installing TAs into secure storage.
 * Source: lib/libutee/include/pta_secstor_ta_mgmt.h, OP-TEE OS 4.10.
 */
export const PTA_SECSTOR_TA_MGMT_UUID = '6e256cba-fc4d-4941-ad09-2ca1860342dd';
export const PTA_SECSTOR_TA_MGMT_BOOTSTRAP = 0;

/** Commands of PTA_SECSTOR_TA_MGMT. */
export const PTA_SECSTOR_TA_MGMT_CMD = {
  PTA_SECSTOR_TA_MGMT_BOOTSTRAP,
} as const;

/*
 * Hardware random numbers; Linux: drivers/char/hw_random/optee-rng.c.
 * Source: lib/libutee/include/pta_rng.h, OP-TEE OS 4.10.
 */
export const PTA_RNG_UUID = 'ab7a617c-b8e7-4d8f-8301-d09b61036b64';
export const PTA_CMD_GET_ENTROPY = 0x0;
export const PTA_CMD_GET_RNG_INFO = 0x1;

/** Commands of PTA_RNG. */
export const PTA_RNG_CMD = {
  PTA_CMD_GET_ENTROPY,
  PTA_CMD_GET_RNG_INFO,
} as const;

/** Result of GET_ENTROPY, outside the GP codes. */
export const TEE_ERROR_HEALTH_TEST_FAIL = 0x00000001;

/*
 * Real-time clock; Linux: drivers/rtc/rtc-optee.c.
 * Source: lib/libutee/include/pta_rtc.h, OP-TEE OS 4.10.
 */
export const PTA_RTC_UUID = 'f389f8c8-845f-496c-8bbe-d64bd24c92fd';
export const PTA_CMD_RTC_GET_INFO = 0x0;
export const PTA_CMD_RTC_GET_TIME = 0x1;
export const PTA_CMD_RTC_SET_TIME = 0x2;
export const PTA_CMD_RTC_GET_OFFSET = 0x3;
export const PTA_CMD_RTC_SET_OFFSET = 0x4;
export const PTA_CMD_RTC_READ_ALARM = 0x5;
export const PTA_CMD_RTC_SET_ALARM = 0x6;
export const PTA_CMD_RTC_ENABLE_ALARM = 0x7;
export const PTA_CMD_RTC_WAIT_ALARM = 0x8;
export const PTA_CMD_RTC_CANCEL_WAIT_ALARM = 0x9;
export const PTA_CMD_RTC_SET_WAKE_ALARM_STATUS = 0xa;

/** Commands of PTA_RTC. */
export const PTA_RTC_CMD = {
  PTA_CMD_RTC_GET_INFO,
  PTA_CMD_RTC_GET_TIME,
  PTA_CMD_RTC_SET_TIME,
  PTA_CMD_RTC_GET_OFFSET,
  PTA_CMD_RTC_SET_OFFSET,
  PTA_CMD_RTC_READ_ALARM,
  PTA_CMD_RTC_SET_ALARM,
  PTA_CMD_RTC_ENABLE_ALARM,
  PTA_CMD_RTC_WAIT_ALARM,
  PTA_CMD_RTC_CANCEL_WAIT_ALARM,
  PTA_CMD_RTC_SET_WAKE_ALARM_STATUS,
} as const;

export const PTA_RTC_INFO_VERSION = 0x1;

export const PTA_RTC_FEATURE_CORRECTION = 1 << 0;
export const PTA_RTC_FEATURE_ALARM = 1 << 1;
export const PTA_RTC_FEATURE_WAKEUP_ALARM = 1 << 2;

/** `features` of `PtaRtcInfo`. */
export const PTA_RTC_FEATURE = {
  PTA_RTC_FEATURE_CORRECTION,
  PTA_RTC_FEATURE_ALARM,
  PTA_RTC_FEATURE_WAKEUP_ALARM,
} as const;

export const PtaRtcTime = struct('pta_rtc_time', 28, {
  tmSec: u32(0),
  tmMin: u32(4),
  tmHour: u32(8),
  tmMday: u32(12),
  tmMon: u32(16),
  tmYear: u32(20),
  tmWday: u32(24),
});

/** `time` is a `PtaRtcTime`. */
export const PtaRtcAlarm = struct('pta_rtc_alarm', 32, {
  enabled: u8(0),
  pending: u8(1),
  pad: pad(2, 2),
  time: bytes(4, 28),
});

/** Both ranges are `PtaRtcTime`. */
export const PtaRtcInfo = struct('pta_rtc_info', 72, {
  version: u64(0),
  features: u64(8),
  rangeMin: bytes(16, 28),
  rangeMax: bytes(44, 28),
});

/*
 * SCMI transport; Linux: drivers/firmware/arm_scmi/optee.c.
 * Source: lib/libutee/include/pta_scmi_client.h, OP-TEE OS 4.10.
 */
export const PTA_SCMI_UUID = 'a8cfe406-d4f5-4a2e-9f8d-a25dc754c099';
export const PTA_SCMI_CMD_CAPABILITIES = 0;
export const PTA_SCMI_CMD_PROCESS_SMT_CHANNEL = 1;
export const PTA_SCMI_CMD_PROCESS_SMT_CHANNEL_MESSAGE = 2;
export const PTA_SCMI_CMD_GET_CHANNEL_HANDLE = 3;
export const PTA_SCMI_CMD_PROCESS_MSG_CHANNEL = 4;

/** Commands of PTA_SCMI. */
export const PTA_SCMI_CMD = {
  PTA_SCMI_CMD_CAPABILITIES,
  PTA_SCMI_CMD_PROCESS_SMT_CHANNEL,
  PTA_SCMI_CMD_PROCESS_SMT_CHANNEL_MESSAGE,
  PTA_SCMI_CMD_GET_CHANNEL_HANDLE,
  PTA_SCMI_CMD_PROCESS_MSG_CHANNEL,
} as const;

export const PTA_SCMI_CAPS_SMT_HEADER = 1 << 0;
export const PTA_SCMI_CAPS_MSG_HEADER = 1 << 1;

/** Bits of CAPABILITIES. */
export const PTA_SCMI_CAPS = {
  PTA_SCMI_CAPS_SMT_HEADER,
  PTA_SCMI_CAPS_MSG_HEADER,
} as const;

/*
 * Attestation.
 * Source: lib/libutee/include/pta_attestation.h, OP-TEE OS 4.10.
 */
export const PTA_ATTESTATION_UUID = '39800861-182a-4720-9b67-2bcd622bc0b5';
export const PTA_ATTESTATION_GET_PUBKEY = 0x0;
export const PTA_ATTESTATION_GET_TA_SHDR_DIGEST = 0x1;
export const PTA_ATTESTATION_HASH_TA_MEMORY = 0x2;
export const PTA_ATTESTATION_HASH_TEE_MEMORY = 0x3;

/** Commands of PTA_ATTESTATION. */
export const PTA_ATTESTATION_CMD = {
  PTA_ATTESTATION_GET_PUBKEY,
  PTA_ATTESTATION_GET_TA_SHDR_DIGEST,
  PTA_ATTESTATION_HASH_TA_MEMORY,
  PTA_ATTESTATION_HASH_TEE_MEMORY,
} as const;

/*
 * APDUs to a secure element.
 * Source: lib/libutee/include/pta_apdu.h, OP-TEE OS 4.10.
 */
export const PTA_APDU_UUID = '3f3eb880-3639-11ec-9b9d-0f3fc9468f50';
export const PTA_CMD_TXRX_APDU_RAW_FRAME = 0;

/** Commands of PTA_APDU. */
export const PTA_APDU_CMD = {
  PTA_CMD_TXRX_APDU_RAW_FRAME,
} as const;

/*
 * SCP03 keys of a secure element.
 * Source: lib/libutee/include/pta_scp03.h, OP-TEE OS 4.10.
 */
export const PTA_SCP03_UUID = 'be0e5821-e718-4f77-ab3e-8e6c73a9c735';
export const PTA_CMD_ENABLE_SCP03 = 0;

/** Commands of PTA_SCP03. */
export const PTA_SCP03_CMD = {
  PTA_CMD_ENABLE_SCP03,
} as const;

/*
 * Qualcomm peripheral authentication.
 * Source: lib/libutee/include/pta_qcom_pas.h, OP-TEE OS 4.10.
 */
export const PTA_QCOM_PAS_UUID = 'daedbae4-cf3e-4b76-a5c5-dbf8b6fd5af4';
export const PTA_QCOM_PAS_IS_SUPPORTED = 1;
export const PTA_QCOM_PAS_CAPABILITIES = 2;
export const PTA_QCOM_PAS_INIT_IMAGE = 3;
export const PTA_QCOM_PAS_MEM_SETUP = 4;
export const PTA_QCOM_PAS_GET_RESOURCE_TABLE = 5;
export const PTA_QCOM_PAS_AUTH_AND_RESET = 6;
export const PTA_QCOM_PAS_SET_REMOTE_STATE = 7;
export const PTA_QCOM_PAS_SHUTDOWN = 8;
export const PTA_QCOM_PAS_VERIFY_IMAGE = 9;

/** Commands of PTA_QCOM_PAS. */
export const PTA_QCOM_PAS_CMD = {
  PTA_QCOM_PAS_IS_SUPPORTED,
  PTA_QCOM_PAS_CAPABILITIES,
  PTA_QCOM_PAS_INIT_IMAGE,
  PTA_QCOM_PAS_MEM_SETUP,
  PTA_QCOM_PAS_GET_RESOURCE_TABLE,
  PTA_QCOM_PAS_AUTH_AND_RESET,
  PTA_QCOM_PAS_SET_REMOTE_STATE,
  PTA_QCOM_PAS_SHUTDOWN,
  PTA_QCOM_PAS_VERIFY_IMAGE,
} as const;

/*
 * Trusted keys, a user TA; Linux: security/keys/trusted-keys/trusted_tee.c.
 * Source: ta/trusted_keys/include/trusted_keys.h, OP-TEE OS 4.10.
 */
export const TRUSTED_KEYS_UUID = 'f04a0fe7-1f5d-4b9b-abf7-619b85b4ce8c';
export const TA_CMD_GET_RANDOM = 0x0;
export const TA_CMD_SEAL = 0x1;
export const TA_CMD_UNSEAL = 0x2;

/** Commands of TRUSTED_KEYS. */
export const TRUSTED_KEYS_CMD = {
  TA_CMD_GET_RANDOM,
  TA_CMD_SEAL,
  TA_CMD_UNSEAL,
} as const;

/*
 * Qualcomm PAS, the user TA that Linux opens.
 * Source: ta/qcom_pas/include/ta_qcom_pas.h, OP-TEE OS 4.10.
 */
export const TA_PAS_UUID = 'cff7d191-7ca0-4784-af13-48223b9a4fbe';
export const TA_QCOM_PAS_IS_SUPPORTED = 1;
export const TA_QCOM_PAS_CAPABILITIES = 2;
export const TA_QCOM_PAS_INIT_IMAGE = 3;
export const TA_QCOM_PAS_MEM_SETUP = 4;
export const TA_QCOM_PAS_GET_RESOURCE_TABLE = 5;
export const TA_QCOM_PAS_AUTH_AND_RESET = 6;
export const TA_QCOM_PAS_SET_REMOTE_STATE = 7;
export const TA_QCOM_PAS_SHUTDOWN = 8;

/** Commands of TA_PAS. */
export const TA_QCOM_PAS_CMD = {
  TA_QCOM_PAS_IS_SUPPORTED,
  TA_QCOM_PAS_CAPABILITIES,
  TA_QCOM_PAS_INIT_IMAGE,
  TA_QCOM_PAS_MEM_SETUP,
  TA_QCOM_PAS_GET_RESOURCE_TABLE,
  TA_QCOM_PAS_AUTH_AND_RESET,
  TA_QCOM_PAS_SET_REMOTE_STATE,
  TA_QCOM_PAS_SHUTDOWN,
} as const;

/*
 * Peers that are no part of OP-TEE OS. Source: the Linux client named, read in 7.3.
 */
/** Firmware TPM; drivers/char/tpm/tpm_ftpm_tee.c. */
export const FTPM_UUID = 'bc50d971-d4c9-42c4-82cb-343fb7f37896';
export const FTPM_OPTEE_TA_SUBMIT_COMMAND = 0;
export const FTPM_OPTEE_TA_EMULATE_PPI = 1;

/** Commands of the firmware TPM. */
export const FTPM_CMD = {
  FTPM_OPTEE_TA_SUBMIT_COMMAND,
  FTPM_OPTEE_TA_EMULATE_PPI,
} as const;

/** Broadcom bnxt; drivers/firmware/broadcom/tee_bnxt_fw.c. */
export const BNXT_UUID = '6272636d-2019-0716-4243-4d5f53434849';
export const TA_CMD_BNXT_FASTBOOT = 0;
export const TA_CMD_BNXT_COPY_COREDUMP = 3;

/** Commands of the bnxt TA. */
export const BNXT_CMD = {
  TA_CMD_BNXT_FASTBOOT,
  TA_CMD_BNXT_COPY_COREDUMP,
} as const;

/** UEFI variables through StandaloneMM; drivers/firmware/efi/stmm/tee_stmm_efi.c. */
export const PTA_STMM_UUID = 'ed32d533-99e6-4209-9cc0-2d72cdd998a7';
export const PTA_STMM_CMD_COMMUNICATE = 0;

/** Commands of the StandaloneMM PTA. */
export const PTA_STMM_CMD = {
  PTA_STMM_CMD_COMMUNICATE,
} as const;

/** A TA or PTA that others know by UUID. */
export interface KnownTa {
  /** Upstream's constant for the UUID. */
  readonly name: string;
  readonly uuid: string;
  readonly commands: CodeTable;
}

/** Every TA and PTA of this file. */
export const KNOWN_TAS: readonly KnownTa[] = [
  { name: 'PTA_DEVICE_UUID', uuid: PTA_DEVICE_UUID, commands: PTA_DEVICE_CMD },
  { name: 'PTA_SYSTEM_UUID', uuid: PTA_SYSTEM_UUID, commands: PTA_SYSTEM_CMD },
  { name: 'STATS_UUID', uuid: STATS_UUID, commands: STATS_CMD },
  { name: 'PTA_INVOKE_TESTS_UUID', uuid: PTA_INVOKE_TESTS_UUID, commands: PTA_INVOKE_TESTS_CMD },
  { name: 'PTA_GPROF_UUID', uuid: PTA_GPROF_UUID, commands: PTA_GPROF_CMD },
  { name: 'PTA_SOCKET_UUID', uuid: PTA_SOCKET_UUID, commands: PTA_SOCKET_CMD },
  {
    name: 'PTA_SECSTOR_TA_MGMT_UUID',
    uuid: PTA_SECSTOR_TA_MGMT_UUID,
    commands: PTA_SECSTOR_TA_MGMT_CMD,
  },
  { name: 'PTA_RNG_UUID', uuid: PTA_RNG_UUID, commands: PTA_RNG_CMD },
  { name: 'PTA_RTC_UUID', uuid: PTA_RTC_UUID, commands: PTA_RTC_CMD },
  { name: 'PTA_SCMI_UUID', uuid: PTA_SCMI_UUID, commands: PTA_SCMI_CMD },
  { name: 'PTA_ATTESTATION_UUID', uuid: PTA_ATTESTATION_UUID, commands: PTA_ATTESTATION_CMD },
  { name: 'PTA_APDU_UUID', uuid: PTA_APDU_UUID, commands: PTA_APDU_CMD },
  { name: 'PTA_SCP03_UUID', uuid: PTA_SCP03_UUID, commands: PTA_SCP03_CMD },
  { name: 'PTA_QCOM_PAS_UUID', uuid: PTA_QCOM_PAS_UUID, commands: PTA_QCOM_PAS_CMD },
  { name: 'TRUSTED_KEYS_UUID', uuid: TRUSTED_KEYS_UUID, commands: TRUSTED_KEYS_CMD },
  { name: 'TA_PAS_UUID', uuid: TA_PAS_UUID, commands: TA_QCOM_PAS_CMD },
  { name: 'FTPM_UUID', uuid: FTPM_UUID, commands: FTPM_CMD },
  { name: 'BNXT_UUID', uuid: BNXT_UUID, commands: BNXT_CMD },
  { name: 'PTA_STMM_UUID', uuid: PTA_STMM_UUID, commands: PTA_STMM_CMD },
];
