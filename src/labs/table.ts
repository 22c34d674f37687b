/** A lab's table as text and as Markdown. */
import type { Cell, LabResult } from './lab.ts';

const textOf = (cell: Cell): string => (typeof cell === 'number' ? String(round(cell)) : cell);

/** Numbers have three digits that count. */
function round(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(3));
}

export function formatTable({ columns, rows }: LabResult): string {
  const cells = [columns, ...rows.map((row) => row.map((cell) => textOf(cell)))];
  const widths = columns.map((_, n) => Math.max(...cells.map((row) => (row[n] ?? '').length)));
  const isNumber = columns.map((_, n) => rows.every((row) => typeof row[n] === 'number'));
  const lines = cells.map((row) =>
    row
      .map((cell, n) =>
        isNumber[n] === true ? cell.padStart(widths[n]!) : cell.padEnd(widths[n]!),
      )
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

export function markdownTable({ columns, rows }: LabResult): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const body = rows.map((row) => line(row.map((cell) => textOf(cell))));
  return [line(columns), line(columns.map(() => '---')), ...body].join('\n');
}
