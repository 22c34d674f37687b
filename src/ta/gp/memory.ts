/**
 * Memory management: specification chapter 4.11.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api.c. Left out: a heap of TA_NO_SHARE_DATA_SIZE
 * bytes, so that TEE_MALLOC_NO_SHARE finds no memory; cache maintenance.
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
import { hex32 } from '../../abi/layout.ts';
import { TEE_USER_MEM_HINT_NO_FILL_ZERO } from '../../abi/utee-defines.ts';
import { TeeTrace } from './trace.ts';

const RIGHTS = TEE_MEMORY_ACCESS_READ | TEE_MEMORY_ACCESS_WRITE | TEE_MEMORY_ACCESS_ANY_OWNER;

export class TeeMemory extends TeeTrace {
  #instanceData: unknown = null;

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
      case TEE_MALLOC_NO_FILL | TEE_MALLOC_NO_SHARE:
        return size === 0 ? new Uint8Array(0) : this.#noShareHeap(size);
      default:
        this.EMSG(`Invalid hint 0x${hint.toString(16)}`);
        return null;
    }
  }

  /** Keeps contents up to the smaller size; what is new is zero. The old buffer is gone. */
  TEE_Realloc(buffer: Uint8Array | null, newSize: number): Uint8Array | null {
    const grown = this.allocate('TEE_Realloc', newSize);
    if (grown === null) return null;
    const kept = Math.min(buffer?.length ?? 0, newSize);
    if (buffer !== null) grown.set(buffer.subarray(0, kept));
    grown.fill(0, kept);
    this.TEE_Free(buffer);
    return grown;
  }

  TEE_Free(buffer: Uint8Array | null): void {
    if (buffer === null || buffer.length === 0) return;
    if (!this.heap.free(buffer)) {
      this.panic(0, 'TEE_Free', 'not a buffer that TEE_Malloc gave, or freed already');
    }
  }

  TEE_MemMove(dest: Uint8Array | null, src: Uint8Array | null, size: number): void {
    if (size === 0) return;
    extent('TEE_MemMove', dest, size).set(extent('TEE_MemMove', src, size));
  }

  /** @returns 0 when equal, else a number of the sign of the first difference */
  TEE_MemCompare(buffer1: Uint8Array | null, buffer2: Uint8Array | null, size: number): number {
    if (size === 0) return 0;
    const a = extent('TEE_MemCompare', buffer1, size);
    const b = extent('TEE_MemCompare', buffer2, size);
    const at = a.findIndex((byte, i) => byte !== b[i]);
    return at < 0 ? 0 : a[at]! - b[at]!;
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

  /** Memory of the heap, contents as they were; null, with a cause, when there is no room. */
  protected allocate(api: string, size: number): Uint8Array | null {
    if (size === 0) return new Uint8Array(0);
    return this.heap.allocate(size) ?? this.#outOfMemory(api, size);
  }

  /** Whether the memory is private to the TA: neither a parameter's nor gone with one. */
  protected isPrivate(bytes: Uint8Array): boolean {
    const ram = this.runtime.environment.port.u8.buffer;
    if (this.runtime.entry.find(bytes) !== undefined) return false;
    return bytes.buffer !== ram || this.heap.overlaps(bytes);
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

  #outOfMemory(api: string, size: number): null {
    const { heap } = this;
    const { head, environment } = this.runtime;
    environment.sched.trace.cause('ta', {
      layer: 'ta/gp',
      code: 'NULL',
      text: `${api}: no room in the TA's heap`,
      object: head.uuid,
      requested: size,
      available: heap.largestFree,
      limit: `TA_DATA_SIZE=${heap.sizeBytes}`,
      hint: 'free what is not needed, or give the TA a larger dataSize',
    });
    return null;
  }

  #noShareHeap(size: number): null {
    const { head, environment } = this.runtime;
    environment.sched.trace.cause('ta', {
      layer: 'ta/gp',
      code: 'NULL',
      text: `TEE_Malloc: ${hex32(TEE_MALLOC_NO_SHARE)} asks for memory that is never shared`,
      object: head.uuid,
      requested: size,
      limit: 'TA_NO_SHARE_DATA_SIZE=0',
    });
    return null;
  }
}

/** The bytes that C would touch; beyond the buffer that would be a fault. */
function extent(api: string, buffer: Uint8Array | null, size: number): Uint8Array {
  if (buffer !== null && size <= buffer.length) return buffer.subarray(0, size);
  throw new RangeError(`${api}: ${size} bytes in a buffer of ${buffer?.length ?? 'none'}`);
}
