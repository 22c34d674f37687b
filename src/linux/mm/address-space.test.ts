import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PROT_READ } from '../../abi/fcntl.ts';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts';
import { SECURE } from '../../machine/bus.ts';
import { BoxHalted } from '../../sched/halt.ts';
import { FAULT, SCATTERED } from './address-space.ts';
import { AT, BASE, MIB, bytes, leakFree, makeMemory, mapAt, readBack } from './testing/memory.ts';

describe('user copies', () => {
  it(
    'cross pages that do not follow each other in RAM',
    leakFree((_, space) => {
      mapAt(space, 3);
      for (const page of [2, 1, 0]) space.write(va(AT + page * PAGE_SIZE), bytes(0));
      assert.equal(space.load(AT, 2 * PAGE_SIZE, 'read'), SCATTERED);
      const data = Uint8Array.from({ length: 2 * PAGE_SIZE }, (_unused, i) => i * 7);
      assert.equal(space.write(va(AT + 100), data), true);
      assert.deepEqual(readBack(space, AT + 100, data.length), [...data]);
    }),
  );

  it(
    'write what lies before the fault, and say why they ended',
    leakFree(({ sched }, space) => {
      mapAt(space, 1);
      const end = AT + PAGE_SIZE;
      assert.equal(space.write(va(end - 2), bytes(1, 2, 3)), false);
      assert.deepEqual(readBack(space, end - 2, 2), [1, 2]);
      assert.equal(sched.trace.lastCause?.code, '-EFAULT');
      assert.match(sched.trace.lastCause.text, /write of 1 bytes at 0x101000: no mapping/);
      const at = va(end - 1);
      const writes = [
        { at, data: bytes(5) },
        { at: va(end), data: bytes(6) },
        { at, data: bytes(7) },
      ];
      assert.equal(space.writeEach(writes), false);
      assert.deepEqual(readBack(space, end - 1, 1), [5]);
    }),
  );

  it(
    'of nothing succeed anywhere, and bring no page',
    leakFree((_, space) => {
      mapAt(space, 1);
      for (const at of [AT, AT + PAGE_SIZE, 2 ** 63]) {
        assert.equal(space.read(va(at), bytes()), true);
        assert.equal(space.write(va(at), bytes()), true);
      }
      assert.equal(space.mm.rss, 0);
    }),
  );

  it(
    'end at TASK_SIZE, however long they say they are',
    leakFree((_, space) => {
      const { taskSize } = space.mm.arch;
      const last = taskSize - PAGE_SIZE;
      assert.equal(space.mmap({ length: PAGE_SIZE, at: last, fixed: 'replace' }), last);
      assert.deepEqual(readBack(space, taskSize - 1, 1), [0]);
      assert.equal(readBack(space, taskSize - 1, 2), 'EFAULT');
      assert.equal(space.write(va(taskSize - 1), bytes(1, 2)), false);
      assert.deepEqual(readBack(space, taskSize - 1, 1), [0]);
      assert.equal(space.accessOk(taskSize, 0), true);
      assert.equal(space.accessOk(taskSize, 1), false);
      assert.equal(space.accessOk(2 ** 63, 1), false);
      assert.equal(space.accessOk(0, 2 ** 64), false);
    }),
  );

  it('are refused by the firewall where the page is not the normal world’s', () => {
    const { machine, sched, addressSpace } = makeMemory();
    const space = addressSpace();
    mapAt(space, 1);
    space.write(va(AT), bytes(1));
    machine.bus.protect(pa(BASE), 8 * MIB, SECURE);
    sched.trace.setLevel('calls');
    assert.equal(readBack(space, AT, 1), 'EFAULT');
    const faults = [...sched.trace.events()].filter((event) => event.name === 'fault');
    assert.equal(faults.length, 1);
    assert.equal(space.load(AT, 1, 'read'), FAULT);
    assert.equal(space.fault(AT, 'read'), 'SIGBUS');
    assert.match(sched.trace.lastCause?.text ?? '', /closed to the normal world/);
  });

  it('stop the kernel when it must copy such a page itself', () => {
    const { machine, sched, addressSpace } = makeMemory();
    const space = addressSpace();
    mapAt(space, 1);
    space.write(va(AT), bytes(1));
    const index = space.load(AT, 1, 'read');
    const child = space.fork();
    machine.bus.protect(pa(BASE + index), PAGE_SIZE, SECURE);
    assert.throws(() => child?.write(va(AT), bytes(2)), BoxHalted);
    assert.match(sched.halted?.text ?? '', /synchronous external abort: cpu: read of/);
  });

  it(
    'fail, as faults do, when there is no page left',
    leakFree(({ pages, sched }, space) => {
      mapAt(space, 4096);
      const frames: number[] = [];
      while (pages.freePages > 0) frames.push(pages.allocFrames(0, GFP_HIGHUSER_MOVABLE));
      assert.equal(space.write(va(AT), bytes(1)), false);
      assert.match(sched.trace.lastCause?.text ?? '', /no page left/);
      for (const frame of frames) pages.putFrame(frame);
      assert.equal(space.write(va(AT), bytes(1)), true);
    }),
  );

  it(
    'tell a missing mapping from missing memory',
    leakFree((_, space) => {
      assert.equal(space.fault(AT, 'read'), 'SIGSEGV');
      mapAt(space, 1, PROT_READ);
      assert.equal(space.fault(AT, 'write'), 'SIGSEGV');
      assert.equal(space.fault(AT, 'read'), undefined);
      assert.equal(space.fault(Number.NaN, 'read'), 'SIGSEGV');
    }),
  );
});
