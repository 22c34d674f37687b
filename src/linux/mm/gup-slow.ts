/**
 * GUP page by page: the VMAs are asked, and what is missing is faulted in.
 *
 * Upstream counterpart: __get_user_pages(), check_vma_flags() in mm/gup.c. Left out: waiting (no
 * fault sleeps, so FOLL_NOWAIT and FOLL_INTERRUPTIBLE change nothing) and its end by a fatal signal.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import { handleMmFault } from './fault.ts';
import {
  FOLL_ANON,
  FOLL_DUMP,
  FOLL_FORCE,
  FOLL_LONGTERM,
  FOLL_NOFAULT,
  FOLL_PIN,
  FOLL_WRITE,
} from './gup-flags.ts';
import { mustUnshare } from './gup-fast.ts';
import {
  DIRTY_TRACKED,
  FSDAX,
  HOLE,
  NOT_ANON,
  NOT_PRESENT,
  NOT_PRIVATE,
  NOT_READABLE,
  NOT_WRITABLE,
  NO_CONTENT,
  NO_PAGE,
  OVERFLOW,
  PFN_MAPPED,
  SECRETMEM,
  UNMAPPED,
} from './gup-request.ts';
import type { GupError, GupRequest } from './gup-request.ts';
import type { MmStruct } from './mm-struct.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_ANON_EXCLUSIVE } from './page-frames.ts';
import { tryGetFolio, tryPinFolio } from './page-pin.ts';
import { PTE_PRESENT, PTE_SPECIAL, PTE_USER, PTE_WRITE, pteFrame } from './page-table.ts';
import { VM_MAYREAD } from './vma.ts';
import type { Vma } from './vma.ts';

/** Takes pages from `first + got` on. @returns why it ended before the end */
export function getUserPagesSlow(request: GupRequest): GupError | undefined {
  const { mm, first, end, foll } = request;
  let vma: Vma | undefined;
  for (let page = first + request.got; page < end; page++) {
    if (vma === undefined || page >= vma.endPage) {
      vma = mm.vmas.find(page * PAGE_SIZE);
      if (vma === undefined) return UNMAPPED;
      const refused = checkVmaFlags(vma, foll);
      if (refused !== undefined) return refused;
    }
    const missing = faultIn(mm, vma, page, foll);
    if (missing !== undefined) return missing;
    const frame = pteFrame(mm.table.get(page));
    if (!tryGrabPage(mm.pages, frame, foll)) return OVERFLOW;
    request.pages[request.got] = mm.pages.frames.address(frame);
    request.got += 1;
  }
  return undefined;
}

const has = (foll: number, flags: number): boolean => (foll & flags) !== 0;

function checkVmaFlags(vma: Vma, foll: number): GupError | undefined {
  if (vma.pfnMapped) return PFN_MAPPED;
  if (has(foll, FOLL_ANON) && vma.cache !== undefined) return NOT_ANON;
  const backing = vma.cache?.backing;
  if (has(foll, FOLL_LONGTERM) && backing === 'fsdax') return FSDAX;
  if (backing === 'secretmem') return SECRETMEM;
  return has(foll, FOLL_WRITE) ? checkWrite(vma, foll) : checkRead(vma, foll);
}

function checkWrite(vma: Vma, foll: number): GupError | undefined {
  if (has(foll, FOLL_LONGTERM) && needsDirtyTracking(vma)) return DIRTY_TRACKED;
  if (vma.writable) return undefined;
  if (!has(foll, FOLL_FORCE)) return NOT_WRITABLE;
  return vma.isCow ? undefined : NOT_PRIVATE;
}

function checkRead(vma: Vma, foll: number): GupError | undefined {
  if (vma.readable) return undefined;
  return has(foll, FOLL_FORCE) && has(vma.flags, VM_MAYREAD) ? undefined : NOT_READABLE;
}

/** vma_needs_dirty_tracking(): what is written through a pin would go unnoticed. */
function needsDirtyTracking(vma: Vma): boolean {
  if (!vma.mm.pages.switches.longtermRefusesDirtyTracked) return false;
  return vma.shared && vma.writable && vma.cache?.backing === 'writeback';
}

/** faultin_page() until follow_page_pte() is content. */
function faultIn(mm: MmStruct, vma: Vma, page: number, foll: number): GupError | undefined {
  const pte = mm.table.get(page);
  if (isContent(mm, vma, pte, foll)) {
    // Of a page that only reads have touched there is nothing to dump either.
    return has(pte, PTE_SPECIAL) && has(foll, FOLL_DUMP) ? HOLE : undefined;
  }
  if (has(foll, FOLL_NOFAULT)) return NOT_PRESENT;
  if (pte === 0 && has(foll, FOLL_DUMP) && vma.cache === undefined) return HOLE;
  if (has(foll, FOLL_WRITE) && !vma.writable) return forceWrite(mm, vma, page);
  const error = faultOnce(mm, vma, page, has(foll, FOLL_WRITE) ? 'write' : 'read');
  if (error !== undefined) return error;
  if (!has(foll, FOLL_PIN) || !mustUnshare(mm, mm.table.get(page), foll, vma)) return undefined;
  return faultOnce(mm, vma, page, 'unshare');
}

/** follow_page_pte(): whether the entry can be taken as it is. */
function isContent(mm: MmStruct, vma: Vma, pte: number, foll: number): boolean {
  if (!has(pte, PTE_PRESENT)) return false;
  if (!has(foll, FOLL_WRITE)) return !has(foll, FOLL_PIN) || !mustUnshare(mm, pte, foll, vma);
  return has(pte, PTE_WRITE) || (!vma.writable && isOwn(mm, pte));
}

/** can_follow_write_pte(): under FOLL_FORCE a page of the process's own will do. */
function isOwn(mm: MmStruct, pte: number): boolean {
  if (has(pte, PTE_SPECIAL)) return false;
  return has(mm.pages.frames.flags[pteFrame(pte)]!, PG_ANON_EXCLUSIVE);
}

/** FOLL_FORCE: the page becomes the process's own, and no more accessible to it than before. */
function forceWrite(mm: MmStruct, vma: Vma, page: number): GupError | undefined {
  while (!has(mm.table.get(page), PTE_PRESENT) || !isOwn(mm, mm.table.get(page))) {
    const error = faultOnce(mm, vma, page, 'unshare');
    if (error !== undefined) return error;
  }
  const pte = mm.table.get(page);
  if (!vma.accessible) mm.changePte(page, (pte & ~PTE_USER) >>> 0);
  return undefined;
}

function faultOnce(
  mm: MmStruct,
  vma: Vma,
  page: number,
  kind: 'read' | 'write' | 'unshare',
): GupError | undefined {
  const error = handleMmFault(mm, vma, page, kind);
  if (error === undefined) return undefined;
  return error === 'SIGBUS' ? NO_CONTENT : NO_PAGE;
}

/** try_grab_folio(): false when the count has overflowed. Pins of the zero page are not counted. */
function tryGrabPage(pages: PageAllocator, frame: number, foll: number): boolean {
  const { frames, vmstat } = pages;
  if (!has(foll, FOLL_PIN)) return tryGetFolio(frames, frames.folio(frame));
  if (frame === pages.zeroFrame) return true;
  if (!tryPinFolio(frames, frames.folio(frame))) return false;
  vmstat.nr_foll_pin_acquired += 1;
  return true;
}
