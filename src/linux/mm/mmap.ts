/**
 * mmap() and munmap().
 *
 * Upstream counterpart: mm/mmap.c, remap_pfn_range() in mm/memory.c. Left out: RLIMIT_AS and
 * overcommit accounting, huge pages, stacks that grow, address randomisation.
 */
import { EEXIST, EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import { PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import { PAGE_SIZE, pageOffset, pageStart, roundUp } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { DEFAULT_MAX_MAP_COUNT } from './mm-struct.ts';
import type { MmStruct } from './mm-struct.ts';
import { PTE_USER, PTE_WRITE } from './page-table.ts';
import { populate } from './populate.ts';
import type { PageCache } from './page-cache.ts';
import { Shmem } from './shmem.ts';
import type { MemoryType } from './user-memory.ts';
import {
  VM_ACCESS_FLAGS,
  VM_DONTEXPAND,
  VM_IO,
  VM_LOCKED,
  VM_MAY_SHIFT,
  VM_PFNMAP,
  VM_SHARED,
  Vma,
} from './vma.ts';
import type { VmFile } from './vma.ts';

/** sysctl vm.mmap_min_addr: nothing is mapped below, so that a NULL pointer faults. */
export const MMAP_MIN_ADDR = 65536;

/** What mmap() is asked for. Without more than a length: private, anonymous, read and write. */
export interface MapRequest {
  /** Bytes; whole pages are mapped. */
  readonly length: number;
  /** A wish, unless `fixed` says otherwise. */
  readonly at?: number;
  /** At `at` and nowhere else: what is there goes (MAP_FIXED), or refuses (MAP_FIXED_NOREPLACE). */
  readonly fixed?: 'replace' | 'noreplace';
  /** PROT_* */
  readonly prot?: number;
  /** PROT_* that mprotect may give (VM_MAYREAD…): all, unless the file forbids some. */
  readonly mayProt?: number;
  /** MAP_SHARED instead of MAP_PRIVATE. */
  readonly shared?: boolean;
  /** MAP_POPULATE: the pages come at once, from one block as far as the allocator has one. */
  readonly populate?: boolean;
  /** MAP_LOCKED (VM_LOCKED): the pages come at once and stay; the caller has checked the limit. */
  readonly locked?: boolean;
  /** Of anonymous memory: `normal-tagged` under PROT_MTE. */
  readonly memoryType?: MemoryType;
  /** remap_pfn_range(): the physical memory from here on, whoever owns it. It is not counted. */
  readonly pfnMap?: { readonly start: Pa; readonly memoryType: MemoryType };
  /** The pages of a file, from page `pgoff` on; anonymous memory without. */
  readonly cache?: PageCache;
  readonly pgoff?: number;
  /** The mapping takes over one reference to it; each part of the mapping closes one. */
  readonly file?: VmFile;
}

/** @returns the mapping's address or a negative errno; then `file` has not been taken. */
export function mmap(mm: MmStruct, request: MapRequest): number {
  if (request.length === 0) return -EINVAL;
  const length = roundUp(request.length, PAGE_SIZE);
  if (length > mm.arch.taskSize || mm.vmas.count > DEFAULT_MAX_MAP_COUNT) return -ENOMEM;
  const { pfnMap } = request;
  if (pfnMap !== undefined && !isRam(mm, pfnMap.start, length)) return -EINVAL;
  const start = getUnmappedArea(mm, request, length);
  if (start < 0) return start;
  const end = start + length;
  if (request.fixed === 'noreplace' && mm.vmas.overlapping(start, end).length > 0) return -EEXIST;
  const error = request.fixed === 'replace' ? munmap(mm, start, length) : 0;
  if (error < 0) return error;
  const vma = makeVma(mm, request, start, end);
  if (vma.locked) mm.account.lockedVm += vma.pages;
  mm.vmas.insert(vma);
  if (pfnMap !== undefined) remapPfnRange(mm, vma, pfnMap.start);
  else if (request.populate === true || vma.locked) populate(mm, start, end, vma);
  return start;
}

/** Whole pages from `start` go; holes are no error. Returns 0 or a negative errno. */
export function munmap(mm: MmStruct, start: number, length: number): number {
  const { taskSize } = mm.arch;
  const bad = pageOffset(start) !== 0 || start > taskSize || length > taskSize - start;
  if (bad || length === 0) return -EINVAL;
  const end = start + roundUp(length, PAGE_SIZE);
  const first = mm.vmas.find(start);
  if (first !== undefined && start > first.start) {
    if (end < first.end && mm.vmas.count >= DEFAULT_MAX_MAP_COUNT) return -ENOMEM;
    mm.vmas.split(first, start);
  }
  for (const vma of mm.vmas.overlapping(start, end)) {
    if (end < vma.end) mm.vmas.split(vma, end);
    mm.removeVma(vma);
  }
  return 0;
}

function isRam(mm: MmStruct, start: Pa, length: number): boolean {
  return pageOffset(start) === 0 && mm.pages.port.bus.contains(start, length);
}

/** get_unmapped_area(): the address, -ENOMEM, -EINVAL or -EPERM. */
export function getUnmappedArea(
  mm: MmStruct,
  request: Pick<MapRequest, 'at' | 'fixed'>,
  length: number,
): number {
  const at = request.at ?? 0;
  if (request.fixed !== undefined) {
    if (at > mm.arch.taskSize - length) return -ENOMEM;
    if (pageOffset(at) !== 0) return -EINVAL;
    return at < MMAP_MIN_ADDR ? -EPERM : at;
  }
  const wish = Math.max(pageStart(at), MMAP_MIN_ADDR);
  const free = mm.accessOk(wish, length) && mm.vmas.overlapping(wish, wish + length).length === 0;
  if (pageStart(at) !== 0 && free) return wish;
  return mm.vmas.findRoom(length, MMAP_MIN_ADDR) ?? -ENOMEM;
}

function makeVma(mm: MmStruct, request: MapRequest, start: number, end: number): Vma {
  const { shared = false, pfnMap, file } = request;
  // As large as it is mapped first: shmem_zero_setup().
  const object = (): Shmem => new Shmem(mm.pages, { bytes: end - start });
  const anonymous = shared && pfnMap === undefined ? object : () => undefined;
  const prot = (request.prot ?? PROT_READ | PROT_WRITE) & VM_ACCESS_FLAGS;
  const may = (request.mayProt ?? VM_ACCESS_FLAGS) << VM_MAY_SHIFT;
  const locked = request.locked === true ? VM_LOCKED : 0;
  const kind = pfnMap === undefined ? locked : VM_IO | VM_PFNMAP | VM_DONTEXPAND;
  return new Vma({
    mm,
    start,
    end,
    flags: prot | may | kind | (shared ? VM_SHARED : 0),
    memoryType: pfnMap?.memoryType ?? request.memoryType ?? 'normal',
    cache: request.cache ?? anonymous(),
    pgoff: request.pgoff ?? 0,
    file,
  });
}

/** A private mapping's pages are read only, so that a write copies them. */
function remapPfnRange(mm: MmStruct, vma: Vma, start: Pa): void {
  const first = mm.pages.frames.frame(start);
  const flags = (vma.accessible ? PTE_USER : 0) | (vma.writable && vma.shared ? PTE_WRITE : 0);
  for (let page = vma.firstPage; page < vma.endPage; page++) {
    mm.mapSpecial(page, first + page - vma.firstPage, flags);
  }
}
