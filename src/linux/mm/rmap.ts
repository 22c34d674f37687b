/**
 * Who maps a folio: from the folio to the page table entries that show it.
 *
 * Upstream counterpart: mm/rmap.c. `frames.mapping` leads to the owner. For anonymous folios that
 * is the family of address spaces that forked from one (the root anon_vma), in all of which a page
 * has the same address, but where mremap() has moved it; for others it is the PageCache with its VMAs.
 * Left out: the interval trees, KSM, mappings of part of the pages of an anonymous large folio.
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import type { MmStruct } from './mm-struct.ts';
import type { PageCache } from './page-cache.ts';
import { PG_ANON, PG_ANON_EXCLUSIVE } from './page-frames.ts';
import type { PageAllocator } from './page-allocator.ts';
import { maybeDmaPinned } from './page-pin.ts';
import {
  PTE_MIGRATION,
  PTE_PRESENT,
  makeMigrationPte,
  makeSwapPte,
  pteFrame,
  pteKind,
  restoreMigrationPte,
} from './page-table.ts';

/** What `page->mapping` points to. */
export type FolioOwner = AnonVma | PageCache;

/** Owners by number. Numbers are not used again, so that a stale one leads to nobody. */
export class FolioOwners {
  readonly #owners = new Map<number, FolioOwner>();
  #last = 0;

  register(owner: FolioOwner): number {
    this.#last += 1;
    this.#owners.set(this.#last, owner);
    return this.#last;
  }

  /** The owner has ended; its folios that are still referenced have none now. */
  unregister(owner: FolioOwner): void {
    this.#owners.delete(owner.id);
  }

  get(id: number): FolioOwner | undefined {
    return this.#owners.get(id);
  }

  /** page_mapping(): the cache that a folio is in, if it is in one. */
  cache(id: number): PageCache | undefined {
    const owner = this.#owners.get(id);
    return owner?.kind === 'cache' ? owner : undefined;
  }
}

/** The address spaces that may share anonymous pages: a process and its descendants. */
export class AnonVma {
  readonly kind = 'anon';
  readonly id: number;
  readonly #owners: FolioOwners;
  readonly #mms = new Set<MmStruct>();

  constructor(owners: FolioOwners) {
    this.#owners = owners;
    this.id = owners.register(this);
  }

  get mms(): ReadonlySet<MmStruct> {
    return this.#mms;
  }

  /** anon_vma_fork() */
  join(mm: MmStruct): void {
    this.#mms.add(mm);
  }

  /** unlink_anon_vmas() */
  leave(mm: MmStruct): void {
    this.#mms.delete(mm);
    if (this.#mms.size === 0) this.#owners.unregister(this);
  }
}

/** Called with an entry that shows the folio's page in `frame`. */
export type RmapVisitor = (mm: MmStruct, page: number, pte: number, frame: number) => void;

/**
 * rmap_walk(): every entry that shows a page of the folio.
 * @param kind PTE_PRESENT, or PTE_MIGRATION for the entries that `tryToMigrate` left
 * @param shown the folio that the entries name, if not the same
 */
export function rmapWalk(
  pages: PageAllocator,
  folio: number,
  visit: RmapVisitor,
  kind: number = PTE_PRESENT,
  shown: number = folio,
): void {
  const { frames } = pages;
  const owner = pages.owners.get(frames.mapping[folio]!);
  const index = frames.index[folio]!;
  const count = frames.folioPages(folio);
  const visitRange = (mm: MmStruct, page: number, frame: number, n: number): void => {
    for (let i = 0; i < n; i++) {
      const pte = mm.table.get(page + i);
      if (pteKind(pte) === kind && pteFrame(pte) === frame + i) visit(mm, page + i, pte, frame + i);
    }
  };
  if (owner?.kind === 'anon') {
    for (const mm of owner.mms) {
      visitRange(mm, index, shown, count);
      if (mm.hasMoved) for (const page of movedTo(mm, index)) visitRange(mm, page, shown, count);
    }
  }
  if (owner?.kind !== 'cache') return;
  for (const vma of owner.vmas) {
    const first = Math.max(index, vma.pgoff);
    const last = Math.min(index + count, vma.pgoff + vma.endPage - vma.firstPage);
    visitRange(vma.mm, vma.cachePage(first), shown + first - index, last - first);
  }
}

/** Where anonymous pages of a number may be now, beside where they came. */
function movedTo({ vmas }: MmStruct, index: number): readonly number[] {
  const found = [...vmas].filter(
    ({ moved, firstPage, endPage }) =>
      moved !== 0 && index + moved >= firstPage && index + moved < endPage,
  );
  return found.map(({ moved }) => index + moved);
}

/** folio_referenced() as far as VM_LOCKED goes: a mapping keeps the folio from being reclaimed. */
export function isMappedLocked(pages: PageAllocator, folio: number): boolean {
  const owner = pages.owners.get(pages.frames.mapping[folio]!);
  let locked = false;
  if (owner === undefined || !hasLocked(owner)) return false;
  rmapWalk(pages, folio, (mm, page) => {
    locked ||= mm.vmas.find(page * PAGE_SIZE)?.locked === true;
  });
  return locked;
}

/** Whether anybody who may map its folios has locked memory at all. */
function hasLocked(owner: FolioOwner): boolean {
  if (owner.kind === 'cache') {
    for (const vma of owner.vmas) if (vma.locked) return true;
    return false;
  }
  for (const { account } of owner.mms) if (account.lockedVm > 0) return true;
  return false;
}

/**
 * try_to_migrate(): puts migration entries in place of those that show the folio, and drops their
 * references. False when it is mapped still: an exclusive anonymous page may be pinned
 * (page_try_share_anon_rmap).
 */
export function tryToMigrate(pages: PageAllocator, folio: number): boolean {
  const { frames } = pages;
  const anonExclusive = PG_ANON | PG_ANON_EXCLUSIVE;
  const exclusive = (frames.flags[folio]! & anonExclusive) === anonExclusive;
  if (exclusive && maybeDmaPinned(frames, folio)) return false;
  rmapWalk(pages, folio, (mm, page, pte) => mm.unmapPte(page, makeMigrationPte(pte)));
  return frames.mapcount[folio] === 0;
}

/** remove_migration_ptes(): those who saw `from` see `to`, which may be the same folio. */
export function removeMigrationPtes(pages: PageAllocator, from: number, to: number): void {
  const restore: RmapVisitor = (mm, page, pte, frame) => {
    const shown = to + frame - from;
    pages.getFrame(shown);
    mm.mapPte(page, restoreMigrationPte(pte, shown));
  };
  rmapWalk(pages, to, restore, PTE_MIGRATION, from);
}

/**
 * try_to_unmap(): takes away every entry that shows the folio, and their references.
 * @param slot of the swap area where an anonymous page will be found; each entry gets a reference
 */
export function tryToUnmap(pages: PageAllocator, folio: number, slot: number): void {
  rmapWalk(pages, folio, (mm, page) => {
    if (slot >= 0) pages.swap.dup(slot);
    mm.unmapPte(page, slot < 0 ? 0 : makeSwapPte(slot));
  });
}
