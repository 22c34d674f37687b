/**
 * Random programs against a simple model: each process is a map from pages to cells of bytes, fork
 * copies private cells at once, and a pin is a reference to a cell. What the model does eagerly,
 * the address space does lazily; nobody must be able to tell, and no page may be lost.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EINVAL, ENOMEM } from '../../abi/errno.ts';
import {
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_KEEPONFORK,
  MADV_PAGEOUT,
  MADV_WIPEONFORK,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { makeMemory } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';
import type { PinnedPages } from './user-memory.ts';

const AT = 0x40_0000;
const PAGES = 6;
const PROTS = [PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE] as const;

interface Cell {
  readonly bytes: Uint8Array;
  readonly shared: boolean;
}

interface MappedPage {
  cell: Cell;
  prot: number;
  /** What madvise() said of fork. */
  advice: 'copy' | 'keep' | 'wipe' | 'keep and wipe';
}

/** What advice makes of a page. */
const ADVICE: ReadonlyMap<number, (page: MappedPage) => void> = new Map<
  number,
  (page: MappedPage) => void
>([
  [MADV_DODUMP, () => {}],
  [MADV_PAGEOUT, () => {}],
  [
    MADV_DONTNEED,
    (page) => {
      if (!page.cell.shared) page.cell = newCell(false);
    },
  ],
  [MADV_DONTFORK, (page) => void (page.advice = wipes(page) ? 'keep and wipe' : 'keep')],
  [MADV_DOFORK, (page) => void (page.advice = wipes(page) ? 'wipe' : 'copy')],
  [MADV_WIPEONFORK, (page) => void (page.advice = keeps(page) ? 'keep and wipe' : 'wipe')],
  [MADV_KEEPONFORK, (page) => void (page.advice = keeps(page) ? 'keep' : 'copy')],
]);

const keeps = ({ advice }: MappedPage): boolean => advice.startsWith('keep');
const wipes = ({ advice }: MappedPage): boolean => advice.endsWith('wipe');
const newCell = (shared: boolean): Cell => ({ bytes: new Uint8Array(PAGE_SIZE), shared });

interface ModelProcess {
  readonly space: AddressSpace;
  readonly pages: Map<number, MappedPage>;
}

interface ModelPin {
  readonly pin: PinnedPages;
  readonly cells: readonly Cell[];
}

const rangeArb = fc.record({
  first: fc.nat({ max: PAGES - 1 }),
  count: fc.integer({ min: 1, max: 4 }),
});
const opArb = fc.record({
  kind: fc.constantFrom(
    ...(['mmap', 'munmap', 'mprotect', 'madvise', 'madvise', 'fork', 'exit'] as const),
    ...(['write', 'write', 'write', 'read', 'read', 'pin', 'unpin', 'device'] as const),
  ),
  who: fc.nat(),
  range: rangeArb,
  prot: fc.constantFrom(...PROTS, PROTS[2], PROTS[2]),
  advice: fc.constantFrom(...ADVICE.keys()),
  shared: fc.boolean(),
  populate: fc.boolean(),
  offset: fc.nat({ max: PAGE_SIZE - 1 }),
  length: fc.integer({ min: 1, max: 2 * PAGE_SIZE + 10 }),
  value: fc.integer({ min: 1, max: 255 }),
});
type Op = (typeof opArb)['generate'] extends (...args: never[]) => { value: infer V } ? V : never;

class Model {
  readonly box: MemoryBox = makeMemory({ mib: 2 });
  readonly #processes: ModelProcess[] = [];
  readonly #pins: ModelPin[] = [];

  constructor() {
    this.#processes.push({ space: this.box.addressSpace(), pages: new Map() });
  }

  run(op: Op): void {
    const process = this.#processes[op.who % Math.max(1, this.#processes.length)];
    if (process === undefined) return;
    const pin = this.#pins[op.who % Math.max(1, this.#pins.length)];
    if (op.kind === 'fork') this.#fork(process);
    else if (op.kind === 'exit') this.#exit(process, op);
    else if (op.kind === 'pin') this.#pin(process, op);
    else if (op.kind === 'unpin') this.#unpin(pin);
    else if (op.kind === 'device') this.#device(pin, op);
    else this[op.kind](process, op);
  }

  mmap({ space, pages }: ModelProcess, { range, prot, shared, populate }: Op): void {
    const at = AT + range.first * PAGE_SIZE;
    const length = range.count * PAGE_SIZE;
    const request = { at, length, prot, shared, populate, fixed: 'replace' as const };
    assert.equal(space.mmap(request), at);
    for (const page of pagesOf(range)) {
      pages.set(page, { cell: newCell(shared), prot, advice: 'copy' });
    }
  }

  munmap({ space, pages }: ModelProcess, { range }: Op): void {
    assert.equal(space.munmap(AT + range.first * PAGE_SIZE, range.count * PAGE_SIZE), 0);
    for (const page of pagesOf(range)) pages.delete(page);
  }

  mprotect({ space, pages }: ModelProcess, { range, prot }: Op): void {
    const all = pagesOf(range).every((page) => pages.has(page));
    const result = space.mprotect(AT + range.first * PAGE_SIZE, range.count * PAGE_SIZE, prot);
    assert.equal(result === 0, all);
    for (const page of pagesOf(range)) {
      const mapped = pages.get(page);
      if (mapped === undefined) break;
      mapped.prot = prot;
    }
  }

  /** Holes are passed over, and -ENOMEM in the end; a mapping that refuses ends it. */
  madvise({ space, pages }: ModelProcess, { range, advice }: Op): void {
    const length = range.count * PAGE_SIZE;
    const result = space.madvise(AT + range.first * PAGE_SIZE, length, advice);
    let expected = 0;
    for (const number of pagesOf(range)) {
      const page = pages.get(number);
      if (page === undefined) expected = -ENOMEM;
      else if (advice === MADV_WIPEONFORK && page.cell.shared) {
        expected = -EINVAL;
        break;
      } else ADVICE.get(advice)!(page);
    }
    assert.equal(result, expected);
  }

  write({ space, pages }: ModelProcess, { range, offset, length, value }: Op): void {
    const start = range.first * PAGE_SIZE + offset;
    let done = 0;
    while (done < length) {
      const mapped = pages.get(Math.floor((start + done) / PAGE_SIZE));
      if (mapped === undefined || (mapped.prot & PROT_WRITE) === 0) break;
      mapped.cell.bytes[(start + done) % PAGE_SIZE] = value;
      done += 1;
    }
    const data = new Uint8Array(length).fill(value);
    assert.equal(space.write(va(AT + start), data), done === length);
  }

  read({ space, pages }: ModelProcess, { range, offset, length }: Op): void {
    const start = range.first * PAGE_SIZE + offset;
    const expected: number[] = [];
    while (expected.length < length) {
      const position = start + expected.length;
      const mapped = pages.get(Math.floor(position / PAGE_SIZE));
      if (mapped === undefined || mapped.prot === PROT_NONE) break;
      expected.push(mapped.cell.bytes[position % PAGE_SIZE]!);
    }
    const out = new Uint8Array(length);
    assert.equal(space.read(va(AT + start), out), expected.length === length);
    if (expected.length === length) assert.deepEqual([...out], expected);
  }

  #fork(parent: ModelProcess): void {
    if (this.#processes.length >= 4) return;
    const space = parent.space.fork();
    assert.ok(space !== undefined);
    const pages = new Map<number, MappedPage>();
    for (const [number, page] of parent.pages) {
      if (keeps(page)) continue;
      const { cell } = page;
      const own = { bytes: cell.bytes.slice(), shared: false };
      pages.set(number, { ...page, cell: wipes(page) ? newCell(false) : cell.shared ? cell : own });
    }
    this.#processes.push({ space, pages });
  }

  #exit(process: ModelProcess, op: Op): void {
    if (this.#processes.length === 1) return;
    process.space.destroy();
    this.#processes.splice(op.who % this.#processes.length, 1);
  }

  #pin({ space, pages }: ModelProcess, { range }: Op): void {
    const cells: Cell[] = [];
    for (let page = range.first; page < range.first + range.count; page++) {
      const mapped = pages.get(page);
      if (mapped === undefined || (mapped.prot & PROT_WRITE) === 0) break;
      cells.push(mapped.cell);
    }
    const pin = space.pin(va(AT + range.first * PAGE_SIZE), range.count, { write: true });
    if (typeof pin === 'number') {
      assert.equal(cells.length, 0);
      return;
    }
    assert.equal(pin.pages.length, cells.length);
    this.#pins.push({ pin, cells });
  }

  #unpin(entry: ModelPin | undefined): void {
    if (entry === undefined) return;
    this.#pins.splice(this.#pins.indexOf(entry), 1);
    entry.pin.unpin();
  }

  /** The secure world writes to pinned memory. */
  #device(entry: ModelPin | undefined, { offset, value }: Op): void {
    for (const [i, page] of (entry?.pin.pages ?? []).entries()) {
      this.box.machine.normal.bytes(page, PAGE_SIZE, 'write')[offset] = value;
      entry!.cells[i]!.bytes[offset] = value;
    }
  }

  /** VMAs cover what is mapped, in order, none of them empty, and none that could be one with the next. */
  checkVmas(): void {
    for (const { space, pages } of this.#processes) {
      const vmas = [...space.mm.vmas].reverse();
      for (const [n, vma] of vmas.entries()) {
        const next = vmas[n + 1];
        assert.ok(vma.start < vma.end && (next === undefined || vma.end <= next.start));
        assert.ok(next === undefined || !vma.mergesWith(next), 'two that could be one');
      }
      const mapped = vmas.flatMap(({ firstPage, endPage }) =>
        pagesOf({ first: firstPage - AT / PAGE_SIZE, count: endPage - firstPage }),
      );
      assert.deepEqual(
        mapped,
        [...pages.keys()].sort((a, b) => a - b),
      );
    }
  }

  /** Every pinned page still shows what its cell holds. */
  checkPins(): void {
    for (const { pin, cells } of this.#pins) {
      for (const [i, page] of pin.pages.entries()) {
        const bytes = this.box.machine.normal.bytes(page, PAGE_SIZE, 'read');
        assert.ok(Buffer.from(bytes).equals(cells[i]!.bytes));
      }
    }
  }

  end(): void {
    for (const process of this.#processes) process.space.destroy();
    while (this.#pins.length > 0) this.#unpin(this.#pins[0]);
  }
}

function pagesOf({ first, count }: { first: number; count: number }): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

describe('address spaces', () => {
  it('cannot be told from eager copies, and leak nothing', () => {
    fc.assert(
      fc.property(fc.array(opArb, { minLength: 10, maxLength: 120 }), (ops) => {
        const model = new Model();
        for (const op of ops) {
          model.run(op);
          model.checkPins();
          model.checkVmas();
        }
        model.end();
        const { pages } = model.box;
        assert.equal(pages.usedPages, 1);
        assert.equal(pages.pinsOutstanding, 0);
        assert.ok(pages.frames.refs.every((refs, frame) => refs === (frame === 0 ? 1 : 0)));
        assert.ok(pages.frames.flags.every((flags) => flags === 0));
      }),
      { numRuns: 500 },
    );
  });
});
