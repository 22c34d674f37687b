/** What mmap() of a file asks of its driver, and what the driver answers (struct vm_area_struct). */
import type { Pa } from '../../machine/address.ts';
import type { PageAllocator } from '../mm/page-allocator.ts';
import type { PageCache } from '../mm/page-cache.ts';
import type { MemoryType } from '../mm/user-memory.ts';

export interface MmapRequest {
  readonly length: number;
  /** Offset into the file, bytes, page aligned. */
  readonly offset: number;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly shared: boolean;
  /** Memory that a cache of the file's pages would be made of. */
  readonly pages: PageAllocator;
  /** Set by a file system: the file's pages. */
  cache?: PageCache;
  /** Cleared by the driver: no writing, now or by mprotect() later (VM_MAYWRITE). */
  mayWrite?: boolean;
  /** Set by the driver, as remap_pfn_range() does: contiguous from here, VM_IO | VM_PFNMAP. */
  pfnMap?: { readonly start: Pa; readonly memoryType: MemoryType };
}
