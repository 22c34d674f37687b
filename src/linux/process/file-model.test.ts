/**
 * Random sequences of what processes, reclaim and a device do to a file, against a plain model: one
 * array of bytes, and an array for each page that a private mapping has written.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MADV_DONTNEED, MADV_PAGEOUT, MS_SYNC } from '../../abi/fcntl.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import { checkMemory } from '../mm/testing/check-memory.ts';
import { makeMemory } from '../mm/testing/memory.ts';
import type { MemoryBox } from '../mm/testing/memory.ts';
import type { FileMap } from '../mm/filemap.ts';
import type { PinnedPages } from '../mm/user-memory.ts';
import { StoreFs } from './store-fs.ts';
import type { StoreInode } from './store-fs.ts';

const PAGES = 6;
const BYTES = PAGES * PAGE_SIZE;
const SHARED_AT = 0x10_0000;
const PRIVATE_AT = 0x20_0000;

const KINDS = [
  ...(['shared', 'shared', 'private', 'private', 'write', 'write', 'truncate', 'fork'] as const),
  ...(['exit', 'drop', 'msync', 'fsync', 'pageout', 'reclaim', 'pin', 'device', 'unpin'] as const),
] as const;

const opArb = fc.record({
  kind: fc.constantFrom(...KINDS),
  who: fc.nat(),
  at: fc.nat({ max: BYTES - 1 }),
  length: fc.integer({ min: 1, max: 3 * PAGE_SIZE }),
  value: fc.integer({ min: 1, max: 255 }),
});
type Op = (typeof opArb)['generate'] extends (...args: never[]) => { value: infer V } ? V : never;

interface Proc {
  readonly space: AddressSpace;
  /** Pages that its private mapping has copied. */
  readonly copies: Map<number, Uint8Array>;
}

interface Pin {
  readonly pin: PinnedPages;
  readonly index: number;
  /** It is a page of the file still: not one that was cut off. */
  attached: boolean;
}

class Model {
  readonly #box: MemoryBox = makeMemory({ mib: 2, swapPages: 100 });
  readonly #store = new MemoryStore();
  readonly #inode: StoreInode;
  readonly #cache: FileMap;
  readonly #procs: Proc[] = [];
  #pins: Pin[] = [];
  #content = new Uint8Array(2 * PAGE_SIZE);

  constructor(type: string) {
    const fs = new StoreFs(this.#store, 1, { type });
    this.#store.createFile('f');
    this.#store.write('f', 0, this.#content);
    const inode = fs.at('f');
    assert.ok(typeof inode !== 'number');
    this.#inode = inode;
    this.#inode.opens = 1;
    this.#cache = this.#inode.mapping(this.#box.pages, 'f');
    const space = this.#box.addressSpace();
    const request = { fixed: 'replace', length: BYTES, cache: this.#cache } as const;
    space.mmap({ ...request, at: SHARED_AT, shared: true });
    space.mmap({ ...request, at: PRIVATE_AT });
    this.#procs.push({ space, copies: new Map() });
  }

  step(op: Op): void {
    this[op.kind](this.#procs[op.who % this.#procs.length]!, op);
  }

  shared({ space }: Proc, { at, length, value }: Op): void {
    const size = this.#content.length;
    const data = new Uint8Array(Math.max(0, Math.min(length, size - at))).fill(value);
    if (data.length === 0) return;
    assert.ok(space.write(va(SHARED_AT + at), data));
    this.#content.set(data, at);
  }

  private({ space, copies }: Proc, { at, length, value }: Op): void {
    const data = new Uint8Array(Math.max(0, Math.min(length, this.#content.length - at)));
    data.fill(value);
    if (data.length === 0) return;
    assert.ok(space.write(va(PRIVATE_AT + at), data));
    for (let n = 0; n < data.length; n++) {
      const page = Math.floor((at + n) / PAGE_SIZE);
      if (!copies.has(page)) copies.set(page, this.#page(page));
      copies.get(page)![(at + n) % PAGE_SIZE] = value;
    }
  }

  write(_: Proc, { at, length, value }: Op): void {
    const data = new Uint8Array(Math.min(length, BYTES - at)).fill(value);
    assert.equal(this.#inode.write(data, at), data.length);
    if (at + data.length > this.#content.length) this.#resize(at + data.length);
    this.#content.set(data, at);
  }

  truncate(_: Proc, { at }: Op): void {
    assert.equal(this.#inode.truncate(at), 0);
    this.#resize(at);
    const pages = Math.ceil(at / PAGE_SIZE);
    for (const { copies } of this.#procs) {
      for (const page of copies.keys()) if (page >= pages) copies.delete(page);
    }
    for (const pin of this.#pins) pin.attached &&= pin.index < pages;
  }

  fork({ space, copies }: Proc): void {
    if (this.#procs.length >= 3) return;
    const mine = new Map([...copies].map(([page, bytes]) => [page, bytes.slice()]));
    this.#procs.push({ space: space.fork()!, copies: mine });
  }

  exit(proc: Proc): void {
    if (this.#procs.length === 1) return;
    proc.space.destroy();
    this.#procs.splice(this.#procs.indexOf(proc), 1);
  }

  /** MADV_DONTNEED: the private mapping shows the file again. */
  drop({ space, copies }: Proc, { at }: Op): void {
    const page = Math.floor(at / PAGE_SIZE);
    assert.equal(space.madvise(PRIVATE_AT + page * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED), 0);
    copies.delete(page);
  }

  msync({ space }: Proc, { at, length }: Op): void {
    const from = Math.floor(at / PAGE_SIZE);
    const to = Math.min(PAGES, Math.ceil((at + length) / PAGE_SIZE));
    const start = SHARED_AT + from * PAGE_SIZE;
    assert.equal(space.msync(start, (to - from) * PAGE_SIZE, MS_SYNC), 0);
    if (this.#cache.backing === 'shmem') return;
    const end = Math.min(to * PAGE_SIZE, this.#content.length);
    const stored = this.#store.read('f', from * PAGE_SIZE, Math.max(0, end - from * PAGE_SIZE));
    assert.deepEqual(stored, this.#content.slice(from * PAGE_SIZE, end));
  }

  fsync(): void {
    assert.equal(this.#inode.sync(), 0);
    if (this.#cache.backing === 'writeback') this.#checkStore();
  }

  pageout({ space }: Proc): void {
    for (const at of [SHARED_AT, PRIVATE_AT]) space.madvise(at, BYTES, MADV_PAGEOUT);
  }

  reclaim(): void {
    this.#box.pages.reclaimer.direct(this.#box.pages.zones, 5);
  }

  pin({ space }: Proc, { at }: Op): void {
    if (this.#pins.length >= 4 || at >= this.#content.length) return;
    const pin = space.pin(va(SHARED_AT + at), 1, { write: true });
    assert.ok(typeof pin !== 'number');
    this.#pins.push({ pin, index: Math.floor(at / PAGE_SIZE), attached: true });
  }

  /** What it writes is the file's as long as the page is; nobody looks behind the end. */
  device(_: Proc, { who, at, value }: Op): void {
    const pin = this.#pins[who % Math.max(1, this.#pins.length)];
    const offset = at % PAGE_SIZE;
    if (pin === undefined) return;
    const position = pin.index * PAGE_SIZE + offset;
    if (pin.attached && position >= this.#content.length) return;
    const { base } = this.#box.machine.normal.bus;
    assert.ok(pin.pin.pages[0]! >= base);
    this.#box.machine.normal.bytes(pa(pin.pin.pages[0]! + offset), 1, 'write')[0] = value;
    if (pin.attached) this.#content[position] = value;
    // The page may have been written out since it was pinned; whoever unpins has to say so.
    this.#box.pages.markDirty(this.#box.pages.frames.frame(pin.pin.pages[0]!));
  }

  unpin(_: Proc, { who }: Op): void {
    const [gone] = this.#pins.splice(who % Math.max(1, this.#pins.length), 1);
    gone?.pin.unpin();
  }

  /** read(), and both mappings of every process. */
  check(): void {
    const { pages } = this.#box;
    const size = this.#content.length;
    const out = new Uint8Array(BYTES);
    assert.equal(this.#inode.read(out, 0), size);
    assert.deepEqual(out.subarray(0, size), this.#content, 'read()');
    for (const { space, copies } of this.#procs) {
      const view = new Uint8Array(size);
      assert.ok(size === 0 || space.read(va(SHARED_AT), view));
      assert.deepEqual(view, this.#content, 'shared');
      assert.ok(size === 0 || space.read(va(PRIVATE_AT), view));
      const expected = this.#content.slice();
      for (const [page, bytes] of copies) {
        const start = page * PAGE_SIZE;
        if (start < size) expected.set(bytes.subarray(0, size - start), start);
      }
      assert.deepEqual(view, expected, 'private');
      const behind = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
      if (behind < BYTES) assert.equal(space.fault(SHARED_AT + behind, 'read'), 'SIGBUS');
    }
    checkMemory({
      pages,
      spaces: this.#procs.map(({ space }) => space),
      cached: [...this.#cache.frames()],
      pinned: this.#pins.map(({ pin }) => pages.frames.frame(pin.pages[0]!)),
      owned: [],
      cachedSlots: 0,
    });
  }

  /** The last close brings everything to the file, and all pages back. */
  end(): void {
    while (this.#pins.length > 0) this.#pins.pop()!.pin.unpin();
    for (const { space } of this.#procs) space.destroy();
    this.#inode.closed();
    this.#checkStore();
    const { pages } = this.#box;
    assert.deepEqual([pages.usedPages, pages.swap.used, pages.pinsOutstanding], [1, 0, 0]);
    assert.ok(pages.frames.mapping.every((owner) => owner === 0));
  }

  #checkStore(): void {
    assert.deepEqual(this.#store.read('f', 0, BYTES), this.#content);
  }

  #page(page: number): Uint8Array {
    const bytes = new Uint8Array(PAGE_SIZE);
    bytes.set(this.#content.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE));
    return bytes;
  }

  #resize(length: number): void {
    const content = new Uint8Array(length);
    content.set(this.#content.subarray(0, length));
    this.#content = content;
  }
}

describe('a file and its mappings', () => {
  for (const type of ['ext4', 'tmpfs']) {
    it(`are as a plain model says: ${type}`, () => {
      fc.assert(
        fc.property(fc.array(opArb, { minLength: 5, maxLength: 60, size: 'max' }), (ops) => {
          const model = new Model(type);
          for (const op of ops) {
            model.step(op);
            // Between checks pages stay as the step has left them, in memory or not.
            if (op.value % 3 !== 0) model.check();
          }
          model.end();
        }),
        { numRuns: 60 },
      );
    });
  }
});
