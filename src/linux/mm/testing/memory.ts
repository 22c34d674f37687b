/** For tests: a machine with some RAM, its pages, and address spaces on it. */
import assert from 'node:assert/strict';
import { PROT_READ, PROT_WRITE } from '../../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
import { DEFAULT_RAM_BASE, Machine } from '../../../machine/machine.ts';
import type { Region } from '../../../machine/machine.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import { makeSched } from '../../lib/testing/sched.ts';
import { AddressSpace } from '../address-space.ts';
import type { MmArchName } from '../arch.ts';
import { usableMemory } from '../memblock.ts';
import { PageAllocator } from '../page-allocator.ts';
import type { ZoneSpec } from '../page-allocator.ts';

export const MIB = 1 << 20;
export const BASE = DEFAULT_RAM_BASE;

export interface MemoryBox {
  readonly sched: Scheduler;
  readonly machine: Machine;
  readonly pages: PageAllocator;
  addressSpace(arch?: MmArchName): AddressSpace;
}

export interface MemoryOptions {
  readonly mib?: number;
  readonly secure?: readonly Region[];
  readonly zones?: readonly ZoneSpec[];
}

export function makeMemory({ mib = 8, secure = [], zones }: MemoryOptions = {}): MemoryBox {
  const sched = makeSched();
  const machine = new Machine({
    sched,
    ram: { bytes: new Uint8Array(mib * MIB), memory: undefined, release() {} },
    tree: { secure, reservedShm: undefined, optee: undefined },
  });
  const pages = new PageAllocator({
    sched,
    port: machine.normal,
    memory: usableMemory(machine.tree),
    ...(zones === undefined ? {} : { zones }),
  });
  const addressSpace = (arch: MmArchName = 'arm64'): AddressSpace =>
    new AddressSpace({ pages, arch });
  return { sched, machine, pages, addressSpace };
}

export const RW = PROT_READ | PROT_WRITE;
/** Where `mapAt` maps. */
export const AT = 0x10_0000;

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** A mapping of `pages` pages at AT. */
export function mapAt(space: AddressSpace, pages: number, prot = RW): Va {
  const at = space.mmap({ at: AT, fixed: 'replace', length: pages * PAGE_SIZE, prot });
  assert.equal(at, AT);
  return va(at);
}

export function readBack(space: AddressSpace, at: number, length: number): number[] | 'EFAULT' {
  const out = new Uint8Array(length);
  return space.read(va(at), out) ? [...out] : 'EFAULT';
}

/** Start, end and writability of each mapping. */
export const vmasOf = (space: AddressSpace): (readonly [number, number, boolean])[] =>
  space
    .vmas(va(0), va(space.mm.arch.taskSize))
    .map((vma) => [vma.start, vma.end, vma.writable] as const);

/** Runs a test and checks that all memory has come back once its address space has gone. */
export function leakFree(run: (box: MemoryBox, space: AddressSpace) => void): () => void {
  return () => {
    const box = makeMemory();
    const before = box.pages.freePages;
    const space = box.addressSpace();
    run(box, space);
    space.destroy();
    assert.equal(box.pages.freePages, before);
    assert.equal(box.pages.pinsOutstanding, 0);
  };
}
