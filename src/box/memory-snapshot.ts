/**
 * A box's memory at one moment: what the kernel's page frames are used for, what is pinned for whom
 * and how long, how full pools are and have been, what users may lock. For `teebox mem` and tests.
 */
import { CAP_IPC_LOCK } from '../abi/capability.ts';
import { PAGE_SIZE } from '../machine/address.ts';
import { inspectMemory } from '../linux/mm/inspect.ts';
import type { MemoryView } from '../linux/mm/inspect.ts';
import type { Lifetime } from '../linux/mm/pin-site.ts';
import type { MmStruct } from '../linux/mm/mm-struct.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { TeeShm } from '../linux/tee/tee-shm.ts';
import type { Box } from './box.ts';
import type { PoolLine } from './statistics.ts';

/** Memory of a process that is pinned for the secure world. */
export interface PinView {
  /** The call that pinned it. */
  readonly site: string;
  /** The process that did, and the context that keeps it. */
  readonly owner: string;
  readonly pages: number;
  /** Pages of it that lie in CMA areas. */
  readonly inCma: number;
  /** How long such pins last. */
  readonly lifetime: Lifetime;
  /** Whether the kernel knows it (FOLL_LONGTERM), so that the pages left CMA areas first. */
  readonly longterm: boolean;
  /** Nanoseconds since. */
  readonly ageNs: number;
}

/** What a user's processes may lock. */
export interface LimitView {
  readonly uid: number;
  /** Pages that are charged. */
  readonly locked: number;
  /** The most that was charged at a time. */
  readonly highest: number;
  /** RLIMIT_MEMLOCK in pages, the least of the user's processes; null for none. */
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
  /** As far as the trace's level lets them be seen: `worlds` for all. */
  readonly pools: readonly PoolLine[];
}

export function memorySnapshot(box: Box): MemorySnapshot {
  const { kernel, machine, sched, profile, statistics } = box;
  const owners = new Map(kernel.processes.alive.map((p) => [p.mm.mm, `${p.name} (pid ${p.pid})`]));
  const ownerOf = (mm: MmStruct): string => owners.get(mm) ?? 'a process that is gone';
  const pinned = [...box.tee.registered].filter((shm) => shm.pinned !== undefined);
  const pages = pinned.flatMap((shm) => shm.pages);
  return {
    profile: profile.name,
    atNs: sched.nowNs(),
    ...inspectMemory(kernel.memory, machine.tree, ownerOf, pages),
    pins: pinned.map((shm) => pinView(box, shm)),
    accounted: profile.tee.accountMemlock,
    limits: limitsOf(box),
    pools: statistics.pools,
  };
}

function pinView({ kernel, profile, sched }: Box, shm: TeeShm): PinView {
  return {
    site: 'TEE_IOC_SHM_REGISTER',
    owner: ownerOf(shm),
    pages: shm.pages.length,
    inCma: pagesInCma(kernel, shm),
    lifetime: 'long',
    longterm: profile.tee.pinLongterm || kernel.pages.switches.pinInterface !== 'longterm-flag',
    ageNs: sched.nowNs() - (shm.registeredBy?.sinceNs ?? 0),
  };
}

function ownerOf({ registeredBy, ctx }: TeeShm): string {
  const context = `${ctx.teedev.name} context ${ctx.serial}`;
  if (registeredBy === undefined) return context;
  return `${registeredBy.name} (pid ${registeredBy.pid}), ${context}`;
}

function pagesInCma({ memory }: Kernel, shm: TeeShm): number {
  return shm.pages.filter((page) =>
    memory.cma.some(({ base, count }) => page >= base && page < base + count * PAGE_SIZE),
  ).length;
}

function limitsOf({ kernel }: Box): readonly LimitView[] {
  const limits = new Map<number, number>();
  for (const { cred, rlimits } of kernel.processes.alive) {
    const own = cred.capabilities.has(CAP_IPC_LOCK) ? Infinity : rlimits.memlock;
    limits.set(cred.uid, Math.min(limits.get(cred.uid) ?? Infinity, own));
  }
  return [...limits].map(([uid, bytes]) => ({
    uid,
    locked: kernel.accounts.pages(uid),
    highest: kernel.accounts.highest(uid),
    limit: bytes === Infinity ? null : Math.floor(bytes / PAGE_SIZE),
  }));
}
