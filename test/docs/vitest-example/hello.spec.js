import { expect, test } from 'vitest';
import { boot, taImageOf } from 'teebox';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INOUT,
} from 'teebox/ta';
import helloWorld from '../../../examples/hello_world/ta.ts';

const HELLO_WORLD = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';

test('hello_world adds one', async () => {
  using box = boot({ tas: [taImageOf(helloWorld, 'hello_world')] });
  const client = box.client();
  const { context } = await client.TEEC_InitializeContext();
  const { session } = await client.TEEC_OpenSession(context, HELLO_WORLD, TEEC_LOGIN_PUBLIC);

  const value = { a: 42, b: 0 };
  const { result } = await client.TEEC_InvokeCommand(session, 0, {
    paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INOUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
    params: [{ value }],
  });
  expect(result).toBe(TEEC_SUCCESS);
  expect(value.a).toBe(43);

  await client.TEEC_CloseSession(session);
  await client.TEEC_FinalizeContext(context);
  expect(box.leaks()).toEqual([]);
});
