/** What the OP-TEE secure world supports, for the support page. */
import type { SupportRow } from '../abi/support.ts';
import { CRYPTO_SUPPORT } from './syscall/svc-cryp-support.ts';

type Status = SupportRow['status'];

const row =
  (area: string) =>
  (name: string, status: Status = 'supported', note?: string): SupportRow => ({
    area,
    name,
    status,
    ...(note !== undefined && { note }),
  });

const absent =
  (make: ReturnType<typeof row>, note: string) =>
  (name: string): SupportRow =>
    make(name, 'absent', note);

const smc = row('SMC (OP-TEE OS)');
const msg = row('OPTEE_MSG (OP-TEE OS)');
const rpc = row('RPC (OP-TEE OS)');
const pta = row('PTA');
const syscall = row('OP-TEE system call');
const store = row('TA store');

const UNKNOWN = 'OPTEE_SMC_RETURN_UNKNOWN_FUNCTION';
const EBADCMD = 'OPTEE_SMC_RETURN_EBADCMD';
const NO_SUCH_TA = 'TEE_ERROR_ITEM_NOT_FOUND';
const NEVER_SENT = 'never sent: nothing in this model needs it';

const SMC: readonly SupportRow[] = [
  ...[
    'OPTEE_SMC_CALLS_COUNT',
    'OPTEE_SMC_CALLS_UID',
    'OPTEE_SMC_CALLS_REVISION',
    'OPTEE_SMC_CALL_GET_OS_UUID',
    'OPTEE_SMC_CALL_GET_OS_REVISION',
    'OPTEE_SMC_GET_SHM_CONFIG',
    'OPTEE_SMC_EXCHANGE_CAPABILITIES',
    'OPTEE_SMC_DISABLE_SHM_CACHE',
    'OPTEE_SMC_ENABLE_SHM_CACHE',
    'OPTEE_SMC_GET_THREAD_COUNT',
    'OPTEE_SMC_ENABLE_ASYNC_NOTIF',
    'OPTEE_SMC_GET_ASYNC_NOTIF_VALUE',
    'OPTEE_SMC_CALL_WITH_ARG',
    'OPTEE_SMC_CALL_WITH_RPC_ARG',
    'OPTEE_SMC_CALL_WITH_REGD_ARG',
    'OPTEE_SMC_CALL_RETURN_FROM_RPC',
  ].map((name) => smc(name)),
  smc('OPTEE_SMC_CALL_LOAD_IMAGE', 'absent', `${UNKNOWN}: the boot loader has loaded OP-TEE`),
  smc('OPTEE_SMC_L2CC_MUTEX', 'absent', `${UNKNOWN}, as a 64-bit build`),
  smc('OPTEE_SMC_BOOT_SECONDARY', 'absent', 'OPTEE_SMC_RETURN_ENOTAVAIL'),
  smc('OPTEE_SMC_VM_CREATED', 'absent', `${UNKNOWN}, as a build without virtualization`),
  smc('OPTEE_SMC_VM_DESTROYED', 'absent', `${UNKNOWN}, as a build without virtualization`),
  smc('OPTEE_SMC_GET_PROTMEM_CONFIG', 'absent', `${UNKNOWN}: no protected memory`),
];

const MSG: readonly SupportRow[] = [
  ...[
    'OPTEE_MSG_CMD_OPEN_SESSION',
    'OPTEE_MSG_CMD_INVOKE_COMMAND',
    'OPTEE_MSG_CMD_CLOSE_SESSION',
    'OPTEE_MSG_CMD_CANCEL',
    'OPTEE_MSG_CMD_REGISTER_SHM',
    'OPTEE_MSG_CMD_UNREGISTER_SHM',
    'OPTEE_MSG_CMD_DO_BOTTOM_HALF',
    'OPTEE_MSG_CMD_STOP_ASYNC_NOTIF',
  ].map((name) => msg(name)),
  ...[
    'OPTEE_MSG_CMD_LEND_PROTMEM',
    'OPTEE_MSG_CMD_RECLAIM_PROTMEM',
    'OPTEE_MSG_CMD_GET_PROTMEM_CONFIG',
    'OPTEE_MSG_CMD_ASSIGN_PROTMEM',
  ].map(absent(msg, `${EBADCMD}: no protected memory`)),
];

const RPC: readonly SupportRow[] = [
  ...[
    'OPTEE_RPC_CMD_LOAD_TA',
    'OPTEE_RPC_CMD_GET_TIME',
    'OPTEE_RPC_CMD_NOTIFICATION',
    'OPTEE_RPC_CMD_SUSPEND',
    'OPTEE_RPC_CMD_SHM_ALLOC',
    'OPTEE_RPC_CMD_SHM_FREE',
    'OPTEE_RPC_CMD_SOCKET',
    'OPTEE_RPC_CMD_SUPP_PLUGIN',
  ].map((name) => rpc(name)),
  rpc(
    'OPTEE_RPC_CMD_FS',
    'partial',
    'RENAME, OPENDIR, CLOSEDIR, READDIR: never sent, as upstream since there is a directory file',
  ),
  ...[
    'OPTEE_RPC_CMD_RPMB',
    'OPTEE_RPC_CMD_RPMB_PROBE_RESET',
    'OPTEE_RPC_CMD_RPMB_PROBE_NEXT',
    'OPTEE_RPC_CMD_RPMB_FRAMES',
  ].map((name) => rpc(name, 'supported', 'with CFG_RPMB_FS=y; not built by default, as upstream')),
  ...[
    'OPTEE_RPC_CMD_SQL_FS_RESERVED',
    'OPTEE_RPC_CMD_GPROF',
    'OPTEE_RPC_CMD_FTRACE',
    'OPTEE_RPC_CMD_BENCH_REG',
    'OPTEE_RPC_CMD_I2C_TRANSFER',
  ].map(absent(rpc, NEVER_SENT)),
];

const STORES: readonly SupportRow[] = [
  store('early TA', 'supported', 'the TypeScript TAs that are given to the box'),
  store(
    'Secure Storage TA',
    'partial',
    'TAs are installed, found, decrypted and authenticated; the image is refused with ' +
      'TEE_ERROR_NOT_SUPPORTED, because .ta files cannot be run',
  ),
  store(
    'REE',
    'partial',
    'signatures, subkeys, hash, encryption (AES-GCM) and lowest versions are checked; the image is refused with ' +
      'TEE_ERROR_NOT_SUPPORTED, because .ta files cannot be run',
  ),
];

const PTAS: readonly SupportRow[] = [
  pta('device.pta'),
  pta('stats.pta', 'partial', 'STATS_CMD_TA_STATS: TEE_ERROR_NOT_SUPPORTED (CFG_TA_STATS=n)'),
  pta(
    'system.pta',
    'partial',
    'entropy, TA unique keys, plugins; no memory can be mapped (TEE_ERROR_NOT_SUPPORTED), no ' +
      'library is found (TEE_ERROR_TARGET_DEAD), no TPM event log',
  ),
  pta('socket'),
  pta('rng.pta', 'supported', 'with CFG_HWRNG_PTA=y; not built by default, as upstream'),
  pta(
    'invoke_tests.pta',
    'partial',
    'with CFG_TEE_CORE_EMBED_INTERNAL_TESTS=y; no secure data path, lockdep, transfer lists',
  ),
  pta(
    'attestation.pta',
    'partial',
    'with CFG_ATTESTATION_PTA=y; memory of TAs and of the core is measured as no bytes, and a ' +
      'TypeScript TA has no header: TEE_ERROR_NOT_SUPPORTED',
  ),
  pta('secstor_ta_mgmt'),
  ...['gprof', 'rtc.pta', 'PTA-SCMI', 'pta.apdu', 'pta.scp03', 'widevine.pta'].map(
    absent(pta, NO_SUCH_TA),
  ),
];

const SYSCALLS: readonly SupportRow[] = [
  ...[
    'return',
    'log',
    'panic',
    'get_property',
    'get_property_name_to_index',
    'open_ta_session',
    'close_ta_session',
    'invoke_ta_command',
    'get_cancellation_flag',
    'unmask_cancellation',
    'mask_cancellation',
    'wait',
    'get_time',
    'set_ta_time',
    'cryp_random_number_generate',
    'storage_obj_open',
    'storage_obj_create',
    'storage_obj_del',
    'storage_obj_rename',
    'storage_alloc_enum',
    'storage_free_enum',
    'storage_reset_enum',
    'storage_start_enum',
    'storage_next_enum',
    'storage_obj_read',
    'storage_obj_write',
    'storage_obj_trunc',
    'storage_obj_seek',
  ].map((name) => syscall(name)),
  syscall('check_access_rights', 'partial', 'answered by the TA runtime, which maps the memory'),
  syscall('cache_operation', 'absent', 'no TA runtime can call it'),
];

export const OPTEE_OS_SUPPORT: readonly SupportRow[] = [
  ...SMC,
  ...MSG,
  ...RPC,
  ...STORES,
  ...PTAS,
  ...SYSCALLS,
  ...CRYPTO_SUPPORT,
];
