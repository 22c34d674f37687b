import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { GFP_ATOMIC, GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_NOWAIT, __GFP_MEMALLOC } from './gfp.ts';
import { PG_UNEVICTABLE } from './page-frames.ts';
import { PTE_PRESENT, pteFrame } from './page-table.ts';
import { Shmem } from './shmem.ts';
import { checkMemory } from './testing/check-memory.ts';
import { AT, RW, makeMemory, readBack } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';
import { minFreeKbytes } from './watermarks.ts';

const PAGE = AT / PAGE_SIZE;

function filled(box: MemoryBox, count: number, shared = false): AddressSpace {
  const space = box.addressSpace();
  space.mmap({ at: AT, fixed: 'replace', length: count * PAGE_SIZE, prot: RW, shared });
  for (let n = 0; n < count; n++) {
    assert.ok(space.write(va(AT + n * PAGE_SIZE), Uint8Array.of(n & 255, n >> 8)), `page ${n}`);
  }
  return space;
}

function checkContent(space: AddressSpace, count: number): void {
  for (let n = 0; n < count; n++) {
    assert.deepEqual(readBack(space, AT + n * PAGE_SIZE, 2), [n & 255, n >> 8]);
  }
}

const resident = (space: AddressSpace, count: number): number[] =>
  Array.from({ length: count }, (_, n) => n).filter(
    (n) => (space.mm.table.get(PAGE + n) & PTE_PRESENT) !== 0,
  );

function check(box: MemoryBox, space: AddressSpace): void {
  const { pages } = box;
  checkMemory({ pages, spaces: [space], cached: [], pinned: [], owned: [], cachedSlots: 0 });
}

describe('watermarks', () => {
  it('are the kernel’s own estimate: the root of memory, within bounds', () => {
    const gib = 2 ** 18;
    assert.deepEqual(
      [128, 2 ** 14, gib, 4 * gib, 2 ** 34].map(minFreeKbytes),
      [128, 1024, 4096, 8192, 262_144],
    );
  });

  it('share min_free_kbytes among zones; low and high are a quarter apart', () => {
    const { pages } = makeMemory({ mib: 8, minFreeKbytes: 400 });
    assert.deepEqual(pages.zones[0]!.watermarks, { min: 100, low: 125, high: 150 });
  });

  it('keep the last pages for those who may not wait', () => {
    const { pages } = makeMemory({ mib: 8, minFreeKbytes: 400 });
    const drain = (gfp: number): number => {
      while (pages.allocFrames(0, gfp) >= 0);
      return pages.freePages;
    };
    const left = [GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_NOWAIT, GFP_ATOMIC].map(drain);
    // 100 - 50 - 12: __GFP_HIGH, and who does not wait besides.
    assert.deepEqual(left, [100, 100, 100, 38]);
    assert.equal(drain(GFP_KERNEL | __GFP_MEMALLOC), 0);
  });

  it('are low for everyone before kswapd has been woken', () => {
    const box = makeMemory({ mib: 4, swapPages: 3000, minFreeKbytes: 400 });
    filled(box, 800);
    const { low, high } = box.pages.zones[0]!.watermarks;
    while (box.pages.freePages > low) box.pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    box.pages.allocFrames(0, GFP_ATOMIC);
    assert.equal(box.pages.freePages, high - 1);
  });

  it('count a block whole', () => {
    const { pages } = makeMemory({ mib: 8, minFreeKbytes: 400 });
    while (pages.freePages > 107) pages.allocFrames(0, GFP_KERNEL);
    assert.equal(pages.allocFrames(3, GFP_KERNEL), -1);
    assert.ok(pages.allocFrames(2, GFP_KERNEL) >= 0);
  });
});

describe('reclaim', () => {
  const SIZE = { mib: 4, swapPages: 3000, minFreeKbytes: 128 } as const;

  it('writes anonymous pages to swap, and they come back when they are touched', () => {
    const box = makeMemory(SIZE);
    const space = filled(box, 1500);
    assert.ok(box.pages.vmstat.pswpout > 500);
    assert.equal(space.mm.rss, resident(space, 1500).length);
    checkContent(space, 1500);
    assert.ok(box.pages.vmstat.pswpin > 500);
    check(box, space);
    space.destroy();
    assert.deepEqual([box.pages.swap.used, box.pages.usedPages], [0, 1]);
  });

  it('goes on for as long as there is something, though it is not what is wanted', () => {
    const box = makeMemory({ mib: 12, cmaMib: 8, swapPages: 6000 });
    const space = filled(box, 3000);
    const kernel = (most: number): number[] => {
      const got: number[] = [];
      while (got.length < most) {
        const frame = box.pages.allocFrames(0, GFP_KERNEL);
        if (frame < 0) break;
        got.push(frame);
      }
      return got;
    };
    // Reclaim has come to the pages of the CMA area, behind it are a thousand that would do.
    const first = kernel(1000);
    for (const frame of first) box.pages.putFrame(frame);
    checkContent(space, 3000);
    assert.ok(kernel(Infinity).length > 1000);
  });

  it('begins below the low watermark and ends at the high one', () => {
    const box = makeMemory(SIZE);
    const { low, high } = box.pages.zones[0]!.watermarks;
    let lowest = Infinity;
    let highest = 0;
    const space = filled(box, 900);
    for (let n = 900; n < 1100; n++) {
      const at = space.mmap({ length: PAGE_SIZE });
      space.write(va(at), Uint8Array.of(1));
      lowest = Math.min(lowest, box.pages.freePages);
      if (box.pages.vmstat.pgsteal > 0) highest = Math.max(highest, box.pages.freePages);
    }
    assert.deepEqual([lowest, highest], [low, high - 1]);
  });

  it('writes shared memory to swap for all who map it', () => {
    const box = makeMemory(SIZE);
    const space = filled(box, 1500, true);
    const child = space.fork()!;
    checkContent(child, 1500);
    checkContent(space, 1500);
    assert.ok(box.pages.vmstat.pswpout > 500);
    child.destroy();
    space.destroy();
    assert.deepEqual([box.pages.swap.used, box.pages.usedPages], [0, 1]);
  });

  it('keeps a page for each who shared it when it comes back', () => {
    const box = makeMemory(SIZE);
    const space = filled(box, 10);
    const child = space.fork()!;
    const pressure = filled(box, 1700);
    assert.deepEqual([resident(space, 10), resident(child, 10)], [[], []]);
    child.write(va(AT), Uint8Array.of(99));
    checkContent(space, 10);
    assert.deepEqual(readBack(child, AT, 1), [99]);
    const again = space.fork()!;
    for (const one of [again, child, pressure, space]) one.destroy();
    assert.deepEqual([box.pages.swap.used, box.pages.usedPages], [0, 1]);
  });

  for (const shared of [false, true]) {
    const kind = shared ? 'shared' : 'anonymous';
    it(`leaves a pinned ${kind} page where it is`, () => {
      const box = makeMemory(SIZE);
      const space = filled(box, 10, shared);
      const pin = space.pin(va(AT + 3 * PAGE_SIZE), 1, { write: true });
      assert.ok(typeof pin !== 'number');
      const pressure = filled(box, 1700);
      assert.deepEqual(resident(space, 10), [3]);
      const frame = box.pages.frames.frame(pin.pages[0]!);
      assert.equal(pteFrame(space.mm.table.get(PAGE + 3)), frame);
      pin.unpin();
      pressure.destroy();
      const more = filled(box, 2200);
      assert.deepEqual(resident(space, 10), []);
      checkContent(space, 10);
      more.destroy();
    });
  }

  it('leaves what is referenced, or unevictable', () => {
    const box = makeMemory(SIZE);
    const space = filled(box, 10);
    const [held, locked] = [0, 1].map((n) => pteFrame(space.mm.table.get(PAGE + n)));
    box.pages.getFrame(held!);
    box.pages.frames.flags[locked!]! |= PG_UNEVICTABLE;
    filled(box, 2200);
    assert.deepEqual(resident(space, 10), [0, 1]);
  });

  it('leaves the page that a write is about to copy', () => {
    const box = makeMemory(SIZE);
    const space = filled(box, 1);
    const child = space.fork()!;
    const { flags } = box.pages.frames;
    const old = pteFrame(space.mm.table.get(PAGE));
    filled(box, 800);
    for (let frame = 0; frame < flags.length; frame++) {
      if (frame !== old) flags[frame]! |= PG_UNEVICTABLE;
    }
    while (box.pages.freePages > box.pages.zones[0]!.watermarks.low) {
      box.pages.allocFrames(0, GFP_KERNEL);
    }
    assert.ok(child.write(va(AT), Uint8Array.of(7)));
    assert.ok(box.pages.vmstat.pgscan > 0);
    assert.deepEqual([readBack(child, AT, 1), readBack(space, AT, 1)], [[7], [0]]);
  });

  it('takes a page that is mapped very often for a pinned one', () => {
    const box = makeMemory(SIZE);
    for (const [times, expected] of [
      [500, 0],
      [1023, 1],
    ] as const) {
      const space = box.addressSpace();
      const cache = new Shmem(box.pages);
      for (let n = 0; n < times; n++) {
        const at = space.mmap({ length: PAGE_SIZE, shared: true, cache });
        assert.ok(space.read(va(at), new Uint8Array(1)));
      }
      const pressure = filled(box, 2200);
      assert.equal(cache.size, expected);
      for (const one of [space, pressure]) one.destroy();
    }
  });

  it('ends when the swap area is full', () => {
    const box = makeMemory({ ...SIZE, swapPages: 20 });
    const other = box.addressSpace();
    const length = 1200 * PAGE_SIZE;
    other.mmap({ at: AT, fixed: 'replace', length, prot: RW });
    let page = 0;
    while (other.write(va(AT + page * PAGE_SIZE), Uint8Array.of(1))) page += 1;
    assert.equal(box.pages.swap.used, 20);
    assert.equal(box.pages.freePages, box.pages.zones[0]!.watermarks.min);
  });

  it('is not done again and again where nothing can be freed', () => {
    const box = makeMemory({ mib: 4, minFreeKbytes: 128 });
    const space = filled(box, 980);
    const { pgscan } = box.pages.vmstat;
    box.pages.allocFrames(0, GFP_NOWAIT);
    box.pages.allocFrames(0, GFP_NOWAIT);
    assert.equal(box.pages.vmstat.pgscan, pgscan);
    space.destroy();
  });
});
