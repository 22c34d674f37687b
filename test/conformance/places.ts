/** What can be behind a pointer that a program gives to the kernel, right and wrong. */
import { PROT_NONE, PROT_READ } from '../../src/abi/fcntl.ts';
import { KERNEL_ADDRESS } from './caller.ts';
import type { Caller } from './caller.ts';

const PAGE = 4096;

/**
 * Somewhere to put bytes, and what a process may do with them there. A later mapping may fill a hole:
 * what is wrong is put last.
 */
export interface Place {
  readonly readable: boolean;
  readonly writable: boolean;
  /** What is wrong begins behind the first page. */
  readonly later?: true;
  /** No number is exact there: not for what is passed in a register. */
  readonly inexact?: true;
  /** @returns the address. */
  put(caller: Caller, bytes: Uint8Array): Promise<bigint>;
}

type Spoil = (caller: Caller, at: number, length: number) => Promise<unknown>;

const unmap: Spoil = ({ process }, at, length) => process.munmap(at, length);
const forbid: Spoil = ({ process }, at, length) => process.mprotect(at, length, PROT_NONE);
const makeReadOnly: Spoil = ({ process }, at, length) => process.mprotect(at, length, PROT_READ);
const leave: Spoil = async () => {};

/** From the start of a page on, of all of which something becomes then. */
const inPages =
  (spoil: Spoil): Place['put'] =>
  async (caller, bytes) => {
    const length = Math.ceil(bytes.length / PAGE) * PAGE;
    const at = await caller.map(length);
    await caller.process.poke(at, bytes);
    await spoil(caller, at, length);
    return BigInt(at);
  };

/** Half of it in one page, the other half in the next. */
const across =
  (first: Spoil, second: Spoil): Place['put'] =>
  async (caller, bytes) => {
    const page = await caller.map(2 * PAGE);
    const at = page + PAGE - Math.ceil(bytes.length / 2);
    await caller.process.poke(at, bytes);
    await first(caller, page, PAGE);
    await second(caller, page + PAGE, PAGE);
    return BigInt(at);
  };

const FINE = { readable: true, writable: true } as const;
const READ_ONLY = { readable: true, writable: false } as const;
const NOTHING = { readable: false, writable: false } as const;

export const PLACES: Readonly<Record<string, Place>> = {
  'whole pages': { ...FINE, put: inPages(leave) },
  'halves of two pages': { ...FINE, put: across(leave, leave) },
  NULL: { ...NOTHING, put: async () => 0n },
  'a hole': { ...NOTHING, put: inPages(unmap) },
  'memory without access': { ...NOTHING, put: inPages(forbid) },
  'read-only memory': { ...READ_ONLY, put: inPages(makeReadOnly) },
  'what begins in a hole': { ...NOTHING, put: across(unmap, leave) },
  'what ends in a hole': { ...NOTHING, later: true, put: across(leave, unmap) },
  'what begins read-only': { ...READ_ONLY, put: across(makeReadOnly, leave) },
  'what ends read-only': { ...READ_ONLY, later: true, put: across(leave, makeReadOnly) },
  'the kernel’s half': { ...NOTHING, put: async () => KERNEL_ADDRESS },
  'the last page there is': { ...NOTHING, put: async () => 2n ** 64n - BigInt(PAGE) },
  'what goes on at 0': {
    ...NOTHING,
    inexact: true,
    put: async (_caller, bytes) => 2n ** 64n - BigInt(Math.ceil(bytes.length / 2)),
  },
};
