/**
 * Page faults: pages come when they are touched, and are copied when a shared one is written.
 *
 * Upstream counterpart: handle_mm_fault() and what it calls, mm/memory.c. Left out: swap, huge
 * pages, userfaultfd, faults of files' pages.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Access } from '../../machine/bus.ts';
import type { MmStruct } from './mm-struct.ts';
import { normalPte } from './mm-struct.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE } from './page-frames.ts';
import { PTE_SPECIAL, PTE_USER, PTE_WRITE, pteFrame } from './page-table.ts';
import type { Vma } from './vma.ts';

/** `unshare` makes an anonymous page exclusive for a read-only pin (FAULT_FLAG_UNSHARE). */
export type FaultKind = Access | 'unshare';

/** VM_FAULT_OOM, or that all went well. */
type Outcome = 'OOM' | undefined;

/** Why a fault could not be resolved: VM_FAULT_SIGSEGV, VM_FAULT_OOM. */
export type FaultError = 'SIGSEGV' | 'OOM';

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
  if (kind === 'read' || (pte & PTE_WRITE) !== 0) return undefined;
  return faultReadOnly(mm, page, pte, kind);
}

/** do_pte_missing(); pfn mappings have all their entries from the start. */
function faultMissing(mm: MmStruct, vma: Vma, page: number, kind: FaultKind): Outcome {
  if (vma.shmem !== undefined) return faultShared(mm, vma, page);
  if (kind === 'write') return newAnonPage(mm, page);
  mm.mapSpecial(page, mm.pages.zeroFrame, PTE_USER);
  return undefined;
}

function faultShared(mm: MmStruct, vma: Vma, page: number): Outcome {
  const frame = vma.shmem!.frame(vma.shmemIndex(page));
  if (frame < 0) return 'OOM';
  mm.pages.getFrame(frame);
  mm.mapPte(page, normalPte(frame, vma.writable));
  return undefined;
}

/** do_anonymous_page() for a write. */
function newAnonPage(mm: MmStruct, page: number): Outcome {
  const frame = mm.allocAnon(page);
  if (frame < 0) return 'OOM';
  mm.zeroFrame(frame);
  mm.mapPte(page, normalPte(frame, true));
  return undefined;
}

/**
 * do_wp_page(): the page is there, and may be read only. Entries of shared mappings are as writable
 * as their VMA, so that only private ones come here.
 */
function faultReadOnly(mm: MmStruct, page: number, pte: number, kind: FaultKind): Outcome {
  const write = kind === 'write';
  if (!reusable(mm, pte)) return copyPage(mm, page, pte, write);
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
function copyPage(mm: MmStruct, page: number, pte: number, writable: boolean): Outcome {
  const old = pteFrame(pte);
  const frame = mm.allocAnon(page);
  if (frame < 0) return 'OOM';
  copyFrame(mm, frame, old);
  if ((pte & PTE_SPECIAL) === 0) mm.pages.putFrame(old);
  else mm.rss += 1;
  mm.changePte(page, normalPte(frame, writable));
  return undefined;
}

/** copy_user_highpage() */
export function copyFrame(mm: MmStruct, to: number, from: number): void {
  const { pages } = mm;
  const source = pages.kernelBytes(pages.frames.address(from), PAGE_SIZE, 'read');
  pages.kernelBytes(pages.frames.address(to), PAGE_SIZE, 'write').set(source);
}
