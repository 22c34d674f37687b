import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pa } from '../../machine/address.ts';
import { Machine } from '../../machine/machine.ts';
import type { Region, ReusablePool } from '../../machine/machine.ts';
import { makeSched } from '../lib/testing/sched.ts';
import { GFP_HIGHUSER, GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_USER } from './gfp.ts';
import { initMemory } from './mm-init.ts';
import type { Memory, MemoryParameters } from './mm-init.ts';
import { topRegion } from './memblock.ts';
import { BASE, MIB } from './testing/memory.ts';

const region = (mib: number, size: number): Region => ({
  base: pa(BASE + mib * MIB),
  size: size * MIB,
});

/** 32 MiB of RAM, of which the last 3 are the secure world's. */
function init(
  parameters: MemoryParameters,
  reusable: readonly ReusablePool[] = [],
  secure: readonly Region[] = [region(29, 3)],
): Memory & { log: string[] } {
  const sched = makeSched();
  const ram = { bytes: new Uint8Array(32 * MIB), memory: undefined, release() {} };
  const tree = { secure, reservedShm: undefined, optee: undefined, reusable };
  const machine = new Machine({ sched, ram, tree });
  const log: string[] = [];
  const printk = (text: string): void => void log.push(text);
  const memory = initMemory({
    sched,
    port: machine.normal,
    tree: machine.tree,
    parameters,
    printk,
  });
  return { ...memory, log };
}

const node = (mib: number, size: number, isDefault = false): ReusablePool => ({
  name: 'linux,cma',
  region: region(mib, size),
  isDefault,
});

describe('memory at boot', () => {
  it('has no CMA area and no ZONE_MOVABLE by default', () => {
    const { pages, cma, defaultCma, log } = init({});
    assert.deepEqual([cma, defaultCma, log], [[], undefined, []]);
    assert.deepEqual(
      pages.zones.map(({ name }) => name),
      ['DMA32', 'NORMAL'],
    );
    assert.equal(pages.managedPages, 29 * 256);
    // int_sqrt(29 MiB / 1 KiB * 16) = 689 KiB.
    assert.deepEqual(pages.zones[0]!.watermarks, { min: 172, low: 215, high: 258 });
  });

  it('has high memory under highmem=, for those who can do without an address of it', () => {
    const { pages } = init({ highmem: 16 * MIB });
    const [normal, high] = pages.zones;
    assert.deepEqual(
      pages.zones.map(({ name, managedPages }) => [name, managedPages]),
      [
        ['NORMAL', 13 * 256],
        ['HIGHMEM', 16 * 256],
      ],
    );
    // Of low memory only: int_sqrt(13 MiB / 1 KiB * 16) = 461 KiB; high memory keeps 32 pages.
    assert.deepEqual(normal!.watermarks, { min: 115, low: 143, high: 171 });
    assert.deepEqual(high!.watermarks, { min: 32, low: 67, high: 102 });
    const zoneOf = (gfp: number): string => pages.zoneOf(pages.allocFrames(0, gfp)).name;
    assert.deepEqual([GFP_KERNEL, GFP_USER].map(zoneOf), ['NORMAL', 'NORMAL']);
    assert.deepEqual([GFP_HIGHUSER, GFP_HIGHUSER_MOVABLE].map(zoneOf), ['HIGHMEM', 'HIGHMEM']);
  });

  it('has ZONE_MOVABLE at the top of high memory, or in its place', () => {
    const zones = (parameters: MemoryParameters): unknown =>
      init(parameters).pages.zones.map(({ name, managedPages }) => [name, managedPages / 256]);
    assert.deepEqual(zones({ highmem: 16 * MIB, movablecore: 8 * MIB }), [
      ['NORMAL', 13],
      ['HIGHMEM', 11],
      ['MOVABLE', 5],
    ]);
    assert.deepEqual(zones({ highmem: 13 * MIB, movablecore: 20 * MIB }), [
      ['NORMAL', 16],
      ['MOVABLE', 13],
    ]);
    assert.deepEqual(zones({ highmem: 29 * MIB }), zones({}));
  });

  it('has the area of cma= at its top, in whole pageblocks', () => {
    const { pages, cma, defaultCma, log } = init({ cma: 3 * MIB });
    assert.deepEqual(log, ['cma: Reserved 4 MiB at 0x0000000041800000']);
    assert.deepEqual([defaultCma?.name, defaultCma?.base], ['reserved', BASE + 24 * MIB]);
    assert.equal(cma.length, 1);
    assert.equal(pages.managedPages, 29 * 256);
    assert.equal(pages.zones[0]!.freeCmaPages, 1024);
    assert.equal(pages.freePages, 29 * 256 - 1);
    assert.equal(defaultCma?.freePages, 1024);
  });

  it('has areas of the device tree, the default one instead of cma=', () => {
    const other = { ...node(8, 2), name: 'decoder' };
    const { cma, defaultCma, log } = init({ cma: 4 * MIB }, [other, node(4, 4, true)]);
    assert.deepEqual(
      cma.map(({ name, count }) => [name, count]),
      [
        ['decoder', 512],
        ['linux,cma', 1024],
      ],
    );
    assert.equal(defaultCma, cma[1]);
    assert.equal(
      log[0],
      'Reserved memory: created CMA memory pool at 0x0000000040800000, size 2 MiB',
    );
  });

  it('leaves out an area that is not aligned, and one that is larger than memory', () => {
    const { cma, pages, log } = init({ cma: 32 * MIB }, [node(5, 2)]);
    assert.deepEqual(cma, []);
    assert.deepEqual(log, [
      'Reserved memory: incorrect alignment of CMA region',
      'cma: Failed to reserve 32 MiB',
    ]);
    assert.equal(pages.zones[0]!.freeCmaPages, 0);
  });

  it('gives the top to ZONE_MOVABLE, from a largest block on', () => {
    const { pages } = init({ movablecore: 8 * MIB });
    assert.deepEqual(
      pages.zones.map(({ name, managedPages }) => [name, managedPages / 256]),
      [
        ['DMA32', 24],
        ['MOVABLE', 5],
      ],
    );
  });

  it('has a ZONE_MOVABLE at least as large as asked for, but for the block that it begins at', () => {
    const movableMib = (movablecore: number): number =>
      init({ movablecore }).pages.zones.find(({ name }) => name === 'MOVABLE')!.managedPages / 256;
    assert.deepEqual(
      [1, 4.5, 9, 27].map((mib) => movableMib(mib * MIB)),
      [1, 5, 9, 25],
    );
  });

  it('has no ZONE_MOVABLE when nothing would be left to the kernel', () => {
    for (const movablecore of [29 * MIB, 64 * MIB]) {
      const { pages } = init({ movablecore });
      assert.deepEqual(
        pages.zones.map(({ name }) => name),
        ['DMA32', 'NORMAL'],
      );
    }
  });

  it('finds the start of ZONE_MOVABLE past holes in memory', () => {
    const { pages } = init({ movablecore: 16 * MIB }, [], [region(8, 8), region(29, 3)]);
    const movable = pages.zones.find(({ name }) => name === 'MOVABLE')!;
    assert.equal(pages.frames.address(movable.start), BASE + 8 * MIB);
  });

  it('estimates its reserve by what the kernel may have, not by ZONE_MOVABLE', () => {
    const { pages } = init({ movablecore: 13 * MIB });
    const [normal, movable] = pages.zones;
    // int_sqrt(16 MiB / 1 KiB * 16) = 512 KiB, shared among all zones.
    assert.deepEqual(
      [normal!.watermarks.min, movable!.watermarks.min],
      [Math.floor((128 * 16) / 29), Math.floor((128 * 13) / 29)],
    );
  });

  it('has a swap area, and watermarks as they are asked for', () => {
    const { pages } = init({ swap: 3 * MIB, minFreeKbytes: 1024 });
    assert.equal(pages.swap.limit, 768);
    assert.equal(pages.zones[0]!.watermarks.min, 256);
  });
});

describe('memblock', () => {
  it('finds the highest place that is aligned', () => {
    const memory = [region(0, 9), region(11, 3)];
    assert.deepEqual(topRegion(memory, 2 * MIB, 2 * MIB), region(12, 2));
    assert.deepEqual(topRegion(memory, 4 * MIB, 4 * MIB), region(4, 4));
    assert.equal(topRegion(memory, 10 * MIB, MIB), undefined);
  });
});
