/**
 * fork()'s copy of an address space: private pages are shared until one side writes; pages that the
 * parent has pinned are copied at once, so that its device keeps seeing the parent's memory.
 *
 * Upstream counterpart: dup_mmap() in kernel/fork.c, copy_page_range() in mm/memory.c.
 * Locks are not inherited. MADV_DONTFORK keeps a mapping from the child, MADV_WIPEONFORK its content.
 */
import { copyFrame } from './fault.ts';
import type { MmStruct } from './mm-struct.ts';
import { PG_ANON_EXCLUSIVE } from './page-frames.ts';
import {
  PTE_PRESENT,
  PTE_SWAP,
  PTE_USER,
  PTE_WRITE,
  makePte,
  pteFrame,
  pteKind,
  swapSlot,
} from './page-table.ts';
import { maybeDmaPinned } from './page-pin.ts';
import { VM_DONTCOPY, VM_LOCKED, VM_WIPEONFORK } from './vma.ts';
import type { Vma } from './vma.ts';

/** Fills the address space of a child; false for -ENOMEM, then the child is empty again. */
export function dupMmap(child: MmStruct, parent: MmStruct): boolean {
  let ok = true;
  child.hasMoved = parent.hasMoved;
  for (const vma of parent.vmas) {
    if ((vma.flags & VM_DONTCOPY) !== 0) continue;
    const copy = vma.dup(child);
    copy.flags &= ~VM_LOCKED;
    child.vmas.insert(copy);
    ok = !needsCopy(vma) || copyPageRange(child, parent, vma);
    if (!ok) break;
  }
  // Pages that were written without a fault so far are shared now.
  parent.tlb.flush();
  if (!ok) child.destroy();
  return ok;
}

/** vma_needs_copy(): the pages of a shared object are found again when they are touched. */
const needsCopy = (vma: Vma): boolean =>
  (vma.flags & VM_WIPEONFORK) === 0 && !(vma.shared && vma.cache !== undefined);

/** False when memory has run out. */
function copyPageRange(child: MmStruct, parent: MmStruct, vma: Vma): boolean {
  let ok = true;
  parent.table.update(vma.firstPage, vma.endPage, (page, pte) => {
    if (!ok) return pte;
    const shared = vma.shared ? pte : (pte & ~PTE_WRITE) >>> 0;
    const kind = pteKind(pte);
    if (kind !== PTE_PRESENT) {
      if (kind === PTE_SWAP) parent.pages.swap.dup(swapSlot(pte));
      child.table.set(page, shared);
      return shared;
    }
    if (mustCopy(parent, pteFrame(pte))) {
      ok = copyPresentPage(child, page, pte, vma);
      return pte;
    }
    sharePage(child, parent, page, shared);
    return shared;
  });
  return ok;
}

/** page_needs_cow_for_dma(): an exclusive page that may be pinned stays the parent's alone. */
function mustCopy(parent: MmStruct, frame: number): boolean {
  const { frames } = parent.pages;
  const exclusive = (frames.flags[frame]! & PG_ANON_EXCLUSIVE) !== 0;
  return exclusive && parent.hasPinned && maybeDmaPinned(frames, frame);
}

/** Pages of files that are not written yet are shared already: their flag is clear. */
function sharePage(child: MmStruct, parent: MmStruct, page: number, pte: number): void {
  const frame = pteFrame(pte);
  const { frames } = parent.pages;
  frames.flags[frames.folio(frame)]! &= ~PG_ANON_EXCLUSIVE;
  parent.pages.getFrame(frame);
  child.mapPte(page, pte);
}

/** The child's copy is its own, so it may write at once where its VMA allows that. */
function copyPresentPage(child: MmStruct, page: number, pte: number, vma: Vma): boolean {
  const frame = child.allocAnon(page, vma.anonIndex(page));
  if (frame < 0) return false;
  copyFrame(child, frame, pteFrame(pte));
  const flags = PTE_PRESENT | (pte & PTE_USER) | (vma.writable ? PTE_WRITE : 0);
  child.mapPte(page, makePte(frame, flags));
  return true;
}
