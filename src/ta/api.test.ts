/** The public API: what `teebox/ta` exports, how it reads, and what the compiler refuses. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GP_SUPPORT } from './gp/support.ts';
import { Tee } from './gp/tee.ts';
import {
  TEE_ALG_AES_CTR,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_HANDLE_NULL,
  TEE_MODE_ENCRYPT,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PROPSET_CURRENT_TA,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
  TEE_TYPE_AES,
  defineTa,
  memref,
  newParams,
  ref,
} from './index.ts';
import type { TEE_ObjectHandle, TEE_OperationHandle, TEE_TASessionHandle } from './index.ts';
import { World } from './test-world.test.ts';

interface Context {
  op: TEE_OperationHandle;
  bytes: number;
}

/** Compiled, and run as far as it goes: a TA as somebody would write it. */
const ta = defineTa<Context>(
  { uuid: '8aaaf200-2450-11e4-abe2-0002a5d5c51b', dataSize: 16384 },
  (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,
    TA_DestroyEntryPoint() {},

    TA_OpenSessionEntryPoint(_paramTypes, _params, session) {
      const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
      const result = tee.TEE_AllocateOperation(op, TEE_ALG_AES_CTR, TEE_MODE_ENCRYPT, 128);
      session.context = { op: op.value, bytes: 0 };
      return result;
    },

    TA_CloseSessionEntryPoint({ context }) {
      tee.TEE_FreeOperation(context.op);
    },

    async TA_InvokeCommandEntryPoint({ context }, commandID, paramTypes, params) {
      const { TEE_PARAM_TYPE_NONE: none } = { TEE_PARAM_TYPE_NONE };
      const [input, output] = [TEE_PARAM_TYPE_MEMREF_INPUT, TEE_PARAM_TYPE_MEMREF_OUTPUT];
      if (paramTypes !== TEE_PARAM_TYPES(input, output, none, none)) {
        return TEE_ERROR_BAD_PARAMETERS;
      }
      context.bytes += params[0].memref.size;
      const session = ref<TEE_TASessionHandle>(TEE_HANDLE_NULL);
      const uuid = 'd96a5b40-c3e5-21e3-8794-1002a5d5c61b';
      const infinite = TEE_TIMEOUT_INFINITE;
      const opened = await tee.TEE_OpenTASession(uuid, infinite, 0, newParams(), session, null);
      if (opened !== TEE_SUCCESS) return opened;
      return commandID === 0
        ? tee.TEE_CipherUpdate(context.op, params[0].memref.buffer, params[1].memref)
        : tee.TEE_CipherDoFinal(context.op, null, memref(new Uint8Array(16)));
    },
  }),
);

test('a TA as somebody would write it', async () => {
  const loaded = new World().load(ta);
  const session = await loaded.open();
  assert.equal(await loaded.invoke(session, 0), TEE_ERROR_BAD_PARAMETERS);
  await loaded.enter('TA_CloseSessionEntryPoint', session, 0, undefined);
  assert.equal(loaded.syscalls.crypto.stateCount, 0);
});

/** Never run: each line must be refused by the compiler, or the directive above it is an error. */
export function refused(tee: Tee): void {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  const operation = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  // @ts-expect-error an object is no operation
  tee.TEE_CipherInit(object.value, null);
  // @ts-expect-error nor does a function for objects put its result there
  tee.TEE_AllocateTransientObject(TEE_TYPE_AES, 128, operation);
  // @ts-expect-error a number is no handle
  tee.TEE_FreeOperation(7);
  // @ts-expect-error a property has the type of its function
  tee.TEE_GetPropertyAsU32(TEE_PROPSET_CURRENT_TA, 'gpd.ta.dataSize', ref(''));
  // @ts-expect-error output needs a room, not only bytes
  tee.TEE_CipherUpdate(operation.value, new Uint8Array(1), new Uint8Array(1));
  // @ts-expect-error parameters are four
  tee.TEE_InvokeTACommand(0, 0, 0, 0, [], null);
  // @ts-expect-error the library's own workings are not the TA's
  void tee.syscalls;
  // @ts-expect-error a result may be a promise
  const result: number = tee.TEE_Wait(1);
  void result;
  // @ts-expect-error absent functions are no methods
  tee.TEE_OpenPersistentObject();
  // @ts-expect-error an entry point is missing
  defineTa({ uuid: '' }, () => ({ TA_CreateEntryPoint: () => TEE_SUCCESS }));
  // @ts-expect-error a TEE_Result is a number
  defineTa({ uuid: '' }, () => ({ ...ta.create(tee), TA_CreateEntryPoint: () => 'no' }));
}

describe('support rows', () => {
  const methods = new Set<string>();
  for (let proto: object = Tee.prototype; proto !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      if (name.startsWith('TEE_')) methods.add(name);
    }
    proto = Object.getPrototypeOf(proto) as object;
  }
  for (const { name, status } of GP_SUPPORT) {
    test(`${name} is ${status}`, () => assert.equal(methods.has(name), status !== 'absent'));
  }
  test('name every method', () => {
    const rows = new Set(GP_SUPPORT.map((row) => row.name));
    assert.deepEqual(
      [...methods].filter((name) => !rows.has(name)),
      [],
    );
    assert.equal(rows.size, GP_SUPPORT.length);
  });
});
