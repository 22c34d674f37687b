/** OP-TEE's extensions: UUIDs from text, plugins of tee-supplicant, cache maintenance. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ERROR,
  TEE_ERROR_BAD_FORMAT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { PTA_SYSTEM_SUPP_PLUGIN_INVOKE, PTA_SYSTEM_UUID } from '../../abi/pta.ts';
import { Params, World, inTa } from '../testing/world.ts';
import { defineTa } from '../typescript/define.ts';
import { ref } from './types.ts';

const UUID = '96bcf744-4f72-4866-bf1d-8634fd9c65e5';

describe('tee_uuid_from_str', () => {
  for (const [text, result, value] of [
    [UUID, TEE_SUCCESS, UUID],
    [UUID.toUpperCase(), TEE_SUCCESS, UUID],
    ['', TEE_ERROR_BAD_FORMAT, 'before'],
    [UUID.slice(1), TEE_ERROR_BAD_FORMAT, 'before'],
    [`${UUID}0`, TEE_ERROR_BAD_FORMAT, 'before'],
    [UUID.replace('-', '_'), TEE_ERROR_BAD_FORMAT, 'before'],
    [UUID.replace('9', 'g'), TEE_ERROR_BAD_FORMAT, 'before'],
    [UUID.replaceAll('-', ''), TEE_ERROR_BAD_FORMAT, 'before'],
  ] as const) {
    test(`'${text}': ${codeName(TEE_ERROR, result)}`, () =>
      inTa((tee) => {
        const uuid = ref('before');
        assert.equal(tee.tee_uuid_from_str(uuid, text), result);
        assert.equal(uuid.value, value);
      }));
  }
});

/** The system PTA, as far as plugins go: a plugin that turns its data over and tells its length. */
function systemPta(seen: unknown[], result: number = TEE_SUCCESS) {
  return defineTa({ uuid: PTA_SYSTEM_UUID }, () => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,
    TA_DestroyEntryPoint() {},
    TA_OpenSessionEntryPoint: () => {
      seen.push('open');
      return TEE_SUCCESS;
    },
    TA_CloseSessionEntryPoint() {},
    TA_InvokeCommandEntryPoint(_session, command, types, [uuid, codes, data, length]) {
      seen.push(command, types, Buffer.from(uuid.memref.buffer!).toString('hex'));
      seen.push(codes.value.a, codes.value.b, data.memref.size);
      data.memref.buffer?.reverse();
      length.value.a = data.memref.size;
      return result;
    },
  }));
}

const TYPES = TEE_PARAM_TYPES(
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
);
/** TEE_UUID as it lies in memory. */
const UUID_OCTETS = '44f7bc96724f6648bf1d8634fd9c65e5';

describe('tee_invoke_supp_plugin', () => {
  test('goes to the system PTA, over one session for all calls', async () => {
    const [world, seen]: [World, unknown[]] = [new World(), []];
    world.install(systemPta(seen));
    await inTa(
      async (tee) => {
        const [data, length] = [Uint8Array.of(1, 2, 3), ref(0)];
        assert.equal(await tee.tee_invoke_supp_plugin(UUID, 7, 8, data, length), TEE_SUCCESS);
        assert.deepEqual([...data], [3, 2, 1]);
        assert.equal(length.value, 3);
        assert.equal(await tee.tee_invoke_supp_plugin(UUID, 9, 10, null, null), TEE_SUCCESS);
      },
      undefined,
      world,
    );
    const call = [PTA_SYSTEM_SUPP_PLUGIN_INVOKE, TYPES, UUID_OCTETS];
    assert.deepEqual(seen, ['open', ...call, 7, 8, 3, ...call, 9, 10, 0]);
  });

  test('tells of a failure in the log, and of the length all the same', async () => {
    const world = new World();
    world.install(systemPta([], TEE_ERROR_ITEM_NOT_FOUND));
    await inTa(
      async (tee) => {
        const length = ref(5);
        const result = await tee.tee_invoke_supp_plugin(UUID, 0, 0, Uint8Array.of(1, 2), length);
        assert.deepEqual([result, length.value], [TEE_ERROR_ITEM_NOT_FOUND, 2]);
      },
      undefined,
      world,
    );
    assert.match(world.lines.join(''), /Invoke tee-supplicant's plugin failed: 0xffff0008\n$/);
  });

  test('refuses what is no UUID, and a buffer of no bytes', () =>
    inTa(async (tee) => {
      for (const [uuid, data] of [
        ['x', null],
        [UUID, new Uint8Array(0)],
      ] as const) {
        const result = await tee.tee_invoke_supp_plugin(uuid, 0, 0, data, null);
        assert.equal(result, TEE_ERROR_BAD_PARAMETERS);
      }
    }));

  test('without a system PTA says what opening a session said', () =>
    inTa(async (tee) => {
      const result = await tee.tee_invoke_supp_plugin(UUID, 0, 0, null, null);
      assert.equal(result, TEE_ERROR_ITEM_NOT_FOUND);
    }));
});

describe('cache maintenance', () => {
  for (const name of ['TEE_CacheClean', 'TEE_CacheFlush', 'TEE_CacheInvalidate'] as const) {
    test(`${name} is for memory that came as a parameter`, async () => {
      const world = new World();
      const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, 0, 0, 0);
      const params = new Params(types).memref(0, world.shared(new Uint8Array(16)), 16);
      await inTa(
        (tee, [shared]) => {
          assert.equal(tee[name](shared.memref.buffer), TEE_SUCCESS);
          assert.equal(tee[name](new Uint8Array(16)), TEE_ERROR.TEE_ERROR_ACCESS_DENIED);
          assert.equal(tee[name](null), TEE_SUCCESS);
        },
        params,
        world,
      );
    });
  }
});
