/**
 * The user DMA of the ivtv video encoder: a picture in user memory that the card fetches by itself.
 *
 * Upstream counterpart: drivers/media/pci/ivtv/ivtv-udma.c (ivtv_udma_setup, ivtv_udma_unmap). One of
 * the slow pins that the debate of 2023 found without FOLL_LONGTERM, and took for long ones. Left
 * out: the card, bounce buffers for high memory.
 */
import { EBUSY, EINVAL } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset, pageStart, pagesFor, va } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { pinSite, pinUser } from '../mm/pin-site.ts';
import type { PinnedPages } from '../mm/user-memory.ts';
import type { Thread } from '../process/thread.ts';

const UDMA_SETUP = pinSite({
  name: 'ivtv_udma_setup',
  call: 'pin_user_pages_unlocked',
  foll: 0,
  lifetime: 'long',
  reason: 'The pages are unpinned when the card has said that it is done, which it may never do.',
  longterm: false,
});

/** struct scatterlist */
export interface ScatterEntry {
  readonly page: Pa;
  readonly offset: number;
  readonly length: number;
}

/** struct ivtv_user_dma of one card. */
export class IvtvUserDma {
  #pinned: PinnedPages | undefined;
  #scatter: readonly ScatterEntry[] = [];

  get pageCount(): number {
    return this.#pinned?.pages.length ?? 0;
  }

  /** What the card is to fetch. */
  get scatterlist(): readonly ScatterEntry[] {
    return this.#scatter;
  }

  /** ivtv_udma_setup(): pages, -EBUSY while a transfer is under way, -EINVAL when there are not all. */
  setup(thread: Thread, userbuf: number, length: number): number {
    if (this.#pinned !== undefined) return -EBUSY;
    const offset = pageOffset(userbuf);
    const count = pagesFor(offset + length);
    if (length <= 0) return -EINVAL;
    const { mm, kernel } = thread.process;
    const start = va(pageStart(userbuf));
    const pinned = pinUser(mm, UDMA_SETUP, start, count, kernel.pages.switches);
    if (typeof pinned === 'number') return pinned;
    if (pinned.pages.length < count) {
      pinned.unpin();
      return -EINVAL;
    }
    this.#pinned = pinned;
    this.#scatter = scatterlist(pinned.pages, offset, length);
    return count;
  }

  /** ivtv_udma_unmap(): the card is done. */
  unmap(): void {
    this.#pinned?.unpin();
    this.#pinned = undefined;
    this.#scatter = [];
  }
}

/** ivtv_udma_fill_sg_list() */
function scatterlist(pages: readonly Pa[], first: number, length: number): ScatterEntry[] {
  let left = length;
  return pages.map((page, n) => {
    const offset = n === 0 ? first : 0;
    const part = Math.min(PAGE_SIZE - offset, left);
    left -= part;
    return { page, offset, length: part };
  });
}
