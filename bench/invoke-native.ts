/**
 * Invokes of an unmodified native client, beside the floor: a supervisor in C over the same
 * transport that answers without doing anything. Both run in the same placement, in turns: wherever
 * the scheduler puts them, and all on one CPU. Registered memory also in place, beside copies.
 */
import { fileURLToPath } from 'node:url';
import { TEEBOX, Workshop, onOneCpu, output } from './native.ts';
import { atMost, ratioAtMost } from './row.ts';
import type { Goal, Row } from './row.ts';
import { median } from './samples.ts';

const TA = fileURLToPath(new URL('floor/ta.ts', import.meta.url));
const ROUNDS = 3;
/** Invokes of each mode, of 1 MiB fewer: all in one run, so that the first compile the others. */
const COUNT = 5000;

const GOALS: Readonly<Record<string, Goal>> = {
  'invoke-empty': ratioAtMost(2.5),
  'invoke-registered-1m': atMost(300),
};
/** What is measured with registered memory in place too, beside the same with copies. */
const IN_PLACE = ['registered-4k', 'registered-1m'];
const IN_PLACE_GOALS: Readonly<Record<string, Goal>> = {
  'invoke-registered-1m': ratioAtMost(0.5),
};

export async function* invokeNative(): AsyncGenerator<Row> {
  using workshop = new Workshop();
  const client = workshop.compile('floor/invoke-client.c');
  const floor = [workshop.compile('floor/floor-supervisor.c')];
  const teebox = (...options: string[]): readonly string[] => [
    ...TEEBOX,
    'run',
    '-q',
    ...options,
    '--ta',
    TA,
    '--',
  ];
  const pin = onOneCpu();
  const placements = { '': [], ...(pin && { '-one-cpu': pin }) };
  for (const [suffix, prefix] of Object.entries(placements)) {
    const measure = (server: readonly string[], ...modes: string[]): Row[] =>
      JSON.parse(output([...prefix, ...server, client, '-n', `${COUNT}`, ...modes]));
    const rounds = Array.from({ length: ROUNDS }, () => ({
      floors: measure(floor),
      copied: measure(teebox()),
      inPlace: measure(teebox('--shm', 'inplace'), ...IN_PLACE),
    }));
    const floors = merge(rounds.map((round) => round.floors));
    const copied = merge(rounds.map((round) => round.copied));
    const inPlace = merge(rounds.map((round) => round.inPlace));
    yield* copied.map((row, n) => compare(row, floors[n]!, suffix));
    yield* inPlace.map((row) => besideCopies(row, copied, suffix));
  }
}

/** Medians of what several runs gave, row by row. */
function merge(runs: readonly (readonly Row[])[]): readonly Row[] {
  const [first = []] = runs;
  return first.map((row, n) => {
    const same = runs.map((rows) => rows[n]!);
    return {
      ...row,
      median: median(same.map((r) => r.median)),
      p5: median(same.map((r) => r.p5)),
      p95: median(same.map((r) => r.p95)),
      n: same.reduce((sum, r) => sum + r.n, 0),
    };
  });
}

function compare(row: Row, floor: Row, suffix: string): Row {
  const goal = GOALS[row.name];
  return {
    ...row,
    name: `${row.name}-native${suffix}`,
    peer: { name: 'C floor', median: floor.median },
    ratio: row.median / floor.median,
    ...(goal && { goal }),
  };
}

function besideCopies(row: Row, copied: readonly Row[], suffix: string): Row {
  const goal = IN_PLACE_GOALS[row.name];
  const peer = copied.find(({ name }) => name === row.name)!;
  return {
    ...row,
    name: `${row.name.replace('registered', 'inplace')}-native${suffix}`,
    peer: { name: 'copied', median: peer.median },
    ratio: row.median / peer.median,
    ...(goal && { goal }),
  };
}
