/** mremap() and MAP_LOCKED as system calls: files, limits. What becomes of pages: mm/mremap.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EAGAIN, EINVAL, EPERM } from '../../abi/errno.ts';
import {
  MAP_ANONYMOUS,
  MAP_LOCKED,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/fcntl.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { makeKernel, makeProgram, now } from './testing/make-kernel.ts';
import type { ProcessOptions } from './user-process.ts';

const RW = PROT_READ | PROT_WRITE;
const TO = 0x4000_0000;
const FIXED = MREMAP_MAYMOVE | MREMAP_FIXED;

function box(options: Partial<ProcessOptions> = {}) {
  const kernel = makeKernel();
  const store = new MemoryStore();
  store.createFile('film');
  store.write('film', 0, new Uint8Array(2 * PAGE_SIZE).fill(7));
  kernel.mount('/disk', store, { type: 'ext4' });
  const program = makeProgram(kernel, options);
  const { sys, memory } = program;
  const call = <T>(co: Co<T>): T => now(program, co);
  const lock = (pages: number): number =>
    call(sys.mmap(0, pages * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
  const locked = (): number => program.process.mm.account.lockedVm;
  return { program, sys, memory, call, lock, locked };
}

describe('mremap() of a file', () => {
  it('shows it elsewhere; the last view that goes closes it', () => {
    const { program, sys, memory, call } = box();
    const fd = call(sys.open('/disk/film', O_RDWR));
    const file = program.process.files.get(fd)!;
    const at = call(sys.mmap(0, 2 * PAGE_SIZE, RW, MAP_SHARED, fd, 0));
    assert.equal(file.refs, 2);
    assert.equal(call(sys.mremap(at, 2 * PAGE_SIZE, 2 * PAGE_SIZE, FIXED, TO)), TO);
    assert.equal(file.refs, 2);
    memory.setU8(va(TO + PAGE_SIZE), 9);
    // A part, so that there are two views; the first stays where it is, and empty.
    const half = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
    const other = call(sys.mremap(TO + PAGE_SIZE, PAGE_SIZE, PAGE_SIZE, half));
    assert.deepEqual([memory.u8(va(other)), memory.u8(va(TO + PAGE_SIZE))], [9, 9]);
    assert.equal(file.refs, 3);
    call(sys.munmap(TO, 2 * PAGE_SIZE));
    assert.equal(call(sys.mremap(other, PAGE_SIZE, 0, 0)), -EINVAL);
    call(sys.munmap(other, PAGE_SIZE));
    assert.equal(file.refs, 1);
  });
});

describe('MAP_LOCKED', () => {
  it('is held against RLIMIT_MEMLOCK when it is mapped, and when it grows', () => {
    const { sys, call, lock, locked } = box({ uid: 1000, memlock: 4 * PAGE_SIZE + 1 });
    const at = lock(3);
    assert.ok(at > 0);
    assert.equal(lock(2), -EAGAIN);
    assert.equal(call(sys.mremap(at, 3 * PAGE_SIZE, 5 * PAGE_SIZE, MREMAP_MAYMOVE)), -EAGAIN);
    const to = call(sys.mremap(at, 3 * PAGE_SIZE, 4 * PAGE_SIZE, FIXED, TO));
    assert.deepEqual([to, locked()], [TO, 4]);
    assert.equal(call(sys.mremap(TO, 4 * PAGE_SIZE, PAGE_SIZE, 0)), TO);
    assert.ok(lock(3) > 0);
    assert.equal(locked(), 4);
  });

  it('is no use without a limit, but for CAP_IPC_LOCK', () => {
    assert.equal(box({ uid: 1000, memlock: 0 }).lock(1), -EPERM);
    const root = box({ memlock: 0 });
    assert.ok(root.lock(1) > 0);
    assert.equal(root.locked(), 1);
  });

  it('ends with exec', () => {
    const { program, sys, call, lock, locked } = box();
    lock(2);
    const { account } = program.process.mm;
    call(sys.execve('other'));
    assert.deepEqual([account.lockedVm, locked()], [0, 0]);
  });
});
