import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENOMEM } from '../../abi/errno.ts';
import { PROT_NONE, PROT_READ } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_USER, __GFP_COMP, __GFP_NOWARN } from './gfp.ts';
import {
  MR_LONGTERM_PIN,
  allocMigrationTarget,
  migratePages,
  putbackMovablePages,
} from './migrate.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_ANON_EXCLUSIVE, PG_HEAD, PG_LRU, PG_PRIVATE } from './page-frames.ts';
import { pteFrame } from './page-table.ts';
import { Shmem } from './shmem.ts';
import { AT, BASE, MIB, RW, leakFree, makeMemory, mapAt, readBack } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';
import { checkMemory } from './testing/check-memory.ts';

const PAGE = AT / PAGE_SIZE;
const frameOf = (space: AddressSpace, n = 0): number => pteFrame(space.mm.table.get(PAGE + n));

/** Moves what `folio` holds. @returns migratePages()'s answer, and what it left */
function move(pages: PageAllocator, folio: number): [number, number[]] {
  assert.equal(pages.isolateFolio(folio), true);
  const list = [folio];
  const target = allocMigrationTarget(pages, GFP_USER | __GFP_NOWARN);
  const result = migratePages(pages, list, target, MR_LONGTERM_PIN);
  putbackMovablePages(pages, list);
  return [result, list];
}

function written(space: AddressSpace, count = 1): void {
  mapAt(space, count);
  for (let n = 0; n < count; n++) space.write(va(AT + n * PAGE_SIZE), Uint8Array.of(10 + n));
}

/** `count` pages of an object in folios of 2^order, mapped shared. */
function mapShmem(box: MemoryBox, space: AddressSpace, order: number, count: number): Shmem {
  const cache = new Shmem(box.pages, { order });
  const length = count * PAGE_SIZE;
  space.mmap({ at: AT, fixed: 'replace', length, prot: RW, shared: true, cache });
  for (let n = 0; n < count; n++) space.write(va(AT + n * PAGE_SIZE), Uint8Array.of(10 + n));
  return cache;
}

describe('a folio that is moved', () => {
  it(
    'keeps its content, its rights and its place',
    leakFree(({ pages }, space) => {
      written(space);
      const before = frameOf(space);
      assert.deepEqual(move(pages, before), [0, []]);
      const after = frameOf(space);
      assert.notEqual(after, before);
      assert.deepEqual(readBack(space, AT, 2), [10, 0]);
      const { refs, mapcount, flags, index, mapping } = pages.frames;
      assert.deepEqual([refs[before], refs[after], mapcount[after]], [0, 1, 1]);
      assert.deepEqual([index[after], mapping[after]], [PAGE, space.mm.anonVma.id]);
      assert.ok((flags[after]! & PG_LRU) !== 0 && (flags[after]! & PG_ANON_EXCLUSIVE) !== 0);
      space.write(va(AT), Uint8Array.of(99));
      assert.equal(frameOf(space), after);
    }),
  );

  it(
    'moves for parent and child, who still share it until one writes',
    leakFree(({ pages }, space) => {
      written(space);
      const child = space.fork()!;
      assert.deepEqual(move(pages, frameOf(space)), [0, []]);
      assert.equal(frameOf(child), frameOf(space));
      assert.equal(pages.frames.mapcount[frameOf(space)], 2);
      child.write(va(AT), Uint8Array.of(55));
      assert.deepEqual([readBack(space, AT, 1), readBack(child, AT, 1)], [[10], [55]]);
      child.destroy();
    }),
  );

  it(
    'stays closed under PROT_NONE and read-only under PROT_READ',
    leakFree(({ pages }, space) => {
      written(space, 2);
      space.mprotect(AT, PAGE_SIZE, PROT_NONE);
      space.mprotect(AT + PAGE_SIZE, PAGE_SIZE, PROT_READ);
      for (const n of [0, 1]) assert.deepEqual(move(pages, frameOf(space, n)), [0, []]);
      assert.equal(space.fault(AT, 'read'), 'SIGSEGV');
      assert.equal(space.fault(AT + PAGE_SIZE, 'write'), 'SIGSEGV');
      assert.deepEqual(readBack(space, AT + PAGE_SIZE, 1), [11]);
    }),
  );

  it(
    'is found by the object that it belongs to, mapped or not',
    leakFree((box, space) => {
      const cache = mapShmem(box, space, 0, 1);
      cache.open();
      space.munmap(AT, PAGE_SIZE);
      const before = cache.fault(0);
      assert.deepEqual(move(box.pages, before), [0, []]);
      assert.notEqual(cache.fault(0), before);
      space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, shared: true, cache });
      assert.deepEqual(readBack(space, AT, 1), [10]);
      cache.close();
    }),
  );

  it('was freed meanwhile: then there is nothing to move', () => {
    const { pages, addressSpace } = makeMemory();
    const space = addressSpace();
    written(space);
    const folio = frameOf(space);
    assert.equal(pages.isolateFolio(folio), true);
    space.destroy();
    const target = allocMigrationTarget(pages, GFP_USER);
    assert.equal(migratePages(pages, [folio], target, MR_LONGTERM_PIN), 0);
    assert.equal(pages.usedPages, 1);
  });

  it('of several pages moves as one, to a block of its order', () => {
    const box = makeMemory({ mib: 16 });
    const space = box.addressSpace();
    const cache = mapShmem(box, space, 3, 8);
    const folio = box.pages.frames.folio(frameOf(space, 5));
    assert.deepEqual([folio % 8, frameOf(space, 5) - folio], [0, 5]);
    assert.deepEqual(move(box.pages, folio), [0, []]);
    const { frames } = box.pages;
    const moved = frames.folio(frameOf(space, 5));
    assert.notEqual(moved, folio);
    assert.deepEqual([frames.order[moved], frames.refs[moved], frames.mapcount[moved]], [3, 16, 8]);
    assert.deepEqual([frames.order[folio], frames.tail[folio + 1], frames.refs[folio]], [0, 0, 0]);
    for (let n = 0; n < 8; n++) assert.deepEqual(readBack(space, AT + n * PAGE_SIZE, 1), [10 + n]);
    assert.equal(box.pages.vmstat.pgmigrate_success, 8);
    assert.equal(cache.size, 8);
    space.destroy();
    assert.equal(box.pages.usedPages, 1);
  });

  it('is reported to the trace with its reason', () => {
    const box = makeMemory();
    box.sched.trace.setLevel('all');
    const space = box.addressSpace();
    written(space);
    const from = box.pages.frames.address(frameOf(space));
    move(box.pages, frameOf(space));
    const event = [...box.sched.trace.events()].find(({ name }) => name === 'page.migrate');
    const to = box.pages.frames.address(frameOf(space));
    assert.deepEqual(event?.args, { from, to, pages: 1, reason: 'longterm_pin' });
  });
});

describe('a folio that stays', () => {
  const stays = (
    name: string,
    prepare: (box: MemoryBox, space: AddressSpace) => () => void,
  ): void =>
    void it(
      name,
      leakFree((box, space) => {
        const undo = prepare(box, space);
        const before = frameOf(space);
        const { refs, mapcount, flags } = box.pages.frames;
        const counts = [refs[before], mapcount[before], flags[before]];
        assert.deepEqual(move(box.pages, before), [1, [before]]);
        assert.equal(frameOf(space), before);
        assert.deepEqual([refs[before], mapcount[before], flags[before]], counts);
        assert.deepEqual(readBack(space, AT, 1), [10]);
        assert.equal(box.pages.vmstat.pgmigrate_fail, box.pages.frames.folioPages(before));
        undo();
        if ((flags[before]! & PG_LRU) !== 0) assert.deepEqual(move(box.pages, before), [0, []]);
      }),
    );

  stays('is anonymous and pinned', (_, space) => {
    written(space);
    const pin = space.pin(va(AT), 1, { write: true });
    assert.ok(typeof pin !== 'number');
    return () => pin.unpin();
  });

  stays('is shared memory and pinned', (box, space) => {
    mapShmem(box, space, 0, 1);
    const pin = space.pin(va(AT), 1, { write: true });
    assert.ok(typeof pin !== 'number');
    return () => pin.unpin();
  });

  stays('is referenced by somebody unknown', ({ pages }, space) => {
    written(space);
    const frame = frameOf(space);
    pages.getFrame(frame);
    return () => pages.putFrame(frame);
  });

  stays('is large and pinned once, which one reference more could not tell', (box, space) => {
    mapShmem(box, space, 2, 4);
    const pin = space.pin(va(AT), 1, { write: true });
    assert.ok(typeof pin !== 'number');
    return () => pin.unpin();
  });

  it('belongs to an object that cannot move (secretmem): it is not tried again', () => {
    const box = makeMemory();
    const space = box.addressSpace();
    class Secret extends Shmem {
      override readonly movable: boolean = false;
    }
    const cache = new Secret(box.pages);
    space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, shared: true, cache });
    space.write(va(AT), Uint8Array.of(1));
    const before = frameOf(space);
    assert.deepEqual(move(box.pages, before), [1, [before]]);
    assert.equal(frameOf(space), before);
  });

  it('has no page to move to: -ENOMEM, and the rest of the list is not tried', () => {
    const { pages, addressSpace } = makeMemory();
    const space = addressSpace();
    written(space, 3);
    while (pages.allocFrames(0, GFP_KERNEL) >= 0);
    const list = [0, 1, 2].map((n) => frameOf(space, n));
    for (const folio of list) assert.ok(pages.isolateFolio(folio));
    const left = [...list];
    const target = allocMigrationTarget(pages, GFP_USER);
    assert.equal(migratePages(pages, left, target, MR_LONGTERM_PIN), -ENOMEM);
    assert.deepEqual(left, list);
    putbackMovablePages(pages, left);
    for (const folio of list) assert.deepEqual(pages.frames.refs[folio], 1);
  });

  it('counts as failed what could not move until there was no page left, and nothing behind', () => {
    const { pages, addressSpace } = makeMemory();
    const space = addressSpace();
    class Secret extends Shmem {
      override readonly movable: boolean = false;
    }
    written(space, 2);
    const at = space.mmap({ length: PAGE_SIZE, shared: true, cache: new Secret(pages) });
    space.write(va(at), Uint8Array.of(1));
    const stays = pteFrame(space.mm.table.get(at / PAGE_SIZE));
    const list = [stays, frameOf(space, 0), frameOf(space, 1)];
    for (const folio of list) assert.ok(pages.isolateFolio(folio));
    const left = [...list];
    const onePage = (folio: number): number =>
      folio === stays ? pages.allocFrames(0, GFP_USER) : -1;
    assert.equal(migratePages(pages, left, onePage, MR_LONGTERM_PIN), -ENOMEM);
    assert.equal(pages.vmstat.pgmigrate_fail, 2);
    assert.deepEqual(left, list);
    putbackMovablePages(pages, left);
  });

  it('keeps a reference of the file system out of the count', () => {
    const box = makeMemory();
    const space = box.addressSpace();
    mapShmem(box, space, 0, 1);
    const before = frameOf(space);
    box.pages.frames.flags[before]! |= PG_PRIVATE;
    box.pages.getFrame(before);
    assert.deepEqual(move(box.pages, before), [0, []]);
    assert.equal(box.pages.frames.refs[frameOf(space)], 3);
  });
});

describe('where folios move to', () => {
  const zones = [
    { name: 'NORMAL', end: BASE + 8 * MIB },
    { name: 'MOVABLE', end: Infinity },
  ] as const;

  it('is outside of ZONE_MOVABLE and CMA for a long-term pin', () => {
    const box = makeMemory({ mib: 16, zones });
    const space = box.addressSpace();
    written(space);
    assert.equal(box.pages.zoneOf(frameOf(space)).name, 'MOVABLE');
    const saved = box.pages.memallocPinSave();
    move(box.pages, frameOf(space));
    box.pages.memallocPinRestore(saved);
    assert.equal(box.pages.zoneOf(frameOf(space)).name, 'NORMAL');
    checkMemory({
      pages: box.pages,
      spaces: [space],
      cached: [],
      pinned: [],
      owned: [],
      cachedSlots: 0,
    });
  });

  it('is ZONE_MOVABLE again for what comes from there and may move', () => {
    const box = makeMemory({ mib: 16, zones });
    const space = box.addressSpace();
    written(space);
    const folio = frameOf(space);
    box.pages.isolateFolio(folio);
    migratePages(
      box.pages,
      [folio],
      allocMigrationTarget(box.pages, GFP_HIGHUSER_MOVABLE),
      'compaction',
    );
    assert.equal(box.pages.zoneOf(frameOf(space)).name, 'MOVABLE');
  });
});

describe('compound pages', () => {
  it('are one folio: references, pins and freeing are the head’s', () => {
    const { pages } = makeMemory();
    const before = pages.freePages;
    const at = pages.alloc(4, GFP_KERNEL | __GFP_COMP)!;
    const head = pages.frames.frame(at);
    const { frames } = pages;
    assert.deepEqual([frames.order[head], frames.flags[head]], [4, PG_HEAD]);
    assert.equal(frames.folio(head + 15), head);
    pages.getFrame(head + 7);
    assert.equal(pages.refCount(pages.frames.address(head + 3)), 2);
    pages.putFrame(head + 9);
    pages.putFrame(head);
    assert.equal(pages.freePages, before);
    assert.equal(frames.folio(head + 15), head + 15);
  });
});
