/** What faults of a scenario do to the system from outside. */
import type { Pa } from '../machine/address.ts';
import { MAX_PAGE_ORDER } from '../linux/mm/migrate-type.ts';
import type { PageAllocator } from '../linux/mm/page-allocator.ts';

/** What a program exits with whose malloc() failed. */
export const EXIT_OUT_OF_MEMORY = 12;

/** Takes all free pages of a kernel, the largest blocks first. @returns what gives them back. */
export function takeAllPages(pages: PageAllocator): () => void {
  const taken: { readonly at: Pa; readonly order: number }[] = [];
  for (let order = MAX_PAGE_ORDER; order >= 0; order--) {
    for (let at = pages.alloc(order); at !== undefined; at = pages.alloc(order)) {
      taken.push({ at, order });
    }
  }
  return () => {
    for (const { at, order } of taken) pages.free(at, order);
  };
}
