import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import { BoxHalted } from '../../sched/halt.ts';
import type { AddressSpace } from './address-space.ts';
import { CmaArea } from './cma.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from './gfp.ts';
import { MIGRATE_CMA, MIGRATE_MOVABLE, MIGRATE_UNMOVABLE } from './migrate-type.ts';
import { pteFrame } from './page-table.ts';
import { AT, BASE, MIB, RW, makeMemory } from './testing/memory.ts';
import type { MemoryBox, MemoryOptions } from './testing/memory.ts';
import type { PinnedPages } from './user-memory.ts';

const WRITE = { write: true } as const;
const PAGES_PER_MIB = MIB / PAGE_SIZE;
/** First frame of the area of `makeArea`. */
const FIRST = 8 * PAGES_PER_MIB;

interface AreaBox extends MemoryBox {
  readonly cma: CmaArea;
}

/** 8 MiB of RAM and an area of 4 MiB behind it. */
function makeArea(options: MemoryOptions = {}): AreaBox {
  const box = makeMemory({ mib: 12, cmaMib: 4, ...options });
  assert.ok(box.cma !== undefined);
  return { ...box, cma: box.cma };
}

const shown = (space: AddressSpace, page: number): number =>
  pteFrame(space.mm.table.get(AT / PAGE_SIZE + page));

const inArea = (frame: number): boolean => frame >= FIRST;

/** A process whose pages have filled the area, each with its own number. */
function borrower(box: AreaBox, pages: number, shared = false): AddressSpace {
  const space = box.addressSpace();
  space.mmap({ at: AT, fixed: 'replace', length: pages * PAGE_SIZE, prot: RW, shared });
  for (let page = 0; page < pages; page++) {
    assert.ok(space.write(va(AT + page * PAGE_SIZE), Uint8Array.of(page & 255, page >> 8)));
  }
  return space;
}

function checkContent(space: AddressSpace, pages: number): void {
  const out = new Uint8Array(2);
  for (let page = 0; page < pages; page++) {
    assert.ok(space.read(va(AT + page * PAGE_SIZE), out));
    assert.deepEqual([...out], [page & 255, page >> 8]);
  }
}

function pin(space: AddressSpace, page: number): PinnedPages {
  const pinned = space.pin(va(AT + page * PAGE_SIZE), 1, WRITE);
  assert.ok(typeof pinned !== 'number');
  return pinned;
}

/** The page of `space` that is in the frame. */
function pageIn(space: AddressSpace, pages: number, frame: number): number {
  for (let page = 0; page < pages; page++) if (shown(space, page) === frame) return page;
  throw new Error(`nothing is in frame ${frame}`);
}

describe('a CMA area', () => {
  it('is lent to movable pages, and to them alone', () => {
    const { pages } = makeArea();
    const kernel = pages.allocFrames(0, GFP_KERNEL);
    assert.equal(inArea(kernel), false);
    while (pages.allocFrames(0, GFP_KERNEL) >= 0);
    assert.equal(pages.freePages, 1024);
    assert.equal(inArea(pages.allocFrames(0, GFP_HIGHUSER_MOVABLE)), true);
    assert.equal(pages.alloc(0), undefined);
  });

  it('is preferred while it has more than half of what is free', () => {
    const { pages } = makeArea({ mib: 24, cmaMib: 16 });
    const [zone] = pages.zones;
    const first = Array.from({ length: 2500 }, () => pages.allocFrames(0, GFP_HIGHUSER_MOVABLE));
    const cma = first.map((frame) => pages.frames.blockType(frame) === MIGRATE_CMA);
    // 2047 pages are free beside it: it is taken until as many are left in it, then in turns.
    assert.equal(cma.indexOf(false), 4096 - 2047);
    assert.ok(Math.abs(2 * zone!.freeCmaPages - zone!.freePages) <= 2);
  });

  it('is not open to pages that will be pinned for long', () => {
    const { pages } = makeArea({ mib: 12, cmaMib: 8 });
    const before = pages.memallocPinSave();
    assert.equal(
      pages.frames.blockType(pages.allocFrames(0, GFP_HIGHUSER_MOVABLE)),
      MIGRATE_UNMOVABLE,
    );
    pages.memallocPinRestore(before);
    const frame = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    assert.equal(pages.frames.blockType(frame), MIGRATE_CMA);
  });

  it('gives buffers to its owner, and takes them back', () => {
    const { cma, pages } = makeArea();
    const buffers = [cma.alloc({ count: 3 }), cma.alloc({ count: 1021 })];
    assert.deepEqual(buffers, [BASE + 8 * MIB, BASE + 8 * MIB + 3 * PAGE_SIZE]);
    assert.equal(cma.used, 1024);
    assert.equal(pages.freePages, 2047);
    assert.equal(pages.refCount(buffers[1]!), 1);
    assert.equal(cma.alloc({ count: 1 }), undefined);
    assert.equal(cma.release(buffers[0]!, 3), true);
    assert.equal(cma.release(buffers[1]!, 1021), true);
    assert.deepEqual([cma.used, cma.freePages, pages.freePages], [0, 1024, 3071]);
    assert.equal(pages.zones[0]!.freeCmaPages, 1024);
  });

  it('aligns to the order that is asked for, by physical address', () => {
    const { cma } = makeArea();
    cma.alloc({ count: 1 });
    assert.equal(cma.alloc({ count: 4, align: 4 }), BASE + 8 * MIB + 16 * PAGE_SIZE);
    assert.equal(cma.alloc({ count: 4 }), BASE + 8 * MIB + PAGE_SIZE);
  });

  it('counts bits of several pages', () => {
    const box = makeArea();
    const region = { base: pa(BASE + 8 * MIB), size: 4 * MIB };
    const { pages } = makeMemory({ mib: 12, secure: [region] });
    const cma = new CmaArea({ pages, name: 'film', region, orderPerBit: 2, printk() {} });
    assert.equal(cma.alloc({ count: 1 }), box.cma.base);
    assert.equal(cma.alloc({ count: 5 }), BASE + 8 * MIB + 4 * PAGE_SIZE);
    assert.equal(cma.alloc({ count: 1 }), BASE + 8 * MIB + 12 * PAGE_SIZE);
    assert.deepEqual([cma.isAllocated(cma.base), cma.used], [true, 7]);
  });

  it('says no to pages of others, and stops the box past its end', () => {
    const { cma, sched } = makeArea();
    const at = cma.alloc({ count: 1024 })!;
    assert.equal(cma.release(pa(BASE), 1), false);
    assert.equal(cma.release(pa(BASE + 12 * MIB), 1), false);
    assert.throws(() => cma.release(pa(at + PAGE_SIZE), 1024), BoxHalted);
    assert.equal(sched.halted?.kind, 'kernel BUG');
  });

  it('warns of pages that are still in use when they are released', () => {
    const { cma, pages, log } = makeArea();
    const at = cma.alloc({ count: 4 })!;
    pages.get(pa(at + PAGE_SIZE));
    cma.release(at, 4);
    assert.deepEqual(log, ['1 pages are still in use!']);
    pages.put(pa(at + PAGE_SIZE));
    assert.equal(cma.freePages, 1024);
  });
});

describe('cma_alloc() of what is lent', () => {
  it('moves the borrowers, who notice nothing', () => {
    const box = makeArea();
    const space = borrower(box, 2047);
    assert.equal(box.pages.freePages, 1024);
    const lent = Array.from({ length: 2047 }, (_, page) => shown(space, page)).filter(inArea);
    assert.ok(lent.length > 400);
    assert.equal(box.cma.alloc({ count: 1024 }), BASE + 8 * MIB);
    for (let page = 0; page < 2047; page++) assert.equal(inArea(shown(space, page)), false);
    checkContent(space, 2047);
    assert.equal(box.pages.vmstat.pgmigrate_success, lent.length);
    space.destroy();
    box.cma.release(pa(BASE + 8 * MIB), 1024);
    assert.equal(box.pages.usedPages, 1);
  });

  it('moves pages of shared memory in every process that maps them', () => {
    const box = makeArea();
    const space = borrower(box, 2047, true);
    const child = space.fork()!;
    checkContent(child, 2047);
    assert.ok(box.cma.alloc({ count: 1024 }) !== undefined);
    checkContent(space, 2047);
    space.write(va(AT), Uint8Array.of(77));
    const out = new Uint8Array(1);
    assert.ok(child.read(va(AT), out));
    assert.equal(out[0], 77);
    assert.equal(shown(child, 5), shown(space, 5));
  });

  it('fails with -ENOMEM when there is nowhere to go, and the area is as before', () => {
    const box = makeArea();
    const space = borrower(box, 3000);
    assert.equal(box.cma.alloc({ count: 1024 }), undefined);
    assert.equal(
      box.log[0],
      'cma: cma_alloc: reserved: alloc failed, req-size: 1024 pages, ret: -12',
    );
    assert.equal(box.sched.trace.lastCause?.code, '-ENOMEM');
    const { pgmigrate_fail } = box.pages.vmstat;
    assert.equal(box.cma.alloc({ count: 256 }), undefined);
    assert.equal(box.pages.vmstat.pgmigrate_fail - pgmigrate_fail, 1, 'no other candidate');
    checkContent(space, 3000);
    space.destroy();
    assert.equal(box.pages.usedPages, 1);
    assert.equal(box.cma.freePages, 1024);
  });

  it('ends with a signal that kills, leaving no log but its own line', () => {
    const box = makeArea();
    const space = borrower(box, 2047);
    assert.equal(box.cma.alloc({ count: 1024, fatalSignalPending: () => true }), undefined);
    assert.equal(
      box.log[0],
      'cma: cma_alloc: reserved: alloc failed, req-size: 1024 pages, ret: -4',
    );
    checkContent(space, 2047);
  });

  it('fails at once, and silently, when the area could never hold it', () => {
    const box = makeArea();
    assert.equal(box.cma.alloc({ count: 1025 }), undefined);
    assert.equal(box.cma.alloc({ count: 0 }), undefined);
    assert.deepEqual(box.log, []);
    assert.match(box.sched.trace.lastCause?.text ?? '', /not that large/);
    assert.equal(box.pages.vmstat.cma_alloc_fail, 2);
    assert.equal(box.cma.allocPagesFail, 1025);
  });
});

describe('one pinned page in a CMA area', () => {
  const PAGES = 2047;

  function pinnedAt(box: AreaBox, offset: number, shared = false): [AddressSpace, PinnedPages] {
    const space = borrower(box, PAGES, shared);
    return [space, pin(space, pageIn(space, PAGES, FIRST + offset))];
  }

  it('makes every candidate that contains it fail, and the log says -16', () => {
    const box = makeArea();
    const [space, held] = pinnedAt(box, 600);
    assert.equal(box.cma.alloc({ count: 1024 }), undefined);
    assert.deepEqual(box.log, [
      'cma: cma_alloc: reserved: alloc failed, req-size: 1024 pages, ret: -16',
    ]);
    assert.match(box.sched.trace.lastCause?.text ?? '', /pfn:0x40a58 .* pins:1 does not leave/);
    assert.equal(box.pages.refCount(held.pages[0]!), 1025);
    checkContent(space, PAGES);
    held.unpin();
    assert.equal(box.cma.alloc({ count: 1024 }), BASE + 8 * MIB);
    checkContent(space, PAGES);
  });

  it('costs only the candidates that contain it: the next ones are tried', () => {
    const box = makeArea();
    box.sched.trace.setLevel('worlds');
    const [, held] = pinnedAt(box, 100);
    const at = box.cma.alloc({ count: 256, align: 8 });
    assert.equal(at, BASE + 8 * MIB + 256 * PAGE_SIZE);
    const busy = [...box.sched.trace.events()].filter(({ name }) => name === 'cma.busy');
    assert.deepEqual(
      busy.map(({ args }) => args),
      [{ area: 'reserved', address: BASE + 8 * MIB, pages: 256, busy: held.pages[0] }],
    );
    assert.deepEqual(box.log, []);
  });

  it('moves the start by one page at a time without alignment', () => {
    const box = makeArea();
    const [, held] = pinnedAt(box, 20);
    assert.equal(box.cma.alloc({ count: 64 }), held.pages[0]! + PAGE_SIZE);
  });

  it('is not isolated at all when it is anonymous', () => {
    const box = makeArea();
    const [, held] = pinnedAt(box, 20);
    box.cma.alloc({ count: 1024 });
    assert.equal(box.pages.vmstat.pgmigrate_fail, 0);
    held.unpin();
  });

  it('is tried five times when it is in a page cache', () => {
    const box = makeArea();
    const [space, held] = pinnedAt(box, 20, true);
    assert.equal(box.cma.alloc({ count: 1024 }), undefined);
    assert.equal(box.pages.vmstat.pgmigrate_fail, 5);
    assert.match(box.sched.trace.lastCause?.text ?? '', /pfn:0x40814 .* pins:1 does not leave/);
    assert.equal(box.log.length, 1);
    checkContent(space, PAGES);
    assert.equal(box.pages.refCount(held.pages[0]!), 1026);
    held.unpin();
    assert.ok(box.cma.alloc({ count: 1024 }) !== undefined);
    checkContent(space, PAGES);
  });
});

describe('an area that spans zones', () => {
  it('is not activated: its memory is the allocator’s for good', () => {
    const zones = [
      { name: 'NORMAL', end: BASE + 10 * MIB },
      { name: 'MOVABLE', end: Infinity },
    ] as const;
    const { cma, pages, log } = makeArea({ zones });
    assert.deepEqual(log, ['cma: CMA area reserved could not be activated']);
    assert.equal(cma.count, 0);
    assert.equal(cma.alloc({ count: 1 }), undefined);
    assert.equal(pages.freePages, 3071);
    assert.equal(pages.frames.blockType(FIRST), MIGRATE_MOVABLE);
    while (pages.allocFrames(0, GFP_HIGHUSER_MOVABLE) >= 0);
    assert.equal(pages.freePages, 0, 'of a zone that had no page before');
  });
});
