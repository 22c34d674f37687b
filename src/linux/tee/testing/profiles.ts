/** For tests: the switches of each kernel. */
import { TEE_MAX_ARG_SIZE, TEE_MAX_ARG_SIZE_6_1 } from '../../../abi/tee.ts';
import type { TeeSwitches } from '../switches.ts';

export const LINUX_7_3: TeeSwitches = {
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
};

export const LINUX_6_1: TeeSwitches = {
  ...LINUX_7_3,
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
};

export const HARDENED: TeeSwitches = {
  ...LINUX_7_3,
  kernelRegistration: 'page-array',
  pinLongterm: true,
  unpinDirty: true,
  accountMemlock: true,
  quirkMmapOffsetIgnored: false,
  quirkShortPinLeaksPage: false,
  quirkPageCountIsInt: false,
  quirkSupplRecvLeaksMemrefs: false,
  quirkSupplRecvFaultLosesRequest: false,
};

/** Both released kernels: most of what is tested holds for either. */
export const PROFILES = { 'linux-7.3': LINUX_7_3, 'linux-6.1': LINUX_6_1 } as const;
