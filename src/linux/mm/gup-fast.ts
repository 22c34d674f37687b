/**
 * GUP without a look at the VMAs: what the page table maps with the rights that are asked for.
 *
 * Upstream counterpart: gup_fast() in mm/gup.c. So a page that a write copied out of a pfn mapping
 * can be pinned. Left out: huge page table entries.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import { FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE } from './gup-flags.ts';
import { isLongtermPinnable } from './gup-longterm.ts';
import type { GupRequest } from './gup-request.ts';
import type { MmStruct } from './mm-struct.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE, PG_SWAPBACKED, PG_UNEVICTABLE } from './page-frames.ts';
import { tryGetFolio, tryPinFolio } from './page-pin.ts';
import { PTE_SPECIAL, PTE_USER, PTE_WRITE, PTRS_PER_PTE, pteFrame } from './page-table.ts';
import type { Vma } from './vma.ts';

/**
 * gup_pgd_range(): takes what is mapped, up to the first page that is not, or not like this. The
 * zero page is special, so it is none of these.
 */
export function gupFast(request: GupRequest): void {
  const { mm, first, end } = request;
  for (let page = first; page < end; page = first + request.got) {
    const ptes = mm.table.leaf(page);
    if (ptes === undefined) break;
    const index = page & (PTRS_PER_PTE - 1);
    const count = Math.min(PTRS_PER_PTE - index, end - page);
    if (gupLeaf(request, ptes, index, count) < count) break;
  }
  if ((request.foll & FOLL_PIN) !== 0) mm.pages.vmstat.nr_foll_pin_acquired += request.got;
}

/** gup_pte_range(): the loop that registering large memory consists of. */
function gupLeaf(request: GupRequest, ptes: Uint32Array, index: number, count: number): number {
  const { mm, pages, got, foll } = request;
  const { frames } = mm.pages;
  const pin = (foll & FOLL_PIN) !== 0;
  const longterm = (foll & FOLL_LONGTERM) !== 0;
  const wanted = PTE_USER | ((foll & FOLL_WRITE) === 0 ? 0 : PTE_WRITE);
  let done = 0;
  for (; done < count; done++) {
    const pte = ptes[index + done]!;
    const frame = pteFrame(pte);
    if ((pte & (wanted | PTE_SPECIAL)) !== wanted || (pin && mustUnshare(mm, pte, foll))) break;
    const folio = frames.folio(frame);
    const flags = frames.flags[folio]!;
    // Secret memory is among these; its VMA will tell.
    if ((flags & (PG_UNEVICTABLE | PG_ANON)) === PG_UNEVICTABLE) break;
    if (longterm && !isFastLongterm(mm.pages, folio, foll)) break;
    if (!(pin ? tryPinFolio(frames, folio) : tryGetFolio(frames, folio))) break;
    pages[got + done] = frames.address(frame);
  }
  request.got += done;
  return done;
}

/**
 * gup_must_unshare(): an anonymous page that fork has shared is not pinned as it is. Nor is, for long,
 * a page of the file or the page of zeros that a private mapping shows until it is written.
 * @param vma undefined where it is not seen: then it is to be looked for
 */
export function mustUnshare(mm: MmStruct, pte: number, foll: number, vma?: Vma): boolean {
  if ((pte & PTE_WRITE) !== 0) return false;
  const flags = (pte & PTE_SPECIAL) === 0 ? mm.pages.frames.flags[pteFrame(pte)]! : 0;
  if ((flags & PG_ANON) !== 0) return (flags & PG_ANON_EXCLUSIVE) === 0;
  if ((foll & FOLL_LONGTERM) === 0 || !mm.pages.switches.longtermUnsharesCow) return false;
  return vma === undefined || vma.isCow;
}

/**
 * Whether a folio may be pinned for good as it is: not where it would be in the way, and, as the
 * VMA is not seen, not one that a file could track (gup_fast_folio_allowed).
 */
function isFastLongterm(pages: PageAllocator, folio: number, foll: number): boolean {
  if (!isLongtermPinnable(pages, folio)) return false;
  if ((foll & FOLL_WRITE) === 0) return true;
  return (pages.frames.flags[folio]! & (PG_ANON | PG_SWAPBACKED)) !== 0;
}

/** access_ok() for pages. */
export const isUserRange = ({ mm, first, end }: GupRequest): boolean =>
  mm.accessOk(first * PAGE_SIZE, (end - first) * PAGE_SIZE);
