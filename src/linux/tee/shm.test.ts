/** Shared memory: sizes and errors of SHM_ALLOC and SHM_REGISTER on each kernel, pools, pins. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL, ENOMEM, formatErrno } from '../../abi/errno.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import { PR_SET_TAGGED_ADDR_CTRL } from '../../abi/prctl.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { PinnedPages, UserMemory } from '../mm/user-memory.ts';
import type { Kernel } from '../process/kernel.ts';
import { KERNEL_SHAPES } from './kernel-registration.ts';
import type { TeeSwitches } from './switches.ts';
import { teeClientOpenContext } from './tee-client.ts';
import type { TeeContext } from './tee-context.ts';
import type { TeeShmPool } from './tee-drv.ts';
import { teeShmAllocKernelBuf, teeShmAllocPrivBuf } from './tee-shm-alloc.ts';
import { teeShmPoolAllocResMem } from './tee-shm-pool.ts';
import {
  teeShmRegisterKernelBuf,
  teeShmRegisterKernelPages,
  teeShmRegisterUserBuf,
} from './tee-shm-register.ts';
import { TEE_SHM_DYNAMIC, TEE_SHM_POOL, TEE_SHM_PRIV } from './tee-shm.ts';
import type { TeeShm } from './tee-shm.ts';
import { boot, NOTHING_HELD } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';
import { HARDENED, LINUX_6_1, LINUX_7_3, PROFILES } from './testing/profiles.ts';
import type { TeeUser } from './testing/user.ts';

const RW = PROT_READ | PROT_WRITE;

async function map(user: TeeUser, pages: number, prot = RW): Promise<number> {
  const { sys } = user.program;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  return user.program.run(sys.mmap(0, pages * PAGE_SIZE, prot, flags, -1, 0));
}

/** Runs as a kernel thread of the box. */
async function inKernel<T>(box: TeeBox, body: (ctx: TeeContext) => Co<T>): Promise<T> {
  const task = box.sched.createTask('kernel client', { called: true });
  return box.sched.call(task, run());
  function* run(): Co<T> {
    const ctx = yield* teeClientOpenContext(box.tee, () => true);
    if (typeof ctx === 'number') throw new Error(formatErrno(ctx));
    return yield* body(ctx);
  }
}

const made = (shm: TeeShm | number): TeeShm => {
  if (typeof shm === 'number') throw new Error(formatErrno(shm));
  return shm;
};

describe('SHM_ALLOC', () => {
  const sizes: readonly [asked: number, whole: number, power: number][] = [
    [1, 1, 1],
    [4096, 1, 1],
    [4097, 2, 2],
    [3 * 4096, 3, 4],
    [5 * 4096, 5, 8],
    [4 << 20, 1024, 1024],
  ];
  for (const [name, switches] of Object.entries(PROFILES)) {
    it(`${name}: rounds to ${switches.dynShmPowerOfTwo ? 'a power of two' : 'whole'} pages`, async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      // The program's heap grows at the first call.
      await user.close((await user.alloc(fd, 1)).fd);
      for (const [asked, whole, power] of sizes) {
        const pages = switches.dynShmPowerOfTwo ? power : whole;
        const before = box.kernel.pages.usedPages;
        const shm = await user.alloc(fd, asked);
        assert.ok(shm.fd >= 0, formatErrno(shm.fd));
        assert.equal(shm.size, BigInt(pages * PAGE_SIZE));
        assert.equal(box.kernel.pages.usedPages - before, pages);
        await user.close(shm.fd);
      }
    });

    it(`${name}: a size beyond the largest block warns once`, async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      assert.equal((await user.alloc(fd, 8 << 20)).fd, -ENOMEM);
      assert.equal((await user.alloc(fd, 9 << 20)).fd, -ENOMEM);
      assert.match(box.trace.lastCause?.limit ?? '', /MAX_PAGE_ORDER/);
      assert.equal(box.kernel.dmesg.text.match(/WARNING/g)?.length, 1);
      assert.equal((await user.alloc(fd, 0)).fd, switches === LINUX_6_1 ? -ENOMEM : -EINVAL);
    });

    it(`${name}: memory is zeroed, ids are the lowest free ones of the device`, async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const other = await user.open();
      const ids = async (from: number): Promise<{ fd: number; id: number }> => user.alloc(from, 1);
      const first = await ids(fd);
      const second = await ids(other);
      assert.deepEqual([first.id, second.id], [1, 2]);
      const shm = box.client.idr.get(1)!;
      shm.map(0, PAGE_SIZE, 'write').bytes.fill(0xaa);
      await user.close(first.fd);
      const again = await ids(other);
      assert.equal(again.id, 1);
      assert.ok(
        box.client.idr
          .get(1)!
          .map(0, PAGE_SIZE, 'read')
          .bytes.every((b) => b === 0),
      );
    });
  }

  it('memory keeps its page list on 7.3 only', async () => {
    for (const switches of [LINUX_7_3, LINUX_6_1]) {
      const box = boot({ switches });
      const user = box.user();
      await user.alloc(await user.open(), 3 * PAGE_SIZE);
      const shm = box.client.idr.get(1)!;
      assert.equal(shm.pages.length, switches === LINUX_7_3 ? 3 : 0);
      assert.equal(shm.map(5, 10, 'read').bytes.length, 10);
    }
  });

  it('a device whose driver gave up its pool answers -EINVAL', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    box.client.pool = undefined;
    assert.equal((await user.alloc(fd, 1)).fd, -EINVAL);
    assert.equal(box.client.idr.size, 0);
  });
});

describe('SHM_REGISTER', () => {
  for (const [name, switches] of Object.entries(PROFILES)) {
    it(`${name}: takes any address and length, and keeps the offset`, async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const at = await map(user, 4);
      for (const [offset, length, pages] of [
        [0, 1, 1],
        [0, 4096, 1],
        [4095, 2, 2],
        [100, 3 * 4096, 4],
      ] as const) {
        const reg = await user.register(fd, at + offset, length);
        assert.ok(reg.fd >= 0, formatErrno(reg.fd));
        assert.equal(reg.size, BigInt(length));
        const shm = box.client.idr.get(reg.id)!;
        assert.deepEqual([shm.offset, shm.size, shm.pages.length], [offset, length, pages]);
        assert.equal(box.kernel.pages.pinsOutstanding, pages);
        await user.close(reg.fd);
        assert.equal(box.kernel.pages.pinsOutstanding, 0);
      }
    });

    it(`${name}: -EFAULT when the first page cannot be pinned, -ENOMEM when another`, async () => {
      const box = boot({ switches });
      const user = box.user();
      const { program } = user;
      const fd = await user.open();
      const at = await map(user, 4);
      const rc = async (addr: number, length: number): Promise<number> =>
        (await user.register(fd, addr, length)).fd;
      const readOnly = await map(user, 1, PROT_READ);
      assert.equal(await rc(readOnly, 16), -EFAULT);
      await program.run(program.sys.munmap(at + 2 * PAGE_SIZE, PAGE_SIZE));
      assert.equal(await rc(at + 2 * PAGE_SIZE, 16), -EFAULT);
      assert.equal(await rc(at, 3 * PAGE_SIZE), -ENOMEM);
      assert.equal(await rc(at + PAGE_SIZE, PAGE_SIZE + 1), -ENOMEM);
      assert.match(box.trace.lastCause?.text ?? '', /not all pages/);
      assert.equal(await rc(at + 3 * PAGE_SIZE, PAGE_SIZE), rcOfNextFree(fd));
      const shm = await user.alloc(fd, PAGE_SIZE);
      const mapped = await program.run(program.sys.mmap(0, PAGE_SIZE, RW, 1, shm.fd, 0));
      assert.equal(await rc(mapped, PAGE_SIZE), -EFAULT, 'a mapping of a shm file is VM_PFNMAP');
    });

    it(`${name}: a list of pages has at most 4 MiB, a buffer 2 GiB`, async () => {
      const box = boot({ switches });
      const user = box.user();
      const { program } = user;
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
      const low = await program.run(program.sys.mmap(1 << 28, PAGE_SIZE, RW, flags, -1, 0));
      assert.equal(low, 1 << 28);
      const fd = await user.open();
      assert.equal((await user.register(fd, low, 2 ** 31 + PAGE_SIZE)).fd, -ENOMEM);
      assert.equal(box.trace.lastCause?.limit, 'KMALLOC_MAX_SIZE=4194304');
      assert.match(box.kernel.dmesg.text, /WARNING: at mm\/page_alloc\.c __alloc_pages\n/);
      assert.equal((await user.register(fd, low, 2 ** 31)).fd, -ENOMEM);
      assert.equal(box.trace.lastCause?.limit, undefined);
      assert.equal(box.held().ids, 0);
    });

    it(`${name}: no bytes`, async () => {
      const user = boot({ switches }).user();
      const fd = await user.open();
      const at = await map(user, 1);
      const results: number[] = [];
      for (const addr of [0, at, at + 1]) {
        const { fd: rc, size } = await user.register(fd, addr, 0);
        results.push(Math.min(rc, 0));
        assert.equal(size, 0n);
      }
      const expected = switches.registerByIovIter
        ? [-ENOMEM, -ENOMEM, -ENOMEM]
        : [-EINVAL, -EINVAL, 0];
      assert.deepEqual(results, expected);
    });

    it(`${name}: exit of the process gives everything back`, async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      await user.register(fd, await map(user, 3), 3 * PAGE_SIZE);
      await user.alloc(fd, 3 * PAGE_SIZE);
      await user.program.exit();
      assert.deepEqual(box.held(), NOTHING_HELD);
      assert.deepEqual(box.fake.log, ['open 1', 'close 1', 'release 1']);
    });
  }

  it('tagged pointers are untagged for threads that may use them, on arm64', async () => {
    const tag = 0x5an << 56n;
    for (const [arch, tagged, expected] of [
      ['arm64', true, 0],
      ['arm64', false, -EFAULT],
      ['x86-64', true, -EFAULT],
    ] as const) {
      const box = boot({ kernel: { arch } });
      const user = box.user();
      const { program } = user;
      const enable = program.sys.prctl(PR_SET_TAGGED_ADDR_CTRL, Number(tagged));
      assert.equal(await program.run(enable), arch === 'arm64' ? 0 : -EINVAL);
      const fd = await user.open();
      const at = await map(user, 1);
      const reg = await user.register(fd, tag | BigInt(at + 100), 8);
      assert.equal(Math.min(reg.fd, 0), expected);
      if (expected !== 0) continue;
      const plain = await user.register(fd, at, 8);
      const [a, b] = [reg, plain].map(({ id }) => box.client.idr.get(id)!);
      assert.deepEqual([a!.offset, a!.pages], [100, b!.pages]);
    }
  });

  it('the same page may be registered any number of times', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    const at = await map(user, 2);
    const all = [at, at, at + 8].map((addr) => user.register(fd, addr, PAGE_SIZE));
    const shms = (await Promise.all(all)).map(({ id }) => box.client.idr.get(id)!);
    const page = shms[0]!.pages[0]!;
    assert.deepEqual(
      shms.map(({ pages }) => pages[0]),
      [page, page, page],
    );
    assert.equal(box.kernel.pages.pinCount(page), 3);
    assert.equal(box.fake.registered.size, 3);
    for (const { fd: shm } of await Promise.all(all)) await user.close(shm);
    assert.equal(box.kernel.pages.pinCount(page), 0);
  });

  it('pages are counted in an int on 7.3: of 16 TiB and a bit, the bit', async () => {
    const TIB_16 = 2 ** 44;
    const fixed = { ...LINUX_7_3, quirkPageCountIsInt: false };
    const register = async (switches: TeeSwitches, length: number): Promise<readonly number[]> => {
      const box = boot({ switches });
      const user = box.user();
      const { sys } = user.program;
      const fd = await user.open();
      const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
      const at = await user.program.run(sys.mmap(1 << 28, 4 * PAGE_SIZE, RW, flags, -1, 0));
      const shm = await user.register(fd, at + 100, length);
      const { pages } = box.client.idr.get(shm.id) ?? { pages: [] };
      return [Math.min(shm.fd, 0), pages.length, Number(shm.size)];
    };
    for (const switches of [LINUX_6_1, fixed]) {
      for (const bit of [0, 2 * PAGE_SIZE]) {
        const length = TIB_16 + bit;
        assert.deepEqual(await register(switches, length), [-ENOMEM, 0, length]);
      }
    }
    assert.deepEqual(await register(LINUX_7_3, TIB_16 - PAGE_SIZE), [
      -ENOMEM,
      0,
      TIB_16 - PAGE_SIZE,
    ]);
    assert.deepEqual(await register(LINUX_7_3, TIB_16), [0, 1, PAGE_SIZE - 100]);
    assert.deepEqual(await register(LINUX_7_3, TIB_16 + 2 * PAGE_SIZE), [
      0,
      3,
      3 * PAGE_SIZE - 100,
    ]);
    // The rest of the number is more than there is: short, as any other.
    const short = TIB_16 + 4 * PAGE_SIZE;
    assert.deepEqual(await register(LINUX_7_3, short), [-ENOMEM, 0, short]);
  });

  it('one registration takes 0x7ffff000 bytes on 7.3, 2 GiB on 6.1', async () => {
    for (const [switches, most] of [
      [LINUX_7_3, 0x7fff_f000],
      [LINUX_6_1, 2 ** 31],
    ] as const) {
      const box = boot({ switches });
      const { thread } = box.user().program;
      const { pid, name, cred, files, rlimits } = thread.process;
      let unpinned = 0;
      // More memory than any box has.
      const pin = (_start: unknown, count: number): PinnedPages => ({
        pages: Array<Pa>(count).fill(pa(0)),
        syncForDevice() {},
        syncForCpu() {},
        unpin: () => void (unpinned += 1),
      });
      const mm = Object.assign(Object.create(thread.process.mm) as UserMemory, { pin });
      const process = { pid, name, cred, files, rlimits, mm };
      const { tid, task, signals } = thread;
      const current = { tid, task, signals, process };
      await inKernel(box, function* (ctx) {
        const register = (length: number): Co<TeeShm | number> =>
          teeShmRegisterUserBuf(ctx, current, PAGE_SIZE, length);
        assert.equal(yield* register(most + 1), -ENOMEM);
        yield* made(yield* register(most)).put();
        if (switches === LINUX_6_1) return;
        assert.equal(box.trace.lastCause?.limit, 'MAX_RW_COUNT=2147479552');
        // One page more than the call takes is the same page when the buffer begins in one.
        const cut = made(yield* teeShmRegisterUserBuf(ctx, current, PAGE_SIZE + 8, most + 100));
        assert.deepEqual([cut.size, cut.pages.length], [most, 0x80000]);
        yield* cut.put();
      });
      assert.equal(unpinned, switches === LINUX_7_3 ? 3 : 1);
    }
  });

  it('tells the trace of each buffer', async () => {
    const box = boot();
    box.trace.setLevel('worlds');
    const user = box.user();
    const fd = await user.open();
    const shm = await user.alloc(fd, 100);
    const reg = await user.register(fd, await map(user, 1), 100);
    for (const open of [shm.fd, reg.fd, fd]) await user.close(open);
    const events = [...box.trace.events()].filter(({ name }) => /^(shm|tee)\./.test(name));
    assert.deepEqual(
      events.map(({ name, args }) => [name, args]),
      [
        ['tee.open', { device: 'tee0', context: 1 }],
        ['shm.alloc', { id: 1, context: 1, sizeBytes: 4096, how: 'pool' }],
        ['shm.alloc', { id: 2, context: 1, sizeBytes: 100, how: 'register' }],
        ['shm.free', { id: 1, context: 1, sizeBytes: 4096 }],
        ['shm.free', { id: 2, context: 1, sizeBytes: 100 }],
        ['tee.release', { device: 'tee0', context: 1 }],
      ],
    );
  });

  it('quirk: a short pin at an unaligned address loses a page', async () => {
    const leaked = async (switches: TeeSwitches, offset: number): Promise<number> => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const at = await map(user, 3);
      await user.program.run(user.program.sys.munmap(at + 2 * PAGE_SIZE, PAGE_SIZE));
      assert.equal((await user.register(fd, at + offset, 3 * PAGE_SIZE - 100)).fd, -ENOMEM);
      return box.kernel.pages.pinsOutstanding;
    };
    assert.equal(await leaked(LINUX_7_3, 8), 1);
    assert.equal(await leaked(LINUX_7_3, 0), 0);
    assert.equal(await leaked(LINUX_6_1, 8), 0);
    assert.equal(await leaked(HARDENED, 8), 0);
  });

  it('hardened: pins count against RLIMIT_MEMLOCK of the user, unless CAP_IPC_LOCK', async () => {
    const box = boot({ switches: HARDENED });
    box.tee.nodeAccess(false);
    const user = box.user({ uid: 1000, groups: [0], memlock: 2 * PAGE_SIZE });
    const fd = await user.open();
    const at = await map(user, 4);
    const two = await user.register(fd, at, 2 * PAGE_SIZE);
    assert.ok(two.fd >= 0, formatErrno(two.fd));
    assert.equal(box.tee.memlock.pages(1000), 2);
    assert.equal((await user.register(fd, at, 1)).fd, -ENOMEM);
    assert.match(box.trace.lastCause?.limit ?? '', /RLIMIT_MEMLOCK=8192/);
    await user.close(two.fd);
    assert.equal(box.tee.memlock.pages(1000), 0);
    assert.ok((await user.register(fd, at, 1)).fd >= 0);
    const root = box.user({ memlock: 0 });
    assert.ok((await root.register(await root.open(), await map(root, 4), 4 * PAGE_SIZE)).fd >= 0);
  });
});

/** What a successful call returns as the next fd, above those of this test. */
const rcOfNextFree = (fd: number): number => fd + 1;

describe('kernel memory', () => {
  for (const [name, switches] of Object.entries(PROFILES)) {
    it(`${name}: kernel and private buffers have no id`, async () => {
      const box = boot({ switches });
      await inKernel(box, function* (ctx) {
        const kernel = made(yield* teeShmAllocKernelBuf(ctx, 100));
        const priv = made(yield* teeShmAllocPrivBuf(ctx, 100));
        assert.deepEqual([kernel.id, priv.id, box.client.idr.size], [-1, -1, 0]);
        assert.equal(kernel.flags, TEE_SHM_DYNAMIC | TEE_SHM_POOL);
        assert.equal(priv.flags, TEE_SHM_PRIV | TEE_SHM_POOL);
        assert.equal(kernel.getPa(99), kernel.paddr + 99);
        assert.equal(kernel.getVa(PAGE_SIZE), undefined);
        assert.equal(kernel.getPa(PAGE_SIZE), undefined);
        yield* kernel.put();
        yield* priv.put();
      });
    });

    const { referenced } = KERNEL_SHAPES[switches.kernelRegistration];
    it(`${name}: registered kernel pages are ${referenced ? '' : 'not '}referenced`, async () => {
      const box = boot({ switches });
      const { pages, map } = box.kernel;
      const block = pages.allocExact(2 * PAGE_SIZE)!;
      await inKernel(box, function* (ctx) {
        const address = map.linear.toVirt(pa(block + 10));
        const shm = made(yield* teeShmRegisterKernelBuf(ctx, address, 5000));
        assert.deepEqual([shm.offset, shm.size, shm.pages], [10, 5000, [block, block + PAGE_SIZE]]);
        assert.equal(pages.refCount(block), referenced ? 2 : 1);
        assert.equal(shm.getVa(0), undefined);
        shm.map(4090, 20, 'write').bytes.fill(7);
        assert.equal(box.kernel.port.bytes(pa(block + 4100), 20, 'read')[0], 7);
        yield* shm.put();
        assert.equal(pages.refCount(block), 1);
        const empty = yield* teeShmRegisterKernelBuf(ctx, map.linear.toVirt(block), 0);
        assert.equal(empty, switches.registerByIovIter ? -ENOMEM : -EINVAL);
      });
    });

    it(`${name}: scattered pages are registered by their list`, async () => {
      const box = boot({ switches });
      const list = [0, 1, 2].map(() => box.kernel.pages.allocExact(PAGE_SIZE)!).reverse();
      await inKernel(box, function* (ctx) {
        const shm = made(yield* teeShmRegisterKernelPages(ctx, list, 8, 2 * PAGE_SIZE));
        const mapping = shm.map(4000, 500, 'write');
        mapping.bytes.fill(9);
        mapping.writeBack();
        assert.equal(box.kernel.port.bytes(list[0]!, PAGE_SIZE, 'read')[4008], 9);
        assert.equal(box.kernel.port.bytes(list[1]!, PAGE_SIZE, 'read')[0], 9);
        yield* shm.put();
      });
    });
  }

  it('a refused registration takes nothing', async () => {
    const box = boot();
    box.fake.errors.register = -EINVAL;
    await inKernel(box, function* (ctx) {
      const block = box.kernel.pages.allocExact(PAGE_SIZE)!;
      const address = box.kernel.map.linear.toVirt(block);
      assert.equal(yield* teeShmRegisterKernelBuf(ctx, address, 1), -EINVAL);
      assert.equal(yield* teeShmAllocKernelBuf(ctx, 1), -EINVAL);
      assert.equal(box.client.numUsers, 2);
      box.kernel.pages.freeExact(block, PAGE_SIZE);
    });
    assert.equal(box.held().pages, 0);
  });

  it('an unregistration that fails is logged, and the memory is freed all the same', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    const reg = await user.register(fd, await map(user, 1), 100);
    box.fake.errors.unregister = -ENOMEM;
    await user.close(reg.fd);
    assert.match(box.kernel.dmesg.text, /\(NULL device \*\): unregister shm .* failed: -12/);
    assert.equal(box.kernel.pages.pinsOutstanding, 0);
  });
});

describe('reserved memory', () => {
  const SIZE = 16 * PAGE_SIZE;
  let base: Pa = pa(0);
  const reserve = (_fake: unknown, kernel: Kernel): TeeShmPool => {
    base = kernel.pages.allocExact(SIZE)!;
    const pool = teeShmPoolAllocResMem(kernel, { base, size: SIZE }, 9);
    if (typeof pool === 'number') throw new Error('no pool');
    return pool;
  };

  it('goes out in granules, first fit, zeroed and not registered', async () => {
    const box = boot({ pool: reserve });
    box.kernel.port.bytes(base, SIZE, 'write').fill(0xff);
    await inKernel(box, function* (ctx) {
      const small = made(yield* teeShmAllocPrivBuf(ctx, 1));
      const next = made(yield* teeShmAllocPrivBuf(ctx, 513));
      assert.deepEqual([small.paddr, small.size], [base, 512]);
      assert.deepEqual([next.paddr, next.size], [base + 512, 1024]);
      const aligned = made(yield* teeShmAllocKernelBuf(ctx, 1));
      assert.deepEqual([aligned.paddr, aligned.size], [base + PAGE_SIZE, PAGE_SIZE]);
      assert.equal(aligned.isDynamic, false);
      assert.equal(box.fake.registered.size, 0);
      assert.ok(small.map(0, 512, 'read').bytes.every((b) => b === 0));
      for (const shm of [small, next, aligned]) yield* shm.put();
      const all = made(yield* teeShmAllocKernelBuf(ctx, SIZE));
      assert.equal(yield* teeShmAllocPrivBuf(ctx, 1), -ENOMEM);
      assert.equal(box.trace.lastCause?.available, 0);
      yield* all.put();
    });
  });

  it('no bytes are -ENOMEM on either kernel', async () => {
    for (const switches of [LINUX_7_3, LINUX_6_1]) {
      const user = boot({ switches, pool: reserve }).user();
      assert.equal((await user.alloc(await user.open(), 0)).fd, -ENOMEM);
    }
  });

  it('must be made of pages, and may not be destroyed while in use', async () => {
    const box = boot();
    const { kernel } = box;
    const region = (start: number, size: number): TeeShmPool | number =>
      teeShmPoolAllocResMem(kernel, { base: pa(start), size }, 9);
    assert.equal(region(512, PAGE_SIZE), -EINVAL);
    assert.equal(region(PAGE_SIZE, 512), -EINVAL);
    const user = boot({ pool: reserve });
    await inKernel(user, function* (ctx) {
      made(yield* teeShmAllocKernelBuf(ctx, 1));
    });
    assert.throws(() => user.client.pool?.destroy(), /4096 bytes are in use/);
    assert.equal(user.sched.halted?.kind, 'kernel BUG');
  });
});
