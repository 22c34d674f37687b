/**
 * A box's memory at one moment: what the kernel's page frames are used for, what is pinned for whom
 * and how long, how full pools are and have been, what users may lock. For `teebox mem` and tests.
 */
import { CAP_IPC_LOCK } from '../abi/capability.ts';
import { PAGE_SIZE } from '../machine/address.ts';
import { inspectMemory } from '../linux/mm/inspect.ts';
import type { MemoryView } from '../linux/mm/inspect.ts';
import type { Box } from './box.ts';
import { ownersOf, pinViews } from './pin-view.ts';
import type { PinView } from './pin-view.ts';
import type { PoolLine } from './statistics.ts';

/** What a user's processes may lock. */
export interface LimitView {
  readonly uid: number;
  /** Pages that are charged. */
  readonly locked: number;
  /** The most that was charged at a time. */
  readonly highest: number;
  /** RLIMIT_MEMLOCK in pages: the least of the user's processes, else what it was last; null for none. */
  readonly limit: number | null;
}

export interface MemorySnapshot extends MemoryView {
  readonly profile: string;
  /** Nanoseconds of the box's clock. */
  readonly atNs: number;
  readonly pins: readonly PinView[];
  /** Whether pins are charged at all. */
  readonly accounted: boolean;
  readonly limits: readonly LimitView[];
  /** Seen with the trace's level at `calls` or above. */
  readonly pools: readonly PoolLine[];
}

export function memorySnapshot(box: Box): MemorySnapshot {
  const { kernel, machine, sched, profile, statistics } = box;
  const ownerOf = ownersOf(kernel);
  const pages = [...box.tee.registered].flatMap((shm) => (shm.pinned ? shm.pages : []));
  return {
    profile: profile.name,
    atNs: sched.nowNs(),
    ...inspectMemory(kernel.memory, machine.tree, ownerOf, pages),
    pins: pinViews(box, ownerOf),
    accounted: profile.tee.accountMemlock,
    limits: limitsOf(box),
    pools: statistics.pools,
  };
}

function limitsOf({ kernel }: Box): readonly LimitView[] {
  const limits = new Map<number, number>();
  for (const { cred, rlimits } of [...kernel.processes.alive, ...kernel.guests]) {
    const own = cred.capabilities.has(CAP_IPC_LOCK) ? Infinity : rlimits.memlock;
    limits.set(cred.uid, Math.min(limits.get(cred.uid) ?? Infinity, own));
  }
  // Memory may be charged to who has no process any more.
  const { accounts } = kernel;
  for (const uid of accounts.users) if (!limits.has(uid)) limits.set(uid, accounts.limit(uid));
  return [...limits].map(([uid, bytes]) => ({
    uid,
    locked: kernel.accounts.pages(uid),
    highest: kernel.accounts.highest(uid),
    limit: bytes === Infinity ? null : Math.floor(bytes / PAGE_SIZE),
  }));
}
