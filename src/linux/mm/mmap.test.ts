import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EEXIST, EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import { PROT_EXEC, PROT_NONE, PROT_READ } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { MIGRATE_MOVABLE } from './migrate-type.ts';
import {
  AT,
  MIB,
  RW,
  bytes,
  leakFree,
  makeMemory,
  mapAt,
  readBack,
  vmasOf,
} from './testing/memory.ts';

describe('mmap', () => {
  it(
    'places mappings top-down and merges what touches',
    leakFree((_, space) => {
      const first = space.mmap({ length: 3 * PAGE_SIZE });
      const second = space.mmap({ length: 1 });
      assert.equal(second, first - PAGE_SIZE);
      assert.deepEqual(vmasOf(space), [[second, first + 3 * PAGE_SIZE, true]]);
      space.mmap({ length: 1, prot: PROT_READ });
      assert.equal(space.mm.vmas.count, 2);
    }),
  );

  it(
    'fills the highest hole that fits',
    leakFree((_, space) => {
      const at = space.mmap({ length: 16 * PAGE_SIZE });
      space.munmap(at + 10 * PAGE_SIZE, 2 * PAGE_SIZE);
      space.munmap(at + 4 * PAGE_SIZE, 3 * PAGE_SIZE);
      assert.equal(space.mmap({ length: 3 * PAGE_SIZE }), at + 4 * PAGE_SIZE);
      assert.equal(space.mmap({ length: PAGE_SIZE }), at + 11 * PAGE_SIZE);
      assert.equal(space.mmap({ length: 2 * PAGE_SIZE }), at - 2 * PAGE_SIZE);
      assert.equal(space.mmap({ length: PAGE_SIZE }), at + 10 * PAGE_SIZE);
    }),
  );

  it(
    'takes a wish when it is free, and rounds it up to mmap_min_addr',
    leakFree((_, space) => {
      assert.equal(space.mmap({ length: 1, at: AT + 5 }), AT);
      assert.notEqual(space.mmap({ length: 1, at: AT }), AT);
      assert.equal(space.mmap({ length: 1, at: PAGE_SIZE }), 65536);
    }),
  );

  it(
    'replaces or refuses where the address is fixed',
    leakFree((_, space) => {
      mapAt(space, 4);
      space.write(va(AT), bytes(1));
      const one = { at: AT, length: PAGE_SIZE };
      assert.equal(space.mmap({ ...one, fixed: 'noreplace' }), -EEXIST);
      assert.equal(space.mmap({ ...one, fixed: 'replace' }), AT);
      assert.deepEqual(readBack(space, AT, 1), [0]);
      assert.equal(space.mm.vmas.count, 1);
    }),
  );

  it(
    'refuses what upstream refuses',
    leakFree((_, space) => {
      const { taskSize } = space.mm.arch;
      const fixed = 'replace' as const;
      assert.equal(space.mmap({ length: 0 }), -EINVAL);
      assert.equal(space.mmap({ length: taskSize + 1 }), -ENOMEM);
      assert.equal(space.mmap({ length: 2 ** 64 }), -ENOMEM);
      assert.equal(space.mmap({ length: 1, at: AT + 1, fixed }), -EINVAL);
      assert.equal(space.mmap({ length: 1, at: PAGE_SIZE, fixed }), -EPERM);
      assert.equal(space.mmap({ length: 2 * PAGE_SIZE, at: taskSize - PAGE_SIZE, fixed }), -ENOMEM);
      assert.equal(space.mmap({ length: taskSize - 65536 }), -ENOMEM);
      assert.deepEqual(vmasOf(space), []);
    }),
  );

  it('has at most vm.max_map_count mappings', () => {
    const space = makeMemory().addressSpace();
    const alternate = (i: number): number => (i % 2 === 0 ? RW : PROT_READ);
    let made = 0;
    while (space.mmap({ length: PAGE_SIZE, prot: alternate(made) }) >= 0) made += 1;
    assert.equal(made, 65531);
    const [first] = space.vmas(va(0), va(space.mm.arch.taskSize));
    assert.equal(space.mmap({ length: PAGE_SIZE }), -ENOMEM);
    space.munmap(first!.start, 2 * PAGE_SIZE);
    const at = space.mmap({ length: 4 * PAGE_SIZE, prot: PROT_EXEC });
    assert.equal(space.munmap(at + PAGE_SIZE, PAGE_SIZE), -ENOMEM);
    assert.equal(space.mprotect(at + PAGE_SIZE, PAGE_SIZE, RW), -ENOMEM);
    assert.equal(space.munmap(at + 3 * PAGE_SIZE, PAGE_SIZE), 0);
    assert.equal(space.munmap(at, PAGE_SIZE), 0);
  });

  it(
    'populates from one block although single pages were freed last',
    leakFree(({ pages }, space) => {
      const frames = Array.from({ length: 16 }, () => pages.allocFrames(0, MIGRATE_MOVABLE));
      pages.putFrame(frames[5]!);
      const at = space.mmap({ length: 8 * PAGE_SIZE, populate: true });
      assert.ok(space.load(at, 8 * PAGE_SIZE, 'write') >= 0);
      for (const [i, frame] of frames.entries()) if (i !== 5) pages.putFrame(frame);
    }),
  );

  it('populates from as few blocks of memory as there can be, one behind the other', () => {
    const { pages, machine, addressSpace } = makeMemory({ mib: 16 });
    const space = addressSpace();
    const other = pages.allocFrames(0, MIGRATE_MOVABLE);
    const before = pages.freePages;
    const at = va(space.mmap({ length: 5 * MIB, populate: true }));
    assert.equal(before - pages.freePages, (5 * MIB) / PAGE_SIZE);
    const index = space.load(at, 5 * MIB, 'write');
    assert.ok(index >= 0);
    machine.bus.u8[index + 4 * MIB + 5] = 7;
    assert.deepEqual(readBack(space, at + 4 * MIB + 5, 1), [7]);
    space.destroy();
    pages.putFrame(other);
    assert.equal(pages.usedPages, 1);
  });

  it(
    'goes on without what populate could not get',
    leakFree(({ pages }, space) => {
      const at = space.mmap({ length: 16 * MIB, populate: true });
      assert.ok(at > 0);
      assert.equal(pages.freePages, 0);
      assert.equal(space.fault(at + 16 * MIB - 1, 'write'), 'OOM');
      assert.equal(space.fault(at, 'write'), undefined);
    }),
  );

  it(
    'populates read-only and shared mappings as a read would',
    leakFree(({ pages }, space) => {
      const before = pages.freePages;
      space.mmap({ length: MIB, prot: PROT_READ, populate: true });
      space.mmap({ length: MIB, prot: PROT_NONE, populate: true });
      assert.equal(pages.freePages, before);
      space.mmap({ length: MIB, shared: true, populate: true });
      assert.equal(before - pages.freePages, 256);
    }),
  );
});

describe('munmap', () => {
  it(
    'cuts holes and gives the pages back',
    leakFree(({ pages }, space) => {
      mapAt(space, 8);
      for (let page = 0; page < 8; page++) space.write(va(AT + page * PAGE_SIZE), bytes(page));
      const before = pages.freePages;
      assert.equal(space.munmap(AT + 2 * PAGE_SIZE, 3 * PAGE_SIZE), 0);
      assert.equal(pages.freePages - before, 3);
      assert.equal(space.mm.rss, 5);
      assert.deepEqual(vmasOf(space), [
        [AT, AT + 2 * PAGE_SIZE, true],
        [AT + 5 * PAGE_SIZE, AT + 8 * PAGE_SIZE, true],
      ]);
      assert.equal(readBack(space, AT + 2 * PAGE_SIZE, 1), 'EFAULT');
      assert.deepEqual(readBack(space, AT + 5 * PAGE_SIZE, 1), [5]);
      assert.equal(space.munmap(AT, 8 * PAGE_SIZE), 0);
      assert.equal(space.mm.table.size, 0);
    }),
  );

  it(
    'refuses what upstream refuses',
    leakFree((_, space) => {
      const { taskSize } = space.mm.arch;
      assert.equal(space.munmap(AT + 1, PAGE_SIZE), -EINVAL);
      assert.equal(space.munmap(AT, 0), -EINVAL);
      assert.equal(space.munmap(AT, taskSize), -EINVAL);
      assert.equal(space.munmap(taskSize + PAGE_SIZE, PAGE_SIZE), -EINVAL);
      assert.equal(space.munmap(AT, PAGE_SIZE), 0);
    }),
  );
});
