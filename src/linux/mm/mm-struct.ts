/**
 * One address space: its VMAs, page table and counters (struct mm_struct). What is done with it
 * is in the files named after upstream's: `fault.ts` (memory.c), `mmap.ts`, `mprotect.ts`,
 * `fork.ts`, `gup.ts`; `address-space.ts` puts them together.
 *
 * No lock guards it: nothing here sleeps, so every operation is whole (mmap_lock).
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import { MmAccount } from './account.ts';
import type { MmArch } from './arch.ts';
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE, PG_LRU, PG_SWAPBACKED } from './page-frames.ts';
import {
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_SWAP,
  PTE_USER,
  PTE_WRITE,
  PageTable,
  makePte,
  pteFrame,
  pteKind,
  swapSlot,
} from './page-table.ts';
import { AnonVma } from './rmap.ts';
import { Tlb } from './tlb.ts';
import type { Vma } from './vma.ts';
import { VmaList } from './vma-list.ts';

/** sysctl vm.max_map_count: VMAs of an address space. */
export const DEFAULT_MAX_MAP_COUNT = 65530;

/** Room between mmap_base and the end of user space, for a stack (MIN_GAP). */
const STACK_GAP = 128 * 1024 * 1024;

/** A process, as far as memory management tells who somebody is. */
export interface MmOwner {
  readonly pid: number;
  readonly name: string;
}

export class MmStruct {
  readonly arch: MmArch;
  readonly pages: PageAllocator;
  readonly table = new PageTable();
  readonly tlb = new Tlb();
  readonly vmas: VmaList;
  /** Whom its anonymous pages may be shared with. */
  readonly anonVma: AnonVma;
  readonly account = new MmAccount();
  /** mm->owner: the process that it was made for, which may have gone. */
  owner: MmOwner | undefined = undefined;
  /** MMF_HAS_PINNED: pages were pinned at some time, so fork has to look for pins. */
  hasPinned = false;
  /** mremap() has moved pages at some time: they need not be where their numbers say. */
  hasMoved = false;
  /** Pages mapped that the process holds references to (RssAnon + RssFile + RssShmem). */
  rss = 0;

  /** @param parent of a fork, whose anonymous pages it will share. */
  constructor(pages: PageAllocator, arch: MmArch, parent?: MmStruct) {
    this.pages = pages;
    this.arch = arch;
    this.anonVma = parent?.anonVma ?? new AnonVma(pages.owners);
    this.anonVma.join(this);
    this.vmas = new VmaList(arch.taskSize - STACK_GAP);
  }

  /** access_ok() */
  accessOk(at: number, length: number): boolean {
    const { taskSize } = this.arch;
    return at >= 0 && length <= taskSize && at <= taskSize - length;
  }

  /** set_pte_at() and page_add_*_rmap() for a page whose reference the caller hands over. */
  mapPte(page: number, pte: number): void {
    const { frames } = this.pages;
    this.table.set(page, pte);
    frames.mapcount[frames.folio(pteFrame(pte))]! += 1;
    this.rss += 1;
  }

  /** Puts `entry` in place of one that shows a page, and drops the page's reference. */
  unmapPte(page: number, entry: number): void {
    const frame = pteFrame(this.table.get(page));
    this.table.set(page, entry);
    this.tlb.drop(page);
    this.removeRmap(frame);
  }

  /** page_remove_rmap() and put_page() for an entry that has gone. */
  removeRmap(frame: number): void {
    const { frames } = this.pages;
    frames.mapcount[frames.folio(frame)]! -= 1;
    this.rss -= 1;
    this.pages.putFrame(frame);
  }

  /** A mapping of a page without a reference: the zero page, or a pfn. */
  mapSpecial(page: number, frame: number, flags: number): void {
    this.table.set(page, makePte(frame, PTE_PRESENT | PTE_SPECIAL | flags));
  }

  /** Another entry for a page that is mapped. */
  changePte(page: number, pte: number): void {
    this.table.set(page, pte);
    this.tlb.drop(page);
  }

  /** zap_page_range(): unmaps whole pages and drops their references, and those to swap. */
  zap(firstPage: number, endPage: number): void {
    this.table.update(firstPage, endPage, (_, pte) => {
      const kind = pteKind(pte);
      if (kind === PTE_PRESENT) this.removeRmap(pteFrame(pte));
      else if (kind === PTE_SWAP) this.pages.swap.put(swapSlot(pte));
      return 0;
    });
    this.tlb.flush();
  }

  /**
   * A frame for a private page, not zeroed, flagged as exclusively anonymous; -1 when
   * memory has run out. It follows the frame of the page before, if that is still free: user
   * buffers then tend to be physically contiguous, as they are on a fresh system.
   * @param page of user space that will show it. @param index its number (`Vma.anonIndex`)
   */
  allocAnon(page: number, index: number): number {
    const before = this.table.get(page - 1);
    const next = pteFrame(before) + 1;
    const adjacent =
      (before & (PTE_PRESENT | PTE_SPECIAL)) === PTE_PRESENT &&
      this.pages.allocFramesAt(next, 0, GFP_HIGHUSER_MOVABLE);
    const frame = adjacent ? next : this.pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    if (frame >= 0) this.markAnon(frame, index);
    return frame;
  }

  /** page_add_new_anon_rmap() without the count. @param pgoff `Vma.anonIndex` of its page */
  markAnon(frame: number, pgoff: number): void {
    const { flags, mapping, index } = this.pages.frames;
    flags[frame] = PG_LRU | PG_ANON | PG_ANON_EXCLUSIVE | PG_SWAPBACKED;
    mapping[frame] = this.anonVma.id;
    index[frame] = pgoff;
  }

  zeroFrame(frame: number): void {
    this.pages.zero(this.pages.frames.address(frame), PAGE_SIZE);
  }

  /** exit_mmap(): everything is unmapped; files are closed and pages without pins freed. */
  destroy(): void {
    for (const vma of [...this.vmas].reverse()) this.removeVma(vma);
    this.anonVma.leave(this);
  }

  removeVma(vma: Vma): void {
    this.zap(vma.firstPage, vma.endPage);
    if (vma.locked) this.account.lockedVm -= vma.pages;
    this.vmas.remove(vma);
    vma.free();
  }
}

/** An entry for a page of a mapping that is accessible (mk_pte). */
export const normalPte = (frame: number, writable: boolean): number =>
  makePte(frame, PTE_PRESENT | PTE_USER | (writable ? PTE_WRITE : 0));
