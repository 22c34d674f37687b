/**
 * How registration gets hold of a process's pages: pinned for writing, where they are.
 * Upstream counterpart: the middle of register_shm_helper() in drivers/tee/tee_shm.c, over
 * pin_user_pages_fast() (6.1) or iov_iter_extract_pages() (since 6.8).
 */
import { ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset, pageStart, pagesFor, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { GupFlags } from '../mm/user-memory.ts';
import type { TaskStruct } from '../process/process.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import type { TeeShm } from './tee-shm.ts';

/* Source: include/linux/fs.h, Linux 6.1: INT_MAX rounded down to a page. */
const MAX_RW_COUNT = 0x7fff_f000;
/* Source: include/linux/slab.h, Linux 6.1, with MAX_ORDER 11. */
const KMALLOC_MAX_SIZE = 1 << 22;
/** The array of page pointers is one kmalloc(). */
const MAX_PAGES = KMALLOC_MAX_SIZE / 8;

const WRITE: GupFlags = { write: true };
const WRITE_LONGTERM: GupFlags = { write: true, longterm: true };

/** Whether the pages of so many bytes can be listed at all: 0 or -ENOMEM. */
export function checkPageCount(ctx: TeeContext, length: number, pages: number): number {
  if (length === 0 && ctx.teedev.tee.switches.registerByIovIter) {
    return refuse(ctx.trace, ENOMEM, 'a buffer of no bytes has no pages to register');
  }
  if (pages <= MAX_PAGES) return 0;
  return refuse(ctx.trace, ENOMEM, 'the list of pages would be too long', {
    requested: pages,
    available: MAX_PAGES,
    limit: `KMALLOC_MAX_SIZE=${KMALLOC_MAX_SIZE}`,
  });
}

/** Fills in `offset`, `size`, `pages` and `pinned`: 0 or a negative errno. */
export function pinUserPages(
  shm: TeeShm,
  current: TaskStruct,
  addr: number,
  length: number,
): number {
  shm.offset = pageOffset(addr);
  shm.size = length;
  const count = pagesFor(shm.offset + length);
  const rc = checkPageCount(shm.ctx, length, count) || charge(shm, current, count);
  // 6.1 registers no page at all of an aligned buffer of no bytes; drivers refuse that.
  if (rc !== 0 || count === 0) return rc;
  const error = pinExactly(shm, current, va(pageStart(addr)), count);
  if (error !== 0) shm.uncharge();
  return error;
}

/** Long-term pins are held against RLIMIT_MEMLOCK, where a profile says so. */
function charge(shm: TeeShm, current: TaskStruct, count: number): number {
  const { tee } = shm.ctx.teedev;
  if (!tee.switches.accountMemlock) return 0;
  const { cred, rlimits } = current.process;
  shm.charge = tee.memlock.charge(cred, rlimits.memlock, count);
  if (shm.charge !== undefined) return 0;
  return refuse(shm.ctx.trace, ENOMEM, `user ${cred.uid} has too many pages pinned`, {
    requested: count * PAGE_SIZE,
    available: rlimits.memlock - tee.memlock.pages(cred.uid) * PAGE_SIZE,
    limit: `RLIMIT_MEMLOCK=${rlimits.memlock}`,
    hint: 'raise the limit, or give the process CAP_IPC_LOCK',
  });
}

function pinExactly(shm: TeeShm, current: TaskStruct, start: Va, count: number): number {
  const { trace, teedev } = shm.ctx;
  const { switches } = teedev.tee;
  const { mm } = current.process;
  const flags = switches.pinLongterm ? WRITE_LONGTERM : WRITE;
  const pinned = mm.pin(start, count, flags);
  if (typeof pinned === 'number') {
    return refuse(trace, -pinned, 'the first page cannot be pinned for writing', {
      hint: 'it is unmapped, read-only, or a mapping of device or shared-memory pages',
    });
  }
  const got = pinned.pages.length;
  const short = got < count || (switches.registerByIovIter && shm.size > MAX_RW_COUNT);
  if (!short) {
    shm.pinned = pinned;
    shm.pages = pinned.pages;
    return 0;
  }
  pinned.unpin();
  if (switches.quirkShortPinLeaksPage && shm.offset !== 0) {
    mm.pin(va(start + (got - 1) * PAGE_SIZE), 1, flags);
  }
  return refuse(trace, ENOMEM, 'not all pages of the buffer can be pinned for writing', {
    requested: count,
    available: got,
  });
}
