/**
 * fork()'s copy of an address space: private pages are shared until one side writes; pages that the
 * parent has pinned are copied at once, so that its device keeps seeing the parent's memory.
 *
 * Upstream counterpart: dup_mmap() in kernel/fork.c, copy_page_range() in mm/memory.c.
 * Left out: MADV_DONTFORK, MADV_WIPEONFORK.
 */
import { copyFrame } from './fault.ts';
import type { MmStruct } from './mm-struct.ts';
import { GUP_PIN_COUNTING_SHIFT, PG_ANON_EXCLUSIVE } from './page-frames.ts';
import { PTE_PRESENT, PTE_SPECIAL, PTE_USER, PTE_WRITE, makePte, pteFrame } from './page-table.ts';
import type { Vma } from './vma.ts';

/** Fills the address space of a child; false for -ENOMEM, then the child is empty again. */
export function dupMmap(child: MmStruct, parent: MmStruct): boolean {
  let ok = true;
  for (const vma of parent.vmas) {
    child.vmas.insert(vma.dup());
    // The pages of a shared object are found again when they are touched.
    ok = vma.shmem !== undefined || copyPageRange(child, parent, vma);
    if (!ok) break;
  }
  // Pages that were written without a fault so far are shared now.
  parent.tlb.flush();
  if (!ok) child.destroy();
  return ok;
}

/** False when memory has run out. */
function copyPageRange(child: MmStruct, parent: MmStruct, vma: Vma): boolean {
  let ok = true;
  parent.table.update(vma.firstPage, vma.endPage, (page, pte) => {
    if (!ok) return pte;
    const shared = vma.shared ? pte : (pte & ~PTE_WRITE) >>> 0;
    if ((pte & PTE_SPECIAL) !== 0) {
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
  const { flags, refs } = parent.pages.frames;
  const exclusive = (flags[frame]! & PG_ANON_EXCLUSIVE) !== 0;
  return exclusive && parent.hasPinned && refs[frame]! >>> GUP_PIN_COUNTING_SHIFT > 0;
}

function sharePage(child: MmStruct, parent: MmStruct, page: number, pte: number): void {
  const frame = pteFrame(pte);
  parent.pages.frames.flags[frame]! &= ~PG_ANON_EXCLUSIVE;
  parent.pages.getFrame(frame);
  child.mapPte(page, pte);
}

/** The child's copy is its own, so it may write at once where its VMA allows that. */
function copyPresentPage(child: MmStruct, page: number, pte: number, vma: Vma): boolean {
  const frame = child.allocAnon(page);
  if (frame < 0) return false;
  copyFrame(child, frame, pteFrame(pte));
  const flags = PTE_PRESENT | (pte & PTE_USER) | (vma.writable ? PTE_WRITE : 0);
  child.mapPte(page, makePte(frame, flags));
  return true;
}
