/**
 * Profiles: one table of switches each, read where the behaviour is decided. `linux-7.3` and
 * `linux-6.1` behave as those releases do, bugs included; `hardened` is what reviewers asked for
 * and upstream has not merged. Every difference between two profiles is a row here.
 */
import { TEE_MAX_ARG_SIZE, TEE_MAX_ARG_SIZE_6_1 } from '../abi/tee.ts';
import type { ProcessSwitches } from '../linux/process/switches.ts';
import type { OpteeSwitches } from '../linux/tee/optee/switches.ts';
import type { TeeSwitches } from '../linux/tee/switches.ts';
import type { OpteeOsSwitches } from '../optee-os/switches.ts';
import { UPSTREAM_USERLAND } from '../userland/switches.ts';
import type { UserlandSwitches } from '../userland/switches.ts';

export interface Profile {
  readonly name: string;
  /** As uname -r shows it. */
  readonly release: string;
  readonly process: ProcessSwitches;
  readonly tee: TeeSwitches;
  readonly optee: OpteeSwitches;
  readonly opteeOs: OpteeOsSwitches;
  readonly userland: UserlandSwitches;
}

const LINUX_7_3: Profile = {
  name: 'linux-7.3',
  release: '7.3.4',
  process: { anonInodesNoexec: true },
  tee: {
    maxArgSize: TEE_MAX_ARG_SIZE,
    dynShmPowerOfTwo: false,
    dynShmKeepsPages: true,
    registerByIovIter: true,
    kernelPagesReferenced: false,
    shmRegisterFd: true,
    ubufAndObjref: true,
    sysfsRevision: true,
    pinLongterm: false,
    accountMemlock: false,
    quirkMmapOffsetIgnored: true,
    quirkShortPinLeaksPage: true,
    quirkSupplRecvLeaksMemrefs: true,
    quirkSupplRecvFaultLosesRequest: true,
  },
  optee: {
    hz: 250,
    threadCount: true,
    updateOutOnly: true,
    rpcShmByPages: true,
    notifTimeout: true,
    rpmbRouting: true,
    teeRevision: true,
    quirkReleaseWaitsForScan: false,
    quirkSendQueuedRequest: true,
    quirkSuppPoolRegisters: true,
    quirkSuppReleaseByShm: true,
    quirkShortShmAlloc: true,
    quirkNotifTimeoutJiffies: true,
    quirkNotifBitmapShort: true,
    quirkShmFreeAnyType: true,
    quirkArgPageKeepsContext: true,
    quirkWakesRunningCall: true,
  },
  opteeOs: {
    quirkShmSizePageRounded: true,
    quirkDuplicateCookies: true,
    quirkShortShmAllocLost: true,
    quirkCancelDeadlineCarry: true,
    quirkBusyOpenPanics: true,
    quirkDirfileRemovedOnError: true,
    quirkTruncateKeepsHashes: true,
    quirkTruncateBeforeCommit: true,
    quirkFailedFindIsAbsence: true,
    quirkOwnHandleStaysCreating: true,
    quirkCopiedUsageLost: true,
    quirkNextOfFailedEnumPanics: true,
    quirkRpmbTemporaryKept: true,
    quirkRpmbReplaceLoses: true,
    quirkRpmbStaleEntryFound: true,
  },
  userland: UPSTREAM_USERLAND,
};

const LINUX_6_1: Profile = {
  ...LINUX_7_3,
  name: 'linux-6.1',
  release: '6.1.192',
  process: { anonInodesNoexec: false },
  tee: {
    ...LINUX_7_3.tee,
    maxArgSize: TEE_MAX_ARG_SIZE_6_1,
    dynShmPowerOfTwo: true,
    dynShmKeepsPages: false,
    registerByIovIter: false,
    kernelPagesReferenced: true,
    shmRegisterFd: false,
    ubufAndObjref: false,
    sysfsRevision: false,
    quirkShortPinLeaksPage: false,
  },
  optee: {
    ...LINUX_7_3.optee,
    threadCount: false,
    updateOutOnly: false,
    rpcShmByPages: false,
    notifTimeout: false,
    rpmbRouting: false,
    teeRevision: false,
    quirkReleaseWaitsForScan: true,
  },
};

/** The same profile with every switch of an upstream bug off. */
export function withoutQuirks(profile: Profile): Profile {
  const off = <T extends object>(switches: T): T => {
    const entries = Object.entries(switches).map(([name, value]): [string, unknown] => [
      name,
      name.startsWith('quirk') ? false : value,
    ]);
    return { ...switches, ...Object.fromEntries(entries) };
  };
  return {
    ...profile,
    name: `${profile.name} without bugs`,
    process: off(profile.process),
    tee: off(profile.tee),
    optee: off(profile.optee),
    opteeOs: off(profile.opteeOs),
    userland: off(profile.userland),
  };
}

const HARDENED: Profile = {
  ...withoutQuirks(LINUX_7_3),
  name: 'hardened',
  tee: { ...withoutQuirks(LINUX_7_3).tee, pinLongterm: true, accountMemlock: true },
};

export const PROFILES = {
  'linux-7.3': LINUX_7_3,
  'linux-6.1': LINUX_6_1,
  hardened: HARDENED,
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;

export const DEFAULT_PROFILE: ProfileName = 'linux-7.3';

export const isProfileName = (name: string): name is ProfileName => Object.hasOwn(PROFILES, name);
