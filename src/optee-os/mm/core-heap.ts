/**
 * How full the core heap is. Objects live in the host's heap; here is only counted what upstream
 * allocates for them, so that exhaustion happens and is named.
 *
 * Upstream counterpart: optee_os lib/libutils/isoc/bget_malloc.c. Left out: fragmentation, and what
 * the core allocates at boot (about 20 KB of the 192 KB on the emulated board).
 */
import type { Trace } from '../../trace/trace.ts';

/** bget's block head, and the grain it rounds sizes to (SizeQuant), on a 64-bit machine. */
const BLOCK_HEAD = 16;
const GRAIN = 16;

const blockBytes = (bytes: number): number => Math.ceil(bytes / GRAIN) * GRAIN + BLOCK_HEAD;

/** struct malloc_stats, as the stats PTA reports it. Bytes. */
export interface PoolStats {
  readonly allocated: number;
  readonly maxAllocated: number;
  readonly size: number;
  readonly numAllocFail: number;
  readonly biggestAllocFail: number;
  readonly biggestAllocFailUsed: number;
}

export class CoreHeap implements PoolStats {
  readonly size: number;
  allocated = 0;
  maxAllocated = 0;
  numAllocFail = 0;
  biggestAllocFail = 0;
  biggestAllocFailUsed = 0;
  readonly #trace: Trace;

  constructor(trace: Trace, size: number) {
    this.#trace = trace;
    this.size = size;
  }

  /**
   * Charges one allocation; false when it does not fit.
   * @param what named in the cause; @param code what the caller will answer
   */
  alloc(bytes: number, what: string, code = 'TEE_ERROR_OUT_OF_MEMORY'): boolean {
    const block = blockBytes(bytes);
    if (this.allocated + block > this.size) {
      this.#refuse(bytes, what, code);
      return false;
    }
    this.allocated += block;
    if (this.allocated > this.maxAllocated) this.maxAllocated = this.allocated;
    this.#report();
    return true;
  }

  /** @param bytes as given to `alloc` */
  free(bytes: number): void {
    this.allocated -= blockBytes(bytes);
    this.#report();
  }

  /** malloc_reset_stats() */
  resetStats(): void {
    this.maxAllocated = this.allocated;
    this.numAllocFail = 0;
    this.biggestAllocFail = 0;
    this.biggestAllocFailUsed = 0;
  }

  #refuse(bytes: number, what: string, code: string): void {
    this.numAllocFail += 1;
    if (bytes > this.biggestAllocFail) {
      this.biggestAllocFail = bytes;
      this.biggestAllocFailUsed = this.allocated;
    }
    this.#trace.cause('secure', {
      layer: 'optee-os',
      code,
      text: `no room in the core heap for ${what}`,
      object: 'core heap',
      requested: bytes,
      available: this.size - this.allocated,
      limit: `CFG_CORE_HEAP_SIZE=${this.size}`,
      hint: 'close sessions, register less memory at a time, or raise CFG_CORE_HEAP_SIZE',
    });
  }

  #report(): void {
    if (!this.#trace.pools) return;
    this.#trace.pool('secure', {
      name: 'core heap',
      used: this.allocated,
      limit: this.size,
      unit: 'bytes',
    });
  }
}
