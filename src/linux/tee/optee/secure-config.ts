/**
 * What the secure world says of itself when the driver is probed, and the memory that it keeps for
 * sharing. Upstream counterpart: drivers/tee/optee/smc_abi.c, section 6.
 */
import { EINVAL, ENOENT } from '../../../abi/errno.ts';
import {
  OPTEE_MSG_REVISION_MAJOR,
  OPTEE_MSG_REVISION_MINOR,
  OPTEE_MSG_UID_0,
  OPTEE_MSG_UID_1,
  OPTEE_MSG_UID_2,
  OPTEE_MSG_UID_3,
} from '../../../abi/optee-msg.ts';
import {
  OPTEE_SMC_CALLS_REVISION,
  OPTEE_SMC_CALLS_UID,
  OPTEE_SMC_CALL_GET_OS_REVISION,
  OPTEE_SMC_EXCHANGE_CAPABILITIES,
  OPTEE_SMC_GET_SHM_CONFIG,
  OPTEE_SMC_GET_THREAD_COUNT,
  OPTEE_SMC_NSEC_CAP_UNIPROCESSOR,
  OPTEE_SMC_RETURN_OK,
  OPTEE_SMC_RPC_PARAM_COUNT_MASK,
  OPTEE_SMC_SEC_CAP_ASYNC_NOTIF,
  OPTEE_SMC_SEC_CAP_RPC_ARG,
  OPTEE_SMC_SHM_CACHED,
} from '../../../abi/optee-smc.ts';
import { PAGE_SIZE, pa, pageStart, roundUp } from '../../../machine/address.ts';
import type { Region } from '../../../machine/machine.ts';
import type { SmcConduit } from '../../../machine/smc.ts';
import type { Co } from '../../../sched/task.ts';
import type { Kernel } from '../../process/kernel.ts';
import { refuse } from './cause.ts';
import { OPTEE_DEFAULT_MAX_NOTIF_VALUE } from './notif.ts';
import { invokeFn } from './smc-invoke.ts';
import type { OpteeSwitches } from './switches.ts';

/** Numbers of a release of OP-TEE OS. */
export interface OsRevision {
  readonly major: number;
  readonly minor: number;
  /** Start of its commit id; 0 for none. */
  readonly buildId: number;
}

export interface SecureConfig {
  readonly revision: OsRevision;
  /** 0: not known, or not asked for. */
  readonly threadCount: number;
  /** OPTEE_SMC_SEC_CAP_* */
  readonly secCaps: number;
  readonly maxNotifValue: number;
  /** Parameters of RPC messages that stand behind the calls' own; 0: there is no such place. */
  readonly rpcParamCount: number;
}

/** `4.10`, or `4.10 (1a2b3c4d)` with at least so many digits. */
export function formatRevision({ major, minor, buildId }: OsRevision, digits: number): string {
  const build = buildId === 0 ? '' : ` (${buildId.toString(16).padStart(digits, '0')})`;
  return `${major}.${minor}${build}`;
}

/** Digits of the build id: those of an unsigned long since it is in sysfs too, 8 before. */
export const buildIdDigits = (switches: OpteeSwitches): number => (switches.teeRevision ? 16 : 8);

/** Asks for everything; -EINVAL when this is no OP-TEE that the driver knows how to talk to. */
export function* querySecureConfig(
  kernel: Kernel,
  switches: OpteeSwitches,
): Co<SecureConfig | number> {
  const { conduit } = kernel.machine;
  if (!(yield* isOpteeApi(conduit))) return mismatch(kernel, 'api uid mismatch');
  const revision = yield* getOsRevision(conduit);
  kernel.printk(`optee: revision ${formatRevision(revision, buildIdDigits(switches))}`);
  if (!(yield* isRevisionCompatible(conduit))) return mismatch(kernel, 'api revision mismatch');
  const threadCount = switches.threadCount ? yield* getThreadCount(conduit) : 0;
  const a1 = kernel.sched.cpus === 1 ? OPTEE_SMC_NSEC_CAP_UNIPROCESSOR : 0;
  const regs = yield* invokeFn(conduit, OPTEE_SMC_EXCHANGE_CAPABILITIES, a1);
  if (regs[0] !== OPTEE_SMC_RETURN_OK) return mismatch(kernel, 'capabilities mismatch');
  const secCaps = regs[1]!;
  const asyncNotif = (secCaps & OPTEE_SMC_SEC_CAP_ASYNC_NOTIF) !== 0;
  const rpcArg = (secCaps & OPTEE_SMC_SEC_CAP_RPC_ARG) !== 0;
  return {
    revision,
    threadCount,
    secCaps,
    maxNotifValue: asyncNotif ? regs[2]! : OPTEE_DEFAULT_MAX_NOTIF_VALUE,
    rpcParamCount: rpcArg ? regs[3]! & OPTEE_SMC_RPC_PARAM_COUNT_MASK : 0,
  };
}

/** optee_msg_api_uid_is_optee_api() */
function* isOpteeApi(conduit: SmcConduit): Co<boolean> {
  const regs = yield* invokeFn(conduit, OPTEE_SMC_CALLS_UID);
  return (
    regs[0] === OPTEE_MSG_UID_0 &&
    regs[1] === OPTEE_MSG_UID_1 &&
    regs[2] === OPTEE_MSG_UID_2 &&
    regs[3] === OPTEE_MSG_UID_3
  );
}

/** optee_msg_get_os_revision() */
function* getOsRevision(conduit: SmcConduit): Co<OsRevision> {
  const regs = yield* invokeFn(conduit, OPTEE_SMC_CALL_GET_OS_REVISION);
  return { major: regs[0]!, minor: regs[1]!, buildId: regs[2]! };
}

/** optee_msg_api_revision_is_compatible(): the minor number is compared as an int. */
function* isRevisionCompatible(conduit: SmcConduit): Co<boolean> {
  const regs = yield* invokeFn(conduit, OPTEE_SMC_CALLS_REVISION);
  return regs[0] === OPTEE_MSG_REVISION_MAJOR && (regs[1]! | 0) >= OPTEE_MSG_REVISION_MINOR;
}

/** optee_msg_get_thread_count(): 0 for a secure world that does not say. */
function* getThreadCount(conduit: SmcConduit): Co<number> {
  const regs = yield* invokeFn(conduit, OPTEE_SMC_GET_THREAD_COUNT);
  return regs[0] === OPTEE_SMC_RETURN_OK ? regs[1]! : 0;
}

function mismatch(kernel: Kernel, text: string): number {
  kernel.printk(`optee: ${text}`, 'warning');
  return refuse(kernel.trace, EINVAL, `what answers SMCs is no OP-TEE for this driver: ${text}`);
}

/**
 * optee_config_shm_memremap(): the whole pages of the reserved shared memory. -ENOENT when there
 * is none, -EINVAL when it is not cached.
 */
export function* reservedShm(kernel: Kernel): Co<Region | number> {
  const { trace, machine } = kernel;
  const regs = yield* invokeFn(machine.conduit, OPTEE_SMC_GET_SHM_CONFIG);
  if (regs[0] !== OPTEE_SMC_RETURN_OK) {
    kernel.printk('optee: static shm service not available', 'err');
    return refuse(trace, ENOENT, 'the secure world has no reserved shared memory');
  }
  if (regs[3] !== OPTEE_SMC_SHM_CACHED) {
    kernel.printk('optee: only normal cached shared memory supported', 'err');
    return refuse(trace, EINVAL, 'the reserved shared memory is not cached');
  }
  const begin = roundUp(regs[1]!, PAGE_SIZE);
  const end = pageStart(regs[1]! + regs[2]!);
  return { base: pa(begin), size: end - begin };
}
