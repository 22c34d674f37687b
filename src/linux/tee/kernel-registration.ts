/**
 * How the pages of a kernel buffer are found when it is registered with a TEE: every shape that this
 * has had. They differ in what addresses they understand, and in whether they take references.
 *
 * Upstream counterpart: drivers/tee/tee_shm.c, shm_get_kernel_pages(), as it was rewritten from one
 * release to the next; mm/swap.c, get_kernel_pages(); lib/iov_iter.c, iov_iter_extract_kvec_pages().
 */
import { EFAULT, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import type { KernelMap } from '../mm/kernel-map.ts';

/**
 * - `get_kernel_pages`: kmap_to_page() and a reference for each page (5.8 to 5.16). An address of
 *   vmalloc() or kmap_local_page() is taken for one of the linear map: another page, or an oops.
 * - `vmalloc-walk`: the same, after vmalloc_to_page() for addresses of vmalloc() (5.17 to 6.2). A
 *   hole is -ENOMEM, and leaks the references taken before it.
 * - `virt_to_page`: the linear map only; -EINVAL and a warning for vmalloc() and kmap() (6.3 to 6.7).
 * - `iov_iter-referenced`: the list of an ITER_KVEC, and a reference for each page (6.8 to 6.19).
 *   Pages of kmalloc() have none to take, which warns; when such a page is another's by the time the
 *   memory is freed, that one loses a reference. kmap() is not understood.
 * - `iov_iter`: the same list and no references (7.0). Whoever registers keeps the memory; if not,
 *   the secure world writes to pages that are another's. kmap() is not understood.
 * - `page-array`: the caller lists the pages, keeps them, and frees with tee_shm_free_kernel():
 *   proposed in 2022, never merged. It serves every kind of memory, and nothing watches over it.
 */
export type KernelRegistration =
  | 'get_kernel_pages'
  | 'vmalloc-walk'
  | 'virt_to_page'
  | 'iov_iter-referenced'
  | 'iov_iter'
  | 'page-array';

export interface KernelShape {
  /**
   * The pages of a buffer, with their references where the shape takes them; or a negative errno.
   * Where the kernel would follow a wild pointer, the box stops.
   */
  readonly take: (map: KernelMap, start: Va, count: number) => Pa[] | number;
  /** Each page has a reference, to be put when the memory is freed. */
  readonly referenced: boolean;
  /** Bytes and pages are counted by an iov_iter: no bytes are -ENOMEM, and MAX_RW_COUNT the most. */
  readonly byIovIter: boolean;
}

/** `find` for the address of each page. */
function eachPage(start: Va, count: number, find: (address: Va) => Pa): Pa[] {
  const pages = new Array<Pa>(count);
  for (let n = 0; n < count; n++) pages[n] = find(va(start + n * PAGE_SIZE));
  return pages;
}

function getEach(map: KernelMap, pages: Pa[]): Pa[] {
  for (const page of pages) map.getPage(page);
  return pages;
}

/** get_kernel_pages() with a kvec a page */
function getKernelPages(map: KernelMap, start: Va, count: number): Pa[] {
  return eachPage(start, count, (address) => {
    const page = map.highmem.kmapToPage(address);
    map.getPage(page);
    return page;
  });
}

/** What is given back on the way out is counted by a field that is not set yet: nothing. */
function vmallocWalk(map: KernelMap, start: Va, count: number): Pa[] | number {
  if (!map.isVmallocAddr(start)) return getKernelPages(map, start, count);
  const pages: Pa[] = [];
  for (let n = 0; n < count; n++) {
    const page = map.vmallocToPage(va(start + n * PAGE_SIZE));
    if (page === undefined) return -ENOMEM;
    map.getPage(page);
    pages.push(page);
  }
  return pages;
}

function virtToPage(map: KernelMap, start: Va, count: number): Pa[] | number {
  if (map.isVmallocAddr(start) || map.highmem.isKmapAddr(start)) {
    map.warnOnce('drivers/tee/tee_shm.c shm_get_kernel_pages');
    return -EINVAL;
  }
  return getEach(
    map,
    eachPage(start, count, (address) => map.virtToPage(address)),
  );
}

/** iov_iter_extract_kvec_pages(): a page that vmalloc_to_page() does not find is listed as NULL. */
function extractKvecPages(map: KernelMap, start: Va, count: number): Pa[] {
  return eachPage(start, count, (address) =>
    map.isVmallocAddr(address)
      ? (map.vmallocToPage(address) ?? map.layout.nullPage)
      : map.virtToPage(address),
  );
}

/** What a caller does who knows what kind of memory it has. */
function listPages(map: KernelMap, start: Va, count: number): Pa[] | number {
  const pages: Pa[] = [];
  for (let n = 0; n < count; n++) {
    const page = map.translate(va(start + n * PAGE_SIZE));
    if (page === undefined) return -EFAULT;
    pages.push(page);
  }
  return pages;
}

export const KERNEL_SHAPES: { readonly [R in KernelRegistration]: KernelShape } = {
  get_kernel_pages: { take: getKernelPages, referenced: true, byIovIter: false },
  'vmalloc-walk': { take: vmallocWalk, referenced: true, byIovIter: false },
  virt_to_page: { take: virtToPage, referenced: true, byIovIter: false },
  'iov_iter-referenced': {
    take: (map, start, count) => getEach(map, extractKvecPages(map, start, count)),
    referenced: true,
    byIovIter: true,
  },
  iov_iter: { take: extractKvecPages, referenced: false, byIovIter: true },
  'page-array': { take: listPages, referenced: false, byIovIter: false },
};
