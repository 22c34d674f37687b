/**
 * Virtually contiguous kernel memory of pages that need not follow each other.
 *
 * Upstream counterpart: mm/vmalloc.c. Left out: lazy unmapping (an address is free again at once),
 * huge pages, per-CPU blocks of vm_map_ram().
 */
import { PAGE_SIZE, pagesFor, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import { GFP_KERNEL, __GFP_ZERO } from './gfp.ts';
import { formatKernelVa } from './kernel-layout.ts';
import type { PageAllocator } from './page-allocator.ts';

/** struct vm_struct: pages, then a guard page. */
interface VmArea {
  readonly start: Va;
  readonly pages: readonly Pa[];
  /** VM_MAP_PUT_PAGES: the area's own, as vmalloc() got them. */
  readonly owned: boolean;
}

export interface VmallocOptions {
  readonly pages: PageAllocator;
  readonly start: Va;
  readonly end: Va;
  readonly warn: (text: string) => void;
}

export class Vmalloc {
  readonly start: Va;
  readonly end: Va;
  readonly #allocator: PageAllocator;
  readonly #warn: (text: string) => void;
  /** Ascending. */
  readonly #areas: VmArea[] = [];
  #warnedZero = false;

  constructor({ pages, start, end, warn }: VmallocOptions) {
    this.#allocator = pages;
    this.start = start;
    this.end = end;
    this.#warn = warn;
  }

  /** Pages that areas show (VmallocUsed). */
  get usedPages(): number {
    return this.#areas.reduce((sum, { pages }) => sum + pages.length, 0);
  }

  /** is_vmalloc_addr(): by its value; nothing need be there. */
  contains(address: Va): boolean {
    return address >= this.start && address < this.end;
  }

  /** vmalloc(): undefined for no bytes, and without memory. */
  vmalloc(bytes: number): Va | undefined {
    return this.#alloc(bytes, GFP_KERNEL);
  }

  /** vzalloc() */
  vzalloc(bytes: number): Va | undefined {
    return this.#alloc(bytes, GFP_KERNEL | __GFP_ZERO);
  }

  /** vmap(): shows pages that somebody else owns. Undefined for none, or without room. */
  vmap(pages: readonly Pa[]): Va | undefined {
    return this.#insert(pages, false);
  }

  /** vunmap(): the pages stay. */
  vunmap(address: Va): void {
    this.#remove(address, 'vunmap');
  }

  /** vfree(): NULL is taken. An address that vmalloc() did not give is warned of, and stays. */
  vfree(address: Va): void {
    if (address === 0) return;
    const area = this.#remove(address, 'vfree');
    if (area?.owned === true) this.#free(area.pages);
  }

  /** vmalloc_to_page(): undefined where no area is. */
  toPage(address: Va): Pa | undefined {
    const area = this.#areas[this.#behind(address) - 1];
    return area?.pages[Math.floor((address - area.start) / PAGE_SIZE)];
  }

  /** __vmalloc_node_range() */
  #alloc(bytes: number, gfp: number): Va | undefined {
    const count = pagesFor(bytes);
    if (count === 0) return this.#warnZero();
    const { managedPages } = this.#allocator;
    if (count > managedPages) return this.#error(bytes, 'exceeds total pages');
    if (this.#findRoom(count) === undefined) {
      return this.#error(bytes, 'vm_struct allocation failed');
    }
    const pages: Pa[] = [];
    while (pages.length < count) {
      const page = this.#allocator.alloc(0, gfp);
      if (page === undefined) {
        this.#free(pages);
        return this.#error(count * PAGE_SIZE, 'page order 0, failed to allocate pages');
      }
      pages.push(page);
    }
    return this.#insert(pages, true);
  }

  #error(bytes: number, why: string): undefined {
    this.#warn(`vmalloc error: size ${bytes}, ${why}`);
  }

  /** WARN_ON_ONCE(): who asks for nothing has made a mistake. */
  #warnZero(): undefined {
    if (this.#warnedZero) return;
    this.#warnedZero = true;
    this.#warn('WARNING: at mm/vmalloc.c __vmalloc_node_range');
  }

  #free(pages: readonly Pa[]): void {
    for (const page of pages) this.#allocator.free(page, 0);
  }

  #insert(pages: readonly Pa[], owned: boolean): Va | undefined {
    const room = pages.length === 0 ? undefined : this.#findRoom(pages.length);
    if (room === undefined) return undefined;
    this.#areas.splice(room.at, 0, { start: room.start, pages: [...pages], owned });
    return room.start;
  }

  /** alloc_vmap_area(): the lowest hole that has room for so many pages and the guard page. */
  #findRoom(count: number): { readonly start: Va; readonly at: number } | undefined {
    const bytes = (count + 1) * PAGE_SIZE;
    let { start } = this;
    let at = 0;
    for (; at < this.#areas.length; at++) {
      const area = this.#areas[at]!;
      if (start + bytes <= area.start) break;
      start = va(area.start + (area.pages.length + 1) * PAGE_SIZE);
    }
    return start + bytes > this.end ? undefined : { start, at };
  }

  #remove(address: Va, call: string): VmArea | undefined {
    const at = this.#behind(address) - 1;
    if (this.#areas[at]?.start === address) return this.#areas.splice(at, 1)[0];
    this.#warn(`Trying to ${call}() nonexistent vm area (${formatKernelVa(address)})`);
    return undefined;
  }

  /** Index of the first area that begins behind an address. */
  #behind(address: Va): number {
    let low = 0;
    let high = this.#areas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#areas[middle]!.start <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
