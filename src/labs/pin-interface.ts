/**
 * Ways to say how long a pin lasts, as the debate of 2023 weighed them, against everybody who pins:
 * whose call is refused, whose pages leave the CMA area first, whose stay and keep it from its owner.
 */
import { AT_FDCWD, MAP_SHARED, O_CREAT, O_RDWR, PROT_READ, PROT_WRITE } from '../abi/fcntl.ts';
import { formatErrno } from '../abi/errno.ts';
import { QEMU_ARMV8 } from '../boards/boards.ts';
import { Box } from '../box/box.ts';
import { PROFILES } from '../box/profiles.ts';
import type { Profile } from '../box/profiles.ts';
import type { Host } from '../host/host.ts';
import { pteFrame } from '../linux/mm/page-table.ts';
import type { MmSwitches } from '../linux/mm/switches.ts';
import { directRead } from '../linux/pinners/direct-io.ts';
import { ioRing, ioUringSetup } from '../linux/pinners/io-uring.ts';
import { IvtvUserDma } from '../linux/pinners/ivtv-udma.ts';
import { processVmWritev } from '../linux/pinners/process-vm.ts';
import { UserEvents } from '../linux/pinners/user-events.ts';
import { PAGE_SIZE, va } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import type { Co } from '../sched/task.ts';
import type { Cell, Lab } from './lab.ts';
import type { GridPlot, Verdict } from './plot.ts';
import { ShmUser } from './shm-user.ts';

const MIB = 1 << 20;
const BOARD = {
  ...QEMU_ARMV8,
  ramBytes: 24 * MIB,
  taRamBytes: MIB,
  reservedShmBytes: MIB,
  cmaBytes: 4 * MIB,
};
/** Memory is touched in such steps until a page of the CMA area comes. */
const STEP = 64 * 1024;

const RELEASED = PROFILES['linux-7.3'].mm;

/** What the interface is. */
const VARIANTS: Readonly<Record<string, MmSwitches>> = {
  'FOLL_LONGTERM (released)': RELEASED,
  'pin_user_pages_longterm()': { ...RELEASED, pinInterface: 'longterm-functions' },
  FOLL_EPHEMERAL: { ...RELEASED, pinInterface: 'ephemeral-flag' },
  'FOLL_GET internal': { ...RELEASED, follGetInternal: true },
  'slow pins long-term only': { ...RELEASED, slowPinsLongtermOnly: true },
};

/** Who pins a page, and what can be done about it. */
interface Pinned {
  /** 0 and more, or a negative errno. */
  readonly rc: number;
  /** Whether the area could be had while the page was in use. */
  readonly areaFree: boolean;
  /** The pin is over with the call: what was asked is how it was in the middle of it. */
  readonly brief?: boolean;
}

interface Place {
  readonly box: Box;
  readonly user: ShmUser;
  readonly at: Va;
}

interface CallSite {
  readonly mm?: Partial<MmSwitches>;
  pin(place: Place): Promise<Pinned>;
}

/** For pins that stay when the call is over. */
const held = ({ box }: Place, rc: number): Pinned => ({ rc, areaFree: rc < 0 || areaFree(box) });

/** A device that looks, in the middle of the transfer, whether the area could be had. */
async function directIo({ box, user, at }: Place): Promise<Pinned> {
  let free = true;
  const device = {
    blockSize: 512,
    *transfer(): Co<number> {
      free = areaFree(box);
      return 0;
    },
  };
  const { program } = user;
  const rc = await program.run(directRead(program.thread, device, at, PAGE_SIZE, 0));
  return { rc, areaFree: free, brief: true };
}

const CALL_SITES: Readonly<Record<string, CallSite>> = {
  TEE_IOC_SHM_REGISTER: {
    pin: async (place) => held(place, await place.user.register(place.at, PAGE_SIZE)),
  },
  'io_uring fixed buffer': {
    pin: async (place) => {
      const { thread } = place.user.program;
      const ring = ioRing(thread, ioUringSetup(thread));
      if (typeof ring === 'number') return held(place, ring);
      return held(place, ring.register(thread, [{ base: place.at, length: PAGE_SIZE }]));
    },
  },
  O_DIRECT: { pin: directIo },
  'O_DIRECT, before 6.5': { mm: { directIoPins: false }, pin: directIo },
  process_vm_writev: {
    pin: async (place) => {
      const { thread, pid, memory } = place.user.program;
      const local = [{ base: memory.malloc(8), length: 8 }];
      return held(place, processVmWritev(thread, pid, local, [{ base: place.at, length: 8 }]));
    },
  },
  'user event': {
    pin: async (place) => {
      const event = { name: 'lab', enableAddr: place.at, enableBit: 0, enableSize: 4 };
      return held(place, new UserEvents().register(place.user.program.thread, event));
    },
  },
  'ivtv user DMA': {
    pin: async (place) =>
      held(place, new IvtvUserDma().setup(place.user.program.thread, place.at, PAGE_SIZE)),
  },
};

/** Whether the owner of the CMA area can have all of it now. */
function areaFree({ kernel }: Box): boolean {
  const { defaultCma } = kernel.memory;
  if (defaultCma === undefined) throw new Error('the board has no CMA area');
  const { count } = defaultCma;
  const buffer = defaultCma.alloc({ count, noWarn: true });
  if (buffer === undefined) return false;
  defaultCma.release(buffer, count);
  return true;
}

export const pinInterface: Lab = {
  name: 'pin-interface',
  question: 'what breaks under each way to say how long a pin lasts, by call site?',
  async run(host, { seed }) {
    const rows: Cell[][] = [];
    const grid: GridPlot['rows'][number][] = [];
    for (const [site, callSite] of Object.entries(CALL_SITES)) {
      const cells: { text: string; verdict: Verdict }[] = [];
      for (const [variant, mm] of Object.entries(VARIANTS)) {
        const switches = { ...mm, ...callSite.mm };
        const borrowed = await onPage(host, seed, switches, callSite, cmaPage);
        const file = await onPage(host, seed, switches, callSite, filePage);
        const lent = textOf(borrowed);
        const shared = file.rc < 0 ? formatErrno(file.rc) : 'taken';
        rows.push([site, variant, lent, shared]);
        cells.push({ text: `${lent}; file ${shared}`, verdict: verdictOf(borrowed, file) });
      }
      grid.push({ name: site, cells });
    }
    const columns = ['call site', 'interface', 'a page lent by CMA', 'a page of a shared file'];
    const title =
      'a page that a CMA area has lent is pinned: can the area be had meanwhile? and a page of a shared file';
    const plot: GridPlot = { kind: 'grid', title, columns: Object.keys(VARIANTS), rows: grid };
    return { lab: 'pin-interface', seed, columns, rows, plot };
  },
};

function textOf({ rc, areaFree: free, brief = false }: Pinned): string {
  if (rc < 0) return formatErrno(rc);
  if (free) return 'area free';
  return brief ? 'blocked for the call' : 'area blocked';
}

function verdictOf({ rc, areaFree: free, brief = false }: Pinned, file: Pinned): Verdict {
  if (rc < 0 || brief) return 'refused';
  if (!free) return 'bad';
  return file.rc < 0 ? 'refused' : 'good';
}

async function onPage(
  host: Host,
  seed: number,
  mm: MmSwitches,
  { pin }: CallSite,
  find: (box: Box, user: ShmUser) => Promise<Va>,
): Promise<Pinned> {
  const profile: Profile = { ...PROFILES['linux-7.3'], mm };
  using box = new Box(host, { profile, board: BOARD, supplicant: 'none', seed });
  const user = await ShmUser.open(box, { name: 'pinner' });
  return await pin({ box, user, at: await find(box, user) });
}

/** An anonymous page of the program that a CMA area has lent. */
async function cmaPage({ kernel }: Box, { program }: ShmUser): Promise<Va> {
  const { defaultCma, pages } = kernel.memory;
  const first = pages.frames.frame(defaultCma!.base);
  const { table } = program.process.mm.mm;
  for (;;) {
    const start = program.memory.memalign(PAGE_SIZE, STEP);
    for (let at: number = start; at < start + STEP; at += PAGE_SIZE) {
      const frame = pteFrame(table.get(at / PAGE_SIZE)) - first;
      if (frame >= 0 && frame < defaultCma!.count) return va(at);
    }
  }
}

/** A page of a file on a disk, mapped shared and written: it has to be known when it is dirty. */
async function filePage({ kernel, host }: Box, { program }: ShmUser): Promise<Va> {
  const { sys, memory } = program;
  kernel.mount('/mnt', host.memoryStore(), { type: 'ext4' });
  const fd = await program.run(sys.openat(AT_FDCWD, '/mnt/file', O_RDWR | O_CREAT, 0o600));
  await program.run(sys.ftruncate(fd, PAGE_SIZE));
  const at = await program.run(sys.mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  if (at < 0) throw new Error(`the file cannot be mapped: ${formatErrno(at)}`);
  memory.write(va(at), Uint8Array.of(1));
  return va(at);
}
