/**
 * What callers may ask of GUP: the FOLL_* flags, the functions that take them, and which together.
 *
 * Upstream counterpart: include/linux/mm_types.h (FOLL_*), mm/internal.h (the internal ones),
 * is_valid_gup_args() and the entries of gup_fast in mm/gup.c, Linux 7.3. What they answer with
 * WARN_ON_ONCE and -EINVAL is -EINVAL with a cause.
 */
import { EINVAL } from '../../abi/errno.ts';
import type { GupError } from './gup-request.ts';
import type { MmSwitches } from './switches.ts';

export const FOLL_WRITE = 1 << 0;
/** A reference for each page; for who touches struct page only. */
export const FOLL_GET = 1 << 1;
/** A hole is -EFAULT instead of a page of zeros. */
export const FOLL_DUMP = 1 << 2;
/** Past the protection of a private mapping, as debuggers do. */
export const FOLL_FORCE = 1 << 3;
export const FOLL_NOWAIT = 1 << 4;
/** What is not there is -EFAULT. */
export const FOLL_NOFAULT = 1 << 5;
export const FOLL_HWPOISON = 1 << 6;
/** Anonymous mappings only. */
export const FOLL_ANON = 1 << 7;
/** The pin may last for ever: pages leave CMA areas and ZONE_MOVABLE first. */
export const FOLL_LONGTERM = 1 << 8;
export const FOLL_SPLIT_PMD = 1 << 9;
export const FOLL_PCI_P2PDMA = 1 << 10;
export const FOLL_INTERRUPTIBLE = 1 << 11;
export const FOLL_HONOR_NUMA_FAULT = 1 << 12;
/** Proposed in 2023, in no release: the pin ends with the system call. A bit that is free. */
export const FOLL_EPHEMERAL = 1 << 13;

/* Internal to mm. */
export const FOLL_TOUCH = 1 << 16;
export const FOLL_TRIED = 1 << 17;
export const FOLL_REMOTE = 1 << 18;
/** The pages' content is accessed: they stay where they are, and fork copies them. */
export const FOLL_PIN = 1 << 19;
export const FOLL_FAST_ONLY = 1 << 20;
export const FOLL_UNLOCKABLE = 1 << 21;
export const FOLL_MADV_POPULATE = 1 << 22;

const INTERNAL_GUP_FLAGS =
  FOLL_TOUCH |
  FOLL_TRIED |
  FOLL_REMOTE |
  FOLL_PIN |
  FOLL_FAST_ONLY |
  FOLL_UNLOCKABLE |
  FOLL_MADV_POPULATE;

const FAST_FLAGS =
  FOLL_WRITE |
  FOLL_GET |
  FOLL_FORCE |
  FOLL_NOFAULT |
  FOLL_LONGTERM |
  FOLL_PCI_P2PDMA |
  FOLL_HONOR_NUMA_FAULT;

/** The function that is called; `adds` is what it says by its name. */
interface GupFunction {
  readonly adds: number;
  readonly fast: boolean;
}

export const PIN_CALLS = {
  pin_user_pages_fast: { adds: FOLL_PIN, fast: true },
  pin_user_pages: { adds: FOLL_PIN | FOLL_TOUCH, fast: false },
  pin_user_pages_unlocked: { adds: FOLL_PIN | FOLL_TOUCH | FOLL_UNLOCKABLE, fast: false },
  pin_user_pages_remote: { adds: FOLL_PIN | FOLL_TOUCH | FOLL_REMOTE, fast: false },
} as const satisfies Readonly<Record<string, GupFunction>>;

export const GET_CALLS = {
  get_user_pages_fast: { adds: FOLL_GET, fast: true },
  get_user_pages: { adds: FOLL_GET | FOLL_TOUCH, fast: false },
  get_user_pages_unlocked: { adds: FOLL_GET | FOLL_TOUCH | FOLL_UNLOCKABLE, fast: false },
  get_user_pages_remote: { adds: FOLL_GET | FOLL_TOUCH | FOLL_REMOTE, fast: false },
} as const satisfies Readonly<Record<string, GupFunction>>;

export type PinCall = keyof typeof PIN_CALLS;
export type GetCall = keyof typeof GET_CALLS;
export type GupCall = PinCall | GetCall;

export const GUP_CALLS: Readonly<Record<GupCall, GupFunction>> = { ...PIN_CALLS, ...GET_CALLS };

/** The suffix of a function's name where lifetimes are in names. */
export type PinSuffix = 'longterm' | 'shortterm';

const has = (foll: number, flags: number): boolean => (foll & flags) !== 0;
const isPin = (call: GupCall): boolean => has(GUP_CALLS[call].adds, FOLL_PIN);

/** A rule that a call breaks, with what the cause then says. */
interface Rule {
  readonly text: string;
  breaks(call: GupCall, foll: number, switches: MmSwitches): boolean;
}

/** On the flags as the caller gives them. */
const CALL_RULES: readonly Rule[] = [
  {
    text: 'flags that are internal to mm',
    breaks: (_, foll) => has(foll, INTERNAL_GUP_FLAGS),
  },
  {
    text: 'FOLL_GET and FOLL_PIN exclude each other',
    breaks: (call, foll) => isPin(call) && has(foll, FOLL_GET),
  },
  {
    text: 'FOLL_GET is internal to mm: pin the pages',
    breaks: (call, _, { follGetInternal }) => follGetInternal && !isPin(call),
  },
  {
    text: 'there is no FOLL_EPHEMERAL',
    breaks: (_, foll, { pinInterface }) =>
      pinInterface !== 'ephemeral-flag' && has(foll, FOLL_EPHEMERAL),
  },
  {
    text: 'there is no FOLL_LONGTERM: say how long by the name of the function, or by FOLL_EPHEMERAL',
    breaks: (call, foll, { pinInterface }) =>
      pinInterface !== 'longterm-flag' && isPin(call) && has(foll, FOLL_LONGTERM),
  },
  {
    text: 'pin_user_pages_unlocked() does not take FOLL_LONGTERM yet',
    breaks: (call, foll, { unlockedTakesLongterm }) =>
      !unlockedTakesLongterm && call === 'pin_user_pages_unlocked' && has(foll, FOLL_LONGTERM),
  },
];

/** On the flags with what the function and the interface add (is_valid_gup_args). */
const FLAG_RULES: readonly Rule[] = [
  {
    text: 'FOLL_LONGTERM is for pins',
    breaks: (call, foll) => !isPin(call) && has(foll, FOLL_LONGTERM),
  },
  {
    text: 'FOLL_LONGTERM and FOLL_PCI_P2PDMA exclude each other',
    breaks: (_, foll) => has(foll, FOLL_LONGTERM) && has(foll, FOLL_PCI_P2PDMA),
  },
  {
    text: 'the fast functions do not take such a flag',
    breaks: (call, foll) => GUP_CALLS[call].fast && has(foll, ~(FAST_FLAGS | INTERNAL_GUP_FLAGS)),
  },
  {
    text: 'slow pins are for the long term',
    breaks: (call, foll, { slowPinsLongtermOnly }) =>
      slowPinsLongtermOnly && isPin(call) && !GUP_CALLS[call].fast && !has(foll, FOLL_LONGTERM),
  },
];

const invalid = (text: string): GupError => ({ code: '-EINVAL', errno: -EINVAL, text });

/**
 * @param foll FOLL_* that the caller gives
 * @returns the flags that the call has in the end, or the rule that it breaks
 */
export function gupFlags(
  call: GupCall,
  suffix: PinSuffix | undefined,
  foll: number,
  switches: MmSwitches,
): number | GupError {
  const refused = CALL_RULES.find((rule) => rule.breaks(call, foll, switches));
  if (refused !== undefined) return invalid(refused.text);
  if (isPin(call) && (switches.pinInterface === 'longterm-functions') !== (suffix !== undefined)) {
    return invalid(`there is no ${call}${suffix === undefined ? '' : `_${suffix}`}()`);
  }
  const flags = isPin(call) ? withLifetime(foll, suffix, switches) : foll;
  const broken = FLAG_RULES.find((rule) => rule.breaks(call, flags, switches));
  return broken === undefined ? flags | GUP_CALLS[call].adds : invalid(broken.text);
}

/** Adds FOLL_LONGTERM where the interface means it. */
function withLifetime(
  foll: number,
  suffix: PinSuffix | undefined,
  { pinInterface }: MmSwitches,
): number {
  if (pinInterface === 'longterm-flag') return foll;
  const short =
    pinInterface === 'ephemeral-flag' ? has(foll, FOLL_EPHEMERAL) : suffix === 'shortterm';
  const rest = foll & ~FOLL_EPHEMERAL;
  return short ? rest : rest | FOLL_LONGTERM;
}
