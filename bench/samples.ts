/**
 * Timing. A subject and its peers take turns, batch by batch, so that whatever else the machine does
 * hits all of them; what is reported are medians over the batches, after a warm-up. Batches are so
 * short that most of them are not interrupted.
 */
import type { Goal, Row, Unit } from './row.ts';

/** Something to be timed. */
export interface Work {
  readonly name: string;
  /** Does it so many times. */
  run(times: number): void | Promise<void>;
}

export interface TimingOptions {
  /** Wall-clock time of all works together after their warm-up, milliseconds. */
  readonly ms?: number;
}

/** Microseconds of one operation: one sample a batch. */
export type Samples = readonly number[];

const DEFAULT_MS = 1000;
/** So often done, and for so long, the longest path has been compiled for good; or given up on. */
const WARM_UP = { operations: 20_000, leastMs: 100, mostMs: 1000 } as const;
const BATCH_MS = 0.5;
const FEWEST_BATCHES = 5;

/** A work whose operation is a function. */
export const work = (name: string, once: () => void): Work => ({
  name,
  run(times) {
    for (let i = 0; i < times; i++) once();
  },
});

/** The value of a call that does not block. */
export function now<T>(value: T | Promise<T>): T {
  if (value instanceof Promise) throw new Error('the call has blocked');
  return value;
}

/** Times works in turns. @returns samples by work, in the works' order. */
export async function inTurns(
  works: readonly Work[],
  { ms = DEFAULT_MS }: TimingOptions = {},
): Promise<readonly Samples[]> {
  const entries = works.map((entry) => ({ entry, times: 1, samples: [] as number[] }));
  for (const subject of entries) subject.times = await warmUp(subject.entry);
  const end = performance.now() + ms;
  for (let batch = 0; batch < FEWEST_BATCHES || performance.now() < end; batch++) {
    for (const { entry, times, samples } of entries) {
      samples.push((1000 * (await timed(entry, times))) / times);
      await turn();
    }
  }
  return entries.map(({ samples }) => samples);
}

/** What has become ready meanwhile runs: until then it keeps whole boxes from being collected. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Runs a work until it is compiled. @returns how often it is to be done in a batch. */
async function warmUp(entry: Work): Promise<number> {
  const start = performance.now();
  let times = 1;
  for (let done = 0; ; done += times) {
    const took = await timed(entry, times);
    await turn();
    const ms = performance.now() - start;
    const warm = done >= WARM_UP.operations && ms >= WARM_UP.leastMs;
    if (warm || ms >= WARM_UP.mostMs) return fastest(entry, times);
    if (took < BATCH_MS) times *= 2;
  }
}

/** Batches of compiled code may have become too short, or were too long when it was not yet. */
async function fastest(entry: Work, times: number): Promise<number> {
  const tries: number[] = [];
  for (let i = 0; i < FEWEST_BATCHES; i++) tries.push(await timed(entry, times));
  const once = Math.min(...tries) / times;
  return Math.max(1, Math.round(BATCH_MS / once));
}

async function timed(entry: Work, times: number): Promise<number> {
  const start = performance.now();
  const running = entry.run(times);
  if (running !== undefined) await running;
  return performance.now() - start;
}

export interface RowOptions {
  readonly unit?: Unit;
  /** From a sample to the unit of the row. */
  readonly convert?: (sample: number) => number;
  readonly peer?: { readonly name: string; readonly samples: Samples };
  readonly goal?: Goal;
}

/** A row from samples; without options they are microseconds and stay so. */
export function rowOf(name: string, samples: Samples, options: RowOptions = {}): Row {
  const { unit = 'us', convert = (sample) => sample, peer, goal } = options;
  const own = samples.map(convert).sort(ascending);
  const peerMedian = peer && quantile(peer.samples.map(convert).sort(ascending), 0.5);
  const median = quantile(own, 0.5);
  return {
    name,
    unit,
    median,
    p5: quantile(own, 0.05),
    p95: quantile(own, 0.95),
    n: own.length,
    ...(peer &&
      peerMedian !== undefined && {
        peer: { name: peer.name, median: peerMedian },
        ratio: median / peerMedian,
      }),
    ...(goal && { goal }),
  };
}

const ascending = (a: number, b: number): number => a - b;

export const median = (numbers: readonly number[]): number =>
  quantile([...numbers].sort(ascending), 0.5);

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.floor(q * (sorted.length - 1))] ?? NaN;
}

/** Times a work beside a peer: the row of the first. */
export async function beside(
  subject: Work,
  peer: Work,
  options: Omit<RowOptions, 'peer'> & TimingOptions = {},
): Promise<Row> {
  const [own = [], other = []] = await inTurns([subject, peer], options);
  return rowOf(subject.name, own, { ...options, peer: { name: peer.name, samples: other } });
}
