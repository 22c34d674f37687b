/** What a benchmark gives: rows of figures, beside those of a peer that ran in turn with it. */

/** One figure. `us` and `ms` are times of one operation; of the other units more is better. */
export interface Row {
  readonly name: string;
  readonly unit: Unit;
  readonly median: number;
  readonly p5: number;
  readonly p95: number;
  /** Samples that the three are of. */
  readonly n: number;
  readonly peer?: { readonly name: string; readonly median: number };
  /** Of the medians, to the peer's. */
  readonly ratio?: number;
  readonly goal?: Goal;
}

export type Unit = 'us' | 'ms' | 'ns' | 'MB/s' | 'boxes/s' | 'KiB';

/** What has to be reached; it is printed, never asserted. */
export interface Goal {
  /** `excess`: the median less the peer's. */
  readonly of: 'median' | 'ratio' | 'excess';
  readonly bound: 'at most' | 'at least';
  readonly value: number;
}

export const atMost = (value: number): Goal => ({ of: 'median', bound: 'at most', value });
export const overPeerAtMost = (value: number): Goal => ({ of: 'excess', bound: 'at most', value });
export const ratioAtMost = (value: number): Goal => ({ of: 'ratio', bound: 'at most', value });
export const ratioAtLeast = (value: number): Goal => ({ of: 'ratio', bound: 'at least', value });

/** One benchmark: gives its rows as they are measured. @throws Unavailable */
export type Benchmark = () => AsyncGenerator<Row, void, void>;

/** What a benchmark needs is not on this machine. */
export class Unavailable extends Error {}
