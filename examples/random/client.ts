/**
 * Has the random TA fill sixteen bytes of the client's memory and prints them as a number.
 * Upstream counterpart: optee_examples random/host/main.c. As there, bytes below 0x10 are printed
 * with one digit.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
} from '../../src/abi/gp.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { failed } from '../failed.ts';
import { TA_RANDOM_CMD_GENERATE, TA_RANDOM_UUID } from './random-ta.ts';

/** @returns the exit code. */
export async function main(client: TeeClient, print: (line: string) => void): Promise<number> {
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);

  const open = await client.TEEC_OpenSession(context, TA_RANDOM_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_Opensession', open.result, open.origin);
  }

  const uuid = new Uint8Array(16);
  print('Invoking TA to generate random UUID... ');
  const invoke = await client.TEEC_InvokeCommand(open.session, TA_RANDOM_CMD_GENERATE, {
    paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_OUTPUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
    params: [{ tmpref: { buffer: uuid, size: uuid.length } }],
  });
  if (invoke.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_InvokeCommand', invoke.result, invoke.origin);
  }
  const digits = Array.from(uuid, (byte) => byte.toString(16)).join('');
  print(`TA generated UUID value = 0x${digits}`);

  await client.TEEC_CloseSession(open.session);
  await client.TEEC_FinalizeContext(context);
  return 0;
}
