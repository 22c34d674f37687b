/** Programs that are started by posix_spawn(), as their parent sees them. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import { HOST_ARCHS } from './arch.ts';
import { Epoll } from './epoll.ts';
import { libcIfAny } from './testing/libc-if-any.ts';
import { openFds } from './testing/supervise.ts';
import { PosixSpawn } from './posix-spawn.ts';
import { Reaper } from './reaper.ts';
import type { NativeExit, SpawnRequest } from './spawner.ts';

/** Traces a process until its own input ends, and does not look at the other's end before. */
const HOLD = `#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char byte;
	int pid = argc > 1 ? atoi(argv[1]) : 0;
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0 || write(1, "held", 4) != 4)
		return 1;
	while (read(0, &byte, 1) > 0)
		;
	return waitpid(pid, NULL, __WALL) == pid ? 0 : 1;
}
`;

const libc = libcIfAny();
const skip = libc === undefined ? 'no koffi, or no Linux' : false;

const noCompiler = spawnSync('cc', ['--version']).status !== 0;

describe('posix_spawn', { skip }, () => {
  const arch = HOST_ARCHS.get(process.arch)!;
  const spawner = new PosixSpawn(libc!, arch);
  const epoll = new Epoll(libc!, arch);
  const reaper = new Reaper(libc!, arch, epoll);
  const directory = mkdtempSync(join(tmpdir(), 'teebox-spawn-'));
  after(() => {
    reaper.close();
    closeSync(epoll.fd);
    rmSync(directory, { recursive: true });
  });

  /** Runs a program to its end; its stdout and how it ended. */
  async function run(argv: readonly string[], more: Partial<SpawnRequest> = {}) {
    const path = join(directory, 'output');
    const output = openSync(path, 'w');
    const env = { PATH: '/no/such/directory:/bin:/usr/bin' };
    const stdio = [0, output, 2] as const;
    const pid = spawner.spawn({ argv, cwd: '/', env, stdio, ...more });
    closeSync(output);
    let exit: NativeExit | undefined;
    reaper.watch(pid, (how) => (exit = how));
    for (let n = 0; n < 1000 && exit === undefined; n++) {
      await sleep(5);
      epoll.dispatch();
    }
    return { exit, output: readFileSync(path, 'utf8') };
  }

  it('passes arguments, environment and directory, and tells of the end', async () => {
    const script = 'pwd; echo "$1|$2|$NAME"; exit 7';
    const env = { PATH: '/bin', NAME: 'ä value' };
    const { exit, output } = await run(['sh', '-c', script, 'sh', 'one two', ''], {
      cwd: directory,
      env,
    });
    assert.equal(output, `${directory}\none two||ä value\n`);
    assert.deepEqual(exit, { code: 7, signal: null });
    assert.deepEqual((await run(['sh', '-c', 'kill -TERM $$'])).exit, {
      code: null,
      signal: 'SIGTERM',
    });
  });

  it('gives signals back their meaning, and no other fds', async () => {
    const signals = await run(['grep', '-E', '^Sig(Blk|Ign)', '/proc/self/status']);
    assert.match(signals.output, /^SigBlk:\s0{16}\nSigIgn:\s0{16}\n$/);
    // Whoever started this process may have left it some of his.
    const fds = execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' });
    assert.equal((await run(['ls', '/proc/self/fd'])).output, fds);
  });

  it('tells of the end when a debugger has let go of it', { skip: noCompiler }, async () => {
    writeFileSync(join(directory, 'hold.c'), HOLD);
    execFileSync('cc', ['-o', join(directory, 'hold'), join(directory, 'hold.c')]);
    assert.deepEqual((await run(['sh', '-c', 'exit 7'])).exit?.code, 7);
    const pid = spawner.spawn({ argv: ['/bin/sleep', '60'], cwd: '/', env: {}, stdio: [0, 1, 2] });
    let exit: NativeExit | undefined;
    reaper.watch(pid, (how) => (exit = how));
    const holder = spawn(join(directory, 'hold'), [String(pid)]);
    await once(holder.stdout, 'data');
    process.kill(pid, 'SIGKILL');
    for (let n = 0; n < 40; n++) {
      await sleep(5);
      epoll.dispatch();
    }
    assert.equal(exit, undefined);
    holder.stdin.end();
    for (let n = 0; n < 1000 && exit === undefined; n++) {
      await sleep(5);
      epoll.dispatch();
    }
    assert.deepEqual(exit, { code: null, signal: 'SIGKILL' });
  });

  it('crosses fds over', async () => {
    const [a, b] = ['a', 'b'].map((name) => openSync(join(directory, name), 'w'));
    const pid = spawner.spawn({
      argv: ['/bin/sh', '-c', 'echo out; echo err >&2'],
      cwd: '/',
      env: {},
      stdio: [0, b!, a!],
    });
    let exit: NativeExit | undefined;
    reaper.watch(pid, (how) => (exit = how));
    for (let n = 0; n < 1000 && exit === undefined; n++) {
      await sleep(5);
      epoll.dispatch();
    }
    for (const fd of [a!, b!]) closeSync(fd);
    assert.equal(readFileSync(join(directory, 'b'), 'latin1'), 'out\n');
    assert.equal(readFileSync(join(directory, 'a'), 'latin1'), 'err\n');
  });

  it('runs a script without an interpreter by the shell, as execvp does', async () => {
    const script = join(directory, 'script');
    writeFileSync(script, 'echo "script $1"\n', { mode: 0o755 });
    assert.equal((await run([script, 'x'])).output, 'script x\n');
  });

  it('refuses what cannot be started', () => {
    const request = { cwd: '/', env: { PATH: directory }, stdio: [0, 1, 2] as const };
    const start = (file: string, cwd = '/'): number =>
      spawner.spawn({ ...request, argv: [file], cwd });
    writeFileSync(join(directory, 'text'), 'text', { mode: 0o644 });
    assert.throws(() => start('/no/such/program'), /ENOENT/);
    assert.throws(() => start('nothing'), /spawn nothing ENOENT/);
    assert.throws(() => start('text'), /EACCES/);
    assert.throws(() => start('/bin/true', '/no/such/directory'), /ENOENT/);
    assert.throws(() => start(''), /empty/);
    assert.throws(() => start('a\0b'), /null bytes/);
    const before = openFds();
    const noFd = { ...request, argv: ['/bin/true'], stdio: [0, 9999, 2] as const };
    assert.throws(() => spawner.spawn(noFd), /EBADF/);
    assert.equal(openFds(), before);
  });
});
