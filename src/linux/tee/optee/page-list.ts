/**
 * Page lists: how memory of scattered pages is described to the secure world (NONCONTIG). Pages of
 * 511 addresses and the address of the next such page. Its granule is 4 KiB: larger pages of a kernel
 * (16 and 64 KiB on arm64) are split.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 2.
 */
import { ENOMEM } from '../../../abi/errno.ts';
import {
  OPTEE_MSG_NONCONTIG_PAGE_SIZE,
  OPTEE_MSG_PAGES_PER_LIST_PAGE,
} from '../../../abi/optee-msg.ts';
import { PAGE_SIZE, roundUp } from '../../../machine/address.ts';
import type { Pa } from '../../../machine/address.ts';
import type { Kernel } from '../../process/kernel.ts';
import { refuse } from './cause.ts';

const ENTRY_BYTES = 8;

/** Room for `numEntries` addresses, in whole pages (get_pages_list_size). */
export function pagesListBytes(numEntries: number): number {
  return Math.ceil(numEntries / OPTEE_MSG_PAGES_PER_LIST_PAGE) * OPTEE_MSG_NONCONTIG_PAGE_SIZE;
}

/** What alloc_pages_exact() makes of them: whole pages of the kernel. */
const allocatedBytes = (numEntries: number, pageSize: number): number =>
  roundUp(pagesListBytes(numEntries), pageSize);

/**
 * optee_allocate_pages_list(): contiguous; undefined for -ENOMEM.
 * @param pageSize bytes of one of the kernel's pages, which are what is counted.
 */
export function allocatePagesList(
  kernel: Kernel,
  numPages: number,
  pageSize = PAGE_SIZE,
): Pa | undefined {
  const bytes = allocatedBytes(numPages, pageSize);
  const list = kernel.pages.allocExact(bytes);
  if (list === undefined) {
    refuse(kernel.trace, ENOMEM, `no contiguous memory for the list of ${numPages} pages`, {
      object: 'page allocator',
      requested: bytes,
      hint: 'register smaller buffers, or give the box more memory',
    });
  }
  return list;
}

/** optee_free_pages_list() */
export function freePagesList(
  kernel: Kernel,
  list: Pa,
  numPages: number,
  pageSize = PAGE_SIZE,
): void {
  kernel.pages.freeExact(list, allocatedBytes(numPages, pageSize));
}

/**
 * optee_fill_pages_list(). The link is written as soon as a page of the list is full, even when
 * nothing follows: the secure world follows it only if it needs more entries. Room is counted by
 * pages of the kernel: where those are larger, long lists run over the end of it, which stops the box.
 * @param offset where the buffer starts in the first page: granules before it are left out.
 */
export function fillPagesList(
  kernel: Kernel,
  list: Pa,
  pages: readonly Pa[],
  offset = 0,
  pageSize = PAGE_SIZE,
): void {
  const { view } = kernel.port;
  const bytes = allocatedBytes(pages.length, pageSize);
  const start = kernel.port.at(list, bytes, 'write');
  const end = start + bytes;
  const last = OPTEE_MSG_NONCONTIG_PAGE_SIZE - ENTRY_BYTES;
  let at = start;
  let granule = offset - (offset % OPTEE_MSG_NONCONTIG_PAGE_SIZE);
  for (let n = 0; n < pages.length; n++) {
    for (; granule < pageSize; granule += OPTEE_MSG_NONCONTIG_PAGE_SIZE) {
      if (at === end) throw overflow(kernel, pages.length, pageSize);
      at = put(view, at, pages[n]! + granule);
      if ((at - start) % OPTEE_MSG_NONCONTIG_PAGE_SIZE === last) {
        at = put(view, at, list + (at + ENTRY_BYTES - start));
      }
    }
    granule = 0;
  }
}

function put(view: DataView, at: number, address: number): number {
  view.setUint32(at, address, true);
  view.setUint32(at + 4, address / 2 ** 32, true);
  return at + ENTRY_BYTES;
}

function overflow({ sched }: Kernel, numPages: number, pageSize: number): Error {
  const text = `optee_fill_pages_list: ${numPages} pages of ${pageSize} bytes run over the end of the list, which has room for as many of ${OPTEE_MSG_NONCONTIG_PAGE_SIZE}`;
  return sched.halt('kernel BUG', text);
}
