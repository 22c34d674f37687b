import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL, ENOMEM } from '../../../abi/errno.ts';
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from '../../../abi/fcntl.ts';
import {
  OPTEE_MSG_CMD_REGISTER_SHM,
  OPTEE_MSG_CMD_UNREGISTER_SHM,
} from '../../../abi/optee-msg.ts';
import { OPTEE_SMC_CALL_WITH_RPC_ARG, OPTEE_SMC_RETURN_EBADCMD } from '../../../abi/optee-smc.ts';
import { TEE_IOC_SHM_ALLOC, TEE_IOC_SHM_REGISTER } from '../../../abi/tee.ts';
import { PAGE_SIZE, va } from '../../../machine/address.ts';
import type { MemoryType } from '../../mm/user-memory.ts';
import { Program } from '../../process/program.ts';
import type { TaskStruct } from '../../process/process.ts';
import { teedevCloseContext } from '../tee-context.ts';
import type { TeeContext } from '../tee-context.ts';
import { teeShmAllocKernelBuf, teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import { teeShmRegisterKernelBuf, teeShmRegisterUserBuf } from '../tee-shm-register.ts';
import type { TeeShm } from '../tee-shm.ts';
import { checkMemType } from './shm.ts';
import type { MemTypeCheck } from './switches.ts';
import { makeBox, openClient, openSupplicant } from './testing/box.ts';
import type { OpteeBox } from './testing/box.ts';

const cookieOf = ({ address }: TeeShm): bigint => (BigInt(address.hi) << 32n) | BigInt(address.lo);

/** A driver with a client's context, and what is held from here on. */
function make(): { box: OpteeBox; ctx: TeeContext; held(): object } {
  const box = makeBox();
  const ctx = box.run(openClient(box.optee));
  const { kernel, world } = box;
  const pages = kernel.pages.usedPages;
  const shared = world.shared.size;
  return {
    box,
    ctx,
    held: () => ({
      pages: kernel.pages.usedPages - pages,
      shared: world.shared.size - shared,
      pins: kernel.pages.pinsOutstanding,
      addresses: kernel.addresses.size - shared,
    }),
  };
}

const NOTHING = { pages: 0, shared: 0, pins: 0, addresses: 0 };

/** A program that has `pages` pages of memory. */
function program(box: OpteeBox, pages: number): { current: TaskStruct; at: number; end(): void } {
  const user = new Program(box.kernel, { name: 'client' });
  const { sys } = user;
  const map = box.run(
    sys.mmap(0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
  );
  const end = (): void => {
    void user.exit();
    box.settle();
  };
  return { current: user.thread, at: map, end };
}

describe('registration', () => {
  it('tells the secure world of every page', () => {
    const { box, ctx, held } = make();
    const { current, at, end } = program(box, 600);
    const shm = box.run(teeShmRegisterUserBuf(ctx, current, at + 100, 599 * PAGE_SIZE)) as TeeShm;
    const known = box.world.shared.get(cookieOf(shm))!;
    assert.equal(known.pages.length, 600, 'more than one page of the list');
    assert.deepEqual(known.pages, shm.pages);
    assert.deepEqual([known.offset, known.size], [100, 599 * PAGE_SIZE]);
    assert.equal(box.world.calls.at(-1), OPTEE_SMC_CALL_WITH_RPC_ARG, 'in a message of its own');
    box.run(shm.put());
    end();
    assert.deepEqual(held(), NOTHING);
  });

  it('is undone with the memory', () => {
    const { box, ctx, held } = make();
    const shm = box.run(teeShmAllocKernelBuf(ctx, 3 * PAGE_SIZE)) as TeeShm;
    assert.equal(box.world.commands.at(-1), OPTEE_MSG_CMD_REGISTER_SHM);
    assert.equal(box.world.shared.get(cookieOf(shm))?.pages.length, 3);
    box.run(shm.put());
    assert.equal(box.world.commands.at(-1), OPTEE_MSG_CMD_UNREGISTER_SHM);
    assert.deepEqual(held(), NOTHING);
  });

  it('takes kernel memory without looking at its type', () => {
    const { box, ctx, held } = make();
    const page = box.kernel.pages.alloc(0)!;
    const address = box.kernel.map.linear.toVirt(page);
    const shm = box.run(teeShmRegisterKernelBuf(ctx, address, 100)) as TeeShm;
    assert.deepEqual(box.world.shared.get(cookieOf(shm))?.pages, [page]);
    box.run(shm.put());
    box.kernel.pages.free(page, 0);
    assert.deepEqual(held(), NOTHING);
  });

  it('is not needed for memory of the driver', () => {
    const { box, ctx } = make();
    const before = box.world.commands.length;
    const shm = box.run(teeShmAllocPrivBuf(ctx, 1)) as TeeShm;
    box.run(shm.put());
    assert.equal(box.world.commands.length, before);
  });

  it('is -EINVAL when the secure world refuses, and leaves nothing behind', () => {
    const { box, ctx, held } = make();
    const { current, at, end } = program(box, 2);
    for (const refuse of [
      () => {
        box.world.handle = function* (message) {
          message.answer(0xffff000c, 3);
        };
      },
      () => {
        box.world.refuseWith = OPTEE_SMC_RETURN_EBADCMD;
      },
    ]) {
      refuse();
      assert.equal(box.run(teeShmRegisterUserBuf(ctx, current, at, PAGE_SIZE)), -EINVAL);
      assert.equal(box.run(teeShmAllocKernelBuf(ctx, PAGE_SIZE)), -EINVAL);
    }
    assert.match(box.kernel.trace.lastCause!.text, /refused the memory/);
    end();
    assert.deepEqual(held(), NOTHING);
  });

  it('goes on when the secure world does not let go of the memory', () => {
    const { box, ctx, held } = make();
    const shm = box.run(teeShmAllocKernelBuf(ctx, PAGE_SIZE)) as TeeShm;
    box.world.handle = function* (message) {
      message.answer(0xffff0000, 3);
    };
    box.run(shm.put());
    assert.deepEqual(held(), { ...NOTHING, shared: 1 });
  });

  it('is -EINVAL for no pages', () => {
    const { box, ctx } = make();
    const { shmRegister } = ctx.ops;
    const shm = box.run(teeShmAllocPrivBuf(ctx, 1)) as TeeShm;
    assert.equal(box.run(shmRegister!(ctx, shm, [], va(0), undefined)), -EINVAL);
  });

  it('is -ENOMEM without memory for the message', () => {
    const { box, ctx } = make();
    const { pages } = box.kernel;
    const shm = box.run(teeShmAllocPrivBuf(ctx, 1)) as TeeShm;
    const page = pages.alloc(0)!;
    while (pages.alloc(0) !== undefined);
    const { shmRegister, shmUnregister } = ctx.ops;
    assert.equal(box.run(shmRegister!(ctx, shm, [page], va(page), undefined)), -ENOMEM);
    assert.match(box.kernel.trace.lastCause!.text, /list of 1 pages/);
    pages.free(page, 0);
    assert.equal(box.run(shmRegister!(ctx, shm, [page], va(page), undefined)), -ENOMEM);
    pages.alloc(0);
    assert.equal(box.run(shmUnregister!(ctx, shm)), -ENOMEM);
  });
});

describe('the memory-type check', () => {
  /** A process whose range has mappings of these types, a page each. */
  function withMappings(box: OpteeBox, types: readonly MemoryType[]): TaskStruct {
    const { current } = program(box, types.length);
    const { mm } = current.process;
    const vmas = types.map((memoryType, n) => ({
      start: va(n * PAGE_SIZE),
      end: va((n + 1) * PAGE_SIZE),
      memoryType,
      readable: true,
      writable: true,
      shared: false,
    }));
    return {
      ...current,
      process: { ...current.process, mm: Object.assign(Object.create(mm), { vmas: () => vmas }) },
    };
  }

  /** The check of mappings at these pages, of a buffer that has pages 10 to 12. */
  function check(memTypeCheck: MemTypeCheck, mappings: readonly Mapped[]): number {
    const box = makeBox({ switches: { memTypeCheck } });
    const { current } = program(box, 1);
    const vmas = mappings.map(([first, last, memoryType]) => ({
      start: va(first * PAGE_SIZE),
      end: va((last + 1) * PAGE_SIZE),
      memoryType: memoryType ?? 'normal',
    }));
    const mm = {
      vmas: (start: number, end: number) => vmas.filter((v) => v.end > start && v.start < end),
    };
    const process = {
      ...current.process,
      mm: Object.assign(Object.create(current.process.mm), mm),
    };
    return checkMemType(box.optee, va(10 * PAGE_SIZE), 3, { ...current, process });
  }
  type Mapped = readonly [first: number, last: number, memoryType?: MemoryType];

  const E = -EINVAL;
  const cases: readonly [string, readonly Mapped[], none: number, find: number, range: number][] = [
    ['all of it normal', [[8, 20]], 0, 0, 0],
    [
      'parts of both kinds of normal memory',
      [
        [10, 10],
        [11, 12, 'normal-tagged'],
      ],
      0,
      0,
      0,
    ],
    [
      'a device in the middle',
      [
        [8, 10],
        [11, 11, 'device'],
        [12, 12],
      ],
      0,
      E,
      E,
    ],
    [
      'write-combining at the end',
      [
        [8, 11],
        [12, 12, 'write-combine'],
      ],
      0,
      E,
      E,
    ],
    [
      'a device next to it',
      [
        [9, 9, 'device'],
        [10, 12],
        [13, 13, 'device'],
      ],
      0,
      0,
      0,
    ],
    [
      'a gap within',
      [
        [10, 10],
        [12, 12],
      ],
      0,
      0,
      0,
    ],
    [
      'a gap at the start',
      [
        [8, 8],
        [12, 14],
      ],
      0,
      0,
      0,
    ],
    [
      'a gap at the end, normal memory behind',
      [
        [10, 11],
        [20, 20],
      ],
      0,
      0,
      0,
    ],
    [
      'a gap at the end, a device behind',
      [
        [10, 11],
        [20, 20, 'device'],
      ],
      0,
      E,
      0,
    ],
    ['a gap at the end, nothing behind', [[10, 11]], 0, E, 0],
    ['nothing at all', [], 0, E, 0],
  ];
  for (const [name, mappings, ...expected] of cases) {
    it(`${name}: ${expected.map((rc) => (rc === 0 ? 'taken' : 'refused')).join(', ')}`, () => {
      const checks = ['none', 'find_vma', 'for_each_vma_range'] as const;
      assert.deepEqual(
        checks.map((memTypeCheck) => check(memTypeCheck, mappings)),
        expected,
      );
    });
  }

  it('is told where the buffer starts: copies of a device’s pages can be pinned, and are refused', () => {
    for (const [memTypeCheck, memoryType, expected] of [
      ['for_each_vma_range', 'write-combine', -EINVAL],
      ['for_each_vma_range', 'device', -EINVAL],
      ['for_each_vma_range', 'normal', 0],
      ['none', 'write-combine', 0],
      ['none', 'device', 0],
    ] as const) {
      const box = makeBox({ switches: { memTypeCheck } });
      const ctx = box.run(openClient(box.optee));
      const user = new Program(box.kernel, { name: 'client' });
      const { mm } = user.thread.process;
      const start = box.kernel.pages.alloc(0)!;
      const at = mm.mmap({ length: PAGE_SIZE, pfnMap: { start, memoryType } });
      const register = (): TeeShm | number =>
        box.run(teeShmRegisterUserBuf(ctx, user.thread, at + 8, 100));
      assert.equal(register(), -EFAULT, 'before it is written it is the device’s page');
      assert.equal(mm.write(va(at), Uint8Array.of(1)), true);
      const shm = register();
      assert.equal(typeof shm === 'number' ? shm : 0, expected);
    }
  });

  it('does not look at mappings for the kernel’s own memory', () => {
    const { box } = make();
    const { optee, kernel } = box;
    const current = withMappings(box, ['device']);
    for (const at of [kernel.map.linear.start, kernel.map.vmalloc.start]) {
      assert.equal(checkMemType(optee, at, 1, current), 0);
    }
    assert.equal(checkMemType(optee, va(0), 1, current), -EINVAL);
  });

  it('takes normal memory, tagged or not', () => {
    const { box, ctx } = make();
    const current = withMappings(box, ['normal', 'normal-tagged']);
    const shm = box.run(teeShmAllocPrivBuf(ctx, 2 * PAGE_SIZE)) as TeeShm;
    const { shmRegister } = ctx.ops;
    assert.equal(box.run(shmRegister!(ctx, shm, shm.pages, va(0), current)), 0);
  });

  it('refuses device and write-combining memory, anywhere in the range', () => {
    const { box, ctx } = make();
    const shm = box.run(teeShmAllocPrivBuf(ctx, 2 * PAGE_SIZE)) as TeeShm;
    const supplicant = box.run(openSupplicant(box.optee));
    for (const odd of ['device', 'write-combine'] as const) {
      const current = withMappings(box, ['normal', odd]);
      const before = box.world.commands.length;
      for (const { ops } of [ctx, supplicant]) {
        assert.equal(box.run(ops.shmRegister!(ctx, shm, shm.pages, va(0), current)), -EINVAL);
      }
      assert.equal(box.world.commands.length, before, 'the secure world is not asked');
      assert.match(box.kernel.trace.lastCause!.text, new RegExp(odd));
    }
    box.run(shm.put());
  });

  it('is all that happens to a supplicant’s memory', () => {
    const { box } = make();
    const supplicant = box.run(openSupplicant(box.optee));
    const { current, at } = program(box, 2);
    const before = box.world.commands.length;
    const shm = box.run(teeShmRegisterUserBuf(supplicant, current, at, PAGE_SIZE)) as TeeShm;
    assert.equal(box.world.commands.length, before);
    box.run(shm.put());
    assert.equal(box.world.commands.length, before);
    box.run(teedevCloseContext(supplicant));
  });
});

describe('a page that is registered twice', () => {
  it('is known by two cookies, and stays when one of them goes', () => {
    const { box, ctx, held } = make();
    const { current, at, end } = program(box, 1);
    const [a, b] = [0, 8].map(
      (offset) => box.run(teeShmRegisterUserBuf(ctx, current, at + offset, 100)) as TeeShm,
    );
    const { shared } = box.world;
    assert.notEqual(cookieOf(a!), cookieOf(b!));
    assert.deepEqual(shared.get(cookieOf(a!))?.pages, shared.get(cookieOf(b!))?.pages);
    box.run(a!.put());
    assert.equal(shared.has(cookieOf(a!)), false);
    assert.equal(shared.get(cookieOf(b!))?.offset, 8);
    assert.equal(box.kernel.pages.pinCount(b!.pages[0]!), 1);
    box.run(b!.put());
    end();
    assert.deepEqual(held(), NOTHING);
  });
});

describe('memory of the pool', () => {
  it('cannot be registered again: its mapping is no memory that can be pinned', () => {
    const { box } = make();
    const user = new Program(box.kernel, { name: 'client' });
    const { sys, memory } = user;
    const arg = memory.malloc(32);
    memory.setU64(arg, BigInt(PAGE_SIZE));
    const fd = box.run(sys.open('/dev/tee0', O_RDWR));
    const shm = box.run(sys.ioctl(fd, TEE_IOC_SHM_ALLOC, arg));
    const at = box.run(sys.mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, shm, 0));
    memory.setU64(arg, BigInt(at));
    memory.setU64(va(arg + 8), BigInt(PAGE_SIZE));
    memory.setU64(va(arg + 16), 0n);
    assert.equal(box.run(sys.ioctl(fd, TEE_IOC_SHM_REGISTER, arg)), -EFAULT);
    void user.exit();
    box.settle();
  });
});
