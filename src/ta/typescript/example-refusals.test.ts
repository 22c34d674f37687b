/** What the example TAs answer to commands without parameters, and to ones they do not know. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import acipher from '../../../examples/acipher/ta.ts';
import ecdh from '../../../examples/ecdh/ta.ts';
import ecdsa from '../../../examples/ecdsa/ta.ts';
import hotp from '../../../examples/hotp/ta.ts';
import plugins from '../../../examples/plugins/ta.ts';
import secureStorage from '../../../examples/secure_storage/ta.ts';
import sha from '../../../examples/sha/ta.ts';
import signVerify from '../../../examples/sign_verify/ta.ts';
import { TEE_ERROR, TEE_PARAM_TYPES, TEE_PARAM_TYPE_VALUE_INPUT } from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { Params, World } from '../testing/world.ts';

const BAD = 'BAD_PARAMETERS';

/** By command, from 0; the last answer is for a command that there is not. */
const ANSWERS = [
  ['acipher', acipher, [BAD, BAD, 'NOT_SUPPORTED']],
  ['ecdh', ecdh, [BAD, BAD]],
  ['ecdsa', ecdsa, [BAD, BAD, BAD, BAD]],
  ['hotp', hotp, [BAD, BAD, BAD]],
  ['secure_storage', secureStorage, [BAD, BAD, BAD, 'NOT_SUPPORTED']],
  ['sha', sha, [BAD, 'BAD_STATE', 'BAD_STATE', 'BAD_STATE', 'BAD_STATE', BAD, 'NOT_SUPPORTED']],
  ['sign_verify', signVerify, [BAD, BAD]],
] as const;

const named = (code: number): string => codeName(TEE_ERROR, code).replace(/^TEE_ERROR_| .*$/g, '');

describe('commands without parameters', () => {
  for (const [name, ta, answers] of ANSWERS) {
    test(name, async () => {
      const loaded = new World().load(ta);
      const session = await loaded.open();
      const given: string[] = [];
      for (const command of answers.keys()) {
        given.push(named(await loaded.invoke(session, command, new Params(0))));
      }
      assert.deepEqual(given, answers);
      await loaded.enter('TA_CloseSessionEntryPoint', session, 0, undefined);
      const { crypto } = loaded.syscalls;
      assert.deepEqual([crypto.objectCount, crypto.stateCount], [0, 0], 'nothing stays');
    });
  }

  test('plugins takes none at all', async () => {
    const loaded = new World().load(plugins);
    const one = new Params(TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_INPUT, 0, 0, 0));
    await assert.rejects(() => loaded.open(one), /open: 0xffff0006/);
    const session = await loaded.open();
    const given = [
      await loaded.invoke(session, 0, one),
      await loaded.invoke(session, 1, new Params(0)),
    ];
    assert.deepEqual(given.map(named), [BAD, 'NOT_SUPPORTED']);
  });
});
