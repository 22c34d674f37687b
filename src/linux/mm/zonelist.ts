/**
 * The zones of a machine, and in which order they are asked.
 *
 * Upstream counterpart: mm/page_alloc.c (build_zonelists, __zone_watermark_ok).
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import { __GFP_HIGH, __GFP_MEMALLOC } from './gfp.ts';
import type { Gfp } from './gfp.ts';
import type { PageFrames } from './page-frames.ts';
import { Zone } from './zone.ts';
import type { ZoneName } from './zone.ts';

/** A zone reaches from the one before it to `end` (a physical address). */
export interface ZoneSpec {
  readonly name: ZoneName;
  readonly end: number;
}

export const DEFAULT_ZONES: readonly ZoneSpec[] = [
  { name: 'DMA32', end: 2 ** 32 },
  { name: 'NORMAL', end: Infinity },
];

/** Zones that an allocation may ask, by the highest one, in the order of preference. */
export type Zonelists = { readonly [Z in ZoneName]: readonly Zone[] };

export function makeZones(frames: PageFrames, specs: readonly ZoneSpec[]): readonly Zone[] {
  let start = 0;
  return specs.map((spec, index) => {
    const limit = Math.floor((spec.end - frames.base) / PAGE_SIZE);
    const end = Math.min(frames.count, Math.max(start, limit));
    const zone = new Zone(frames, index, spec.name, start, end);
    start = end;
    return zone;
  });
}

export function makeZonelists(zones: readonly Zone[]): Zonelists {
  const down = zones.filter((zone) => zone.managedPages > 0).toReversed();
  const without = (...names: readonly ZoneName[]): readonly Zone[] =>
    down.filter(({ name }) => !names.includes(name));
  return { MOVABLE: down, NORMAL: without('MOVABLE'), DMA32: without('MOVABLE', 'NORMAL') };
}

/** __zone_watermark_ok(): how far down an allocation may take what a watermark keeps. */
export function reserveOf(mark: number, gfp: Gfp): number {
  if ((gfp & __GFP_MEMALLOC) !== 0) return 0;
  return (gfp & __GFP_HIGH) === 0 ? mark : mark - Math.floor(mark / 2);
}
