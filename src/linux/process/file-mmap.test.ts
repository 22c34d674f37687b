import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EACCES } from '../../abi/errno.ts';
import {
  MADV_DONTFORK,
  MADV_PAGEOUT,
  MAP_PRIVATE,
  MAP_SHARED,
  MS_SYNC,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/fcntl.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { makeKernel, makeProgram, now } from './testing/make-kernel.ts';

const RW = PROT_READ | PROT_WRITE;

/** A program, and a file of two pages of 7 on a disk. */
function box(type = 'ext4') {
  const kernel = makeKernel();
  const store = new MemoryStore();
  store.createFile('film');
  store.write('film', 0, new Uint8Array(2 * PAGE_SIZE).fill(7));
  kernel.mount('/disk', store, { type });
  const program = makeProgram(kernel);
  const { sys, memory } = program;
  const buffer = memory.malloc(64);
  const before = kernel.pages.usedPages;
  const open = (flags: number): number => now(program, sys.open('/disk/film', flags, 0o600));
  const map = (fd: number, flags: number, prot = RW, length = 2 * PAGE_SIZE): Va => {
    const at = now(program, sys.mmap(0, length, prot, flags, fd, 0));
    assert.ok(at > 0, `${at}`);
    return va(at);
  };
  const call = <T>(co: Co<T>): T => now(program, co);
  const stored = (at = 0): number | undefined => store.read('film', at, 1)?.[0];
  return { kernel, store, program, sys, memory, buffer, before, open, map, call, stored };
}

describe('a file that is mapped', () => {
  it('is written by the last close, not before; then its pages are gone', () => {
    const { kernel, sys, memory, before, open, map, call, stored } = box();
    const fd = open(O_RDWR);
    const at = map(fd, MAP_SHARED);
    call(sys.close(fd));
    memory.setU8(at, 1);
    assert.deepEqual([memory.u8(va(at + 1)), stored()], [7, 7]);
    assert.equal(kernel.pages.usedPages, before + 1);
    call(sys.munmap(at, PAGE_SIZE));
    assert.equal(stored(), 7);
    call(sys.munmap(at + PAGE_SIZE, PAGE_SIZE));
    assert.equal(stored(), 1);
    assert.equal(kernel.pages.usedPages, before);
  });

  it('is what read(), write() and ftruncate() work on', () => {
    const { sys, memory, buffer, open, map, call, stored } = box();
    const fd = open(O_RDWR);
    const other = open(O_RDWR);
    const at = map(fd, MAP_SHARED);
    memory.setU8(at, 1);
    call(sys.pread64(other, buffer, 2, 0));
    assert.deepEqual([...memory.read(buffer, 2)], [1, 7]);
    memory.write(buffer, Uint8Array.of(4, 5));
    call(sys.pwrite64(other, buffer, 2, 1));
    assert.deepEqual([...memory.read(at, 4)], [1, 4, 5, 7]);
    assert.equal(call(sys.ftruncate(other, 2)), 0);
    assert.deepEqual([...memory.read(at, 4)], [1, 4, 0, 0]);
    assert.throws(() => memory.u8(va(at + PAGE_SIZE)));
    memory.setU8(va(at + 3), 9);
    call(sys.pwrite64(other, buffer, 1, PAGE_SIZE + 1));
    assert.equal(memory.u8(va(at + 3)), 0, 'what lay behind the end does not appear');
    assert.deepEqual([...memory.read(va(at + PAGE_SIZE), 3)], [0, 4, 0]);
    assert.equal(call(sys.fsync(fd)), 0);
    assert.deepEqual([stored(0), stored(1), stored(PAGE_SIZE + 1)], [1, 4, 4]);
    assert.equal(call(sys.close(open(O_RDWR | O_TRUNC))), 0);
    assert.throws(() => memory.u8(at));
  });

  it('msync and fsync bring it to the disk', () => {
    const { sys, memory, open, map, call, stored } = box();
    const fd = open(O_RDWR);
    const at = map(fd, MAP_SHARED);
    memory.setU8(at, 1);
    assert.equal(call(sys.msync(at, 2 * PAGE_SIZE, MS_SYNC)), 0);
    assert.equal(stored(), 1);
    memory.setU8(at, 2);
    assert.equal(call(sys.fdatasync(fd)), 0);
    assert.equal(stored(), 2);
  });

  it('private: what is written is the own copy; a file open to read will do', () => {
    const { sys, memory, open, map, call, stored } = box();
    const fd = open(O_RDONLY);
    const at = map(fd, MAP_PRIVATE);
    memory.setU8(at, 1);
    call(sys.close(fd));
    assert.equal(memory.u8(at), 1);
    call(sys.munmap(at, 2 * PAGE_SIZE));
    assert.equal(stored(), 7);
    const reader = open(O_RDONLY);
    assert.equal(call(sys.mmap(0, PAGE_SIZE, RW, MAP_SHARED, reader, 0)), -EACCES);
  });

  it('from an offset; parts of a mapping know theirs', () => {
    const { store, sys, memory, open, call } = box();
    store.write('film', PAGE_SIZE, Uint8Array.of(8, 9));
    const fd = open(O_RDWR);
    const at = call(sys.mmap(0, PAGE_SIZE, RW, MAP_SHARED, fd, PAGE_SIZE));
    assert.deepEqual([...memory.read(va(at), 3)], [8, 9, 7]);
    call(sys.mprotect(at, PAGE_SIZE, PROT_READ));
    assert.deepEqual([...memory.read(va(at), 3)], [8, 9, 7]);
  });

  it('that is unlinked keeps its pages, which no file gets', () => {
    const { kernel, sys, memory, before, open, map, call, store } = box();
    const fd = open(O_RDWR);
    const at = map(fd, MAP_SHARED);
    memory.setU8(at, 1);
    assert.equal(call(sys.unlinkat(-100, '/disk/film', 0)), 0);
    assert.equal(store.stat('film'), undefined);
    memory.setU8(va(at + 1), 2);
    assert.equal(call(sys.fsync(fd)), 0);
    assert.deepEqual([...memory.read(at, 3)], [1, 2, 7]);
    call(sys.close(fd));
    call(sys.munmap(at, 2 * PAGE_SIZE));
    assert.equal(kernel.pages.usedPages, before);
  });

  it('a new file can be made large and filled through its mapping', () => {
    const { sys, memory, map, call, store } = box();
    const fd = call(sys.open('/disk/new', O_CREAT | O_RDWR, 0o600));
    assert.equal(call(sys.ftruncate(fd, PAGE_SIZE + 1)), 0);
    const at = map(fd, MAP_SHARED);
    memory.setU8(va(at + PAGE_SIZE), 3);
    call(sys.fsync(fd));
    assert.equal(store.stat('new')?.sizeBytes, PAGE_SIZE + 1);
    assert.equal(store.read('new', PAGE_SIZE, 1)?.[0], 3);
  });

  it('is dropped by reclaim and read again; on a tmpfs it is not', () => {
    for (const [type, kept] of [
      ['ext4', 0],
      ['tmpfs', 1],
    ] as const) {
      const { kernel, sys, memory, before, open, map, call } = box(type);
      const at = map(open(O_RDWR), MAP_SHARED);
      memory.setU8(at, 1);
      assert.equal(call(sys.madvise(at, PAGE_SIZE, MADV_PAGEOUT)), 0);
      assert.equal(kernel.pages.usedPages, before + kept);
      assert.equal(memory.u8(at), 1);
    }
  });

  it('parent and child share it, unless it was not to be copied', async () => {
    const { program, sys, memory, open, map, call, stored } = box();
    const fd = open(O_RDWR);
    const at = map(fd, MAP_SHARED);
    const apart = map(fd, MAP_SHARED);
    assert.equal(call(sys.madvise(apart, 2 * PAGE_SIZE, MADV_DONTFORK)), 0);
    call(
      program.fork(function* (child): Co<void> {
        child.memory.setU8(at, 1);
        assert.throws(() => child.memory.u8(apart));
      }),
    );
    await program.run(sys.wait4(-1));
    assert.deepEqual([memory.u8(at), memory.u8(apart)], [1, 1]);
    await program.exit();
    assert.equal(stored(), 1);
  });
});
