/**
 * The example clients on a driver that does what their TAs do: the same ioctls with the same bytes,
 * and the same text, as recorded from the public clients with libteec on the real stack.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { main as aes } from '../../examples/aes/client.ts';
import {
  TA_AES_CMD_CIPHER,
  TA_AES_CMD_PREPARE,
  TA_AES_CMD_SET_IV,
  TA_AES_MODE_ENCODE,
} from '../../examples/aes/aes-ta.ts';
import { main as helloWorld } from '../../examples/hello_world/client.ts';
import { main as random } from '../../examples/random/client.ts';
import type { TeeParam } from '../linux/tee/tee-drv.ts';
import type { Co } from '../sched/task.ts';
import { NOTHING_HELD, UserBox } from './testing/tee-box.ts';
import type { RecordedClient, RecordedIoctl } from './testing/tee-box.ts';

interface Recorded {
  readonly printed: readonly string[];
  readonly calls: readonly { readonly nr: number; readonly arg: string; readonly buf?: string }[];
}

const file = new URL('testing/recorded-examples.json', import.meta.url);
const recorded = (
  JSON.parse(readFileSync(file, 'utf8')) as { examples: Readonly<Record<string, Recorded>> }
).examples;

type Invoke = (command: number, params: readonly TeeParam[]) => number;

/** Runs a client on a TA of our own; returns what it did. */
async function run(
  main: (client: RecordedClient, print: (line: string) => void) => Promise<number>,
  invoke: Invoke,
) {
  const box = new UserBox();
  box.fake.openSession = function* (_ctx, arg): Co<number> {
    arg.session = 1;
    arg.retOrigin = 4;
    return 0;
  };
  box.fake.invoke = function* (_ctx, arg, params): Co<number> {
    arg.retOrigin = 4;
    arg.ret = invoke(arg.func, params);
    return 0;
  };
  const client = box.client();
  const printed: string[] = [];
  const code = await main(client, (line) => printed.push(line));
  const calls = client.takeIoctls().map(withoutResult);
  await client.program.exit();
  return { code, printed, calls, held: box.held() };
}

/** Results are fds and errnos: the recording has others. */
const withoutResult = ({ nr, arg, buf }: RecordedIoctl): Recorded['calls'][number] =>
  buf === undefined ? { nr, arg } : { nr, arg, buf };

function bytesOf(param: TeeParam): Uint8Array {
  return param.shm === null
    ? new Uint8Array(0)
    : param.shm.map(param.shmOffs, param.size, 'write').bytes;
}

/** hello_world's TA */
const increment: Invoke = (_command, params) => {
  params[0]!.aLo += 1;
  return 0;
};

/** random's TA, with the bytes that the recording has. */
const fill: Invoke = (_command, params) => {
  const digits = recorded['random']!.printed[1]!.split('0x')[1]!;
  bytesOf(params[0]!).set(Buffer.from(digits, 'hex'));
  return 0;
};

/** aes's TA, in counter mode. */
function counterMode(seen: { ciphertext: string }): Invoke {
  let encode = true;
  const iv = new Uint8Array(16);
  return (command, params) => {
    if (command === TA_AES_CMD_PREPARE) encode = params[2]!.aLo === TA_AES_MODE_ENCODE;
    if (command === TA_AES_CMD_SET_IV) iv.set(bytesOf(params[0]!));
    if (command !== TA_AES_CMD_CIPHER) return 0;
    const key = new Uint8Array(16).fill(0xa5);
    const cipher = (encode ? createCipheriv : createDecipheriv)('aes-128-ctr', key, iv);
    const out = cipher.update(bytesOf(params[0]!));
    bytesOf(params[1]!).set(out);
    if (encode) seen.ciphertext = out.subarray(0, 16).toString('hex');
    return 0;
  };
}

describe('example clients', () => {
  for (const [name, main, invoke] of [
    ['hello_world', helloWorld, increment],
    ['random', random, fill],
    ['aes', aes, counterMode({ ciphertext: '' })],
  ] as const) {
    it(`${name}: calls and prints as recorded`, async () => {
      const { code, printed, calls, held } = await run(main, invoke);
      assert.equal(code, 0);
      assert.deepEqual(printed, recorded[name]!.printed);
      assert.deepEqual(calls, recorded[name]!.calls);
      assert.deepEqual(held, NOTHING_HELD);
    });
  }

  it('aes: passes the buffers that the recording has', async () => {
    const seen = { ciphertext: '' };
    await run(aes, counterMode(seen));
    assert.equal(seen.ciphertext, 'e428fef71f33dbb4c4a66d6996466f48');
  });

  for (const [argument, add, line] of [
    ['TA_AES_ALGO_CBC', 0, 'Clear text and decoded text match'],
    ['TA_AES_ALGO_ECB', 0, 'Clear text and decoded text match'],
    ['TA_AES_ALGO_GCM', 0, 'CCM encryption/decryption successful!'],
    ['TA_AES_ALGO_CCM', 0, 'CCM encryption/decryption successful!'],
    ['TA_AES_ALGO_CTR', 1, 'Clear text and decoded text differ => ERROR'],
    ['TA_AES_ALGO_GCM', 1, 'Decryption failed or tag mismatch!'],
  ] as const) {
    it(`aes ${argument}: ends with its verdict on a cipher that adds ${add}`, async () => {
      const adding: Invoke = (_command, params) => {
        const to = params[1]!;
        if (to.shm === null) return 0;
        const from = bytesOf(params[0]!);
        bytesOf(to).set(from.map((byte) => byte + add));
        to.size = from.length;
        return 0;
      };
      const { code, printed } = await run((c, print) => aes(c, print, [argument]), adding);
      assert.equal(printed.at(-1), line);
      assert.equal(code, 0);
    });
  }

  it('aes: refuses an algorithm that it does not know', async () => {
    const { code, printed, calls } = await run(
      (c, print) => aes(c, print, ['DES']),
      () => 0,
    );
    assert.deepEqual(printed, ['DES algo selected', 'DES algo is invalid']);
    assert.deepEqual([code, calls], [255, []]);
  });

  for (const [name, main, line] of [
    ['hello_world', helloWorld, 'TEEC_InvokeCommand failed with code 0xffff0006 origin 0x4'],
    ['random', random, 'TEEC_InvokeCommand failed with code 0xffff0006 origin 0x4'],
    ['aes', aes, 'TEEC_InvokeCommand(PREPARE) failed 0xffff0006 origin 0x4'],
  ] as const) {
    it(`${name}: says what failed`, async () => {
      const { code, printed } = await run(main, () => 0xffff0006);
      assert.equal(printed.at(-1), line);
      assert.equal(code, 1);
    });
  }
});
