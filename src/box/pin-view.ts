/**
 * What is pinned in a box, by whom and for how long: by every pinner inside of it, and for native
 * programs by the TEE, whose registrations are the only pins that the box's kernel has of them.
 */
import { PAGE_SIZE } from '../machine/address.ts';
import type { Pa } from '../machine/address.ts';
import type { MmOwner, MmStruct } from '../linux/mm/mm-struct.ts';
import { isLongterm } from '../linux/mm/pin-list.ts';
import type { Lifetime } from '../linux/mm/pin-site.ts';
import type { PinnedFrames } from '../linux/mm/unpin.ts';
import type { PinnedPages } from '../linux/mm/user-memory.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { TeeShm } from '../linux/tee/tee-shm.ts';
import type { Task } from '../sched/task.ts';
import type { Box } from './box.ts';

/** Memory of a process that is pinned. */
export interface PinView {
  /** The call that pinned it: of the TEE the ioctl, of others upstream's function. */
  readonly site: string;
  /** The process whose memory it is; of registrations also the context that keeps it. */
  readonly owner: string;
  /** Who pinned it, when that was somebody else. */
  readonly by?: string;
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

const nameOf = ({ name, pid }: MmOwner, note = ''): string => `${name} (pid ${pid}${note})`;

/** Names the process that an address space belongs to, or did. */
export type OwnerOf = (mm: MmStruct) => string;

export function ownersOf({ processes }: Kernel): OwnerOf {
  const alive = new Set(processes.alive.map(({ mm }) => mm.mm));
  return (mm) => {
    const { owner } = mm;
    if (owner === undefined) return 'nobody';
    return nameOf(owner, alive.has(mm) ? '' : ', gone');
  };
}

const REGISTRATION = 'TEE_IOC_SHM_REGISTER';

/** In the order in which they came, those of native programs last. */
export function pinViews(box: Box, ownerOf: OwnerOf): readonly PinView[] {
  const shms = new Map<PinnedPages, TeeShm>();
  for (const shm of box.tee.registered) if (shm.pinned !== undefined) shms.set(shm.pinned, shm);
  const views = [...box.kernel.pages.pins].map((pin) => {
    const shm = shms.get(pin);
    shms.delete(pin);
    return pinView(box, pin, shm, ownerOf);
  });
  return [...views, ...[...shms.values()].map((shm) => nativeView(box, shm))];
}

function pinView(
  { kernel, sched }: Box,
  pin: PinnedFrames,
  shm: TeeShm | undefined,
  ownerOf: OwnerOf,
): PinView {
  const { mm, call, site, sinceNs, by } = pin.origin;
  const longterm = isLongterm(pin.origin);
  const other = pinnerOf(kernel, by, mm);
  return {
    site: shm === undefined ? (site?.name ?? call) : REGISTRATION,
    owner: shm === undefined ? ownerOf(mm) : `${ownerOf(mm)}, ${contextOf(shm)}`,
    ...(other !== undefined && { by: other }),
    pages: pin.pages.length,
    inCma: pagesInCma(kernel, pin.pages),
    lifetime: site?.lifetime ?? (longterm ? 'long' : 'short'),
    longterm,
    ageNs: sched.nowNs() - sinceNs,
  };
}

function nativeView({ kernel, profile, sched }: Box, shm: TeeShm): PinView {
  const { registeredBy, pages } = shm;
  const context = contextOf(shm);
  return {
    site: REGISTRATION,
    owner: registeredBy === undefined ? context : `${nameOf(registeredBy)}, ${context}`,
    pages: pages.length,
    inCma: pagesInCma(kernel, pages),
    lifetime: 'long',
    longterm: profile.tee.pinLongterm || kernel.pages.switches.pinInterface !== 'longterm-flag',
    ageNs: sched.nowNs() - shm.sinceNs,
  };
}

const contextOf = ({ ctx }: TeeShm): string => `${ctx.teedev.name} context ${ctx.serial}`;

/** The process whose thread pinned memory of another's. */
function pinnerOf({ processes }: Kernel, task: Task | undefined, mm: MmStruct): string | undefined {
  if (task === undefined) return undefined;
  const process = processes.alive.find(({ threads }) => [...threads].some((t) => t.task === task));
  if (process === undefined || process.mm.mm === mm) return undefined;
  return nameOf(process);
}

function pagesInCma({ memory }: Kernel, pages: readonly Pa[]): number {
  return pages.filter((page) =>
    memory.cma.some(({ base, count }) => page >= base && page < base + count * PAGE_SIZE),
  ).length;
}
