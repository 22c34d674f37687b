/**
 * What physical memory looks like: who has each page frame, and how much of what is free where.
 *
 * Upstream counterparts: /proc/zoneinfo, buddyinfo, pagetypeinfo, kpageflags and vmstat,
 * /sys/kernel/mm/cma. Nothing is changed by a look, and it costs a pass over the frames.
 */
import type { Pa } from '../../machine/address.ts';
import type { DeviceTree } from '../../machine/machine.ts';
import type { CmaArea } from './cma.ts';
import { usableMemory } from './memblock.ts';
import type { Memory } from './mm-init.ts';
import type { MmStruct } from './mm-struct.ts';
import { MAX_PAGE_ORDER, MIGRATE_CMA, MIGRATE_MOVABLE, MIGRATE_TYPES } from './migrate-type.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_ANON } from './page-frames.ts';
import { maybeDmaPinned } from './page-pin.ts';
import { rmapWalk } from './rmap.ts';
import type { PageVmstat } from './vmstat.ts';
import { ZONE_NAMES } from './zone.ts';
import type { Watermarks, Zone } from './zone.ts';

/** Who has a page, in words; a state is an index here. */
export const PAGE_STATES = [
  'reserved',
  'free',
  'free CMA',
  'kernel',
  'anonymous',
  'page cache',
  'pinned',
  'CMA buffer',
] as const;

export type PageState = (typeof PAGE_STATES)[number];

const stateOf = (name: PageState): number => PAGE_STATES.indexOf(name);
const FREE = stateOf('free');
const FREE_CMA = stateOf('free CMA');
const KERNEL = stateOf('kernel');
const ANON = stateOf('anonymous');
const CACHE = stateOf('page cache');
const PINNED = stateOf('pinned');
const CMA_BUFFER = stateOf('CMA buffer');

/** Migrate types as /proc/pagetypeinfo names them. */
export const MIGRATE_TYPE_NAMES: readonly string[] = [
  'Unmovable',
  'Movable',
  'Reclaimable',
  'HighAtomic',
  'CMA',
  'Isolate',
];

/** So many pages in a row. */
export interface PageRun {
  readonly state: PageState;
  readonly pages: number;
}

/** All page frames from `base` on. */
export interface PageMap {
  readonly base: number;
  readonly runs: readonly PageRun[];
}

export interface ZoneView {
  /** As /proc/zoneinfo has it. */
  readonly name: string;
  /** Physical addresses: the first, and the one behind the last. */
  readonly start: number;
  readonly end: number;
  /** Pages. */
  readonly managed: number;
  readonly free: number;
  readonly freeCma: number;
  readonly watermarks: Watermarks;
  /** Free blocks by migrate type, then by order; types without any are left out. */
  readonly freeBlocks: Readonly<Record<string, readonly number[]>>;
}

/** Who has borrowed pages of a CMA area. */
export interface Occupant {
  readonly owner: string;
  /** Pages of the area, and how many of them are pinned. */
  readonly pages: number;
  readonly pinned: number;
}

export interface CmaView {
  readonly name: string;
  readonly base: number;
  /** Pages. */
  readonly count: number;
  readonly buffers: number;
  readonly lent: number;
  readonly pinned: number;
  readonly free: number;
  readonly allocPagesSuccess: number;
  readonly allocPagesFail: number;
  readonly occupants: readonly Occupant[];
}

export interface MemoryView {
  readonly zones: readonly ZoneView[];
  readonly cma: readonly CmaView[];
  /** Pages in each state. */
  readonly pages: Readonly<Record<PageState, number>>;
  readonly vmstat: Readonly<Record<keyof PageVmstat, number>>;
  /** Slots of the swap area. */
  readonly swap: { readonly used: number; readonly limit: number };
  readonly map: PageMap;
}

/**
 * @param ownerOf names the process that an address space belongs to.
 * @param standIns pages that are pinned in the place of a native program's.
 */
export function inspectMemory(
  memory: Memory,
  tree: DeviceTree,
  ownerOf: (mm: MmStruct) => string,
  standIns: readonly Pa[] = [],
): MemoryView {
  const { pages } = memory;
  const blocks = new FreeBlocks(pages.zones);
  const states = pageStates(memory, tree, blocks);
  for (const page of standIns) states[pages.frames.frame(page)] = PINNED;
  const runs = runsOf(states);
  return {
    zones: pages.zones.map((zone) => zoneView(pages, zone, blocks)),
    cma: memory.cma.map((area) => cmaView(pages, area, states, ownerOf)),
    pages: totals(runs),
    vmstat: Object.assign({}, pages.vmstat),
    swap: { used: pages.swap.used, limit: pages.swap.limit },
    map: { base: pages.frames.base, runs },
  };
}

/** Free blocks by zone, migrate type and order. */
class FreeBlocks {
  readonly #counts: ReadonlyMap<Zone, readonly number[][]>;

  constructor(zones: readonly Zone[]) {
    const none = (): number[] => Array.from({ length: MAX_PAGE_ORDER + 1 }, () => 0);
    this.#counts = new Map(
      zones.map((zone) => [zone, Array.from({ length: MIGRATE_TYPES }, none)]),
    );
  }

  add(zone: Zone, type: number, order: number): void {
    this.#counts.get(zone)![type]![order]! += 1;
  }

  of(zone: Zone): Readonly<Record<string, readonly number[]>> {
    const named = this.#counts
      .get(zone)!
      .map((orders, type): [string, readonly number[]] => [MIGRATE_TYPE_NAMES[type]!, orders]);
    return Object.fromEntries(named.filter(([, orders]) => orders.some((count) => count > 0)));
  }
}

/** The state of each frame; free blocks are counted on the way. */
function pageStates(memory: Memory, tree: DeviceTree, blocks: FreeBlocks): Uint8Array {
  const { pages, cma } = memory;
  const { frames } = pages;
  const states = new Uint8Array(frames.count);
  for (const region of usableMemory(tree)) {
    const start = frames.frame(region.base);
    markRegion(pages, states, blocks, start, frames.frame((region.base + region.size) as Pa));
  }
  for (const zone of pages.zones) {
    for (const { next, end } of zone.deferred) {
      states.fill(FREE, next, end);
      for (let at = next; at < end; at += 1 << MAX_PAGE_ORDER) {
        blocks.add(zone, MIGRATE_MOVABLE, MAX_PAGE_ORDER);
      }
    }
  }
  for (const area of cma) markBuffers(pages, states, area);
  return states;
}

function markRegion(
  pages: PageAllocator,
  states: Uint8Array,
  blocks: FreeBlocks,
  start: number,
  end: number,
): void {
  const { buddy } = pages.frames;
  for (let frame = start; frame < end;) {
    const order = buddy[frame]! - 1;
    if (order < 0) {
      states[frame] = usedState(pages, frame);
      frame += 1;
      continue;
    }
    const type = pages.frames.blockType(frame);
    states.fill(type === MIGRATE_CMA ? FREE_CMA : FREE, frame, frame + (1 << order));
    blocks.add(pages.zoneOf(frame), type, order);
    frame += 1 << order;
  }
}

function usedState({ frames, owners }: PageAllocator, frame: number): number {
  const folio = frames.folio(frame);
  // Pages of a block that is no folio have no references of their own.
  if (frames.refs[folio]! > 0 && maybeDmaPinned(frames, folio)) return PINNED;
  if (frames.mapping[folio] === 0) return KERNEL;
  if ((frames.flags[folio]! & PG_ANON) !== 0) return ANON;
  return owners.cache(frames.mapping[folio]!) === undefined ? KERNEL : CACHE;
}

function markBuffers({ frames }: PageAllocator, states: Uint8Array, area: CmaArea): void {
  const start = frames.frame(area.base);
  for (let frame = start; frame < start + area.count; frame++) {
    if (area.isAllocated(frames.address(frame))) states[frame] = CMA_BUFFER;
  }
}

function zoneView({ frames }: PageAllocator, zone: Zone, blocks: FreeBlocks): ZoneView {
  return {
    name: ZONE_NAMES[zone.name],
    start: frames.address(zone.start),
    end: frames.address(zone.end),
    managed: zone.managedPages,
    free: zone.freePages,
    freeCma: zone.freeCmaPages,
    watermarks: zone.watermarks,
    freeBlocks: blocks.of(zone),
  };
}

function cmaView(
  pages: PageAllocator,
  area: CmaArea,
  states: Uint8Array,
  ownerOf: (mm: MmStruct) => string,
): CmaView {
  const start = pages.frames.frame(area.base);
  const own = states.subarray(start, start + area.count);
  const count = (state: number): number => own.reduce((n, s) => n + Number(s === state), 0);
  return {
    name: area.name,
    base: area.base,
    count: area.count,
    buffers: count(CMA_BUFFER),
    lent: area.count - count(CMA_BUFFER) - count(FREE_CMA),
    pinned: count(PINNED),
    free: count(FREE_CMA),
    allocPagesSuccess: area.allocPagesSuccess,
    allocPagesFail: area.allocPagesFail,
    occupants: occupantsOf(pages, area, states, ownerOf),
  };
}

function occupantsOf(
  pages: PageAllocator,
  area: CmaArea,
  states: Uint8Array,
  ownerOf: (mm: MmStruct) => string,
): readonly Occupant[] {
  const { frames } = pages;
  const found = new Map<string, { pages: number; pinned: number }>();
  const start = frames.frame(area.base);
  for (let frame = start; frame < start + area.count; frame++) {
    const state = states[frame]!;
    if (state === FREE_CMA || state === CMA_BUFFER) continue;
    const owner = mapperOf(pages, frame, ownerOf);
    const line = found.get(owner) ?? { pages: 0, pinned: 0 };
    line.pages += 1;
    line.pinned += Number(state === PINNED);
    found.set(owner, line);
  }
  return [...found].map(([owner, line]) => ({ owner, ...line }));
}

/** Whose address space shows a page: one of them, when there are several. */
function mapperOf(pages: PageAllocator, frame: number, ownerOf: (mm: MmStruct) => string): string {
  const mms: MmStruct[] = [];
  const folio = pages.frames.folio(frame);
  rmapWalk(pages, folio, (mm) => void mms.push(mm));
  const [mm] = mms;
  if (mm !== undefined) return ownerOf(mm);
  return pages.owners.cache(pages.frames.mapping[folio]!) === undefined ? 'nobody' : 'a file';
}

function runsOf(states: Uint8Array): PageRun[] {
  const runs: PageRun[] = [];
  for (let at = 0; at < states.length;) {
    let end = at + 1;
    while (end < states.length && states[end] === states[at]) end += 1;
    runs.push({ state: PAGE_STATES[states[at]!]!, pages: end - at });
    at = end;
  }
  return runs;
}

function totals(runs: readonly PageRun[]): Record<PageState, number> {
  const sums = PAGE_STATES.map((name): [PageState, number] => [
    name,
    runs.reduce((sum, { state, pages }) => sum + (state === name ? pages : 0), 0),
  ]);
  return Object.fromEntries(sums) as Record<PageState, number>;
}
