import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL } from '../../abi/errno.ts';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts';
import { FAULT_SIGBUS } from './page-cache.ts';
import { Shmem } from './shmem.ts';
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
      const frames = Array.from({ length: 64 }, () => pages.allocFrames(0, GFP_HIGHUSER_MOVABLE));
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

describe('private mappings of an object', () => {
  /** Two pages of an object that hold 1 and 2, mapped privately at AT. */
  const mapped = ({ pages }: MemoryBox, space: AddressSpace): Shmem => {
    const cache = new Shmem(pages);
    const shared = space.mmap({ length: 2 * PAGE_SIZE, shared: true, cache });
    space.write(va(shared), bytes(1));
    space.write(va(shared + PAGE_SIZE), bytes(2));
    space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, prot: RW, cache, pgoff: 1 });
    return cache;
  };

  it(
    'show its pages until they are written, and then a copy',
    leakFree((box, space) => {
      const cache = mapped(box, space);
      assert.deepEqual(readBack(space, AT, 1), [2]);
      assert.equal(box.pages.frames.mapcount[cache.fault(1)], 2);
      space.write(va(AT + 1), bytes(9));
      assert.deepEqual(readBack(space, AT, 2), [2, 9]);
      assert.equal(box.pages.frames.mapcount[cache.fault(1)], 1);
      const frame = cache.fault(1);
      assert.deepEqual([...box.pages.frameBytes(frame, 'read').subarray(0, 2)], [2, 0]);
    }),
  );

  it(
    'are copied at once by a write, and by a pin that needs a page of its own',
    leakFree((box, space) => {
      const cache = mapped(box, space);
      space.write(va(AT), bytes(7));
      const pin = space.pin(va(AT), 1, { write: true });
      assert.ok(typeof pin !== 'number');
      assert.notEqual(box.pages.frames.frame(pin.pages[0]!), cache.fault(1));
      pin.unpin();
    }),
  );

  it(
    'are copied by fork as far as they were written',
    leakFree((box, space) => {
      mapped(box, space);
      space.write(va(AT), bytes(7));
      const child = space.fork()!;
      assert.deepEqual(readBack(child, AT, 1), [7]);
      child.write(va(AT), bytes(8));
      assert.deepEqual(readBack(space, AT, 1), [7]);
      child.destroy();
    }),
  );

  it(
    'are SIGBUS where the object has no page',
    leakFree(({ pages }, space) => {
      class Short extends Shmem {
        override fault(index: number): number {
          return index > 0 ? FAULT_SIGBUS : super.fault(index);
        }
      }
      const cache = new Short(pages);
      space.mmap({
        at: AT,
        fixed: 'replace',
        length: 2 * PAGE_SIZE,
        prot: RW,
        shared: true,
        cache,
      });
      assert.equal(space.fault(AT, 'write'), undefined);
      assert.equal(space.fault(AT + PAGE_SIZE, 'write'), 'SIGBUS');
    }),
  );
});
