/** The example clients beside what was recorded: how they end when something is wrong, and plugins. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { main as acipher } from '../../examples/acipher/client.ts';
import { main as ecdh } from '../../examples/ecdh/client.ts';
import { main as ecdsa } from '../../examples/ecdsa/client.ts';
import { main as hotp } from '../../examples/hotp/client.ts';
import { main as plugins } from '../../examples/plugins/client.ts';
import { syslogPlugin } from '../../examples/plugins/syslog-plugin.ts';
import pluginsTa from '../../examples/plugins/ta.ts';
import { main as secureStorage } from '../../examples/secure_storage/client.ts';
import { main as sha } from '../../examples/sha/client.ts';
import shaTa from '../../examples/sha/ta.ts';
import { main as signVerify } from '../../examples/sign_verify/client.ts';
import signVerifyTa from '../../examples/sign_verify/ta.ts';
import { boot, taImageOf } from '../../src/index.ts';
import type { BoxOptions, TeeClient } from '../../src/index.ts';

type Main = (
  client: TeeClient,
  print: (line: string) => void,
  args: readonly string[],
) => Promise<number>;

/** @returns the exit code and what was printed; nothing may stay behind when the process ends */
async function run(
  main: Main,
  args: readonly string[] = [],
  options: BoxOptions = {},
): Promise<{ code: number; printed: string[] }> {
  using box = boot(options);
  const client = box.client();
  const printed: string[] = [];
  const code = await main(client, (line) => printed.push(line), args);
  await client.program.exit();
  await box.settle();
  assert.deepEqual(box.leaks(), []);
  return { code, printed };
}

describe('example clients without their TA', () => {
  const opening = 'TEEC_Opensession failed with code 0xffff0008 origin 0x3';
  for (const [name, main, args, last] of [
    [
      'acipher',
      acipher,
      ['512', 'x'],
      'TEEC_OpenSession(TEEC_LOGIN_PUBLIC): 0xffff0008 (error origin 0x3)',
    ],
    ['ecdh', ecdh, [], 'TEEC_OpenSession failed 0xffff0008 origin 0x3'],
    ['ecdsa', ecdsa, [], opening],
    ['hotp', hotp, [], opening],
    ['plugins', plugins, [], opening],
    ['secure_storage', secureStorage, [], opening],
    ['sha', sha, ['x'], opening],
    ['sign_verify', signVerify, [], 'TEEC_OpenSession failed: 0xffff0008 origin: 0x3'],
  ] as const) {
    it(`${name} says so`, async () => {
      const { code, printed } = await run(main, args);
      assert.deepEqual([printed.at(-1), code], [last, 1]);
    });
  }
});

describe('example clients with arguments that are none', () => {
  for (const [name, main, args, said] of [
    ['acipher', acipher, [], 'Unexpected number of arguments 0'],
    ['acipher', acipher, ['x', 'y'], 'cannot parse key_size "x"'],
    ['acipher', acipher, ['512', 'y', 'z'], 'z algo is invalid'],
    ['ecdsa', ecdsa, ['RSA'], 'RSA algo is invalid'],
    ['sha', sha, [], 'Unexpected number of arguments 0 (expected 2)'],
    ['sha', sha, ['x', 'SHA0'], 'SHA0 algo is invalid'],
    ['sign_verify', signVerify, ['x'], 'cannot parse key_size "x"'],
    ['sign_verify', signVerify, ['-1'], 'bad key_size "-1" (-1)'],
    ['sign_verify', signVerify, ['512', 'x'], 'x algo is invalid'],
  ] as const) {
    it(`${name} ${args.join(' ')}`, async () => {
      const { code, printed } = await run(main, args);
      assert.ok(printed.includes(said), printed.join('\n'));
      assert.ok(printed.some((line) => /^usage:/i.test(line)));
      assert.equal(code, 1);
    });
  }
});

describe('example clients whose TA refuses', () => {
  it('sign_verify: a key size that there is not', async () => {
    const tas = [taImageOf(signVerifyTa, 'sign_verify')];
    const { code, printed } = await run(signVerify, ['100'], { tas });
    const last = 'TEEC_InvokeCommand failed: 0xffff000a origin: 0x4';
    assert.deepEqual([printed.at(-1), code], [last, 1]);
  });

  it('sha: every algorithm, of the empty text', async () => {
    const tas = [taImageOf(shaTa, 'sha')];
    for (const [name, first] of [
      ['SHA256', 'digest: e3b0c442'],
      ['SHA3_256', 'digest: a7ffc6f8'],
      ['SHAKE128', 'digest: 7f9c2ba4'],
    ] as const) {
      const { printed } = await run(sha, ['', name], { tas });
      assert.ok(printed.at(-1)?.startsWith(first), printed.at(-1));
    }
  });
});

describe('plugins', () => {
  const tas = [taImageOf(pluginsTa, 'plugins')];

  it('reach the plugin, which gets priority and text', async () => {
    const log: string[] = [];
    const plugin = syslogPlugin((priority, text) => log.push(`<${priority}>${text}`));
    const { code, printed } = await run(plugins, [], { tas, plugins: [plugin] });
    const attempts = printed.filter((line) => line.includes('success; res=0 orig=0x4'));
    assert.deepEqual([code, attempts.length], [0, 5]);
    const expected = Array.from({ length: 5 }, (_, i) => `<6>Hello, plugin! value = 0x${i}`);
    assert.deepEqual(log, expected);
  });

  it('without the plugin every attempt fails, and the client ends well', async () => {
    const { code, printed } = await run(plugins, [], { tas });
    const attempts = printed.filter((line) => line.includes('failed; res=0xffff0008 orig=0x4'));
    assert.deepEqual([code, attempts.length], [0, 5]);
  });
});
