/** Pools that a fault empties for a while: each is taken as it stands, in pieces of falling size. */
import type { Box } from '../box/box.ts';

/** Gives back what was taken. */
export type GiveBack = () => void;

/** Secure memory for TAs: none can be loaded while it is full. */
function takeTaRam({ opteeOs }: Box): GiveBack {
  const { taRam } = opteeOs.nexus;
  const pieces: (() => void)[] = [];
  for (let pages = 1 << 10; pages >= 1; pages /= 2) {
    for (let at = taRam.alloc(pages); at !== undefined; at = taRam.alloc(pages)) {
      const piece = at;
      pieces.push(() => taRam.free(piece, pages));
    }
  }
  return () => {
    for (const free of pieces) free();
  };
}

export const POOLS: readonly (readonly [name: string, take: (box: Box) => GiveBack])[] = [
  ['TA RAM', takeTaRam],
];
