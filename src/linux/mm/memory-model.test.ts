/**
 * Random sequences of what processes, drivers, CMA's owner and reclaim do to memory, against a model
 * that knows nothing of frames: what each process must read, and which pages a pin must keep still.
 * After each step all counts are made anew from the page tables.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import type { CmaArea } from './cma.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_USER, __GFP_COMP } from './gfp.ts';
import { isLongtermPinnable } from './gup-longterm.ts';
import {
  MR_LONGTERM_PIN,
  allocMigrationTarget,
  migratePages,
  putbackMovablePages,
} from './migrate.ts';
import { PTE_PRESENT, pteFrame, pteKind } from './page-table.ts';
import { Shmem } from './shmem.ts';
import { checkMemory } from './testing/check-memory.ts';
import { AT, BASE, MIB, RW, makeMemory } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';
import type { PinnedPages } from './user-memory.ts';

const PAGES = 400;
const OBJECT_PAGES = 64;
const OBJECT_AT = 0x4000_0000;

/** Where a page of user memory is, and the object's pages behind. */
const addressOf = (page: number): number =>
  page < PAGES ? AT + page * PAGE_SIZE : OBJECT_AT + (page - PAGES) * PAGE_SIZE;

interface Cell {
  value: number;
}

interface Proc {
  readonly space: AddressSpace;
  readonly cells: Map<number, Cell>;
}

interface Pin {
  readonly pin: PinnedPages;
  readonly cell: Cell;
}

const KINDS = [
  ...(['write', 'write', 'writeRun', 'writeRun', 'read', 'fork', 'exit', 'unmap'] as const),
  ...([
    'pin',
    'pin',
    'pinLongterm',
    'pinLongterm',
    'unpin',
    'unpinLongterm',
    'cmaAlloc',
    'cmaRelease',
    'pressure',
    'relief',
  ] as const),
  ...(['migrate', 'device'] as const),
] as const;

const opArb = fc.record({
  kind: fc.constantFrom(...KINDS),
  who: fc.nat(),
  page: fc.nat({ max: PAGES + OBJECT_PAGES - 1 }),
  count: fc.integer({ min: 1, max: 400 }),
  value: fc.integer({ min: 1, max: 255 }),
});
type Op = (typeof opArb)['generate'] extends (...args: never[]) => { value: infer V } ? V : never;

class Model {
  readonly box: MemoryBox;
  readonly #cma: CmaArea;
  readonly #object: Shmem;
  readonly #procs: Proc[] = [];
  readonly #objectCells = new Map<number, Cell>();
  #pins: Pin[] = [];
  #longterm: { readonly pin: PinnedPages; readonly cells: readonly Cell[] }[] = [];
  #buffers: { at: Pa; count: number }[] = [];
  #kernel: { at: Pa; order: number }[] = [];

  constructor(order: number) {
    const zones = [
      { name: 'NORMAL', end: BASE + 2 * MIB },
      { name: 'MOVABLE', end: Infinity },
    ] as const;
    this.box = makeMemory({ mib: 4, cmaMib: 2, zones, swapPages: 4000, minFreeKbytes: 128 });
    assert.ok(this.box.cma !== undefined);
    this.#cma = this.box.cma;
    this.#object = new Shmem(this.box.pages, { order });
    this.#object.open();
    this.#add(this.box.addressSpace());
  }

  step(op: Op): void {
    const proc = this.#procs[op.who % this.#procs.length]!;
    this[op.kind](proc, op);
  }

  write({ space, cells }: Proc, { page, value }: Op): void {
    if (!space.write(va(addressOf(page)), Uint8Array.of(value))) return;
    const cell = cells.get(page);
    if (cell !== undefined) cell.value = value;
    else this.#newCell(cells, page, value);
  }

  writeRun(proc: Proc, op: Op): void {
    const end = Math.min(PAGES + OBJECT_PAGES, op.page + op.count);
    for (let page = op.page; page < end; page++) this.write(proc, { ...op, page });
  }

  read({ space, cells }: Proc, { page }: Op): void {
    const out = new Uint8Array(1);
    const expected = (page < PAGES ? cells : this.#objectCells).get(page)?.value ?? 0;
    if (space.read(va(addressOf(page)), out)) assert.equal(out[0], expected, `page ${page}`);
  }

  fork(proc: Proc): void {
    if (this.#procs.length >= 3) return;
    const space = proc.space.fork();
    if (space === undefined) return;
    const cells = new Map(this.#objectCells);
    for (const [page, { value }] of proc.cells) if (page < PAGES) cells.set(page, { value });
    this.#procs.push({ space, cells });
  }

  exit(proc: Proc): void {
    if (this.#procs.length === 1) return;
    proc.space.destroy();
    this.#procs.splice(this.#procs.indexOf(proc), 1);
  }

  unmap({ space, cells }: Proc, { page, count }: Op): void {
    if (page >= PAGES) return;
    const pages = Math.min(count, PAGES - page);
    const request = { at: addressOf(page), length: pages * PAGE_SIZE, prot: RW };
    assert.ok(space.mmap({ ...request, fixed: 'replace' }) > 0);
    for (let n = page; n < page + pages; n++) cells.delete(n);
  }

  pin({ space, cells }: Proc, { page }: Op): void {
    const pin = space.pin(va(addressOf(page)), 1, { write: true });
    if (typeof pin === 'number') return;
    if (!cells.has(page)) this.#newCell(cells, page, 0);
    this.#pins.push({ pin, cell: cells.get(page)! });
  }

  /** Several pages, all where they may stay; they count until they are unpinned. */
  pinLongterm({ space, cells }: Proc, { page, count }: Op): void {
    const { pages, sched } = this.box;
    const last = page < PAGES ? PAGES : PAGES + OBJECT_PAGES;
    const most = Math.min(1 + (count % 8), last - page);
    const before = pages.pinsOutstanding;
    const pin = space.pin(va(addressOf(page)), most, { write: true, longterm: true });
    if (typeof pin === 'number') {
      assert.equal(pin, -ENOMEM, sched.trace.lastCause?.text);
      assert.equal(pages.pinsOutstanding, before, 'a failure leaves pins');
      // What was faulted in before it failed is there now, as zeros.
      return;
    }
    for (const [n, at] of pin.pages.entries()) {
      const frame = pages.frames.frame(at);
      assert.ok(isLongtermPinnable(pages, pages.frames.folio(frame)), 'in the way');
      if (!cells.has(page + n)) this.#newCell(cells, page + n, 0);
    }
    const list = pin.pages.map((_, n) => cells.get(page + n)!);
    this.#longterm.push({ pin, cells: list });
  }

  unpinLongterm(_: Proc, { who, value }: Op): void {
    const [gone] = this.#longterm.splice(who % Math.max(1, this.#longterm.length), 1);
    gone?.pin.unpin(value % 2 === 0);
  }

  unpin(_: Proc, { who }: Op): void {
    const [gone] = this.#pins.splice(who % Math.max(1, this.#pins.length), 1);
    gone?.pin.unpin();
  }

  device(_: Proc, { who, value }: Op): void {
    const pin = this.#pins[who % Math.max(1, this.#pins.length)];
    if (pin === undefined) return;
    this.box.machine.normal.bytes(pin.pin.pages[0]!, 1, 'write')[0] = value;
    pin.cell.value = value;
  }

  cmaAlloc(_: Proc, { count }: Op): void {
    const at = this.#cma.alloc({ count });
    if (at !== undefined) this.#buffers.push({ at, count });
  }

  cmaRelease(_: Proc, { who }: Op): void {
    const [gone] = this.#buffers.splice(who % Math.max(1, this.#buffers.length), 1);
    if (gone !== undefined) assert.ok(this.#cma.release(gone.at, gone.count));
  }

  /** Kernel allocations, which make the rest go to swap. */
  pressure(_: Proc, { count, value }: Op): void {
    const order = value % 4;
    for (let n = 0; n < count >> order; n++) {
      const at = this.box.pages.alloc(order, GFP_KERNEL | __GFP_COMP);
      if (at === undefined) return;
      this.#kernel.push({ at, order });
    }
  }

  relief(): void {
    for (const { at, order } of this.#kernel.splice(0)) this.box.pages.free(at, order);
  }

  migrate({ space }: Proc, { page, count }: Op): void {
    const { pages } = this.box;
    const list: number[] = [];
    for (let n = page; n < Math.min(page + count, PAGES + OBJECT_PAGES); n++) {
      const pte = space.mm.table.get(addressOf(n) / PAGE_SIZE);
      const folio = pages.frames.folio(pteFrame(pte));
      if (pteKind(pte) === PTE_PRESENT && pages.isolateFolio(folio)) list.push(folio);
    }
    const gfp = count % 2 === 0 ? GFP_USER : GFP_HIGHUSER_MOVABLE;
    migratePages(pages, list, allocMigrationTarget(pages, gfp), MR_LONGTERM_PIN);
    putbackMovablePages(pages, list);
  }

  check(): void {
    const { pages, machine } = this.box;
    const { frames } = pages;
    for (const { pin, cell } of this.#pins) {
      assert.equal(machine.normal.bytes(pin.pages[0]!, 1, 'read')[0], cell.value, 'pinned');
    }
    const longterm = this.#longterm.flatMap(({ pin, cells }) =>
      pin.pages.map((page, n) => ({ page, cell: cells[n]! })),
    );
    for (const { page, cell } of longterm) {
      assert.equal(machine.normal.bytes(page, 1, 'read')[0], cell.value, 'pinned for good');
    }
    const run = (at: Pa, count: number): number[] =>
      Array.from({ length: count }, (_, n) => frames.frame(at) + n);
    checkMemory({
      pages,
      spaces: this.#procs.map(({ space }) => space),
      cached: [...this.#object.frames()],
      cachedSlots: this.#object.swapped,
      pinned: [
        ...this.#pins.map(({ pin }) => frames.frame(pin.pages[0]!)),
        ...longterm.map(({ page }) => frames.frame(page)),
      ],
      owned: [
        ...this.#buffers.flatMap(({ at, count }) => run(at, count)),
        ...this.#kernel.map(({ at }) => frames.frame(at)),
      ],
    });
  }

  /** Everybody leaves: not a page, slot or pin is left, and the area is whole. */
  end(): void {
    for (const proc of this.#procs) {
      for (let page = 0; page < PAGES + OBJECT_PAGES; page += 7) {
        this.read(proc, { kind: 'read', who: 0, page, count: 1, value: 1 });
      }
    }
    while (this.#pins.length > 0) this.unpin(this.#procs[0]!, { ...NO_OP });
    while (this.#longterm.length > 0) this.unpinLongterm(this.#procs[0]!, { ...NO_OP });
    while (this.#buffers.length > 0) this.cmaRelease(this.#procs[0]!, { ...NO_OP });
    this.relief();
    assert.ok(this.#cma.alloc({ count: 512 }) !== undefined, 'nothing is in the way any more');
    this.#cma.release(this.#cma.base, 512);
    for (const { space } of this.#procs) space.destroy();
    this.#object.close();
    const { pages } = this.box;
    assert.deepEqual([pages.usedPages, pages.swap.used, pages.pinsOutstanding], [1, 0, 0]);
    assert.ok(pages.frames.flags.every((flags) => flags === 0));
    assert.ok(pages.frames.mapping.every((owner) => owner === 0));
    assert.ok(pages.frames.pincount.every((pins) => pins === 0));
  }

  #newCell(cells: Map<number, Cell>, page: number, value: number): void {
    const cell = { value };
    if (page < PAGES) {
      cells.set(page, cell);
      return;
    }
    this.#objectCells.set(page, cell);
    for (const proc of this.#procs) proc.cells.set(page, cell);
  }

  #add(space: AddressSpace): void {
    const request = { fixed: 'replace', prot: RW } as const;
    space.mmap({ ...request, at: AT, length: PAGES * PAGE_SIZE });
    const length = OBJECT_PAGES * PAGE_SIZE;
    space.mmap({ ...request, at: OBJECT_AT, length, shared: true, cache: this.#object });
    this.#procs.push({ space, cells: new Map() });
  }
}

const NO_OP: Op = { kind: 'read', who: 0, page: 0, count: 1, value: 1 };

describe('memory management as a whole', () => {
  for (const order of [0, 2]) {
    it(`keeps every count, content and pinned page; object of order ${order}`, () => {
      fc.assert(
        fc.property(fc.array(opArb, { minLength: 5, maxLength: 60, size: 'max' }), (ops) => {
          const model = new Model(order);
          for (const op of ops) {
            model.step(op);
            model.check();
          }
          model.end();
        }),
        { numRuns: 60 },
      );
    });
  }
});
