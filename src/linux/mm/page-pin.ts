/**
 * Pins of folios (FOLL_PIN): a small folio counts each as 1024 references, a large one has a count
 * of its own beside its references.
 *
 * Upstream counterpart: include/linux/mm.h (GUP_PIN_COUNTING_BIAS, folio_maybe_dma_pinned), mm/gup.c
 * (try_grab_folio, gup_put_folio). The zero page and the vmstat counters are the callers' affair.
 */
import type { PageFrames } from './page-frames.ts';

/* Source: include/linux/mm.h, Linux 6.1. */
export const GUP_PIN_COUNTING_SHIFT = 10;
/** A pin counts as so many references, so that pinned pages can be told apart. */
export const GUP_PIN_COUNTING_BIAS = 1 << GUP_PIN_COUNTING_SHIFT;

/**
 * try_grab_folio(): pins a folio `times` over.
 * @returns false when it is free, or its count has overflowed (21 bits of pins): then for -ENOMEM.
 */
export function tryPinFolio(frames: PageFrames, folio: number, times = 1): boolean {
  const { refs } = frames;
  if (refs[folio]! <= 0) return false;
  if (frames.order[folio] === 0) {
    refs[folio]! += times * GUP_PIN_COUNTING_BIAS;
    return true;
  }
  refs[folio]! += times;
  frames.pincount[folio]! += times;
  return true;
}

/** try_get_folio(): a reference that is no pin. @returns false when the folio is free */
export function tryGetFolio(frames: PageFrames, folio: number): boolean {
  if (frames.refs[folio]! <= 0) return false;
  frames.refs[folio]! += 1;
  return true;
}

/** gup_put_folio(). @returns true when that was the last reference: the caller frees the folio. */
export function unpinFolio(frames: PageFrames, folio: number, times = 1): boolean {
  const large = frames.order[folio] !== 0;
  if (large) frames.pincount[folio]! -= times;
  return (frames.refs[folio]! -= large ? times : times * GUP_PIN_COUNTING_BIAS) === 0;
}

/** Pins of a folio; of a small one 1024 other references look like one. */
export function folioPins(frames: PageFrames, folio: number): number {
  return frames.order[folio] === 0
    ? frames.refs[folio]! >>> GUP_PIN_COUNTING_SHIFT
    : frames.pincount[folio]!;
}

/** folio_maybe_dma_pinned(): exact for large folios; may be wrong for small ones, if it says yes. */
export const maybeDmaPinned = (frames: PageFrames, folio: number): boolean =>
  folioPins(frames, folio) > 0;
