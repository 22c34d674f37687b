/**
 * Has the plugins TA log five lines through the syslog plugin of tee-supplicant.
 * Upstream counterpart: optee_examples plugins/host/main.c, which waits two seconds after each.
 */
import { TEEC_LOGIN_PUBLIC, TEEC_NONE, TEEC_PARAM_TYPES, TEEC_SUCCESS } from '../../src/abi/gp.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { hex } from '../digits.ts';
import { failed } from '../failed.ts';
import type { Print } from '../failed.ts';
import { PLUGIN_TA_PING, PLUGIN_TA_UUID } from './plugin-ta.ts';

const TA_PING_CNT = 5;

/** As C's %#x, which has no prefix for zero. */
const code = (n: number): string => (n === 0 ? '0' : hex(n));

/** @returns the exit code: 0 also when a command failed, as of the public one. */
export async function main(client: TeeClient, print: Print): Promise<number> {
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);
  const open = await client.TEEC_OpenSession(context, PLUGIN_TA_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_Opensession', open.result, open.origin);
  }
  print('Work logic: REE --> plugin TA --> syslog plugin in REE --> syslog');
  print("See the log from TEE through 'journalctl'");
  print('');
  for (let attempt = 1; attempt <= TA_PING_CNT; attempt++) {
    const reply = await client.TEEC_InvokeCommand(open.session, PLUGIN_TA_PING, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_NONE, TEEC_NONE, TEEC_NONE, TEEC_NONE),
      params: [],
    });
    const verdict = reply.result === TEEC_SUCCESS ? 'success' : 'failed';
    const codes = `res=${code(reply.result)} orig=${code(reply.origin)}`;
    print(`Attempt #${attempt}: TEEC_InvokeCommand() ${verdict}; ${codes}`);
  }
  await client.TEEC_CloseSession(open.session);
  await client.TEEC_FinalizeContext(context);
  return 0;
}
