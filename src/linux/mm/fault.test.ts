import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL } from '../../abi/errno.ts';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { MIGRATE_MOVABLE } from './migrate-type.ts';
import { AT, BASE, MIB, RW, bytes, leakFree, mapAt, readBack } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';

describe('pages on demand', () => {
  it(
    'come with the first write; reads see the zero page',
    leakFree(({ pages }, space) => {
      mapAt(space, 2);
      const before = pages.freePages;
      assert.deepEqual(readBack(space, AT, 3), [0, 0, 0]);
      assert.equal(pages.freePages, before);
      assert.equal(space.mm.rss, 0);
      space.write(va(AT + 1), bytes(5));
      assert.deepEqual(readBack(space, AT, 3), [0, 5, 0]);
      assert.equal(before - pages.freePages, 1);
      assert.equal(space.mm.rss, 1);
    }),
  );

  it(
    'are zero even where memory was used before',
    leakFree(({ pages, machine }, space) => {
      machine.bus.u8.fill(0xee, PAGE_SIZE);
      mapAt(space, 1);
      space.write(va(AT + 8), bytes(1));
      assert.deepEqual(readBack(space, AT, 16), [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
      assert.equal(pages.usedPages, 2);
    }),
  );

  it(
    'follow each other in RAM when the next frame is free, whatever was freed last',
    leakFree(({ pages }, space) => {
      const frames = Array.from({ length: 64 }, () => pages.allocFrames(0, MIGRATE_MOVABLE));
      mapAt(space, 2);
      for (const [page, freed] of [[10], [11, 50]].entries()) {
        for (const i of freed) pages.putFrame(frames[i]!);
        space.write(va(AT + page * PAGE_SIZE), bytes(1));
      }
      assert.ok(space.load(AT, 2 * PAGE_SIZE, 'read') >= 0);
      for (const [i, frame] of frames.entries()) {
        if (![10, 11, 50].includes(i)) pages.putFrame(frame);
      }
    }),
  );

  it(
    'are the same for all who share them',
    leakFree((_, space) => {
      const at = va(space.mmap({ length: 4 * PAGE_SIZE, shared: true }));
      space.write(at, bytes(1));
      const child = space.fork();
      assert.ok(child !== undefined);
      child.write(va(at + 3 * PAGE_SIZE), bytes(3));
      assert.deepEqual(readBack(space, at + 3 * PAGE_SIZE, 1), [3]);
      space.munmap(at, 3 * PAGE_SIZE);
      child.write(at, bytes(2));
      assert.deepEqual(readBack(child, at, 1), [2]);
      child.destroy();
    }),
  );

  it(
    'stay for as long as anybody shares them',
    leakFree((_, space) => {
      const at = va(space.mmap({ length: 2 * PAGE_SIZE, shared: true }));
      const child = space.fork();
      child?.write(at, bytes(4));
      child?.destroy();
      assert.deepEqual(readBack(space, at, 1), [4]);
    }),
  );
});

describe('pfn mappings', () => {
  const map = (box: MemoryBox, space: AddressSpace, shared: boolean, prot = RW): [Va, number] => {
    const start = box.pages.allocExact(2 * PAGE_SIZE);
    assert.ok(start !== undefined);
    const pfnMap = { start, memoryType: 'normal' as const };
    return [va(space.mmap({ length: 2 * PAGE_SIZE, shared, prot, pfnMap })), start];
  };

  it(
    'show the memory itself when shared, and count no references',
    leakFree((box, space) => {
      const [at, start] = map(box, space, true);
      space.write(at, bytes(7));
      assert.equal(box.machine.normal.bytes(pa(start), 1, 'read')[0], 7);
      assert.equal(box.pages.refCount(pa(start)), 1);
      const child = space.fork();
      child?.write(at, bytes(8));
      assert.deepEqual(readBack(space, at, 1), [8]);
      child?.destroy();
      space.munmap(at, 2 * PAGE_SIZE);
      box.pages.freeExact(pa(start), 2 * PAGE_SIZE);
    }),
  );

  it(
    'copy a page that is written when private',
    leakFree((box, space) => {
      const [at, start] = map(box, space, false);
      box.machine.normal.bytes(pa(start), 2, 'write').set([1, 2]);
      space.write(at, bytes(7));
      assert.deepEqual(readBack(space, at, 2), [7, 2]);
      assert.equal(box.machine.normal.bytes(pa(start), 1, 'read')[0], 1);
      assert.equal(space.mm.rss, 1);
      space.munmap(at, 2 * PAGE_SIZE);
      box.pages.freeExact(pa(start), 2 * PAGE_SIZE);
    }),
  );

  it(
    'tell drivers their memory type and close their file with the last part',
    leakFree((box, space) => {
      let open = 1;
      const file = { open: () => (open += 1), close: () => (open -= 1) };
      const pfnMap = { start: pa(BASE), memoryType: 'device' as const };
      const at = va(space.mmap({ length: 3 * PAGE_SIZE, shared: true, pfnMap, file }));
      space.mmap({ length: PAGE_SIZE, at: at - PAGE_SIZE });
      const types = space.vmas(va(0), va(at + 1)).map((vma) => vma.memoryType);
      assert.deepEqual(types, ['normal', 'device']);
      space.munmap(at + PAGE_SIZE, PAGE_SIZE);
      assert.equal(open, 2);
      const child = space.fork();
      assert.equal(open, 4);
      child?.destroy();
      space.munmap(at, 3 * PAGE_SIZE);
      assert.equal(open, 0);
      assert.equal(box.pages.refCount(pa(BASE)), 1);
    }),
  );

  it(
    'never merge',
    leakFree((_, space) => {
      const map = (page: number): Va => {
        const pfnMap = { start: pa(BASE + page * PAGE_SIZE), memoryType: 'normal' as const };
        return va(space.mmap({ length: PAGE_SIZE, shared: true, pfnMap }));
      };
      const at = map(3);
      assert.equal(map(2), at - PAGE_SIZE);
      assert.equal(space.mm.vmas.count, 2);
    }),
  );

  it(
    'are of RAM only',
    leakFree((box, space) => {
      for (const start of [BASE - PAGE_SIZE, BASE + 8 * MIB, BASE + 1]) {
        const pfnMap = { start: pa(start), memoryType: 'device' as const };
        assert.equal(space.mmap({ length: 1, pfnMap }), -EINVAL);
      }
      assert.equal(box.pages.usedPages, 1);
    }),
  );
});
