/** How the driver's shared memory is divided among pools. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL, ENOMEM } from '../../../abi/errno.ts';
import * as smc from '../../../abi/optee-smc.ts';
import { PAGE_SIZE, pa } from '../../../machine/address.ts';
import { teeShmAllocKernelBuf, teeShmAllocPrivBuf, teeShmAllocUserBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import type { PoolLayout } from './shm-pool.ts';
import { makeBox, openClient } from './testing/box.ts';
import type { OpteeBox } from './testing/box.ts';

const DYNAMIC = smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM;
const RESERVED = smc.OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM;
const SHM = { base: pa(0x4180_0000), size: 16 * PAGE_SIZE };

function make(pools: PoolLayout, secCaps: number, size = SHM.size): OpteeBox {
  return makeBox({
    platform: { pools },
    tree: { reservedShm: SHM },
    setUp: (world) => {
      world.offer(secCaps);
      const config = [smc.OPTEE_SMC_RETURN_OK, SHM.base, size, smc.OPTEE_SMC_SHM_CACHED];
      world.fast.set(smc.OPTEE_SMC_GET_SHM_CONFIG, config);
    },
  });
}

const inReserved = ({ paddr }: TeeShm): boolean => paddr >= SHM.base && paddr < SHM.base + SHM.size;

/** Where a driver's buffer and a client's come from, and whether the secure world is told. */
function sources(box: OpteeBox): readonly string[] {
  const ctx = box.run(openClient(box.optee));
  return [teeShmAllocPrivBuf, teeShmAllocKernelBuf, teeShmAllocUserBuf].map((alloc) => {
    const known = box.world.shared.size;
    const shm = box.run(alloc(ctx, 100)) as TeeShm;
    const told = box.world.shared.size > known ? ', registered' : '';
    const from = inReserved(shm) ? 'reserved' : 'pages';
    assert.equal(shm.isDynamic, told !== '', 'passed by reference if it is known');
    box.run(shm.put());
    assert.equal(box.world.shared.size, known);
    return from + told;
  });
}

const PAGES = ['pages', 'pages, registered', 'pages, registered'];
const STATIC = ['reserved', 'reserved', 'reserved'];

describe('pools of the OP-TEE driver', () => {
  const layouts: readonly [PoolLayout, caps: string, secCaps: number, readonly string[]][] = [
    ['one', 'pages', DYNAMIC, PAGES],
    ['one', 'both', DYNAMIC | RESERVED, PAGES],
    ['one', 'reserved memory', RESERVED, STATIC],
    ['two', 'pages', DYNAMIC, PAGES],
    ['two', 'both', DYNAMIC | RESERVED, PAGES],
    ['two', 'reserved memory', RESERVED, STATIC],
    ['mixed', 'pages', DYNAMIC, PAGES],
    ['mixed', 'both', DYNAMIC | RESERVED, ['pages', 'reserved', 'reserved']],
    ['mixed', 'reserved memory', RESERVED, STATIC],
  ];
  for (const [layout, caps, secCaps, expected] of layouts) {
    it(`${layout}, with ${caps}: ${expected.join('; ')}`, () => {
      const box = make(layout, secCaps);
      assert.deepEqual(sources(box), expected);
      // Messages of calls come from there too, and are taken.
      box.run(box.optee.shutdown());
    });
  }

  it('messages of calls are found wherever they are', () => {
    for (const layout of ['one', 'two', 'mixed'] as const) {
      for (const secCaps of [DYNAMIC, RESERVED, DYNAMIC | RESERVED]) {
        const box = make(layout, secCaps | smc.OPTEE_SMC_SEC_CAP_RPC_ARG);
        assert.deepEqual(sources(box).length, 3, `${layout} ${secCaps}`);
      }
    }
  });

  it('one has granules of 512 bytes; two of 8 bytes in the first page, and pages behind', () => {
    const ends: number[][] = [];
    for (const layout of ['one', 'two'] as const) {
      const box = make(layout, RESERVED);
      const { ctx } = box.optee;
      const [a, b] = [1, 1].map(() => box.run(teeShmAllocPrivBuf(ctx, 1)) as TeeShm);
      const shared = box.run(teeShmAllocKernelBuf(ctx, 1)) as TeeShm;
      ends.push([b!.paddr - a!.paddr, a!.size, shared.paddr % PAGE_SIZE, shared.size]);
    }
    // Alignment to two longs is the least that a driver's buffer gets.
    assert.deepEqual(ends, [
      [512, 512, 0, PAGE_SIZE],
      [16, 16, 0, PAGE_SIZE],
    ]);
  });

  it('two: clients cannot have what is the driver’s, nor the other way round', () => {
    const box = make('two', RESERVED, 3 * PAGE_SIZE);
    const { ctx } = box.optee;
    assert.equal(box.run(teeShmAllocKernelBuf(ctx, 2 * PAGE_SIZE)), -ENOMEM);
    const shm = box.run(teeShmAllocKernelBuf(ctx, PAGE_SIZE)) as TeeShm;
    assert.equal(shm.paddr, SHM.base + 2 * PAGE_SIZE, 'behind the messages');
    const priv = box.run(teeShmAllocPrivBuf(ctx, 64)) as TeeShm;
    assert.ok(priv.paddr < SHM.base + PAGE_SIZE);
    assert.equal(box.run(teeShmAllocPrivBuf(ctx, PAGE_SIZE)), -ENOMEM);
    box.run(shm.put());
    box.run(priv.put());
  });

  it('two of less than two pages are -EINVAL', () => {
    const box = make('two', RESERVED, PAGE_SIZE);
    assert.equal(box.probed, -EINVAL);
    assert.match(box.kernel.dmesg.text, /too small shared memory area/);
    assert.equal(typeof make('one', RESERVED, PAGE_SIZE).probed, 'object');
  });

  it('none at all is -EINVAL', () => {
    for (const layout of ['one', 'two', 'mixed'] as const) {
      assert.equal(make(layout, 0).probed, -EINVAL);
    }
  });
});
