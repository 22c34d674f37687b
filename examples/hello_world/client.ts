/**
 * Opens a session to the hello_world TA, lets it increment 42, and prints what comes back.
 * Upstream counterpart: optee_examples hello_world/host/main.c.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INOUT,
} from '../../src/abi/gp.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { failed } from '../failed.ts';
import { TA_HELLO_WORLD_CMD_INC_VALUE, TA_HELLO_WORLD_UUID } from './hello-world-ta.ts';

/** @returns the exit code. */
export async function main(client: TeeClient, print: (line: string) => void): Promise<number> {
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);

  const open = await client.TEEC_OpenSession(context, TA_HELLO_WORLD_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_Opensession', open.result, open.origin);
  }

  const value = { a: 42, b: 0 };
  print(`Invoking TA to increment ${value.a}`);
  const invoke = await client.TEEC_InvokeCommand(open.session, TA_HELLO_WORLD_CMD_INC_VALUE, {
    paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INOUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
    params: [{ value }],
  });
  if (invoke.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_InvokeCommand', invoke.result, invoke.origin);
  }
  print(`TA incremented value to ${value.a}`);

  await client.TEEC_CloseSession(open.session);
  await client.TEEC_FinalizeContext(context);
  return 0;
}
