/** What the specification, or libutee, makes a panic of the TA: code, and the reason beside it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_MALLOC_FILL_ZERO,
  TEE_MALLOC_NO_FILL,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PROPSET_CURRENT_TA,
} from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import { Params, TEST_UUID, World, inTa, panicOf } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { newParams, propSetHandle, ref, sessionHandle } from './types.ts';
import type { TEE_Params } from './types.ts';

const BLOCK = new Uint8Array(16);

type Case = readonly [string, (tee: Tee, params: TEE_Params) => unknown, number, RegExp];

const CASES: readonly Case[] = [
  ['TEE_Panic', (tee) => tee.TEE_Panic(0x1234), 0x1234, /^$/],
  ['TEE_Malloc: NO_FILL alone', (tee) => tee.TEE_Malloc(1, TEE_MALLOC_NO_FILL), 0, /NO_SHARE/],
  ['TEE_Free: foreign memory', (tee) => tee.TEE_Free(BLOCK), 0, /not a buffer/],
  [
    'TEE_Free: twice',
    (tee) => {
      const buffer = tee.TEE_Malloc(8, TEE_MALLOC_FILL_ZERO);
      tee.TEE_Free(buffer);
      tee.TEE_Free(buffer);
    },
    0,
    /freed already/,
  ],
  [
    'TEE_GetPropertyAsBool: no name',
    (tee) => tee.TEE_GetPropertyAsBool(TEE_PROPSET_CURRENT_TA, null, ref(false)),
    0,
    /needs a name/,
  ],
  [
    'TEE_GetPropertyName: no enumerator',
    (tee) => tee.TEE_GetPropertyName(propSetHandle(7), ref('')),
    0,
    /no such enumerator/,
  ],
  [
    'TEE_GetNextProperty: no enumerator',
    (tee) => tee.TEE_GetNextProperty(propSetHandle(7)),
    0,
    /no such enumerator/,
  ],
  [
    'TEE_GetPropertyAsU32: past the end of an enumeration',
    (tee) => {
      const handle = ref(propSetHandle(0));
      tee.TEE_AllocatePropertyEnumerator(handle);
      tee.TEE_StartPropertyEnumerator(handle.value, TEE_PROPSET_CURRENT_TA);
      while (tee.TEE_GetNextProperty(handle.value) === 0);
      tee.TEE_GetPropertyAsU32(handle.value, null, ref(0));
    },
    0,
    /the core refused/,
  ],

  [
    'TEE_OpenTASession: no UUID',
    (tee) => tee.TEE_OpenTASession('x', 0, 0, null, ref(sessionHandle(0)), null),
    0,
    /not a UUID/,
  ],
  [
    'TEE_InvokeTACommand: types without params',
    (tee) => tee.TEE_InvokeTACommand(sessionHandle(1), 0, 0, 1, null, null),
    0,
    /without params/,
  ],
  [
    'TEE_InvokeTACommand: no such session',
    (tee) => tee.TEE_InvokeTACommand(sessionHandle(9), 0, 0, 0, null, null),
    TEE_ERROR_ITEM_NOT_FOUND,
    /the core answered/,
  ],
  [
    'TEE_CloseTASession: no such session',
    (tee) => tee.TEE_CloseTASession(sessionHandle(9)),
    TEE_ERROR_ITEM_NOT_FOUND,
    /the core answered/,
  ],
  [
    'TEE_InvokeTACommand: a size beyond its buffer',
    (tee) => {
      const params = newParams();
      Object.assign(params[0].memref, { buffer: BLOCK, size: 17 });
      return tee.TEE_InvokeTACommand(
        sessionHandle(1),
        0,
        0,
        TEE_PARAM_TYPES(6, 0, 0, 0),
        params,
        null,
      );
    },
    TEE_ERROR_ACCESS_DENIED,
    /the core answered/,
  ],
  [
    'TEE_InvokeTACommand: NULL with a size',
    (tee) => {
      const params = newParams();
      params[0].memref.size = 1;
      return tee.TEE_InvokeTACommand(
        sessionHandle(1),
        0,
        0,
        TEE_PARAM_TYPES(5, 0, 0, 0),
        params,
        null,
      );
    },
    TEE_ERROR_BAD_PARAMETERS,
    /the core answered/,
  ],
];

for (const [name, body, code, cause] of CASES) {
  test(name, async () => {
    const { panic, cause: reason } = await panicOf(body);
    assert.equal(hex32(panic.code), hex32(code));
    assert.match(reason, cause);
    assert.match(panic.where, /panic\.test\.ts:\d+$/, 'the line of the TA');
  });
}

test('memory that came for reading is not passed on for writing', async () => {
  const world = new World();
  const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, TEE_PARAM_TYPE_VALUE_INPUT, 0, 0);
  const params = new Params(types).memref(0, world.shared(BLOCK), 16);
  const body = (tee: Tee, given: TEE_Params): unknown => {
    const sent = newParams();
    Object.assign(sent[0].memref, given[0].memref);
    const wanted = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_OUTPUT, 0, 0, 0);
    return tee.TEE_OpenTASession(TEST_UUID, 0, wanted, sent, ref(sessionHandle(0)), null);
  };
  await assert.rejects(inTa(body, params, world), { code: 0 });
  assert.match(
    world.trace.lastCause?.text ?? '',
    /params\[0\] is memory that this TA may only read/,
  );
});
