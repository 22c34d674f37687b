/** What the OP-TEE secure world supports, for the support page. */
import type { SupportRow } from '../abi/support.ts';
import { CRYPTO_SUPPORT } from './syscall/crypto-support.ts';

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
  ].map((name) => rpc(name)),
  ...[
    'OPTEE_RPC_CMD_RPMB',
    'OPTEE_RPC_CMD_FS',
    'OPTEE_RPC_CMD_SQL_FS_RESERVED',
    'OPTEE_RPC_CMD_GPROF',
    'OPTEE_RPC_CMD_SOCKET',
    'OPTEE_RPC_CMD_FTRACE',
    'OPTEE_RPC_CMD_SUPP_PLUGIN',
    'OPTEE_RPC_CMD_BENCH_REG',
    'OPTEE_RPC_CMD_I2C_TRANSFER',
    'OPTEE_RPC_CMD_RPMB_PROBE_RESET',
    'OPTEE_RPC_CMD_RPMB_PROBE_NEXT',
    'OPTEE_RPC_CMD_RPMB_FRAMES',
  ].map(absent(rpc, NEVER_SENT)),
];

const STORES: readonly SupportRow[] = [
  store('early TA', 'supported', 'the TypeScript TAs that are given to the box'),
  store('Secure Storage TA', 'absent', 'no secure storage: never asked'),
  store(
    'REE',
    'partial',
    'both LOAD_TA requests and the header are done; the image is refused with ' +
      'TEE_ERROR_NOT_SUPPORTED, because .ta files cannot be run',
  ),
];

const PTAS: readonly SupportRow[] = [
  pta('device.pta'),
  pta('stats.pta', 'partial', 'STATS_CMD_TA_STATS: TEE_ERROR_NOT_SUPPORTED (CFG_TA_STATS=n)'),
  pta(
    'system.pta',
    'partial',
    'entropy and TA unique keys; memory, libraries, TPM log and plugins: TEE_ERROR_NOT_SUPPORTED',
  ),
  ...[
    'invoke_tests.pta',
    'secstor_ta_mgmt',
    'socket',
    'gprof.pta',
    'hwrng.pta',
    'rtc.pta',
    'scmi.pta',
    'attestation.pta',
    'apdu.pta',
    'scp03.pta',
  ].map(absent(pta, NO_SUCH_TA)),
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
  ].map((name) => syscall(name)),
  syscall('check_access_rights', 'partial', 'answered by the TA runtime, which maps the memory'),
  ...[
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
  ].map(absent(syscall, 'no secure storage')),
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
