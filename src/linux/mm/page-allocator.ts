/**
 * Physical pages of one kernel: zones, blocks of pages, folios and references to them, counters.
 *
 * Upstream counterpart: mm/page_alloc.c, mm/swap.c (put_page). A page that is freed twice, while it
 * is mapped, or used after it was freed, stops the box as a kernel BUG.
 * Left out: per-CPU lists, compaction, NUMA, the OOM killer: what cannot be had is -ENOMEM.
 */
import { PAGE_SIZE, pa, roundUp } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { BusFault } from '../../machine/bus.ts';
import type { Access, BusPort } from '../../machine/bus.ts';
import type { Region } from '../../machine/machine.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import {
  GFP_KERNEL,
  __GFP_COMP,
  __GFP_DIRECT_RECLAIM,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NORETRY,
  __GFP_NOWARN,
  __GFP_ZERO,
  allowsCma,
  gfpMigrateType,
  gfpZone,
} from './gfp.ts';
import type { Gfp } from './gfp.ts';
import { MAX_PAGE_ORDER } from './migrate-type.ts';
import { explainNoPages } from './page-alloc-cause.ts';
import { PG_ANON, PG_DIRTY, PG_HEAD, PG_LRU, PageFrames } from './page-frames.ts';
import { folioPins } from './page-pin.ts';
import { PinList } from './pin-list.ts';
import { FolioOwners } from './rmap.ts';
import { SwapArea } from './swap.ts';
import { Reclaimer, reclaimRetries } from './vmscan.ts';
import { MM_LINUX_7_3 } from './switches.ts';
import type { MmSwitches } from './switches.ts';
import { PageVmstat } from './vmstat.ts';
import { setUpWatermarks } from './watermarks.ts';
import { ZONE_NAMES } from './zone.ts';
import type { Zone } from './zone.ts';
import { DEFAULT_ZONES, lowMark, makeZonelists, makeZones, reserveMark } from './zonelist.ts';
import type { MarkOf, ZoneSpec, Zonelists } from './zonelist.ts';

export interface PageAllocatorOptions {
  readonly sched: Scheduler;
  /** The kernel's way to memory. */
  readonly port: BusPort;
  /** What may be given out: `usableMemory()` of the device tree. Ascending. */
  readonly memory: readonly Region[];
  /** Ascending; MOVABLE, when there is one, is the last. */
  readonly zones?: readonly ZoneSpec[];
  /** sysctl vm.min_free_kbytes; by default the kernel's own estimate. */
  readonly minFreeKbytes?: number;
  /** Pages of the swap area; none by default. */
  readonly swapPages?: number;
  /** Those of linux-7.3 by default. */
  readonly switches?: MmSwitches;
  /** Nothing is printed without. */
  readonly printk?: (text: string, level: 'warning') => void;
}

/** get_order(): the least order whose block holds `bytes`; 52 for 0, as on any 64-bit kernel. */
export function getOrder(bytes: number): number {
  if (bytes === 0) return 52;
  let order = 0;
  while (PAGE_SIZE * 2 ** order < bytes) order += 1;
  return order;
}

export class PageAllocator {
  readonly sched: Scheduler;
  readonly port: BusPort;
  readonly frames: PageFrames;
  /** Ascending by address; without memory those that the machine has none for. */
  readonly zones: readonly Zone[];
  /** Frame of the page of zeros that untouched anonymous memory reads (ZERO_PAGE). */
  readonly zeroFrame: number;
  readonly switches: MmSwitches;
  readonly vmstat = new PageVmstat();
  readonly pins = new PinList();
  /** Whom folios belong to. */
  readonly owners = new FolioOwners();
  readonly swap: SwapArea;
  readonly reclaimer: Reclaimer;
  #zonelists: Zonelists;
  readonly #minFreeKbytes: number | undefined;
  readonly #printk: (text: string, level: 'warning') => void;
  /** PF_MEMALLOC_PIN of the task that runs. */
  #memallocPin = false;
  #warnedTooLarge = false;

  constructor(options: PageAllocatorOptions) {
    const { bus } = options.port;
    const specs = options.zones ?? DEFAULT_ZONES;
    this.sched = options.sched;
    this.port = options.port;
    this.switches = options.switches ?? MM_LINUX_7_3;
    this.frames = new PageFrames(bus, specs.length);
    this.swap = new SwapArea(options.swapPages ?? 0);
    this.reclaimer = new Reclaimer(this);
    this.#minFreeKbytes = options.minFreeKbytes;
    this.#printk = options.printk ?? (() => {});
    this.zones = makeZones(this.frames, specs);
    for (const { base, size } of options.memory) {
      this.#addMemory(this.frames.frame(base), this.frames.frame(pa(base + size)));
    }
    this.#zonelists = makeZonelists(this.zones);
    this.zeroFrame = this.allocFrames(0, GFP_KERNEL);
    if (this.zeroFrame < 0) throw new Error('a kernel needs memory of its own');
    this.zero(this.frames.address(this.zeroFrame), PAGE_SIZE);
    setUpWatermarks(this.zones, this.#minFreeKbytes);
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

  /**
   * cma_activate_area(): pageblocks that the allocator did not have become a CMA area's. False when
   * they are of several zones: then they are memory like any other.
   */
  addCmaMemory(from: number, to: number): boolean {
    const zone = this.zoneOf(from);
    const isWithin = zone.contains(to - 1);
    if (isWithin) zone.addCmaMemory(from, to);
    else this.#addMemory(from, to);
    this.#zonelists = makeZonelists(this.zones);
    setUpWatermarks(this.zones, this.#minFreeKbytes);
    return isWithin;
  }

  /** memalloc_pin_save(): pages that come now will be pinned for long. Returns what to restore. */
  memallocPinSave(): boolean {
    const before = this.#memallocPin;
    this.#memallocPin = true;
    return before;
  }

  /** memalloc_pin_restore() */
  memallocPinRestore(before: boolean): void {
    this.#memallocPin = before;
  }

  // --- blocks
  /**
   * alloc_pages(): a block of 2^order pages; its first page has one reference, the others none.
   * With __GFP_COMP it is one folio. Undefined, with a cause, for -ENOMEM.
   */
  alloc(order: number, gfp: Gfp = GFP_KERNEL): Pa | undefined {
    const frame = this.allocFrames(order, gfp);
    if (frame >= 0) return this.frames.address(frame);
    if ((gfp & __GFP_NOWARN) === 0) this.#exhausted(order, gfp);
    return undefined;
  }

  /** free_pages(): a block as it was allocated. A page that is referenced elsewhere stays. */
  free(address: Pa, order: number): void {
    const frame = this.frames.frame(address);
    if (this.#dropRef(frame)) this.#release(frame, order);
    else if (this.frames.order[frame] === 0) this.#releaseRange(frame + 1, frame + (1 << order));
  }

  /**
   * alloc_pages_exact(): contiguous whole pages for `bytes`, zeroed, each with a reference of its
   * own; at most the largest block. Undefined, with a cause, for -ENOMEM.
   */
  allocExact(bytes: number, gfp: Gfp = GFP_KERNEL): Pa | undefined {
    const frame = this.allocExactFrames(Math.ceil(bytes / PAGE_SIZE), gfp);
    if (frame < 0) {
      this.#exhausted(getOrder(bytes), gfp);
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
  /** The bytes of a frame, for the kernel. */
  frameBytes(frame: number, access: Access): Uint8Array<ArrayBuffer> {
    return this.kernelBytes(this.frames.address(frame), PAGE_SIZE, access);
  }

  /** swap_writepage(): a slot with a reference and the content of a frame; -1 for none. */
  swapOut(frame: number): number {
    const slot = this.swap.write(this.frameBytes(frame, 'read'));
    if (slot >= 0) this.vmstat.pswpout += 1;
    return slot;
  }

  /** swap_readpage() into a new page; the slot loses the reference of who asks. */
  swapIn(frame: number, slot: number): void {
    this.frameBytes(frame, 'write').set(this.swap.read(slot));
    this.swap.put(slot);
    this.vmstat.pswpin += 1;
  }

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
    return this.frames.refs[this.frames.folio(this.frames.frame(address))]!;
  }

  /** Pins on the folio of a page; of a small one 1024 other references look like one. */
  pinCount(address: Pa): number {
    return folioPins(this.frames, this.frames.folio(this.frames.frame(address)));
  }

  // --- the same by frame number, for the rest of mm
  /** As `alloc`, but -1 and no cause when there is none. */
  allocFrames(order: number, gfp: Gfp): number {
    if (order > MAX_PAGE_ORDER) return this.#tooLarge(gfp);
    const flags = this.#context(gfp);
    const frame = this.#fromFreelist(order, flags, lowMark);
    return frame >= 0 ? frame : this.#allocSlow(order, flags);
  }

  /** This very block, when `allocFrames` could take it without reclaiming anything. */
  allocFramesAt(frame: number, order: number, gfp: Gfp): boolean {
    const flags = this.#context(gfp);
    const cma = allowsCma(flags);
    const zone = this.#zonelists[gfpZone(flags)].find((candidate) =>
      candidate.watermarkOk(order, candidate.watermarks.low, cma),
    );
    if (zone === undefined || !zone.contains(frame)) return false;
    if (!zone.allocAt(frame, order, gfpMigrateType(flags), cma)) return false;
    this.#allocated(zone, frame, order, flags);
    return true;
  }

  /** `pages` contiguous frames with a reference each (split_page), from `at` if possible; or -1. */
  allocExactFrames(pages: number, gfp: Gfp, at = -1): number {
    const order = getOrder(pages * PAGE_SIZE);
    const there = at >= 0 && this.allocFramesAt(at, order, gfp);
    const frame = there ? at : this.allocFrames(order, gfp);
    if (frame < 0) return frame;
    this.frames.refs.fill(1, frame, frame + pages);
    this.#releaseRange(frame + pages, frame + (1 << order));
    return frame;
  }

  /** folio_get() */
  getFrame(frame: number): void {
    const folio = this.frames.folio(frame);
    if (this.frames.refs[folio]! === 0) throw this.#bad(folio, 'is used and free');
    this.frames.refs[folio]! += 1;
  }

  /** folio_put() */
  putFrame(frame: number): void {
    const folio = this.frames.folio(frame);
    if (this.#dropRef(folio)) this.#release(folio, this.frames.order[folio]!);
  }

  /** Frees a folio whose last reference was not dropped through `putFrame` (folio_put_refs). */
  releaseFrame(folio: number): void {
    this.#release(folio, this.frames.order[folio]!);
  }

  /** folio_isolate_lru(): takes a reference, and the right to move or free the folio; or false. */
  isolateFolio(folio: number): boolean {
    const { flags, refs } = this.frames;
    if ((flags[folio]! & PG_LRU) === 0 || refs[folio]! <= 0) return false;
    refs[folio]! += 1;
    flags[folio]! &= ~PG_LRU;
    return true;
  }

  /** folio_putback_lru() */
  putbackFolio(folio: number): void {
    this.frames.flags[folio]! |= PG_LRU;
    this.putFrame(folio);
  }

  /**
   * folio_mark_dirty(): a page of a cache has content that its file, or the swap area, has not.
   * One that was truncated meanwhile has no file any more.
   */
  markDirty(frame: number): void {
    const folio = this.frames.folio(frame);
    if (this.owners.cache(this.frames.mapping[folio]!) === undefined) return;
    this.frames.flags[folio]! |= PG_DIRTY;
  }

  /** Takes a block that is free, with a reference for each page (split_map_pages). */
  takeFreeBlock(frame: number): number {
    const pages = 1 << (this.frames.buddy[frame]! - 1);
    this.zoneOf(frame).takeFree(frame);
    this.frames.refs.fill(1, frame, frame + pages);
    return pages;
  }

  /** page_zone() */
  zoneOf(frame: number): Zone {
    for (const zone of this.zones) if (frame < zone.end) return zone;
    throw this.#bad(frame, 'is in no zone');
  }

  /** current_gfp_context() */
  #context(gfp: Gfp): Gfp {
    return this.#memallocPin ? gfp & ~__GFP_MOVABLE : gfp;
  }

  /** get_page_from_freelist() */
  #fromFreelist(order: number, gfp: Gfp, markOf: MarkOf): number {
    const type = gfpMigrateType(gfp);
    const cma = allowsCma(gfp);
    for (const zone of this.#zonelists[gfpZone(gfp)]) {
      if (!zone.watermarkOk(order, markOf(zone, gfp), cma)) continue;
      const frame = zone.alloc(order, type, cma);
      if (frame >= 0) return this.#allocated(zone, frame, order, gfp);
    }
    return -1;
  }

  /** __alloc_pages_slowpath() */
  #allocSlow(order: number, gfp: Gfp): number {
    const zones = this.#zonelists[gfpZone(gfp)];
    if ((gfp & __GFP_KSWAPD_RECLAIM) !== 0) this.reclaimer.balance(zones);
    let frame = this.#fromFreelist(order, gfp, reserveMark);
    if ((gfp & __GFP_DIRECT_RECLAIM) === 0) return frame;
    const tries = (gfp & __GFP_NORETRY) === 0 ? reclaimRetries(order) : 1;
    for (let n = 0; n < tries && frame < 0 && this.reclaimer.direct(zones, order); n++) {
      frame = this.#fromFreelist(order, gfp, reserveMark);
    }
    return frame;
  }

  /** post_alloc_hook(), prep_compound_page() */
  #allocated(zone: Zone, frame: number, order: number, gfp: Gfp): number {
    const { frames } = this;
    frames.refs[frame] = 1;
    if (order > 0 && (gfp & __GFP_COMP) !== 0) {
      frames.flags[frame] = PG_HEAD;
      frames.order[frame] = order;
      for (let i = 1; i < 1 << order; i++) frames.tail[frame + i] = i;
    }
    if ((gfp & __GFP_ZERO) !== 0) this.zero(frames.address(frame), PAGE_SIZE << order);
    this.#account(zone);
    return frame;
  }

  #dropRef(folio: number): boolean {
    if (this.frames.refs[folio]! === 0) throw this.#bad(folio, 'is freed twice');
    return (this.frames.refs[folio]! -= 1) === 0;
  }

  /** free_pages_prepare(): what is mapped, or in a page cache, must not come here. */
  #release(frame: number, order: number): void {
    const { flags, mapping, mapcount, tail, order: orders } = this.frames;
    if (mapcount[frame] !== 0) throw this.#bad(frame, 'has a nonzero mapcount');
    if (mapping[frame] !== 0 && (flags[frame]! & PG_ANON) === 0) {
      throw this.#bad(frame, 'has a non-NULL mapping');
    }
    if ((flags[frame]! & PG_HEAD) !== 0) {
      tail.fill(0, frame, frame + (1 << order));
      orders[frame] = 0;
    }
    flags[frame] = 0;
    mapping[frame] = 0;
    const zone = this.zoneOf(frame);
    zone.free(frame, order);
    this.#account(zone);
  }

  #releaseRange(from: number, to: number): void {
    if (from === to) return;
    const zone = this.zoneOf(from);
    zone.freeRange(from, to);
    this.#account(zone);
  }

  #addMemory(from: number, to: number): void {
    for (const zone of this.zones) {
      const first = Math.max(from, zone.start);
      const last = Math.min(to, zone.end);
      if (first < last) zone.addMemory(first, last);
    }
  }

  #account(zone: Zone): void {
    const { trace } = this.sched;
    if (!trace.pools) return;
    const used = zone.managedPages - zone.freePages;
    const name = `zone ${ZONE_NAMES[zone.name]}`;
    trace.pool('linux', { name, used, limit: zone.managedPages, unit: 'pages' });
  }

  #exhausted(order: number, gfp: Gfp): void {
    explainNoPages(this.sched.trace, this.#zonelists[gfpZone(gfp)], order);
  }

  /** WARN_ON_ONCE_GFP(): no block is as large as that, so who asks has made a mistake. */
  #tooLarge(gfp: Gfp): -1 {
    if ((gfp & __GFP_NOWARN) !== 0 || this.#warnedTooLarge) return -1;
    this.#warnedTooLarge = true;
    this.#printk('WARNING: at mm/page_alloc.c __alloc_pages', 'warning');
    return -1;
  }

  #bad(frame: number, what: string): Error {
    const pfn = this.frames.pfn(frame).toString(16);
    return this.sched.halt('kernel BUG', `Bad page state: pfn:${pfn} ${what}`);
  }
}
