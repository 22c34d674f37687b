import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  ENOMEM,
  ENXIO,
  EOPNOTSUPP,
  EOVERFLOW,
} from '../../abi/errno.ts';
import { O_RDONLY, PROT_READ, SIGKILL } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { WaitQueue } from '../../sched/wait.ts';
import { Shmem } from '../mm/shmem.ts';
import { MM_LINUX_6_1, MM_LINUX_7_3 } from '../mm/switches.ts';
import type { MmSwitches } from '../mm/switches.ts';
import type { Kernel } from '../process/kernel.ts';
import type { Program } from '../process/program.ts';
import { IORING_MAX_REG_BUFFERS, IoRing, ioRing, ioUringSetup } from './io-uring.ts';
import type { Iovec } from './io-uring.ts';
import { buffer, lent, mapFile, pinKernel, user } from './testing/pinning.ts';

const MIB = 1 << 20;

function ringOf(program: Program): { readonly fd: number; readonly ring: IoRing } {
  const fd = ioUringSetup(program.thread);
  const ring = ioRing(program.thread, fd);
  assert.ok(ring instanceof IoRing);
  return { fd, ring };
}

const iovec = (base: number, pages: number) => ({ base, length: pages * PAGE_SIZE });

const held = (kernel: Kernel): readonly number[] => [
  kernel.pages.pinsOutstanding,
  kernel.accounts.pages(1000),
];

describe('fixed buffers', () => {
  it('leave the CMA area, stay, and are part of later requests', async () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const at = buffer(program, 600);
    assert.ok(lent(program, at, 600) > 100);
    const { fd, ring } = ringOf(program);
    assert.equal(ring.register(program.thread, [iovec(at, 600), { base: at + 5, length: 10 }]), 0);
    assert.equal(lent(program, at, 600), 0);
    assert.deepEqual(held(kernel), [601, 601]);
    assert.equal(program.process.mm.account.pinnedVm, 601);
    const part = ring.import(0, 3 * PAGE_SIZE - 1, 2, 'read');
    assert.ok(typeof part === 'object');
    assert.deepEqual([...part.bytes], [0, 3]);
    assert.equal(ring.import(1, 0, 11, 'read'), -EFAULT);
    assert.equal(ring.import(2, 0, 1, 'read'), -EFAULT);
    assert.equal(ring.unregister(), 0);
    assert.deepEqual(held(kernel), [0, 0]);
    assert.equal(program.process.mm.account.pinnedVm, 0);
    await program.run(program.sys.close(fd));
  });

  it('are all registered, or none', () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const at = buffer(program, 4);
    const { ring } = ringOf(program);
    const register = (...iovecs: readonly { base: number; length: number }[]): number =>
      ring.register(program.thread, iovecs);
    const good = iovec(at, 2);
    assert.equal(register(), -EINVAL);
    assert.equal(
      register(...new Array<typeof good>(IORING_MAX_REG_BUFFERS + 1).fill(good)),
      -EINVAL,
    );
    assert.equal(register(good, { base: at, length: 0 }), -EFAULT);
    assert.equal(register(good, { base: 0, length: 1 }), -EFAULT);
    assert.equal(register(good, { base: at, length: 2 ** 40 + 1 }), -EFAULT);
    assert.equal(register(good, { base: 2 ** 53 - 2, length: 4096 }), -EFAULT);
    assert.equal(register(good, { base: 2 ** 64 - 2 * PAGE_SIZE, length: 4096 }), -EFAULT);
    assert.equal(register(good, { base: 2 ** 64 - 2 * PAGE_SIZE, length: 6144 }), -EOVERFLOW);
    const hole = program.process.mm.mmap({ length: 4 * PAGE_SIZE });
    program.process.mm.munmap(hole + 2 * PAGE_SIZE, 2 * PAGE_SIZE);
    assert.equal(register(good, iovec(hole, 4)), -EFAULT);
    assert.equal(register(good, iovec(hole + 2 * PAGE_SIZE, 1)), -EFAULT);
    program.process.mm.mprotect(hole, PAGE_SIZE, PROT_READ);
    assert.equal(register(good, iovec(hole, 1)), -EFAULT);
    assert.deepEqual([...held(kernel), ring.size], [0, 0, 0]);
    assert.equal(ring.unregister(), -ENXIO);
    assert.equal(register(good), 0);
    assert.equal(register(good), -EBUSY);
    assert.deepEqual(held(kernel), [2, 2]);
  });

  it('may have entries without memory', () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const { ring } = ringOf(program);
    const nothing = { base: 0, length: 0 };
    assert.equal(ring.register(program.thread, [nothing, iovec(buffer(program, 1), 1)]), 0);
    assert.deepEqual([ring.size, ...held(kernel)], [2, 1, 1]);
    assert.equal(ring.import(0, 0, 0, 'read'), -EFAULT);
    assert.equal(ring.unregister(), 0);
    assert.deepEqual(held(kernel), [0, 0]);
  });

  it('have 1 GiB in 6.1, 1 TiB since', () => {
    const lengths = [2 ** 30, 2 ** 30 + 1, 2 ** 40, 2 ** 40 + 1];
    const causes = (switches: MmSwitches): readonly boolean[] =>
      lengths.map((length) => {
        const kernel = pinKernel(switches);
        const program = user(kernel);
        // It is too short: who tries has pinned before finding that out.
        const { ring } = ringOf(program);
        const base = program.process.mm.mmap({ at: va(MIB), fixed: 'replace', length: PAGE_SIZE });
        assert.equal(ring.register(program.thread, [{ base, length }]), -EFAULT);
        return kernel.pages.vmstat.nr_foll_pin_acquired > 0;
      });
    assert.deepEqual(causes(MM_LINUX_6_1), [true, false, false, false]);
    assert.deepEqual(causes(MM_LINUX_7_3), [true, true, true, false]);
  });

  it('are of no file but shared memory in 6.1, whichever way it is mapped', () => {
    const register = (switches: MmSwitches, map: (program: Program) => Iovec): number => {
      const kernel = pinKernel(switches);
      const program = user(kernel);
      const rc = ringOf(program).ring.register(program.thread, [map(program)]);
      if (rc !== 0) assert.deepEqual(held(kernel), [0, 0]);
      return rc;
    };
    const of = (shared: boolean) => (program: Program) => {
      const { cache } = mapFile(program);
      return iovec(program.process.mm.mmap({ length: PAGE_SIZE, shared, cache }), 1);
    };
    const memory = ({ process: { mm, kernel } }: Program) => {
      const cache = new Shmem(kernel.pages);
      return iovec(mm.mmap({ length: PAGE_SIZE, shared: true, cache }), 1);
    };
    const two = (program: Program) => {
      const { mm, kernel } = program.process;
      const at = mm.mmap({ length: 2 * PAGE_SIZE });
      const cache = new Shmem(kernel.pages);
      mm.mmap({ at, fixed: 'replace', length: PAGE_SIZE, shared: true, cache });
      return iovec(at, 2);
    };
    const twice = ({ process: { mm, kernel } }: Program) => {
      const at = mm.mmap({ length: 2 * PAGE_SIZE });
      const cache = new Shmem(kernel.pages);
      for (const page of [at, va(at + PAGE_SIZE)]) {
        const file = { open() {}, close() {} };
        const pieces = { at: page, fixed: 'replace', length: PAGE_SIZE, shared: true } as const;
        mm.mmap({ ...pieces, cache, file });
      }
      return iovec(at, 2);
    };
    const maps = [of(true), of(false), memory, two, twice];
    assert.deepEqual(
      maps.map((map) => register(MM_LINUX_6_1, map)),
      [-EOPNOTSUPP, -EOPNOTSUPP, 0, -EINVAL, 0],
    );
    assert.deepEqual(
      maps.map((map) => register(MM_LINUX_7_3, map)),
      [-EFAULT, 0, 0, 0, 0],
    );
  });

  it('the fd must be of a ring', async () => {
    const program = user(pinKernel());
    const fd = await program.run(program.sys.open('/dev/null', O_RDONLY));
    assert.ok(typeof fd === 'number');
    assert.equal(ioRing(program.thread, fd), -EOPNOTSUPP);
    assert.equal(ioRing(program.thread, 99), -EBADF);
  });
});

describe('RLIMIT_MEMLOCK', () => {
  it('holds for all processes of a user together, and leaves others alone', () => {
    const kernel = pinKernel();
    const limit = { memlock: 10 * PAGE_SIZE };
    const [a, b, other] = [user(kernel, limit), user(kernel, limit), user(kernel, { uid: 1001 })];
    const rings = [a, b, other].map((program) => ringOf(program).ring);
    const at = [a, b, other].map((program) => buffer(program, 8));
    assert.equal(rings[0]!.register(a.thread, [iovec(at[0]!, 8)]), 0);
    assert.equal(rings[1]!.register(b.thread, [iovec(at[1]!, 3)]), -ENOMEM);
    const cause = kernel.trace.lastCause;
    assert.equal(cause?.limit, `RLIMIT_MEMLOCK=${10 * PAGE_SIZE}`);
    assert.match(cause?.text ?? '', /user 1000 has 32768 bytes pinned and may not pin 12288 more/);
    assert.equal(rings[2]!.register(other.thread, [iovec(at[2]!, 8)]), 0);
    assert.equal(rings[1]!.register(b.thread, [iovec(at[1]!, 2)]), 0);
    assert.deepEqual([kernel.accounts.pages(1000), kernel.accounts.pages(1001)], [10, 8]);
    assert.equal(kernel.pages.pinsOutstanding, 18);
  });

  it('is the caller’s, and the charge is the ring maker’s', () => {
    const kernel = pinKernel();
    const maker = user(kernel, { memlock: 0 });
    const other = user(kernel, { uid: 1001, memlock: 2 * PAGE_SIZE });
    const { ring } = ringOf(maker);
    const at = buffer(other, 3);
    assert.equal(ring.register(other.thread, [iovec(at, 2)]), 0);
    assert.deepEqual([kernel.accounts.pages(1000), kernel.accounts.pages(1001)], [2, 0]);
    const [made, used] = [maker, other].map(({ process }) => process.mm.account.pinnedVm);
    assert.deepEqual([made, used], [2, 0]);
    ring.unregister();
    assert.equal(ring.register(other.thread, [iovec(at, 3)]), -ENOMEM);
    assert.deepEqual(held(kernel), [0, 0]);
  });

  it('CAP_IPC_LOCK is asked when the ring is made', () => {
    const kernel = pinKernel();
    const root = user(kernel, { uid: 0, memlock: 0 });
    const poor = user(kernel, { memlock: 0 });
    const [at, theirs] = [buffer(root, 2), buffer(poor, 2)];
    const { ring } = ringOf(root);
    assert.equal(ring.register(root.thread, [iovec(at, 2)]), 0);
    assert.deepEqual(held(kernel), [2, 0]);
    // Its fd in another's hands: still nobody is charged.
    ring.unregister();
    assert.equal(ring.register(poor.thread, [iovec(theirs, 2)]), 0);
    assert.equal(ringOf(poor).ring.register(poor.thread, [iovec(theirs, 1)]), -ENOMEM);
    assert.deepEqual(held(kernel), [2, 0]);
  });

  it('counts a compound page once, at its whole size, over all buffers', () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const cache = new Shmem(kernel.pages, { order: 4 });
    const at = program.process.mm.mmap({ length: 32 * PAGE_SIZE, shared: true, cache });
    const { ring } = ringOf(program);
    const buffers = [iovec(at, 1), iovec(at + 3 * PAGE_SIZE, 2), iovec(at + 15 * PAGE_SIZE, 2)];
    assert.equal(ring.register(program.thread, buffers), 0);
    assert.deepEqual(held(kernel), [5, 32]);
    ring.unregister();
    assert.deepEqual(held(kernel), [0, 0]);
  });

  for (const how of ['exits', 'is killed', 'closes its ring'] as const) {
    it(`is returned when a process ${how}`, async () => {
      const kernel = pinKernel();
      const program = user(kernel);
      const { fd, ring } = ringOf(program);
      assert.equal(ring.register(program.thread, [iovec(buffer(program, 4), 4)]), 0);
      const before = kernel.pages.usedPages;
      if (how === 'closes its ring') await program.run(program.sys.close(fd));
      else if (how === 'exits') await program.exit();
      else {
        program.kill(SIGKILL);
        await program.exited();
      }
      assert.deepEqual(held(kernel), [0, 0]);
      if (how !== 'closes its ring') assert.ok(kernel.pages.usedPages < before);
    });
  }

  it('is the ring’s: a fork that has its fd keeps buffers and charge', async () => {
    const kernel = pinKernel();
    const program = user(kernel);
    const { fd, ring } = ringOf(program);
    assert.equal(ring.register(program.thread, [iovec(buffer(program, 4), 4)]), 0);
    const queue = new WaitQueue(kernel.sched, 'child');
    await program.run(
      program.fork(function* (child) {
        yield* child.sys.futexWait(queue);
      }),
    );
    await program.run(program.sys.close(fd));
    assert.deepEqual(held(kernel), [4, 4]);
    queue.wakeAll();
    await program.run(program.sys.wait4(-1));
    assert.deepEqual(held(kernel), [0, 0]);
  });
});
