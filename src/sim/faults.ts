/** Pools that a fault empties for a while: each is taken as it stands, in pieces of falling size. */
import type { Box } from '../box/box.ts';

/** Gives back what was taken. */
export type GiveBack = () => void;

/** The core heap: sessions, contexts and registered memory are refused while it is full. */
function takeCoreHeap({ opteeOs }: Box): GiveBack {
  const { heap } = opteeOs.guest;
  const taken: number[] = [];
  for (let size = heap.size; size >= 1; size /= 2) {
    while (heap.alloc(size, 'somebody else')) taken.push(size);
  }
  return () => {
    for (const size of taken) heap.free(size);
  };
}

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
  ['core heap', takeCoreHeap],
  ['TA RAM', takeTaRam],
];
