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
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
  defineTa,
  memref,
  newParams,
  ref,
} from './index.ts';
import type {
  Ref,
  TEE_ObjectHandle,
  TEE_OperationHandle,
  TEE_PROPSET_CURRENT_TA,
  TEE_Param,
  TEE_TASessionHandle,
  TaEntryPoints,
} from './index.ts';
import { World } from './testing/world.ts';

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

/** Whether a function takes arguments of these types. */
type Takes<F extends (...args: never) => unknown, A extends readonly unknown[]> =
  A extends Parameters<F> ? true : false;
type Entries = TaEntryPoints<unknown>;

/** The types are checked by the compiler: each of these must come out as false. */
const REFUSED: {
  'an object as an operation': Takes<Tee['TEE_CipherInit'], [TEE_ObjectHandle, null]>;
  'a number as a handle': Takes<Tee['TEE_FreeOperation'], [7]>;
  'an operation where an object is put': Takes<
    Tee['TEE_AllocateTransientObject'],
    [number, number, Ref<TEE_OperationHandle>]
  >;
  'text where a number is put': Takes<
    Tee['TEE_GetPropertyAsU32'],
    [typeof TEE_PROPSET_CURRENT_TA, string, Ref<string>]
  >;
  'bytes without room for a length': Takes<
    Tee['TEE_CipherUpdate'],
    [TEE_OperationHandle, Uint8Array, Uint8Array]
  >;
  'three parameters': Takes<
    Tee['TEE_InvokeTACommand'],
    [TEE_TASessionHandle, number, number, number, [TEE_Param, TEE_Param, TEE_Param], null]
  >;
  'a result that may be a promise as a number': ReturnType<Tee['TEE_Wait']> extends number
    ? true
    : false;
  'a function that is absent': 'TEE_Peripheral_Open' extends keyof Tee ? true : false;
  'the inner workings': 'syscalls' | 'panic' | 'runtime' extends keyof Tee ? true : false;
  'text as a result': Takes<(entries: Entries) => void, [{ TA_CreateEntryPoint: () => string }]>;
  'entry points without open': Omit<Entries, 'TA_OpenSessionEntryPoint'> extends Entries
    ? true
    : false;
} = {
  'an object as an operation': false,
  'a number as a handle': false,
  'an operation where an object is put': false,
  'text where a number is put': false,
  'bytes without room for a length': false,
  'three parameters': false,
  'a result that may be a promise as a number': false,
  'a function that is absent': false,
  'the inner workings': false,
  'text as a result': false,
  'entry points without open': false,
};

test('what the compiler refuses', () => {
  assert.deepEqual(Object.values(REFUSED).filter(Boolean), []);
});

describe('support rows', () => {
  const methods = new Set<string>();
  for (let proto: object = Tee.prototype; proto !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(proto)) {
      if (/^(TEE|tee)_|^[EIDF]MSG$|^DHEXDUMP$|^printf$/.test(name)) methods.add(name);
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
