/** Rows as lines of a table, for a person; columns have fixed widths, so that rows can come singly. */
import type { Goal, Row } from './row.ts';

const WIDTHS = [36, 9, 8, 19, 36, 6, 8] as const;

export const HEADER = line(['', 'median', 'unit', 'p5 … p95', 'peer', 'ratio', 'goal']);

export function formatRow(row: Row): string {
  const { name, unit, median, p5, p95, peer, ratio, goal } = row;
  return line([
    name,
    figure(median),
    unit === 'us' ? 'µs' : unit,
    `${figure(p5)} … ${figure(p95)}`,
    peer === undefined ? '' : `${figure(peer.median)} ${peer.name}`,
    ratio === undefined ? '' : ratio.toFixed(2),
    goal === undefined ? '' : `${formatGoal(goal)} ${reached(row, goal) ? '✓' : '✗'}`,
  ]);
}

function line(cells: readonly string[]): string {
  const padded = cells.map((cell, n) => {
    const width = WIDTHS[n] ?? 0;
    return n === 1 ? cell.padStart(width) : cell.padEnd(width);
  });
  return padded.join(' ').trimEnd();
}

function formatGoal({ of, bound, value }: Goal): string {
  const text = { median: `${value}`, ratio: `${value} ×`, excess: `+${value}` }[of];
  return `${bound === 'at most' ? '≤' : '≥'} ${text}`;
}

function reached(row: Row, { of, bound, value }: Goal): boolean {
  const { median, ratio = NaN, peer } = row;
  const got = { median, ratio, excess: median - (peer?.median ?? NaN) }[of];
  return bound === 'at most' ? got <= value : got >= value;
}

/** Three digits, or all before the point. */
function figure(n: number): string {
  if (n >= 100) return n.toFixed(0);
  return n >= 10 ? n.toFixed(1) : n.toFixed(2);
}
