/**
 * mremap(): a mapping grows, shrinks or goes elsewhere, and its pages with it. The frames are the same
 * ones, so that whoever has pinned or registered them notices nothing; what has moved is where the
 * process sees them.
 *
 * Upstream counterpart: mm/mremap.c, Linux 6.1. Left out: huge pages, userfaultfd, KSM, overcommit
 * accounting, RLIMIT_AS, the line in the log about private mappings that cannot be duplicated. Since
 * 6.17 several mappings can be moved at once: here that is -EFAULT, as before.
 */
import { EAGAIN, EFAULT, EINVAL, ENOMEM } from '../../abi/errno.ts';
import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from '../../abi/fcntl.ts';
import { PAGE_SIZE, pageOffset, roundUp } from '../../machine/address.ts';
import { ADDRESS_SPACE } from './arch.ts';
import { getUnmappedArea, munmap } from './mmap.ts';
import { DEFAULT_MAX_MAP_COUNT } from './mm-struct.ts';
import type { MmStruct } from './mm-struct.ts';
import { cutOut } from './mprotect.ts';
import { PG_ANON } from './page-frames.ts';
import { PTE_PRESENT, PTE_SWAP, pteFrame, pteKind } from './page-table.ts';
import { populate } from './populate.ts';
import { VM_DONTEXPAND, VM_LOCKED, VM_PFNMAP } from './vma.ts';
import type { Vma } from './vma.ts';

export interface RemapRequest {
  readonly addr: number;
  /** Bytes; both are rounded up to pages. */
  readonly oldLength: number;
  readonly newLength: number;
  /** MREMAP_* */
  readonly flags: number;
  /** With MREMAP_FIXED where it goes; a wish with MREMAP_DONTUNMAP alone. */
  readonly newAddr: number;
  /** RLIMIT_MEMLOCK, pages; Infinity for those whom it does not bind. */
  readonly lockLimit: number;
}

const KNOWN_FLAGS = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
const NEVER_EXPANDS = VM_DONTEXPAND | VM_PFNMAP;

/** @returns where the mapping is now, or -EINVAL, -EFAULT, -ENOMEM, -EAGAIN, -EPERM. */
export function mremap(mm: MmStruct, asked: RemapRequest): number {
  const request = {
    ...asked,
    oldLength: pageAlign(asked.oldLength),
    newLength: pageAlign(asked.newLength),
  };
  const { addr, oldLength, newLength, flags } = request;
  if (!validFlags(request) || pageOffset(addr) !== 0 || newLength === 0) return -EINVAL;
  if (mm.vmas.find(addr) === undefined) return -EFAULT;
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return mremapTo(mm, request);
  if (oldLength >= newLength) return shrink(mm, request);
  const vma = vmaToResize(mm, request);
  if (typeof vma === 'number') return vma;
  if (addr + oldLength === vma.end && isExpandable(mm, vma, newLength - oldLength)) {
    return expand(mm, vma, request);
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  const to = getUnmappedArea(mm, {}, newLength);
  return to < 0 ? to : moveVma(mm, vma, request, to);
}

/** PAGE_ALIGN() of 64 bits. */
function pageAlign(length: number): number {
  const aligned = roundUp(length, PAGE_SIZE);
  return aligned >= ADDRESS_SPACE ? 0 : aligned;
}

function validFlags({ flags, oldLength, newLength }: RemapRequest): boolean {
  if ((flags & ~KNOWN_FLAGS) !== 0) return false;
  const moves = (flags & MREMAP_MAYMOVE) !== 0;
  if ((flags & MREMAP_FIXED) !== 0 && !moves) return false;
  return (flags & MREMAP_DONTUNMAP) === 0 || (moves && oldLength === newLength);
}

/** It need not be one mapping that the old length covers: what is behind the new one goes. */
function shrink(mm: MmStruct, { addr, oldLength, newLength }: RemapRequest): number {
  if (oldLength === newLength) return addr;
  const rc = munmap(mm, addr + newLength, oldLength - newLength);
  return rc < 0 ? rc : addr;
}

/** vma_to_resize(): the mapping at `addr`, when it may become so large. */
function vmaToResize(mm: MmStruct, request: RemapRequest): Vma | number {
  const { addr, oldLength, newLength, flags, lockLimit } = request;
  const vma = mm.vmas.find(addr);
  if (vma === undefined) return -EFAULT;
  // No old length asks for a second view, which makes sense of shared memory only.
  if (oldLength === 0 && !vma.shared) return -EINVAL;
  const special = (vma.flags & NEVER_EXPANDS) !== 0;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && special) return -EINVAL;
  if (oldLength > vma.end - addr) return -EFAULT;
  if (newLength === oldLength) return vma;
  if (special) return -EFAULT;
  const more = (newLength - oldLength) / PAGE_SIZE;
  if (vma.locked && mm.account.lockedVm + more > lockLimit) return -EAGAIN;
  return vma;
}

/** vma_expandable() */
function isExpandable(mm: MmStruct, vma: Vma, more: number): boolean {
  const end = vma.end + more;
  if (end > mm.arch.taskSize) return false;
  return mm.vmas.overlapping(vma.end, end).length === 0;
}

/** The mapping grows where it is, and may come to fit the next one. */
function expand(mm: MmStruct, vma: Vma, { addr, oldLength, newLength }: RemapRequest): number {
  const from = vma.end;
  const more = newLength - oldLength;
  vma.grow(more);
  if (vma.locked) mm.account.lockedVm += more / PAGE_SIZE;
  mm.vmas.mergeAround(vma);
  if (vma.locked) populate(mm, from, from + more, vma);
  return addr;
}

/** mremap_to(): to a place that is given, or with the old mapping left behind empty. */
function mremapTo(mm: MmStruct, request: RemapRequest): number {
  const { addr, newAddr, newLength, flags } = request;
  const { taskSize } = mm.arch;
  if (pageOffset(newAddr) !== 0) return -EINVAL;
  if (newLength > taskSize || newAddr > taskSize - newLength) return -EINVAL;
  if (addr + request.oldLength > newAddr && newAddr + newLength > addr) return -EINVAL;
  // Each of both places may have to be split in three: not to be found out half way.
  if (mm.vmas.count + 2 >= DEFAULT_MAX_MAP_COUNT - 3) return -ENOMEM;
  const fixed = (flags & MREMAP_FIXED) !== 0;
  const cleared = fixed ? munmap(mm, newAddr, newLength) : 0;
  if (cleared < 0) return cleared;
  const kept = Math.min(newLength, request.oldLength);
  const cut = shrink(mm, { ...request, newLength: kept });
  if (cut < 0) return cut;
  const resized = { ...request, oldLength: kept };
  const vma = vmaToResize(mm, resized);
  if (typeof vma === 'number') return vma;
  const place = fixed ? ({ at: newAddr, fixed: 'replace' } as const) : { at: newAddr };
  const to = getUnmappedArea(mm, place, newLength);
  return to < 0 ? to : moveVma(mm, vma, resized, to);
}

/** move_vma(), copy_vma() */
function moveVma(mm: MmStruct, source: Vma, request: RemapRequest, to: number): number {
  const { addr, oldLength, newLength, flags } = request;
  if (mm.vmas.count >= DEFAULT_MAX_MAP_COUNT - 3) return -ENOMEM;
  const keeps = (flags & MREMAP_DONTUNMAP) !== 0;
  const numbered = isNumbered(mm, source);
  const vma = source.copyTo(addr, to, newLength, numbered);
  if (vma.locked) mm.account.lockedVm += vma.pages;
  if (vma.moved !== 0) mm.hasMoved = true;
  if (keeps && !numbered && wouldMerge(source, to, newLength)) mm.vmas.insertApart(vma);
  else mm.vmas.insert(vma);
  mm.table.move(addr / PAGE_SIZE, to / PAGE_SIZE, oldLength / PAGE_SIZE);
  mm.tlb.flush();
  if (keeps) leaveBehind(mm, addr, oldLength);
  else if (oldLength > 0) munmap(mm, addr, oldLength);
  const more = to + oldLength;
  if (vma.locked && newLength > oldLength) populate(mm, more, to + newLength, vma);
  return to;
}

/** Anonymous mappings without pages would be one, where the old one is to be left behind. */
const wouldMerge = ({ cache, start, end }: Vma, to: number, length: number): boolean =>
  cache === undefined && (to === end || to + length === start);

/** vma->anon_vma: whether there are pages that know by their numbers where in it they are. */
function isNumbered(mm: MmStruct, vma: Vma): boolean {
  if (vma.shared) return false;
  const { flags } = mm.pages.frames;
  let found = false;
  mm.table.update(vma.firstPage, vma.endPage, (_, pte) => {
    const kind = pteKind(pte);
    found ||= kind === PTE_SWAP;
    found ||= kind === PTE_PRESENT && (flags[pteFrame(pte)]! & PG_ANON) !== 0;
    return pte;
  });
  return found;
}

/** MREMAP_DONTUNMAP: the old mapping has no pages any more, and is not locked. */
function leaveBehind(mm: MmStruct, addr: number, length: number): void {
  const source = mm.vmas.find(addr)!;
  const whole = source.start === addr && source.end === addr + length;
  if (whole) source.moved = 0;
  if (!source.locked) return;
  const part = cutOut(mm, source, addr, addr + length)!;
  part.flags &= ~VM_LOCKED;
  mm.account.lockedVm -= part.pages;
  mm.vmas.mergeAround(part);
}
