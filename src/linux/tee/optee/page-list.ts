/**
 * Page lists: how memory of scattered pages is described to the secure world (NONCONTIG). Pages of
 * 511 addresses and the address of the next such page.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 2. The kernel's pages are 4 KiB, as
 * the granule is; larger ones would have to be split.
 */
import { ENOMEM } from '../../../abi/errno.ts';
import {
  OPTEE_MSG_NONCONTIG_PAGE_SIZE,
  OPTEE_MSG_PAGES_PER_LIST_PAGE,
} from '../../../abi/optee-msg.ts';
import type { Pa } from '../../../machine/address.ts';
import type { Kernel } from '../../process/kernel.ts';
import { refuse } from './cause.ts';

const ENTRY_BYTES = 8;

/** Room for `numEntries` addresses, in whole pages (get_pages_list_size). */
export function pagesListBytes(numEntries: number): number {
  return Math.ceil(numEntries / OPTEE_MSG_PAGES_PER_LIST_PAGE) * OPTEE_MSG_NONCONTIG_PAGE_SIZE;
}

/** optee_allocate_pages_list(): contiguous; undefined for -ENOMEM. */
export function allocatePagesList(kernel: Kernel, numEntries: number): Pa | undefined {
  const bytes = pagesListBytes(numEntries);
  const list = kernel.pages.allocExact(bytes);
  if (list === undefined) {
    refuse(kernel.trace, ENOMEM, `no contiguous memory for the list of ${numEntries} pages`, {
      object: 'page allocator',
      requested: bytes,
      hint: 'register smaller buffers, or give the box more memory',
    });
  }
  return list;
}

/** optee_free_pages_list() */
export function freePagesList(kernel: Kernel, list: Pa, numEntries: number): void {
  kernel.pages.freeExact(list, pagesListBytes(numEntries));
}

/**
 * optee_fill_pages_list(). The link is written as soon as a page of the list is full, even when
 * nothing follows: the secure world follows it only if it needs more entries.
 */
export function fillPagesList(kernel: Kernel, list: Pa, pages: readonly Pa[]): void {
  const { view } = kernel.port;
  const start = kernel.port.at(list, pagesListBytes(pages.length), 'write');
  let at = start;
  for (let n = 0; n < pages.length; n++) {
    at = put(view, at, pages[n]!);
    if ((n + 1) % OPTEE_MSG_PAGES_PER_LIST_PAGE === 0) {
      at = put(view, at, list + (at + ENTRY_BYTES - start));
    }
  }
}

function put(view: DataView, at: number, address: number): number {
  view.setUint32(at, address, true);
  view.setUint32(at + 4, address / 2 ** 32, true);
  return at + ENTRY_BYTES;
}
