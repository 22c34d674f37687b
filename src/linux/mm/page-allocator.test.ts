import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { BoxHalted } from '../../sched/halt.ts';
import { withoutHoles } from './memblock.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, __GFP_NOWARN, __GFP_RECLAIMABLE } from './gfp.ts';
import type { Gfp } from './gfp.ts';
import {
  MAX_PAGE_ORDER,
  MIGRATE_MOVABLE,
  MIGRATE_UNMOVABLE,
  PAGEBLOCK_NR_PAGES,
} from './migrate-type.ts';
import { getOrder } from './page-allocator.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_LRU } from './page-frames.ts';
import { BASE, MIB, makeMemory } from './testing/memory.ts';

const TYPES = [GFP_KERNEL, GFP_HIGHUSER_MOVABLE, GFP_KERNEL | __GFP_RECLAIMABLE] as const;

const pfn = (address: Pa | undefined): number => {
  assert.ok(address !== undefined);
  return (address - BASE) / PAGE_SIZE;
};

/** Takes every free page, one by one. */
function drain(pages: PageAllocator, type: Gfp = GFP_HIGHUSER_MOVABLE): number[] {
  const frames: number[] = [];
  for (let frame = pages.allocFrames(0, type); frame >= 0;) {
    frames.push(frame);
    frame = pages.allocFrames(0, type);
  }
  return frames;
}

describe('memory at boot', () => {
  it('is all RAM but the holes, in whole pages', () => {
    const region = (base: number, size: number): { base: Pa; size: number } => ({
      base: pa(base),
      size,
    });
    const holes = [region(0x5400, 0x400), region(0x2000, 0x1800), region(0x2800, 0x800)];
    assert.deepEqual(withoutHoles(region(0x1000, 0x7000), holes), [
      region(0x1000, 0x1000),
      region(0x4000, 0x1000),
      region(0x6000, 0x2000),
    ]);
    const outside = [region(0, 0x1000), region(0x9000, 0x1000)];
    assert.deepEqual(withoutHoles(region(0x2000, 0x3000), outside), [region(0x2000, 0x3000)]);
  });

  it('is free but for the zero page, in the largest blocks', () => {
    const { pages } = makeMemory({ mib: 16 });
    assert.equal(pages.managedPages, 4096);
    assert.equal(pages.usedPages, 1);
    const [dma32, normal] = pages.zones;
    assert.deepEqual(dma32?.freeBlocks(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3]);
    assert.equal(normal?.managedPages, 0);
  });

  it('leaves out what the secure world keeps', () => {
    const secure = [{ base: pa(BASE + 3 * MIB), size: MIB }];
    const { pages } = makeMemory({ secure });
    assert.equal(pages.managedPages, (7 * MIB) / PAGE_SIZE);
    const hidden = (frame: number): boolean => frame >= 768 && frame < 1024;
    assert.equal(drain(pages).some(hidden), false);
    assert.equal(pages.freePages, 0);
  });

  it('touches no more of the frame arrays than is used', () => {
    const { pages } = makeMemory({ mib: 64 });
    const { buddy } = pages.frames;
    assert.ok(buddy.reduce((sum, one) => sum + Math.min(one, 1), 0) < 16);
    assert.equal(pages.freePages, 16383);
  });
});

describe('zones', () => {
  const zones = [
    { name: 'DMA32', end: BASE + 4 * MIB },
    { name: 'NORMAL', end: BASE + 12 * MIB },
    { name: 'MOVABLE', end: Infinity },
  ] as const;

  it('are asked from the highest down; MOVABLE has room for user pages only', () => {
    const { pages } = makeMemory({ mib: 16, zones });
    const zoneOf = (type: Gfp): string => {
      const frame = pages.allocFrames(10, type);
      return pages.zones.find((zone) => zone.contains(frame))?.name ?? 'none';
    };
    const kernel = [1, 2, 3].map(() => zoneOf(GFP_KERNEL));
    assert.deepEqual(kernel, ['NORMAL', 'DMA32', 'none']);
    assert.deepEqual(
      [zoneOf(GFP_HIGHUSER_MOVABLE), zoneOf(GFP_HIGHUSER_MOVABLE)],
      ['MOVABLE', 'none'],
    );
  });

  it('do not merge across their borders', () => {
    const odd = [
      { name: 'DMA32', end: BASE + MIB + PAGE_SIZE },
      { name: 'NORMAL', end: Infinity },
    ] as const;
    const { pages } = makeMemory({ mib: 4, zones: odd });
    const before = pages.zones.map((zone) => zone.freeBlocks());
    for (const frame of drain(pages)) pages.putFrame(frame);
    assert.deepEqual(
      pages.zones.map((zone) => zone.freeBlocks()),
      before,
    );
    assert.equal(before[0]?.[0], 1);
  });
});

describe('page allocator', () => {
  it('splits blocks and hands out ascending frames', () => {
    const { pages } = makeMemory();
    const first = pfn(pages.alloc(0));
    assert.deepEqual([pages.alloc(0), pages.alloc(0)].map(pfn), [first + 1, first + 2]);
  });

  it('gives blocks of up to 4 MiB and says which limit refused', () => {
    const { pages, sched } = makeMemory({ mib: 12 });
    assert.ok(pages.alloc(MAX_PAGE_ORDER) !== undefined);
    assert.equal(pages.alloc(MAX_PAGE_ORDER + 1), undefined);
    assert.equal(sched.trace.lastCause?.limit, 'MAX_PAGE_ORDER=10');
    assert.equal(sched.trace.lastCause.requested, 8 * MIB);
  });

  it('warns of a block that cannot be, once, unless asked not to', () => {
    const { pages, log } = makeMemory({ mib: 2 });
    assert.equal(pages.alloc(MAX_PAGE_ORDER + 1, GFP_KERNEL | __GFP_NOWARN), undefined);
    assert.equal(pages.alloc(MAX_PAGE_ORDER), undefined, 'memory is short');
    assert.deepEqual(log, []);
    assert.equal(pages.allocExact(0), undefined);
    assert.equal(pages.alloc(MAX_PAGE_ORDER + 1), undefined);
    assert.deepEqual(log, ['WARNING: at mm/page_alloc.c __alloc_pages']);
  });

  it('reports what was left when memory runs out', () => {
    const { pages, sched } = makeMemory({ mib: 4 });
    assert.equal(pages.alloc(10), undefined);
    assert.equal(sched.trace.lastCause?.code, '-ENOMEM');
    assert.equal(sched.trace.lastCause.available, 2 * MIB);
    drain(pages);
    assert.equal(pages.allocExact(1), undefined);
    assert.equal(sched.trace.lastCause.available, 0);
  });

  it('allocates exact sizes: zeroed, contiguous, the rest of the block given back', () => {
    const { pages, machine } = makeMemory();
    machine.bus.u8.fill(0xaa, PAGE_SIZE, 64 * PAGE_SIZE);
    const before = pages.freePages;
    const at = pages.allocExact(3 * PAGE_SIZE - 5);
    assert.ok(at !== undefined);
    assert.equal(before - pages.freePages, 3);
    assert.ok(machine.normal.bytes(at, 3 * PAGE_SIZE, 'read').every((byte) => byte === 0));
    pages.get(pa(at + PAGE_SIZE));
    pages.freeExact(at, 3 * PAGE_SIZE);
    assert.equal(before - pages.freePages, 1);
    pages.put(pa(at + PAGE_SIZE));
    assert.equal(pages.freePages, before);
  });

  it('keeps the first page of a block that is referenced elsewhere', () => {
    const { pages } = makeMemory();
    const before = pages.freePages;
    const at = pages.alloc(3);
    assert.ok(at !== undefined);
    pages.get(at);
    pages.free(at, 3);
    assert.equal(before - pages.freePages, 1);
    assert.equal(pages.refCount(at), 1);
    pages.put(at);
    assert.equal(pages.freePages, before);
  });

  for (const [what, use] of [
    ['freed twice', (pages: PageAllocator, at: Pa) => pages.free(at, 0)],
    ['put after the last put', (pages: PageAllocator, at: Pa) => pages.put(at)],
    ['taken while free', (pages: PageAllocator, at: Pa) => pages.get(at)],
  ] as const) {
    it(`stops the box when a page is ${what}`, () => {
      const { pages, sched } = makeMemory();
      const at = pages.alloc(0);
      assert.ok(at !== undefined);
      pages.free(at, 0);
      assert.throws(() => use(pages, at), BoxHalted);
      assert.match(sched.halted?.text ?? '', /^Bad page state: pfn:4000/);
    });
  }

  it('reports each zone to the trace', () => {
    const { pages, sched } = makeMemory();
    sched.trace.setLevel('worlds');
    const at = pages.alloc(2);
    assert.ok(at !== undefined);
    pages.free(at, 2);
    const used = [...sched.trace.events()].map(({ args }) => args);
    const event = (n: number): object => ({
      name: 'zone DMA32',
      used: n,
      limit: 2048,
      unit: 'pages',
    });
    assert.deepEqual(used, [event(5), event(1)]);
  });

  it('has the order of a size as get_order() has it', () => {
    const sizes = [0, 1, 4096, 4097, 8192, 8193, 4 * MIB, 4 * MIB + 1, 2 ** 53];
    assert.deepEqual(sizes.map(getOrder), [52, 0, 0, 1, 1, 2, 10, 11, 41]);
  });
});

describe('migrate types', () => {
  it('keep kernel and user pages in pageblocks of their own', () => {
    const { pages } = makeMemory({ mib: 16 });
    const blocks = (type: Gfp): Set<number> =>
      new Set(
        Array.from({ length: 200 }, () =>
          Math.floor(pages.allocFrames(0, type) / PAGEBLOCK_NR_PAGES),
        ),
      );
    const kernel = blocks(GFP_KERNEL);
    const user = blocks(GFP_HIGHUSER_MOVABLE);
    assert.deepEqual(
      [...kernel].filter((block) => user.has(block)),
      [],
    );
  });

  it('are taken by place only where they would be taken by chance', () => {
    const zones = [
      { name: 'NORMAL', end: BASE + 4 * MIB },
      { name: 'MOVABLE', end: Infinity },
    ] as const;
    const { pages } = makeMemory({ mib: 8, zones });
    const movable = Array.from({ length: 1024 }, () => pages.allocFrames(0, GFP_HIGHUSER_MOVABLE));
    const frame = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    assert.equal(pages.zoneOf(frame).name, 'NORMAL');
    for (const each of movable) pages.putFrame(each);
    assert.equal(pages.allocFramesAt(frame + 1, 0, GFP_HIGHUSER_MOVABLE), false);
    assert.ok(pages.allocFramesAt(movable[0]!, 0, GFP_HIGHUSER_MOVABLE));
  });

  it('steal a whole pageblock that is mostly free', () => {
    const { pages } = makeMemory({ mib: 4 });
    // The zero page made the only largest block UNMOVABLE: user pages take the other half of it.
    const frame = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    assert.equal(Math.floor(frame / PAGEBLOCK_NR_PAGES), 1);
    assert.equal(pages.frames.blockType(frame), MIGRATE_MOVABLE);
    assert.equal(pages.frames.blockType(0), MIGRATE_UNMOVABLE);
  });

  it('take the smallest block where they may not steal, so that little is fragmented', () => {
    const { pages } = makeMemory({ mib: 4 });
    const all = drain(pages, GFP_KERNEL);
    for (const frame of all) if (frame % 16 < 2 || frame % 16 === 5) pages.putFrame(frame);
    const frame = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    assert.equal(frame % 16, 5);
    assert.equal(pages.frames.blockType(frame), MIGRATE_UNMOVABLE);
  });

  it('do not steal a pageblock for small change, however much of it is free', () => {
    const { pages } = makeMemory({ mib: 4 });
    for (const frame of drain(pages, GFP_KERNEL)) {
      if (frame % 4 !== 0) pages.putFrame(frame);
    }
    const frame = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    assert.equal(pages.frames.blockType(frame), MIGRATE_UNMOVABLE);
  });

  it('give kernel pages a user pageblock that holds few movable pages', () => {
    for (const [movable, expected] of [
      [100, MIGRATE_UNMOVABLE],
      [400, MIGRATE_MOVABLE],
    ] as const) {
      const { pages } = makeMemory({ mib: 4 });
      const kernel = drain(pages, GFP_KERNEL);
      for (const frame of kernel) if (frame >= PAGEBLOCK_NR_PAGES) pages.putFrame(frame);
      const user = Array.from({ length: movable }, () =>
        pages.allocFrames(0, GFP_HIGHUSER_MOVABLE),
      );
      for (const frame of user) pages.frames.flags[frame] = PG_LRU;
      const frame = pages.allocFrames(0, GFP_KERNEL);
      assert.equal(pages.frames.blockType(frame), expected);
    }
  });

  it('count pages of a like kind as if they were free', () => {
    const { pages } = makeMemory({ mib: 4 });
    const kernel = drain(pages, GFP_KERNEL).filter((frame) => frame >= PAGEBLOCK_NR_PAGES);
    // 160 free and 200 movable pages in a kernel pageblock: more than half of it is fit for users.
    for (const frame of kernel.slice(0, 160)) pages.putFrame(frame);
    for (const frame of kernel.slice(160, 360)) pages.frames.flags[frame] = PG_LRU;
    const user = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    assert.equal(pages.frames.blockType(user), MIGRATE_MOVABLE);
    // Then 100 free and 312 kernel pages: the kernel takes it back.
    while (pages.freePages > 100) pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    for (const frame of kernel.slice(260, 360)) pages.frames.flags[frame] = 0;
    const taken = pages.allocFrames(0, GFP_KERNEL);
    assert.equal(pages.frames.blockType(taken), MIGRATE_UNMOVABLE);
  });

  it('let a page follow another one only in a block of its type', () => {
    const { pages } = makeMemory({ mib: 16 });
    const user = pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    assert.equal(pages.allocFramesAt(user + 5, 0, GFP_HIGHUSER_MOVABLE), true);
    assert.equal(pages.allocFramesAt(user + 5, 0, GFP_HIGHUSER_MOVABLE), false);
    const kernel = pages.allocFrames(0, GFP_KERNEL);
    assert.equal(pages.allocFramesAt(kernel + 1, 0, GFP_HIGHUSER_MOVABLE), false);
    assert.equal(pages.allocFramesAt(pages.frames.count, 0, GFP_HIGHUSER_MOVABLE), false);
  });
});

describe('the buddy system', () => {
  it('never overlaps, finds every free block there is, and merges back', () => {
    const op = fc.record({
      kind: fc.constantFrom('alloc', 'alloc', 'at', 'exact', 'free', 'free'),
      order: fc.nat({ max: MAX_PAGE_ORDER }),
      pages: fc.integer({ min: 1, max: 1024 }),
      type: fc.constantFrom(...TYPES),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 120 }), (ops) => {
        const { pages } = makeMemory({ mib: 12 });
        const before = pages.zones[0]!.freeBlocks();
        const model = new FrameModel(pages.frames.count, pages.zeroFrame);
        for (const { kind, order, type, which, pages: count } of ops) {
          if (kind === 'free') model.free(pages, which);
          else if (kind === 'at') model.allocAt(pages, which, order, type);
          else if (kind === 'exact') model.alloc(pages, getOrder(count * PAGE_SIZE), type, count);
          else model.alloc(pages, order, type);
          assert.equal(pages.freePages, model.freeFrames);
        }
        while (model.live.length > 0) model.free(pages, 0);
        assert.deepEqual(pages.zones[0]!.freeBlocks(), before);
        assert.ok(pages.frames.refs.every((refs, frame) => refs === (frame === 0 ? 1 : 0)));
      }),
      { numRuns: 60 },
    );
  });
});

/** What a bitmap of frames says about the same calls. */
class FrameModel {
  readonly live: { frame: number; order: number; exact: number | undefined }[] = [];
  readonly #used: Uint8Array;

  constructor(count: number, reserved: number) {
    this.#used = new Uint8Array(count);
    this.#used[reserved] = 1;
  }

  get freeFrames(): number {
    return this.#used.reduce((sum, used) => sum + 1 - used, 0);
  }

  alloc(pages: PageAllocator, order: number, type: Gfp, exact?: number): void {
    const possible = this.#hasBlock(1 << order);
    const frame =
      exact === undefined ? pages.allocFrames(order, type) : pages.allocExactFrames(exact, type);
    assert.equal(frame >= 0, possible);
    if (frame >= 0) this.#take(frame, order, exact);
  }

  allocAt(pages: PageAllocator, which: number, order: number, type: Gfp): void {
    const frame = (which % this.#used.length) & -(1 << order);
    if (pages.allocFramesAt(frame, order, type)) this.#take(frame, order, undefined);
  }

  free(pages: PageAllocator, which: number): void {
    const [gone] = this.live.splice(which % Math.max(1, this.live.length), 1);
    if (gone === undefined) return;
    const address = pages.frames.address(gone.frame);
    if (gone.exact === undefined) pages.free(address, gone.order);
    else pages.freeExact(address, gone.exact * PAGE_SIZE);
    this.#used.fill(0, gone.frame, gone.frame + (gone.exact ?? 1 << gone.order));
  }

  #take(frame: number, order: number, exact: number | undefined): void {
    const end = frame + (exact ?? 1 << order);
    assert.equal(frame % (1 << order), 0);
    assert.ok(this.#used.subarray(frame, end).every((used) => used === 0));
    this.#used.fill(1, frame, end);
    this.live.push({ frame, order, exact });
  }

  #hasBlock(size: number): boolean {
    for (let at = 0; at + size <= this.#used.length; at += size) {
      if (this.#used.subarray(at, at + size).every((used) => used === 0)) return true;
    }
    return false;
  }
}
