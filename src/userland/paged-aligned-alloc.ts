/**
 * Memory in whole pages, as libteec and tee-supplicant take it for what they register.
 * Upstream counterpart: teec_paged_aligned_alloc() and paged_aligned_alloc().
 */
import { PAGE_SIZE, roundUp } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import type { ProgramMemory } from '../linux/process/program-memory.ts';
import { OutOfMemory } from '../linux/process/program-memory.ts';

/** @param size bytes. Null when the program has no memory left. */
export function pagedAlignedAlloc(memory: ProgramMemory, size: number): Va | null {
  try {
    return memory.memalign(PAGE_SIZE, roundUp(Math.max(size, 1), PAGE_SIZE));
  } catch (error) {
    if (error instanceof OutOfMemory) return null;
    throw error;
  }
}
