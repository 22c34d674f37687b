/**
 * How registration gets hold of a process's pages: pinned for writing, where they are.
 * Upstream counterpart: the middle of register_shm_helper() in drivers/tee/tee_shm.c, over
 * pin_user_pages_fast() (6.1) or iov_iter_extract_pages() (since 6.8).
 */
import { EFAULT, ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset, pageStart, pagesFor, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import { GFP_KERNEL } from '../mm/gfp.ts';
import { FOLL_WRITE } from '../mm/gup-flags.ts';
import { getOrder } from '../mm/page-allocator.ts';
import { pinSite, pinUser } from '../mm/pin-site.ts';
import type { TaskStruct } from '../process/process.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import type { TeeShm } from './tee-shm.ts';

/* Source: include/linux/fs.h, Linux 6.1: INT_MAX rounded down to a page. */
export const MAX_RW_COUNT = 0x7fff_f000;
/* Source: include/linux/slab.h, Linux 6.1, with MAX_ORDER 11. */
const KMALLOC_MAX_SIZE = 1 << 22;
/** sizeof(struct page *) */
const POINTER = 8;
/** The array of page pointers is one kmalloc(). */
const MAX_PAGES = KMALLOC_MAX_SIZE / POINTER;

const REGISTRATION_FIELDS = {
  name: 'register_shm_helper',
  call: 'pin_user_pages_fast',
  foll: FOLL_WRITE,
  lifetime: 'long',
  reason:
    'The pages stay pinned until the last reference to the shared memory goes: its fd, its mappings and ' +
    'the calls under way. User space decides when that is.',
} as const;
/** As released: FOLL_WRITE alone, although the pin is a long one. */
const REGISTRATION = pinSite({ ...REGISTRATION_FIELDS, longterm: false });
/** As proposed in 2023. */
const REGISTRATION_LONGTERM = pinSite({ ...REGISTRATION_FIELDS, longterm: true });

const PIN_HINTS: ReadonlyMap<number, string> = new Map([
  [-EFAULT, 'it is unmapped, read-only, or a mapping of device or shared-memory pages'],
  [-ENOMEM, 'memory has run out, or the page cannot leave a CMA area or ZONE_MOVABLE'],
]);

/**
 * How many pages are to be listed for a buffer, or -ENOMEM when that cannot be.
 * @param offset where it starts in the first page. @param length bytes.
 * @param byIovIter they are counted by iov_iter_npages().
 */
export function countPages(
  ctx: TeeContext,
  offset: number,
  length: number,
  byIovIter: boolean,
): number {
  if (length === 0 && byIovIter) {
    return refuse(ctx.trace, ENOMEM, 'a buffer of no bytes has no pages to register');
  }
  const pages = pagesFor(offset + length);
  return pages <= MAX_PAGES ? pages : countMany(ctx, pages, byIovIter);
}

/** More pages than can be listed, though their number may not say so. */
function countMany({ teedev, trace }: TeeContext, pages: number, byIovIter: boolean): number {
  const { tee, kernel } = teedev;
  const count = byIovIter && tee.switches.quirkPageCountIsInt ? pages | 0 : pages;
  if (count > 0 && count <= MAX_PAGES) return count;
  // kcalloc() asks for the list all the same, but where its size overflows.
  if (count > 0) kernel.pages.allocFrames(getOrder(POINTER * count), GFP_KERNEL);
  return refuse(trace, ENOMEM, 'the list of pages would be too long', {
    requested: pages,
    available: MAX_PAGES,
    limit: `KMALLOC_MAX_SIZE=${KMALLOC_MAX_SIZE}`,
  });
}

/** iov_iter_extract_pages() ends within the buffer. */
export function tooLong(ctx: TeeContext, length: number): number {
  return refuse(ctx.trace, ENOMEM, 'the buffer is longer than one call takes', {
    requested: length,
    available: MAX_RW_COUNT,
    limit: `MAX_RW_COUNT=${MAX_RW_COUNT}`,
    hint: 'register it in parts',
  });
}

/** Fills in `offset`, `size`, `pages` and `pinned`: 0 or a negative errno. */
export function pinUserBuffer(
  shm: TeeShm,
  current: TaskStruct,
  addr: number,
  length: number,
): number {
  shm.offset = pageOffset(addr);
  shm.size = length;
  const { registerByIovIter } = shm.ctx.teedev.tee.switches;
  const count = countPages(shm.ctx, shm.offset, length, registerByIovIter);
  // 6.1 registers no page at all of an aligned buffer of no bytes; drivers refuse that.
  if (count <= 0) return count;
  return pinExactly(shm, current, va(pageStart(addr)), count) || charge(shm, current);
}

/** Long-term pins are held against RLIMIT_MEMLOCK, where a profile says so: 0 or -ENOMEM. */
function charge(shm: TeeShm, current: TaskStruct): number {
  const { memlock, teedev } = shm.ctx;
  if (!teedev.tee.switches.accountMemlock) return 0;
  shm.charge = memlock.charge(current.process, shm.pages);
  if (shm.charge !== undefined) return 0;
  shm.pinned?.unpin();
  return -ENOMEM;
}

function pinExactly(shm: TeeShm, current: TaskStruct, start: Va, count: number): number {
  const { trace, teedev } = shm.ctx;
  const { switches } = teedev.tee;
  const { mm } = current.process;
  const site = switches.pinLongterm ? REGISTRATION_LONGTERM : REGISTRATION;
  const mmSwitches = teedev.kernel.pages.switches;
  // What ends within the last page is cut to size and taken all the same.
  const most = switches.registerByIovIter ? Math.min(shm.size, MAX_RW_COUNT) : shm.size;
  const wanted = Math.min(pagesFor(shm.offset + most), count);
  const pinned = pinUser(mm, site, start, wanted, mmSwitches);
  if (typeof pinned === 'number') {
    return refuse(trace, -pinned, 'the first page cannot be pinned for writing', {
      hint: PIN_HINTS.get(pinned) ?? 'see the cause before',
    });
  }
  const got = pinned.pages.length;
  if (got === count) {
    shm.size = Math.min(most, count * PAGE_SIZE - shm.offset);
    shm.pinned = pinned;
    shm.pages = pinned.pages;
    return 0;
  }
  pinned.unpin();
  if (switches.quirkShortPinLeaksPage && shm.offset !== 0) {
    pinUser(mm, site, va(start + (got - 1) * PAGE_SIZE), 1, mmSwitches);
  }
  if (got === wanted) return tooLong(shm.ctx, shm.size);
  return refuse(trace, ENOMEM, 'not all pages of the buffer can be pinned for writing', {
    requested: count,
    available: got,
  });
}
