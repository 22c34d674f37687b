/**
 * Dynamic shared memory: pages anywhere in non-secure RAM that the normal world has shared, found
 * again by their cookie.
 *
 * Upstream counterpart: optee_os core/mm/mobj_dyn_shm.c. Left out: protected memory (mobj_protmem).
 */
import { PAGE_SIZE, pageOffset } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Condvar, SecureMutex } from '../kernel/mutex.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { Nexus } from '../nexus.ts';
import type { Co } from '../../sched/task.ts';
import { TEE_ERROR_BAD_PARAMETERS, TEE_SUCCESS } from '../../abi/gp.ts';
import type { CoreHeap } from './core-heap.ts';
import { Mobj } from './mobj.ts';

/** sizeof(struct mobj_reg_shm) and of one address in it, on a 64-bit machine. */
const REG_SHM_BYTES = 72;
const PADDR_BYTES = 8;

/** What the normal world is told when memory is refused, whatever the reason. */
const CODE = 'TEE_ERROR_BAD_PARAMETERS';

export class RegShm extends Mobj {
  /** Guarded memory is released by its last reference only, not by its cookie. */
  guarded = true;
  releasing = false;
  releaseFrees = false;
  mapCount = 0;
  /** The next older object in the same hash bucket. */
  older: RegShm | undefined;
  readonly #table: RegShmTable;

  constructor(
    table: RegShmTable,
    pages: readonly Pa[],
    offset: number,
    size: number,
    cookieLo: number,
    cookieHi: number,
  ) {
    super('reg-shm', pages, offset, size, cookieLo, cookieHi);
    this.#table = table;
  }

  /** Virtual space is taken at the first mapping and given back at the last. */
  incMap(): boolean {
    if (this.mapCount === 0 && !this.#table.map(this)) return false;
    this.mapCount += 1;
    return true;
  }

  decMap(): void {
    this.mapCount -= 1;
    if (this.mapCount === 0) this.#table.unmap(this);
  }

  protected freed(): boolean {
    if (this.guarded && !this.releasing) {
      this.#table.remove(this);
      return false;
    }
    this.releaseFrees = true;
    return true;
  }
}

/** All registered memory of a guest. */
export class RegShmTable {
  readonly #nexus: Nexus;
  readonly #heap: CoreHeap;
  /**
   * By the low half of the cookie, newest first, as upstream's list is. Keys are signed, because
   * small integers are found faster than large ones.
   */
  readonly #buckets = new Map<number, RegShm>();
  /**
   * The bucket of 0, which the memory of calls under way has, and nothing between calls: a Map grows
   * slower the more often one key of many comes and goes.
   */
  #ofZero: RegShm | undefined;
  #count = 0;
  #pages = 0;

  constructor(nexus: Nexus, heap: CoreHeap) {
    this.#nexus = nexus;
    this.#heap = heap;
  }

  get count(): number {
    return this.#count;
  }

  /** Pages of the normal world that are registered here. */
  get pages(): number {
    return this.#pages;
  }

  /**
   * mobj_reg_shm_alloc(). The object is guarded. @param size bytes as the normal world gave them
   * @param pages taken over, not copied @returns undefined with a cause in the trace
   */
  alloc(
    pages: readonly Pa[],
    offset: number,
    size: number,
    cookieLo: number,
    cookieHi: number,
  ): RegShm | undefined {
    const { switches } = this.#nexus;
    const bad = this.#check(pages, offset, cookieLo, cookieHi);
    if (bad !== undefined) return this.#refuse(bad);
    const rounded = pages.length * PAGE_SIZE - offset;
    const bytes = REG_SHM_BYTES + PADDR_BYTES * pages.length;
    if (!this.#heap.alloc(bytes, 'registered shared memory', CODE)) return undefined;
    const length = switches.quirkShmSizePageRounded ? rounded : size;
    const shm = new RegShm(this, pages, offset, length, cookieLo, cookieHi);
    shm.older = this.#newest(cookieLo);
    this.#setNewest(cookieLo, shm);
    this.#account(1, pages.length);
    return shm;
  }

  /** mobj_mapped_shm_alloc() */
  allocMapped(
    pages: readonly Pa[],
    offset: number,
    size: number,
    cookieLo: number,
    cookieHi: number,
  ): RegShm | undefined {
    const shm = this.alloc(pages, offset, size, cookieLo, cookieHi);
    if (shm === undefined || shm.incMap()) return shm;
    shm.put();
    return undefined;
  }

  /** reg_shm_find_unlocked(): the newest one with this cookie. */
  find(cookieLo: number, cookieHi: number): RegShm | undefined {
    let shm = this.#newest(cookieLo);
    while (shm !== undefined && shm.cookieHi !== cookieHi) shm = shm.older;
    return shm;
  }

  /** mobj_reg_shm_get_by_cookie(): with a reference for the caller. */
  getByCookie(thread: ThreadCtx, cookieLo: number, cookieHi: number): RegShm | undefined {
    const shm = this.find(cookieLo, cookieHi);
    if (shm !== undefined && !shm.get()) {
      throw this.#nexus.panic(thread, 'mobj_get', 'reference to released shared memory');
    }
    return shm;
  }

  /** reg_shm_free_helper() */
  remove(shm: RegShm): void {
    if (shm.mapCount > 0) this.unmap(shm);
    this.#unlink(shm);
    this.#heap.free(REG_SHM_BYTES + PADDR_BYTES * shm.pages.length);
    this.#account(-1, -shm.pages.length);
  }

  map(shm: RegShm): boolean {
    if (this.#nexus.mmu.mapShm(shm.pages.length)) return true;
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_OUT_OF_MEMORY',
      text: 'no virtual space left to map shared memory in the core',
      object: 'SHM_VASPACE',
      requested: shm.pages.length * PAGE_SIZE,
    });
    return false;
  }

  unmap(shm: RegShm): void {
    this.#nexus.mmu.unmapShm(shm.pages.length);
  }

  #check(pages: readonly Pa[], offset: number, lo: number, hi: number): string | undefined {
    if (offset >= PAGE_SIZE || pages.length === 0) return 'no pages';
    const { switches } = this.#nexus;
    for (let n = 0; n < pages.length;) {
      const page = pages[n]!;
      if (pageOffset(page) !== 0) return `0x${page.toString(16)} is not page aligned`;
      const first = n++;
      while (pages[n] === page + (n - first) * PAGE_SIZE) n++;
      const bad = this.#secureIn(page, n - first);
      if (bad !== undefined) return `0x${bad.toString(16)} is not non-secure RAM`;
    }
    const duplicate = !switches.quirkDuplicateCookies && (lo !== 0 || hi !== 0);
    return duplicate && this.find(lo, hi) !== undefined ? 'the cookie is in use' : undefined;
  }

  /** The first of contiguous pages that is not the normal world's; undefined when all are. */
  #secureIn(page: Pa, count: number): number | undefined {
    const { mmu } = this.#nexus;
    const end = page + count * PAGE_SIZE;
    if (mmu.isNonSecure(page, end - page)) return undefined;
    let at: number = page;
    while (at < end && mmu.isNonSecure(at, PAGE_SIZE)) at += PAGE_SIZE;
    return at < end ? at : undefined;
  }

  #refuse(text: string): undefined {
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: CODE,
      text: `shared memory refused: ${text}`,
      object: 'mobj_reg_shm',
    });
  }

  #unlink(shm: RegShm): void {
    let newer = this.#newest(shm.cookieLo)!;
    if (newer === shm) {
      this.#setNewest(shm.cookieLo, shm.older);
      return;
    }
    while (newer.older !== shm) newer = newer.older!;
    newer.older = shm.older;
  }

  #newest(cookieLo: number): RegShm | undefined {
    return cookieLo === 0 ? this.#ofZero : this.#buckets.get(cookieLo | 0);
  }

  #setNewest(cookieLo: number, shm: RegShm | undefined): void {
    if (cookieLo === 0) this.#ofZero = shm;
    else if (shm === undefined) this.#buckets.delete(cookieLo | 0);
    else this.#buckets.set(cookieLo | 0, shm);
  }

  #account(objects: number, pages: number): void {
    this.#count += objects;
    this.#pages += pages;
    const { trace, port } = this.#nexus;
    if (!trace.pools) return;
    const limit = port.bus.size / PAGE_SIZE;
    trace.pool('secure', {
      name: 'registered shm',
      used: this.#pages,
      limit,
      unit: 'pages',
    });
  }
}

/** Release by cookie: waits in the normal world until nobody uses the memory any more. */
export class RegShmRelease {
  readonly #table: RegShmTable;
  readonly #mutex: SecureMutex;
  readonly #cv: Condvar;
  #waiters = 0;

  /** @param mutex shm_mu @param cv shm_cv */
  constructor(table: RegShmTable, mutex: SecureMutex, cv: Condvar) {
    this.#table = table;
    this.#mutex = mutex;
    this.#cv = cv;
  }

  /** mobj_reg_shm_release_by_cookie() @returns a TEE_Result */
  *byCookie(thread: ThreadCtx, cookieLo: number, cookieHi: number): Co<number> {
    const shm = this.#table.find(cookieLo, cookieHi);
    if (shm === undefined || shm.guarded || shm.releasing) return TEE_ERROR_BAD_PARAMETERS;
    shm.releasing = true;
    if (shm.put()) yield* this.announce(thread);
    yield* this.#mutex.lock(thread);
    this.#waiters += 1;
    while (!shm.releaseFrees) yield* this.#cv.wait(thread);
    this.#table.remove(shm);
    this.#waiters -= 1;
    yield* this.#mutex.unlock(thread);
    return TEE_SUCCESS;
  }

  /** The last reference to some memory is gone: its releaser, if it waits, goes on. */
  *announce(thread: ThreadCtx): Co<void> {
    yield* this.#mutex.lock(thread);
    if (this.#waiters > 0) this.#cv.broadcast();
    yield* this.#mutex.unlock(thread);
  }
}
