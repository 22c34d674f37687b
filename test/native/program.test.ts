/** What passes between a native program and its shell, and programs that share a box. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SIGNALS } from '../../src/cli/signals.ts';
import { liveThreadOf } from '../../src/native/proc.ts';
import { TA_TEST_CMD } from './commands.ts';
import {
  COUNTER_TA,
  TEEBOX_COMMAND,
  TEST_TA,
  checkTheme,
  directory,
  exitCode,
  expected,
  killGroup,
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

  nativeTest('left behind', async () => {
    // Two children of the shell: the second is an orphan, which makes no call that is asked about.
    const script = '(exec sleep 100 >&2) & echo $!; (sleep 100 >&2 & echo $!); exit 3';
    const ran = await run(['/bin/sh', '-c', script], { report: true });
    assert.equal(ran.code, 3, ran.stderr);
    const pids = ran.stdout.trim().split('\n').map(Number);
    assert.equal(pids.length, 2);
    const told = /^teebox: ended with the box: (.*)$/m.exec(ran.stderr)?.[1] ?? '';
    for (const pid of pids) {
      assert.ok(told.includes(`(pid ${pid})`), ran.stderr);
      while (liveThreadOf(pid) !== undefined) await sleep(10);
    }
  });

  nativeTest('programs out of reach', async () => {
    const ran = await runUnprivileged([programs, 'undumpable']);
    assert.equal(ran.stdout, expected('undumpable'), ran.stderr);
    const unreadable = join(directory, 'unreadable');
    copyFileSync(programs, unreadable);
    chmodSync(unreadable, 0o111);
    const lost = await runUnprivileged([unreadable, 'undumpable'], { report: true });
    assert.equal(lost.code, 2);
    assert.match(lost.stderr, /why EPERM \[native\] the memory of unreadable \(pid \d+\)/);
  });

  nativeTest('closed standard files', async () => {
    assert.equal(await exitCodeOf(programs, 'stdio_closed'), 7);
  });

  nativeTest('without root', async () => {
    const ran = await runUnprivileged([programs, 'identity']);
    const stdout = lines(`uid ${ran.uid}, a session works`);
    assert.deepEqual(ran, { code: 0, stdout, stderr: '', uid: ran.uid });
  });

  nativeTest('one box, two programs', async (t) => {
    const box = await served(t, COUNTER_TA);
    for (const call of [1, 2]) {
      const ran = await teebox(box.exec(programs, 'count'));
      assert.deepEqual(ran, { code: 0, stdout: lines(`0x00000000: call ${call}`), stderr: '' });
    }
    assert.equal((await teebox(box.exec('/bin/sh', '-c', 'exit 42'))).code, 42);
    assert.equal(await box.stop('SIGTERM'), 0);
  });

  nativeTest('killed in a wait of the TA', async (t) => {
    const box = await served(t, TEST_TA);
    const client = withPid(`${programs} command ${TA_TEST_CMD.WAIT} 600000`);
    const waits = startTeebox(t, ...box.exec(...client.argv));
    const pid = await client.pid();
    // It is in its call by then; if it were not, there would be nothing to see.
    await sleep(500);
    process.kill(pid, 'SIGKILL');
    assert.equal(await waits.code, 128 + constants.signals.SIGKILL);
    assert.equal((await teebox(box.exec('/bin/sh', '-c', 'exit 42'))).code, 42);
    assert.equal(await box.stop('SIGINT'), 0);
  });

  nativeTest('signals to teebox', async (t) => {
    for (const signal of SIGNALS) {
      const code = 128 + constants.signals[signal];
      const program = withPid('sleep 600');
      const runs = startTeebox(t, 'run', '-q', '--supplicant', 'none', '--', ...program.argv);
      await endsWith(runs, await program.pid(), signal, code);
      const supplicant = withPid('sleep 600');
      const command = supplicant.argv.map((arg) => `'${arg}'`).join(' ');
      const waits = startTeebox(t, 'run', '-q', '--supplicant', command, '--', '/bin/true');
      await endsWith(waits, await supplicant.pid(), signal, code);
    }
  });

  nativeTest('unread errors', async (t) => {
    const options = ['run', '--trace', 'all', '--supplicant', 'none', '--ta', TEST_TA];
    const runs = startTeebox(t, ...options, '--', '/bin/sh', '-c', `${programs} identity; exit 7`);
    runs.child.stderr?.destroy();
    assert.equal(await runs.code, 7);
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

/** A teebox that runs, for as long as the test at most. */
function startTeebox(t: TestContext, ...args: readonly string[]) {
  const [node, main] = TEEBOX_COMMAND;
  const child = start(node, [main, ...args], {});
  child.stdout?.resume();
  child.stderr?.resume();
  t.after(() => {
    if (child.exitCode === null && child.signalCode === null) killGroup(child);
  });
  return { child, code: exitCode(child) };
}

/** Sockets and files of programs so far, for names. */
let names = 0;

/** A box that is served. */
async function served(t: TestContext, ta: string) {
  const socket = join(directory, `socket-${names++}`);
  const { child, code } = startTeebox(t, 'serve', '-q', '--socket', socket, '--ta', ta);
  while (!existsSync(socket) && child.exitCode === null && child.signalCode === null) {
    await sleep(5);
  }
  return {
    exec: (...program: readonly string[]) => ['exec', '--socket', socket, '--', ...program],
    stop(signal: NodeJS.Signals): Promise<number> {
      child.kill(signal);
      return code;
    },
  };
}

/** A program that tells its pid. */
function withPid(command: string) {
  const path = join(directory, `pid-${names++}`);
  const text = (): string => (existsSync(path) ? readFileSync(path, 'latin1') : '');
  return {
    argv: ['/bin/sh', '-c', `echo $$ > ${path}; exec ${command}`],
    async pid(): Promise<number> {
      while (!text().endsWith('\n')) await sleep(5);
      return Number(text());
    },
  };
}

/** A signal to teebox ends it with this code, and the program. */
async function endsWith(
  { child, code }: ReturnType<typeof startTeebox>,
  program: number,
  signal: NodeJS.Signals,
  expected: number,
): Promise<void> {
  child.kill(signal);
  assert.equal(await code, expected, signal);
  while (existsSync(`/proc/${program}/exe`)) await sleep(5);
}
