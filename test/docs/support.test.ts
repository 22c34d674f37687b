/** The support table leaves out nothing that the ABI names. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEE_PANIC_ID } from '../../src/abi/gp-panic.ts';
import { OPTEE_MSG_CMD } from '../../src/abi/optee-msg.ts';
import { OPTEE_RPC_CMD } from '../../src/abi/optee-rpc.ts';
import { OPTEE_SMC_CALLS, OPTEE_SMC_RPC_FUNC } from '../../src/abi/optee-smc.ts';
import { TEE_IOCTLS } from '../../src/abi/tee.ts';
import { TEE_SCN } from '../../src/abi/utee.ts';
import { SUPPORT } from '../../src/cli/support-table.ts';

/** `syscall_storage_alloc_enum()` is behind TEE_SCN_STORAGE_ENUM_ALLOC. */
const syscallName = (scn: string): string =>
  scn
    .replace('TEE_SCN_', '')
    .toLowerCase()
    .replace(/^storage_enum_(\w+)$/, 'storage_$1_enum');

const current = (name: string): boolean => !name.endsWith('__DEPRECATED');

/** What must be declared, by area: names without regard to case. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  ioctl: Object.keys(TEE_IOCTLS),
  'SMC (Linux driver)': Object.keys(OPTEE_SMC_RPC_FUNC),
  'SMC (OP-TEE OS)': Object.keys(OPTEE_SMC_CALLS),
  'OPTEE_MSG (OP-TEE OS)': Object.keys(OPTEE_MSG_CMD),
  'RPC (OP-TEE OS)': Object.keys(OPTEE_RPC_CMD),
  'OP-TEE system call': Object.keys(TEE_SCN).filter(current).map(syscallName),
  'Internal Core API': Object.keys(TEE_PANIC_ID)
    .map((id) => id.replace('TEE_PANIC_ID_', ''))
    .filter((name) => name.startsWith('TEE_')),
};

describe('the support table', () => {
  for (const [area, names] of Object.entries(NAMED)) {
    it(`declares everything of ${area}`, () => {
      const rows = SUPPORT.filter((row) => row.area === area);
      const declared = new Set(rows.map(({ name }) => name.toLowerCase()));
      assert.deepEqual(
        names.filter((name) => !declared.has(name.toLowerCase())),
        [],
      );
    });
  }

  it('has each row once, and says why where something is missing', () => {
    const keys = SUPPORT.map(({ area, name }) => `${area}: ${name}`);
    assert.deepEqual(keys, [...new Set(keys)]);
    const silent = SUPPORT.filter((row) => row.status !== 'supported' && !row.note);
    assert.deepEqual(silent, []);
  });
});
