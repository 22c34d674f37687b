/** TAs that spin: in a process of their own, which the watchdog ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { libcIfAny } from './testing/libc-if-any.ts';

const SPIN = fileURLToPath(new URL('testing/spin.ts', import.meta.url));
const OUTER = '00000000-0000-4000-8000-000000000001';
/** Much longer than the watchdog's patience, milliseconds. */
const HUNG_MS = 120_000;

const skip = libcIfAny() === undefined ? 'no koffi, or no Linux' : false;

describe('a TA that spins ends the box with 124', { skip }, () => {
  for (const mode of ['nothing', 'await', 'call']) {
    it(`after ${mode}`, () => {
      const { status, stderr } = spawnSync(process.execPath, [SPIN, mode], {
        encoding: 'utf8',
        timeout: HUNG_MS,
        killSignal: 'SIGKILL',
      });
      assert.equal(status, 124, stderr);
      assert.match(stderr, new RegExp(`TA ${OUTER} has not left the CPU for 300 ms`));
      assert.match(stderr, /at spin /);
    });
  }
});
