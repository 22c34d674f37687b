/** For tests: a machine with some RAM, its pages, and address spaces on it. */
import assert from 'node:assert/strict';
import { PROT_READ, PROT_WRITE } from '../../../abi/fcntl.ts';
import { PAGE_SIZE, pa, va } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
import { DEFAULT_RAM_BASE, Machine } from '../../../machine/machine.ts';
import type { Region } from '../../../machine/machine.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import { makeSched } from '../../lib/testing/sched.ts';
import { AddressSpace } from '../address-space.ts';
import type { MmArchName } from '../arch.ts';
import { CmaArea } from '../cma.ts';
import { usableMemory, withoutHoles } from '../memblock.ts';
import { PageAllocator } from '../page-allocator.ts';
import type { SecretAccount } from '../secretmem.ts';
import { MM_LINUX_7_3 } from '../switches.ts';
import type { MmSwitches } from '../switches.ts';
import type { ZoneSpec } from '../zonelist.ts';
import type { VmaList } from '../vma-list.ts';

export const MIB = 1 << 20;
export const BASE = DEFAULT_RAM_BASE;

export interface MemoryBox {
  /** In the last MiB of RAM, when one was asked for. */
  readonly cma: CmaArea | undefined;
  /** Lines of the kernel log. */
  readonly log: readonly string[];
  readonly sched: Scheduler;
  readonly machine: Machine;
  readonly pages: PageAllocator;
  addressSpace(arch?: MmArchName): AddressSpace;
}

export interface MemoryOptions {
  readonly mib?: number;
  readonly secure?: readonly Region[];
  readonly zones?: readonly ZoneSpec[];
  /** Of which watermarks are made; none by default, so that the last page can be had. */
  readonly minFreeKbytes?: number;
  readonly swapPages?: number;
  /** Of the CMA area at the end of RAM; none by default. */
  readonly cmaMib?: number;
  /** Those of linux-7.3 by default. */
  readonly switches?: Partial<MmSwitches>;
}

export function makeMemory(options: MemoryOptions = {}): MemoryBox {
  const { mib = 8, secure = [], zones, minFreeKbytes = 0, swapPages = 0, cmaMib = 0 } = options;
  const sched = makeSched();
  const machine = new Machine({
    sched,
    ram: { bytes: new Uint8Array(mib * MIB), memory: undefined, release() {} },
    tree: { secure, reservedShm: undefined, optee: undefined },
  });
  const log: string[] = [];
  const printk = (text: string): void => void log.push(text);
  const region = { base: pa(BASE + (mib - cmaMib) * MIB), size: cmaMib * MIB };
  const pages = new PageAllocator({
    sched,
    port: machine.normal,
    memory: usableMemory(machine.tree).flatMap((part) => withoutHoles(part, [region])),
    minFreeKbytes,
    swapPages,
    switches: { ...MM_LINUX_7_3, ...options.switches },
    printk,
    ...(zones === undefined ? {} : { zones }),
  });
  const addressSpace = (arch: MmArchName = 'arm64'): AddressSpace =>
    new AddressSpace({ pages, arch });
  const cma = cmaMib === 0 ? undefined : new CmaArea({ pages, name: 'reserved', region, printk });
  return { sched, machine, pages, cma, log, addressSpace };
}

/** Of secret memory that nobody counts. */
export const FREE: SecretAccount = { charge: () => true, unchargeAll() {} };

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

/** total_vm, pages. */
export const totalVm = (vmas: VmaList): number =>
  [...vmas].reduce((sum, { pages }) => sum + pages, 0);
