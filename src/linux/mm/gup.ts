/**
 * GUP: pages of a process that the kernel or a device uses by their frames.
 *
 * Upstream counterpart: mm/gup.c, the exported functions. `pin…` for who accesses the content
 * (FOLL_PIN), `get…` for who looks at struct page only (FOLL_GET); `…Fast` tries the page table
 * first, `…Remote` is for another process. What flags mean and exclude is in gup-flags.ts.
 */
import { PAGE_SIZE, pageStart } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import { gupFast, isUserRange } from './gup-fast.ts';
import { FOLL_LONGTERM, FOLL_PIN, FOLL_WRITE, GUP_CALLS, gupFlags } from './gup-flags.ts';
import type { GetCall, GupCall, PinCall, PinSuffix } from './gup-flags.ts';
import { pinLongterm } from './gup-longterm.ts';
import { OUTSIDE } from './gup-request.ts';
import type { GupError, GupRequest } from './gup-request.ts';
import { getUserPagesSlow } from './gup-slow.ts';
import type { MmStruct } from './mm-struct.ts';
import type { PinSiteFields } from './pin-site.ts';
import { PinnedFrames, ReferencedPages, tracePins } from './unpin.ts';
import type { GupFlags } from './user-memory.ts';

/**
 * Pins `count` pages from the page of `start`, or as many as there are before the first that cannot
 * be. A negative errno when that is the first one, or when a long-term pin fails: then none is, but
 * what the page table gave at once (`…Fast`) stays, and the pin is a short one.
 * Each of these functions may answer -EFAULT, -ENOMEM, -EOPNOTSUPP and, for its flags, -EINVAL.
 * @param foll FOLL_* @param site what its caller states of it.
 */
type PinFunction = (
  mm: MmStruct,
  start: Va,
  count: number,
  foll: number,
  suffix?: PinSuffix,
  site?: PinSiteFields,
) => PinnedFrames | number;

/** As a PinFunction, but takes references. */
type GetFunction = (
  mm: MmStruct,
  start: Va,
  count: number,
  foll: number,
) => ReferencedPages | number;

const pinBy =
  (call: PinCall): PinFunction =>
  (mm, start, count, foll, suffix, site) => {
    const before = mm.pages.pinsOutstanding;
    const pages = gup(mm, start, count, call, foll, suffix);
    if (typeof pages === 'number') return pages;
    const { sched } = mm.pages;
    const sinceNs = sched.nowNs();
    const origin = { mm, call, foll, suffix, site, by: sched.current, sinceNs };
    const pinned = new PinnedFrames(origin, pages);
    tracePins(mm.pages, before);
    return pinned;
  };

const getBy =
  (call: GetCall): GetFunction =>
  (mm, start, count, foll) => {
    const pages = gup(mm, start, count, call, foll);
    return typeof pages === 'number' ? pages : new ReferencedPages(mm.pages, pages);
  };

export const pinUserPagesFast = pinBy('pin_user_pages_fast');
export const pinUserPages = pinBy('pin_user_pages');
export const pinUserPagesUnlocked = pinBy('pin_user_pages_unlocked');
export const pinUserPagesRemote = pinBy('pin_user_pages_remote');
export const getUserPagesFast = getBy('get_user_pages_fast');
export const getUserPages = getBy('get_user_pages');
export const getUserPagesUnlocked = getBy('get_user_pages_unlocked');
export const getUserPagesRemote = getBy('get_user_pages_remote');

const PINS: Readonly<Record<PinCall, PinFunction>> = {
  pin_user_pages_fast: pinUserPagesFast,
  pin_user_pages: pinUserPages,
  pin_user_pages_unlocked: pinUserPagesUnlocked,
  pin_user_pages_remote: pinUserPagesRemote,
};

/** The pin that a driver asks for through `UserMemory`. */
export function pinForDriver(
  mm: MmStruct,
  start: Va,
  count: number,
  flags: GupFlags,
): PinnedFrames | number {
  const { write = false, longterm = false, foll = 0, call = 'pin_user_pages_fast' } = flags;
  const all = foll | (write ? FOLL_WRITE : 0) | (longterm ? FOLL_LONGTERM : 0);
  return PINS[call](mm, start, count, all, flags.suffix, flags.site);
}

function gup(
  mm: MmStruct,
  start: Va,
  count: number,
  call: GupCall,
  asked: number,
  suffix?: PinSuffix,
): Pa[] | number {
  const foll = gupFlags(call, suffix, asked, mm.pages.switches);
  const first = pageStart(start) / PAGE_SIZE;
  const end = first + count;
  if (typeof foll !== 'number') return explain(mm, call, first, end, 0, foll);
  const pages = new Array<Pa>(Math.min(count, mm.pages.frames.count));
  const request: GupRequest = { mm, first, end, foll, pages, got: 0 };
  if ((foll & FOLL_PIN) !== 0) mm.hasPinned = true;
  const error = GUP_CALLS[call].fast ? fastThenSlow(request) : slow(request);
  pages.length = request.got;
  if (error !== undefined) {
    explain(mm, call, first, end, request.got, error);
    if (request.got === 0) return error.errno;
  }
  return pages;
}

/** gup_fast_fallback(): what was taken fast stays when the rest cannot be had. */
function fastThenSlow(request: GupRequest): GupError | undefined {
  if (!isUserRange(request)) return OUTSIDE;
  gupFast(request);
  const { first, end, got } = request;
  if (first + got >= end) return undefined;
  if (got === 0) return slow(request);
  const rest: GupRequest = { ...request, first: first + got, pages: [], got: 0 };
  const error = slow(rest);
  for (let n = 0; n < rest.got; n++) request.pages[got + n] = rest.pages[n]!;
  request.got += rest.got;
  return error;
}

/** __gup_longterm_locked() */
function slow(request: GupRequest): GupError | undefined {
  const longterm = (request.foll & FOLL_LONGTERM) !== 0;
  return longterm ? pinLongterm(request, getUserPagesSlow) : getUserPagesSlow(request);
}

/** Says why a pin ends where it does. @returns the error's number */
export function explain(
  mm: Pick<MmStruct, 'pages'>,
  call: GupCall,
  first: number,
  end: number,
  got: number,
  error: GupError,
): number {
  const at = ((first + got) * PAGE_SIZE).toString(16);
  mm.pages.sched.trace.cause('linux', {
    layer: 'linux/mm',
    code: error.code,
    text: `the page at 0x${at} cannot be pinned: ${error.text}`,
    object: call,
    requested: (end - first) * PAGE_SIZE,
    available: got * PAGE_SIZE,
    ...(error.hint !== undefined && { hint: error.hint }),
  });
  return error.errno;
}
