/**
 * Invokes of an unmodified native client, beside the floor: a supervisor in C over the same
 * transport that answers without doing anything. Both run in the same placement, in turns: wherever
 * the scheduler puts them, and all on one CPU.
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

export async function* invokeNative(): AsyncGenerator<Row> {
  using workshop = new Workshop();
  const client = workshop.compile('floor/invoke-client.c');
  const floor = [workshop.compile('floor/floor-supervisor.c')];
  const teebox = [...TEEBOX, 'run', '-q', '--ta', TA, '--'];
  const pin = onOneCpu();
  const placements = { '': [], ...(pin && { '-one-cpu': pin }) };
  for (const [suffix, prefix] of Object.entries(placements)) {
    const measure = (server: readonly string[]): Row[] =>
      JSON.parse(output([...prefix, ...server, client, '-n', `${COUNT}`]));
    const rounds = Array.from({ length: ROUNDS }, () => [measure(floor), measure(teebox)] as const);
    const floors = merge(rounds.map(([round]) => round));
    const own = merge(rounds.map(([, round]) => round));
    yield* own.map((row, n) => compare(row, floors[n]!, suffix));
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
