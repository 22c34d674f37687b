import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL, EPERM, ESRCH } from '../../abi/errno.ts';
import { PROT_READ } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Program } from '../process/program.ts';
import { processVmReadv, processVmWritev } from './process-vm.ts';
import { buffer, pinKernel, user } from './testing/pinning.ts';

function pair(): { readonly a: Program; readonly b: Program; readonly pins: () => number } {
  const kernel = pinKernel();
  const [a, b] = [user(kernel), user(kernel)];
  return { a, b, pins: () => kernel.pages.pinsOutstanding };
}

const vec = (base: number, length: number) => ({ base, length });

describe('process_vm_readv and process_vm_writev', () => {
  it('move bytes between lists of pieces, over many pages, and leave no pin', () => {
    const { a, b, pins } = pair();
    const pages = 1100;
    const [from, to] = [buffer(b, pages), buffer(a, pages)];
    const total = pages * PAGE_SIZE - 200;
    const local = [vec(to, 10), vec(to + 10, 5000), vec(to + 5010, total - 5010)];
    assert.equal(processVmReadv(a.thread, b.pid, local, [vec(from + 100, total)]), total);
    for (const n of [100, 4196, 5009, total - 1]) {
      assert.deepEqual(a.memory.read(va(to + n), 1), b.memory.read(va(from + 100 + n), 1), `${n}`);
    }
    a.memory.write(va(to), Uint8Array.of(1, 2, 3, 4));
    const remote = [vec(from + PAGE_SIZE - 1, 2), vec(from, 1)];
    assert.equal(processVmWritev(a.thread, b.pid, [vec(to, 4)], remote), 3);
    assert.deepEqual([...b.memory.read(va(from + PAGE_SIZE - 1), 2)], [1, 2]);
    assert.equal(b.memory.read(va(from), 1)[0], 3);
    assert.equal(pins(), 0);
  });

  it('end at the first fault of either side', () => {
    const { a, b, pins } = pair();
    const [from, to] = [buffer(b, 3), buffer(a, 3)];
    b.process.mm.munmap(from + 2 * PAGE_SIZE, PAGE_SIZE);
    const read = (at: number, length: number, dest: number = to): number =>
      processVmReadv(a.thread, b.pid, [vec(dest, length)], [vec(at, length)]);
    assert.equal(read(from + 10, 3 * PAGE_SIZE - 10), 2 * PAGE_SIZE - 10);
    assert.equal(read(from + 2 * PAGE_SIZE, 1), -EFAULT);
    assert.equal(read(from, 1, 0), -EFAULT);
    b.process.mm.mprotect(from, PAGE_SIZE, PROT_READ);
    assert.equal(processVmWritev(a.thread, b.pid, [vec(to, 1)], [vec(from, 1)]), -EFAULT);
    const remote = [vec(from + PAGE_SIZE, 4), vec(from, 4)];
    assert.equal(processVmWritev(a.thread, b.pid, [vec(to, 8)], remote), 4);
    assert.equal(pins(), 0);
  });

  it('ask for the same user or CAP_SYS_PTRACE', async () => {
    const { a, b } = pair();
    const { kernel } = a;
    const [from, to] = [buffer(b, 1), buffer(a, 1)];
    const read = (who: Program, dest: number, pid: number): number =>
      processVmReadv(who.thread, pid, [vec(dest, 1)], [vec(from, 1)]);
    const other = user(kernel, { uid: 1001 });
    assert.equal(read(other, buffer(other, 1), b.pid), -EPERM);
    const root = user(kernel, { uid: 0 });
    assert.equal(read(root, buffer(root, 1), b.pid), 1);
    assert.equal(read(a, to, 999), -ESRCH);
    await b.exit();
    assert.equal(read(a, to, b.pid), -ESRCH);
    const many = new Array<ReturnType<typeof vec>>(1025).fill(vec(to, 1));
    assert.equal(processVmReadv(a.thread, a.pid, many, [vec(to, 1)]), -EINVAL);
    assert.equal(processVmReadv(a.thread, a.pid, [vec(to, 1)], [vec(to, 1)], 1), -EINVAL);
    const nobody = 999;
    const { taskSize } = a.process.mm.mm.arch;
    for (const [local, remote, result] of [
      [[], many, 0],
      [[vec(to, 0)], [vec(to, 1)], 0],
      [[vec(to, 1)], [], 0],
      [[vec(to, 1)], [vec(to, 0)], 0],
      [[vec(to, 1)], many, -EINVAL],
      [[vec(taskSize, 1)], [vec(to, 0)], -EFAULT],
      [[vec(to, 1)], [vec(to, 1)], -ESRCH],
    ] as const) {
      assert.equal(processVmReadv(a.thread, nobody, local, remote), result);
    }
  });

  it('is what slow pins for the long term only would break', () => {
    const kernel = pinKernel({ slowPinsLongtermOnly: true });
    const [a, b] = [user(kernel), user(kernel)];
    const [from, to] = [buffer(b, 1), buffer(a, 1)];
    assert.equal(processVmReadv(a.thread, b.pid, [vec(to, 1)], [vec(from, 1)]), -EFAULT);
    assert.match(kernel.trace.lastCause?.text ?? '', /slow pins are for the long term/);
  });
});
