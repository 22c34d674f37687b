/** A lab's plot: lines over a common axis, or a grid of outcomes; drawn as SVG. */
import { element, svg, text } from '../box/svg.ts';

/** Lines over points that stand at equal distances. */
export interface LinePlot {
  readonly kind: 'lines';
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly points: readonly string[];
  /** One value a point. */
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
}

/** How a cell of a grid is to be read. */
export type Verdict = 'good' | 'refused' | 'bad';

export interface GridPlot {
  readonly kind: 'grid';
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly {
    readonly name: string;
    readonly cells: readonly { readonly text: string; readonly verdict: Verdict }[];
  }[];
}

export type Plot = LinePlot | GridPlot;

export const drawPlot = (plot: Plot): string =>
  plot.kind === 'lines' ? drawLines(plot) : drawGrid(plot);

const COLOURS = ['#c0392b', '#2b6cb0', '#2f855a', '#b7791f', '#6b46c1', '#4a5568'] as const;
/** Lines that lie on each other stay visible. */
const DASHES = ['', '7 4', '2 3', '9 3 2 3', '4 2', '1 4'] as const;

const LEFT = 70;
const TOP = 40;
const WIDTH = 560;
const HEIGHT = 260;
const LINE = 18;

/**
 * Where an axis ends whose quarters are short numbers: 10, 12, 16, 20, 28, 32, 40, 60, 80, 100 and so
 * on; 1 for no values.
 */
function niceEnd(most: number): number {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 1.2, 1.6, 2, 2.8, 3.2, 4, 6, 8, 10].find((one) => one * power >= most) ?? 10;
  return step * power;
}

function drawLines(plot: LinePlot): string {
  const { title, x, y, points, series } = plot;
  const most = niceEnd(Math.max(...series.flatMap(({ values }) => values)));
  const xAt = (n: number): number => LEFT + (n * WIDTH) / Math.max(1, points.length - 1);
  const yAt = (value: number): number => TOP + HEIGHT * (1 - value / most);
  const bottom = TOP + HEIGHT;
  const axis = element('path', {
    d: `M${LEFT} ${TOP}V${bottom}H${LEFT + WIDTH}`,
    fill: 'none',
    stroke: '#444',
  });
  const ticks = points.map((point, n) => text(xAt(n), bottom + 16, point, middle));
  const levels = [0, 0.25, 0.5, 0.75, 1].flatMap((part) => {
    const at = yAt(most * part);
    const rule = element('path', { d: `M${LEFT} ${at}h${WIDTH}`, stroke: '#e2e2e2' });
    const label = String(Number((most * part).toPrecision(3)));
    return [rule, text(LEFT - 8, at + 4, label, { 'text-anchor': 'end' })];
  });
  const lines = series.map(({ values }, n) => {
    const path = values.map((value, i) => `${i === 0 ? 'M' : 'L'}${xAt(i)} ${yAt(value)}`);
    const look = { fill: 'none', stroke: colour(n), 'stroke-width': 2 };
    return element('path', { d: path.join(''), ...look, 'stroke-dasharray': dash(n) });
  });
  const names = series.flatMap(({ name }, n) => {
    const at = bottom + 50 + (n + 1) * LINE;
    const sample = { d: `M${LEFT} ${at - 4}h28`, stroke: colour(n), 'stroke-width': 2 };
    return [element('path', { ...sample, 'stroke-dasharray': dash(n) }), text(LEFT + 36, at, name)];
  });
  const titles = [
    text(LEFT, 20, title, { 'font-weight': 'bold' }),
    text(LEFT + WIDTH / 2, bottom + 40, x, middle),
    text(16, TOP + HEIGHT / 2, y, {
      ...middle,
      transform: `rotate(-90 16 ${TOP + HEIGHT / 2})`,
    }),
  ];
  const height = bottom + 60 + (series.length + 1) * LINE;
  const parts = [...titles, ...levels, axis, ...ticks, ...lines, ...names];
  return svg(LEFT + WIDTH + 40, height, title, parts);
}

const middle = { 'text-anchor': 'middle' } as const;
const colour = (n: number): string => COLOURS[n % COLOURS.length]!;
const dash = (n: number): string => DASHES[n % DASHES.length]!;

const FILLS: { readonly [V in Verdict]: string } = {
  good: '#d7efdc',
  refused: '#fdf0c8',
  bad: '#f6c9c4',
};
const NAME = 240;
const ROW = 36;
/** Widths of letters, and of what is around a cell's text. */
const LETTER = 6;
const HEAD_LETTER = 7;
const PADDING = 12;

/** As wide as the longest text. */
function cellWidth({ columns, rows }: GridPlot): number {
  const cells = rows.flatMap(({ cells: of }) => of.map(({ text: words }) => words.length * LETTER));
  return Math.max(...cells, ...columns.map((name) => name.length * HEAD_LETTER), 0) + PADDING;
}

function drawGrid(plot: GridPlot): string {
  const { title, columns, rows } = plot;
  const width = cellWidth(plot);
  const middleOf = (n: number): number => NAME + (n + 0.5) * width;
  const heads = columns.map((name, n) => text(middleOf(n), TOP + 14, name, middle));
  const body = rows.flatMap(({ name, cells }, row) => {
    const y = TOP + 24 + row * ROW;
    const drawn = cells.flatMap((cell, n) => {
      const box = { x: NAME + n * width + 1, y, width: width - 2, height: ROW - 2 };
      return [
        element('rect', { ...box, fill: FILLS[cell.verdict] }),
        text(middleOf(n), y + ROW / 2 + 3, cell.text, {
          ...middle,
          'font-size': 10,
        }),
      ];
    });
    return [text(8, y + ROW / 2 + 3, name), ...drawn];
  });
  const head = text(8, 20, title, { 'font-weight': 'bold' });
  const height = TOP + 34 + rows.length * ROW;
  return svg(NAME + columns.length * width + 10, height, title, [head, ...heads, ...body]);
}
