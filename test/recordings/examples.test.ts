/** The example clients in a box make the calls that the public ones made on the real stack. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { main as aes } from '../../examples/aes/client.ts';
import aesTa from '../../examples/aes/ta.ts';
import { main as helloWorld } from '../../examples/hello_world/client.ts';
import helloWorldTa from '../../examples/hello_world/ta.ts';
import { main as random } from '../../examples/random/client.ts';
import randomTa from '../../examples/random/ta.ts';
import { TeeClient, boot, taImageOf } from '../../src/index.ts';
import { Recorder } from './recorder.ts';
import {
  EXAMPLES,
  comparable,
  recordedIoctls,
  recordedOutput,
  withoutDigits,
} from './recording.ts';

const CLIENTS = { hello_world: helloWorld, random, aes };
const TAS = { hello_world: helloWorldTa, random: randomTa, aes: aesTa };

describe('recordings of the real stack, and a box with linux-6.1', () => {
  for (const name of EXAMPLES) {
    it(`${name}: ioctl by ioctl`, async () => {
      using box = boot({ profile: 'linux-6.1', tas: [taImageOf(TAS[name], name)] });
      const program = box.program({ name });
      const recorder = new Recorder(program);
      const printed: string[] = [];
      const code = await CLIENTS[name](new TeeClient(program, recorder), (line) => {
        printed.push(`${line}\n`);
      });
      assert.equal(code, 0);
      assert.equal(withoutDigits(printed.join('')), withoutDigits(recordedOutput(name)));
      const calls = recorder.ioctls.map((call) => comparable(name, call));
      const recorded = recordedIoctls(name).map((call) => comparable(name, call));
      assert.deepEqual(calls, recorded);
    });
  }
});
