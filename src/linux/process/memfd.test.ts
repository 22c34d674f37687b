import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY, EINVAL, ENOSYS, EPERM } from '../../abi/errno.ts';
import {
  FD_CLOEXEC,
  F_ADD_SEALS,
  F_GETFD,
  F_GET_SEALS,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MAP_PRIVATE,
  MAP_SHARED,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_HUGETLB,
  O_CLOEXEC,
  PROT_READ,
  PROT_WRITE,
  S_IFREG,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { DEFAULT_PROCESS_SWITCHES } from './switches.ts';
import type { ProcessSwitches } from './switches.ts';
import { makeKernel, makeProgram, now } from './testing/make-kernel.ts';

const RW = PROT_READ | PROT_WRITE;

function box(switches: Partial<ProcessSwitches> = {}) {
  const kernel = makeKernel({ switches: { ...DEFAULT_PROCESS_SWITCHES, ...switches } });
  const program = makeProgram(kernel);
  const { sys, memory } = program;
  const buffer = memory.malloc(64);
  const before = kernel.pages.usedPages;
  const call = <T>(co: Co<T>): T => now(program, co);
  const map = (fd: number, prot = RW, flags = MAP_SHARED): number =>
    call(sys.mmap(0, 2 * PAGE_SIZE, prot, flags, fd, 0));
  const unmap = (at: number): number => call(sys.munmap(at, 2 * PAGE_SIZE));
  const seal = (fd: number, seals: number): number => call(sys.fcntl(fd, F_ADD_SEALS, seals));
  const sealable = (): number => {
    const fd = call(sys.memfdCreate('buffer', MFD_ALLOW_SEALING));
    assert.equal(call(sys.ftruncate(fd, PAGE_SIZE)), 0);
    return fd;
  };
  const done = (fd: number): void => {
    call(sys.close(fd));
    assert.equal(kernel.pages.usedPages, before);
  };
  return { kernel, program, sys, memory, buffer, call, map, unmap, seal, sealable, done };
}

describe('memfd_create', () => {
  it('gives a file that mappings, read() and write() share', () => {
    const { sys, memory, buffer, call, map, unmap, done } = box();
    const fd = call(sys.memfdCreate('buffer', MFD_CLOEXEC));
    assert.equal(call(sys.fcntl(fd, F_GETFD)), FD_CLOEXEC);
    const at = map(fd);
    assert.throws(() => memory.u8(va(at)));
    memory.write(buffer, Uint8Array.of(1, 2, 3));
    assert.equal(call(sys.write(fd, buffer, 3)), 3);
    assert.deepEqual([...memory.read(va(at), 4)], [1, 2, 3, 0]);
    memory.setU8(va(at + 1), 9);
    memory.setU8(va(at + 100), 9);
    assert.equal(call(sys.pread64(fd, buffer, 64, 1)), 2);
    assert.deepEqual([...memory.read(buffer, 2)], [9, 3]);
    assert.equal(call(sys.ftruncate(fd, 2 * PAGE_SIZE)), 0);
    assert.deepEqual([memory.u8(va(at + 100)), memory.u8(va(at + PAGE_SIZE))], [0, 0]);
    const stat = call(sys.fstat(fd));
    assert.ok(typeof stat !== 'number');
    assert.deepEqual([stat.size, stat.mode], [2 * PAGE_SIZE, S_IFREG | 0o777]);
    assert.equal(call(sys.fsync(fd)), 0);
    unmap(at);
    done(fd);
  });

  it('pages that were cut off are gone; a mapping outlives the fd', () => {
    const { kernel, sys, memory, call, map, unmap } = box();
    const before = kernel.pages.usedPages;
    const fd = call(sys.memfdCreate('', 0));
    call(sys.ftruncate(fd, 2 * PAGE_SIZE));
    const at = map(fd);
    memory.setU8(va(at), 1);
    memory.setU8(va(at + PAGE_SIZE), 1);
    call(sys.ftruncate(fd, PAGE_SIZE));
    assert.equal(kernel.pages.usedPages, before + 1);
    assert.throws(() => memory.u8(va(at + PAGE_SIZE)));
    call(sys.close(fd));
    assert.equal(memory.u8(va(at)), 1);
    unmap(at);
    assert.equal(kernel.pages.usedPages, before);
  });

  it('refuses names that are too long, and flags that it does not know', () => {
    const { sys, call } = box();
    assert.equal(call(sys.memfdCreate('x'.repeat(250), 0)), -EINVAL);
    assert.equal(call(sys.memfdCreate('x', 0x1000)), -EINVAL);
    assert.equal(call(sys.memfdCreate('x', MFD_HUGETLB)), -ENOSYS);
    assert.ok(call(sys.memfdCreate('x'.repeat(249), 0)) >= 0);
  });
});

describe('seals', () => {
  it('SHRINK and GROW fix the size', () => {
    const { sys, buffer, call, seal, sealable, done } = box();
    const fd = sealable();
    assert.equal(seal(fd, F_SEAL_SHRINK), 0);
    assert.equal(call(sys.ftruncate(fd, 1)), -EPERM);
    assert.equal(seal(fd, F_SEAL_GROW), 0);
    assert.equal(call(sys.ftruncate(fd, PAGE_SIZE + 1)), -EPERM);
    assert.equal(call(sys.pwrite64(fd, buffer, 2, PAGE_SIZE - 1)), -EPERM);
    assert.equal(call(sys.pwrite64(fd, buffer, 1, PAGE_SIZE - 1)), 1);
    assert.equal(call(sys.fcntl(fd, F_GET_SEALS)), F_SEAL_SHRINK | F_SEAL_GROW);
    done(fd);
  });

  it('WRITE waits for nobody who may write: -EBUSY with a mapping, or a pin', () => {
    const { program, sys, buffer, memory, call, map, unmap, seal, sealable, done } = box();
    const fd = sealable();
    const at = map(fd);
    assert.equal(seal(fd, F_SEAL_WRITE), -EBUSY);
    memory.setU8(va(at), 5);
    const pin = program.process.mm.pin(va(at), 1, { write: true });
    assert.ok(typeof pin !== 'number');
    unmap(at);
    assert.equal(seal(fd, F_SEAL_WRITE), -EBUSY);
    pin.unpin();
    assert.equal(seal(fd, F_SEAL_WRITE), 0);
    assert.equal(call(sys.pwrite64(fd, buffer, 1, 0)), -EPERM);
    assert.equal(map(fd), -EPERM);
    const copy = map(fd, RW, MAP_PRIVATE);
    memory.setU8(va(copy), 6);
    const reader = map(fd, PROT_READ);
    assert.equal(memory.u8(va(reader)), 5);
    assert.ok(call(sys.mprotect(reader, PAGE_SIZE, RW)) < 0);
    for (const mapped of [copy, reader]) unmap(mapped);
    done(fd);
  });

  it('under Linux 6.1 what has the WRITE seal is not even mapped shared to read', () => {
    const { map, seal, sealable } = box({ sealedMapsReadOnly: false });
    const fd = sealable();
    assert.equal(seal(fd, F_SEAL_WRITE), 0);
    assert.equal(map(fd, PROT_READ), -EPERM);
  });

  it('FUTURE_WRITE leaves the mappings that are there', () => {
    const { memory, map, unmap, seal, sealable, done } = box();
    const fd = sealable();
    const at = map(fd);
    assert.equal(seal(fd, F_SEAL_FUTURE_WRITE), 0);
    memory.setU8(va(at), 1);
    assert.equal(map(fd), -EPERM);
    unmap(at);
    done(fd);
  });

  it('are for those who asked, until SEAL; other files have none', () => {
    const { sys, call, seal, sealable } = box();
    assert.equal(seal(call(sys.memfdCreate('x', 0)), F_SEAL_GROW), -EPERM);
    const fd = sealable();
    assert.equal(seal(fd, 0x1000), -EINVAL);
    assert.equal(seal(fd, F_SEAL_SEAL), 0);
    assert.equal(seal(fd, F_SEAL_GROW), -EPERM);
    const other = call(sys.open('/tmp/f', 0o102, 0o600));
    assert.equal(seal(other, F_SEAL_GROW), -EINVAL);
    assert.equal(call(sys.fcntl(other, F_GET_SEALS)), -EINVAL);
  });
});

describe('memfd_secret', () => {
  it('is mapped shared, has one size, and no read() or write()', () => {
    const { sys, memory, buffer, call, map, unmap, done } = box();
    const fd = call(sys.memfdSecret(O_CLOEXEC));
    assert.equal(call(sys.ftruncate(fd, PAGE_SIZE)), 0);
    assert.equal(call(sys.ftruncate(fd, 2 * PAGE_SIZE)), -EINVAL);
    assert.equal(map(fd, RW, MAP_PRIVATE), -EINVAL);
    assert.equal(call(sys.read(fd, buffer, 1)), -EINVAL);
    const at = map(fd);
    memory.setU8(va(at), 1);
    assert.throws(() => memory.u8(va(at + PAGE_SIZE)));
    unmap(at);
    done(fd);
  });

  it('is locked memory of who made it, page by page as they come, root’s too', () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel, { memlock: 2 * PAGE_SIZE });
    const { sys, memory } = program;
    const call = <T>(co: Co<T>): T => now(program, co);
    const fd = call(sys.memfdSecret(0));
    call(sys.ftruncate(fd, 4 * PAGE_SIZE));
    const at = call(sys.mmap(0, 4 * PAGE_SIZE, RW, MAP_SHARED, fd, 0));
    const used = kernel.pages.usedPages;
    memory.setU8(va(at), 1);
    memory.setU8(va(at + 8), 1);
    memory.setU8(va(at + 3 * PAGE_SIZE), 1);
    assert.equal(kernel.accounts.pages(0), 2);
    assert.equal(program.process.mm.fault(at + PAGE_SIZE, 'write'), 'SIGBUS');
    assert.equal(kernel.pages.usedPages, used + 2);
    call(sys.close(fd));
    assert.equal(kernel.accounts.pages(0), 2, 'until nobody has the file');
    call(sys.munmap(at, 4 * PAGE_SIZE));
    assert.deepEqual([kernel.accounts.pages(0), kernel.pages.usedPages], [0, used]);
  });

  it('knows one flag, and is not there in every kernel', () => {
    const { sys, call } = box();
    assert.equal(call(sys.memfdSecret(1)), -EINVAL);
    const older = box({ memfdSecret: false });
    assert.equal(older.call(older.sys.memfdSecret(0)), -ENOSYS);
  });
});
