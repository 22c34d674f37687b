/**
 * A box whose TA spins, under a watchdog: `spin.ts MODE`. It must not come to its end. The mode says
 * what the TA does before: nothing, an `await`, or a call of another TA.
 */
import { TEEC_LOGIN_PUBLIC } from '../../abi/gp.ts';
import { Box } from '../../box/box.ts';
import { nodeHost } from '../../host/node/host.ts';
import { TEE_HANDLE_NULL, TEE_SUCCESS, TEE_TIMEOUT_INFINITE, defineTa } from '../../ta/index.ts';
import type { Tee } from '../../ta/index.ts';
import { taImageOf } from '../../ta/typescript/image.ts';
import { Watchdog } from '../watchdog.ts';

const OUTER = '00000000-0000-4000-8000-000000000001';
const INNER = '00000000-0000-4000-8000-000000000002';

const BEFORE: Readonly<Record<string, (tee: Tee) => unknown>> = {
  nothing: () => undefined,
  await: (tee) => tee.TEE_Wait(1),
  call: (tee) =>
    tee.TEE_OpenTASession(INNER, TEE_TIMEOUT_INFINITE, 0, null, { value: TEE_HANDLE_NULL }, null),
};

function spin(): never {
  for (;;);
}

const ENTRY_POINTS = {
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint: () => {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint: () => {},
  TA_InvokeCommandEntryPoint: () => TEE_SUCCESS,
};
const properties = { flags: 0, stackSize: 2048, dataSize: 32768, version: '1', description: '' };
const before = BEFORE[process.argv[2] ?? ''] ?? spin;
const outer = defineTa({ ...properties, uuid: OUTER }, (tee) => ({
  ...ENTRY_POINTS,
  TA_OpenSessionEntryPoint() {
    const wait = before(tee);
    return wait instanceof Promise ? wait.then(spin) : spin();
  },
}));
const inner = defineTa({ ...properties, uuid: INNER }, () => ENTRY_POINTS);

const watchdog = new Watchdog(300);
const tas = [outer, inner].map((ta) => watchdog.watch(taImageOf(ta, 'spin.ts')));
const box = new Box(nodeHost(), { live: true, tas });
const client = box.client();
const { context } = await client.TEEC_InitializeContext();
await client.TEEC_OpenSession(context, OUTER, TEEC_LOGIN_PUBLIC);
