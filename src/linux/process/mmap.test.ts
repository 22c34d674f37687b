import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EACCES, EBADF, EEXIST, EINVAL, ENODEV, EOPNOTSUPP, EPERM } from '../../abi/errno.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import { DEFAULT_PROCESS_SWITCHES } from './switches.ts';
import { makeDevice, makeKernel, makeProgram, now } from './testing/make-kernel.ts';
import type { TestKernelOptions } from './testing/make-kernel.ts';

const RW = PROT_READ | PROT_WRITE;

/** A program with an fd on pages of the kernel's, as a shm fd is, and how often it was released. */
function box(options: TestKernelOptions = {}) {
  const kernel = makeKernel(options);
  const program = makeProgram(kernel);
  const pages = kernel.pages.allocExact(2 * PAGE_SIZE)!;
  const state = { released: 0, refuse: 0, seen: [] as string[] };
  const ops: FileOperations = {
    mmap(_file, _current, request) {
      const { length, offset, writable, executable, shared } = request;
      state.seen.push(`${length} ${offset} ${writable} ${executable} ${shared}`);
      if (length > 2 * PAGE_SIZE) return -EINVAL;
      request.pfnMap = { start: pages, memoryType: 'normal' };
      return state.refuse;
    },
    *release(): Co<void> {
      state.released += 1;
    },
  };
  const install = (flags: number): number =>
    program.process.files.install(new File(ops, 'anon_inode:tee_shm', flags, undefined));
  const { sys, memory } = program;
  const mmap = (length: number, prot: number, flags: number, fd = -1, offset = 0): number =>
    now(program, sys.mmap(0, length, prot, flags, fd, offset));
  const unmap = (at: number, length: number): number => now(program, sys.munmap(at, length));
  return { kernel, program, sys, memory, pages, state, install, mmap, unmap };
}

const byteAt = ({ kernel }: ReturnType<typeof box>, at: Pa): number =>
  kernel.port.u8[kernel.port.at(at, 1, 'read')]!;

describe('mmap of a file', () => {
  it("maps the driver's memory and keeps the file until the last part goes", () => {
    const own = box();
    const { program, sys, memory, pages, state, install, mmap, unmap } = own;
    const fd = install(O_RDWR);
    const at = mmap(2 * PAGE_SIZE, RW, MAP_SHARED, fd);
    assert.ok(at > 0);
    assert.deepEqual(state.seen, [`8192 0 true false true`]);
    assert.equal(now(program, sys.close(fd)), 0);
    memory.setU8(va(at + 5), 77);
    assert.equal(byteAt(own, (pages + 5) as Pa), 77);
    assert.equal(unmap(at, PAGE_SIZE), 0);
    assert.equal(state.released, 0);
    assert.equal(unmap(at + PAGE_SIZE, PAGE_SIZE), 0);
    assert.equal(state.released, 1);
  });

  it('the mapping of a child, and of a process that exits, counts as well', async () => {
    const { kernel, program, sys, state, install, mmap } = box();
    const fd = install(O_RDWR);
    const queue = new WaitQueue(kernel.sched, 'child');
    mmap(PAGE_SIZE, RW, MAP_SHARED, fd);
    now(program, sys.close(fd));
    now(
      program,
      program.fork(function* (child): Co<void> {
        yield* child.sys.futexWait(queue);
      }),
    );
    await program.exit();
    assert.equal(state.released, 0);
    queue.wakeAll();
    await kernel.sched.drive();
    assert.equal(state.released, 1);
  });

  it('MAP_FIXED over a mapping releases the file behind it', () => {
    const { program, sys, state, install, mmap } = box();
    const fd = install(O_RDWR);
    const at = mmap(PAGE_SIZE, RW, MAP_SHARED, fd);
    now(program, sys.close(fd));
    const over = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    assert.equal(now(program, sys.mmap(at, PAGE_SIZE, RW, over, -1, 0)), at);
    assert.equal(state.released, 1);
    const beside = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    assert.equal(now(program, sys.mmap(at, PAGE_SIZE, RW, beside, -1, 0)), -EEXIST);
  });

  it('answers the errors of the call, the file and the driver', () => {
    const { program, sys, state, install, mmap } = box();
    const fd = install(O_RDWR);
    assert.equal(mmap(PAGE_SIZE, RW, MAP_SHARED, 99), -EBADF);
    assert.equal(mmap(0, RW, MAP_SHARED, fd), -EINVAL);
    assert.equal(mmap(PAGE_SIZE, RW, MAP_SHARED, fd, 100), -EINVAL);
    assert.equal(mmap(PAGE_SIZE, RW, 0, fd), -EINVAL);
    assert.equal(mmap(PAGE_SIZE, RW, MAP_SHARED_VALIDATE | MAP_NORESERVE, fd), -EOPNOTSUPP);
    assert.equal(mmap(3 * PAGE_SIZE, RW, MAP_SHARED, fd), -EINVAL);
    state.refuse = -EPERM;
    assert.equal(mmap(PAGE_SIZE, RW, MAP_SHARED, fd), -EPERM);
    state.refuse = 0;
    assert.ok(mmap(PAGE_SIZE, RW, MAP_SHARED_VALIDATE, fd) > 0);
    const reader = install(O_RDONLY);
    assert.equal(mmap(PAGE_SIZE, RW, MAP_SHARED, reader), -EACCES);
    const at = mmap(PAGE_SIZE, PROT_READ, MAP_SHARED, reader);
    assert.equal(now(program, sys.mprotect(at, PAGE_SIZE, RW)), -EACCES);
    assert.ok(mmap(PAGE_SIZE, RW, MAP_PRIVATE, reader) > 0);
    assert.equal(mmap(PAGE_SIZE, PROT_WRITE, MAP_SHARED, install(O_WRONLY)), -EACCES);
    const directory = now(program, sys.open('/tmp', O_RDONLY));
    assert.equal(mmap(PAGE_SIZE, PROT_READ, MAP_PRIVATE, directory), -ENODEV);
    const before = program.process.files.get(fd)!.refs;
    assert.ok(mmap(2 ** 50, RW, MAP_SHARED, fd) < 0);
    assert.equal(program.process.files.get(fd)!.refs, before);
  });

  it('gives the reference back when there is no room', () => {
    const { kernel, program, sys } = box();
    kernel.devices.register(
      makeDevice('odd', {
        mmap(_file, _current, request) {
          request.pfnMap = { start: 0 as Pa, memoryType: 'device' };
          return 0;
        },
      }),
    );
    const fd = now(program, sys.open('/dev/odd', O_RDWR));
    const at = now(program, sys.mmap(0, PAGE_SIZE, RW, MAP_SHARED, fd, 0));
    assert.equal(at, -EINVAL);
    assert.equal(program.process.files.get(fd)!.refs, 1);
  });

  it('PROT_EXEC of anonymous inodes is a matter of the profile', () => {
    const older = box({ switches: { ...DEFAULT_PROCESS_SWITCHES, anonInodesNoexec: false } });
    assert.ok(older.mmap(PAGE_SIZE, RW | PROT_EXEC, MAP_SHARED, older.install(O_RDWR)) > 0);
    const newer = box({ switches: { ...DEFAULT_PROCESS_SWITCHES, anonInodesNoexec: true } });
    const fd = newer.install(O_RDWR);
    assert.equal(newer.mmap(PAGE_SIZE, RW | PROT_EXEC, MAP_SHARED, fd), -EPERM);
    const at = newer.mmap(PAGE_SIZE, RW, MAP_SHARED, fd);
    const { program, sys } = newer;
    assert.equal(now(program, sys.mprotect(at, PAGE_SIZE, PROT_READ | PROT_EXEC)), -EACCES);
  });
});

describe('mmap of anonymous memory', () => {
  it('is private or shared, populated or not', () => {
    const { kernel, program, sys, memory, mmap, unmap } = box();
    const before = kernel.pages.usedPages;
    const at = mmap(PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS);
    assert.equal(kernel.pages.usedPages, before);
    const now4 = mmap(4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE);
    assert.equal(kernel.pages.usedPages, before + 4);
    assert.equal(memory.u32(va(at)), 0);
    assert.equal(now(program, sys.mprotect(at, PAGE_SIZE, PROT_READ)), 0);
    assert.throws(() => memory.setU8(va(at), 1), /segmentation fault/);
    assert.equal(unmap(at, PAGE_SIZE), 0);
    assert.equal(unmap(now4, 4 * PAGE_SIZE), 0);
    assert.equal(unmap(now4 + 1, PAGE_SIZE), -EINVAL);
    assert.throws(() => memory.u8(va(now4)), /segmentation fault/);
    assert.equal(kernel.pages.usedPages, before);
  });
});
