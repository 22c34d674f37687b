import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import {
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts';
import {
  MR_CONTIG_RANGE,
  allocMigrationTarget,
  migratePages,
  putbackMovablePages,
} from './migrate.ts';
import { DEFAULT_MAX_MAP_COUNT } from './mm-struct.ts';
import type { RemapRequest } from './mremap.ts';
import { PTE_SPECIAL, pteFrame, pteKind } from './page-table.ts';
import { Shmem } from './shmem.ts';
import {
  AT,
  RW,
  leakFree,
  makeMemory,
  mapAt,
  readBack,
  vmasOf,
  totalVm,
} from './testing/memory.ts';

const MOVE = MREMAP_MAYMOVE;
const FIXED = MREMAP_MAYMOVE | MREMAP_FIXED;
const KEEP = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
/** Where things are moved to. */
const TO = 0x4000_0000;

/** mremap() of pages, from AT when nothing else is said. */
function remap(
  space: AddressSpace,
  oldPages: number,
  newPages: number,
  flags = 0,
  rest: Partial<RemapRequest> = {},
): number {
  const oldLength = oldPages * PAGE_SIZE;
  const newLength = newPages * PAGE_SIZE;
  const request = { addr: AT, oldLength, newLength, flags, newAddr: TO, lockLimit: Infinity };
  return space.mremap({ ...request, ...rest });
}

/** Pages with their numbers, from 1. */
function number(space: AddressSpace, at: number, pages: number): void {
  for (let n = 0; n < pages; n++) {
    assert.ok(space.write(va(at + n * PAGE_SIZE), Uint8Array.of(n + 1)));
  }
}

const numbers = (space: AddressSpace, at: number, pages: number): (number | 'EFAULT')[] =>
  Array.from({ length: pages }, (_, n) => {
    const got = readBack(space, at + n * PAGE_SIZE, 1);
    return got === 'EFAULT' ? got : got[0]!;
  });

const frameAt = (space: AddressSpace, at: number): number =>
  pteFrame(space.mm.table.get(at / PAGE_SIZE));

describe('mremap', () => {
  it(
    'shrinks in place',
    leakFree((_, space) => {
      mapAt(space, 4);
      number(space, AT, 4);
      assert.equal(remap(space, 4, 2), AT);
      assert.deepEqual(numbers(space, AT, 3), [1, 2, 'EFAULT']);
      assert.equal(totalVm(space.mm.vmas), 2);
      assert.equal(remap(space, 2, 2), AT);
    }),
  );

  it(
    'shrinking takes what lies behind, whatever it belongs to',
    leakFree((_, space) => {
      mapAt(space, 2);
      space.mmap({ at: AT + 2 * PAGE_SIZE, length: PAGE_SIZE, prot: PROT_READ, fixed: 'replace' });
      assert.equal(remap(space, 3, 1), AT);
      assert.deepEqual(vmasOf(space), [[AT, AT + PAGE_SIZE, true]]);
    }),
  );

  it(
    'grows in place where there is room, and merges with what follows',
    leakFree((_, space) => {
      mapAt(space, 2);
      number(space, AT, 2);
      space.mmap({ at: AT + 4 * PAGE_SIZE, length: PAGE_SIZE, fixed: 'replace' });
      assert.equal(remap(space, 2, 3), AT);
      assert.deepEqual(numbers(space, AT, 4), [1, 2, 0, 'EFAULT']);
      assert.equal(remap(space, 3, 4), AT);
      assert.deepEqual(vmasOf(space), [[AT, AT + 5 * PAGE_SIZE, true]]);
    }),
  );

  it(
    'moves when it may and has to, pages and all',
    leakFree((_, space) => {
      mapAt(space, 2);
      number(space, AT, 2);
      space.mmap({ at: AT + 2 * PAGE_SIZE, length: PAGE_SIZE, prot: PROT_READ, fixed: 'replace' });
      const frames = [frameAt(space, AT), frameAt(space, AT + PAGE_SIZE)];
      assert.equal(remap(space, 2, 3), -ENOMEM);
      const to = remap(space, 2, 3, MOVE);
      assert.ok(to > 0 && to !== AT);
      assert.deepEqual(numbers(space, to, 3), [1, 2, 0]);
      assert.deepEqual([frameAt(space, to), frameAt(space, to + PAGE_SIZE)], frames);
      assert.deepEqual(numbers(space, AT, 2), ['EFAULT', 'EFAULT']);
      assert.equal(totalVm(space.mm.vmas), 4);
    }),
  );

  it(
    'moves a part out of the middle, but none that is not at the end grows in place',
    leakFree((_, space) => {
      mapAt(space, 4);
      number(space, AT, 4);
      const addr = AT + PAGE_SIZE;
      assert.equal(remap(space, 1, 2, 0, { addr }), -ENOMEM);
      assert.equal(remap(space, 1, 2, FIXED, { addr }), TO);
      assert.deepEqual(numbers(space, AT, 4), [1, 'EFAULT', 3, 4]);
      assert.deepEqual(numbers(space, TO, 2), [2, 0]);
    }),
  );

  it(
    'MREMAP_FIXED replaces what is there, and may shrink on the way',
    leakFree((_, space) => {
      mapAt(space, 3);
      number(space, AT, 3);
      space.mmap({ at: TO, length: 4 * PAGE_SIZE, fixed: 'replace' });
      number(space, TO, 4);
      assert.equal(remap(space, 3, 2, FIXED), TO);
      assert.deepEqual(numbers(space, TO, 4), [1, 2, 3, 4]);
      assert.deepEqual(numbers(space, AT, 3), ['EFAULT', 'EFAULT', 'EFAULT']);
    }),
  );

  it(
    'MREMAP_DONTUNMAP leaves the mapping, empty',
    leakFree((_, space) => {
      mapAt(space, 2);
      number(space, AT, 2);
      assert.equal(remap(space, 2, 2, KEEP), TO);
      assert.deepEqual(numbers(space, TO, 2), [1, 2]);
      assert.deepEqual(numbers(space, AT, 2), [0, 0]);
      number(space, AT, 1);
      assert.deepEqual(numbers(space, TO, 2), [1, 2]);
      assert.equal(totalVm(space.mm.vmas), 4);
      assert.ok(remap(space, 2, 2, KEEP, { newAddr: TO }) !== TO, 'a wish only');
    }),
  );

  it(
    'without an old length shows shared memory a second time',
    leakFree((_, space) => {
      space.mmap({ at: AT, length: 2 * PAGE_SIZE, shared: true, fixed: 'replace' });
      number(space, AT, 2);
      const to = remap(space, 0, 2, MOVE);
      assert.deepEqual(numbers(space, to, 2), [1, 2]);
      space.write(va(to), Uint8Array.of(9));
      assert.deepEqual(numbers(space, AT, 2), [9, 2]);
    }),
  );

  it(
    'tables of 2 MiB go as a whole',
    leakFree((_, space) => {
      const pages = 1024;
      const from = 2 ** 30;
      const to = 3 * 2 ** 30;
      space.mmap({ at: from, length: pages * PAGE_SIZE, fixed: 'replace' });
      number(space, from + 511 * PAGE_SIZE, 2);
      const leaf = space.mm.table.leaf(from / PAGE_SIZE);
      assert.equal(remap(space, pages, pages, FIXED, { addr: from, newAddr: to }), to);
      assert.equal(space.mm.table.leaf(to / PAGE_SIZE), leaf);
      assert.deepEqual(numbers(space, to + 511 * PAGE_SIZE, 2), [1, 2]);
      // One that has entries of its own takes them one by one.
      assert.equal(remap(space, 1, 1, FIXED, { addr: to, newAddr: from }), from);
      assert.deepEqual(numbers(space, to, 1), ['EFAULT']);
    }),
  );

  it(
    'moves what a file shows, private copies and pfns',
    leakFree(({ pages }, space) => {
      const cache = new Shmem(pages);
      cache.open();
      const map = { at: AT, length: 2 * PAGE_SIZE, fixed: 'replace', cache } as const;
      space.mmap({ ...map, shared: true });
      number(space, AT, 2);
      space.mmap({ ...map, pgoff: 1 });
      space.write(va(AT + PAGE_SIZE), Uint8Array.of(7));
      assert.equal(remap(space, 2, 2, FIXED), TO);
      assert.deepEqual(numbers(space, TO, 2), [2, 7]);
      const start = pages.frames.address(20);
      space.mmap({
        at: AT,
        length: PAGE_SIZE,
        fixed: 'replace',
        pfnMap: { start, memoryType: 'normal' },
      });
      assert.equal(remap(space, 1, 1, FIXED, { newAddr: TO + 8 * PAGE_SIZE }), TO + 8 * PAGE_SIZE);
      assert.equal(frameAt(space, TO + 8 * PAGE_SIZE), 20);
      space.munmap(TO, 2 * PAGE_SIZE);
      cache.close();
    }),
  );
});

describe('mremap refuses', () => {
  const refused = (
    rc: number,
    ...args: Parameters<typeof remap> extends [infer _S, ...infer R] ? R : never
  ) =>
    leakFree((_, space) => {
      mapAt(space, 4);
      const before = vmasOf(space);
      assert.equal(remap(space, ...args), rc);
      assert.deepEqual(vmasOf(space), before);
    });

  it('flags that it does not know', refused(-EINVAL, 1, 1, 8));
  it('MREMAP_FIXED alone', refused(-EINVAL, 1, 1, MREMAP_FIXED));
  it('MREMAP_DONTUNMAP alone', refused(-EINVAL, 1, 1, MREMAP_DONTUNMAP));
  it('another size with MREMAP_DONTUNMAP', refused(-EINVAL, 1, 2, KEEP));
  it('an address that is no page', refused(-EINVAL, 1, 1, 0, { addr: AT + 1 }));
  it('no new length', refused(-EINVAL, 1, 0));
  it('a new length that wraps', refused(-EINVAL, 1, 1, 0, { newLength: 2 ** 64 - 1 }));
  it('a place where nothing is', refused(-EFAULT, 1, 2, MOVE, { addr: TO }));
  it('what reaches beyond the mapping', refused(-EFAULT, 5, 6, MOVE));
  it('what reaches beyond it, at a fixed place', refused(-EFAULT, 5, 5, FIXED));
  it('a second view of private memory', refused(-EINVAL, 0, 1, MOVE));
  it('a new place that is no page', refused(-EINVAL, 1, 1, FIXED, { newAddr: TO + 1 }));
  it('a new place that overlaps', refused(-EINVAL, 2, 2, FIXED, { newAddr: AT + PAGE_SIZE }));
  it('a new place outside of user space', refused(-EINVAL, 1, 1, FIXED, { newAddr: 2 ** 48 }));
  it('a new place below mmap_min_addr', refused(-EPERM, 1, 1, FIXED, { newAddr: PAGE_SIZE }));
  it('more than there is room for', refused(-ENOMEM, 4, 2 ** 36, MOVE));

  it(
    'to let pfns grow, or to leave them behind',
    leakFree(({ pages }, space) => {
      const start = pages.frames.address(20);
      space.mmap({
        at: AT,
        length: PAGE_SIZE,
        fixed: 'replace',
        pfnMap: { start, memoryType: 'normal' },
      });
      assert.equal(remap(space, 1, 2, MOVE), -EFAULT);
      assert.equal(remap(space, 1, 1, KEEP), -EINVAL);
    }),
  );

  it('when there are too many mappings', () => {
    const space = makeMemory({ mib: 32 }).addressSpace();
    for (let n = 0; n < DEFAULT_MAX_MAP_COUNT - 4; n++) {
      space.mmap({ at: AT + 2 * n * PAGE_SIZE, length: PAGE_SIZE, fixed: 'replace' });
    }
    assert.equal(remap(space, 1, 1, FIXED), -ENOMEM);
    assert.equal(remap(space, 1, 3, MOVE, { addr: AT }) > 0, true);
    space.mmap({ at: AT, length: PAGE_SIZE, fixed: 'replace' });
    assert.equal(remap(space, 1, 3, MOVE), -ENOMEM);
  });
});

describe('pages that have moved', () => {
  it(
    'stay pinned, in the frames that a device has been told of',
    leakFree(({ machine, pages }, space) => {
      mapAt(space, 2);
      number(space, AT, 2);
      const pin = space.pin(va(AT), 2, { write: true, longterm: true });
      assert.ok(typeof pin !== 'number');
      assert.equal(remap(space, 2, 2, FIXED), TO);
      machine.normal.bytes(pin.pages[1]!, 1, 'write')[0] = 42;
      assert.deepEqual(numbers(space, TO, 2), [1, 42]);
      assert.equal(frameAt(space, TO), pages.frames.frame(pin.pages[0]!));
      assert.equal(pages.pinCount(pin.pages[0]!), 1);
      // A child gets a copy: the pinned page stays the parent's.
      const child = space.fork()!;
      machine.normal.bytes(pin.pages[0]!, 1, 'write')[0] = 43;
      assert.deepEqual([numbers(space, TO, 1), numbers(child, TO, 1)], [[43], [1]]);
      child.destroy();
      pin.unpin();
    }),
  );

  /** Moves every page of two that `at` shows to other frames, as compaction does. */
  function migrate(
    { pages }: ReturnType<typeof makeMemory>,
    space: AddressSpace,
    at: number,
  ): number {
    const folios = [frameAt(space, at), frameAt(space, at + PAGE_SIZE)];
    for (const folio of folios) assert.ok(pages.isolateFolio(folio));
    const list = [...folios];
    const target = allocMigrationTarget(pages, GFP_HIGHUSER_MOVABLE);
    const left = migratePages(pages, list, target, MR_CONTIG_RANGE);
    putbackMovablePages(pages, list);
    assert.ok(left > 0 || folios.every((folio) => folio !== frameAt(space, at)));
    return left;
  }

  it(
    'can be migrated, wherever parent and child see them',
    leakFree((box, space) => {
      mapAt(space, 4);
      number(space, AT, 4);
      assert.equal(remap(space, 2, 2, FIXED, { addr: AT + PAGE_SIZE }), TO);
      const child = space.fork()!;
      assert.equal(remap(child, 2, 2, FIXED, { addr: TO, newAddr: 2 * TO }), 2 * TO);
      const grandchild = child.fork()!;
      const { mapcount } = box.pages.frames;
      assert.equal(mapcount[frameAt(space, TO)], 3);
      assert.equal(migrate(box, space, TO), 0);
      assert.equal(mapcount[frameAt(space, TO)], 3);
      assert.deepEqual(numbers(space, TO, 2), [2, 3]);
      for (const one of [child, grandchild]) assert.deepEqual(numbers(one, 2 * TO, 2), [2, 3]);
      // New pages of the place are found as well, where the old ones came from too.
      space.mmap({ at: AT + PAGE_SIZE, length: 2 * PAGE_SIZE, fixed: 'replace' });
      number(space, AT + PAGE_SIZE, 2);
      assert.equal(migrate(box, space, AT + PAGE_SIZE), 0);
      assert.deepEqual(numbers(space, AT, 4), [1, 1, 2, 4]);
      for (const one of [child, grandchild]) one.destroy();
    }),
  );

  it(
    'have the numbers of those that moved with them, if they come later',
    leakFree((box, space) => {
      mapAt(space, 3);
      number(space, AT, 1);
      assert.equal(remap(space, 3, 3, FIXED), TO);
      number(space, TO + PAGE_SIZE, 2);
      assert.equal(remap(space, 3, 3, FIXED, { addr: TO, newAddr: 2 * TO }), 2 * TO);
      assert.equal(migrate(box, space, 2 * TO + PAGE_SIZE), 0);
      assert.deepEqual(numbers(space, 2 * TO, 3), [1, 1, 2]);
    }),
  );

  it(
    'leave a mapping behind that merges as a new one does, but not with themselves',
    leakFree((_, space) => {
      mapAt(space, 1);
      number(space, AT, 1);
      assert.equal(remap(space, 1, 1, FIXED), TO);
      const away = { addr: TO, newAddr: TO + 8 * PAGE_SIZE };
      assert.equal(remap(space, 1, 1, KEEP, away), away.newAddr);
      space.mmap({ at: TO + PAGE_SIZE, length: PAGE_SIZE, fixed: 'replace' });
      assert.deepEqual(vmasOf(space)[0], [TO, TO + 2 * PAGE_SIZE, true]);
      mapAt(space, 1);
      const next = { newAddr: AT + PAGE_SIZE };
      assert.equal(remap(space, 1, 1, KEEP, next), next.newAddr);
      assert.deepEqual(
        vmasOf(space)
          .slice(0, 2)
          .map(([start]) => start),
        [AT, AT + PAGE_SIZE],
      );
    }),
  );

  it('go to swap and come back', () => {
    const box = makeMemory({ swapPages: 8 });
    const space = box.addressSpace();
    mapAt(space, 2);
    number(space, AT, 2);
    space.madvise(AT, PAGE_SIZE, MADV_PAGEOUT);
    assert.equal(remap(space, 2, 2, FIXED), TO);
    assert.equal(box.pages.swap.used, 1);
    assert.equal(space.madvise(TO, 2 * PAGE_SIZE, MADV_PAGEOUT), 0);
    assert.equal(box.pages.swap.used, 2);
    assert.deepEqual(numbers(space, TO, 2), [1, 2]);
    assert.equal(space.madvise(TO, 2 * PAGE_SIZE, MADV_PAGEOUT), 0, 'they have numbers again');
    assert.equal(box.pages.swap.used, 2);
    space.destroy();
    assert.deepEqual([box.pages.swap.used, box.pages.usedPages], [0, 1]);
  });

  it(
    'merge with neighbours only when they have no pages yet, or come home',
    leakFree((_, space) => {
      mapAt(space, 1);
      space.mmap({ at: TO, length: PAGE_SIZE, fixed: 'replace' });
      const next = { newAddr: TO + PAGE_SIZE };
      assert.equal(remap(space, 1, 1, FIXED, next), TO + PAGE_SIZE);
      assert.deepEqual(vmasOf(space), [[TO, TO + 2 * PAGE_SIZE, true]]);
      number(space, TO, 2);
      const home = { addr: TO + PAGE_SIZE, newAddr: AT };
      assert.equal(remap(space, 1, 1, FIXED, home), AT);
      assert.equal(remap(space, 1, 1, FIXED, next), TO + PAGE_SIZE);
      assert.deepEqual(vmasOf(space), [[TO, TO + 2 * PAGE_SIZE, true]]);
      mapAt(space, 1);
      number(space, AT, 1);
      assert.equal(remap(space, 1, 1, FIXED, { newAddr: TO + 2 * PAGE_SIZE }), TO + 2 * PAGE_SIZE);
      assert.equal(vmasOf(space).length, 2);
    }),
  );

  it(
    'stay special where they show the page of zeros',
    leakFree((_, space) => {
      mapAt(space, 1);
      assert.deepEqual(numbers(space, AT, 1), [0]);
      remap(space, 1, 1, FIXED);
      assert.notEqual(pteKind(space.mm.table.get(TO / PAGE_SIZE)) & PTE_SPECIAL, 0);
    }),
  );
});

describe('locked memory (MAP_LOCKED)', () => {
  const lock = (space: AddressSpace, pages: number): void => {
    space.mmap({ at: AT, length: pages * PAGE_SIZE, prot: RW, fixed: 'replace', locked: true });
  };
  const locked = ({ mm }: AddressSpace): number => mm.account.lockedVm;

  it(
    'is counted as it is mapped, grown, moved and cut, and comes at once',
    leakFree((_, space) => {
      lock(space, 4);
      assert.deepEqual([locked(space), space.mm.rss], [4, 4]);
      assert.equal(remap(space, 4, 5), AT);
      assert.deepEqual([locked(space), space.mm.rss], [5, 5]);
      assert.equal(remap(space, 5, 7, FIXED), TO);
      assert.deepEqual([locked(space), space.mm.rss], [7, 7]);
      assert.equal(remap(space, 7, 3, 0, { addr: TO }), TO);
      assert.equal(locked(space), 3);
      assert.equal(remap(space, 2, 2, KEEP, { addr: TO, newAddr: AT }), AT);
      assert.equal(locked(space), 3, 'what is left behind is not locked');
      assert.equal(space.munmap(AT, PAGE_SIZE), 0);
      assert.equal(locked(space), 2);
      const child = space.fork()!;
      assert.equal(locked(child), 0);
      child.destroy();
      assert.deepEqual([locked(space), locked(child)], [2, 0]);
    }),
  );

  it(
    'does not grow beyond RLIMIT_MEMLOCK; moving is free',
    leakFree((_, space) => {
      lock(space, 4);
      assert.equal(remap(space, 4, 5, 0, { lockLimit: 4 }), -EAGAIN);
      assert.equal(remap(space, 4, 5, FIXED, { lockLimit: 4 }), -EAGAIN);
      assert.equal(remap(space, 4, 4, FIXED, { lockLimit: 0 }), TO);
      assert.equal(remap(space, 4, 5, 0, { addr: TO, lockLimit: 5 }), TO);
    }),
  );

  it('stays in memory', () => {
    const box = makeMemory({ swapPages: 8 });
    const space = box.addressSpace();
    lock(space, 2);
    number(space, AT, 2);
    for (const advice of [MADV_PAGEOUT, MADV_DONTNEED]) {
      assert.equal(space.madvise(AT, PAGE_SIZE, advice), -EINVAL);
    }
    const folio = frameAt(space, AT);
    assert.ok(box.pages.isolateFolio(folio));
    assert.deepEqual(box.pages.reclaimer.shrinkFolioList([folio]), [folio]);
    box.pages.putbackFolio(folio);
    remap(space, 2, 2, KEEP);
    const child = space.fork()!;
    space.munmap(TO, 2 * PAGE_SIZE);
    assert.equal(child.madvise(TO, 2 * PAGE_SIZE, MADV_PAGEOUT), 0, 'a child’s is not locked');
    assert.equal(box.pages.swap.used, 2);
    child.destroy();
    space.destroy();
    assert.equal(box.pages.usedPages, 1);
  });
});
