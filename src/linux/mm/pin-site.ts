/**
 * Call sites of pin_user_pages(): each states how long its pins last and why, as a value beside the
 * call, and pins through `pinUser` with it. How that is said to GUP is the switch `pinInterface`'s.
 *
 * Upstream counterpart: Documentation/core-api/pin_user_pages.rst, and the comment that the debate
 * about FOLL_EPHEMERAL asks of every caller. Long-term is what user space or a device can make last
 * for ever; short-term ends with the system call, or the I/O, that it began with.
 */
import type { Va } from '../../machine/address.ts';
import { getUserPagesFast } from './gup.ts';
import { FOLL_EPHEMERAL, FOLL_LONGTERM, FOLL_WRITE } from './gup-flags.ts';
import type { PinCall } from './gup-flags.ts';
import type { MmSwitches, PinInterface } from './switches.ts';
import type { MmStruct } from './mm-struct.ts';
import type { ReferencedPages } from './unpin.ts';
import type { GupFlags, PinnedPages, UserMemory } from './user-memory.ts';

export type Lifetime = 'short' | 'long';

export interface PinSiteFields {
  /** Upstream's function that pins. */
  readonly name: string;
  readonly call: PinCall;
  /** FOLL_*, without what says how long. */
  readonly foll: number;
  /** How long the pins last. */
  readonly lifetime: Lifetime;
  /** Who ends them, and when. */
  readonly reason: string;
  /** FOLL_LONGTERM stands at the call. Not everybody who pins for long says so. */
  readonly longterm: boolean;
}

export interface PinSite extends PinSiteFields {
  /** The arguments of the call under each interface. */
  readonly spelled: { readonly [I in PinInterface]: GupFlags };
}

/** @throws for a call site that says that a short pin is a long one. */
export function pinSite(fields: PinSiteFields): PinSite {
  const { name, call, lifetime, longterm } = fields;
  if (longterm && lifetime === 'short') throw new Error(`${name}: not long, but FOLL_LONGTERM`);
  const write = (fields.foll & FOLL_WRITE) !== 0;
  const foll = fields.foll & ~FOLL_WRITE;
  const base = { call, write, foll, site: fields };
  return {
    ...fields,
    spelled: {
      'longterm-flag': { ...base, longterm },
      'longterm-functions': { ...base, suffix: lifetime === 'long' ? 'longterm' : 'shortterm' },
      'ephemeral-flag': { ...base, foll: lifetime === 'short' ? foll | FOLL_EPHEMERAL : foll },
    },
  };
}

/** Pins for a call site: as `UserMemory.pin`. */
export function pinUser(
  mm: UserMemory,
  site: PinSite,
  start: Va,
  count: number,
  switches: MmSwitches,
): PinnedPages | number {
  return mm.pin(start, count, site.spelled[switches.pinInterface]);
}

/** For call sites that take references (FOLL_GET) in some releases, and lived with what that means. */
export function referenceUser(
  mm: MmStruct,
  site: PinSite,
  start: Va,
  count: number,
): ReferencedPages | number {
  return getUserPagesFast(mm, start, count, site.foll);
}

/** Whether GUP treats the pins of a call site as long-term ones. */
export const pinsLongterm = (site: PinSite, { pinInterface }: MmSwitches): boolean =>
  pinInterface === 'longterm-flag' ? site.longterm : site.lifetime === 'long';

/** FOLL_* of the call in released Linux. */
export const releasedFlags = ({ foll, longterm }: PinSiteFields): number =>
  longterm ? foll | FOLL_LONGTERM : foll;
