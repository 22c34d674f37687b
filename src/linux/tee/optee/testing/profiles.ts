/** For tests: the switches of each kernel. */
import type { OpteeSwitches } from '../switches.ts';

export const LINUX_7_3: OpteeSwitches = {
  hz: 250,
  threadCount: true,
  updateOutOnly: true,
  rpcShmByPages: true,
  memTypeCheck: 'for_each_vma_range',
  notifTimeout: true,
  rpmbRouting: true,
  teeRevision: true,
  quirkReleaseWaitsForScan: false,
  quirkWakesRunningCall: true,
  quirkSendQueuedRequest: true,
  quirkSuppPoolRegisters: true,
  quirkSuppReleaseByShm: true,
  quirkShortShmAlloc: true,
  quirkNotifTimeoutJiffies: true,
  quirkNotifBitmapShort: true,
  quirkShmFreeAnyType: true,
  quirkShmFreeOfClosedSupplicant: true,
  quirkArgPageKeepsContext: true,
};

export const LINUX_6_1: OpteeSwitches = {
  ...LINUX_7_3,
  threadCount: false,
  updateOutOnly: false,
  rpcShmByPages: false,
  notifTimeout: false,
  rpmbRouting: false,
  teeRevision: false,
  quirkReleaseWaitsForScan: true,
};

/** Linux 7.3 without the bugs. */
export const FIXED: OpteeSwitches = {
  ...LINUX_7_3,
  quirkWakesRunningCall: false,
  quirkSendQueuedRequest: false,
  quirkSuppPoolRegisters: false,
  quirkSuppReleaseByShm: false,
  quirkShortShmAlloc: false,
  quirkNotifTimeoutJiffies: false,
  quirkNotifBitmapShort: false,
  quirkShmFreeAnyType: false,
  quirkShmFreeOfClosedSupplicant: false,
  quirkArgPageKeepsContext: false,
};
