/**
 * The zones of a machine, and in which order they are asked.
 *
 * Upstream counterpart: mm/page_alloc.c (build_zonelists, __zone_watermark_ok).
 */
import { PAGE_SIZE } from '../../machine/address.ts';
import { __GFP_DIRECT_RECLAIM, __GFP_HIGH, __GFP_MEMALLOC } from './gfp.ts';
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

/** is_highmem(): the linear map ends below; ZONE_MOVABLE is as what it was cut from. */
export const isHighmem = (zones: readonly Zone[], { name }: Zone): boolean =>
  name === 'HIGHMEM' || (name === 'MOVABLE' && zones.some((zone) => zone.name === 'HIGHMEM'));

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
  return {
    MOVABLE: down,
    HIGHMEM: without('MOVABLE'),
    NORMAL: without('MOVABLE', 'HIGHMEM'),
    DMA32: without('MOVABLE', 'HIGHMEM', 'NORMAL'),
  };
}

/** What an allocation leaves in a zone. */
export type MarkOf = (zone: Zone, gfp: Gfp) => number;

/** As much as anyone, before kswapd has been woken. */
export const lowMark: MarkOf = ({ watermarks }) => watermarks.low;

/**
 * What it must (gfp_to_alloc_flags, __zone_watermark_ok): __GFP_HIGH may take half of the reserve, and
 * who cannot wait besides a quarter of the rest.
 */
export const reserveMark: MarkOf = ({ watermarks: { min } }, gfp) => {
  if ((gfp & __GFP_MEMALLOC) !== 0) return 0;
  if ((gfp & __GFP_HIGH) === 0) return min;
  const half = min - Math.floor(min / 2);
  return (gfp & __GFP_DIRECT_RECLAIM) === 0 ? half - Math.floor(half / 4) : half;
};
