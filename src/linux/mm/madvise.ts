/**
 * madvise(): what a program says of memory that it has mapped.
 *
 * Upstream counterpart: mm/madvise.c. Advice about reading ahead, core dumps and huge pages is
 * taken and changes nothing. Left out, -EINVAL: MADV_FREE, MADV_REMOVE, MADV_COLD, MADV_POPULATE_*,
 * merging, poisoning.
 */
import { EAGAIN, EINVAL, ENOMEM } from '../../abi/errno.ts';
import {
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, pageOffset, roundUp } from '../../machine/address.ts';
import { ADDRESS_SPACE } from './arch.ts';
import type { MmStruct } from './mm-struct.ts';
import { cutOut } from './mprotect.ts';
import { PTE_PRESENT, pteFrame, pteKind } from './page-table.ts';
import {
  VM_DONTCOPY,
  VM_IO,
  VM_LOCKED,
  VM_PFNMAP,
  VM_SHARED,
  VM_SPECIAL,
  VM_WIPEONFORK,
} from './vma.ts';
import type { Vma } from './vma.ts';

/** Applies to a part of a VMA: 0 or a negative errno. */
type Advice = (mm: MmStruct, vma: Vma, from: number, to: number) => number;

/**
 * madvise_update_vma(), unless the VMA has one of the flags `refused`. Too many VMAs are -EAGAIN here:
 * -ENOMEM would be a hole.
 */
function flagAdvice(set: number, clear: number, refused: number): Advice {
  return (mm, vma, from, to) => {
    if ((vma.flags & refused) !== 0) return -EINVAL;
    const flags = (vma.flags & ~clear) | set;
    if (flags === vma.flags) return 0;
    const part = cutOut(mm, vma, from, to);
    if (part === undefined) return -EAGAIN;
    part.flags = flags;
    mm.vmas.mergeAround(part);
    return 0;
  };
}

const wipeOnFork = flagAdvice(VM_WIPEONFORK, 0, VM_SHARED);
const ignored: Advice = () => 0;
const isAnonymous = ({ cache, file }: Vma): boolean => cache === undefined && file === undefined;

const ADVICE: ReadonlyMap<number, Advice> = new Map<number, Advice>([
  [MADV_NORMAL, ignored],
  [MADV_RANDOM, ignored],
  [MADV_SEQUENTIAL, ignored],
  [MADV_WILLNEED, ignored],
  [MADV_HUGEPAGE, ignored],
  [MADV_NOHUGEPAGE, ignored],
  [MADV_DONTDUMP, ignored],
  [MADV_DODUMP, (_, { flags }) => ((flags & VM_SPECIAL) === 0 ? 0 : -EINVAL)],
  [MADV_DONTNEED, dontNeed],
  [MADV_PAGEOUT, pageOut],
  [MADV_DONTFORK, flagAdvice(VM_DONTCOPY, 0, 0)],
  [MADV_DOFORK, flagAdvice(0, VM_DONTCOPY, VM_IO)],
  [
    MADV_WIPEONFORK,
    (mm, vma, from, to) => (isAnonymous(vma) ? wipeOnFork(mm, vma, from, to) : -EINVAL),
  ],
  [MADV_KEEPONFORK, flagAdvice(0, VM_WIPEONFORK, 0)],
]);

/** @returns 0 or a negative errno; -ENOMEM for a hole, after what lies around it was done. */
export function madvise(mm: MmStruct, start: number, length: number, advice: number): number {
  const apply = ADVICE.get(advice);
  if (apply === undefined || pageOffset(start) !== 0) return -EINVAL;
  const end = start + roundUp(length, PAGE_SIZE);
  if (end >= ADDRESS_SPACE) return -EINVAL;
  if (end === start) return 0;
  let at = start;
  let hole = 0;
  for (const vma of mm.vmas.overlapping(start, end)) {
    if (vma.start > at) hole = -ENOMEM;
    const to = Math.min(end, vma.end);
    const error = apply(mm, vma, Math.max(at, vma.start), to);
    if (error < 0) return error;
    at = to;
  }
  return at < end ? -ENOMEM : hole;
}

/** Private pages are gone for good; those of files are read again. Pins keep theirs. */
function dontNeed(mm: MmStruct, vma: Vma, from: number, to: number): number {
  if ((vma.flags & (VM_LOCKED | VM_PFNMAP)) !== 0) return -EINVAL;
  mm.zap(from / PAGE_SIZE, to / PAGE_SIZE);
  return 0;
}

/** madvise_pageout(): reclaims pages that nobody else maps. */
function pageOut(mm: MmStruct, vma: Vma, from: number, to: number): number {
  if ((vma.flags & (VM_LOCKED | VM_PFNMAP)) !== 0) return -EINVAL;
  const { pages, table } = mm;
  const folios: number[] = [];
  table.update(from / PAGE_SIZE, to / PAGE_SIZE, (_, pte) => {
    const folio = pteKind(pte) === PTE_PRESENT ? pages.frames.folio(pteFrame(pte)) : -1;
    const alone = folio >= 0 && pages.frames.mapcount[folio] === 1;
    if (alone && pages.isolateFolio(folio)) folios.push(folio);
    return pte;
  });
  for (const folio of pages.reclaimer.shrinkFolioList(folios)) pages.putbackFolio(folio);
  return 0;
}
