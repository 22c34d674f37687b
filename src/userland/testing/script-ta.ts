/** For tests: a TA that does what a test tells it, one call of the Internal Core API after the other. */
import assert from 'node:assert/strict';
import { TEEC_LOGIN_PUBLIC } from '../../abi/gp.ts';
import { Box } from '../../box/box.ts';
import type { BoxOptions } from '../../box/box.ts';
import { nodeHost } from '../../host/node/host.ts';
import type { Tee } from '../../ta/gp/tee.ts';
import { TEE_SUCCESS, defineTa } from '../../ta/index.ts';
import { taImageOf } from '../../ta/typescript/image.ts';

const UUID = '3d5a8e10-7c42-4f2b-9a61-b40e5f7721d0';

export type Script = (tee: Tee) => Promise<void>;

export interface ScriptRun {
  readonly options?: BoxOptions;
  /** Readies the box. */
  readonly prepare?: (box: Box) => void;
  /** Looks at the box before its memory is given back. */
  readonly inspect?: (box: Box) => void;
}

/**
 * Boots a box and runs each script in a session of its own, all at once; nothing may be left.
 * @throws what a script has thrown, else the result of an invocation that failed.
 */
export async function runInTa(
  scripts: Script | readonly Script[],
  { options, prepare, inspect }: ScriptRun = {},
): Promise<void> {
  const all = typeof scripts === 'function' ? [scripts] : scripts;
  const thrown: unknown[] = [];
  using box = new Box(nodeHost(), { tas: [scriptTa(all, thrown)], ...options });
  prepare?.(box);
  const results = await Promise.all(all.map((_, n) => runInSession(box, n)));
  await box.settle();
  if (thrown.length > 0) throw thrown[0];
  assert.deepEqual(
    results,
    all.map(() => 'TEE_SUCCESS'),
  );
  assert.deepEqual(box.leaks(), []);
  inspect?.(box);
}

/** Each command runs the script of its number. */
const scriptTa = (scripts: readonly Script[], thrown: unknown[]) =>
  taImageOf(
    defineTa({ uuid: UUID }, (tee) => ({
      TA_CreateEntryPoint: () => TEE_SUCCESS,
      TA_DestroyEntryPoint() {},
      TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
      TA_CloseSessionEntryPoint() {},
      async TA_InvokeCommandEntryPoint(_session, commandID) {
        try {
          await scripts[commandID]!(tee);
        } catch (error) {
          if (error instanceof assert.AssertionError) thrown.push(error);
          throw error;
        }
        return TEE_SUCCESS;
      },
    })),
    'script TA',
  );

async function runInSession(box: Box, command: number): Promise<string> {
  const client = box.client();
  const { context } = await client.TEEC_InitializeContext(null);
  const { session } = await client.TEEC_OpenSession(context, UUID, TEEC_LOGIN_PUBLIC);
  const { result, origin } = await client.TEEC_InvokeCommand(session, command);
  await client.TEEC_CloseSession(session);
  await client.TEEC_FinalizeContext(context);
  await client.program.exit();
  return result === TEE_SUCCESS ? 'TEE_SUCCESS' : `0x${result.toString(16)} origin ${origin}`;
}
