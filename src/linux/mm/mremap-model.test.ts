/**
 * Random programs that move their memory about, against a model that knows of pages and cells only:
 * what is at an address, what a pin shows, how much is mapped. Meanwhile frames are moved and reclaimed
 * under them, which has to find each page wherever it has gone.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EFAULT, EINVAL, ENOMEM } from '../../abi/errno.ts';
import {
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
import { PTE_PRESENT, pteFrame, pteKind } from './page-table.ts';
import { checkMemory } from './testing/check-memory.ts';
import { AT, RW, makeMemory, totalVm } from './testing/memory.ts';
import type { PinnedPages } from './user-memory.ts';

/** Pages that operations begin at. */
const PAGES = 10;
const MOVE = MREMAP_MAYMOVE;
const FIXED = MREMAP_MAYMOVE | MREMAP_FIXED;
const KEEP = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;

/** What a page holds. */
interface Cell {
  value: number;
}

/** Memory that is shared: a cell for each of its pages. */
type SharedObject = readonly Cell[];

interface Page {
  /** Undefined behind the end of a shared object: SIGBUS. */
  readonly cell: Cell | undefined;
  readonly writable: boolean;
  readonly object: SharedObject | undefined;
  /** Page of the object. */
  readonly index: number;
}

interface Proc {
  readonly space: AddressSpace;
  readonly pages: Map<number, Page>;
}

interface Pin {
  readonly pin: PinnedPages;
  readonly cells: readonly Cell[];
}

const opArb = fc.record({
  kind: fc.constantFrom(
    ...(['mmap', 'mmap', 'munmap', 'fork', 'exit', 'write', 'write', 'read'] as const),
    ...(['mremap', 'mremap', 'mremap', 'mremap', 'pin', 'unpin', 'device'] as const),
    ...(['migrate', 'reclaim'] as const),
  ),
  who: fc.nat(),
  first: fc.nat({ max: PAGES - 1 }),
  count: fc.integer({ min: 1, max: 4 }),
  to: fc.nat({ max: PAGES - 1 }),
  newCount: fc.integer({ min: 1, max: 4 }),
  flags: fc.constantFrom(0, MOVE, FIXED, FIXED, FIXED, KEEP, KEEP | MREMAP_FIXED),
  shared: fc.boolean(),
  writable: fc.constantFrom(true, true, false),
  value: fc.integer({ min: 1, max: 255 }),
});
type Op = (typeof opArb)['generate'] extends (...args: never[]) => { value: infer V } ? V : never;

const addressOf = (page: number): number => AT + page * PAGE_SIZE;
const run = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, n) => first + n);

class Model {
  readonly box = makeMemory({ mib: 2, swapPages: 2000 });
  readonly #procs: Proc[] = [{ space: this.box.addressSpace(), pages: new Map() }];
  #pins: Pin[] = [];

  step(op: Op): void {
    this[op.kind](this.#procs[op.who % this.#procs.length]!, op);
  }

  mmap({ space, pages }: Proc, { first, count, shared, writable }: Op): void {
    const prot = writable ? RW : PROT_READ;
    const request = { at: addressOf(first), length: count * PAGE_SIZE, prot, shared };
    assert.equal(space.mmap({ ...request, fixed: 'replace' }), addressOf(first));
    const object = shared ? run(0, count).map(() => ({ value: 0 })) : undefined;
    for (const n of run(0, count)) {
      pages.set(first + n, { cell: object?.[n] ?? { value: 0 }, writable, object, index: n });
    }
  }

  munmap({ space, pages }: Proc, { first, count }: Op): void {
    assert.equal(space.munmap(addressOf(first), count * PAGE_SIZE), 0);
    for (const page of run(first, count)) pages.delete(page);
  }

  mremap({ space, pages }: Proc, op: Op): void {
    const { first, to, newCount, flags } = op;
    const keeps = (flags & MREMAP_DONTUNMAP) !== 0;
    const placed = keeps || (flags & MREMAP_FIXED) !== 0;
    const count = keeps ? newCount : op.count;
    const known = pages.has(first);
    const rc = space.mremap({
      addr: addressOf(first),
      oldLength: count * PAGE_SIZE,
      newLength: newCount * PAGE_SIZE,
      flags,
      newAddr: addressOf(to),
      lockLimit: 0,
    });
    if (!known) return assert.equal(rc, -EFAULT);
    if (placed && to < first + count && first < to + newCount) return assert.equal(rc, -EINVAL);
    if ((flags & MREMAP_FIXED) !== 0) for (const page of run(to, newCount)) pages.delete(page);
    for (const page of run(first + newCount, count - newCount)) pages.delete(page);
    if (!placed && count >= newCount) return assert.equal(rc, addressOf(first));
    this.#move(pages, { first, kept: Math.min(count, newCount), newCount, flags, to, rc });
  }

  /** Of what is asked for, several pages may be several mappings: then nothing moves. */
  #move(pages: Map<number, Page>, { first, kept, newCount, flags, to, rc }: Move): void {
    const old = run(first, kept).map((page) => pages.get(page));
    const [one] = old;
    if (rc === -EFAULT) return assert.ok(kept > 1, 'one page is of one mapping');
    assert.ok(one !== undefined && old.every((page) => page !== undefined && fits(one, page)));
    const placed = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
    const room = run(first + kept, newCount - kept).every((page) => !pages.has(page));
    if (!placed && !room && (flags & MOVE) === 0) return assert.equal(rc, -ENOMEM);
    assert.ok(rc > 0, `${rc}`);
    const at = (rc - AT) / PAGE_SIZE;
    if ((flags & MREMAP_FIXED) !== 0) assert.equal(at, to);
    if (!placed && room) assert.equal(at, first);
    for (const page of run(first, kept)) pages.delete(page);
    for (const n of run(0, newCount)) {
      assert.ok(!pages.has(at + n), 'something is there');
      pages.set(at + n, old[n] ?? behind(one, n));
    }
    if ((flags & MREMAP_DONTUNMAP) === 0) return;
    for (const [n, page] of old.entries()) pages.set(first + n, emptied(page!));
  }

  write({ space, pages }: Proc, { first, value }: Op): void {
    const page = pages.get(first);
    const may = page?.cell !== undefined && page.writable;
    assert.equal(space.write(va(addressOf(first)), Uint8Array.of(value)), may);
    if (may) page.cell!.value = value;
  }

  read({ space, pages }: Proc, { first }: Op): void {
    this.#expect(space, first, pages.get(first)?.cell);
  }

  #expect(space: AddressSpace, page: number, cell: Cell | undefined): void {
    const out = new Uint8Array(1);
    assert.equal(space.read(va(addressOf(page)), out), cell !== undefined);
    if (cell !== undefined) assert.equal(out[0], cell.value, `page ${page}`);
  }

  fork({ space, pages }: Proc): void {
    if (this.#procs.length >= 3) return;
    const copy = ([n, page]: [number, Page]): [number, Page] => {
      const own = page.object === undefined && page.cell !== undefined;
      return [n, own ? { ...page, cell: { value: page.cell!.value } } : page];
    };
    this.#procs.push({ space: space.fork()!, pages: new Map([...pages].map(copy)) });
  }

  exit(proc: Proc): void {
    if (this.#procs.length === 1) return;
    proc.space.destroy();
    this.#procs.splice(this.#procs.indexOf(proc), 1);
  }

  pin({ space, pages }: Proc, { first, count }: Op): void {
    const cells: Cell[] = [];
    for (const page of run(first, count).map((n) => pages.get(n))) {
      if (page?.cell === undefined || !page.writable) break;
      cells.push(page.cell);
    }
    const pin = space.pin(va(addressOf(first)), count, { write: true });
    assert.equal(typeof pin === 'number' ? 0 : pin.pages.length, cells.length);
    if (typeof pin !== 'number') this.#pins.push({ pin, cells });
  }

  unpin(_: Proc, { who }: Op): void {
    const [gone] = this.#pins.splice(who % Math.max(1, this.#pins.length), 1);
    gone?.pin.unpin();
  }

  device(_: Proc, { who, value }: Op): void {
    const entry = this.#pins[who % Math.max(1, this.#pins.length)];
    for (const [n, page] of (entry?.pin.pages ?? []).entries()) {
      this.box.machine.normal.bytes(page, 1, 'write')[0] = value;
      entry!.cells[n]!.value = value;
    }
  }

  migrate({ space, pages: mapped }: Proc): void {
    const { pages } = this.box;
    const list: number[] = [];
    for (const page of mapped.keys()) {
      const pte = space.mm.table.get(addressOf(page) / PAGE_SIZE);
      if (pteKind(pte) === PTE_PRESENT && pages.isolateFolio(pteFrame(pte))) {
        list.push(pteFrame(pte));
      }
    }
    const pinned = new Set(
      this.#pins.flatMap(({ pin }) => pin.pages.map((page) => pages.frames.frame(page))),
    );
    const held = list.filter((frame) => pinned.has(frame)).length;
    const target = allocMigrationTarget(pages, GFP_HIGHUSER_MOVABLE);
    assert.equal(migratePages(pages, list, target, MR_CONTIG_RANGE), held, 'all but pinned ones');
    putbackMovablePages(pages, list);
  }

  reclaim({ space }: Proc, { first, count }: Op): void {
    space.madvise(addressOf(first), count * PAGE_SIZE, MADV_PAGEOUT);
  }

  check(): void {
    for (const { space, pages } of this.#procs) {
      assert.equal(totalVm(space.mm.vmas), pages.size, 'total_vm');
    }
    for (const { pin, cells } of this.#pins) {
      for (const [n, page] of pin.pages.entries()) {
        assert.equal(this.box.machine.normal.bytes(page, 1, 'read')[0], cells[n]!.value, 'pinned');
      }
    }
  }

  end(): void {
    for (const { space, pages } of this.#procs) {
      for (const [page, { cell }] of pages) this.#expect(space, page, cell);
      space.destroy();
      assert.equal(space.mm.table.size, 0, 'page tables are left');
    }
    for (const { pin } of this.#pins) pin.unpin();
    const { pages } = this.box;
    const nothing = { spaces: [], cached: [], pinned: [], owned: [], cachedSlots: 0 };
    checkMemory({ pages, ...nothing });
    assert.deepEqual([pages.usedPages, pages.swap.used, pages.pinsOutstanding], [1, 0, 0]);
  }
}

interface Move {
  readonly first: number;
  /** Pages that are kept, and that there are to be. */
  readonly kept: number;
  readonly newCount: number;
  readonly flags: number;
  readonly to: number;
  readonly rc: number;
}

/** Whether two pages may be of one mapping. */
const fits = (a: Page, b: Page): boolean => a.writable === b.writable && a.object === b.object;

/** Page `n` of a mapping that has grown. */
function behind(one: Page, n: number): Page {
  const { object } = one;
  const index = one.index + n;
  return { ...one, cell: object === undefined ? { value: 0 } : object[index], index };
}

/** MREMAP_DONTUNMAP: private memory is fresh, shared memory is seen at both places. */
const emptied = (page: Page): Page =>
  page.object === undefined ? { ...page, cell: { value: 0 } } : page;

describe('memory that moves about', () => {
  it('cannot be told from cells, and is found by those who move and reclaim frames', () => {
    fc.assert(
      fc.property(fc.array(opArb, { minLength: 10, maxLength: 120, size: 'max' }), (ops) => {
        const model = new Model();
        for (const op of ops) {
          model.step(op);
          model.check();
        }
        model.end();
      }),
      { numRuns: 400 },
    );
  });
});
