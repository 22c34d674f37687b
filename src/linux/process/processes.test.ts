import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EAGAIN, EBADF, ECHILD, EINTR, ENOMEM } from '../../abi/errno.ts';
import { O_CLOEXEC, O_CREAT, O_RDWR, SIGCHLD, SIGKILL, SIGUSR1 } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import type { Kernel } from './kernel.ts';
import { Program } from './program.ts';
import { ProcessExited, waitStatus } from './user-process.ts';
import type { ExitStatus } from './user-process.ts';
import { makeDevice, makeKernel, makeProgram, now } from './testing/make-kernel.ts';

/** A device that notes in which order its files are released. */
function noting(kernel: Kernel): string[] {
  const released: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    kernel.devices.register(
      makeDevice(name, {
        *release(file) {
          released.push(file.path);
        },
      }),
    );
  }
  return released;
}

describe('a program', () => {
  it('has a pid, an address space and rights, and gives all back', async () => {
    const kernel = makeKernel();
    const before = kernel.pages.usedPages;
    const program = makeProgram(kernel, { name: 'ca', uid: 1000 });
    assert.deepEqual([program.pid, program.sys.getpid(), program.sys.gettid()], [2, 2, 2]);
    assert.equal(kernel.processes.find(2), program.process);
    program.memory.malloc(100_000);
    assert.ok(kernel.pages.usedPages > before);
    assert.deepEqual(await program.exit(3), { kind: 'exited', code: 3 });
    assert.equal(kernel.pages.usedPages, before);
    assert.equal(kernel.processes.find(2), undefined);
    assert.throws(() => program.run(program.sys.dup(0)), ProcessExited);
    assert.deepEqual(await program.exit(4), { kind: 'exited', code: 3 });
    makeProgram(kernel);
    assert.ok(![...kernel.sched.tasks].includes(program.thread.task));
  });

  it('exits with what its main returns', async () => {
    const kernel = makeKernel();
    const program = Program.start(kernel, { name: 'main' }, function* ({ sys }): Co<number> {
      yield* sys.nanosleep(10);
      return 300;
    });
    const status = await program.exited();
    assert.deepEqual(status, { kind: 'exited', code: 300 });
    assert.equal(waitStatus(status), (300 & 0xff) << 8);
    assert.equal(waitStatus({ kind: 'killed', signal: SIGKILL }), SIGKILL);
    assert.equal(waitStatus({ kind: 'killed', signal: 11 }), 11 | 0x80);
  });

  it('a bug in its main stops the box', async () => {
    const kernel = makeKernel();
    Program.start(kernel, { name: 'main' }, function* (): Co<number> {
      throw new Error('a bug');
    });
    await kernel.sched.drive();
    assert.equal(kernel.sched.halted?.kind, 'internal error');
  });

  it('releases its files at exit last in, first out, as task work does', async () => {
    const kernel = makeKernel();
    const released = noting(kernel);
    const program = makeProgram(kernel);
    for (const name of ['a', 'b', 'c']) now(program, program.sys.open(`/dev/${name}`, O_RDWR));
    await program.exit();
    assert.deepEqual(released, ['/dev/c', '/dev/b', '/dev/a']);
  });

  it('a driver that fails while an idle program exits stops the box', async () => {
    const kernel = makeKernel();
    kernel.devices.register(
      makeDevice('bad', {
        // eslint-disable-next-line require-yield
        *release(): Co<void> {
          throw new Error('a driver bug');
        },
      }),
    );
    const program = makeProgram(kernel);
    now(program, program.sys.open('/dev/bad', O_RDWR));
    void program.exit();
    await kernel.sched.drive();
    assert.match(kernel.sched.halted?.text ?? '', /exit of test/);
  });

  it('a thread in the kernel keeps the files until it comes back', async () => {
    const kernel = makeKernel();
    const released = noting(kernel);
    const queue = new WaitQueue(kernel.sched, 'driver');
    kernel.devices.register(
      makeDevice('slow', {
        *ioctl() {
          yield* queue.wait('uninterruptible');
          return 0;
        },
      }),
    );
    const program = makeProgram(kernel);
    const { sys } = program;
    now(program, sys.open('/dev/a', O_RDWR));
    const fd = now(program, sys.open('/dev/slow', O_RDWR));
    program.spawnThread('worker', function* (own): Co<void> {
      yield* own.sys.ioctl(fd, 0, va(0));
    });
    await kernel.sched.drive();
    assert.throws(() => now(program, sys.exitGroup(0)), ProcessExited);
    await kernel.sched.drive();
    assert.deepEqual([released, kernel.processes.alive.length], [[], 1]);
    queue.wakeAll();
    assert.deepEqual(await program.exited(), { kind: 'exited', code: 0 });
    assert.deepEqual([released, kernel.processes.alive.length], [['/dev/a'], 0]);
  });

  it('a close by another thread leaves the file to the ioctl that uses it', async () => {
    const kernel = makeKernel();
    const queue = new WaitQueue(kernel.sched, 'driver');
    const seen: string[] = [];
    kernel.devices.register(
      makeDevice('slow', {
        *ioctl() {
          yield* queue.wait('uninterruptible');
          seen.push('ioctl ends');
          return 7;
        },
        *release() {
          seen.push('release');
        },
      }),
    );
    const program = makeProgram(kernel);
    const fd = now(program, program.sys.open('/dev/slow', O_RDWR));
    program.spawnThread('closer', function* (own): Co<void> {
      seen.push(`close ${yield* own.sys.close(fd)}`);
      seen.push(`again ${yield* own.sys.ioctl(fd, 0, va(0))}`);
      queue.wakeAll();
    });
    assert.equal(await program.run(program.sys.ioctl(fd, 0, va(0))), 7);
    assert.deepEqual(seen, ['close 0', `again -${EBADF}`, 'ioctl ends', 'release']);
  });

  it("exit() of one thread leaves the others; the leader's status is the process's", async () => {
    const kernel = makeKernel();
    const queue = new WaitQueue(kernel.sched, 'worker');
    const program = Program.start(kernel, { name: 'main' }, function* (self): Co<void> {
      self.spawnThread('worker', function* (own): Co<void> {
        yield* own.sys.futexWait(queue);
      });
      yield* self.sys.exit(5);
    });
    await kernel.sched.drive();
    assert.equal(kernel.processes.alive.length, 1);
    queue.wakeAll();
    assert.deepEqual(await program.exited(), { kind: 'exited', code: 5 });
  });
});

describe('fork, exec and wait', () => {
  it('the child has copies of memory and fds, and shares open files', async () => {
    const kernel = makeKernel();
    const released = noting(kernel);
    const seen: (number | string)[] = [];
    const parent = Program.start(kernel, { name: 'parent' }, function* (self): Co<number> {
      const { sys, memory } = self;
      const at = memory.malloc(16);
      memory.setU32(at, 1);
      const fd = yield* sys.open('/dev/a', O_RDWR);
      const pid = yield* self.fork(function* (child): Co<number> {
        child.memory.setU32(at, 2);
        seen.push(child.pid, child.memory.u32(at), child.memory.u32(child.memory.calloc(4)));
        yield* child.sys.close(fd);
        seen.push(`released ${released.length}`);
        return 9;
      });
      const waited = yield* sys.wait4(pid);
      assert.deepEqual(waited, { pid, status: 9 << 8 });
      seen.push(memory.u32(at));
      assert.equal(yield* sys.wait4(-1), -ECHILD);
      yield* sys.close(fd);
      return released.length;
    });
    assert.deepEqual(await parent.exited(), { kind: 'exited', code: 1 });
    assert.deepEqual(seen, [3, 2, 0, 'released 0', 1]);
  });

  it('wait4 tells children apart, may not hang, and is interrupted', async () => {
    const kernel = makeKernel();
    const queue = new WaitQueue(kernel.sched, 'child');
    const program = makeProgram(kernel);
    const { sys } = program;
    const chld: number[] = [];
    now(program, sys.rtSigaction(SIGCHLD, { handler: (n) => void chld.push(n) }));
    now(program, sys.rtSigaction(SIGUSR1, { handler: () => {} }));
    const child = function* (self: Program): Co<void> {
      yield* self.sys.futexWait(queue);
    };
    const first = now(program, program.fork(child));
    const second = now(program, program.fork(child));
    assert.deepEqual(now(program, sys.wait4(-1, true)), { pid: 0, status: 0 });
    assert.equal(now(program, sys.wait4(program.pid)), -ECHILD);
    await kernel.sched.drive();
    const waiting = program.run(sys.wait4(second));
    program.kill(SIGUSR1);
    assert.equal(await waiting, -EINTR);
    kernel.processes.kill(first, SIGKILL);
    await kernel.sched.drive();
    assert.deepEqual(
      kernel.processes.zombies.map(({ pid }) => pid),
      [first],
    );
    assert.deepEqual(now(program, sys.wait4(-1)), { pid: first, status: SIGKILL });
    assert.deepEqual(chld, [SIGCHLD]);
    queue.wakeAll();
    await kernel.sched.drive();
    assert.deepEqual(now(program, sys.wait4(second)), { pid: second, status: 0 });
  });

  it('children whose parent ignores SIGCHLD, or is gone, leave no zombie', async () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel);
    const queue = new WaitQueue(kernel.sched, 'child');
    now(program, program.sys.rtSigaction(SIGCHLD, 'ignore'));
    now(
      program,
      program.fork(function* (): Co<number> {
        return 0;
      }),
    );
    const orphan = now(
      program,
      program.fork(function* ({ sys }): Co<void> {
        yield* sys.futexWait(queue);
      }),
    );
    await kernel.sched.drive();
    assert.deepEqual(kernel.processes.zombies, []);
    await program.exit();
    assert.equal(kernel.processes.find(orphan)!.parent, undefined);
    queue.wakeAll();
    await kernel.sched.drive();
    assert.deepEqual([kernel.processes.alive, kernel.processes.zombies], [[], []]);
  });

  it('exec keeps files without close-on-exec and pid, and drops memory and handlers', async () => {
    const kernel = makeKernel();
    const released = noting(kernel);
    const program = makeProgram(kernel);
    const { sys, memory, process } = program;
    const before = kernel.pages.usedPages;
    const kept = now(program, sys.open('/dev/a', O_RDWR));
    const closed = now(program, sys.open('/dev/b', O_RDWR | O_CLOEXEC));
    now(program, sys.rtSigaction(SIGUSR1, { handler: () => {} }));
    now(program, sys.rtSigaction(SIGCHLD, 'ignore'));
    const at = memory.malloc(16);
    assert.equal(now(program, sys.execve('other')), 0);
    assert.deepEqual(
      [process.name, process.files.get(kept)?.path, process.files.get(closed), released],
      ['other', '/dev/a', undefined, ['/dev/b']],
    );
    assert.deepEqual(
      [process.sighand.get(SIGUSR1), process.sighand.get(SIGCHLD)],
      ['default', 'ignore'],
    );
    assert.equal(kernel.pages.usedPages, before);
    assert.throws(() => memory.read(at, 1), /segmentation fault/);
    assert.ok(memory.malloc(16) > 0);
    program.spawnThread('other', function* (own): Co<void> {
      yield* own.sys.nanosleep(1e6);
    });
    assert.equal(now(program, sys.execve('third')), -EAGAIN);
    await kernel.sched.drive();
  });

  it('a fork without memory or pids gives back what it has taken', () => {
    const kernel = makeKernel({ mib: 4 });
    const program = makeProgram(kernel);
    now(program, program.sys.open('/dev/null', O_RDWR));
    const file = program.process.files.get(0)!;
    const size = 2 * 1024 * 1024;
    const at = program.memory.malloc(size);
    const child = function* (): Co<void> {};
    // Pinned pages are copied by fork(), and there is no room for that.
    const pin = program.process.mm.pin(at, size / PAGE_SIZE, { write: true });
    assert.ok(typeof pin !== 'number');
    const used = kernel.pages.usedPages;
    assert.equal(now(program, program.fork(child)), -ENOMEM);
    assert.deepEqual([kernel.pages.usedPages, file.refs], [used, 1]);
    pin.unpin();
    for (let tid = 3; tid < 0x8000; tid++) {
      assert.equal(
        typeof kernel.processes.addThread(program.process, 't', program.thread),
        'object',
      );
    }
    const full = kernel.processes.addThread(program.process, 't', program.thread);
    assert.equal(full, -EAGAIN);
    assert.equal(now(program, program.fork(child)), -EAGAIN);
    assert.deepEqual([kernel.pages.usedPages, file.refs], [used, 1]);
    assert.throws(() => program.spawnThread('t', () => child()), /no tid/);
    assert.throws(() => makeProgram(kernel), /no pid/);
  });

  it('zombies of a parent that goes are nobody else to wait for', async () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel);
    const child = now(
      program,
      program.fork(function* (): Co<void> {}),
    );
    await kernel.sched.drive();
    assert.deepEqual(
      kernel.processes.zombies.map(({ pid }) => pid),
      [child],
    );
    await program.exit();
    assert.deepEqual(kernel.processes.zombies, []);
  });

  it('other tasks can wait for the end of a program', () => {
    const kernel = makeKernel();
    const program = Program.start(kernel, { name: 'p' }, function* ({ sys }): Co<number> {
      yield* sys.nanosleep(1000);
      return 4;
    });
    const seen: ExitStatus[] = [];
    const watch = function* (): Co<void> {
      seen.push(yield* program.waitExit());
      seen.push(yield* program.waitExit());
    };
    kernel.kthread('watch', watch());
    kernel.sched.runReady();
    assert.deepEqual(seen, [
      { kind: 'exited', code: 4 },
      { kind: 'exited', code: 4 },
    ]);
    assert.throws(() => kernel.processes.kill(2, 0), RangeError);
  });

  it('pids are used again only after all others', async () => {
    const kernel = makeKernel();
    const first = makeProgram(kernel);
    await first.exit();
    assert.equal(makeProgram(kernel).pid, first.pid + 1);
  });

  it('the working directory and umask are inherited', async () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel, { cwd: '/tmp' });
    const { sys } = program;
    assert.equal(sys.umask(0o077), 0o022);
    now(
      program,
      program.fork(function* (child): Co<void> {
        yield* child.sys.open('f', O_CREAT | O_RDWR, 0o666);
      }),
    );
    await kernel.sched.drive();
    const stat = now(program, sys.stat('/tmp/f'));
    assert.equal(typeof stat === 'number' ? stat : stat.mode & 0o777, 0o600);
    assert.throws(() => makeProgram(kernel, { cwd: '/none' }), /no directory/);
  });
});

describe('the kernel', () => {
  it('reports open files, prints, and stops on a BUG', () => {
    const lines: string[] = [];
    const kernel = makeKernel({ printkSink: ({ level, text }) => lines.push(`${level}: ${text}`) });
    const program = makeProgram(kernel, { name: 'leaky' });
    now(program, program.sys.open('/dev/null', O_RDWR));
    assert.deepEqual(
      kernel.openFiles().map(({ pid, name, fd, file }) => [pid, name, fd, file.path]),
      [[2, 'leaky', 0, '/dev/null']],
    );
    kernel.printk('optee: revision 4.10');
    assert.match(kernel.dmesg.text, /^\[ +0\.\d{6}\] optee: revision 4\.10\n$/);
    assert.throws(() => kernel.bug('list_del corruption'), /kernel BUG/);
    assert.deepEqual(lines, [
      'info: optee: revision 4.10',
      'crit: kernel BUG: list_del corruption',
    ]);
    assert.equal(kernel.sched.halted?.kind, 'kernel BUG');
  });

  it('keeps the last lines of the log and the last uevents', () => {
    const kernel = makeKernel();
    for (let i = 0; i < 5000; i++) kernel.printk(`line ${i}`, 'debug');
    const lines = kernel.dmesg.lines();
    assert.deepEqual(
      [lines.length, lines[0]?.text, lines.at(-1)?.text],
      [4096, 'line 904', 'line 4999'],
    );
    const heard: string[] = [];
    const stop = kernel.uevents.listen(({ action, devpath }) => heard.push(`${action} ${devpath}`));
    kernel.uevents.emit('add', '/devices/x', 'tee', { MODALIAS: 'tee:…' });
    stop();
    for (let i = 0; i < 1024; i++) kernel.uevents.emit('change', '/devices/x', 'tee');
    assert.deepEqual(heard, ['add /devices/x']);
    assert.deepEqual([kernel.uevents.log.length, kernel.uevents.log[0]?.seqnum], [1024, 2]);
  });

  it('kernel threads are tasks that keep no run from ending', () => {
    const kernel = makeKernel();
    let ran = false;
    const task = kernel.kthread(
      'worker',
      (function* (): Co<void> {
        ran = true;
      })(),
    );
    kernel.sched.runReady();
    assert.deepEqual([ran, task.daemon], [true, true]);
    assert.equal(kernel.realtimeNs(), 1_700_000_000_000_000_000n);
  });
});
