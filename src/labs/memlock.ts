/**
 * One greedy user registers all the memory it can, many others a little: who is served, with and
 * without pins being held against RLIMIT_MEMLOCK, as reviewers asked for in 2023.
 */
import { CAP_IPC_LOCK } from '../abi/capability.ts';
import { formatErrno } from '../abi/errno.ts';
import { QEMU_ARMV8 } from '../boards/boards.ts';
import { Box } from '../box/box.ts';
import { PROFILES } from '../box/profiles.ts';
import type { Profile } from '../box/profiles.ts';
import type { Host } from '../host/host.ts';
import { SeededRandom } from '../sched/random.ts';
import type { Lab, LabResult } from './lab.ts';
import { ShmUser, tryMalloc } from './shm-user.ts';

const MIB = 1 << 20;
const BOARD = { ...QEMU_ARMV8, ramBytes: 48 * MIB };
const LIMIT = 8 * MIB;
const BUFFER = 64 * 1024;
const GREEDY_UID = 1000;
const OTHERS = 8;
const ROUNDS = 12;
/** The greedy user's buffers in a round; everybody else has one. */
const GREED = 64;
/** /dev/tee0 is everybody's. */
const NODE_ACCESS = () => ({ mode: 0o666, uid: 0, gid: 0 });

interface Case {
  readonly name: string;
  readonly profile: Profile;
  readonly greedyCapabilities: readonly number[];
}

const CASES: readonly Case[] = [
  { name: 'not charged (linux-7.3)', profile: PROFILES['linux-7.3'], greedyCapabilities: [] },
  { name: 'charged (hardened)', profile: PROFILES.hardened, greedyCapabilities: [] },
  {
    name: 'charged, greedy has CAP_IPC_LOCK',
    profile: PROFILES.hardened,
    greedyCapabilities: [CAP_IPC_LOCK],
  },
];

/** One user's luck so far. */
class Tally {
  readonly user: ShmUser;
  bytes = 0;
  refused = 0;
  /** Of the first refusal. */
  error = '';
  why = '';

  constructor(user: ShmUser) {
    this.user = user;
  }

  /** One buffer more, of memory that is this user's for good. */
  async takeOne(box: Box): Promise<void> {
    const { program } = this.user;
    const at = tryMalloc(program, BUFFER);
    if (at === undefined) {
      this.#refuse('malloc() is NULL', 'RAM');
      return;
    }
    const fd = await this.user.register(at, BUFFER);
    if (fd >= 0) {
      this.bytes += BUFFER;
      return;
    }
    program.memory.free(at);
    this.#refuse(formatErrno(fd), lastLimit(box));
  }

  #refuse(error: string, why: string): void {
    this.refused += 1;
    if (this.error !== '') return;
    this.error = error;
    this.why = why;
  }
}

/** What the last cause says was short: the limit, or the thing that was full. */
function lastLimit({ statistics }: Box): string {
  const cause = statistics.causes.at(-1)?.cause;
  return cause?.limit ?? cause?.object ?? cause?.text ?? '';
}

export const memlock: Lab = {
  name: 'memlock',
  question: 'who is served when one user registers all the memory it can?',
  async run(host, { seed }) {
    const rows: (readonly (string | number)[])[] = [];
    const series: { name: string; values: number[] }[] = [];
    for (const which of CASES) {
      const { row, greedy, others } = await runCase(host, which, seed);
      rows.push(row);
      series.push({ name: `greedy, ${which.name}`, values: greedy });
      series.push({ name: `all others, ${which.name}`, values: others });
    }
    return { lab: 'memlock', seed, columns: COLUMNS, rows, plot: plotOf(series) };
  },
};

const COLUMNS = [
  'pins',
  'greedy MiB',
  'stopped by',
  'what was short',
  'others served',
  'their error',
  'pages pinned after the kill',
];

const plotOf = (series: { name: string; values: number[] }[]): LabResult['plot'] => ({
  kind: 'lines',
  title: `${LIMIT / MIB} MiB of RLIMIT_MEMLOCK, one greedy user, ${OTHERS} others`,
  x: 'round',
  y: 'MiB registered',
  points: Array.from({ length: ROUNDS }, (_, n) => String(n + 1)),
  series,
});

async function runCase(host: Host, { name, profile, greedyCapabilities }: Case, seed: number) {
  using box = new Box(host, {
    profile,
    board: BOARD,
    supplicant: 'none',
    seed,
    trace: 'calls',
    nodeAccess: NODE_ACCESS,
  });
  const random = new SeededRandom(seed);
  const capabilities = greedyCapabilities;
  const greedy = await userOf(box, { name: 'greedy', uid: GREEDY_UID, capabilities });
  const others: Tally[] = [];
  for (let n = 1; n <= OTHERS; n++) {
    others.push(await userOf(box, { name: `user ${n}`, uid: GREEDY_UID + n }));
  }
  const progress = { greedy: [] as number[], others: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    // The others come at a moment that is drawn.
    const before = random.below(GREED + 1);
    for (let n = 0; n < before; n++) await greedy.takeOne(box);
    for (const other of others) await other.takeOne(box);
    for (let n = before; n < GREED; n++) await greedy.takeOne(box);
    progress.greedy.push(greedy.bytes / MIB);
    progress.others.push(others.reduce((sum, { bytes }) => sum + bytes, 0) / MIB);
  }
  const served = others.reduce((sum, { bytes }) => sum + bytes / BUFFER, 0);
  const unlucky = others.find(({ refused }) => refused > 0);
  const ofOthers = [...box.tee.registered].reduce(
    (sum, shm) => sum + (shm.registeredBy?.name === 'greedy' ? 0 : shm.pages.length),
    0,
  );
  await greedy.user.program.exit(1);
  await box.settle();
  const row = [
    name,
    greedy.bytes / MIB,
    greedy.error || 'nothing',
    greedy.why,
    `${served} of ${OTHERS * ROUNDS}`,
    unlucky?.error ?? 'none',
    box.kernel.pages.pinsOutstanding - ofOthers,
  ];
  return { row, ...progress };
}

const userOf = async (
  box: Box,
  options: { name: string; uid: number; capabilities?: readonly number[] },
): Promise<Tally> => new Tally(await ShmUser.open(box, { ...options, memlock: LIMIT }));
