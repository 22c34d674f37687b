/** What an instance is: entry points, sessions, parameters, and everything that ends it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_MALLOC_FILL_ZERO,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import { TaPanic } from '../runtime.ts';
import { Params, TEST_UUID, World, taOf } from '../testing/world.ts';
import type { Tee } from '../gp/tee.ts';
import { defineTa } from './define.ts';
import type { TaEntryPoints, TaSession } from './define.ts';

const NONE = TEE_PARAM_TYPE_NONE;

/** Entry points that do nothing, with some of them replaced. */
const entries = <C>(some: Partial<TaEntryPoints<C>>): TaEntryPoints<C> => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  TA_InvokeCommandEntryPoint: () => TEE_SUCCESS,
  ...some,
});

describe('sessions', () => {
  const counting = defineTa<{ calls: number }>({ uuid: TEST_UUID }, () => {
    let opened = 0;
    return entries({
      TA_OpenSessionEntryPoint(types, _params, session) {
        opened += 1;
        session.context = { calls: opened * 100 };
        return types === 0 ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS;
      },
      TA_InvokeCommandEntryPoint({ context }: TaSession<{ calls: number }>) {
        context.calls += 1;
        return context.calls;
      },
    });
  });
  const open = 'TA_OpenSessionEntryPoint';
  const invoke = 'TA_InvokeCommandEntryPoint';
  const close = 'TA_CloseSessionEntryPoint';

  test('have a context each, until they are closed', async () => {
    const ta = new World().load(counting);
    for (const session of [7, 8]) assert.equal(await ta.enter(open, session, 0, undefined), 0);
    assert.equal(await ta.enter(invoke, 7, 0, undefined), 101);
    assert.equal(await ta.enter(invoke, 8, 0, undefined), 201);
    assert.equal(await ta.enter(invoke, 7, 0, undefined), 102);
    assert.equal(await ta.enter(close, 7, 0, undefined), TEE_SUCCESS);
    assert.equal(await ta.enter(invoke, 7, 0, undefined), TEE_ERROR_BAD_STATE);
    assert.equal(await ta.enter(close, 7, 0, undefined), TEE_ERROR_BAD_STATE);
    assert.equal(await ta.enter(invoke, 8, 0, undefined), 202);
  });

  test('that the TA refuses are none', async () => {
    const ta = new World().load(counting);
    assert.equal(await ta.enter(open, 1, 0, new Params(1)), TEE_ERROR_BAD_PARAMETERS);
    assert.equal(await ta.enter(invoke, 1, 0, undefined), TEE_ERROR_BAD_STATE);
  });

  test('instances of one image share nothing', async () => {
    const world = new World();
    const [one, two] = [world.load(counting), world.load(counting)];
    for (const ta of [one, two]) assert.equal(await ta.enter(open, 1, 0, undefined), 0);
    assert.equal(await one.enter(invoke, 1, 0, undefined), 101);
    assert.equal(await two.enter(invoke, 1, 0, undefined), 101);
  });
});

describe('parameters', () => {
  test('values are 32 bits there and back', async () => {
    const ta = new World().load(
      taOf((_tee, params) => {
        params[0].value.a -= 1;
        params[0].value.b += 1;
      }),
    );
    const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_INOUT, NONE, NONE, NONE);
    const params = new Params(types).value(0, 0, 0xffffffff);
    await ta.invoke(await ta.open(), 0, params);
    assert.deepEqual([params.slots[0]!.a, params.slots[0]!.b], [0xffffffff, 0]);
  });

  for (const scattered of [false, true]) {
    test(`memory is the client’s own, ${scattered ? 'scattered' : 'contiguous'}`, async () => {
      const world = new World();
      world.normal.scattered = scattered;
      const bytes = new Uint8Array(2 * PAGE_SIZE).map((_, i) => i);
      const memref = world.shared(bytes, 123);
      const ta = world.load(
        taOf((_tee, params) => {
          const { buffer, size } = params[0].memref;
          assert.equal(size, bytes.length);
          assert.deepEqual(buffer, bytes);
          buffer!.fill(9);
          params[0].memref.size = 17;
        }),
      );
      const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INOUT, NONE, NONE, NONE);
      const params = new Params(types).memref(0, memref, bytes.length);
      await ta.invoke(await ta.open(), 0, params);
      assert.ok(world.contents(memref, bytes.length).every((byte) => byte === 9));
      assert.equal(params.slots[0]!.size, 17);
    });
  }

  test('NULL is null; no bytes of a page are an empty buffer', async () => {
    const world = new World();
    const seen: unknown[] = [];
    const ta = world.load(
      taOf((_tee, params) => {
        seen.push(params[0].memref.buffer, params[1].memref.buffer?.length);
      }),
    );
    const INOUT = TEE_PARAM_TYPE_MEMREF_INOUT;
    const params = new Params(TEE_PARAM_TYPES(INOUT, INOUT, NONE, NONE))
      .memref(0, undefined, 0)
      .memref(1, world.shared(new Uint8Array(1)), 0);
    await ta.invoke(await ta.open(), 0, params);
    assert.deepEqual(seen, [null, 0]);
  });
});

describe('synchronous and asynchronous', () => {
  test('entry points without await give no promise', () => {
    const ta = new World().load(defineTa({ uuid: TEST_UUID }, () => entries({})));
    assert.equal(ta.enter('TA_CreateEntryPoint', 0, 0, undefined), TEE_SUCCESS);
    assert.equal(ta.enter('TA_OpenSessionEntryPoint', 1, 0, undefined), TEE_SUCCESS);
    assert.equal(ta.enter('TA_InvokeCommandEntryPoint', 1, 0, undefined), TEE_SUCCESS);
    assert.equal(ta.enter('TA_DestroyEntryPoint', 0, 0, undefined), TEE_SUCCESS);
  });

  test('a call that does not block gives a value, one that does a promise', async () => {
    const world = new World();
    const kinds: string[] = [];
    const ta = world.load(
      taOf(async (tee) => {
        const time = tee.TEE_GetSystemTime({ seconds: 0, millis: 0 });
        const wait = tee.TEE_Wait(1);
        kinds.push(typeof time, typeof wait);
        await wait;
      }),
    );
    await ta.invoke(await ta.open(), 0);
    assert.deepEqual(kinds, ['undefined', 'object']);
  });

  test('results of async entry points arrive', async () => {
    const ta = new World().load(
      taOf(async (tee) => {
        await tee.TEE_Wait(5);
        return 0x77;
      }),
    );
    assert.equal(await ta.invoke(await ta.open(), 0), 0x77);
  });
});

/** Runs a body that must end its TA. */
async function end(body: (tee: Tee) => unknown): Promise<TaPanic> {
  const ta = new World().load(taOf(body));
  const session = await ta.open();
  try {
    await ta.invoke(session, 0);
  } catch (error) {
    assert.ok(error instanceof TaPanic);
    return error;
  }
  throw new Error('the TA lives');
}

describe('ends', () => {
  const HERE = /instance\.test\.ts:\d+$/;

  test('an exception that nobody caught, with its line', async () => {
    const panic = await end(() => {
      throw new RangeError('out of tea');
    });
    assert.equal(panic.code, TEE_ERROR_GENERIC);
    assert.equal(panic.message, 'TA_InvokeCommandEntryPoint: RangeError: out of tea');
    assert.match(panic.where, HERE);
    assert.ok(panic.cause instanceof RangeError);
  });

  test('one after an await, and a thrown thing that is no error', async () => {
    const late = await end(async (tee) => {
      await tee.TEE_Wait(1);
      throw new Error('late');
    });
    assert.match(late.message, /late/);
    assert.match(late.where, HERE);
    const odd = await end(() => Promise.reject(5 as unknown as Error));
    assert.match(odd.message, /threw 5/);
    assert.match(odd.where, HERE, 'where the TA is defined');
  });

  test('TEE_Panic, with code and line, also when the TA catches it', async () => {
    const panic = await end((tee) => tee.TEE_Panic(-1));
    assert.equal(panic.code, 0xffffffff);
    assert.match(panic.where, HERE);
    const caught = await end((tee) => {
      try {
        tee.TEE_Panic(9);
      } catch {
        // The panic stays one.
      }
    });
    assert.equal(caught.code, 9);
  });

  test('a panic inside a call that had to be waited for', async () => {
    const panic = await end(async (tee) => {
      await tee.TEE_Wait(1);
      await Promise.resolve(tee.TEE_CloseTASession(99 as never)).catch(() => undefined);
    });
    assert.equal(panic.code, TEE_ERROR_ITEM_NOT_FOUND);
  });

  test('awaiting a promise that nothing settles: named, with the last line that waited', async () => {
    const never = new Promise(() => undefined);
    const direct = await end(() => never);
    assert.equal(direct.code, TEE_ERROR_GENERIC);
    assert.match(direct.message, /TA_InvokeCommandEntryPoint awaits a promise that no function/);
    assert.match(direct.where, HERE);
    let line = 0;
    const after = await end(async (tee) => {
      line = Number(/instance\.test\.ts:(\d+)/.exec(new Error().stack ?? '')?.[1]);
      await tee.TEE_Wait(1);
      await never;
    });
    assert.ok(after.where.endsWith(`:${line + 1}`), `${after.where} is the line of TEE_Wait`);
  });

  test('a call that the TA passes on without awaiting it has its line', async () => {
    let line = 0;
    const panic = await end((tee) => {
      line = Number(/instance\.test\.ts:(\d+)/.exec(new Error().stack ?? '')?.[1]);
      return tee.TEE_CloseTASession(99 as never);
    });
    assert.equal(panic.code, TEE_ERROR_ITEM_NOT_FOUND);
    assert.ok(panic.where.endsWith(`:${line + 1}`), `${panic.where} is the line of the call`);
  });

  test('after many waits of a command: a call that fails has its line, a lost promise none', async () => {
    const never = new Promise(() => undefined);
    let line = 0;
    const many = async (tee: Tee): Promise<void> => {
      for (let n = 0; n < 100; n++) await tee.TEE_Wait(1);
      line = Number(/instance\.test\.ts:(\d+)/.exec(new Error().stack ?? '')?.[1]);
    };
    const failed = await end(async (tee) => {
      await many(tee);
      line = Number(/instance\.test\.ts:(\d+)/.exec(new Error().stack ?? '')?.[1]);
      await tee.TEE_CloseTASession(99 as never);
    });
    assert.equal(failed.code, TEE_ERROR_ITEM_NOT_FOUND);
    assert.ok(failed.where.endsWith(`:${line + 1}`), `${failed.where} is the line of the call`);
    const lost = await end(async (tee) => {
      await many(tee);
      await never;
    });
    assert.match(lost.where, HERE, 'where the TA is defined');
    assert.ok(!lost.where.endsWith(`:${line - 1}`));
  });

  test('a call while another one is under way', async () => {
    const panic = await end(async (tee) => {
      const first = tee.TEE_Wait(1);
      await tee.TEE_Wait(1);
      await first;
    });
    assert.match(panic.message, /another one of it was under way/);
    const forgotten = await end((tee) => {
      void tee.TEE_Wait(1);
      void tee.TEE_Wait(1);
    });
    assert.match(forgotten.message, /another one of it was under way/);
  });

  test('a synchronous entry point that does not await its call', async () => {
    const ta = new World().load(
      defineTa({ uuid: TEST_UUID }, (tee) =>
        entries({
          TA_CreateEntryPoint() {
            void tee.TEE_Wait(1);
            return TEE_SUCCESS;
          },
        }),
      ),
    );
    await assert.rejects(
      async () => ta.enter('TA_CreateEntryPoint', 0, 0, undefined),
      /await each call/,
    );
  });

  for (const [name, value] of [
    ['undefined', undefined],
    ['NaN', Number.NaN],
    ['a fraction', 1.5],
    ['too wide', 2 ** 32],
    ['too negative', -(2 ** 31) - 1],
    ['an object', {}],
    ['a string', '0'],
    ['a bigint', 0n],
  ] as const) {
    test(`a result that is none: ${name}`, async () => {
      const wrong = { TA_CreateEntryPoint: () => value as number };
      const ta = new World().load(defineTa({ uuid: TEST_UUID }, () => entries(wrong)));
      await assert.rejects(
        async () => ta.enter('TA_CreateEntryPoint', 0, 0, undefined),
        (error) =>
          error instanceof TaPanic &&
          error.code === TEE_ERROR_GENERIC &&
          /TA_CreateEntryPoint: .* is no TEE_Result/.test(error.message),
      );
    });
  }

  test('negative results of arithmetic are 32 bits', async () => {
    const minusOne = { TA_CreateEntryPoint: () => TEE_ERROR_GENERIC | 0 };
    const ta = new World().load(defineTa({ uuid: TEST_UUID }, () => entries(minusOne)));
    assert.equal(await ta.enter('TA_CreateEntryPoint', 0, 0, undefined), TEE_ERROR_GENERIC);
  });

  test('a size that is none', async () => {
    const world = new World();
    const ta = world.load(taOf((_tee, params) => void (params[0].memref.size = -1)));
    const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INOUT, NONE, NONE, NONE);
    const params = new Params(types).memref(0, world.shared(new Uint8Array(4)), 4);
    const session = await ta.open();
    await assert.rejects(
      async () => ta.invoke(session, 0, params),
      /params\[0\]\.memref\.size is -1/,
    );
  });

  test('a module whose function throws, or makes too little', async () => {
    const throwing = defineTa({ uuid: TEST_UUID }, () => {
      throw new Error('at start');
    });
    const empty = defineTa({ uuid: TEST_UUID }, () => ({}) as TaEntryPoints<unknown>);
    for (const [module, message] of [
      [throwing, /at start/],
      [empty, /returned no TA_CreateEntryPoint, TA_DestroyEntryPoint/],
    ] as const) {
      const ta = new World().load(module);
      await assert.rejects(async () => ta.enter('TA_CreateEntryPoint', 0, 0, undefined), message);
    }
  });
});

describe('memory of an instance', () => {
  test('is given back when it is destroyed', () => {
    const world = new World();
    const ta = world.load(taOf(() => undefined, { dataSize: 3 * PAGE_SIZE }));
    assert.equal(world.secure.used, 3);
    ta.instance.destroy();
    assert.equal(world.secure.used, 0);
  });

  test('that cannot be had is an error of its start', () => {
    const world = new World();
    world.secure.take(world.secure.free.length);
    assert.throws(
      () => world.load(taOf(() => undefined)),
      (error) => error instanceof TaPanic && error.code === TEE_ERROR_OUT_OF_MEMORY,
    );
  });

  test('a promise of its own that comes late finds nothing to call', async () => {
    let wake: () => void = () => undefined;
    let late: unknown;
    const world = new World();
    const ta = world.load(
      taOf(async (tee) => {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        try {
          tee.IMSG('still here');
        } catch (error) {
          late = error;
        }
        tee.TEE_Malloc(1, TEE_MALLOC_FILL_ZERO);
      }),
    );
    const session = await ta.open();
    await assert.rejects(async () => ta.invoke(session, 0), TaPanic);
    wake();
    await new Promise((resolve) => setImmediate(resolve));
    assert.match(String(late), /TaGone: TA .* is gone/);
    assert.deepEqual(world.lines, []);
  });
});
