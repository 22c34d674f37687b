/** Calls from one TA to another: values, memory of every origin, results and their origins. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CANCEL,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_TARGET_DEAD,
  TEE_ERROR_TIME_NOT_SET,
  TEE_HANDLE_NULL,
  TEE_MALLOC_FILL_ZERO,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
} from '../../abi/gp.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import { Params, World, inTa } from '../testing/world.ts';
import { defineTa } from '../typescript/define.ts';
import type { Tee } from './tee.ts';
import { newParams, ref } from './types.ts';
import type { TEE_Params, TEE_TASessionHandle } from './types.ts';

const OTHER = '99999999-2222-3333-4444-555555555555';
const NONE = TEE_PARAM_TYPE_NONE;
const ONE_MEMREF = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INOUT, NONE, NONE, NONE);

/** What the other TA does with its first memory parameter and what it answers, by command. */
const COMMANDS: Readonly<Record<number, (tee: Tee, params: TEE_Params) => number>> = {
  /** Adds one to each byte. */
  1(_tee, params) {
    const { buffer, size } = params[0].memref;
    for (let i = 0; i < size; i++) buffer![i]! += 1;
    return TEE_SUCCESS;
  },
  /** Writes all of it, and says that half was written. */
  2(_tee, params) {
    params[0].memref.buffer!.fill(0xee);
    params[0].memref.size /= 2;
    return TEE_SUCCESS;
  },
  3(_tee, params) {
    params[0].memref.size = 1000;
    return TEE_ERROR_SHORT_BUFFER;
  },
  4: (tee) => tee.TEE_Panic(7),
  /** Swaps the values of two parameters. */
  5(_tee, params) {
    [params[1].value.a, params[1].value.b] = [params[0].value.b, params[0].value.a];
    params[0].value.a += 1;
    return 0x1234;
  },
  6(_tee, params) {
    assert.equal(params[0].memref.buffer, null);
    return TEE_SUCCESS;
  },
};

const other = defineTa({ uuid: OTHER }, (tee) => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: (types) => (types === 0 ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS),
  TA_CloseSessionEntryPoint() {},
  TA_InvokeCommandEntryPoint: (_session, command, _types, params) =>
    COMMANDS[command]!(tee, params),
}));

interface Client {
  readonly tee: Tee;
  readonly world: World;
  readonly given: TEE_Params;
  /** Invokes the other TA. @returns result and origin */
  invoke(command: number, types: number, params: TEE_Params | null): Promise<[number, number]>;
}

/** Runs `body` in a TA that has a session with the other one. */
async function withOther(
  body: (client: Client) => unknown,
  params?: Params,
  world = new World(),
): Promise<void> {
  world.install(other);
  await inTa(
    async (tee, given) => {
      const session = ref<TEE_TASessionHandle>(TEE_HANDLE_NULL);
      const opened = await tee.TEE_OpenTASession(
        OTHER,
        TEE_TIMEOUT_INFINITE,
        0,
        null,
        session,
        null,
      );
      assert.equal(opened, TEE_SUCCESS);
      const invoke: Client['invoke'] = async (command, types, sent) => {
        const origin = ref(0);
        const infinite = TEE_TIMEOUT_INFINITE;
        const result = await tee.TEE_InvokeTACommand(
          session.value,
          infinite,
          command,
          types,
          sent,
          origin,
        );
        return [result, origin.value];
      };
      const before = world.secure.used;
      await body({ tee, world, given, invoke });
      assert.equal(world.secure.used, before, 'no pages stay behind');
      await tee.TEE_CloseTASession(session.value);
      await tee.TEE_CloseTASession(TEE_HANDLE_NULL);
    },
    params,
    world,
  );
}

const OK = [TEE_SUCCESS, TEE_ORIGIN_TRUSTED_APP];

function sendMemory(buffer: Uint8Array | null, size = buffer?.length ?? 0): TEE_Params {
  const params = newParams();
  Object.assign(params[0].memref, { buffer, size });
  return params;
}

describe('memory', () => {
  test('of the TA’s own (JavaScript, heap, an odd piece of either) is copied there and back', () =>
    withOther(async ({ tee, invoke }) => {
      const heap = tee.TEE_Malloc(5000, TEE_MALLOC_FILL_ZERO)!;
      for (const buffer of [
        new Uint8Array(5000),
        heap,
        heap.subarray(4000, 4777),
        new Uint8Array(1),
      ]) {
        buffer.fill(7);
        assert.deepEqual(await invoke(1, ONE_MEMREF, sendMemory(buffer)), OK);
        assert.ok(buffer.every((byte) => byte === 8));
      }
    }));

  test('of a client is passed on as it is, from any offset', async () => {
    const world = new World();
    const memref = world.shared(new Uint8Array(9000).fill(7), 100);
    const params = new Params(ONE_MEMREF).memref(0, memref, 9000);
    await withOther(
      async ({ given, invoke }) => {
        const buffer = given[0].memref.buffer!;
        assert.deepEqual(await invoke(1, ONE_MEMREF, sendMemory(buffer.subarray(4000))), OK);
        assert.deepEqual([buffer[3999], buffer[4000], buffer[8999]], [7, 8, 8]);
      },
      params,
      world,
    );
    assert.deepEqual([world.contents(memref, 9000)[4000]], [8]);
  });

  test('of a client in scattered pages is written back before, and read again after', async () => {
    const world = new World();
    world.normal.scattered = true;
    const memref = world.shared(new Uint8Array(3 * PAGE_SIZE), 50);
    const params = new Params(ONE_MEMREF).memref(0, memref, 3 * PAGE_SIZE);
    await withOther(
      async ({ given, invoke }) => {
        const buffer = given[0].memref.buffer!;
        assert.notEqual(buffer.buffer, world.machine.bus.u8.buffer);
        buffer.fill(40);
        assert.deepEqual(await invoke(1, ONE_MEMREF, sendMemory(buffer)), OK);
        assert.ok(buffer.every((byte) => byte === 41));
      },
      params,
      world,
    );
    assert.ok(world.contents(memref, 3 * PAGE_SIZE).every((byte) => byte === 41));
  });

  test('output starts as zeroes, and comes back as far as the other TA says', () =>
    withOther(async ({ invoke }) => {
      const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_OUTPUT, NONE, NONE, NONE);
      const buffer = new Uint8Array(64).fill(9);
      const params = sendMemory(buffer);
      assert.deepEqual(await invoke(2, types, params), OK);
      assert.equal(params[0].memref.size, 32);
      assert.deepEqual([buffer[31], buffer[32]], [0xee, 9]);
      const short = sendMemory(buffer);
      assert.deepEqual(await invoke(3, types, short), [
        TEE_ERROR_SHORT_BUFFER,
        TEE_ORIGIN_TRUSTED_APP,
      ]);
      assert.equal(short[0].memref.size, 1000);
    }));

  test('for input does not change', () =>
    withOther(async ({ invoke }) => {
      const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, NONE, NONE, NONE);
      const buffer = new Uint8Array(64).fill(9);
      assert.deepEqual(await invoke(2, types, sendMemory(buffer)), OK);
      assert.ok(buffer.every((byte) => byte === 9));
    }));

  test('NULL stays NULL', () =>
    withOther(async ({ invoke }) => {
      assert.deepEqual(await invoke(6, ONE_MEMREF, sendMemory(null)), OK);
      assert.deepEqual(await invoke(6, ONE_MEMREF, sendMemory(new Uint8Array(0))), OK);
    }));

  test('without pages for the copies the call does not happen', () =>
    withOther(async ({ world, invoke }) => {
      const taken = world.secure.take(world.secure.free.length)!;
      const result = await invoke(1, ONE_MEMREF, sendMemory(new Uint8Array(8)));
      assert.deepEqual(result, [TEE_ERROR_OUT_OF_MEMORY, TEE_ORIGIN_TEE]);
      world.secure.give(taken);
    }));
});

test('values: outputs come back, inputs go there, results are the other TA’s', () =>
  withOther(async ({ invoke }) => {
    const types = TEE_PARAM_TYPES(
      TEE_PARAM_TYPE_VALUE_INOUT,
      TEE_PARAM_TYPE_VALUE_OUTPUT,
      NONE,
      NONE,
    );
    const params = newParams();
    Object.assign(params[0].value, { a: 1, b: -1 });
    Object.assign(params[1].value, { a: 77, b: 77 });
    assert.deepEqual(await invoke(5, types, params), [0x1234, TEE_ORIGIN_TRUSTED_APP]);
    assert.deepEqual({ ...params[0].value }, { a: 2, b: 0xffffffff });
    assert.deepEqual({ ...params[1].value }, { a: 0xffffffff, b: 1 });
  }));

test('a TA that panics is dead for its clients, and they live', () =>
  withOther(async ({ invoke }) => {
    assert.deepEqual(await invoke(4, 0, null), [TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_TEE]);
    assert.deepEqual(await invoke(1, 0, null), [TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_TEE]);
  }));

test('sessions that are not opened have no handle', () =>
  withOther(async ({ tee }) => {
    const session = ref<TEE_TASessionHandle>(TEE_HANDLE_NULL);
    const origin = ref(0);
    const absent = '00000000-0000-0000-0000-000000000001';
    const open = (uuid: string, types: number, params: TEE_Params | null) =>
      tee.TEE_OpenTASession(uuid, 0, types, params, session, origin);
    assert.equal(await open(absent, 0, null), TEE_ERROR_ITEM_NOT_FOUND);
    assert.deepEqual([session.value, origin.value], [TEE_HANDLE_NULL, TEE_ORIGIN_TEE]);
    assert.equal(await open(OTHER.toUpperCase(), 1, newParams()), TEE_ERROR_BAD_PARAMETERS);
    assert.deepEqual([session.value, origin.value], [TEE_HANDLE_NULL, TEE_ORIGIN_TRUSTED_APP]);
  }));

test('time: categories, a persistent time that is not set, one that is', () =>
  withOther(async ({ tee }) => {
    const time = { seconds: 1, millis: 1 };
    await tee.TEE_GetREETime(time);
    assert.equal(time.seconds, 2000);
    assert.equal(await tee.TEE_GetTAPersistentTime(time), TEE_ERROR_TIME_NOT_SET);
    assert.deepEqual(time, { seconds: 0, millis: 0 });
    assert.equal(tee.TEE_SetTAPersistentTime({ seconds: 5, millis: 6 }), TEE_SUCCESS);
    assert.equal(await tee.TEE_GetTAPersistentTime(time), TEE_SUCCESS);
    assert.deepEqual(time, { seconds: 5, millis: 6 });
    await tee.TEE_GetSystemTime(time);
    const before = time.seconds * 1000 + time.millis;
    assert.equal(await tee.TEE_Wait(250), TEE_SUCCESS);
    await tee.TEE_GetSystemTime(time);
    assert.equal(time.seconds * 1000 + time.millis - before, 250);
  }));

test('cancellation: masked at first, and TEE_Wait tells', async () => {
  const world = new World();
  world.waitResult = TEE_ERROR_CANCEL;
  await withOther(
    async ({ tee }) => {
      assert.equal(tee.TEE_GetCancellationFlag(), false);
      assert.equal(tee.TEE_UnmaskCancellation(), true);
      assert.equal(tee.TEE_UnmaskCancellation(), false);
      assert.equal(tee.TEE_MaskCancellation(), false);
      assert.equal(await tee.TEE_Wait(1), TEE_ERROR_CANCEL);
    },
    undefined,
    world,
  );
});
