/**
 * The kernel's own addresses, and the pages behind them: the linear map, vmalloc, kmap, slab.
 *
 * Upstream counterparts: include/linux/mm.h (virt_to_page, page_address, get_page, put_page),
 * arch/arm64/include/asm/memory.h (virt_addr_valid). Arithmetic on an address that is none gives a
 * page that is none, or somebody else's: so it is here.
 */
import { PAGE_SIZE, pa, pageStart, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import { Highmem } from './highmem.ts';
import { KERNEL_LAYOUTS, LinearMap, VMALLOC_OFFSET, kernelVaOffset } from './kernel-layout.ts';
import type { KernelLayout, KernelLayoutName } from './kernel-layout.ts';
import type { PageAllocator } from './page-allocator.ts';
import { Slab } from './slab.ts';
import { Vmalloc } from './vmalloc.ts';

export interface KernelMapOptions {
  readonly pages: PageAllocator;
  readonly layout: KernelLayoutName;
  readonly printk: (text: string) => void;
}

export class KernelMap {
  readonly pages: PageAllocator;
  readonly layout: KernelLayout;
  readonly linear: LinearMap;
  readonly vmalloc: Vmalloc;
  readonly highmem: Highmem;
  readonly slab: Slab;
  readonly #printk: (text: string) => void;
  readonly #warned = new Set<string>();

  constructor({ pages, layout: name, printk }: KernelMapOptions) {
    const { slabPagesFrozen, kmapToPageKnowsLocal } = pages.switches;
    const layout = KERNEL_LAYOUTS[name];
    const { base } = pages.frames;
    const linear = new LinearMap(layout, base, lowmemEnd(pages, layout));
    this.pages = pages;
    this.layout = layout;
    this.linear = linear;
    this.#printk = printk;
    this.vmalloc = new Vmalloc({
      pages,
      start: layout.vmallocStart ?? va(linear.end + VMALLOC_OFFSET),
      end: layout.vmallocEnd,
      warn: printk,
    });
    this.highmem = new Highmem({
      sched: pages.sched,
      linear,
      layout: layout.highmem,
      knowsKmapLocal: kmapToPageKnowsLocal,
      warnOnce: (where) => this.warnOnce(where),
    });
    this.slab = new Slab({ pages, linear, frozen: slabPagesFrozen });
  }

  /** virt_addr_valid(): in the linear map, and RAM. */
  virtAddrValid(address: Va): boolean {
    return this.linear.contains(address);
  }

  /** is_vmalloc_addr() */
  isVmallocAddr(address: Va): boolean {
    return this.vmalloc.contains(address);
  }

  /** virt_to_page() */
  virtToPage(address: Va): Pa {
    return pageStart(this.linear.toPhys(address));
  }

  /** vmalloc_to_page(): undefined for NULL. */
  vmallocToPage(address: Va): Pa | undefined {
    return this.vmalloc.toPage(address);
  }

  /** Where the CPU that runs ends up; undefined when it faults. */
  translate(address: Va): Pa | undefined {
    if (this.linear.contains(address)) return this.linear.toPhys(address);
    const page = this.vmalloc.contains(address)
      ? this.vmalloc.toPage(address)
      : this.highmem.translate(address);
    return page === undefined ? undefined : pa(page + kernelVaOffset(address));
  }

  /** pfn_valid() */
  isRam(page: Pa): boolean {
    return this.pages.frames.base <= page && this.pages.port.bus.contains(page, PAGE_SIZE);
  }

  /** get_page(): there is no struct page behind what is not RAM. */
  getPage(page: Pa): void {
    if (!this.isRam(page)) throw this.#oops('get_page', page);
    if (this.slab.isFrozen(page)) this.warnOnce('include/linux/mm.h get_page');
    else this.pages.get(page);
  }

  /** put_page() */
  putPage(page: Pa): void {
    if (!this.isRam(page)) throw this.#oops('put_page', page);
    if (!this.slab.isFrozen(page)) this.pages.put(page);
  }

  /** WARN_ON_ONCE(): says so once for each place in the kernel. */
  warnOnce(where: string): void {
    if (this.#warned.has(where)) return;
    this.#warned.add(where);
    this.#printk(`WARNING: at ${where}`);
  }

  #oops(call: string, page: Pa): Error {
    const text = `Unable to handle kernel paging request: ${call}() of 0x${page.toString(16)}, which is no RAM`;
    return this.pages.sched.halt('kernel BUG', text);
  }
}

/** Where CONFIG_HIGHMEM is, ZONE_MOVABLE comes out of high memory, and may be all of it. */
function lowmemEnd({ frames, zones }: PageAllocator, layout: KernelLayout): number {
  const high = layout.highmem && zones.find(({ name }) => name === 'HIGHMEM' || name === 'MOVABLE');
  return frames.address(high?.start ?? frames.count);
}
