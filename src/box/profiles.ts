/**
 * Profiles: one table of switches each, read where the behaviour is decided. `linux-7.3` and
 * `linux-6.1` behave as those releases do, bugs included; `hardened` is what reviewers asked for
 * and upstream has not merged. Every difference between two profiles is a row here.
 */
import { TEE_MAX_ARG_SIZE, TEE_MAX_ARG_SIZE_6_1 } from '../abi/tee.ts';
import type { ClientSwitches } from '../linux/clients/switches.ts';
import { MAX_BLOB_SIZE } from '../linux/clients/trusted-keys/trusted-type.ts';
import { MM_HARDENED, MM_LINUX_6_1, MM_LINUX_7_3 } from '../linux/mm/switches.ts';
import type { MmSwitches } from '../linux/mm/switches.ts';
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
  readonly mm: MmSwitches;
  readonly process: ProcessSwitches;
  readonly tee: TeeSwitches;
  readonly optee: OpteeSwitches;
  readonly clients: ClientSwitches;
  readonly opteeOs: OpteeOsSwitches;
  readonly userland: UserlandSwitches;
}

const LINUX_7_3: Profile = {
  name: 'linux-7.3',
  release: '7.3.4',
  mm: MM_LINUX_7_3,
  process: { anonInodesNoexec: true, memfdSecret: true, sealedMapsReadOnly: true },
  tee: {
    maxArgSize: TEE_MAX_ARG_SIZE,
    dynShmPowerOfTwo: false,
    dynShmKeepsPages: true,
    registerByIovIter: true,
    kernelRegistration: 'iov_iter',
    shmRegisterFd: true,
    ubufAndObjref: true,
    sysfsRevision: true,
    pinLongterm: false,
    unpinDirty: false,
    accountMemlock: false,
    quirkMmapOffsetIgnored: true,
    quirkShortPinLeaksPage: true,
    quirkPageCountIsInt: true,
    quirkSupplRecvLeaksMemrefs: true,
    quirkSupplRecvFaultLosesRequest: true,
  },
  optee: {
    hz: 250,
    threadCount: true,
    updateOutOnly: true,
    rpcShmByPages: true,
    memTypeCheck: 'for_each_vma_range',
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
    quirkShmFreeOfClosedSupplicant: true,
    quirkArgPageKeepsContext: true,
    quirkWakesRunningCall: true,
  },
  clients: {
    hwrngDefaultQuality: 1024,
    hwrngEarlyRandomness: false,
    trustedNeedsRegMem: true,
    quirkBnxtFailedProbe: true,
    maxBlobSize: MAX_BLOB_SIZE,
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
  mm: MM_LINUX_6_1,
  process: { anonInodesNoexec: false, memfdSecret: false, sealedMapsReadOnly: false },
  tee: {
    ...LINUX_7_3.tee,
    maxArgSize: TEE_MAX_ARG_SIZE_6_1,
    dynShmPowerOfTwo: true,
    dynShmKeepsPages: false,
    registerByIovIter: false,
    kernelRegistration: 'vmalloc-walk',
    shmRegisterFd: false,
    ubufAndObjref: false,
    sysfsRevision: false,
    quirkShortPinLeaksPage: false,
    quirkPageCountIsInt: false,
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
  clients: {
    ...LINUX_7_3.clients,
    hwrngDefaultQuality: 0,
    hwrngEarlyRandomness: true,
    trustedNeedsRegMem: false,
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
    mm: off(profile.mm),
    process: off(profile.process),
    tee: off(profile.tee),
    optee: off(profile.optee),
    clients: off(profile.clients),
    opteeOs: off(profile.opteeOs),
    userland: off(profile.userland),
  };
}

const HARDENED: Profile = {
  ...withoutQuirks(LINUX_7_3),
  name: 'hardened',
  mm: MM_HARDENED,
  tee: {
    ...withoutQuirks(LINUX_7_3).tee,
    kernelRegistration: 'page-array',
    pinLongterm: true,
    unpinDirty: true,
    accountMemlock: true,
  },
};

export const PROFILES = {
  'linux-7.3': LINUX_7_3,
  'linux-6.1': LINUX_6_1,
  hardened: HARDENED,
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof PROFILES;

export const DEFAULT_PROFILE: ProfileName = 'linux-7.3';

export const isProfileName = (name: string): name is ProfileName => Object.hasOwn(PROFILES, name);
