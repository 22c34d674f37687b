/**
 * A pool of secure pages: first fit from the low end, whole pages, contiguous pieces.
 *
 * Upstream counterparts: optee_os core/mm/tee_mm.c and core/mm/phys_mem.c. Left out: allocation from
 * the high end and of fixed ranges; the core pool, which nothing here needs.
 */
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Region } from '../../machine/machine.ts';
import type { Trace } from '../../trace/trace.ts';
import type { PoolStats } from './core-heap.ts';

/** A stretch of free pages. */
interface Extent {
  base: number;
  pages: number;
}

export class PhysMem implements PoolStats {
  readonly size: number;
  allocated = 0;
  maxAllocated = 0;
  numAllocFail = 0;
  biggestAllocFail = 0;
  biggestAllocFailUsed = 0;
  readonly #trace: Trace;
  readonly #name: string;
  /** By address; neighbours are always merged. */
  readonly #free: Extent[];

  constructor(trace: Trace, name: string, region: Region) {
    this.#trace = trace;
    this.#name = name;
    this.size = region.size;
    this.#free = [{ base: region.base, pages: region.size / PAGE_SIZE }];
  }

  /** Pages of the largest piece that could be had now. */
  get largestFree(): number {
    return this.#free.reduce((most, extent) => Math.max(most, extent.pages), 0);
  }

  /** A contiguous piece, contents undefined; undefined when there is none that large. */
  alloc(pages: number): Pa | undefined {
    const index = this.#free.findIndex((extent) => extent.pages >= pages);
    const extent = this.#free[index];
    if (extent === undefined) return this.#refuse(pages);
    const base = extent.base;
    extent.base += pages * PAGE_SIZE;
    extent.pages -= pages;
    if (extent.pages === 0) this.#free.splice(index, 1);
    this.#account(pages);
    return pa(base);
  }

  /** Gives a whole piece back. */
  free(base: Pa, pages: number): void {
    const next = this.#after(base);
    const before = this.#free[next - 1];
    const after = this.#free[next];
    const end = base + pages * PAGE_SIZE;
    if (before !== undefined && before.base + before.pages * PAGE_SIZE === base) {
      before.pages += pages;
      if (after?.base === end) {
        before.pages += after.pages;
        this.#free.splice(next, 1);
      }
    } else if (after?.base === end) {
      after.base = base;
      after.pages += pages;
    } else {
      this.#free.splice(next, 0, { base, pages });
    }
    this.#account(-pages);
  }

  /** phys_mem_stats() with reset. */
  resetStats(): void {
    this.maxAllocated = this.allocated;
    this.numAllocFail = 0;
    this.biggestAllocFail = 0;
    this.biggestAllocFailUsed = 0;
  }

  /** Index of the first free extent behind `base`. */
  #after(base: number): number {
    let low = 0;
    for (let high = this.#free.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.#free[middle]!.base > base) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #account(pages: number): void {
    this.allocated += pages * PAGE_SIZE;
    if (this.allocated > this.maxAllocated) this.maxAllocated = this.allocated;
    if (!this.#trace.pools) return;
    this.#trace.pool('secure', {
      name: this.#name,
      used: this.allocated,
      limit: this.size,
      unit: 'bytes',
    });
  }

  #refuse(pages: number): undefined {
    const bytes = pages * PAGE_SIZE;
    this.numAllocFail += 1;
    if (bytes > this.biggestAllocFail) {
      this.biggestAllocFail = bytes;
      this.biggestAllocFailUsed = this.allocated;
    }
    this.#trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_OUT_OF_MEMORY',
      text: `no ${pages} contiguous pages in ${this.#name}`,
      object: this.#name,
      requested: bytes,
      available: this.largestFree * PAGE_SIZE,
      limit: `${this.#name} of ${this.size} bytes`,
      hint: 'run fewer TA instances, lower their stack and heap, or give the board more TA RAM',
    });
  }
}
