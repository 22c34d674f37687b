/**
 * Memory management: specification chapter 4.11, and OP-TEE's cache maintenance.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api.c.
 */
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_MALLOC_FILL_ZERO,
  TEE_MALLOC_NO_FILL,
  TEE_MALLOC_NO_SHARE,
  TEE_MEMORY_ACCESS_ANY_OWNER,
  TEE_MEMORY_ACCESS_NONSECURE,
  TEE_MEMORY_ACCESS_READ,
  TEE_MEMORY_ACCESS_SECURE,
  TEE_MEMORY_ACCESS_WRITE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TEE_CACHECLEAN, TEE_CACHEFLUSH, TEE_CACHEINVALIDATE } from '../../abi/utee.ts';
import { TEE_USER_MEM_HINT_NO_FILL_ZERO } from '../../abi/utee-defines.ts';
import type { Heap } from './heap.ts';
import { TeeTrace } from './trace.ts';

const RIGHTS = TEE_MEMORY_ACCESS_READ | TEE_MEMORY_ACCESS_WRITE | TEE_MEMORY_ACCESS_ANY_OWNER;

/** What bounds a heap: upstream's name, and the TA's property. */
interface Limit {
  readonly name: string;
  readonly property: string;
}
const HEAP_LIMIT: Limit = { name: 'TA_DATA_SIZE', property: 'dataSize' };
const NO_SHARE_LIMIT: Limit = { name: 'TA_NO_SHARE_DATA_SIZE', property: 'noShareDataSize' };

export class TeeMemory extends TeeTrace {
  #instanceData: unknown = null;
  /** Buffers without bytes that are of the no-share heap all the same: TEE_NULL_SIZED_NO_SHARE_VA. */
  readonly #emptyNoShare = new WeakSet<Uint8Array>();

  /**
   * @param size bytes; 0 gives an empty buffer, as C gives a pointer to nothing
   * @param hint TEE_MALLOC_* @returns null when the heap (TA_DATA_SIZE) has no room
   */
  TEE_Malloc(size: number, hint: number): Uint8Array | null {
    switch (hint) {
      case TEE_MALLOC_FILL_ZERO:
        return this.allocate('TEE_Malloc', size)?.fill(0) ?? null;
      case TEE_USER_MEM_HINT_NO_FILL_ZERO:
        return this.allocate('TEE_Malloc', size);
      case TEE_MALLOC_NO_FILL:
        return this.panic(0, 'TEE_Malloc', 'TEE_MALLOC_NO_FILL needs TEE_MALLOC_NO_SHARE');
      case TEE_MALLOC_NO_SHARE:
        return this.#allocateNoShare('TEE_Malloc', size)?.fill(0) ?? null;
      case TEE_MALLOC_NO_FILL | TEE_MALLOC_NO_SHARE:
        return this.#allocateNoShare('TEE_Malloc', size);
      default:
        this.EMSG(`Invalid hint 0x${hint.toString(16)}`);
        return null;
    }
  }

  /**
   * Keeps contents up to the smaller size; what is new is zero. The old buffer is gone; the new one
   * is of the same heap.
   */
  TEE_Realloc(buffer: Uint8Array | null, newSize: number): Uint8Array | null {
    const api = 'TEE_Realloc';
    const noShare = buffer !== null && (this.isNoShare(buffer) || this.#emptyNoShare.has(buffer));
    const grown = noShare ? this.#allocateNoShare(api, newSize) : this.allocate(api, newSize);
    if (grown === null) return null;
    const kept = Math.min(buffer?.length ?? 0, newSize);
    if (buffer !== null) grown.set(buffer.subarray(0, kept));
    grown.fill(0, kept);
    this.TEE_Free(buffer);
    return grown;
  }

  TEE_Free(buffer: Uint8Array | null): void {
    if (buffer === null || buffer.length === 0) return;
    const heap = this.isNoShare(buffer) ? this.runtime.noShareHeap : this.heap;
    if (heap?.free(buffer) !== true) {
      this.panic(0, 'TEE_Free', 'not a buffer that TEE_Malloc gave, or freed already');
    }
  }

  TEE_MemMove(dest: Uint8Array | null, src: Uint8Array | null, size: number): void {
    if (size === 0) return;
    extent('TEE_MemMove', dest, size).set(extent('TEE_MemMove', src, size));
  }

  /**
   * As consttime_memcmp(): the time that it takes depends on nothing but `size`.
   * @returns 0 when equal, else -1 or 1 as the first difference says
   */
  TEE_MemCompare(buffer1: Uint8Array | null, buffer2: Uint8Array | null, size: number): number {
    if (size === 0) return 0;
    const a = extent('TEE_MemCompare', buffer1, size);
    const b = extent('TEE_MemCompare', buffer2, size);
    let verdict = 0;
    for (let i = 0; i < size; i++) {
      const difference = a[i]! - b[i]!;
      const sign = (difference >> 31) | (-difference >>> 31);
      const undecided = (verdict & 1) - 1;
      verdict |= sign & undecided;
    }
    return verdict;
  }

  /** @param x its low byte is what is filled in */
  TEE_MemFill(buffer: Uint8Array | null, x: number, size: number): void {
    if (size > 0) extent('TEE_MemFill', buffer, size).fill(x);
  }

  /** @returns TEE_SUCCESS or TEE_ERROR_ACCESS_DENIED; any memory of JavaScript is the TA's own */
  TEE_CheckMemoryAccessRights(
    accessFlags: number,
    buffer: Uint8Array | null,
    size: number,
  ): number {
    if (size === 0) return TEE_SUCCESS;
    if (buffer === null || size > buffer.length) return TEE_ERROR_ACCESS_DENIED;
    const bytes = buffer.subarray(0, size);
    const denied =
      !this.#isMapped(accessFlags, bytes) ||
      this.runtime.entry.exceedsRights(accessFlags & RIGHTS, bytes) ||
      (this.heap.overlaps(bytes) && !this.heap.isWithinAllocated(bytes));
    return denied ? TEE_ERROR_ACCESS_DENIED : TEE_SUCCESS;
  }

  /** One value for the whole instance, whatever the session. */
  TEE_SetInstanceData(instanceData: unknown): void {
    this.#instanceData = instanceData;
  }

  TEE_GetInstanceData(): unknown {
    return this.#instanceData;
  }

  /**
   * OP-TEE's extension, for a TA with TA_FLAG_CACHE_MAINTENANCE and memory that came as a parameter.
   * @returns TEE_SUCCESS, TEE_ERROR_NOT_SUPPORTED without the flag, TEE_ERROR_ACCESS_DENIED for memory
   *   of the TA's own
   */
  TEE_CacheClean(buf: Uint8Array | null): number {
    return this.#cacheOperation(buf, TEE_CACHECLEAN);
  }

  /** As TEE_CacheClean. */
  TEE_CacheFlush(buf: Uint8Array | null): number {
    return this.#cacheOperation(buf, TEE_CACHEFLUSH);
  }

  /** As TEE_CacheClean. */
  TEE_CacheInvalidate(buf: Uint8Array | null): number {
    return this.#cacheOperation(buf, TEE_CACHEINVALIDATE);
  }

  /** Memory of the heap, contents as they were; null, with a cause, when there is no room. */
  protected allocate(api: string, size: number): Uint8Array | null {
    if (size === 0) return new Uint8Array(0);
    return this.heap.allocate(size) ?? this.#outOfMemory(api, size, this.heap, HEAP_LIMIT);
  }

  /** Whether the memory may never be another TA's, nor a client's. */
  protected isNoShare(bytes: Uint8Array): boolean {
    return this.runtime.noShareHeap?.overlaps(bytes) ?? false;
  }

  /** Whether the memory is private to the TA: neither a parameter's nor gone with one. */
  protected isPrivate(bytes: Uint8Array): boolean {
    const ram = this.runtime.environment.port.u8.buffer;
    if (this.runtime.entry.find(bytes) !== undefined) return false;
    return bytes.buffer !== ram || this.heap.overlaps(bytes) || this.isNoShare(bytes);
  }

  /** As vm_check_access_rights(): what is mapped, by whom it is owned, in which world. */
  #isMapped(flags: number, bytes: Uint8Array): boolean {
    const wantsNonSecure = (flags & TEE_MEMORY_ACCESS_NONSECURE) !== 0;
    const wantsSecure = (flags & TEE_MEMORY_ACCESS_SECURE) !== 0;
    if (wantsNonSecure && wantsSecure) return false;
    const found = this.runtime.entry.find(bytes);
    if (found === undefined) return this.isPrivate(bytes) && !wantsNonSecure;
    if ((flags & TEE_MEMORY_ACCESS_ANY_OWNER) === 0) return false;
    return found.mapped.memref.nonSecure ? !wantsSecure : !wantsNonSecure;
  }

  #cacheOperation(buf: Uint8Array | null, operation: number): number {
    const isOwn = buf !== null && buf.length > 0 && this.runtime.entry.find(buf) === undefined;
    return this.syscalls.cacheOperation(isOwn, operation);
  }

  #allocateNoShare(api: string, size: number): Uint8Array | null {
    if (size === 0) {
      const nothing = new Uint8Array(0);
      this.#emptyNoShare.add(nothing);
      return nothing;
    }
    const heap = this.runtime.noShareHeap;
    return heap?.allocate(size) ?? this.#outOfMemory(api, size, heap, NO_SHARE_LIMIT);
  }

  #outOfMemory(api: string, size: number, heap: Heap | undefined, limit: Limit): null {
    const { head, environment } = this.runtime;
    environment.sched.trace.cause('ta', {
      layer: 'ta/gp',
      code: 'NULL',
      text: `${api}: no room in the TA's heap`,
      object: head.uuid,
      requested: size,
      available: heap?.largestFree ?? 0,
      limit: `${limit.name}=${heap?.sizeBytes ?? 0}`,
      hint: `free what is not needed, or give the TA a larger ${limit.property}`,
    });
    return null;
  }
}

/** The bytes that C would touch; beyond the buffer that would be a fault. */
function extent(api: string, buffer: Uint8Array | null, size: number): Uint8Array {
  if (buffer !== null && size <= buffer.length) return buffer.subarray(0, size);
  throw new RangeError(`${api}: ${size} bytes in a buffer of ${buffer?.length ?? 'none'}`);
}
