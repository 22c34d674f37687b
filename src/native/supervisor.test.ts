/** The supervisor under circumstances that programs seldom bring about, and what it leaves behind. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import { Box } from '../box/box.ts';
import { nodeHost } from '../host/node/host.ts';
import { makedev } from '../linux/process/devices.ts';
import { FdSockets } from './fd-passing.ts';
import { NativeUnavailable } from './libc.ts';
import { ProgramServer, encodeLine } from './program-server.ts';
import { SHM_MODES } from './shm-mode.ts';
import type { ShmMode } from './shm-mode.ts';
import type { NativeExit } from './spawner.ts';
import { Supervisor } from './supervisor.ts';

const directory = mkdtempSync(join(tmpdir(), 'teebox-supervisor-'));
after(() => rmSync(directory, { recursive: true }));

const fds = (): string[] => readdirSync('/proc/self/fd');

async function supervise(shm?: ShmMode): Promise<Supervisor> {
  const host = nodeHost();
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, mode: 0o660 };
  const box = new Box(host, { live: true, supplicant: 'none', nodeAccess: () => owner });
  return Supervisor.start(box.kernel, host, shm);
}

/** Why nothing can be supervised here; undefined when it can. */
async function unavailable(): Promise<string | undefined> {
  try {
    await (await supervise()).close();
    return undefined;
  } catch (error) {
    if (error instanceof NativeUnavailable) return error.message;
    throw error;
  }
}

interface Ran {
  readonly exit: NativeExit | undefined;
  readonly output: string;
}

/** Runs a program to its end, or to the box's. */
async function run(supervisor: Supervisor, ...argv: string[]): Promise<Ran> {
  const path = join(directory, 'output');
  const output = openSync(path, 'w');
  const request = { argv, cwd: '/', env: {}, stdio: [0, output, output] as const };
  let exit: NativeExit | undefined;
  let error: unknown;
  supervisor
    .spawn(request, (how) => {
      exit = how;
    })
    .catch((why: unknown) => {
      error = why;
    });
  await supervisor.run(() => exit !== undefined || error !== undefined);
  closeSync(output);
  if (error !== undefined) throw error;
  return { exit, output: readFileSync(path, 'utf8') };
}

/** A process that has not ended, whether its parent knows or not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

const EXEC_BESIDE_A_SLEEPER = `#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/tee.h>

static void *become_another(void *unused)
{
	usleep(100000);
	execl("/bin/sh", "sh", "-c", "exec 3<>/dev/tee0 && echo opened", (char *)0);
	return unused;
}

int main(void)
{
	struct {
		struct tee_iocl_supp_recv_arg arg;
		struct tee_ioctl_param params[5];
	} buffer = { .arg = { .num_params = 5 } };
	struct tee_ioctl_buf_data data = { (uintptr_t)&buffer, sizeof(buffer) };
	pthread_t thread;
	int fd = open("/dev/teepriv0", O_RDWR | O_CLOEXEC);
	pthread_create(&thread, 0, become_another, 0);
	return ioctl(fd, TEE_IOC_SUPPL_RECV, &data);
}
`;

const skip = (await unavailable()) ?? false;

describe('the supervisor', { skip }, () => {
  it('leaves no fd behind, whatever programs held', async () => {
    for (const shm of SHM_MODES) {
      const before = fds().length;
      const supervisor = await supervise(shm);
      const { exit } = await run(supervisor, '/bin/sh', '-c', 'exec 3<>/dev/tee0 4<>/dev/tee0');
      assert.deepEqual(exit, { code: 0, signal: null });
      await run(supervisor, '/bin/sh', '-c', 'exec 3<>/dev/tee0; sleep 5 & exit 0');
      assert.equal(supervisor.files.open.length, 1);
      supervisor.killAll();
      await supervisor.close();
      assert.equal(fds().length, before);
    }
  });

  it('tells of programs as they come and go', async () => {
    const supervisor = await supervise();
    const counts: number[] = [];
    supervisor.watchPids((pids) => counts.push(pids.length));
    await run(supervisor, '/bin/true');
    await supervisor.run(() => supervisor.pids.length === 0);
    assert.deepEqual([counts.at(0), Math.max(...counts), counts.at(-1)], [0, 1, 0]);
    await supervisor.close();
  });

  it('refuses what cannot be started', async () => {
    for (const shm of SHM_MODES) {
      const supervisor = await supervise(shm);
      await assert.rejects(run(supervisor, '/no/such/program'), /ENOENT/);
      await assert.rejects(run(supervisor, ''), /argument/);
      await assert.rejects(run(supervisor, '/bin/true', 'a\0b'), /null bytes/);
      assert.equal((await run(supervisor, '/bin/true')).exit?.code, 0);
      await supervisor.close();
    }
  });

  it('stops the box when it fails in a program’s call, with the error', async () => {
    const supervisor = await supervise();
    supervisor.kernel.devices.register({
      name: 'tee9',
      rdev: makedev(1, 99),
      mode: 0o666,
      uid: 0,
      gid: 0,
      // oxlint-disable-next-line require-yield
      *open() {
        throw new TypeError('a bug');
      },
    });
    // One program in the call that fails, and one that makes calls all the time.
    const busy = { argv: ['/bin/sh', '-c', 'while cat /dev/null; do :; done'], cwd: '/', env: {} };
    void supervisor.spawn({ ...busy, stdio: [0, 1, 2] });
    await supervisor.run(() => supervisor.pids.length > 0);
    let pids: readonly number[] = [];
    supervisor.watchPids((now) => (pids = [...new Set([...pids, ...now])]));
    const { exit } = await run(supervisor, '/bin/sh', '-c', 'exec 3</dev/tee9');
    assert.equal(exit, undefined);
    assert.ok(pids.length >= 2);
    const gaveUpAt = performance.now() + 10_000;
    while (pids.some(isAlive) && performance.now() < gaveUpAt) await nextTurn();
    assert.deepEqual(pids.filter(isAlive), [], 'nobody serves them, and they do not wait');
    const { halted } = supervisor.kernel.sched;
    assert.equal(halted?.kind, 'internal error');
    assert.match(halted?.text ?? '', /^call of sh\[\d+\]: a bug$/);
    await supervisor.close();
  });

  const noCompiler = spawnSync('cc', ['--version']).status !== 0;
  it('knows a thread from the one whose id it took in an exec', { skip: noCompiler }, async () => {
    writeFileSync(join(directory, 'exec.c'), EXEC_BESIDE_A_SLEEPER);
    const program = join(directory, 'exec');
    execFileSync('cc', ['-pthread', '-o', program, join(directory, 'exec.c')]);
    const supervisor = await supervise();
    const { exit, output } = await run(supervisor, program);
    assert.deepEqual({ exit, output }, { exit: { code: 0, signal: null }, output: 'opened\n' });
    assert.deepEqual(exit, { code: 0, signal: null });
    assert.equal(supervisor.kernel.sched.halted, undefined);
    await supervisor.close();
  });
});

describe('the program server', { skip }, () => {
  it('takes requests in pieces and signals together', async () => {
    const supervisor = await supervise();
    const before = fds().length;
    const path = join(directory, 'socket');
    const server = new ProgramServer(supervisor, path);
    const sockets = new FdSockets(supervisor.libc, supervisor.arch);
    const output = openSync(join(directory, 'output'), 'w');
    const caller = sockets.connect(path);
    // More than the kernel puts into one buffer of a stream.
    const env = { LARGE: 'x'.repeat(60_000) };
    const script = 'trap "echo got; exit 7" TERM; echo ${#LARGE}; while :; do sleep 0.01; done';
    const request = { argv: ['/bin/sh', '-c', script], cwd: '/', env };
    sockets.send(caller, encodeLine(request), [0, output, output]);
    const written = (): string => readFileSync(join(directory, 'output'), 'utf8');
    await supervisor.run(() => written() === '60000\n');
    const signals = [{ signal: 'SIGCONT' }, { signal: 'SIGTERM' }] as const;
    sockets.send(caller, Buffer.concat(signals.map((signal) => encodeLine(signal))), []);
    await supervisor.run(() => supervisor.pids.length === 0);
    assert.equal(written(), '60000\ngot\n');
    const answers = Buffer.from(sockets.receive(caller).bytes).toString();
    assert.match(answers, /^\{"pid":\d+\}\n\{"exit":\{"code":7,"signal":null\}\}\n$/);
    for (const fd of [caller, output]) closeSync(fd);
    server.close();
    assert.equal(fds().length, before);
    await supervisor.close();
  });

  it('keeps signals for a program that is being started', async () => {
    const supervisor = await supervise();
    const path = join(directory, 'socket');
    const server = new ProgramServer(supervisor, path);
    const sockets = new FdSockets(supervisor.libc, supervisor.arch);
    const caller = sockets.connect(path);
    const request = { argv: ['/bin/sleep', '60'], cwd: '/', env: {} };
    const lines = [encodeLine(request), encodeLine({ signal: 'SIGTERM' })];
    sockets.send(caller, Buffer.concat(lines), [0, 1, 2]);
    await supervisor.run(() => supervisor.pids.length > 0);
    await supervisor.run(() => supervisor.pids.length === 0);
    const answers = Buffer.from(sockets.receive(caller).bytes).toString();
    assert.match(answers, /^\{"pid":\d+\}\n\{"exit":\{"code":null,"signal":"SIGTERM"\}\}\n$/);
    closeSync(caller);
    server.close();
    await supervisor.close();
  });

  it('drops who sends something else', async () => {
    const supervisor = await supervise();
    const path = join(directory, 'socket');
    const server = new ProgramServer(supervisor, path);
    const sockets = new FdSockets(supervisor.libc, supervisor.arch);
    const wrong = ['hello\n', '{"signal":"SIGNOTHING"}\n', '{"argv":[],"cwd":"/","env":{}}\n'];
    for (const text of wrong) {
      const caller = sockets.connect(path);
      sockets.send(caller, Buffer.from(text), [0, 1, 2]);
      let rounds = 0;
      await supervisor.run(() => rounds++ > 4);
      assert.equal(sockets.receive(caller).bytes.length, 0, text);
      closeSync(caller);
    }
    assert.throws(() => new ProgramServer(supervisor, path), /EADDRINUSE/);
    server.close();
    await supervisor.close();
  });
});
