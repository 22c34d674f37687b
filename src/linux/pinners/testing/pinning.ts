/** For tests: a kernel with a CMA area that programs' pages borrow, and programs. */
import { PAGE_SIZE } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
import { FileMap } from '../../mm/filemap.ts';
import { isLongtermPinnable } from '../../mm/gup-longterm.ts';
import { PG_DIRTY } from '../../mm/page-frames.ts';
import { pteFrame } from '../../mm/page-table.ts';
import { MM_LINUX_7_3 } from '../../mm/switches.ts';
import type { MmSwitches } from '../../mm/switches.ts';
import type { Kernel } from '../../process/kernel.ts';
import type { Program } from '../../process/program.ts';
import { makeKernel, makeProgram } from '../../process/testing/make-kernel.ts';
import type { ProcessOptions } from '../../process/user-process.ts';

const MIB = 1 << 20;

/** A file of one page, mapped shared by a program, and whether that page is dirty. */
export function mapFile({ process }: Program) {
  const { pages } = process.kernel;
  const nothing = (data: Uint8Array): number => data.length;
  const file = { size: () => PAGE_SIZE, read: nothing, write: nothing, sync: () => 0 };
  const cache = new FileMap({ pages, name: '/film', file });
  const at = process.mm.mmap({ length: PAGE_SIZE, shared: true, cache });
  const dirty = (): boolean =>
    [...cache.frames()].some((frame) => (pages.frames.flags[frame]! & PG_DIRTY) !== 0);
  return { at, cache, dirty };
}

export function pinKernel(switches: Partial<MmSwitches> = {}): Kernel {
  return makeKernel({
    mib: 16,
    memory: { cma: 8 * MIB, minFreeKbytes: 128 },
    mmSwitches: { ...MM_LINUX_7_3, ...switches },
  });
}

export const user = (kernel: Kernel, options: Partial<ProcessOptions> = {}): Program =>
  makeProgram(kernel, { uid: 1000, ...options });

/** Memory of a program with `pages` pages, each touched and with its number. */
export function buffer(program: Program, pages: number): Va {
  const at = program.memory.memalign(PAGE_SIZE, pages * PAGE_SIZE);
  for (let n = 0; n < pages; n++)
    program.memory.write((at + n * PAGE_SIZE) as Va, Uint8Array.of(n));
  return at;
}

/** How many of these pages are where long-term pins must not be. */
export function lent(program: Program, at: number, pages: number): number {
  const { mm, kernel } = program.process;
  let count = 0;
  for (let n = 0; n < pages; n++) {
    const frame = pteFrame(mm.mm.table.get(at / PAGE_SIZE + n));
    if (!isLongtermPinnable(kernel.pages, frame)) count += 1;
  }
  return count;
}
