/** What the OP-TEE driver supports, for the support page. */
import type { SupportRow } from '../../../abi/support.ts';

type Status = SupportRow['status'];

const row =
  (area: string) =>
  (name: string, status: Status = 'supported', note?: string): SupportRow => ({
    area,
    name,
    status,
    ...(note !== undefined && { note }),
  });

const smc = row('SMC (Linux driver)');
const msg = row('OPTEE_MSG (Linux driver)');
const rpc = row('RPC (Linux driver)');
const driver = row('OP-TEE driver');

const TO_SUPPLICANT = 'passed on to the supplicant';

export const OPTEE_SUPPORT: readonly SupportRow[] = [
  smc('OPTEE_SMC_CALLS_UID'),
  smc('OPTEE_SMC_CALLS_REVISION'),
  smc('OPTEE_SMC_CALL_GET_OS_REVISION'),
  smc('OPTEE_SMC_CALL_LOAD_IMAGE', 'absent', 'the boot loader has loaded OP-TEE'),
  smc('OPTEE_SMC_EXCHANGE_CAPABILITIES'),
  smc('OPTEE_SMC_GET_THREAD_COUNT'),
  smc('OPTEE_SMC_GET_SHM_CONFIG'),
  smc('OPTEE_SMC_ENABLE_SHM_CACHE'),
  smc('OPTEE_SMC_DISABLE_SHM_CACHE'),
  smc('OPTEE_SMC_ENABLE_ASYNC_NOTIF'),
  smc('OPTEE_SMC_GET_ASYNC_NOTIF_VALUE'),
  smc('OPTEE_SMC_GET_PROTMEM_CONFIG', 'absent', 'no protected memory'),
  smc('OPTEE_SMC_CALL_WITH_ARG'),
  smc('OPTEE_SMC_CALL_WITH_RPC_ARG'),
  smc('OPTEE_SMC_CALL_WITH_REGD_ARG'),
  smc('OPTEE_SMC_CALL_RETURN_FROM_RPC'),
  smc('OPTEE_SMC_RPC_FUNC_ALLOC'),
  smc('OPTEE_SMC_RPC_FUNC_FREE'),
  smc('OPTEE_SMC_RPC_FUNC_FOREIGN_INTR'),
  smc('OPTEE_SMC_RPC_FUNC_CMD'),
  msg('OPTEE_MSG_CMD_OPEN_SESSION'),
  msg('OPTEE_MSG_CMD_INVOKE_COMMAND'),
  msg('OPTEE_MSG_CMD_CLOSE_SESSION'),
  msg('OPTEE_MSG_CMD_CANCEL'),
  msg('OPTEE_MSG_CMD_REGISTER_SHM'),
  msg('OPTEE_MSG_CMD_UNREGISTER_SHM'),
  msg('OPTEE_MSG_CMD_DO_BOTTOM_HALF'),
  msg('OPTEE_MSG_CMD_STOP_ASYNC_NOTIF'),
  msg('OPTEE_MSG_CMD_LEND_PROTMEM', 'absent', 'no protected memory'),
  msg('OPTEE_MSG_CMD_RECLAIM_PROTMEM', 'absent', 'no protected memory'),
  msg('OPTEE_MSG_CMD_GET_PROTMEM_CONFIG', 'absent', 'no protected memory'),
  rpc('OPTEE_RPC_CMD_LOAD_TA', 'supported', TO_SUPPLICANT),
  rpc('OPTEE_RPC_CMD_RPMB', 'supported', TO_SUPPLICANT),
  rpc('OPTEE_RPC_CMD_FS', 'supported', TO_SUPPLICANT),
  rpc('OPTEE_RPC_CMD_GET_TIME'),
  rpc('OPTEE_RPC_CMD_NOTIFICATION'),
  rpc('OPTEE_RPC_CMD_SUSPEND'),
  rpc('OPTEE_RPC_CMD_SHM_ALLOC'),
  rpc('OPTEE_RPC_CMD_SHM_FREE'),
  rpc('OPTEE_RPC_CMD_GPROF', 'supported', TO_SUPPLICANT),
  rpc('OPTEE_RPC_CMD_SOCKET', 'supported', TO_SUPPLICANT),
  rpc('OPTEE_RPC_CMD_FTRACE', 'supported', TO_SUPPLICANT),
  rpc('OPTEE_RPC_CMD_SUPP_PLUGIN', 'supported', TO_SUPPLICANT),
  rpc('OPTEE_RPC_CMD_I2C_TRANSFER', 'partial', 'no adapters: TEEC_ERROR_BAD_PARAMETERS'),
  rpc('OPTEE_RPC_CMD_RPMB_PROBE_RESET'),
  rpc('OPTEE_RPC_CMD_RPMB_PROBE_NEXT'),
  rpc('OPTEE_RPC_CMD_RPMB_FRAMES'),
  driver('device enumeration'),
  driver('asynchronous notifications', 'partial', 'no per-CPU interrupts'),
  driver('system sessions'),
  driver('memory-type check'),
  driver('pages of 16 and 64 KiB', 'partial', 'page lists are split; a box has pages of 4 KiB'),
  driver('FF-A ABI', 'absent', 'only the SMC ABI'),
  driver('protected memory', 'absent', 'no pools for protected DMA-buf heaps'),
];
