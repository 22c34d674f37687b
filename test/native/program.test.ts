/** What passes between a native program and its shell, and programs that share a box. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { TA_TEST_CMD } from './commands.ts';
import {
  COUNTER_TA,
  TEEBOX_COMMAND,
  checkTheme,
  directory,
  nativeTest,
  programs,
  run,
  runUnprivileged,
  start,
  teebox,
} from './harness.ts';

const lines = (...text: string[]): string => text.map((line) => `${line}\n`).join('');

const exitCodeOf = async (...program: string[]): Promise<number> => (await run(program)).code;

describe('native programs and their shell', () => {
  nativeTest('program', async () => {
    const program = [programs, 'args', 'one', 'two three', '', '--json', '--'];
    const ran = await run(program, { env: { NATIVE_TEST: 'passed' } });
    assert.equal(
      ran.stdout,
      lines(
        'argument 1: [one]',
        'argument 2: [two three]',
        'argument 3: []',
        'argument 4: [--json]',
        'argument 5: [--]',
        'NATIVE_TEST: passed',
        `directory: ${directory}`,
      ),
    );
    assert.equal(ran.stderr, 'on stderr\n');
    assert.equal(ran.code, 42);
  });

  nativeTest('exit codes', async () => {
    const text = join(directory, 'text');
    writeFileSync(text, 'no program\n');
    chmodSync(text, 0o644);
    assert.equal(await exitCodeOf('/bin/sh', '-c', 'kill -SEGV $$'), 139);
    assert.equal(await exitCodeOf(join(directory, 'missing')), 127);
    assert.equal(await exitCodeOf(text), 126);
  });

  nativeTest('closed standard files', async () => {
    assert.equal(await exitCodeOf(programs, 'stdio_closed'), 7);
  });

  nativeTest('without root', async () => {
    const ran = await runUnprivileged([programs, 'identity']);
    const stdout = lines(`uid ${ran.uid}, a session works`);
    assert.deepEqual(ran, { code: 0, stdout, stderr: '', uid: ran.uid });
  });

  nativeTest('one box, two programs', async () => {
    const socket = join(directory, 'socket');
    const [node, main] = TEEBOX_COMMAND;
    const serve = start(node, [main, 'serve', '-q', '--socket', socket, '--ta', COUNTER_TA], {});
    const exited = new Promise((resolve) => serve.once('exit', resolve));
    try {
      while (!existsSync(socket) && serve.exitCode === null) await nextTurn();
      for (const call of [1, 2]) {
        const ran = await teebox(['exec', '--socket', socket, '--', programs, 'count']);
        assert.deepEqual(ran, { code: 0, stdout: lines(`0x00000000: call ${call}`), stderr: '' });
      }
      const ran = await teebox(['exec', '--socket', socket, '--', '/bin/sh', '-c', 'exit 42']);
      assert.equal(ran.code, 42);
    } finally {
      serve.kill('SIGTERM');
      await exited;
    }
  });

  nativeTest('TA panics', () => checkTheme('panics'));

  nativeTest('spinning TA', async () => {
    const program = [programs, 'command', String(TA_TEST_CMD.SPIN)];
    const ran = await run(program, { options: ['--supplicant', 'none', '--ta-timeout', '0.5'] });
    assert.equal(ran.code, 124);
    assert.match(ran.stderr, /3d5a8e10-7c42-4f2b-9a61-b40e5f7721c9/);
    assert.match(ran.stderr, /native\/ta\.ts:\d+/);
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
