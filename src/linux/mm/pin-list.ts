/**
 * Pins that are held, in the order in which they were taken, so that somebody can be told of what is
 * in the way: whose memory it is, which call site has it, how long that lasts, and since when.
 *
 * Upstream has counters only (nr_foll_pin_acquired, nr_foll_pin_released), which do not say whose pin
 * keeps a page. The list runs through the pins themselves: to be in it costs each call the same, however
 * many pages it pins.
 */
import type { Task } from '../../sched/task.ts';
import { FOLL_LONGTERM, gupFlags } from './gup-flags.ts';
import type { PinCall, PinSuffix } from './gup-flags.ts';
import type { MmStruct } from './mm-struct.ts';
import type { PinSiteFields } from './pin-site.ts';
import type { PinnedFrames } from './unpin.ts';

/** What is known of a pin beside its pages. */
export interface PinOrigin {
  /** Whose memory it is. */
  readonly mm: MmStruct;
  /** The call as it was spelled. */
  readonly call: PinCall;
  readonly foll: number;
  readonly suffix: PinSuffix | undefined;
  /** Undefined for a call that states nothing. */
  readonly site: PinSiteFields | undefined;
  /** Who pinned, on whatever ground; undefined outside of any task. */
  readonly by: Task | undefined;
  /** Of the box's clock. */
  readonly sinceNs: number;
}

/** Whether GUP took it for a long-term pin (FOLL_LONGTERM), however that was spelled. */
export function isLongterm({ mm, call, suffix, foll }: PinOrigin): boolean {
  const flags = gupFlags(call, suffix, foll, mm.pages.switches);
  return typeof flags === 'number' && (flags & FOLL_LONGTERM) !== 0;
}

/** `PinnedFrames` puts itself in, and takes itself out. */
export class PinList {
  first: PinnedFrames | undefined = undefined;
  last: PinnedFrames | undefined = undefined;

  *[Symbol.iterator](): Generator<PinnedFrames> {
    for (let pin = this.first; pin !== undefined; pin = pin.next) yield pin;
  }
}
