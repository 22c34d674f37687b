/**
 * Delta debugging: takes pieces away from a list, large ones first, as long as what is left still
 * does it. Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002.
 */

/**
 * @param does is taken to hold for `items`.
 * @returns a part of `items` for which it holds, and for none that lacks one item more.
 */
export function minimize<T>(
  items: readonly T[],
  does: (part: readonly T[]) => boolean,
): readonly T[] {
  let best = items;
  for (
    let size = Math.ceil(best.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < best.length;) {
      const part = best.toSpliced(at, size);
      if (does(part)) best = part;
      else at += size;
    }
  }
  return best;
}
