/**
 * What a lab is: an experiment on boxes, with a question, a seed, a table and a plot. What comes out
 * is what the box's own kernel and secure world answered; nothing is drawn but the workload, and
 * that from the seed.
 */
import type { Host } from '../host/host.ts';
import type { Plot } from './plot.ts';

export type Cell = string | number;

export interface LabResult {
  readonly lab: string;
  readonly seed: number;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  readonly plot: Plot;
}

export interface LabOptions {
  /** Of the workload; each trial has one of its own, counted up from here. */
  readonly seed: number;
  /** Adds what the host's clock says, which is not the same twice. */
  readonly timed: boolean;
}

export interface Lab {
  readonly name: string;
  /** What it asks, in a line. */
  readonly question: string;
  run(host: Host, options: LabOptions): Promise<LabResult>;
}
