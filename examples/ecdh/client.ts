/**
 * Has the ecdh TA play both sides of a key agreement and prints the secret.
 * Upstream counterpart: optee_examples ecdh/host/main.c.
 */
import {
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
} from '../../src/abi/gp.ts';
import type { TeecReply, TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { digits, hex } from '../digits.ts';
import { failed } from '../failed.ts';
import type { Print } from '../failed.ts';
import {
  TA_ECDH_CMD_DERIVE_SELFTEST,
  TA_ECDH_ECC_CURVE_NIST_P384,
  TA_ECDH_UUID,
} from './ecdh-ta.ts';

const BYTES_PER_LINE = 32;

interface Secret {
  buffer: Uint8Array | null;
  size: number;
}

function derive(
  client: TeeClient,
  session: TeecSession,
  curve: number,
  secret: Secret,
): TeecReply | Promise<TeecReply> {
  return client.TEEC_InvokeCommand(session, TA_ECDH_CMD_DERIVE_SELFTEST, {
    paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INPUT, TEEC_NONE, TEEC_NONE, TEEC_MEMREF_TEMP_OUTPUT),
    params: [{ value: { a: curve, b: 0 } }, {}, {}, { tmpref: secret }],
  });
}

/** @returns the exit code. */
export async function main(client: TeeClient, print: Print): Promise<number> {
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);
  const open = await client.TEEC_OpenSession(context, TA_ECDH_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    print(`TEEC_OpenSession failed ${hex(open.result)} origin ${hex(open.origin)}`);
    return 1;
  }
  const curve = TA_ECDH_ECC_CURVE_NIST_P384;
  const secret: Secret = { buffer: null, size: 0 };
  let reply = await derive(client, open.session, curve, secret);
  if (reply.result === TEEC_ERROR_SHORT_BUFFER) {
    secret.buffer = new Uint8Array(secret.size);
    reply = await derive(client, open.session, curve, secret);
  }
  if (reply.result !== TEEC_SUCCESS) {
    const codes = `${hex(reply.result)} origin ${hex(reply.origin)}`;
    print(`Invoke TA_ECDH_CMD_DERIVE_SELFTEST failed ${codes}`);
    return 1;
  }
  print(`ECDH shared secret (${secret.size} bytes) on curve id ${curve}:`);
  const bytes = secret.buffer?.subarray(0, secret.size) ?? new Uint8Array(0);
  for (let at = 0; at < bytes.length; at += BYTES_PER_LINE) {
    print(digits(bytes.subarray(at, at + BYTES_PER_LINE)));
  }
  await client.TEEC_CloseSession(open.session);
  await client.TEEC_FinalizeContext(context);
  return 0;
}
