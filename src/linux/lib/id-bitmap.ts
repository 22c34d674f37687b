/**
 * A set of small numbers that finds its lowest missing one in a few steps, however full it is.
 *
 * Upstream counterpart: the tags of the radix tree under an IDR (lib/radix-tree.c). Level 0 has a
 * bit for each number; a bit of a level above says that a whole word of the level below is full.
 */

const FULL = 0xffffffff;

/** The lowest clear bit at or above `from`; 32 when there is none. */
function lowestClear(word: number, from: number): number {
  const clear = ~word & (-1 << from);
  return clear === 0 ? 32 : 31 - Math.clz32(clear & -clear);
}

export class IdBitmap {
  readonly #levels: Uint32Array[] = [];

  add(n: number): void {
    let at = n;
    for (let level = 0; ; level++) {
      const index = at >>> 5;
      const words = this.#reach(level, index);
      words[index]! |= 1 << (at & 31);
      if (words[index] !== FULL) return;
      at = index;
    }
  }

  delete(n: number): void {
    let at = n;
    for (const words of this.#levels) {
      const index = at >>> 5;
      const before = words[index];
      words[index]! &= ~(1 << (at & 31));
      if (before !== FULL) return;
      at = index;
    }
  }

  has(n: number): boolean {
    return (((this.#levels[0]?.[n >>> 5] ?? 0) >>> (n & 31)) & 1) === 1;
  }

  /** The lowest number at or above `from` that is not in the set. */
  lowestFree(from: number): number {
    let at = from;
    for (let level = 0; ; level++) {
      const word = this.#levels[level]?.[at >>> 5] ?? 0;
      const bit = lowestClear(word, at & 31);
      if (bit < 32) return this.#descend(level, (at & ~31) + bit);
      at = (at >>> 5) + 1;
    }
  }

  /** From a word that is not full, the `at`-th below `level`, down to the first gap in it. */
  #descend(level: number, at: number): number {
    let found = at;
    for (let below = level - 1; below >= 0; below--) {
      found = found * 32 + lowestClear(this.#levels[below]![found] ?? 0, 0);
    }
    return found;
  }

  #reach(level: number, index: number): Uint32Array {
    const words = this.#levels[level];
    if (words !== undefined && index < words.length) return words;
    const grown = new Uint32Array(Math.max(index + 1, 2 * (words?.length ?? 0)));
    if (words !== undefined) grown.set(words);
    this.#levels[level] = grown;
    return grown;
  }
}
