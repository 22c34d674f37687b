/**
 * Random sequences of what processes, drivers, CMA's owner and reclaim do to memory, against a model
 * that knows nothing of frames: what each process must read, which pages a pin must keep still, and
 * what a file must hold in the end.
 * After each step all counts are made anew from the page tables.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EFAULT, ENOMEM } from '../../abi/errno.ts';
import {
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import type { CmaArea } from './cma.ts';
import { FileMap } from './filemap.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, GFP_USER, __GFP_COMP } from './gfp.ts';
import { FOLL_FORCE, FOLL_WRITE } from './gup-flags.ts';
import { isLongtermPinnable } from './gup-longterm.ts';
import { getUserPagesFast } from './gup.ts';
import {
  MR_LONGTERM_PIN,
  allocMigrationTarget,
  migratePages,
  putbackMovablePages,
} from './migrate.ts';
import { PG_ANON } from './page-frames.ts';
import { PTE_PRESENT, PTE_SWAP, pteFrame, pteKind } from './page-table.ts';
import { Shmem } from './shmem.ts';
import { checkMemory } from './testing/check-memory.ts';
import { BASE, MIB, RW, makeMemory } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';
import {
  ALL_PAGES,
  AREAS,
  COPY,
  FILE,
  FILE_PAGES,
  OBJECT,
  OBJECT_PAGES,
  PAGES,
  addressOf,
  areaOf,
  diskFile,
  isFile,
  isPrivate,
} from './testing/model-areas.ts';
import type { ReferencedPages } from './unpin.ts';
import type { PinnedPages } from './user-memory.ts';

const SPARE_AT = 0x3000_0000;

/** One page, to a place that is given. */
function move(space: AddressSpace, addr: number, newAddr: number): void {
  const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  const length = { oldLength: PAGE_SIZE, newLength: PAGE_SIZE, lockLimit: 0 };
  assert.equal(space.mremap({ addr, newAddr, flags, ...length }), newAddr);
}

function swapKeys<T>(map: Map<number, T>, a: number, b: number): void {
  const [one, other] = [map.get(a), map.get(b)];
  map.delete(a);
  map.delete(b);
  if (one !== undefined) map.set(b, one);
  if (other !== undefined) map.set(a, other);
}

interface Cell {
  value: number;
}

interface Proc {
  readonly space: AddressSpace;
  readonly cells: Map<number, Cell>;
  /** Pages that mprotect() has made read only. */
  readonly readOnly: Set<number>;
}

interface Pin {
  readonly pin: PinnedPages;
  readonly cell: Cell;
  /** What a device writes to a file is lost unless who unpins says so. */
  readonly makeDirty: boolean;
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
  ...([
    'migrate',
    'device',
    'exchange',
    'exchange',
    'advise',
    'protect',
    'truncate',
    'fsync',
    'get',
    'put',
  ] as const),
] as const;

const opArb = fc.record({
  kind: fc.constantFrom(...KINDS),
  who: fc.nat(),
  page: fc.nat({ max: ALL_PAGES - 1 }),
  count: fc.integer({ min: 1, max: 400 }),
  value: fc.integer({ min: 1, max: 255 }),
});
type Op = (typeof opArb)['generate'] extends (...args: never[]) => { value: infer V } ? V : never;

class Model {
  readonly box: MemoryBox;
  readonly #cma: CmaArea;
  readonly #object: Shmem;
  readonly #file: FileMap;
  readonly #disk = new Uint8Array(FILE_PAGES * PAGE_SIZE);
  readonly #procs: Proc[] = [];
  /** Of the object and the file. */
  readonly #sharedCells = new Map<number, Cell>();
  #pins: Pin[] = [];
  #longterm: { readonly pin: PinnedPages; readonly cells: readonly Cell[] }[] = [];
  #buffers: { at: Pa; count: number }[] = [];
  #kernel: { at: Pa; order: number }[] = [];
  #references: ReferencedPages[] = [];

  constructor(order: number) {
    const zones = [
      { name: 'NORMAL', end: BASE + 2 * MIB },
      { name: 'MOVABLE', end: Infinity },
    ] as const;
    this.box = makeMemory({ mib: 4, cmaMib: 2, zones, swapPages: 4000, minFreeKbytes: 128 });
    assert.ok(this.box.cma !== undefined);
    this.#cma = this.box.cma;
    const { pages } = this.box;
    this.#object = new Shmem(pages, { order, bytes: OBJECT_PAGES * PAGE_SIZE });
    this.#object.open();
    this.#file = new FileMap({ pages, name: '/film', file: diskFile(this.#disk) });
    this.#add(this.box.addressSpace());
  }

  step(op: Op): void {
    const proc = this.#procs[op.who % this.#procs.length]!;
    this[op.kind](proc, op);
  }

  write({ space, cells, readOnly }: Proc, { page, value }: Op): void {
    if (!space.write(va(addressOf(page)), Uint8Array.of(value))) return;
    assert.ok(!readOnly.has(page), 'written though it is read only');
    const cell = cells.get(page);
    if (cell !== undefined) cell.value = value;
    else this.#newCell(cells, page, value);
  }

  writeRun(proc: Proc, op: Op): void {
    const end = Math.min(ALL_PAGES, op.page + op.count);
    for (let page = op.page; page < end; page++) this.write(proc, { ...op, page });
  }

  read({ space, cells }: Proc, { page }: Op): void {
    const out = new Uint8Array(1);
    const expected = cells.get(page)?.value ?? this.#before(page);
    if (space.read(va(addressOf(page)), out)) assert.equal(out[0], expected, `page ${page}`);
  }

  fork(proc: Proc): void {
    if (this.#procs.length >= 3) return;
    const space = proc.space.fork();
    if (space === undefined) return;
    const cells = new Map(this.#sharedCells);
    for (const [page, { value }] of proc.cells) if (isPrivate(page)) cells.set(page, { value });
    this.#procs.push({ space, cells, readOnly: new Set(proc.readOnly) });
  }

  exit(proc: Proc): void {
    if (this.#procs.length === 1) return;
    proc.space.destroy();
    this.#procs.splice(this.#procs.indexOf(proc), 1);
  }

  unmap({ space, cells, readOnly }: Proc, { page, count }: Op): void {
    if (page >= PAGES) return;
    const pages = Math.min(count, PAGES - page);
    const request = { at: addressOf(page), length: pages * PAGE_SIZE, prot: RW };
    assert.ok(space.mmap({ ...request, fixed: 'replace' }) > 0);
    for (let n = page; n < page + pages; n++) {
      cells.delete(n);
      readOnly.delete(n);
    }
  }

  /** Pages change places (mremap), one by one, with what they hold and whoever has them pinned. */
  exchange({ space, cells, readOnly }: Proc, { page, count, who }: Op): void {
    const [a, b] = [page % PAGES, who % PAGES];
    for (let n = 0; n < count % 16; n++) {
      const [from, to] = [(a + n) % PAGES, (b + n) % PAGES];
      if (from === to) continue;
      move(space, addressOf(from), SPARE_AT);
      move(space, addressOf(to), addressOf(from));
      move(space, SPARE_AT, addressOf(to));
      swapKeys(cells, from, to);
      const fixed = new Map([...readOnly].map((one) => [one, true] as const));
      swapKeys(fixed, from, to);
      readOnly.clear();
      for (const one of fixed.keys()) readOnly.add(one);
    }
  }

  advise({ space, cells }: Proc, { page, count, value }: Op): void {
    const end = Math.min(areaOf(page).end, page + count);
    const advice = value % 2 === 0 ? MADV_DONTNEED : MADV_PAGEOUT;
    assert.equal(space.madvise(addressOf(page), (end - page) * PAGE_SIZE, advice), 0);
    if (advice === MADV_PAGEOUT || !isPrivate(page)) return;
    for (let n = page; n < end; n++) cells.delete(n);
  }

  protect({ space, readOnly }: Proc, { page, count, value }: Op): void {
    const end = Math.min(areaOf(page).end, page + count);
    const prot = value % 2 === 0 ? PROT_READ : RW;
    assert.equal(space.mprotect(addressOf(page), (end - page) * PAGE_SIZE, prot), 0);
    for (let n = page; n < end; n++) {
      if (prot === RW) readOnly.delete(n);
      else readOnly.add(n);
    }
  }

  /** The object loses its end, and has it again, empty. Large folios are not cut. */
  truncate(_: Proc, { page }: Op): void {
    const left = page & (OBJECT_PAGES - 4);
    this.#object.truncate(left * PAGE_SIZE);
    this.#object.truncate(OBJECT_PAGES * PAGE_SIZE);
    for (let n = OBJECT.first + left; n < OBJECT.end; n++) {
      this.#sharedCells.delete(n);
      for (const { cells } of this.#procs) cells.delete(n);
    }
  }

  fsync(): void {
    assert.equal(this.#file.fsync(), 0);
    for (let n = FILE.first; n < FILE.end; n++) {
      const pinned = this.#pins.some(({ cell }) => cell === this.#sharedCells.get(n));
      if (!pinned) assert.equal(this.#stored(n), this.#sharedCells.get(n)?.value ?? 0);
    }
  }

  /** References that keep nothing where it is, but allocated. */
  get(proc: Proc, { page, value }: Op): void {
    const { mm } = proc.space;
    const got = getUserPagesFast(mm, va(addressOf(page)), 1, value % 2 && FOLL_WRITE);
    this.#noteCopies(proc, page, page + 1);
    if (typeof got !== 'number') this.#references.push(got);
  }

  put(_: Proc, { who }: Op): void {
    const [gone] = this.#references.splice(who % Math.max(1, this.#references.length), 1);
    gone?.put();
  }

  pin({ space, cells, readOnly }: Proc, { page, value }: Op): void {
    const foll = value % 4 === 0 ? FOLL_FORCE : 0;
    const pin = space.pin(va(addressOf(page)), 1, { write: true, foll });
    if (typeof pin === 'number') return;
    const forced = foll !== 0 && isPrivate(page);
    assert.ok(forced || !readOnly.has(page), 'pinned for writing though it is read only');
    if (!cells.has(page)) this.#newCell(cells, page);
    this.#pins.push({ pin, cell: cells.get(page)!, makeDirty: isFile(page) });
  }

  /**
   * Several pages, all where they may stay; they count until they are unpinned. What is pinned for
   * reading shows what the process writes later, too.
   */
  pinLongterm(proc: Proc, { page, count, value }: Op): void {
    const { space, cells, readOnly } = proc;
    const { pages, sched } = this.box;
    const write = value % 2 === 0;
    const most = Math.min(1 + (count % 8), areaOf(page).end - page);
    const before = pages.pinsOutstanding;
    const pin = space.pin(va(addressOf(page)), most, { write, longterm: true });
    const refused = write && (isFile(page) || readOnly.has(page));
    this.#noteCopies(proc, page, page + most);
    if (typeof pin === 'number') {
      assert.equal(pin, refused ? -EFAULT : -ENOMEM, sched.trace.lastCause?.text);
      assert.equal(pages.pinsOutstanding, before, 'a failure leaves pins');
      return;
    }
    assert.ok(!refused);
    for (const [n, at] of pin.pages.entries()) {
      const frame = pages.frames.frame(at);
      assert.ok(isLongtermPinnable(pages, pages.frames.folio(frame)), 'in the way');
      if (!cells.has(page + n)) this.#newCell(cells, page + n);
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
    gone?.pin.unpin(gone.makeDirty);
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
    for (let n = page; n < Math.min(page + count, ALL_PAGES); n++) {
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
      cached: [...this.#object.frames(), ...this.#file.frames()],
      cachedSlots: this.#object.swapped,
      pinned: [
        ...this.#pins.map(({ pin }) => frames.frame(pin.pages[0]!)),
        ...longterm.map(({ page }) => frames.frame(page)),
      ],
      owned: [
        ...this.#buffers.flatMap(({ at, count }) => run(at, count)),
        ...this.#kernel.map(({ at }) => frames.frame(at)),
        ...this.#references.flatMap((got) => got.pages.map((page) => frames.frame(page))),
      ],
    });
  }

  /** Everybody leaves: not a page, slot or pin is left, and the area is whole. */
  end(): void {
    for (const proc of this.#procs) {
      for (let page = 0; page < ALL_PAGES; page += 7) {
        this.read(proc, { kind: 'read', who: 0, page, count: 1, value: 1 });
      }
    }
    while (this.#pins.length > 0) this.unpin(this.#procs[0]!, { ...NO_OP });
    while (this.#longterm.length > 0) this.unpinLongterm(this.#procs[0]!, { ...NO_OP });
    while (this.#references.length > 0) this.put(this.#procs[0]!, { ...NO_OP });
    while (this.#buffers.length > 0) this.cmaRelease(this.#procs[0]!, { ...NO_OP });
    this.relief();
    assert.ok(this.#cma.alloc({ count: 512 }) !== undefined, 'nothing is in the way any more');
    this.#cma.release(this.#cma.base, 512);
    for (const { space } of this.#procs) space.destroy();
    this.#object.close();
    assert.equal(this.#file.end(), 0);
    for (let n = FILE.first; n < FILE.end; n++) {
      assert.equal(this.#stored(n), this.#sharedCells.get(n)?.value ?? 0, 'what the file keeps');
    }
    const { pages } = this.box;
    assert.deepEqual([pages.usedPages, pages.swap.used, pages.pinsOutstanding], [1, 0, 0]);
    assert.ok(pages.frames.flags.every((flags) => flags === 0));
    assert.ok(pages.frames.mapping.every((owner) => owner === 0));
    assert.ok(pages.frames.pincount.every((pins) => pins === 0));
  }

  /** What a page shows that nobody has written to. */
  #before(page: number): number {
    return page < COPY.first ? 0 : (this.#sharedCells.get(page - FILE_PAGES)?.value ?? 0);
  }

  /** Private pages that have been copied, though nobody has written to them. */
  #noteCopies({ space, cells }: Proc, from: number, end: number): void {
    const { flags } = this.box.pages.frames;
    for (let page = from; page < end; page++) {
      const pte = space.mm.table.get(addressOf(page) / PAGE_SIZE);
      const shown = pteKind(pte) === PTE_PRESENT ? flags[pteFrame(pte)]! : 0;
      const isCopy = pteKind(pte) === PTE_SWAP || (shown & PG_ANON) !== 0;
      if (isCopy && !cells.has(page)) this.#newCell(cells, page);
    }
  }

  #newCell(cells: Map<number, Cell>, page: number, value = this.#before(page)): void {
    const cell = { value };
    if (isPrivate(page)) {
      cells.set(page, cell);
      return;
    }
    this.#sharedCells.set(page, cell);
    for (const proc of this.#procs) proc.cells.set(page, cell);
  }

  #add(space: AddressSpace): void {
    const request = { fixed: 'replace', prot: RW } as const;
    for (const [area, cache] of [
      [AREAS[0], undefined],
      [OBJECT, this.#object],
      [FILE, this.#file],
      [COPY, this.#file],
    ] as const) {
      const length = (area.end - area.first) * PAGE_SIZE;
      const shared = area === OBJECT || area === FILE;
      space.mmap({ ...request, at: area.at, length, shared, ...(cache && { cache }) });
    }
    this.#procs.push({ space, cells: new Map(), readOnly: new Set() });
  }

  /** What the file has of a page. */
  #stored(page: number): number {
    return this.#disk[(page - FILE.first) * PAGE_SIZE]!;
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
