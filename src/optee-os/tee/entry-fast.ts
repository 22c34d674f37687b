/**
 * Fast calls: they run to their end without a thread and never leave.
 *
 * Upstream counterpart: optee_os core/arch/arm/tee/entry_fast.c. Left out: protected memory,
 * watchdog, virtualization and CPU boot, which answer as a build without them.
 */
import {
  OPTEE_MSG_OS_OPTEE_UUID_0,
  OPTEE_MSG_OS_OPTEE_UUID_1,
  OPTEE_MSG_OS_OPTEE_UUID_2,
  OPTEE_MSG_OS_OPTEE_UUID_3,
  OPTEE_MSG_REVISION_MAJOR,
  OPTEE_MSG_REVISION_MINOR,
  OPTEE_MSG_UID_0,
  OPTEE_MSG_UID_1,
  OPTEE_MSG_UID_2,
  OPTEE_MSG_UID_3,
} from '../../abi/optee-msg.ts';
import {
  OPTEE_SMC_ASYNC_NOTIF_VALUE_PENDING,
  OPTEE_SMC_ASYNC_NOTIF_VALUE_VALID,
  OPTEE_SMC_BOOT_SECONDARY,
  OPTEE_SMC_CALLS_COUNT,
  OPTEE_SMC_CALLS_REVISION,
  OPTEE_SMC_CALLS_UID,
  OPTEE_SMC_CALL_GET_OS_REVISION,
  OPTEE_SMC_CALL_GET_OS_UUID,
  OPTEE_SMC_DISABLE_SHM_CACHE,
  OPTEE_SMC_ENABLE_ASYNC_NOTIF,
  OPTEE_SMC_ENABLE_SHM_CACHE,
  OPTEE_SMC_EXCHANGE_CAPABILITIES,
  OPTEE_SMC_GET_ASYNC_NOTIF_VALUE,
  OPTEE_SMC_GET_SHM_CONFIG,
  OPTEE_SMC_GET_THREAD_COUNT,
  OPTEE_SMC_L2CC_MUTEX,
  OPTEE_SMC_NSEC_CAP_UNIPROCESSOR,
  OPTEE_SMC_RETURN_EBUSY,
  OPTEE_SMC_RETURN_ENOTAVAIL,
  OPTEE_SMC_RETURN_OK,
  OPTEE_SMC_RETURN_UNKNOWN_FUNCTION,
  OPTEE_SMC_SEC_CAP_ASYNC_NOTIF,
  OPTEE_SMC_SEC_CAP_DYNAMIC_SHM,
  OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM,
  OPTEE_SMC_SEC_CAP_MEMREF_NULL,
  OPTEE_SMC_SEC_CAP_RPC_ARG,
  OPTEE_SMC_SEC_CAP_RPMB_PROBE,
  OPTEE_SMC_SHM_CACHED,
} from '../../abi/optee-smc.ts';
import type { Cpu, SmcRegs } from '../../machine/smc.ts';
import type { Guest } from '../guest.ts';
import { notifValueMax } from '../kernel/notif.ts';
import { THREAD_RPC_MAX_NUM_PARAMS } from '../kernel/rpc.ts';
import type { LogSite } from '../kernel/trace.ts';

/** What CALLS_COUNT answers: tee_entry_generic_get_api_call_count() without virtualization. */
const API_CALL_COUNT = 12;
/** TEE_IMPL_GIT_SHA1: the build id, which is nobody's commit here. */
const BUILD_ID = 0;

/** A fast call: reads and writes the registers. */
type FastCall = (guest: Guest, regs: SmcRegs, site: LogSite) => void;

/** Puts values into a0 and on; the registers behind keep what the caller had in them. */
const answer = (regs: SmcRegs, ...values: number[]): void => {
  regs.set(values);
};

const exchangeCapabilities: FastCall = (guest, regs, site) => {
  const { config, log, mmu } = guest.nexus;
  if ((regs[1]! & ~OPTEE_SMC_NSEC_CAP_UNIPROCESSOR) !== 0) {
    answer(regs, OPTEE_SMC_RETURN_ENOTAVAIL);
    return;
  }
  const reserved = mmu.reservedShm !== undefined;
  const features: readonly (readonly [boolean, number, string | undefined])[] = [
    [reserved, OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM, 'Reserved shared memory is'],
    [config.CFG_CORE_DYN_SHM, OPTEE_SMC_SEC_CAP_DYNAMIC_SHM, 'Dynamic shared memory is'],
    [false, 0, 'Normal World virtualization support is'],
    [true, OPTEE_SMC_SEC_CAP_MEMREF_NULL, undefined],
    [config.CFG_CORE_ASYNC_NOTIF, OPTEE_SMC_SEC_CAP_ASYNC_NOTIF, 'Asynchronous notifications are'],
    [true, OPTEE_SMC_SEC_CAP_RPC_ARG, undefined],
    [config.CFG_RPMB_ANNOUNCE_PROBE_CAP, OPTEE_SMC_SEC_CAP_RPMB_PROBE, undefined],
  ];
  let caps = 0;
  for (const [on, bit, text] of features) {
    if (on) caps |= bit;
    if (text === undefined) continue;
    log.imsg(site, 'tee_entry_exchange_capabilities', `${text} ${on ? 'enabled' : 'disabled'}`);
  }
  answer(regs, OPTEE_SMC_RETURN_OK, caps);
  if (config.CFG_CORE_ASYNC_NOTIF) regs[2] = notifValueMax(config);
  regs[3] = THREAD_RPC_MAX_NUM_PARAMS;
};

const getShmConfig: FastCall = (guest, regs) => {
  const region = guest.nexus.mmu.reservedShm;
  if (region === undefined) answer(regs, OPTEE_SMC_RETURN_UNKNOWN_FUNCTION);
  else answer(regs, OPTEE_SMC_RETURN_OK, region.base, region.size, OPTEE_SMC_SHM_CACHED);
};

/** thread_disable_prealloc_rpc_cache(): one cookie a call, until there is none. */
const disableShmCache: FastCall = (guest, regs) => {
  const { slots, used } = guest.threads;
  if (used > 0) {
    answer(regs, OPTEE_SMC_RETURN_EBUSY);
    return;
  }
  const thread = slots.find(({ rpcMobj }) => rpcMobj !== undefined);
  const mobj = thread?.rpcMobj;
  if (thread === undefined || mobj === undefined) {
    guest.preallocRpcCache = false;
    answer(regs, OPTEE_SMC_RETURN_ENOTAVAIL);
    return;
  }
  mobj.put();
  thread.rpcMobj = undefined;
  thread.rpcArg.clear();
  answer(regs, OPTEE_SMC_RETURN_OK, mobj.cookieHi, mobj.cookieLo);
};

/** thread_enable_prealloc_rpc_cache() */
const enableShmCache: FastCall = (guest, regs) => {
  const wanted = guest.nexus.config.CFG_PREALLOC_RPC_CACHE;
  const busy = wanted && guest.threads.used > 0;
  if (wanted && !busy) guest.preallocRpcCache = true;
  answer(regs, busy ? OPTEE_SMC_RETURN_EBUSY : OPTEE_SMC_RETURN_OK);
};

const enableAsyncNotif: FastCall = (guest, regs, site) => {
  if (!guest.nexus.config.CFG_CORE_ASYNC_NOTIF) {
    answer(regs, OPTEE_SMC_RETURN_UNKNOWN_FUNCTION);
    return;
  }
  guest.notif.start(site);
  answer(regs, OPTEE_SMC_RETURN_OK);
};

const getAsyncNotifValue: FastCall = (guest, regs) => {
  if (!guest.nexus.config.CFG_CORE_ASYNC_NOTIF) {
    answer(regs, OPTEE_SMC_RETURN_UNKNOWN_FUNCTION);
    return;
  }
  const taken = guest.notif.takeValue();
  const valid = taken === undefined ? 0 : OPTEE_SMC_ASYNC_NOTIF_VALUE_VALID;
  const pending = taken?.more === true ? OPTEE_SMC_ASYNC_NOTIF_VALUE_PENDING : 0;
  answer(regs, OPTEE_SMC_RETURN_OK, taken?.value ?? 0, valid | pending);
};

const FAST_CALLS: ReadonlyMap<number, FastCall> = new Map<number, FastCall>([
  [OPTEE_SMC_CALLS_COUNT, (_guest, regs) => answer(regs, API_CALL_COUNT)],
  [
    OPTEE_SMC_CALLS_UID,
    (_guest, regs) =>
      answer(regs, OPTEE_MSG_UID_0, OPTEE_MSG_UID_1, OPTEE_MSG_UID_2, OPTEE_MSG_UID_3),
  ],
  [
    OPTEE_SMC_CALLS_REVISION,
    (_guest, regs) => answer(regs, OPTEE_MSG_REVISION_MAJOR, OPTEE_MSG_REVISION_MINOR),
  ],
  [
    OPTEE_SMC_CALL_GET_OS_UUID,
    (_guest, regs) =>
      answer(
        regs,
        OPTEE_MSG_OS_OPTEE_UUID_0,
        OPTEE_MSG_OS_OPTEE_UUID_1,
        OPTEE_MSG_OS_OPTEE_UUID_2,
        OPTEE_MSG_OS_OPTEE_UUID_3,
      ),
  ],
  [
    OPTEE_SMC_CALL_GET_OS_REVISION,
    ({ nexus: { config } }, regs) =>
      answer(regs, config.CFG_OPTEE_REVISION_MAJOR, config.CFG_OPTEE_REVISION_MINOR, BUILD_ID),
  ],
  [OPTEE_SMC_GET_SHM_CONFIG, getShmConfig],
  [OPTEE_SMC_L2CC_MUTEX, (_guest, regs) => answer(regs, OPTEE_SMC_RETURN_UNKNOWN_FUNCTION)],
  [OPTEE_SMC_EXCHANGE_CAPABILITIES, exchangeCapabilities],
  [OPTEE_SMC_DISABLE_SHM_CACHE, disableShmCache],
  [OPTEE_SMC_ENABLE_SHM_CACHE, enableShmCache],
  [OPTEE_SMC_BOOT_SECONDARY, (_guest, regs) => answer(regs, OPTEE_SMC_RETURN_ENOTAVAIL)],
  [
    OPTEE_SMC_GET_THREAD_COUNT,
    ({ nexus }, regs) => answer(regs, OPTEE_SMC_RETURN_OK, nexus.config.CFG_NUM_THREADS),
  ],
  [OPTEE_SMC_ENABLE_ASYNC_NOTIF, enableAsyncNotif],
  [OPTEE_SMC_GET_ASYNC_NOTIF_VALUE, getAsyncNotifValue],
]);

/** tee_entry_fast() */
export function fastCall(guest: Guest, cpu: Cpu, regs: SmcRegs): void {
  const call = FAST_CALLS.get(regs[0]!);
  if (call === undefined) answer(regs, OPTEE_SMC_RETURN_UNKNOWN_FUNCTION);
  else call(guest, regs, { threadId: -1, coreId: cpu.id });
}
