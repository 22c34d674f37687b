/** The labs by name. */
import { cmaPlayback } from './cma-playback.ts';
import { kernelBuffers } from './kernel-buffers.ts';
import { memlock } from './memlock.ts';
import { pinInterface } from './pin-interface.ts';
import { staticVsDynamicShm } from './static-vs-dynamic-shm.ts';
import type { Lab } from './lab.ts';

export const LABS: readonly Lab[] = [
  cmaPlayback,
  memlock,
  pinInterface,
  kernelBuffers,
  staticVsDynamicShm,
];

export const findLab = (name: string): Lab | undefined => LABS.find((lab) => lab.name === name);
