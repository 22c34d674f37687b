/**
 * Lists of pages as messages carry them: 511 addresses a list page, then the address of the next.
 *
 * Upstream counterpart: optee_os core/kernel/msg_param.c. Everything read here is the normal
 * world's and is read once.
 */
import {
  OPTEE_MSG_NONCONTIG_PAGE_SIZE,
  OPTEE_MSG_PAGES_PER_LIST_PAGE,
} from '../../abi/optee-msg.ts';
import { pa, pageOffset } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Nexus } from '../nexus.ts';
import type { CoreHeap } from './core-heap.ts';
import type { RegShm, RegShmTable } from './mobj-dyn-shm.ts';

const PADDR_BYTES = 8;
const TWO_32 = 0x1_0000_0000;
const CODE = 'TEE_ERROR_BAD_PARAMETERS';

/**
 * msg_param_mobj_from_noncontig() @param bufPtr address of the list, offset into the first page in
 * its low bits @returns undefined with a cause in the trace
 */
export function mobjFromNoncontig(
  nexus: Nexus,
  heap: CoreHeap,
  table: RegShmTable,
  bufPtr: number,
  size: number,
  cookieLo: number,
  cookieHi: number,
  mapped: boolean,
): RegShm | undefined {
  const offset = pageOffset(bufPtr);
  const count = pageCount(size + offset);
  if (!heap.alloc(count * PADDR_BYTES, 'a list of pages', CODE)) return undefined;
  try {
    const pages = extractPages(nexus, bufPtr - offset, count);
    if (pages === undefined) return undefined;
    return mapped
      ? table.allocMapped(pages, offset, size, cookieLo, cookieHi)
      : table.alloc(pages, offset, size, cookieLo, cookieHi);
  } finally {
    heap.free(count * PADDR_BYTES);
  }
}

/** (bytes - 1) / 4096 + 1 in unsigned arithmetic: no bytes wrap to more pages than there can be. */
function pageCount(bytes: number): number {
  if (bytes === 0) return Number.MAX_SAFE_INTEGER;
  return Math.floor((bytes - 1) / OPTEE_MSG_NONCONTIG_PAGE_SIZE) + 1;
}

/** msg_param_extract_pages() */
function extractPages(nexus: Nexus, list: number, count: number): Pa[] | undefined {
  const { view } = nexus.port;
  const pages = new Array<Pa>(count);
  let at = listPage(nexus, list);
  for (let i = 0, entry = 0; i < count; i++, entry++) {
    if (at === undefined) return undefined;
    if (entry === OPTEE_MSG_PAGES_PER_LIST_PAGE) {
      at = listPage(nexus, readAddress(view, at + entry * PADDR_BYTES));
      if (at === undefined) return undefined;
      entry = 0;
    }
    const page = readAddress(view, at + entry * PADDR_BYTES);
    if (pageOffset(page) !== 0) return refuse(nexus, `entry ${i}, 0x${page.toString(16)},`);
    pages[i] = pa(page);
  }
  return pages;
}

const readAddress = (view: DataView, at: number): number =>
  view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);

/** Where a list page lies in RAM; undefined with a cause when it is no non-secure page. */
function listPage(nexus: Nexus, address: number): number | undefined {
  const ok =
    pageOffset(address) === 0 && nexus.mmu.isNonSecure(address, OPTEE_MSG_NONCONTIG_PAGE_SIZE);
  if (!ok) return refuse(nexus, `list page 0x${address.toString(16)}`);
  return nexus.port.at(pa(address), OPTEE_MSG_NONCONTIG_PAGE_SIZE, 'read');
}

function refuse(nexus: Nexus, what: string): undefined {
  nexus.trace.cause('secure', {
    layer: 'optee-os',
    code: CODE,
    text: `page list refused: ${what} is not the address of a non-secure page`,
    object: 'optee_msg page list',
  });
}
