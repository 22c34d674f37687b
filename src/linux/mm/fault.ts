/**
 * Page faults: pages come when they are touched, and are copied when a shared one is written.
 *
 * Upstream counterpart: handle_mm_fault() and what it calls, mm/memory.c. Left out: huge pages,
 * userfaultfd.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Access } from '../../machine/bus.ts';
import type { MmStruct } from './mm-struct.ts';
import { normalPte } from './mm-struct.ts';
import { FAULT_SIGBUS } from './page-cache.ts';
import type { PageCache } from './page-cache.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE } from './page-frames.ts';
import {
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_USER,
  PTE_WRITE,
  makePte,
  pteFrame,
  swapSlot,
} from './page-table.ts';
import type { Vma } from './vma.ts';

/** `unshare` makes an anonymous page exclusive for a read-only pin (FAULT_FLAG_UNSHARE). */
export type FaultKind = Access | 'unshare';

/** VM_FAULT_OOM, VM_FAULT_SIGBUS, or that all went well. */
type Outcome = 'OOM' | 'SIGBUS' | undefined;

/** Why a fault could not be resolved: VM_FAULT_SIGSEGV, VM_FAULT_SIGBUS, VM_FAULT_OOM. */
export type FaultError = 'SIGSEGV' | 'SIGBUS' | 'OOM';

/** do_user_addr_fault(): a program or a user copy touches a page. Undefined when it may. */
export function userFault(mm: MmStruct, page: number, access: Access): FaultError | undefined {
  const vma = mm.vmas.find(page * PAGE_SIZE);
  if (vma === undefined || !permits(vma, access)) return 'SIGSEGV';
  return handleMmFault(mm, vma, page, access);
}

/** access_error(): x86-64 and arm64 let whoever may do anything read. */
const permits = (vma: Vma, access: Access): boolean =>
  access === 'write' ? vma.writable : vma.accessible;

/** The VMA is known to permit what `kind` asks for. */
export function handleMmFault(mm: MmStruct, vma: Vma, page: number, kind: FaultKind): Outcome {
  const pte = mm.table.get(page);
  if (pte === 0) return faultMissing(mm, vma, page, kind);
  if ((pte & PTE_PRESENT) === 0) return swapIn(mm, vma, page, pte);
  if (kind === 'read' || (pte & PTE_WRITE) !== 0) return undefined;
  return faultReadOnly(mm, vma, page, pte, kind);
}

/** do_pte_missing(); pfn mappings have all their entries from the start. */
function faultMissing(mm: MmStruct, vma: Vma, page: number, kind: FaultKind): Outcome {
  if (vma.cache !== undefined) return faultCache(mm, vma, page, vma.cache, kind);
  if (kind === 'write') return newAnonPage(mm, vma, page);
  mm.mapSpecial(page, mm.pages.zeroFrame, PTE_USER);
  return undefined;
}

/** do_read_fault(), do_shared_fault(): the cache's page; do_cow_fault(): a copy of it. */
function faultCache(
  mm: MmStruct,
  vma: Vma,
  page: number,
  cache: PageCache,
  kind: FaultKind,
): Outcome {
  const frame = cache.fault(vma.cacheIndex(page));
  if (frame < 0) return frame === FAULT_SIGBUS ? 'SIGBUS' : 'OOM';
  mm.pages.getFrame(frame);
  if (vma.shared || kind === 'read') {
    const writable = vma.shared && vma.writable && mayBeWritten(mm, vma, frame, kind);
    mm.mapPte(page, normalPte(frame, writable));
    return undefined;
  }
  const copy = copyOf(mm, vma, page, frame);
  mm.pages.putFrame(frame);
  if (copy < 0) return 'OOM';
  mm.mapPte(page, normalPte(copy, kind === 'write'));
  return undefined;
}

/** page_mkwrite(): the first write to a page of a file makes it dirty; before it is read only. */
function mayBeWritten(mm: MmStruct, vma: Vma, frame: number, kind: FaultKind): boolean {
  if (!vma.needsDirtyTracking) return true;
  if (kind === 'write') mm.pages.markDirty(frame);
  return kind === 'write';
}

/** do_swap_page(): the content comes back as a page of the process's own. */
function swapIn(mm: MmStruct, vma: Vma, page: number, pte: number): Outcome {
  const frame = mm.allocAnon(page, vma.anonIndex(page));
  if (frame < 0) return 'OOM';
  mm.pages.swapIn(frame, swapSlot(pte));
  mm.mapPte(page, vma.accessible ? normalPte(frame, vma.writable) : makePte(frame, PTE_PRESENT));
  return undefined;
}

/** do_anonymous_page() for a write. */
function newAnonPage(mm: MmStruct, vma: Vma, page: number): Outcome {
  const frame = mm.allocAnon(page, vma.anonIndex(page));
  if (frame < 0) return 'OOM';
  mm.zeroFrame(frame);
  mm.mapPte(page, normalPte(frame, true));
  return undefined;
}

/**
 * do_wp_page(): the page is there, and may be read only. Entries of shared mappings are as writable
 * as their VMA, but for files that want to know of the first write (wp_page_shared).
 */
function faultReadOnly(
  mm: MmStruct,
  vma: Vma,
  page: number,
  pte: number,
  kind: FaultKind,
): Outcome {
  const write = kind === 'write';
  if (vma.shared) {
    if (mayBeWritten(mm, vma, pteFrame(pte), kind)) mm.changePte(page, pte | PTE_WRITE);
    return undefined;
  }
  if (!reusable(mm, pte)) return copyPage(mm, vma, page, pte, write);
  if (write) mm.changePte(page, pte | PTE_WRITE);
  return undefined;
}

/** Whether an anonymous page has no other user, so that it need not be copied. */
function reusable(mm: MmStruct, pte: number): boolean {
  const { flags, refs } = mm.pages.frames;
  const frame = pteFrame(pte);
  if ((pte & PTE_SPECIAL) !== 0 || (flags[frame]! & PG_ANON) === 0) return false;
  if ((flags[frame]! & PG_ANON_EXCLUSIVE) !== 0) return true;
  if (refs[frame]! > 1) return false;
  flags[frame]! |= PG_ANON_EXCLUSIVE;
  return true;
}

/** wp_page_copy() */
function copyPage(mm: MmStruct, vma: Vma, page: number, pte: number, writable: boolean): Outcome {
  const old = pteFrame(pte);
  const special = (pte & PTE_SPECIAL) !== 0;
  if (!special) mm.pages.getFrame(old);
  const frame = copyOf(mm, vma, page, old);
  if (!special) mm.pages.putFrame(old);
  if (frame < 0) return 'OOM';
  if (!special) mm.removeRmap(old);
  mm.mapPte(page, normalPte(frame, writable));
  mm.tlb.drop(page);
  return undefined;
}

/** A page of the process's own with the content of another, which the caller holds; or -1. */
function copyOf(mm: MmStruct, vma: Vma, page: number, from: number): number {
  const frame = mm.allocAnon(page, vma.anonIndex(page));
  if (frame >= 0) copyFrame(mm, frame, from);
  return frame;
}

/** copy_user_highpage() */
export function copyFrame(mm: MmStruct, to: number, from: number): void {
  mm.pages.frameBytes(to, 'write').set(mm.pages.frameBytes(from, 'read'));
}
