import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EIO } from '../../abi/errno.ts';
import { MADV_PAGEOUT, MS_ASYNC, MS_SYNC, PROT_READ } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { FileMap } from './filemap.ts';
import type { FileBacking } from './filemap.ts';
import { PG_DIRTY } from './page-frames.ts';
import { PTE_WRITE } from './page-table.ts';
import { checkMemory } from './testing/check-memory.ts';
import { AT, RW, bytes, makeMemory, readBack } from './testing/memory.ts';

/** A file in memory, which counts what is written to it and can be told to fail. */
class Disk implements FileBacking {
  content: Uint8Array;
  writes = 0;
  syncs = 0;
  broken = false;
  /** Bytes that one write takes. */
  room = Infinity;
  constructor(content: Uint8Array) {
    this.content = content;
  }
  size(): number {
    return this.content.length;
  }
  read(out: Uint8Array, position: number): number {
    if (this.broken) return -EIO;
    const part = this.content.subarray(position, position + out.length);
    out.set(part);
    return part.length;
  }
  write(data: Uint8Array, position: number): number {
    if (this.broken) return -EIO;
    this.writes += 1;
    const taken = data.subarray(0, this.room);
    this.content.set(taken, position);
    return taken.length;
  }
  sync(): number {
    this.syncs += 1;
    return 0;
  }
  resize(length: number): void {
    const content = new Uint8Array(length);
    content.set(this.content.subarray(0, length));
    this.content = content;
  }
}

/** A file of `length` bytes of 7, and a process. */
function box({ length = 2 * PAGE_SIZE, writeback = true } = {}) {
  const memory = makeMemory({ swapPages: 0 });
  const disk = new Disk(new Uint8Array(length).fill(7));
  const { pages } = memory;
  const file = new FileMap({ pages, name: '/film', file: disk, writeback });
  const space = memory.addressSpace();
  const map = (shared: boolean, prot = RW, who: AddressSpace = space, at = AT): number =>
    who.mmap({ at, fixed: 'replace', length: 4 * PAGE_SIZE, prot, shared, cache: file });
  const pte = (page = 0, who: AddressSpace = space): number =>
    who.mm.table.get(AT / PAGE_SIZE + page);
  const dirty = (): number =>
    [...file.frames()].filter((frame) => (pages.frames.flags[frame]! & PG_DIRTY) !== 0).length;
  const resize = (to: number): void => {
    const before = disk.size();
    disk.resize(to);
    file.resized(before, to);
  };
  /** Everybody has gone: so have all pages. */
  const done = (...others: AddressSpace[]): void => {
    for (const who of [space, ...others]) who.destroy();
    assert.equal(file.end(), 0);
    assert.equal(pages.usedPages, 1);
    assert.ok(pages.frames.flags.every((flags) => flags === 0));
  };
  return { ...memory, disk, file, space, map, pte, dirty, resize, done };
}

const put = (space: AddressSpace, page: number, value: number): boolean =>
  space.write(va(AT + page * PAGE_SIZE), bytes(value));

describe('the page cache of a file', () => {
  it('shows the file, zeros behind its end in the last page, and nothing beyond', () => {
    const { space, map, file, done } = box({ length: PAGE_SIZE + 3 });
    map(true, PROT_READ);
    assert.deepEqual(readBack(space, AT + 2 * PAGE_SIZE - PAGE_SIZE + 1, 4), [7, 7, 0, 0]);
    assert.equal(file.size, 1);
    assert.equal(space.fault(AT + 2 * PAGE_SIZE, 'read'), 'SIGBUS');
    assert.equal(readBack(space, AT + 2 * PAGE_SIZE, 1), 'EFAULT');
    done();
  });

  it('is read only in shared mappings until the first write, which makes the page dirty', () => {
    const { space, map, pte, dirty, done } = box();
    map(true);
    readBack(space, AT, 1);
    assert.deepEqual([pte() & PTE_WRITE, dirty()], [0, 0]);
    put(space, 0, 1);
    put(space, 1, 2);
    assert.deepEqual([pte() & PTE_WRITE, pte(1) & PTE_WRITE, dirty()], [PTE_WRITE, PTE_WRITE, 2]);
    done();
  });

  it('is written by msync, and read only again for everyone', () => {
    const { space, map, pte, dirty, disk, addressSpace, done } = box();
    const other = addressSpace();
    map(true);
    map(true, RW, other);
    for (const who of [space, other]) put(who, 0, 9);
    put(space, 1, 8);
    assert.equal(space.msync(AT, PAGE_SIZE, MS_ASYNC), 0);
    assert.equal(disk.writes, 0);
    assert.equal(space.msync(AT, PAGE_SIZE, MS_SYNC), 0);
    assert.deepEqual([disk.content[0], disk.content[PAGE_SIZE], disk.syncs], [9, 7, 1]);
    assert.deepEqual([pte() & PTE_WRITE, pte(0, other) & PTE_WRITE, dirty()], [0, 0, 1]);
    put(other, 0, 10);
    assert.deepEqual([readBack(space, AT, 1), dirty()], [[10], 2]);
    done(other);
    assert.deepEqual([disk.content[0], disk.content[PAGE_SIZE]], [10, 8]);
  });

  it('mprotect gives no right to write past the notice', () => {
    const { space, map, pte, dirty, done } = box();
    map(true);
    put(space, 0, 1);
    readBack(space, AT + PAGE_SIZE, 1);
    space.mprotect(AT, 4 * PAGE_SIZE, PROT_READ);
    space.mprotect(AT, 4 * PAGE_SIZE, RW);
    assert.deepEqual([pte(0) & PTE_WRITE, pte(1) & PTE_WRITE, dirty()], [0, 0, 1]);
    put(space, 1, 1);
    assert.equal(dirty(), 2);
    done();
  });

  it('a private mapping copies what it writes; the file never sees it', () => {
    const { space, map, file, disk, dirty, done } = box();
    map(false);
    assert.deepEqual(readBack(space, AT, 1), [7]);
    put(space, 0, 1);
    put(space, 1, 2);
    file.writeCached(bytes(5, 6), 0);
    assert.deepEqual([readBack(space, AT, 1), readBack(space, AT + PAGE_SIZE, 1)], [[1], [2]]);
    assert.equal(dirty(), 1);
    done();
    assert.deepEqual([...disk.content.subarray(0, 3)], [5, 6, 7]);
  });

  it('read() and write() go through the pages that are there', () => {
    const { space, map, file, done } = box();
    map(true);
    put(space, 0, 1);
    const out = new Uint8Array(PAGE_SIZE + 2).fill(7);
    file.readCached(out, 0);
    assert.deepEqual([out[0], out[1], file.size], [1, 7, 1]);
    file.writeCached(bytes(4, 5), 0);
    assert.deepEqual(readBack(space, AT, 3), [4, 5, 7]);
    done();
  });

  it('counts of references and maps are right throughout', () => {
    const { space, map, pages, file, done } = box();
    map(true);
    put(space, 0, 1);
    const child = space.fork()!;
    put(child, 1, 1);
    checkMemory({
      pages,
      spaces: [space, child],
      cached: [...file.frames()],
      pinned: [],
      owned: [],
      cachedSlots: 0,
    });
    assert.deepEqual(readBack(space, AT + PAGE_SIZE, 1), [1]);
    done(child);
  });

  it('belongs to reclaim when it is clean; what is dirty is written first, or stays', () => {
    const { space, map, file, disk, dirty, done } = box();
    map(true);
    readBack(space, AT, 1);
    put(space, 1, 3);
    assert.equal(space.madvise(AT, PAGE_SIZE, MADV_PAGEOUT), 0);
    assert.deepEqual([file.size, disk.writes], [1, 0]);
    disk.broken = true;
    space.madvise(AT, 2 * PAGE_SIZE, MADV_PAGEOUT);
    assert.deepEqual([file.size, dirty(), file.fsync()], [1, 1, -EIO]);
    assert.equal(space.fault(AT, 'read'), 'SIGBUS');
    disk.broken = false;
    assert.deepEqual(readBack(space, AT + PAGE_SIZE, 1), [3]);
    space.madvise(AT, 2 * PAGE_SIZE, MADV_PAGEOUT);
    assert.deepEqual([file.size, disk.content[PAGE_SIZE]], [0, 3]);
    assert.deepEqual(readBack(space, AT + PAGE_SIZE, 1), [3]);
    done();
  });

  it('stays while the file has taken a part of it only', () => {
    const { space, map, file, disk, dirty, done } = box();
    map(true);
    put(space, 0, 3);
    disk.room = 100;
    space.madvise(AT, PAGE_SIZE, MADV_PAGEOUT);
    assert.deepEqual([file.size, dirty(), file.fsync()], [1, 1, -EIO]);
    disk.room = Infinity;
    assert.equal(file.fsync(), 0);
    assert.deepEqual([disk.content[0], dirty()], [3, 0]);
    done();
  });

  it('files of a tmpfs need no notice, and nothing of them is reclaimed', () => {
    const { space, map, file, pte, disk, done } = box({ writeback: false });
    map(true);
    readBack(space, AT, 1);
    assert.equal(pte() & PTE_WRITE, PTE_WRITE);
    put(space, 0, 3);
    space.madvise(AT, PAGE_SIZE, MADV_PAGEOUT);
    assert.deepEqual([file.size, file.fsync(), disk.writes], [1, 0, 0]);
    done();
    assert.equal(disk.content[0], 3);
  });
});

describe('truncation', () => {
  it('takes pages from all who map them, and copies of private mappings too', () => {
    const { space, map, addressSpace, file, resize, done } = box();
    const other = addressSpace();
    map(true);
    map(false, RW, other);
    put(space, 1, 3);
    put(other, 1, 4);
    resize(PAGE_SIZE);
    for (const who of [space, other]) assert.equal(who.fault(AT + PAGE_SIZE, 'read'), 'SIGBUS');
    assert.equal(file.size, 0);
    resize(2 * PAGE_SIZE);
    for (const who of [space, other]) assert.deepEqual(readBack(who, AT + PAGE_SIZE, 1), [0]);
    done(other);
  });

  it('clears the rest of the last page, also of what was written behind the end', () => {
    const { space, map, disk, resize, done } = box({ length: 100 });
    map(true);
    space.write(va(AT + 99), bytes(1, 2, 3));
    resize(200);
    assert.deepEqual(readBack(space, AT + 99, 3), [1, 0, 0]);
    space.write(va(AT + 99), bytes(1, 2, 3));
    resize(101);
    assert.deepEqual(readBack(space, AT + 99, 3), [1, 2, 0]);
    done();
    assert.deepEqual([...disk.content.subarray(99)], [1, 2]);
  });

  it('leaves a pinned page to who has pinned it, and to nobody else', () => {
    const { space, map, machine, pages, resize, disk, done } = box();
    map(true);
    const pin = space.pin(va(AT), 1, { write: true });
    assert.ok(typeof pin !== 'number');
    resize(0);
    resize(PAGE_SIZE);
    machine.normal.bytes(pin.pages[0]!, 1, 'write')[0] = 99;
    assert.deepEqual(readBack(space, AT, 1), [0]);
    assert.equal(pages.pinCount(pin.pages[0]!), 1);
    pages.markDirty(pages.frames.frame(pin.pages[0]!));
    pin.unpin();
    done();
    assert.equal(disk.content[0], 0);
  });
});

describe('writes by a device', () => {
  /** A page that a device writes after it was made clean; what the file has once it was reclaimed. */
  function afterReclaim(tell: (own: ReturnType<typeof box>, frame: number) => void): number {
    const own = box();
    const { space, map, machine, pages, file, done } = own;
    map(true);
    const pin = space.pin(va(AT), 1, { write: true });
    assert.ok(typeof pin !== 'number');
    assert.equal(space.msync(AT, PAGE_SIZE, MS_SYNC), 0);
    machine.normal.bytes(pin.pages[0]!, 1, 'write')[0] = 42;
    assert.deepEqual(readBack(space, AT, 1), [42]);
    space.madvise(AT, PAGE_SIZE, MADV_PAGEOUT);
    assert.equal(file.size, 1, 'a pinned page stays');
    tell(own, pages.frames.frame(pin.pages[0]!));
    pin.unpin();
    space.madvise(AT, PAGE_SIZE, MADV_PAGEOUT);
    assert.equal(file.size, 0);
    const [value] = readBack(space, AT, 1);
    done();
    return Number(value);
  }

  it('are lost with a clean page when nobody says that it was written', () => {
    assert.equal(
      afterReclaim(() => {}),
      7,
    );
  });

  it('are kept when the page is made dirty before it is unpinned', () => {
    assert.equal(
      afterReclaim(({ pages }, frame) => pages.markDirty(frame)),
      42,
    );
  });
});

describe('vma_needs_dirty_tracking()', () => {
  const cases: readonly (readonly [boolean, boolean, number, boolean])[] = [
    [true, true, RW, true],
    [true, true, PROT_READ, false],
    [false, true, RW, false],
    [true, false, RW, false],
  ];
  for (const [shared, writeback, prot, needed] of cases) {
    it(`shared ${shared}, writeback ${writeback}, prot ${prot}: ${needed}`, () => {
      const { space, map, done } = box({ writeback });
      map(shared, prot);
      assert.equal(space.mm.vmas.find(AT)?.needsDirtyTracking, needed);
      done();
    });
  }
});
