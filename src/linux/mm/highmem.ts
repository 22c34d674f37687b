/**
 * Pages that the linear map does not reach, and the two ways to reach them: kmap(), which anybody may
 * use for as long as it lasts, and kmap_local_page(), which means something to its task only.
 *
 * Upstream counterpart: mm/highmem.c. Without CONFIG_HIGHMEM every page is in the linear map, and
 * all of this is arithmetic. Left out: the cache and TLB flushes.
 */
import { PAGE_SIZE, pageStart, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import { formatKernelVa, kernelVaOffset } from './kernel-layout.ts';
import type { HighmemLayout, LinearMap } from './kernel-layout.ts';

export interface HighmemOptions {
  readonly sched: Scheduler;
  readonly linear: LinearMap;
  /** Undefined without CONFIG_HIGHMEM. */
  readonly layout: HighmemLayout | undefined;
  /** kmap_to_page() knows kmap_local mappings, and warns of either kind (6.1). */
  readonly knowsKmapLocal: boolean;
  readonly warnOnce: (where: string) => void;
}

/** A page that the kernel has an address for. */
interface LocalMapping {
  readonly address: Va;
  readonly page: Pa;
}

/** kmap_ctrl of tasks; what runs outside of any task shares one. */
const NO_TASK = {};

export class Highmem {
  readonly #options: HighmemOptions;
  readonly #waitQueue: WaitQueue;
  /** pkmap_page_table and page_address_htable. */
  readonly #slots: (Pa | undefined)[] = [];
  readonly #slotOf = new Map<Pa, number>();
  /** pkmap_count: 0 unused; 1 mapped, but nobody's; above that, its users and one. */
  readonly #counts: number[] = [];
  #last = 0;
  readonly #locals = new WeakMap<object, LocalMapping[]>();

  constructor(options: HighmemOptions) {
    this.#options = options;
    this.#waitQueue = new WaitQueue(options.sched, 'pkmap_map_wait');
  }

  /** PageHighMem() */
  isHigh(page: Pa): boolean {
    const { linear } = this.#options;
    return !linear.contains(linear.toVirt(page));
  }

  /** page_address(): undefined for a high page that kmap() has not mapped. */
  pageAddress(page: Pa): Va | undefined {
    const { linear, layout } = this.#options;
    if (layout === undefined || !this.isHigh(page)) return linear.toVirt(page);
    const slot = this.#slotOf.get(page);
    return slot === undefined ? undefined : this.#pkmap(layout, slot);
  }

  /** kmap(): sleeps while all of the table is in use. */
  *kmap(page: Pa): Co<Va> {
    const { layout, linear } = this.#options;
    if (layout === undefined || !this.isHigh(page)) return linear.toVirt(page);
    let slot = this.#slotOf.get(page) ?? this.#freeSlot(layout, page);
    while (slot < 0) {
      yield* this.#waitQueue.wait('uninterruptible');
      slot = this.#slotOf.get(page) ?? this.#freeSlot(layout, page);
    }
    this.#counts[slot]! += 1;
    return this.#pkmap(layout, slot);
  }

  /** kunmap(): the mapping stays until its slot is needed. */
  kunmap(page: Pa): void {
    if (this.#options.layout === undefined || !this.isHigh(page)) return;
    const slot = this.#slotOf.get(page);
    const count = slot === undefined ? 0 : this.#counts[slot]!;
    if (count < 2) throw this.#bug('kunmap() of a page that is not mapped');
    this.#counts[slot!] = count - 1;
    if (count === 2) this.#waitQueue.wakeOne();
  }

  /** kmap_local_page(): for the task that runs; to be undone in reverse order. */
  kmapLocalPage(page: Pa): Va {
    const { layout, linear, sched } = this.#options;
    if (layout === undefined || !this.isHigh(page)) return linear.toVirt(page);
    const locals = this.#current();
    if (locals.length === layout.kmMaxIdx) throw this.#bug('too many kmap_local mappings');
    const index = locals.length + layout.kmMaxIdx * sched.currentCpu;
    const address = va(layout.fixKmapBegin - index * PAGE_SIZE);
    locals.push({ address, page });
    return address;
  }

  /** kunmap_local(), by an address in the page. */
  kunmapLocal(address: Va): void {
    if (!this.isKmapLocal(address)) return;
    const base = va(address - kernelVaOffset(address));
    if (this.#current().pop()?.address !== base) {
      throw this.#bug(`kunmap_local(${formatKernelVa(address)}) is out of order`);
    }
  }

  /** is_kmap_addr() */
  isKmapAddr(address: Va): boolean {
    return this.#isPkmap(address) || this.isKmapLocal(address);
  }

  isKmapLocal(address: Va): boolean {
    const { layout, sched } = this.#options;
    if (layout === undefined) return false;
    const { fixKmapBegin, kmMaxIdx } = layout;
    const end = fixKmapBegin - kmMaxIdx * sched.cpus * PAGE_SIZE;
    return address < fixKmapBegin + PAGE_SIZE && address >= end + PAGE_SIZE;
  }

  /** What the MMU of the CPU finds at a kmap address. */
  translate(address: Va): Pa | undefined {
    if (this.#isPkmap(address)) return this.#slots[this.#pkmapNr(address)];
    return this.#localPage(address);
  }

  /**
   * kmap_to_page(): the page behind an address of the kernel. Nobody should have to ask: it warns of
   * kmap addresses. Of what it does not know it makes the page that the linear map would have.
   */
  kmapToPage(address: Va): Pa {
    const { knowsKmapLocal, linear, warnOnce } = this.#options;
    const pkmap = this.#isPkmap(address);
    if (knowsKmapLocal && this.isKmapAddr(address)) warnOnce('mm/highmem.c __kmap_to_page');
    const known = pkmap || knowsKmapLocal ? this.translate(address) : undefined;
    return known ?? pageStart(linear.toPhys(address));
  }

  #current(): LocalMapping[] {
    const task: object = this.#options.sched.current ?? NO_TASK;
    let locals = this.#locals.get(task);
    if (locals === undefined) this.#locals.set(task, (locals = []));
    return locals;
  }

  #localPage(address: Va): Pa | undefined {
    if (!this.isKmapLocal(address)) return undefined;
    const base = address - kernelVaOffset(address);
    return this.#current().find((local) => local.address === base)?.page;
  }

  #isPkmap(address: Va): boolean {
    const { layout } = this.#options;
    if (layout === undefined) return false;
    return address >= layout.pkmapBase && address < layout.pkmapBase + layout.lastPkmap * PAGE_SIZE;
  }

  /** PKMAP_ADDR() */
  #pkmap(layout: HighmemLayout, slot: number): Va {
    return va(layout.pkmapBase + slot * PAGE_SIZE);
  }

  /** PKMAP_NR() */
  #pkmapNr(address: Va): number {
    return Math.floor((address - this.#options.layout!.pkmapBase) / PAGE_SIZE);
  }

  /** map_new_virtual(): the next slot that is unused, or -1. */
  #freeSlot({ lastPkmap }: HighmemLayout, page: Pa): number {
    for (let tries = 0; tries < lastPkmap; tries++) {
      this.#last = (this.#last + 1) % lastPkmap;
      if (this.#last === 0) {
        this.#flush();
        tries = 0;
      }
      if ((this.#counts[this.#last] ?? 0) !== 0) continue;
      this.#slots[this.#last] = page;
      this.#counts[this.#last] = 1;
      this.#slotOf.set(page, this.#last);
      return this.#last;
    }
    return -1;
  }

  /** flush_all_zero_pkmaps() */
  #flush(): void {
    for (const [page, slot] of this.#slotOf) {
      if (this.#counts[slot] !== 1) continue;
      this.#counts[slot] = 0;
      this.#slots[slot] = undefined;
      this.#slotOf.delete(page);
    }
  }

  #bug(text: string): Error {
    return this.#options.sched.halt('kernel BUG', text);
  }
}
