import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_MALLOC_FILL_ZERO,
  TEE_MALLOC_NO_FILL,
  TEE_MALLOC_NO_SHARE,
  TEE_MEMORY_ACCESS_ANY_OWNER,
  TEE_MEMORY_ACCESS_NONSECURE,
  TEE_MEMORY_ACCESS_READ,
  TEE_MEMORY_ACCESS_SECURE,
  TEE_MEMORY_ACCESS_WRITE,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TEE_USER_MEM_HINT_NO_FILL_ZERO } from '../../abi/utee-defines.ts';
import { TaPanic } from '../runtime.ts';
import type { Tee } from './tee.ts';
import { Params, World, inTa, taOf } from '../testing/world.ts';

describe('TEE_Malloc', () => {
  test('gives zeroes in secure RAM, also where something stood before', async () => {
    const world = new World();
    await inTa(
      (tee) => {
        const first = tee.TEE_Malloc(100, TEE_MALLOC_FILL_ZERO)!;
        assert.equal(first.buffer, world.machine.bus.u8.buffer);
        assert.equal(world.machine.bus.attribute(world.machine.bus.base).kind, 'normal');
        first.fill(7);
        tee.TEE_Free(first);
        const again = tee.TEE_Malloc(100, TEE_MALLOC_FILL_ZERO)!;
        assert.equal(again.byteOffset, first.byteOffset);
        assert.ok(again.every((byte) => byte === 0));
        tee.TEE_Free(again.fill(7));
        assert.equal(tee.TEE_Malloc(100, TEE_USER_MEM_HINT_NO_FILL_ZERO)![0], 7);
      },
      undefined,
      world,
    );
  });

  test('a size of 0 is no error', () =>
    inTa((tee) => {
      for (const hint of [TEE_MALLOC_FILL_ZERO, TEE_MALLOC_NO_SHARE]) {
        const nothing = tee.TEE_Malloc(0, hint);
        assert.equal(nothing?.length, 0);
        tee.TEE_Free(nothing);
      }
      tee.TEE_Free(null);
    }));

  test('is null when the heap is full, with the limit in the cause', async () => {
    const world = new World();
    const ta = world.load(
      taOf(
        (tee) => {
          assert.equal(tee.TEE_Malloc(5000, TEE_MALLOC_FILL_ZERO), null);
          assert.ok(tee.TEE_Malloc(4000, TEE_MALLOC_FILL_ZERO));
        },
        { dataSize: 4096 },
      ),
    );
    await ta.invoke(await ta.open(), 0);
    const cause = world.trace.lastCause;
    assert.deepEqual([cause?.requested, cause?.available], [5000, 4064]);
    assert.equal(cause?.limit, 'TA_DATA_SIZE=4096');
  });

  test('other hints: no heap that is never shared, and an error line for what is none', async () => {
    const world = new World();
    await inTa(
      (tee) => {
        assert.equal(tee.TEE_Malloc(1, TEE_MALLOC_NO_SHARE), null);
        assert.equal(tee.TEE_Malloc(1, TEE_MALLOC_NO_SHARE | TEE_MALLOC_NO_FILL), null);
        assert.equal(tee.TEE_Malloc(1, 0x40), null);
      },
      undefined,
      world,
    );
    assert.match(world.lines.join(''), /^E\/TA:  .*Invalid hint 0x40\n$/);
  });
});

test('TEE_Realloc keeps what fits, and fills up with zeroes', () =>
  inTa((tee) => {
    const first = tee.TEE_Realloc(null, 4)!;
    first.set([1, 2, 3, 4]);
    const grown = tee.TEE_Realloc(first, 8)!;
    assert.deepEqual([...grown], [1, 2, 3, 4, 0, 0, 0, 0]);
    const shrunk = tee.TEE_Realloc(grown, 2)!;
    assert.deepEqual([...shrunk], [1, 2]);
    assert.equal(tee.TEE_Realloc(shrunk, 1e9), null, 'and the old one is still there');
    assert.deepEqual([...shrunk], [1, 2]);
    assert.equal(tee.TEE_Realloc(shrunk, 0)?.length, 0);
  }));

describe('a buffer without bytes', () => {
  const empties: readonly (readonly [string, (tee: Tee) => Uint8Array | null, boolean])[] = [
    ['of TEE_Malloc', (tee) => tee.TEE_Malloc(0, TEE_MALLOC_FILL_ZERO), false],
    ['not to share', (tee) => tee.TEE_Malloc(0, TEE_MALLOC_NO_SHARE), true],
    [
      'not to share, nor to fill',
      (tee) => tee.TEE_Malloc(0, TEE_MALLOC_NO_SHARE | TEE_MALLOC_NO_FILL),
      true,
    ],
    [
      'that one not to share was shrunk to',
      (tee) => tee.TEE_Realloc(tee.TEE_Malloc(8, TEE_MALLOC_NO_SHARE), 0),
      true,
    ],
    [
      'that an empty one not to share was made again',
      (tee) => tee.TEE_Realloc(tee.TEE_Malloc(0, TEE_MALLOC_NO_SHARE), 0),
      true,
    ],
  ];
  for (const [name, make, isNoShare] of empties) {
    test(`${name} grows in the heap that it is of`, async () => {
      // Only one of the heaps has room for so much.
      const fits: boolean[] = [];
      const body = (tee: Tee): void => {
        const grown = tee.TEE_Realloc(make(tee), 16)!;
        fits.push(grown.length === 16, tee.TEE_Realloc(grown, 6000) !== null);
      };
      const ta = new World().load(taOf(body, { dataSize: 8192, noShareDataSize: 4096 }));
      assert.equal(await ta.invoke(await ta.open(), 0), TEE_SUCCESS);
      assert.deepEqual(fits, [true, !isNoShare]);
    });
  }

  test('not to share does not grow where there is no such heap', () =>
    inTa((tee) => {
      assert.equal(tee.TEE_Realloc(tee.TEE_Malloc(0, TEE_MALLOC_NO_SHARE), 16), null);
    }));
});

test('TEE_MemMove, TEE_MemFill, TEE_MemCompare', () =>
  inTa((tee) => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5);
    tee.TEE_MemMove(bytes.subarray(1), bytes, 4);
    assert.deepEqual([...bytes], [1, 1, 2, 3, 4], 'overlapping');
    tee.TEE_MemFill(bytes, 0x1ff, 2);
    assert.deepEqual([...bytes], [255, 255, 2, 3, 4]);
    const compare = (a: number[], b: number[]): number =>
      tee.TEE_MemCompare(Uint8Array.from(a), Uint8Array.from(b), 3);
    assert.equal(compare([1, 2, 3, 4], [1, 2, 3, 9]), 0);
    assert.ok(compare([1, 2, 3], [1, 3, 0]) < 0);
    assert.ok(compare([1, 2, 3], [1, 1, 9]) > 0);
    tee.TEE_MemMove(null, null, 0);
    tee.TEE_MemFill(null, 0, 0);
    assert.equal(tee.TEE_MemCompare(null, null, 0), 0);
  }));

test('bytes beyond a buffer are a fault', async () => {
  const overrun = inTa((tee) => tee.TEE_MemMove(new Uint8Array(4), new Uint8Array(8), 5));
  await assert.rejects(
    overrun,
    (error) => error instanceof TaPanic && /5 bytes in a buffer of 4/.test(error.message),
  );
  await assert.rejects(
    inTa((tee) => tee.TEE_MemFill(null, 0, 1)),
    TaPanic,
  );
});

test('instance data stays from call to call', async () => {
  const world = new World();
  const seen: unknown[] = [];
  const ta = world.load(
    taOf((tee) => {
      seen.push(tee.TEE_GetInstanceData());
      tee.TEE_SetInstanceData('mine');
    }),
  );
  const session = await ta.open();
  await ta.invoke(session, 0);
  await ta.invoke(session, 0);
  assert.deepEqual(seen, [null, 'mine']);
});

describe('TEE_CheckMemoryAccessRights', () => {
  const READ = TEE_MEMORY_ACCESS_READ;
  const READ_WRITE = READ | TEE_MEMORY_ACCESS_WRITE;
  const ANY = TEE_MEMORY_ACCESS_ANY_OWNER;
  const NONSECURE = TEE_MEMORY_ACCESS_NONSECURE;
  const SECURE = TEE_MEMORY_ACCESS_SECURE;
  const cases: readonly (readonly [string, number, boolean])[] = [
    ['own', READ_WRITE, true],
    ['own', READ_WRITE | SECURE, true],
    ['own', READ | NONSECURE, false],
    ['own', READ | SECURE | NONSECURE, false],
    ['heap', READ_WRITE, true],
    ['freed', READ, false],
    ['input', READ, false],
    ['input', READ | ANY, true],
    ['input', READ_WRITE | ANY, false],
    ['input', READ | ANY | NONSECURE, true],
    ['input', READ | ANY | SECURE, false],
    ['part of input', READ | ANY, true],
    ['inout', READ_WRITE | ANY, true],
    ['inout', READ_WRITE, false],
    ['other ram', READ | ANY, false],
    ['null', READ, false],
  ];
  for (const [what, flags, allowed] of cases) {
    test(`${what} with 0x${flags.toString(16)}`, async () => {
      const world = new World();
      const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, TEE_PARAM_TYPE_MEMREF_INOUT, 0, 0);
      const params = new Params(types)
        .memref(0, world.shared(new Uint8Array(64)), 64)
        .memref(1, world.shared(new Uint8Array(64)), 64);
      await inTa(
        (tee, given) => {
          const heap = tee.TEE_Malloc(128, TEE_MALLOC_FILL_ZERO)!;
          const freed = tee.TEE_Malloc(64, TEE_MALLOC_FILL_ZERO)!;
          tee.TEE_Free(freed);
          const input = given[0].memref.buffer!;
          const buffers: Record<string, Uint8Array | null> = {
            own: new Uint8Array(64),
            freed,
            heap: heap.subarray(64),
            input,
            'part of input': input.subarray(8, 40),
            inout: given[1].memref.buffer,
            'other ram': new Uint8Array(input.buffer).subarray(0x100000, 0x100040),
            null: null,
          };
          const result = tee.TEE_CheckMemoryAccessRights(flags, buffers[what]!, 32);
          assert.equal(result, allowed ? TEE_SUCCESS : TEE_ERROR_ACCESS_DENIED);
        },
        params,
        world,
      );
    });
  }

  test('no bytes are always allowed', () =>
    inTa((tee) => assert.equal(tee.TEE_CheckMemoryAccessRights(READ, null, 0), TEE_SUCCESS)));
});
