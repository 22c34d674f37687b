/**
 * kmalloc(): objects of the kernel, many to a page.
 *
 * Upstream counterpart: mm/slub.c, mm/slab_common.c. A slab is a compound page; what is freed last is
 * given out first. Whoever takes a reference on a slab page keeps the page, not the object: that may
 * be somebody else's the moment it is freed. Since 6.15 slab pages have no reference count to take
 * (`frozen`). Left out: per-CPU slabs, empty slabs kept in reserve, arm64's least size of 128 bytes.
 */
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import { GFP_KERNEL, __GFP_COMP, __GFP_ZERO } from './gfp.ts';
import type { Gfp } from './gfp.ts';
import { formatKernelVa } from './kernel-layout.ts';
import type { LinearMap } from './kernel-layout.ts';
import { MAX_PAGE_ORDER } from './migrate-type.ts';
import { getOrder } from './page-allocator.ts';
import type { PageAllocator } from './page-allocator.ts';

/* Source: include/linux/slab.h, Linux 6.1. */
/** What kmalloc() of no bytes gives: it may be freed, and nothing else. */
export const ZERO_SIZE_PTR: Va = va(16);
/** kmalloc_info[]: sizes of the caches. */
const SIZES = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192] as const;
/** KMALLOC_MAX_CACHE_SIZE: larger ones are pages of their own. */
const MAX_CACHE_SIZE = 8192;
/** slub_max_order (PAGE_ALLOC_COSTLY_ORDER), and how many objects a slab should have. */
const MAX_SLAB_ORDER = 3;
const MIN_OBJECTS = 16;

/** struct slab */
interface SlabPages {
  readonly cache: KmallocCache;
  readonly head: number;
  readonly address: Pa;
  /** Objects that are free, the next one last. */
  readonly freelist: number[];
}

/** struct kmem_cache, of kmalloc(). */
interface KmallocCache {
  readonly size: number;
  readonly order: number;
  readonly objects: number;
  /** Slabs that have free objects, the one in use first. */
  readonly partial: SlabPages[];
}

function makeCache(size: number): KmallocCache {
  let order = 0;
  while (order < MAX_SLAB_ORDER && (PAGE_SIZE << order) / size < MIN_OBJECTS) order += 1;
  return { size, order, objects: Math.floor((PAGE_SIZE << order) / size), partial: [] };
}

export interface SlabOptions {
  readonly pages: PageAllocator;
  readonly linear: LinearMap;
  /** Pages of slabs, and of kmalloc() as a whole, are not counted (6.15). */
  readonly frozen: boolean;
}

export class Slab {
  readonly #pages: PageAllocator;
  readonly #linear: LinearMap;
  readonly #frozen: boolean;
  readonly #caches = SIZES.map(makeCache);
  /** By the frame of the head. */
  readonly #slabs = new Map<number, SlabPages>();
  /** folio_test_large_kmalloc(), by the frame of the head. */
  readonly #large = new Set<number>();

  constructor({ pages, linear, frozen }: SlabOptions) {
    this.#pages = pages;
    this.#linear = linear;
    this.#frozen = frozen;
  }

  /** Objects that are out. */
  get objects(): number {
    let used = this.#large.size;
    for (const { cache, freelist } of this.#slabs.values()) used += cache.objects - freelist.length;
    return used;
  }

  /** Whether a page belongs to kmalloc() and its references do not count: get_page() warns. */
  isFrozen(page: Pa): boolean {
    if (!this.#frozen) return false;
    const { frames } = this.#pages;
    const head = frames.folio(frames.frame(page));
    return this.#slabs.has(head) || this.#large.has(head);
  }

  /** kmalloc(): undefined for -ENOMEM, with a cause. */
  kmalloc(bytes: number, gfp: Gfp = GFP_KERNEL): Va | undefined {
    if (bytes === 0) return ZERO_SIZE_PTR;
    const address = bytes > MAX_CACHE_SIZE ? this.#allocLarge(bytes, gfp) : this.#alloc(bytes, gfp);
    if (address === undefined) return undefined;
    if ((gfp & __GFP_ZERO) !== 0) this.#pages.kernelBytes(address, bytes, 'write').fill(0);
    return this.#linear.toVirt(address);
  }

  /** kzalloc() */
  kzalloc(bytes: number): Va | undefined {
    return this.kmalloc(bytes, GFP_KERNEL | __GFP_ZERO);
  }

  /** kfree(): NULL is taken. What kmalloc() did not give, or was freed, stops the box. */
  kfree(address: Va): void {
    if (address === 0 || address === ZERO_SIZE_PTR) return;
    const physical = this.#linear.toPhys(address);
    const { frames } = this.#pages;
    const inRam = this.#linear.contains(address);
    const head = inRam ? frames.folio(frames.frame(physical)) : -1;
    const slab = this.#slabs.get(head);
    if (slab !== undefined) this.#freeObject(slab, physical);
    else if (this.#large.delete(head)) this.#freePages(head);
    else throw this.#bug(`kfree(${formatKernelVa(address)}): no object of kmalloc()`);
  }

  #alloc(bytes: number, gfp: Gfp): Pa | undefined {
    const cache = this.#caches.find(({ size }) => size >= bytes)!;
    const slab = cache.partial[0] ?? this.#newSlab(cache, gfp);
    if (slab === undefined) return undefined;
    const index = slab.freelist.pop()!;
    if (slab.freelist.length === 0) cache.partial.shift();
    return pa(slab.address + index * cache.size);
  }

  #newSlab(cache: KmallocCache, gfp: Gfp): SlabPages | undefined {
    const address = this.#allocPages(cache.order, gfp);
    if (address === undefined) return undefined;
    const head = this.#pages.frames.frame(address);
    const freelist = Array.from({ length: cache.objects }, (_, n) => cache.objects - 1 - n);
    const slab = { cache, head, address, freelist };
    this.#slabs.set(head, slab);
    cache.partial.push(slab);
    return slab;
  }

  #freeObject(slab: SlabPages, physical: Pa): void {
    const { cache, freelist } = slab;
    const index = (physical - slab.address) / cache.size;
    if (!Number.isInteger(index) || index >= cache.objects) {
      throw this.#bug(`kmalloc-${cache.size}: the address freed is inside of an object`);
    }
    if (freelist.includes(index)) throw this.#bug(`kmalloc-${cache.size}: object already free`);
    freelist.push(index);
    if (freelist.length === 1) cache.partial.unshift(slab);
    if (freelist.length === cache.objects) this.#freeSlab(slab);
  }

  #freeSlab(slab: SlabPages): void {
    const { partial } = slab.cache;
    partial.splice(partial.indexOf(slab), 1);
    this.#slabs.delete(slab.head);
    this.#freePages(slab.head);
  }

  /** kmalloc_large() */
  #allocLarge(bytes: number, gfp: Gfp): Pa | undefined {
    const order = getOrder(bytes);
    const address = this.#allocPages(Math.min(order, MAX_PAGE_ORDER + 1), gfp);
    if (address !== undefined) this.#large.add(this.#pages.frames.frame(address));
    return address;
  }

  /** alloc_frozen_pages() */
  #allocPages(order: number, gfp: Gfp): Pa | undefined {
    const address = this.#pages.alloc(order, (gfp & ~__GFP_ZERO) | __GFP_COMP);
    if (address !== undefined && this.#frozen) {
      this.#pages.frames.refs[this.#pages.frames.frame(address)] = 0;
    }
    return address;
  }

  /** free_frozen_pages(); or __free_pages(), which leaves what has another reference. */
  #freePages(head: number): void {
    if (this.#frozen) this.#pages.releaseFrame(head);
    else this.#pages.putFrame(head);
  }

  #bug(text: string): Error {
    return this.#pages.sched.halt('kernel BUG', text);
  }
}
