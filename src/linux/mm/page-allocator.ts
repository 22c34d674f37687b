/**
 * Physical pages of one kernel: zones, blocks of pages, references to pages, and counters.
 *
 * Upstream counterpart: mm/page_alloc.c, mm/swap.c (put_page). A page that is freed twice, or used
 * after it was freed, stops the box as a kernel BUG.
 * Left out: reclaim, CMA, watermarks (the last free page is given out), compound pages, NUMA.
 */
import { PAGE_SIZE, roundUp } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { BusFault } from '../../machine/bus.ts';
import type { Access, BusPort } from '../../machine/bus.ts';
import type { Region } from '../../machine/machine.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import { MAX_PAGE_ORDER, MIGRATE_MOVABLE, MIGRATE_UNMOVABLE } from './migrate-type.ts';
import type { MigrateType } from './migrate-type.ts';
import { GUP_PIN_COUNTING_SHIFT, PageFrames } from './page-frames.ts';
import { Zone } from './zone.ts';
import type { ZoneName } from './zone.ts';

/** A zone reaches from the one before it to `end` (a physical address). */
export interface ZoneSpec {
  readonly name: ZoneName;
  readonly end: number;
}

const DEFAULT_ZONES: readonly ZoneSpec[] = [
  { name: 'DMA32', end: 2 ** 32 },
  { name: 'NORMAL', end: Infinity },
];

export interface PageAllocatorOptions {
  readonly sched: Scheduler;
  /** The kernel's way to memory. */
  readonly port: BusPort;
  /** What may be given out: `usableMemory()` of the device tree. Ascending. */
  readonly memory: readonly Region[];
  /** Ascending; MOVABLE, when there is one, is the last. */
  readonly zones?: readonly ZoneSpec[];
}

/** get_order(): the least order whose block holds `bytes`; 52 for 0, as on any 64-bit kernel. */
export function getOrder(bytes: number): number {
  if (bytes === 0) return 52;
  let order = 0;
  while (PAGE_SIZE * 2 ** order < bytes) order += 1;
  return order;
}

/** Event counters of /proc/vmstat that belong to pages. */
export interface PageVmstat {
  nr_foll_pin_acquired: number;
  nr_foll_pin_released: number;
}

export class PageAllocator {
  readonly sched: Scheduler;
  readonly port: BusPort;
  readonly frames: PageFrames;
  /** Ascending by address; without memory those that the machine has none for. */
  readonly zones: readonly Zone[];
  /** Frame of the page of zeros that untouched anonymous memory reads (ZERO_PAGE). */
  readonly zeroFrame: number;
  readonly vmstat: PageVmstat = { nr_foll_pin_acquired: 0, nr_foll_pin_released: 0 };
  /** Zones in the order of preference, for movable pages and for all others. */
  readonly #movableZones: readonly Zone[];
  readonly #kernelZones: readonly Zone[];

  constructor(options: PageAllocatorOptions) {
    const { bus } = options.port;
    const specs = options.zones ?? DEFAULT_ZONES;
    this.sched = options.sched;
    this.port = options.port;
    this.frames = new PageFrames(bus.base, bus.size, specs.length);
    this.zones = makeZones(this.frames, specs);
    for (const region of options.memory) this.#addMemory(region);
    this.#movableZones = this.zones.filter((zone) => zone.managedPages > 0).toReversed();
    this.#kernelZones = this.#movableZones.filter((zone) => zone.name !== 'MOVABLE');
    this.zeroFrame = this.allocFrames(0, MIGRATE_UNMOVABLE);
    if (this.zeroFrame < 0) throw new Error('a kernel needs memory of its own');
    this.zero(this.frames.address(this.zeroFrame), PAGE_SIZE);
  }

  get managedPages(): number {
    return this.zones.reduce((sum, zone) => sum + zone.managedPages, 0);
  }

  get freePages(): number {
    return this.zones.reduce((sum, zone) => sum + zone.freePages, 0);
  }

  get usedPages(): number {
    return this.managedPages - this.freePages;
  }

  /** Pins that nobody has released yet, page by page. */
  get pinsOutstanding(): number {
    return this.vmstat.nr_foll_pin_acquired - this.vmstat.nr_foll_pin_released;
  }

  // --- blocks
  /**
   * alloc_pages(): a block of 2^order pages, not zeroed; its first page has one reference, the
   * others none. Undefined, with a cause, for -ENOMEM.
   */
  alloc(order: number, type: MigrateType = MIGRATE_UNMOVABLE): Pa | undefined {
    const frame = this.allocFrames(order, type);
    if (frame >= 0) return this.frames.address(frame);
    this.#exhausted(order, type);
    return undefined;
  }

  /** free_pages(): a block as it was allocated. A page that is referenced elsewhere stays. */
  free(address: Pa, order: number): void {
    const frame = this.frames.frame(address);
    if (this.#dropRef(frame)) this.#release(frame, order);
    else this.#releaseRange(frame + 1, frame + (1 << order));
  }

  /**
   * alloc_pages_exact(): contiguous whole pages for `bytes`, zeroed, each with a reference of its
   * own; at most the largest block. Undefined, with a cause, for -ENOMEM.
   */
  allocExact(bytes: number, type: MigrateType = MIGRATE_UNMOVABLE): Pa | undefined {
    const frame = this.allocExactFrames(Math.ceil(bytes / PAGE_SIZE), type);
    if (frame < 0) {
      this.#exhausted(getOrder(bytes), type);
      return undefined;
    }
    const address = this.frames.address(frame);
    this.zero(address, bytes);
    return address;
  }

  /** free_pages_exact() */
  freeExact(address: Pa, bytes: number): void {
    const first = this.frames.frame(address);
    const pages = Math.ceil(bytes / PAGE_SIZE);
    for (let frame = first; frame < first + pages; frame++) this.putFrame(frame);
  }

  /** Zeroes whole pages. */
  zero(address: Pa, bytes: number): void {
    this.kernelBytes(address, roundUp(bytes, PAGE_SIZE), 'write').fill(0);
  }

  /** Memory as the kernel itself reaches it. A page that is closed to it stops the box. */
  kernelBytes(address: Pa, length: number, access: Access): Uint8Array<ArrayBuffer> {
    try {
      return this.port.bytes(address, length, access);
    } catch (error) {
      if (!(error instanceof BusFault)) throw error;
      throw this.sched.halt('kernel BUG', `synchronous external abort: ${error.message}`, error);
    }
  }

  // --- references
  /** get_page() */
  get(address: Pa): void {
    this.getFrame(this.frames.frame(address));
  }

  /** put_page(): the last one frees the page. */
  put(address: Pa): void {
    this.putFrame(this.frames.frame(address));
  }

  /** page_count() */
  refCount(address: Pa): number {
    return this.frames.refs[this.frames.frame(address)]!;
  }

  /** Pins on a page; as upstream counts them, 1024 references of another kind look like one. */
  pinCount(address: Pa): number {
    return this.refCount(address) >>> GUP_PIN_COUNTING_SHIFT;
  }

  // --- the same by frame number, for the rest of mm
  /** As `alloc`, but -1 and no cause (__GFP_NOWARN) when there is none. */
  allocFrames(order: number, type: MigrateType): number {
    if (order > MAX_PAGE_ORDER) return -1;
    const zones = type === MIGRATE_MOVABLE ? this.#movableZones : this.#kernelZones;
    for (const zone of zones) {
      const frame = zone.alloc(order, type);
      if (frame >= 0) return this.#allocated(zone, frame);
    }
    return -1;
  }

  /** This very block, when it is free and of the type. */
  allocFramesAt(frame: number, order: number, type: MigrateType): boolean {
    const zone = this.zones.find((candidate) => candidate.contains(frame));
    if (zone === undefined || !zone.allocAt(frame, order, type)) return false;
    this.#allocated(zone, frame);
    return true;
  }

  /** `pages` contiguous frames with a reference each (split_page), from `at` if possible; or -1. */
  allocExactFrames(pages: number, type: MigrateType, at = -1): number {
    const order = getOrder(pages * PAGE_SIZE);
    const there = at >= 0 && this.allocFramesAt(at, order, type);
    const frame = there ? at : this.allocFrames(order, type);
    if (frame < 0) return frame;
    this.frames.refs.fill(1, frame, frame + pages);
    this.#releaseRange(frame + pages, frame + (1 << order));
    return frame;
  }

  getFrame(frame: number): void {
    if (this.frames.refs[frame]! === 0) throw this.#bad(frame, 'is used and free');
    this.frames.refs[frame]! += 1;
  }

  putFrame(frame: number): void {
    if (this.#dropRef(frame)) this.#release(frame, 0);
  }

  /** Frees a page whose last reference was not dropped through `putFrame` (folio_put_refs). */
  releaseFrame(frame: number): void {
    this.#release(frame, 0);
  }

  #allocated(zone: Zone, frame: number): number {
    this.frames.refs[frame] = 1;
    this.#account(zone);
    return frame;
  }

  #dropRef(frame: number): boolean {
    if (this.frames.refs[frame]! === 0) throw this.#bad(frame, 'is freed twice');
    return (this.frames.refs[frame]! -= 1) === 0;
  }

  #release(frame: number, order: number): void {
    this.frames.flags[frame] = 0;
    const zone = this.#zoneOf(frame);
    zone.free(frame, order);
    this.#account(zone);
  }

  #releaseRange(from: number, to: number): void {
    if (from === to) return;
    const zone = this.#zoneOf(from);
    zone.freeRange(from, to);
    this.#account(zone);
  }

  #zoneOf(frame: number): Zone {
    for (const zone of this.zones) if (frame < zone.end) return zone;
    throw this.#bad(frame, 'is in no zone');
  }

  #addMemory(region: Region): void {
    const from = this.frames.frame(region.base);
    const to = from + region.size / PAGE_SIZE;
    for (const zone of this.zones) {
      const first = Math.max(from, zone.start);
      const last = Math.min(to, zone.end);
      if (first < last) zone.addMemory(first, last);
    }
  }

  #account(zone: Zone): void {
    const { trace } = this.sched;
    if (!trace.worlds) return;
    const used = zone.managedPages - zone.freePages;
    const name = `zone ${zone.name}`;
    trace.emit('linux', 'pool', { name, used, limit: zone.managedPages, unit: 'pages' });
  }

  #exhausted(order: number, type: MigrateType): void {
    const zones = type === MIGRATE_MOVABLE ? this.#movableZones : this.#kernelZones;
    const largest = zones.reduce((most, zone) => Math.max(most, zone.largestFreeOrder()), -1);
    const tooLarge = order > MAX_PAGE_ORDER;
    this.sched.trace.cause('linux', {
      layer: 'linux/mm',
      code: '-ENOMEM',
      text: tooLarge ? 'no block is that large' : 'no free block is large enough',
      object: zones.map((zone) => `zone ${zone.name}`).join(', '),
      requested: PAGE_SIZE * 2 ** order,
      available: largest < 0 ? 0 : PAGE_SIZE * 2 ** largest,
      limit: tooLarge
        ? `MAX_PAGE_ORDER=${MAX_PAGE_ORDER}`
        : `RAM of the zones: ${zones.reduce((sum, zone) => sum + zone.managedPages, 0)} pages`,
      hint: tooLarge
        ? 'contiguous memory comes in blocks of at most 4 MiB: use several, or register user memory'
        : 'look for memory that is never freed, or give the box more RAM',
    });
  }

  #bad(frame: number, what: string): Error {
    const pfn = (this.frames.address(frame) / PAGE_SIZE).toString(16);
    return this.sched.halt('kernel BUG', `Bad page state: pfn:${pfn} ${what}`);
  }
}

function makeZones(frames: PageFrames, specs: readonly ZoneSpec[]): readonly Zone[] {
  let start = 0;
  return specs.map((spec, index) => {
    const limit = Math.floor((spec.end - frames.base) / PAGE_SIZE);
    const end = Math.min(frames.count, Math.max(start, limit));
    const zone = new Zone(frames, index, spec.name, start, end);
    start = end;
    return zone;
  });
}
