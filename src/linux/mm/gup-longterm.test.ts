import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { BoxHalted } from '../../sched/halt.ts';
import type { AddressSpace } from './address-space.ts';
import { GFP_KERNEL } from './gfp.ts';
import { isLongtermPinnable } from './gup-longterm.ts';
import { MIGRATE_CMA, MIGRATE_UNMOVABLE } from './migrate-type.ts';
import { PG_LRU } from './page-frames.ts';
import { Shmem } from './shmem.ts';
import { AT, BASE, MIB, RW, makeMemory, readBack } from './testing/memory.ts';
import type { MemoryBox, MemoryOptions } from './testing/memory.ts';
import type { GupFlags, PinnedPages } from './user-memory.ts';

const LONGTERM: GupFlags = { write: true, longterm: true };
const SHORT: GupFlags = { write: true };
const ZONES = [
  { name: 'NORMAL', end: BASE + 4 * MIB },
  { name: 'MOVABLE', end: Infinity },
] as const;

/** The kinds of memory that must not be pinned for good, each with RAM elsewhere. */
const LENT: Readonly<Record<string, MemoryOptions>> = {
  'a CMA area': { mib: 8, cmaMib: 4 },
  ZONE_MOVABLE: { mib: 8, zones: ZONES },
};

function pinned(result: PinnedPages | number): PinnedPages {
  assert.ok(typeof result === 'object', `not pinned: ${JSON.stringify(result)}`);
  return result;
}

const allPinnable = ({ pages }: MemoryBox, list: readonly Pa[]): boolean =>
  list.every((page) => isLongtermPinnable(pages, pages.frames.frame(page)));

const pagesOf = (list: readonly Pa[], box: MemoryBox): readonly Pa[] =>
  list.filter((page) => !isLongtermPinnable(box.pages, box.pages.frames.frame(page)));

/** A process with so many pages, each with its number; then what it needs to be checked. */
function borrower(box: MemoryBox, count: number, shared = false): AddressSpace {
  const space = box.addressSpace();
  space.mmap({ at: AT, fixed: 'replace', length: count * PAGE_SIZE, prot: RW, shared });
  for (let n = 0; n < count; n++) {
    assert.ok(space.write(va(AT + n * PAGE_SIZE), Uint8Array.of(n & 255)));
  }
  return space;
}

function checkContent(space: AddressSpace, count: number): void {
  for (let n = 0; n < count; n++) {
    assert.deepEqual(readBack(space, AT + n * PAGE_SIZE, 1), [n & 255], `page ${n}`);
  }
}

/** All memory has come back. */
function end(box: MemoryBox, ...spaces: readonly AddressSpace[]): void {
  for (const space of spaces) space.destroy();
  assert.equal(box.pages.usedPages, 1);
  assert.equal(box.pages.pinsOutstanding, 0);
}

describe('a short pin', () => {
  for (const [where, options] of Object.entries(LENT)) {
    it(`stays in ${where}`, () => {
      const box = makeMemory(options);
      const space = borrower(box, 1200);
      const pin = pinned(space.pin(va(AT), 1200, SHORT));
      assert.ok(pagesOf(pin.pages, box).length > 100);
      assert.equal(box.pages.vmstat.pgmigrate_success, 0);
      pin.unpin();
      end(box, space);
    });
  }
});

describe('a long-term pin', () => {
  for (const [where, options] of Object.entries(LENT)) {
    for (const shared of [false, true]) {
      it(`leaves ${where} first, content and all; ${shared ? 'shared' : 'private'}`, () => {
        const box = makeMemory(options);
        const space = borrower(box, 600, shared);
        const pin = pinned(space.pin(va(AT), 600, LONGTERM));
        assert.equal(pin.pages.length, 600);
        assert.ok(allPinnable(box, pin.pages));
        assert.ok(box.pages.vmstat.pgmigrate_success > 100);
        assert.ok(pin.pages.every((page) => box.pages.pinCount(page) === 1));
        checkContent(space, 600);
        const before = box.pages.vmstat.pgmigrate_success;
        // Now they are where they may be: the fast way takes them.
        pinned(space.pin(va(AT), 600, LONGTERM)).unpin();
        assert.equal(box.pages.vmstat.pgmigrate_success, before);
        pin.unpin();
        end(box, space);
      });
    }

    it(`faults new pages in outside of ${where} (PF_MEMALLOC_PIN)`, () => {
      const box = makeMemory(options);
      const space = box.addressSpace();
      space.mmap({ at: AT, fixed: 'replace', length: 64 * PAGE_SIZE, prot: RW });
      const pin = pinned(space.pin(va(AT), 64, LONGTERM));
      assert.ok(allPinnable(box, pin.pages));
      assert.equal(box.pages.vmstat.pgmigrate_success, 0);
      pin.unpin();
      end(box, space);
    });
  }

  it('makes what was in its way available to the owner of the area', () => {
    const box = makeMemory({ mib: 8, cmaMib: 4 });
    const space = borrower(box, 600);
    const short = pinned(space.pin(va(AT), 600, SHORT));
    assert.equal(box.cma?.alloc({ count: 1024 }), undefined);
    short.unpin();
    const pin = pinned(space.pin(va(AT), 600, LONGTERM));
    assert.equal(box.cma?.alloc({ count: 1024 }), box.cma?.base);
    checkContent(space, 600);
    box.cma?.release(box.cma.base, 1024);
    pin.unpin();
    end(box, space);
  });

  it('is reported with its reason', () => {
    const box = makeMemory({ mib: 8, cmaMib: 4 });
    const space = borrower(box, 600);
    box.sched.trace.setLevel('all');
    pinned(space.pin(va(AT), 600, LONGTERM)).unpin();
    const moves = [...box.sched.trace.events()].filter(({ name }) => name === 'page.migrate');
    const reasons = moves.map(({ args }) => (args as { reason: string }).reason);
    assert.deepEqual(new Set(reasons), new Set(['longterm_pin']));
    end(box, space);
  });

  it('moves a large folio as a whole, once', () => {
    const box = makeMemory({ mib: 8, cmaMib: 4 });
    const object = new Shmem(box.pages, { order: 4 });
    const space = box.addressSpace();
    const length = 64 * PAGE_SIZE;
    space.mmap({ at: AT, fixed: 'replace', length, prot: RW, shared: true, cache: object });
    for (let n = 0; n < 64; n++) space.write(va(AT + n * PAGE_SIZE), Uint8Array.of(n));
    const lent = [...object.frames()].filter((frame) => !isLongtermPinnable(box.pages, frame));
    const pin = pinned(space.pin(va(AT + 3 * PAGE_SIZE), 50, LONGTERM));
    assert.ok(allPinnable(box, pin.pages));
    assert.equal(box.pages.vmstat.pgmigrate_success, lent.length);
    assert.equal(box.pages.pinCount(pin.pages[20]!), 16);
    checkContent(space, 64);
    pin.unpin();
    end(box, space);
  });

  it('does not move the zero page, and does not count it', () => {
    const switches = { longtermUnsharesCow: false };
    const box = makeMemory({ mib: 8, cmaMib: 4, switches });
    const space = box.addressSpace();
    space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, prot: RW });
    const pin = pinned(space.pin(va(AT), 1, { longterm: true }));
    assert.equal(pin.pages[0], box.pages.frames.address(box.pages.zeroFrame));
    pin.unpin();
    end(box, space);
  });
});

describe('a long-term pin that fails', () => {
  const where = { mib: 8, cmaMib: 4 };
  /** Of a process whose pages fill RAM; one that is in the area. */
  const lentPage = (box: MemoryBox, space: AddressSpace): number => {
    for (let n = 0; n < 1200; n++) {
      const frame = box.pages.frames.frame(pinnedPage(space, n));
      if (box.pages.frames.blockType(frame) === MIGRATE_CMA) return n;
    }
    return assert.fail('none is lent');
  };
  const pinnedPage = (space: AddressSpace, page: number): Pa => {
    const pin = pinned(space.pin(va(AT + page * PAGE_SIZE), 1, SHORT));
    pin.unpin();
    return pin.pages[0]!;
  };

  it('-ENOMEM: somebody has pinned the page for a short time; nothing stays pinned', () => {
    const box = makeMemory(where);
    const space = borrower(box, 1200);
    const page = lentPage(box, space);
    const at = va(AT + page * PAGE_SIZE);
    const short = pinned(space.pin(at, 1, SHORT));
    assert.equal(space.pin(at, 3, LONGTERM), -ENOMEM);
    assert.equal(box.pages.pinsOutstanding, 1);
    const cause = box.sched.trace.lastCause;
    assert.match(cause?.text ?? '', /in a CMA area or ZONE_MOVABLE and cannot leave/);
    assert.match(cause?.hint ?? '', /pinned it for a short time/);
    assert.ok((box.pages.frames.flags[box.pages.frames.frame(short.pages[0]!)]! & PG_LRU) !== 0);
    short.unpin();
    pinned(space.pin(at, 3, LONGTERM)).unpin();
    checkContent(space, 1200);
    end(box, space);
  });

  it('-ENOMEM: there is no page to move to; nothing stays pinned', () => {
    const box = makeMemory(where);
    const space = borrower(box, 1200);
    const page = lentPage(box, space);
    const taken: Pa[] = [];
    for (let one = box.pages.alloc(0, GFP_KERNEL); one !== undefined;) {
      taken.push(one);
      one = box.pages.alloc(0, GFP_KERNEL);
    }
    assert.equal(space.pin(va(AT + page * PAGE_SIZE), 1, LONGTERM), -ENOMEM);
    assert.equal(box.pages.pinsOutstanding, 0);
    for (const one of taken) box.pages.put(one);
    checkContent(space, 1200);
    end(box, space);
  });

  it('keeps what the fast way had pinned before: the pin is short', () => {
    const box = makeMemory(where);
    const space = borrower(box, 1200);
    pinned(space.pin(va(AT), 2, LONGTERM)).unpin();
    const page = lentPage(box, space);
    const stuck = pinned(space.pin(va(AT + page * PAGE_SIZE), 1, SHORT));
    pinned(space.pin(va(AT + (page - 2) * PAGE_SIZE), 2, LONGTERM)).unpin();
    const pin = pinned(space.pin(va(AT + (page - 2) * PAGE_SIZE), 4, LONGTERM));
    assert.equal(pin.pages.length, 2);
    pin.unpin();
    stuck.unpin();
    end(box, space);
  });

  it('stops the box where upstream would try for ever: a page that cannot be isolated', () => {
    const box = makeMemory(where);
    const space = borrower(box, 1200);
    const page = lentPage(box, space);
    const frame = box.pages.frames.frame(pinnedPage(space, page));
    box.pages.frames.flags[frame]! &= ~PG_LRU;
    assert.throws(() => space.pin(va(AT + page * PAGE_SIZE), 1, LONGTERM), BoxHalted);
  });

  it('does not leave allocations under PF_MEMALLOC_PIN behind', () => {
    const box = makeMemory(where);
    const space = borrower(box, 8);
    assert.ok(typeof space.pin(va(AT + 100 * PAGE_SIZE), 1, LONGTERM) === 'number');
    const other = borrower(box, 1200);
    assert.ok(lentPage(box, other) >= 0);
    end(box, space, other);
  });
});

describe('pinnable pageblocks', () => {
  it('are all but those of CMA areas and ZONE_MOVABLE', () => {
    const box = makeMemory({ mib: 8, cmaMib: 2, zones: ZONES.map((zone) => zone) });
    const { frames } = box.pages;
    const seen = [0, 3, 5, 6].map((mib) => isLongtermPinnable(box.pages, (mib * MIB) / PAGE_SIZE));
    assert.deepEqual(seen, [true, true, false, false]);
    frames.setBlockType(0, MIGRATE_UNMOVABLE);
    assert.ok(isLongtermPinnable(box.pages, 0));
  });
});
