import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pa } from '../../machine/address.ts';
import { Machine } from '../../machine/machine.ts';
import type { Region, ReusablePool } from '../../machine/machine.ts';
import { makeSched } from '../lib/testing/sched.ts';
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
): Memory & { log: string[] } {
  const sched = makeSched();
  const ram = { bytes: new Uint8Array(32 * MIB), memory: undefined, release() {} };
  const tree = { secure: [region(29, 3)], reservedShm: undefined, optee: undefined, reusable };
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
