/** The example clients in a box make the calls that the public ones made on the real stack. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TeeClient, boot, taImageOf } from '../../src/index.ts';
import { Recorder } from './recorder.ts';
import {
  RECORDINGS,
  comparable,
  comparableText,
  recordedIoctls,
  recordedOutput,
} from './recording.ts';

type Main = (
  client: TeeClient,
  print: (line: string) => void,
  args: readonly string[],
) => Promise<number>;

const load = (path: string): Promise<unknown> => import(new URL(path, import.meta.url).href);

async function clientOf(example: string): Promise<Main> {
  const { main } = (await load(`../../examples/${example}/client.ts`)) as { main: Main };
  return main;
}

describe('recordings of the real stack, and a box with linux-6.1', () => {
  for (const recording of RECORDINGS) {
    const { name, example, args } = recording;
    it(`${name}: ioctl by ioctl`, async () => {
      const ta = taImageOf(await load(`../../examples/${example}/ta.ts`), example);
      const main = await clientOf(example);
      using box = boot({ profile: 'linux-6.1', tas: [ta] });
      const program = box.program({ name });
      const recorder = new Recorder(program);
      const printed: string[] = [];
      const print = (line: string): void => void printed.push(`${line}\n`);
      assert.equal(await main(new TeeClient(program, recorder), print, args), 0);
      assert.equal(
        comparableText(recording, printed.join('')),
        comparableText(recording, recordedOutput(recording)),
      );
      assert.deepEqual(
        comparable(recording, recorder.ioctls),
        comparable(recording, recordedIoctls(recording)),
      );
    });
  }
});
