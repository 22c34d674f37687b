/**
 * Secure playback wants a contiguous buffer out of a CMA area whose pages applications have borrowed
 * and registered with the TEE: the case of the patch "tee: add FOLL_LONGTERM for CMA case when alloc
 * shm" (2023). Which pages stay is the doing of the page allocator, migration and pins alone.
 */
import { QEMU_ARMV8 } from '../boards/boards.ts';
import { Box } from '../box/box.ts';
import { PROFILES } from '../box/profiles.ts';
import type { Profile } from '../box/profiles.ts';
import type { Host } from '../host/host.ts';
import { PAGE_SIZE, va } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import { SeededRandom } from '../sched/random.ts';
import type { Lab, LabOptions, LabResult } from './lab.ts';
import { ShmUser } from './shm-user.ts';

const MIB = 1 << 20;
const KIB = 1 << 10;
const BOARD = {
  ...QEMU_ARMV8,
  ramBytes: 16 * MIB,
  taRamBytes: MIB,
  reservedShmBytes: MIB,
  cmaBytes: 4 * MIB,
};
/** Frames of a video: half of the area, aligned as dma_alloc_from_contiguous() does. */
const BUFFER_PAGES = (2 * MIB) / PAGE_SIZE;
const BUFFER_ALIGN = 8;

const APPLICATIONS = 4;
/** Memory that the applications use, in pieces of 16 to 272 KiB. */
const TOUCHED = 8 * MIB;
const MOST_PIECE_PAGES = 64;
/** What is registered at a time. */
const REGISTERED_PAGES = 4;
/** Buffers that are registered in all, at each point of the plot. */
const BUFFERS = [0, 1, 2, 4, 8, 16, 32] as const;
const TRIALS = 10;

/** How the applications hold what they share. */
interface Policy {
  readonly name: string;
  readonly profile: Profile;
  /** Their own memory is registered, or a buffer of the kernel's is taken. */
  readonly from: 'own' | 'pool';
  /** Until the end, or only for a call that is over when the playback starts. */
  readonly held: boolean;
}

const PLAIN = PROFILES['linux-7.3'];
const LONGTERM: Profile = {
  ...PLAIN,
  name: 'linux-7.3 with long-term pins',
  tee: { ...PLAIN.tee, pinLongterm: true },
};

const POLICIES: readonly Policy[] = [
  { name: 'held, FOLL_PIN', profile: PLAIN, from: 'own', held: true },
  { name: 'held, FOLL_PIN | FOLL_LONGTERM', profile: LONGTERM, from: 'own', held: true },
  { name: 'registered for each call', profile: PLAIN, from: 'own', held: false },
  { name: 'from the pool (SHM_ALLOC)', profile: PLAIN, from: 'pool', held: true },
];

/** What one playback got. */
interface Trial {
  readonly success: boolean;
  /** Candidates that could not be emptied. */
  readonly busy: number;
  /** Pages that were copied elsewhere, by cma_alloc() and by the pins before it. */
  readonly moved: number;
  readonly movedByPins: number;
  /** Of cma_alloc(), by the host's clock. */
  readonly ns: number;
  /** Pages that were registered and lay in the area when the playback started. */
  readonly pinnedInArea: number;
}

export const cmaPlayback: Lab = {
  name: 'cma-playback',
  question: 'does secure playback get its contiguous buffer while applications share memory?',
  async run(host, options) {
    const rows: (readonly (string | number)[])[] = [];
    const series: { name: string; values: number[] }[] = [];
    for (const policy of POLICIES) {
      const values: number[] = [];
      for (const buffers of BUFFERS) {
        const trials = await trialsOf(host, policy, buffers, options);
        const got = trials.filter(({ success }) => success).length;
        values.push((100 * got) / TRIALS);
        rows.push(rowOf(policy, buffers, trials, options.timed));
      }
      series.push({ name: policy.name, values });
    }
    return result(options, rows, series);
  },
};

function result(
  { seed, timed }: LabOptions,
  rows: LabResult['rows'],
  series: { name: string; values: number[] }[],
): LabResult {
  return {
    lab: 'cma-playback',
    seed,
    columns: [
      'policy',
      'KiB shared',
      'pages pinned in CMA',
      'buffers got',
      'candidates busy',
      'pages moved',
      'pages moved by pins',
      ...(timed ? ['µs'] : []),
    ],
    rows,
    plot: {
      kind: 'lines',
      title: `a 2 MiB buffer out of a 4 MiB CMA area, ${TRIALS} trials each`,
      x: 'KiB that applications share with the TEE',
      y: 'buffers got, %',
      points: BUFFERS.map((n) => String((n * REGISTERED_PAGES * PAGE_SIZE) / KIB)),
      series,
    },
  };
}

function rowOf(policy: Policy, buffers: number, trials: readonly Trial[], timed: boolean) {
  const mean = (of: (trial: Trial) => number): number =>
    trials.reduce((sum, trial) => sum + of(trial), 0) / trials.length;
  const got = trials.filter(({ success }) => success).length;
  return [
    policy.name,
    (buffers * REGISTERED_PAGES * PAGE_SIZE) / KIB,
    mean(({ pinnedInArea }) => pinnedInArea),
    `${got} of ${trials.length}`,
    mean(({ busy }) => busy),
    mean(({ moved }) => moved),
    mean(({ movedByPins }) => movedByPins),
    ...(timed ? [mean(({ ns }) => ns) / 1000] : []),
  ];
}

async function trialsOf(
  host: Host,
  policy: Policy,
  buffers: number,
  { seed }: LabOptions,
): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  for (let n = 0; n < TRIALS; n++) trials.push(await trial(host, policy, buffers, seed + n));
  return trials;
}

async function trial(host: Host, policy: Policy, buffers: number, seed: number): Promise<Trial> {
  const { profile } = policy;
  using box = new Box(host, { profile, board: BOARD, supplicant: 'none', seed });
  const random = new SeededRandom(seed);
  const applications: ShmUser[] = [];
  for (let n = 0; n < APPLICATIONS; n++) {
    applications.push(await ShmUser.open(box, { name: `application ${n}` }));
  }
  const pieces = useMemory(applications, random);
  const { vmstat } = box.kernel.pages;
  const before = vmstat.pgmigrate_success;
  const fds = await share(policy, pieces, buffers, random);
  const movedByPins = vmstat.pgmigrate_success - before;
  if (!policy.held) for (const { user, fd } of fds) await user.close(fd);
  return { ...play(box), movedByPins };
}

interface Piece {
  readonly user: ShmUser;
  readonly at: Va;
  readonly pages: number;
}

/** Applications take memory in pieces, in turns that are drawn, and give a part of it back. */
function useMemory(applications: readonly ShmUser[], random: SeededRandom): readonly Piece[] {
  const pieces: Piece[] = [];
  for (let left = TOUCHED / PAGE_SIZE; left > 0;) {
    const user = applications[random.below(applications.length)]!;
    const pages = Math.min(left, REGISTERED_PAGES + random.below(MOST_PIECE_PAGES));
    const at = user.program.memory.memalign(PAGE_SIZE, pages * PAGE_SIZE);
    pieces.push({ user, at, pages });
    left -= pages;
  }
  return pieces;
}

/** Registers memory in so many pieces that are drawn, or takes as much from the kernel's pool. */
async function share(
  { from }: Policy,
  pieces: readonly Piece[],
  buffers: number,
  random: SeededRandom,
): Promise<readonly { readonly user: ShmUser; readonly fd: number }[]> {
  const large = pieces.filter(({ pages }) => pages >= REGISTERED_PAGES);
  const fds: { user: ShmUser; fd: number }[] = [];
  for (let n = 0; n < buffers; n++) {
    const [{ user, at, pages } = large[0]!] = large.splice(random.below(large.length), 1);
    const bytes = REGISTERED_PAGES * PAGE_SIZE;
    const first = va(at + random.below(pages - REGISTERED_PAGES + 1) * PAGE_SIZE);
    const fd = await (from === 'own' ? user.register(first, bytes) : user.alloc(bytes));
    if (fd < 0) throw new Error(`an application could not share ${bytes} bytes: ${fd}`);
    fds.push({ user, fd });
  }
  return fds;
}

/** The decoder asks for its buffer. */
function play(box: Box): Omit<Trial, 'movedByPins'> {
  const { defaultCma } = box.kernel.memory;
  if (defaultCma === undefined) throw new Error('the board has no CMA area');
  const { vmstat } = box.kernel.pages;
  const moved = vmstat.pgmigrate_success;
  let busy = 0;
  box.trace.setLevel('worlds');
  box.trace.addSink(({ name }) => void (busy += Number(name === 'cma.busy')));
  const end = defaultCma.base + defaultCma.count * PAGE_SIZE;
  const pinnedInArea = [...box.tee.registered]
    .flatMap(({ pages }) => pages)
    .filter((page) => page >= defaultCma.base && page < end).length;
  const { clock } = box.host;
  const started = clock.monotonicNs();
  const buffer = defaultCma.alloc({ count: BUFFER_PAGES, align: BUFFER_ALIGN });
  const ns = clock.monotonicNs() - started;
  return {
    success: buffer !== undefined,
    busy,
    moved: vmstat.pgmigrate_success - moved,
    ns,
    pinnedInArea,
  };
}
