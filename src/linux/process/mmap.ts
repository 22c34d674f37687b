/** What mmap() of a file asks of its driver, and what the driver answers (struct vm_area_struct). */
import type { Pa } from '../../machine/address.ts';
import type { MemoryType } from '../mm/user-memory.ts';

export interface MmapRequest {
  readonly length: number;
  /** Offset into the file, bytes, page aligned. */
  readonly offset: number;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly shared: boolean;
  /** Set by the driver, as remap_pfn_range() does: contiguous from here, VM_IO | VM_PFNMAP. */
  pfnMap?: { readonly start: Pa; readonly memoryType: MemoryType };
}
