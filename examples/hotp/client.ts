/**
 * Gives the hotp TA the key of RFC 4226's appendix and prints the ten passwords that stand there.
 * Upstream counterpart: optee_examples hotp/host/main.c.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_OUTPUT,
} from '../../src/abi/gp.ts';
import type { TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { digits } from '../digits.ts';
import { failed } from '../failed.ts';
import type { Print } from '../failed.ts';
import { TA_HOTP_CMD_GET_HOTP, TA_HOTP_CMD_REGISTER_SHARED_KEY, TA_HOTP_UUID } from './hotp-ta.ts';

/* Source: RFC 4226, appendix D. */
const RFC4226_KEY = new TextEncoder().encode('12345678901234567890');
const RFC4226_VALUES = [
  755224, 287082, 359152, 969429, 338314, 254676, 287922, 162583, 399871, 520489,
];

async function registerKey(
  client: TeeClient,
  session: TeecSession,
  print: Print,
): Promise<boolean> {
  print(`Register the shared key: ${digits(RFC4226_KEY, ' ')}`);
  const reply = await client.TEEC_InvokeCommand(session, TA_HOTP_CMD_REGISTER_SHARED_KEY, {
    paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INPUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
    params: [{ tmpref: { buffer: RFC4226_KEY, size: RFC4226_KEY.length } }],
  });
  if (reply.result === TEEC_SUCCESS) return true;
  failed(print, 'TEEC_InvokeCommand', reply.result, reply.origin);
  return false;
}

async function printPasswords(
  client: TeeClient,
  session: TeecSession,
  print: Print,
): Promise<void> {
  // What the last call left goes into the next one, as in C.
  const value = { a: 0, b: 0 };
  for (const expected of RFC4226_VALUES) {
    const { result, origin } = await client.TEEC_InvokeCommand(session, TA_HOTP_CMD_GET_HOTP, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_OUTPUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
      params: [{ value }],
    });
    if (result !== TEEC_SUCCESS) {
      failed(print, 'TEEC_InvokeCommand', result, origin);
      return;
    }
    print(`HOTP: ${value.a}`);
    if (value.a !== expected) {
      print(`Got unexpected HOTP from TEE! Expected: ${expected}, got: ${value.a}`);
    }
  }
}

/** @returns the exit code: 0 also when a command failed, as of the public one. */
export async function main(client: TeeClient, print: Print): Promise<number> {
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);
  const open = await client.TEEC_OpenSession(context, TA_HOTP_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_Opensession', open.result, open.origin);
  }
  if (await registerKey(client, open.session, print)) {
    await printPasswords(client, open.session, print);
  }
  await client.TEEC_CloseSession(open.session);
  await client.TEEC_FinalizeContext(context);
  return 0;
}
