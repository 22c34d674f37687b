import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY, EINTR } from '../../abi/errno.ts';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { allocContigRange, freeContigRange } from './contig.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, __GFP_COMP } from './gfp.ts';
import {
  MIGRATE_CMA,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  PAGEBLOCK_NR_PAGES,
} from './migrate-type.ts';
import { PG_LRU } from './page-frames.ts';
import type { PageCache } from './page-cache.ts';
import { startIsolatePageRange, undoIsolatePageRange } from './page-isolation.ts';
import { pteFrame } from './page-table.ts';
import { Shmem } from './shmem.ts';
import { BASE, MIB, makeMemory, readBack } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';
import type { Vma } from './vma.ts';

const BLOCK = PAGEBLOCK_NR_PAGES;
const range = (start: number, end: number) => ({ start, end, type: MIGRATE_MOVABLE });

const typesOf = ({ pages }: MemoryBox): number[] => [...pages.frames.blockTypes];

/** A page of `space` in a pageblock of user pages. @returns its address and frame */
function userPage(space: AddressSpace): [number, number] {
  const at = space.mmap({ length: PAGE_SIZE });
  space.write(va(at), Uint8Array.of(42));
  return [at, pteFrame(space.mm.table.get(at / PAGE_SIZE))];
}

describe('alloc_contig_range()', () => {
  it('takes a range that is free, though it was never needed, and gives the rest back', () => {
    const box = makeMemory({ mib: 16 });
    const { pages } = box;
    const before = pages.freePages;
    assert.deepEqual(allocContigRange(pages, range(2500, 2900)), { result: 0, busy: -1 });
    assert.equal(before - pages.freePages, 400);
    assert.ok(pages.frames.refs.subarray(2500, 2900).every((refs) => refs === 1));
    assert.equal(freeContigRange(pages, 2500, 400), 0);
    assert.equal(pages.freePages, before);
    assert.deepEqual(
      pages.zones[0]!.freeBlocks(),
      makeMemory({ mib: 16 }).pages.zones[0]!.freeBlocks(),
    );
  });

  it('moves user pages out of it', () => {
    const box = makeMemory({ mib: 16 });
    const space = box.addressSpace();
    const [at, frame] = userPage(space);
    const start = frame & -BLOCK;
    assert.equal(allocContigRange(box.pages, range(start, start + BLOCK)).result, 0);
    assert.notEqual(pteFrame(space.mm.table.get(at / PAGE_SIZE)) & -BLOCK, start);
    assert.deepEqual(readBack(space, at, 1), [42]);
  });

  it('is -EBUSY for kernel pages, holes and what is isolated, and nothing stays isolated', () => {
    const box = makeMemory({ mib: 16, secure: [{ base: pa(BASE + 8 * MIB), size: MIB }] });
    const { pages } = box;
    const types = typesOf(box);
    const free = pages.freePages;
    const blocks = pages.zones[0]!.freeBlocks();
    const kernel = pages.zeroFrame & -BLOCK;
    assert.equal(allocContigRange(pages, range(kernel, kernel + BLOCK)).result, -EBUSY);
    assert.equal(allocContigRange(pages, range(3 * BLOCK, 5 * BLOCK)).result, -EBUSY);
    assert.deepEqual([typesOf(box), pages.freePages], [types, free]);
    assert.deepEqual(pages.zones[0]!.freeBlocks(), blocks);
    assert.equal(startIsolatePageRange(pages, 6 * BLOCK, 7 * BLOCK, MIGRATE_MOVABLE), 0);
    assert.equal(pages.freePages, free - BLOCK);
    assert.equal(allocContigRange(pages, range(5 * BLOCK, 7 * BLOCK)).result, -EBUSY);
    undoIsolatePageRange(pages, 6 * BLOCK, 7 * BLOCK, MIGRATE_MOVABLE);
    assert.deepEqual([typesOf(box), pages.freePages], [types, free]);
    assert.equal(typesOf(box).includes(MIGRATE_ISOLATE), false);
  });

  it('is -EBUSY where a range of another type wants pages of a CMA area', () => {
    const { pages } = makeMemory({ mib: 12, cmaMib: 4 });
    assert.equal(allocContigRange(pages, range(2048, 2560)).result, -EBUSY);
    const cma = { start: 2048, end: 2560, type: MIGRATE_CMA };
    assert.equal(allocContigRange(pages, cma).result, 0);
  });

  it('is -EBUSY across zones', () => {
    const zones = [
      { name: 'NORMAL', end: BASE + 8 * MIB },
      { name: 'MOVABLE', end: Infinity },
    ] as const;
    const { pages } = makeMemory({ mib: 16, zones });
    assert.equal(allocContigRange(pages, range(2000, 2100)).result, -EBUSY);
  });

  it('finds out late about pages of ZONE_MOVABLE that do not move, and says which', () => {
    const zones = [
      { name: 'NORMAL', end: BASE + 8 * MIB },
      { name: 'MOVABLE', end: Infinity },
    ] as const;
    const { pages } = makeMemory({ mib: 16, zones });
    const frame = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    const start = frame & -BLOCK;
    const free = pages.freePages;
    const result = allocContigRange(pages, range(start, start + BLOCK));
    assert.deepEqual(result, { result: -EBUSY, busy: frame });
    assert.equal(pages.freePages, free);
  });

  it('ends with -EINTR when the task is to die', () => {
    const { pages } = makeMemory({ mib: 16 });
    let asked = 0;
    const dying = (): boolean => (asked += 1) > 0;
    const free = pages.freePages;
    assert.equal(allocContigRange(pages, range(2048, 2560), dying).result, -EINTR);
    assert.deepEqual([asked, pages.freePages], [1, free]);
  });

  it('takes large folios as a whole, also those that reach into it', () => {
    const box = makeMemory({ mib: 16 });
    const { pages } = box;
    const cache = new Shmem(pages, { order: 4 });
    cache.open();
    const folio = pages.frames.folio(cache.fault(3));
    assert.equal(pages.frames.order[folio], 4);
    const start = folio + 8;
    assert.equal(allocContigRange(pages, range(start, start + 64)).result, 0);
    assert.notEqual(pages.frames.folio(cache.fault(3)), folio);
    assert.equal(pages.frames.refs[folio], 0);
    const kernel = pages.alloc(2, GFP_KERNEL | __GFP_COMP)!;
    const head = pages.frames.frame(kernel);
    assert.equal(allocContigRange(pages, range(head + 3, head + 8)).result, -EBUSY);
  });

  it('frees clean pages of files instead of moving them', () => {
    const { pages } = makeMemory({ mib: 16 });
    const evicted: number[] = [];
    const file: PageCache = {
      backing: 'writeback',
      kind: 'cache',
      name: '/film',
      id: 0,
      movable: true,
      vmas: new Set<Vma>(),
      attach() {},
      detach() {},
      fault: () => -1,
      replace() {},
      evict: (index) => evicted.push(index) > 0,
    };
    const { frames } = pages;
    const frame = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    frames.mapping[frame] = pages.owners.register(file);
    frames.index[frame] = 7;
    frames.flags[frame] = PG_LRU;
    frames.refs[frame] = 2;
    pages.putFrame(frame);
    const start = frame & -BLOCK;
    pages.getFrame(frame);
    pages.putFrame(frame);
    assert.equal(allocContigRange(pages, range(start, start + BLOCK)).result, 0);
    assert.deepEqual([evicted, pages.vmstat.pgmigrate_success], [[7], 0]);
  });

  it('says how many of its pages are in use when they are freed', () => {
    const { pages } = makeMemory({ mib: 16 });
    allocContigRange(pages, range(2048, 2058));
    pages.getFrame(2050);
    assert.equal(freeContigRange(pages, 2048, 10), 1);
    assert.equal(pages.frames.refs[2050], 1);
  });
});
