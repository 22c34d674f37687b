import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EADDRINUSE, EFAULT, EINVAL, ENOENT, ENOMEM } from '../../abi/errno.ts';
import { PROT_READ } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Program } from '../process/program.ts';
import { buffer, pinKernel, user } from './testing/pinning.ts';
import { UserEvents } from './user-events.ts';

const reg = (enableAddr: number, enableBit = 31, enableSize = 4, name = 'play') => ({
  name,
  enableAddr,
  enableBit,
  enableSize,
});
const byte = (program: Program, at: number): number | undefined =>
  program.memory.read(va(at), 1)[0];

describe('user events', () => {
  it('write the bit of every process that asked, and no other', () => {
    const kernel = pinKernel();
    const [a, b] = [user(kernel), user(kernel)];
    const [atA, atB] = [buffer(a, 1), buffer(b, 1)];
    const events = new UserEvents();
    assert.equal(events.register(a.thread, reg(atA)), 0);
    assert.equal(events.register(b.thread, reg(atB + 8, 5, 8)), 0);
    assert.equal(events.register(b.thread, reg(atB + 16, 5, 8, 'stop')), 0);
    events.setEnabled('play', true);
    assert.deepEqual([byte(a, atA + 3), byte(b, atB + 8), byte(b, atB + 16)], [0x80, 0x20, 0]);
    const late = user(kernel);
    const atLate = buffer(late, 1);
    assert.equal(events.register(late.thread, reg(atLate)), 0);
    assert.equal(byte(late, atLate + 3), 0x80);
    events.setEnabled('play', false);
    assert.deepEqual([byte(a, atA + 3), byte(late, atLate + 3)], [0, 0]);
    assert.equal(kernel.pages.pinsOutstanding, 0);
  });

  it('fault the page in where it is not there: the pin itself does not', () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const at = program.process.mm.mmap({ length: PAGE_SIZE });
    const events = new UserEvents();
    events.setEnabled('play', true);
    assert.equal(events.register(program.thread, reg(at, 0)), 0);
    assert.equal(byte(program, at), 1);
  });

  it('refuse bad places', () => {
    const program = user(pinKernel());
    const at = buffer(program, 1);
    const events = new UserEvents();
    const register = (...args: Parameters<typeof reg>): number =>
      events.register(program.thread, reg(...args));
    assert.equal(register(at, 0, 2), -EINVAL);
    assert.equal(register(at + 4, 0, 8), -EINVAL);
    assert.equal(register(at, 32, 4), -EINVAL);
    assert.equal(register(program.process.mm.mm.arch.taskSize, 0), -EFAULT);
    assert.equal(register(0x1000, 0), -ENOMEM);
    const readOnly = program.process.mm.mmap({ length: PAGE_SIZE, prot: PROT_READ });
    assert.equal(register(readOnly, 0), -ENOMEM);
    assert.equal(events.size, 0);
    assert.equal(register(at, 0), 0);
    assert.equal(register(at, 0), -EADDRINUSE);
    assert.equal(events.size, 1);
    assert.equal(events.unregister(program.thread, at, 1), -ENOENT);
    program.process.mm.munmap(at, PAGE_SIZE);
    assert.equal(events.unregister(program.thread, at, 0), -EFAULT, 'the bit stays as it is');
    assert.equal(events.size, 0);
  });

  it('are what slow pins for the long term only would break', () => {
    const kernel = pinKernel({ slowPinsLongtermOnly: true });
    const program = user(kernel);
    const events = new UserEvents();
    assert.equal(events.register(program.thread, reg(buffer(program, 1))), -ENOMEM);
    assert.match(kernel.trace.lastCause?.text ?? '', /slow pins are for the long term/);
  });

  it('forget processes that have gone', async () => {
    const program = user(pinKernel());
    const events = new UserEvents();
    assert.equal(events.register(program.thread, reg(buffer(program, 1))), 0);
    await program.exit();
    events.setEnabled('play', true);
    assert.equal(events.size, 0);
  });
});
