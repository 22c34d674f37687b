/** The clients and the supplicant on the real driver and secure world. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { main as aes } from '../../examples/aes/client.ts';
import aesTa from '../../examples/aes/ta.ts';
import { main as helloWorld } from '../../examples/hello_world/client.ts';
import { TA_HELLO_WORLD_UUID } from '../../examples/hello_world/hello-world-ta.ts';
import helloWorldTa from '../../examples/hello_world/ta.ts';
import { main as random } from '../../examples/random/client.ts';
import randomTa from '../../examples/random/ta.ts';
import { SIGKILL } from '../abi/fcntl.ts';
import {
  TEEC_ERROR_COMMUNICATION,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_ERROR_SECURITY,
  TEEC_LOGIN_PUBLIC,
} from '../abi/gp.ts';
import { OPTEE_RPC_CMD_LOAD_TA } from '../abi/optee-rpc.ts';
import { Box } from '../box/box.ts';
import type { BoxOptions } from '../box/box.ts';
import { MemoryStore } from '../host/memory-store.ts';
import { nodeHost } from '../host/node/host.ts';
import { ProcessExited } from '../linux/process/user-process.ts';
import { taImageOf } from '../ta/typescript/image.ts';
import { RecordedClient } from './testing/tee-box.ts';

interface Recorded {
  readonly printed: readonly string[];
  readonly calls: readonly { readonly nr: number; readonly buf?: string }[];
}

const file = new URL('testing/recorded-examples.json', import.meta.url);
const recorded = (
  JSON.parse(readFileSync(file, 'utf8')) as { examples: Readonly<Record<string, Recorded>> }
).examples;

const TAS = [helloWorldTa, randomTa, aesTa].map((ta, n) => taImageOf(ta, `example ${n}`));

const boot = (options: BoxOptions = {}): Box => new Box(nodeHost(), options);

/** A directory whose file of the hello_world TA is none. */
function brokenTa(): MemoryStore {
  const store = new MemoryStore();
  store.createFile(`${TA_HELLO_WORLD_UUID}.ta`);
  store.write(`${TA_HELLO_WORLD_UUID}.ta`, 0, new Uint8Array(5000).fill(0x5a));
  return store;
}

/** Opens a session to the hello_world TA, which only the supplicant can have. */
async function openSession(box: Box, client = box.client()) {
  const { context } = await client.TEEC_InitializeContext('optee-tz');
  return client.TEEC_OpenSession(context, TA_HELLO_WORLD_UUID, TEEC_LOGIN_PUBLIC);
}

const openFiles = (box: Box): number => box.kernel.openFiles().length;

describe('example clients on the whole stack', () => {
  for (const [name, main] of [
    ['hello_world', helloWorld],
    ['random', random],
    ['aes', aes],
  ] as const) {
    it(`${name}: calls and prints as recorded`, async () => {
      const box = boot({ tas: TAS });
      const client = new RecordedClient(box.kernel);
      const printed: string[] = [];
      assert.equal(await main(client, (line) => printed.push(line)), 0);
      const digits = /0x[0-9a-f]+$/;
      const lines = (texts: readonly string[]) => texts.map((text) => text.replace(digits, '0x'));
      assert.deepEqual(lines(printed), lines(recorded[name]!.printed));
      const calls = client.takeIoctls().map(({ nr, buf }) => ({ nr, buf }));
      assert.deepEqual(
        calls,
        recorded[name]!.calls.map(({ nr, buf }) => ({ nr, buf })),
      );
      assert.equal(client.program.process.files.size, 0);
    });
  }
});

describe('tee-supplicant on the whole stack', () => {
  it('says that it has no such TA', async () => {
    const box = boot();
    const { result, origin } = await openSession(box);
    assert.deepEqual([result, origin], [TEEC_ERROR_ITEM_NOT_FOUND, 3]);
  });

  it('lends memory for a TA, loads it, and gets the memory back', async () => {
    const box = boot({ taStore: brokenTa() });
    // The supplicant opens the directory of secure storage once.
    await openSession(box);
    const before = openFiles(box);
    const { result, origin } = await openSession(box);
    assert.deepEqual([result, origin], [TEEC_ERROR_SECURITY, 3], 'the file is no TA');
    // The client's context is open still.
    assert.equal(openFiles(box), before + 1);
  });

  it('keeps a client waiting until it starts', async () => {
    const box = boot({ supplicant: 'none' });
    let done = false;
    const opening = openSession(box).then((reply) => {
      done = true;
      return reply;
    });
    await box.settle();
    assert.equal(done, false);
    box.startSupplicant();
    assert.equal((await opening).result, TEEC_ERROR_ITEM_NOT_FOUND);
  });

  it('is answered for when it dies while it serves', async () => {
    const box = boot({ taStore: brokenTa(), supplicant: { faults: { diesAtRequest: 1 } } });
    const opening = openSession(box);
    await box.settle();
    assert.deepEqual(box.supplicant?.process.exitStatus, { kind: 'killed', signal: SIGKILL });
    const causes = [...box.trace.events()].filter(({ name }) => name === 'cause');
    assert.match(JSON.stringify(causes), /tee-supplicant closed its device, or died, before it/);
    // What the secure world asks after that waits for the next one.
    box.startSupplicant();
    assert.equal((await opening).result, TEEC_ERROR_OUT_OF_MEMORY, 'no buffer came');
  });

  it('does not stop a client that is killed from ending when it never answers', async () => {
    const box = boot({ supplicant: { faults: { neverAnswers: true } } });
    const client = box.client();
    const opening = assert.rejects(openSession(box, client), ProcessExited);
    await box.settle();
    assert.equal(box.sched.blocked().length > 0, true);
    client.program.kill(SIGKILL);
    await opening;
    await box.settle();
    assert.equal(client.program.process.files.size, 0);
  });

  it('changes nothing with a second answer', async () => {
    const box = boot({ taStore: brokenTa(), supplicant: { faults: { answersTwice: true } } });
    assert.equal((await openSession(box)).result, TEEC_ERROR_SECURITY);
    assert.equal((await openSession(box)).result, TEEC_ERROR_SECURITY);
  });

  for (const liesAboutSizeBytes of [1, -1]) {
    it(`is not trusted with the size of a file that is off by ${liesAboutSizeBytes}`, async () => {
      const faults = { only: [OPTEE_RPC_CMD_LOAD_TA], liesAboutSizeBytes };
      const box = boot({ taStore: brokenTa(), supplicant: { faults } });
      const { result } = await openSession(box);
      assert.notEqual(result, 0);
      assert.notEqual(result, TEEC_ERROR_COMMUNICATION);
      assert.equal(box.halted, undefined);
    });
  }
});
