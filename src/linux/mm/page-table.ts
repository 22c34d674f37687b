/**
 * Page tables of an address space: an entry for each page that is mapped, in leaves of 512.
 *
 * Upstream counterpart: include/linux/pgtable.h, swapops.h, the pte_* helpers of the architectures.
 * An entry has the shape of a hardware one: the page's offset in RAM above, flags in the low 12
 * bits; 0 is pte_none(). An entry that is not present names a slot of the swap area, or the page
 * that is being moved. Left out: huge pages, the accessed and dirty bits, RAM spent on the tables.
 */
import { PAGE_SHIFT } from '../../machine/address.ts';

export const PTE_PRESENT = 1 << 0;
/** User mode may read; clear under PROT_NONE (pte_protnone). */
export const PTE_USER = 1 << 1;
export const PTE_WRITE = 1 << 2;
/** The page is not the address space's own: no references are counted (pte_special). */
export const PTE_SPECIAL = 1 << 3;
/** Not present: the rest is a slot of the swap area (swp_entry_t). */
export const PTE_SWAP = 1 << 4;
/** Not present: the page is being moved (SWP_MIGRATION_READ, SWP_MIGRATION_WRITE). */
export const PTE_MIGRATION = 1 << 5;
/** What PTE_USER and PTE_WRITE were before the page began to move. */
const PTE_MIGRATION_SHIFT = 6;

/** Entries in a leaf. */
export const PTRS_PER_PTE = 512;

export const makePte = (frame: number, flags: number): number =>
  ((frame << PAGE_SHIFT) | flags) >>> 0;
/** pte_pfn(), counted from the start of RAM. */
export const pteFrame = (pte: number): number => pte >>> PAGE_SHIFT;

const KINDS = PTE_PRESENT | PTE_SPECIAL | PTE_SWAP | PTE_MIGRATION;
/**
 * PTE_PRESENT for a page of the address space's own, with references and a map count; PTE_SWAP;
 * PTE_MIGRATION; PTE_PRESENT | PTE_SPECIAL; 0 for none.
 */
export const pteKind = (pte: number): number => pte & KINDS;

export const makeSwapPte = (slot: number): number => makePte(slot, PTE_SWAP);
/** swp_offset() */
export const swapSlot = (pte: number): number => pte >>> PAGE_SHIFT;

/** make_writable_migration_entry() and its like, for an entry that is present. */
export function makeMigrationPte(pte: number): number {
  const rights = (pte & (PTE_USER | PTE_WRITE)) << PTE_MIGRATION_SHIFT;
  return makePte(pteFrame(pte), PTE_MIGRATION | rights);
}

/** remove_migration_pte(): the same rights to another frame. */
export const restoreMigrationPte = (pte: number, frame: number): number =>
  makePte(frame, PTE_PRESENT | ((pte >>> PTE_MIGRATION_SHIFT) & (PTE_USER | PTE_WRITE)));

/** Offset of the page in RAM. */
export const pteOffset = (pte: number): number => (pte & (-1 << PAGE_SHIFT)) >>> 0;

interface Leaf {
  readonly ptes: Uint32Array;
  used: number;
}

/** Called with a page number and its entry; what it returns is written back. */
export type PteVisitor = (page: number, pte: number) => number;

export class PageTable {
  readonly #leaves = new Map<number, Leaf>();

  /** Leaves in use. */
  get size(): number {
    return this.#leaves.size;
  }

  /** The entry of a page (virtual address / PAGE_SIZE); 0 for none. */
  get(page: number): number {
    const leaf = this.#leaves.get(Math.floor(page / PTRS_PER_PTE));
    return leaf === undefined ? 0 : leaf.ptes[page & (PTRS_PER_PTE - 1)]!;
  }

  /** The entries of the leaf that holds `page`, for loops over neighbours. */
  leaf(page: number): Uint32Array | undefined {
    return this.#leaves.get(Math.floor(page / PTRS_PER_PTE))?.ptes;
  }

  set(page: number, pte: number): void {
    const key = Math.floor(page / PTRS_PER_PTE);
    let leaf = this.#leaves.get(key);
    if (leaf === undefined) {
      leaf = { ptes: new Uint32Array(PTRS_PER_PTE), used: 0 };
      this.#leaves.set(key, leaf);
    }
    this.#write(key, leaf, page & (PTRS_PER_PTE - 1), pte);
  }

  /** Visits the entries that are there, from page `from` to before `to`, ascending in a leaf. */
  update(from: number, to: number, visit: PteVisitor): void {
    const first = Math.floor(from / PTRS_PER_PTE);
    const last = Math.floor((to - 1) / PTRS_PER_PTE);
    if (last - first < this.#leaves.size) {
      for (let key = first; key <= last; key++) this.#updateLeaf(key, from, to, visit);
      return;
    }
    const keys = [...this.#leaves.keys()].filter((key) => key >= first && key <= last);
    for (const key of keys.sort((a, b) => a - b)) this.#updateLeaf(key, from, to, visit);
  }

  /**
   * move_page_tables(): `count` entries from page `from` on go to page `to` on, where there are none. A
   * leaf goes as a whole when it is one at either place (move_normal_pmd).
   */
  move(from: number, to: number, count: number): void {
    const aligned = (to - from) % PTRS_PER_PTE === 0;
    for (let done = 0; done < count;) {
      const page = from + done;
      const part = Math.min(PTRS_PER_PTE - (page & (PTRS_PER_PTE - 1)), count - done);
      if (aligned && part === PTRS_PER_PTE) this.#moveLeaf(page, to + done);
      else {
        this.update(page, page + part, (at, pte) => {
          this.set(at + to - from, pte);
          return 0;
        });
      }
      done += part;
    }
  }

  /** There is no leaf without entries, so that none is in the way. */
  #moveLeaf(from: number, to: number): void {
    const leaf = this.#leaves.get(from / PTRS_PER_PTE);
    if (leaf === undefined) return;
    this.#leaves.delete(from / PTRS_PER_PTE);
    this.#leaves.set(to / PTRS_PER_PTE, leaf);
  }

  #updateLeaf(key: number, from: number, to: number, visit: PteVisitor): void {
    const leaf = this.#leaves.get(key);
    if (leaf === undefined) return;
    const base = key * PTRS_PER_PTE;
    const end = Math.min(PTRS_PER_PTE, to - base);
    for (let i = Math.max(0, from - base); i < end; i++) {
      const before = leaf.ptes[i]!;
      if (before === 0) continue;
      const after = visit(base + i, before);
      if (after !== before) this.#write(key, leaf, i, after);
    }
  }

  #write(key: number, leaf: Leaf, index: number, pte: number): void {
    leaf.used += Number(pte !== 0) - Number(leaf.ptes[index] !== 0);
    leaf.ptes[index] = pte;
    if (leaf.used === 0) this.#leaves.delete(key);
  }
}
