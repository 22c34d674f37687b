/**
 * O_DIRECT: a device reads and writes user memory without the page cache between.
 *
 * Upstream counterpart: block/fops.c (__blkdev_direct_IO), block/bio.c (bio_iov_iter_get_pages,
 * bio_release_pages). The model case of a short pin: pin, transfer, unpin. Before 6.5 references were
 * taken instead of pins, with the race that pins were made for: a fork meanwhile, and what the device
 * reads ends in the child's page (switch `directIoPins`). Left out: asynchronous requests.
 */
import { EINVAL } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset, pageStart, pagesFor, va } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { FOLL_WRITE } from '../mm/gup-flags.ts';
import { pinSite, pinUser, referenceUser } from '../mm/pin-site.ts';
import type { PinSite } from '../mm/pin-site.ts';
import type { Thread } from '../process/thread.ts';

const SITE = {
  name: 'bio_iov_iter_get_pages',
  call: 'pin_user_pages_fast',
  lifetime: 'short',
  reason:
    'The pages are unpinned when the transfer is done, which no action of user space can put off.',
  longterm: false,
} as const;
/** The device writes to memory. */
const DIO_READ = pinSite({ ...SITE, foll: FOLL_WRITE });
const DIO_WRITE = pinSite({ ...SITE, foll: 0 });

/** What the transfers go to. */
export interface DirectDevice {
  /** Addresses, positions and lengths are multiples of it (bdev_logical_block_size), bytes. */
  readonly blockSize: number;
  /** Moves `length` bytes from or to the pages, from `offset` of the first: 0 or a negative errno. */
  transfer(pages: readonly Pa[], offset: number, position: number, length: number): Co<number>;
}

/** Pages that are held for a transfer. */
interface Held {
  readonly pages: readonly Pa[];
  release(): void;
}

/** pread() of a file that is open with O_DIRECT: bytes, or a negative errno. */
export function directRead(
  thread: Thread,
  device: DirectDevice,
  at: number,
  length: number,
  position: number,
): Co<number> {
  return directIo(thread, device, DIO_READ, at, length, position);
}

/** pwrite() of such a file. */
export function directWrite(
  thread: Thread,
  device: DirectDevice,
  at: number,
  length: number,
  position: number,
): Co<number> {
  return directIo(thread, device, DIO_WRITE, at, length, position);
}

/** As much as there are pages for. */
function* directIo(
  thread: Thread,
  device: DirectDevice,
  site: PinSite,
  at: number,
  length: number,
  position: number,
): Co<number> {
  if ([at, length, position].some((n) => n % device.blockSize !== 0)) return -EINVAL;
  if (length === 0) return 0;
  const offset = pageOffset(at);
  const held = hold(thread, site, pageStart(at), pagesFor(offset + length));
  if (typeof held === 'number') return held;
  const most = Math.min(length, held.pages.length * PAGE_SIZE - offset);
  const rc = yield* device.transfer(held.pages, offset, position, most);
  held.release();
  return rc < 0 ? rc : most;
}

/** bio_iov_iter_get_pages(); what a device has written to is dirty (bio_release_pages). */
function hold(thread: Thread, site: PinSite, start: number, count: number): Held | number {
  const { mm, kernel } = thread.process;
  const { switches } = kernel.pages;
  const written = site === DIO_READ;
  if (switches.directIoPins) {
    const pinned = pinUser(mm, site, va(start), count, switches);
    if (typeof pinned === 'number') return pinned;
    return { pages: pinned.pages, release: () => pinned.unpin(written) };
  }
  const got = referenceUser(mm.mm, site, va(start), count);
  if (typeof got === 'number') return got;
  return { pages: got.pages, release: () => got.put(written) };
}
