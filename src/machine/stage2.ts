/**
 * Stage-2 translation: a guest's addresses (IPA) to physical ones (PA), page by page. What is
 * contiguous for a guest may be scattered in RAM. Without virtualization the map is the identity.
 */
import { PAGE_SIZE, pa, pageOffset } from './address.ts';
import type { Ipa, Pa } from './address.ts';

export interface Stage2 {
  /** Undefined where the guest has no memory. */
  translate(address: Ipa): Pa | undefined;
}

export const IDENTITY: Stage2 = { translate: (address) => pa(address) };

/** A guest's own table: one entry per page from `base`. */
export class Stage2Table implements Stage2 {
  readonly #base: Ipa;
  readonly #pages: readonly Pa[];
  constructor(base: Ipa, pages: readonly Pa[]) {
    this.#base = base;
    this.#pages = pages;
  }
  translate(address: Ipa): Pa | undefined {
    const page = this.#pages[Math.floor((address - this.#base) / PAGE_SIZE)];
    return page === undefined ? undefined : pa(page + pageOffset(address));
  }
}
