/** The supervisor under circumstances that programs seldom bring about, and what it leaves behind. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import { makedev } from '../linux/process/devices.ts';
import { EPOLLIN } from './epoll.ts';
import { SHM_MODES } from './shm-mode.ts';
import type { NativeExit } from './spawner.ts';
import type { Supervisor } from './supervisor.ts';
import { openFds, supervise, unavailable } from './testing/supervise.ts';

const directory = mkdtempSync(join(tmpdir(), 'teebox-supervisor-'));
after(() => rmSync(directory, { recursive: true }));

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

const QUIET = { cwd: '/', env: {}, stdio: [0, 1, 2] } as const;

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
      const before = openFds();
      const supervisor = await supervise(shm);
      const { exit } = await run(supervisor, '/bin/sh', '-c', 'exec 3<>/dev/tee0 4<>/dev/tee0');
      assert.deepEqual(exit, { code: 0, signal: null });
      await run(supervisor, '/bin/sh', '-c', 'exec 3<>/dev/tee0; sleep 5 & exit 0');
      assert.equal(supervisor.files.open.length, 1);
      supervisor.killAll();
      await supervisor.close();
      assert.equal(openFds(), before);
    }
  });

  it('ends while a program is being started', async () => {
    for (const shm of SHM_MODES) {
      for (const rounds of [0, 1, 2, 4, 8]) {
        const before = openFds();
        const supervisor = await supervise(shm);
        const spawned = supervisor.spawn({ ...QUIET, argv: ['/bin/true'] });
        const rejected = spawned.then(
          () => undefined,
          (error: Error) => error.message,
        );
        let served = 0;
        await supervisor.run(() => served++ >= rounds);
        // Its first call waits by now, for an answer that does not come.
        await sleep(50);
        await supervisor.close();
        assert.match((await rejected) ?? 'the box has ended', /the box has ended|ENOSYS/);
        assert.equal(openFds(), before);
      }
    }
  });

  it('kills what starts after it has killed', async () => {
    const supervisor = await supervise();
    supervisor.killAll();
    const { exit } = await run(supervisor, '/bin/sleep', '60');
    assert.deepEqual(exit, { code: null, signal: 'SIGKILL' });
    await supervisor.close();
  });

  it('serves calls beside a file that is always ready', async () => {
    const supervisor = await supervise();
    const { libc, arch, epoll } = supervisor;
    const ready = libc.syscall(arch.eventfd2, 1, 0);
    epoll.add(ready, EPOLLIN, () => {});
    assert.equal((await run(supervisor, '/bin/sh', '-c', 'cat /dev/null; exit 7')).exit?.code, 7);
    epoll.remove(ready);
    closeSync(ready);
    await supervisor.close();
  });

  it('gives Node’s own loop its turns while calls keep coming', async () => {
    const supervisor = await supervise();
    const busy = ['/bin/sh', '-c', 'while :; do cat /dev/null; done'];
    void supervisor.spawn({ ...QUIET, argv: busy });
    await supervisor.run(() => supervisor.pids.length > 0);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    let rounds = 0;
    await supervisor.run(() => ++rounds >= 1000);
    clearInterval(timer);
    assert.ok(ticks > 2, `${ticks} turns in ${rounds} rounds`);
    supervisor.killAll();
    await supervisor.run(() => supervisor.pids.length === 0);
    await supervisor.close();
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
    void supervisor.spawn({ ...QUIET, argv: ['/bin/sh', '-c', 'while cat /dev/null; do :; done'] });
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
