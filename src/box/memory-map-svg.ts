/**
 * Physical memory as a picture: a row is a pageblock (2 MiB), a step to the right a page, the
 * colour who has it. Several moments stand side by side.
 */
import { PAGE_SIZE } from '../machine/address.ts';
import { PAGE_STATES } from '../linux/mm/inspect.ts';
import type { PageMap, PageState } from '../linux/mm/inspect.ts';
import { PAGEBLOCK_NR_PAGES } from '../linux/mm/migrate-type.ts';
import { formatPages } from './memory-text.ts';
import { element, svg, text } from './svg.ts';

const COLOURS: { readonly [S in PageState]: string } = {
  reserved: '#c8c8c8',
  free: '#f4f7f4',
  'free CMA': '#d9e8fb',
  kernel: '#8c7ab8',
  anonymous: '#f0b95b',
  'page cache': '#7fbf9a',
  pinned: '#c0392b',
  'CMA buffer': '#2b6cb0',
};

/** A moment's memory. */
export interface MapPanel {
  readonly title: string;
  readonly map: PageMap;
}

const ROW = 8;
const TOP = 30;
const LEFT = 90;
const GAP = 24;
const LEGEND = 26;
/** Every so many rows have their address beside them. */
const LABELLED = 8;

export function memoryMapSvg(panels: readonly MapPanel[]): string {
  const rows = Math.max(...panels.map(({ map }) => Math.ceil(pagesOf(map) / PAGEBLOCK_NR_PAGES)));
  const width = LEFT + panels.length * (PAGEBLOCK_NR_PAGES + GAP);
  const bottom = TOP + rows * ROW;
  const parts = [
    ...rowLabels(panels[0]?.map.base ?? 0, rows),
    ...panels.flatMap((panel, n) => panelParts(panel, LEFT + n * (PAGEBLOCK_NR_PAGES + GAP))),
    ...legend(panels, bottom + GAP),
  ];
  return svg(width, bottom + GAP + LEGEND * 2, 'physical memory, page by page', parts);
}

const pagesOf = ({ runs }: PageMap): number => runs.reduce((sum, { pages }) => sum + pages, 0);

function rowLabels(base: number, rows: number): string[] {
  const labels: string[] = [];
  for (let row = 0; row < rows; row += LABELLED) {
    const address = base + row * PAGEBLOCK_NR_PAGES * PAGE_SIZE;
    const more = { 'text-anchor': 'end', 'font-size': 9 };
    labels.push(text(LEFT - 8, TOP + row * ROW + ROW, `0x${address.toString(16)}`, more));
  }
  return labels;
}

function panelParts({ title, map }: MapPanel, left: number): string[] {
  const parts = [text(left, TOP - 10, title)];
  let at = 0;
  for (const { state, pages } of map.runs) {
    parts.push(...runRects(state, at, pages, left));
    at += pages;
  }
  return parts;
}

/** A run's part of each row; whole rows between are one rectangle. */
function runRects(state: PageState, first: number, pages: number, left: number): string[] {
  const rects: string[] = [];
  const end = first + pages;
  for (let at = first; at < end;) {
    const column = at % PAGEBLOCK_NR_PAGES;
    const whole = column === 0 ? Math.floor((end - at) / PAGEBLOCK_NR_PAGES) : 0;
    const count = whole > 0 ? PAGEBLOCK_NR_PAGES : Math.min(end - at, PAGEBLOCK_NR_PAGES - column);
    const rows = Math.max(1, whole);
    rects.push(
      element('rect', {
        x: left + column,
        y: TOP + Math.floor(at / PAGEBLOCK_NR_PAGES) * ROW,
        width: count,
        height: rows * ROW - (rows === 1 ? 1 : 0),
        fill: COLOURS[state],
      }),
    );
    at += count * rows;
  }
  return rects;
}

/** The states that occur, with how much each moment has of them. */
function legend(panels: readonly MapPanel[], top: number): string[] {
  const amounts = panels.map(({ map }) => {
    const sums = new Map<PageState, number>();
    for (const { state, pages } of map.runs) sums.set(state, (sums.get(state) ?? 0) + pages);
    return sums;
  });
  const shown = PAGE_STATES.filter((state) => amounts.some((sums) => sums.has(state)));
  const step = (LEFT + panels.length * (PAGEBLOCK_NR_PAGES + GAP)) / Math.max(4, shown.length / 2);
  return shown.flatMap((state, n) => {
    const perRow = Math.ceil(shown.length / 2);
    const x = 8 + (n % perRow) * step;
    const y = top + Math.floor(n / perRow) * LEGEND;
    const sizes = amounts.map((sums) => formatPages(sums.get(state) ?? 0)).join(' → ');
    return [
      element('rect', {
        x,
        y: y - 10,
        width: 12,
        height: 12,
        fill: COLOURS[state],
        stroke: '#888',
      }),
      text(x + 18, y, `${state}: ${sizes}`),
    ];
  });
}
