/**
 * memfd_secret(): memory that the kernel itself does not look at. It cannot be pinned, so that it
 * cannot be registered with a TEE, and it is neither moved nor reclaimed.
 *
 * Upstream counterpart: mm/secretmem.c, Linux 6.1.192. Left out: taking the pages out of the kernel's
 * linear map.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import { GFP_HIGHUSER } from './gfp.ts';
import { FAULT_OOM, FAULT_SIGBUS } from './page-cache.ts';
import type { PageCache } from './page-cache.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_LRU, PG_UNEVICTABLE } from './page-frames.ts';
import { pagesFor, removeFromCache } from './truncate.ts';
import type { Vma } from './vma.ts';

/** Whom its pages are charged to (struct secretmem_inode_state); each page once. */
export interface SecretAccount {
  /** False when there would be too many. */
  charge(): boolean;
  unchargeAll(): void;
}

export class SecretMem implements PageCache {
  readonly kind = 'cache';
  readonly name = '[secretmem]';
  readonly id: number;
  readonly movable = false;
  readonly backing = 'secretmem';
  /** i_size, in bytes: set once, by the first ftruncate(). */
  bytes = 0;
  readonly #pages: PageAllocator;
  readonly #account: SecretAccount;
  readonly #frames = new Map<number, number>();
  readonly #vmas = new Set<Vma>();

  constructor(pages: PageAllocator, account: SecretAccount) {
    this.#pages = pages;
    this.#account = account;
    this.id = pages.owners.register(this);
  }

  get vmas(): ReadonlySet<Vma> {
    return this.#vmas;
  }

  attach(vma: Vma): void {
    this.#vmas.add(vma);
  }

  detach(vma: Vma): void {
    this.#vmas.delete(vma);
  }

  /** secretmem_fault() */
  fault(index: number): number {
    if (index >= pagesFor(this.bytes)) return FAULT_SIGBUS;
    return this.#frames.get(index) ?? this.#newFolio(index);
  }

  replace(): void {
    throw this.#pages.sched.halt('kernel BUG', 'a page of secretmem is moved');
  }

  /** PG_UNEVICTABLE keeps reclaim away. */
  evict(): boolean {
    return false;
  }

  /** secretmem_free_folio() for all: nothing of the content is left behind. */
  close(): void {
    for (const frame of this.#frames.values()) {
      this.#pages.zero(this.#pages.frames.address(frame), PAGE_SIZE);
      removeFromCache(this.#pages, frame);
    }
    this.#frames.clear();
    this.#account.unchargeAll();
    this.#pages.owners.unregister(this);
  }

  #newFolio(index: number): number {
    const { frames } = this.#pages;
    const frame = this.#pages.allocFrames(0, GFP_HIGHUSER);
    if (frame < 0) return FAULT_OOM;
    if (!this.#account.charge()) {
      this.#pages.putFrame(frame);
      return FAULT_SIGBUS;
    }
    this.#pages.zero(frames.address(frame), PAGE_SIZE);
    frames.flags[frame] = PG_LRU | PG_UNEVICTABLE;
    frames.mapping[frame] = this.id;
    frames.index[frame] = index;
    this.#frames.set(index, frame);
    return frame;
  }
}
