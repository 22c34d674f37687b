import assert from 'node:assert/strict';
import { it } from 'node:test';
import { OPTEE_MSG_CMD } from '../abi/optee-msg.ts';
import { OPTEE_RPC_CMD } from '../abi/optee-rpc.ts';
import { OPTEE_SMC_CALLS } from '../abi/optee-smc.ts';
import { OPTEE_OS_SUPPORT } from './support.ts';

it('everything that the ABI names is declared, once', () => {
  const names = OPTEE_OS_SUPPORT.map(({ area, name }) => `${area}: ${name}`);
  assert.deepEqual(
    names.filter((name, i) => names.indexOf(name) !== i),
    [],
  );
  const declared = new Set(OPTEE_OS_SUPPORT.map(({ name }) => name));
  for (const table of [OPTEE_SMC_CALLS, OPTEE_MSG_CMD, OPTEE_RPC_CMD]) {
    for (const name of Object.keys(table)) assert.ok(declared.has(name), name);
  }
});

it('what is not fully supported says why', () => {
  for (const { name, status, note } of OPTEE_OS_SUPPORT) {
    if (status !== 'supported') assert.notEqual(note ?? '', '', name);
  }
});
