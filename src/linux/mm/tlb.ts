/**
 * A translation cache in front of the page table, so that copies to and from pages in use cost a
 * few nanoseconds. Whoever changes an entry drops it here, as hardware demands.
 */
import type { Access } from '../../machine/bus.ts';

const ENTRIES = 64;
const NO_PAGE = -1;

/** First the slots for reads, then those for writes. */
const slotOf = (page: number, access: Access): number =>
  (page & (ENTRIES - 1)) + (access === 'read' ? 0 : ENTRIES);

export class Tlb {
  /** Counts what was dropped: as long as it stays, what was looked up before is still so. */
  changes = 0;
  readonly #pages = new Float64Array(2 * ENTRIES).fill(NO_PAGE);
  readonly #offsets = new Uint32Array(2 * ENTRIES);

  /** Offset in RAM of a page that may be accessed so; -1 when the page table must be asked. */
  lookup(page: number, access: Access): number {
    const slot = slotOf(page, access);
    return this.#pages[slot] === page ? this.#offsets[slot]! : -1;
  }

  fill(page: number, access: Access, offset: number): void {
    const slot = slotOf(page, access);
    this.#pages[slot] = page;
    this.#offsets[slot] = offset;
  }

  /** flush_tlb_page() */
  drop(page: number): void {
    this.changes += 1;
    for (const access of ['read', 'write'] as const) {
      const slot = slotOf(page, access);
      if (this.#pages[slot] === page) this.#pages[slot] = NO_PAGE;
    }
  }

  /** flush_tlb_mm() */
  flush(): void {
    this.changes += 1;
    this.#pages.fill(NO_PAGE);
  }
}
