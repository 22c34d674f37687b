/** For tests: a machine with some RAM, its pages, and address spaces on it. */
import { DEFAULT_RAM_BASE, Machine } from '../../machine/machine.ts';
import type { Region } from '../../machine/machine.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import { makeSched } from '../lib/testing.ts';
import { AddressSpace } from './address-space.ts';
import type { MmArchName } from './arch.ts';
import { usableMemory } from './memblock.ts';
import { PageAllocator } from './page-allocator.ts';
import type { ZoneSpec } from './page-allocator.ts';

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
