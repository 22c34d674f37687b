/**
 * The user DMA of ivtv, a driver of TV cards: a picture in user memory that the card fetches by itself,
 * for its frame buffer or as a frame of video.
 *
 * Upstream counterpart: drivers/media/pci/ivtv/ivtv-udma.c (ivtv_udma_setup, ivtv_udma_unmap), ivtv-yuv.c
 * (ivtv_yuv_prep_user_dma). Slow pins that the debate of 2023 found without FOLL_LONGTERM, and took for
 * long ones. Left out: the card, bounce buffers for high memory, and the callers, who wait for the card
 * and know how large a picture may be.
 */
import { EBUSY, EFAULT, EINVAL } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset, pageStart, va } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { FOLL_FORCE } from '../mm/gup-flags.ts';
import { pinSite, pinUser } from '../mm/pin-site.ts';
import type { PinSite } from '../mm/pin-site.ts';
import type { PinnedPages } from '../mm/user-memory.ts';
import type { Thread } from '../process/thread.ts';

const SITE = {
  call: 'pin_user_pages_unlocked',
  lifetime: 'long',
  reason:
    'The pages are unpinned when the card has said that it is done, which it may never do: a signal does not end it.',
  longterm: false,
} as const;
const UDMA_SETUP = pinSite({ ...SITE, name: 'ivtv_udma_setup', foll: 0 });
const UDMA_SETUP_FORCED = pinSite({ ...SITE, name: 'ivtv_udma_setup', foll: FOLL_FORCE });
const YUV_PREP = pinSite({ ...SITE, name: 'ivtv_yuv_prep_user_dma', foll: 0 });
const YUV_PREP_FORCED = pinSite({ ...SITE, name: 'ivtv_yuv_prep_user_dma', foll: FOLL_FORCE });

/** struct scatterlist */
export interface ScatterEntry {
  readonly page: Pa;
  readonly offset: number;
  readonly length: number;
}

/** struct ivtv_dma_page_info */
interface PageInfo {
  readonly uaddr: number;
  /** Where the first page is used from, and how much of the last one is. */
  readonly offset: number;
  readonly tail: number;
  readonly pageCount: number;
}

/** Bytes of user memory. */
export interface Plane {
  readonly at: number;
  readonly length: number;
}

/** struct ivtv_user_dma of one card. */
export class IvtvUserDma {
  #pinned: readonly PinnedPages[] = [];
  #scatter: readonly ScatterEntry[] = [];

  get pageCount(): number {
    return this.#pinned.reduce((sum, { pages }) => sum + pages.length, 0);
  }

  /** What the card is to fetch. */
  get scatterlist(): readonly ScatterEntry[] {
    return this.#scatter;
  }

  /** ivtv_udma_setup(): pages, -EBUSY while a transfer is under way, -EINVAL when there are not all. */
  setup(thread: Thread, userbuf: number, length: number): number {
    if (this.pageCount > 0) return -EBUSY;
    const info = pageInfo(userbuf, length);
    if (info.pageCount <= 0) return -EINVAL;
    const { switches } = thread.process.kernel.pages;
    const site = switches.ivtvForces ? UDMA_SETUP_FORCED : UDMA_SETUP;
    const pinned = pinPlane(thread, site, info);
    if (pinned === 'short') return -EINVAL;
    if (typeof pinned === 'number') return pinned;
    this.#pinned = [pinned];
    this.#scatter = scatterlist(pinned.pages, info);
    return info.pageCount;
  }

  /**
   * ivtv_yuv_prep_user_dma(): a frame as its brightness and its colours, one after the other. 0, -EBUSY
   * while a transfer is under way, -EFAULT when there are not all pages.
   */
  prepYuv(thread: Thread, y: Plane, uv: Plane): number {
    if (this.pageCount > 0) return -EBUSY;
    const { switches } = thread.process.kernel.pages;
    const site = switches.ivtvForces ? YUV_PREP_FORCED : YUV_PREP;
    const held: PinnedPages[] = [];
    const scatter: ScatterEntry[] = [];
    for (const { at, length } of [y, uv]) {
      const info = pageInfo(at, length);
      const pinned = pinPlane(thread, site, info);
      if (typeof pinned !== 'object') {
        for (const one of held) one.unpin();
        return pinned === 'short' ? -EFAULT : pinned;
      }
      held.push(pinned);
      scatter.push(...scatterlist(pinned.pages, info));
    }
    this.#pinned = held;
    this.#scatter = scatter;
    return 0;
  }

  /** ivtv_udma_unmap(): the card is done. */
  unmap(): void {
    for (const pinned of this.#pinned) pinned.unpin();
    this.#pinned = [];
    this.#scatter = [];
  }
}

/** ivtv_udma_get_page_info(): no bytes from the middle of a page on are a page all the same. */
function pageInfo(first: number, length: number): PageInfo {
  const last = first + length - 1;
  const pageCount = (pageStart(last) - pageStart(first)) / PAGE_SIZE + 1;
  const offset = pageOffset(first);
  const used = 1 + pageOffset(last);
  const tail = pageCount === 1 ? used - offset : used;
  return { uaddr: pageStart(first), offset, tail, pageCount };
}

/** All pages, or none. */
function pinPlane(
  { process }: Thread,
  site: PinSite,
  { uaddr, pageCount }: PageInfo,
): PinnedPages | 'short' | number {
  const { mm, kernel } = process;
  const pinned = pinUser(mm, site, va(uaddr), pageCount, kernel.pages.switches);
  if (typeof pinned === 'number' || pinned.pages.length === pageCount) return pinned;
  pinned.unpin();
  return 'short';
}

/** ivtv_udma_fill_sg_list() */
function scatterlist(pages: readonly Pa[], { offset: first, tail }: PageInfo): ScatterEntry[] {
  return pages.map((page, n) => {
    const offset = n === 0 ? first : 0;
    return { page, offset, length: n === pages.length - 1 ? tail : PAGE_SIZE - offset };
  });
}
