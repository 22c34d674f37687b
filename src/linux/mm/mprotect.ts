/**
 * mprotect(): other rights for what is mapped.
 *
 * Upstream counterpart: mm/mprotect.c. Left out: growing stacks, protection keys.
 */
import { EACCES, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { PROT_SEM } from '../../abi/fcntl.ts';
import { PAGE_SIZE, pageOffset, roundUp } from '../../machine/address.ts';
import { ADDRESS_SPACE } from './arch.ts';
import { DEFAULT_MAX_MAP_COUNT } from './mm-struct.ts';
import type { MmStruct } from './mm-struct.ts';
import { PTE_PRESENT, PTE_USER, PTE_WRITE } from './page-table.ts';
import { VM_ACCESS_FLAGS, VM_MAY_SHIFT } from './vma.ts';
import type { Vma } from './vma.ts';

/**
 * @param prot PROT_*
 * @returns 0 or a negative errno; what lies before the mapping that refuses is changed.
 */
export function mprotect(mm: MmStruct, start: number, length: number, prot: number): number {
  if (pageOffset(start) !== 0) return -EINVAL;
  if (length === 0) return 0;
  const end = start + roundUp(length, PAGE_SIZE);
  if (end >= ADDRESS_SPACE) return -ENOMEM;
  if ((prot & ~(VM_ACCESS_FLAGS | PROT_SEM)) !== 0) return -EINVAL;
  for (let at = start; at < end;) {
    const vma = mm.vmas.find(at);
    if (vma === undefined) return -ENOMEM;
    const flags = (vma.flags & ~VM_ACCESS_FLAGS) | (prot & VM_ACCESS_FLAGS);
    if ((flags & ~(flags >> VM_MAY_SHIFT) & VM_ACCESS_FLAGS) !== 0) return -EACCES;
    const to = Math.min(end, vma.end);
    const error = protectRange(mm, vma, at, to, flags);
    if (error < 0) return error;
    at = to;
  }
  return 0;
}

/** mprotect_fixup(): gives a part of a VMA other flags. */
function protectRange(mm: MmStruct, vma: Vma, from: number, to: number, flags: number): number {
  if (vma.flags === flags) return 0;
  const part = cutOut(mm, vma, from, to);
  if (part === undefined) return -ENOMEM;
  part.flags = flags;
  changeProtection(mm, part);
  mm.vmas.mergeAround(part);
  return 0;
}

/** split_vma() at both ends: the part of a VMA as one of its own; undefined for -ENOMEM. */
export function cutOut(mm: MmStruct, vma: Vma, from: number, to: number): Vma | undefined {
  const cuts = Number(from > vma.start) + Number(to < vma.end);
  if (mm.vmas.count + cuts > DEFAULT_MAX_MAP_COUNT) return undefined;
  const part = from > vma.start ? mm.vmas.split(vma, from) : vma;
  if (to < part.end) mm.vmas.split(part, to);
  return part;
}

/**
 * change_protection(): a private page, and one of a file, only stays writable; it becomes so when
 * it is written.
 */
function changeProtection(mm: MmStruct, vma: Vma): void {
  const always = vma.shared && !vma.needsDirtyTracking;
  mm.table.update(vma.firstPage, vma.endPage, (_, pte) => {
    if ((pte & PTE_PRESENT) === 0) return pte;
    const writable = vma.writable && (always || (pte & PTE_WRITE) !== 0);
    const flags = (vma.accessible ? PTE_USER : 0) | (writable ? PTE_WRITE : 0);
    return ((pte & ~(PTE_USER | PTE_WRITE)) | flags) >>> 0;
  });
  mm.tlb.flush();
}
