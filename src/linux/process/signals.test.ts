import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CAP_KILL } from '../../abi/capability.ts';
import {
  EINTR,
  EINVAL,
  EPERM,
  ERESTARTNOHAND,
  ERESTARTNOINTR,
  ERESTARTSYS,
  ESRCH,
  ETIMEDOUT,
} from '../../abi/errno.ts';
import {
  O_RDWR,
  SA_NODEFER,
  SA_RESETHAND,
  SA_RESTART,
  SIGCHLD,
  SIGINT,
  SIGKILL,
  SIGQUIT,
  SIGRTMIN,
  SIGSEGV,
  SIGSTOP,
  SIGTERM,
  SIGUSR1,
  SIGUSR2,
  SIGWINCH,
  SIG_BLOCK,
  SIG_SETMASK,
  SIG_UNBLOCK,
} from '../../abi/fcntl.ts';
import { va } from '../../machine/address.ts';
import type { Co, WaitMode } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import { ProcessExited } from './user-process.ts';
import { ioctlOps, makeDevice, makeKernel, makeProgram, now } from './testing/make-kernel.ts';

const MODES: readonly WaitMode[] = ['uninterruptible', 'killable', 'interruptible'];

/** A device whose ioctl sleeps in the mode that its command names, until `wake`. */
function sleeper(code = ERESTARTSYS) {
  const kernel = makeKernel();
  const queue = new WaitQueue(kernel.sched, 'test wait');
  let calls = 0;
  kernel.devices.register(
    makeDevice(
      'sleep',
      ioctlOps(function* (cmd): Co<number> {
        calls += 1;
        const status = yield* queue.wait(MODES[cmd]!);
        return status === 'signal' ? -code : 5;
      }),
      { mode: 0o666 },
    ),
  );
  const program = makeProgram(kernel, { uid: 1000 });
  const { sys } = program;
  const fd = now(program, sys.open('/dev/sleep', O_RDWR));
  const ioctl = (mode: WaitMode): Promise<number> =>
    Promise.resolve(program.run(sys.ioctl(fd, MODES.indexOf(mode), va(0))));
  const settled = async (): Promise<void> => {
    await kernel.sched.drive();
  };
  const handle = (signal: number, flags = 0): number[] => {
    const seen: number[] = [];
    now(program, sys.rtSigaction(signal, { handler: (n) => void seen.push(n), flags }));
    return seen;
  };
  return { kernel, program, sys, queue, ioctl, settled, handle, calls: () => calls };
}

describe('an interruptible sleep', () => {
  it('ends with -EINTR when a handler without SA_RESTART ran', async () => {
    const { program, ioctl, handle } = sleeper();
    const seen = handle(SIGUSR1);
    const result = ioctl('interruptible');
    program.kill(SIGUSR1);
    assert.equal(await result, -EINTR);
    assert.deepEqual(seen, [SIGUSR1]);
  });

  it('is begun again when the handler has SA_RESTART', async () => {
    const { program, queue, ioctl, settled, handle, calls } = sleeper();
    const seen = handle(SIGUSR1, SA_RESTART);
    const result = ioctl('interruptible');
    program.kill(SIGUSR1);
    await settled();
    assert.deepEqual([seen.length, calls(), queue.length], [1, 2, 1]);
    queue.wakeAll();
    assert.equal(await result, 5);
  });

  it('sleeps on when the signal is ignored, by default or by wish', async () => {
    const { program, sys, queue, ioctl, settled, calls } = sleeper();
    now(program, sys.rtSigaction(SIGTERM, 'ignore'));
    const result = ioctl('interruptible');
    for (const signal of [SIGCHLD, SIGWINCH, SIGTERM, SIGSTOP]) program.kill(signal);
    await settled();
    assert.equal(calls(), 1);
    queue.wakeAll();
    assert.equal(await result, 5);
  });

  it('is not disturbed by a blocked signal, which comes when it is let in', async () => {
    const { program, sys, queue, ioctl, settled, handle } = sleeper();
    const seen = handle(SIGUSR1);
    now(program, sys.rtSigprocmask(SIG_BLOCK, [SIGUSR1, SIGKILL]));
    assert.ok(!program.thread.signals.blocked.has(SIGKILL));
    const result = ioctl('interruptible');
    program.kill(SIGUSR1);
    await settled();
    queue.wakeAll();
    assert.equal(await result, 5);
    assert.deepEqual(seen, []);
    now(program, sys.rtSigprocmask(SIG_UNBLOCK, [SIGUSR1]));
    assert.deepEqual(seen, [SIGUSR1]);
  });

  it('ends at once when a signal is pending already', async () => {
    const { program, sys, ioctl, handle, calls } = sleeper();
    handle(SIGUSR2);
    now(
      program,
      sys.rtSigaction(SIGUSR1, {
        *handler() {
          yield* sys.kill(program.pid, SIGUSR2);
        },
        mask: [SIGUSR2],
      }),
    );
    program.kill(SIGUSR1);
    const result = ioctl('interruptible');
    program.kill(SIGUSR1);
    assert.equal(await result, -EINTR);
    assert.equal(calls(), 1);
  });

  for (const [code, flags, expected] of [
    [ERESTARTNOHAND, SA_RESTART, -EINTR],
    [ERESTARTNOINTR, 0, 5],
    [EINTR, SA_RESTART, -EINTR],
  ] as const) {
    it(`that answers -${code} with a handler gives ${expected}`, async () => {
      const { program, queue, ioctl, settled, handle } = sleeper(code);
      handle(SIGUSR1, flags);
      const result = ioctl('interruptible');
      program.kill(SIGUSR1);
      await settled();
      queue.wakeAll();
      assert.equal(await result, expected);
    });
  }
});

describe('killable and uninterruptible sleeps', () => {
  it('a handled signal does not end a killable sleep, and is delivered after it', async () => {
    const { program, queue, ioctl, settled, handle } = sleeper();
    const seen = handle(SIGTERM);
    const result = ioctl('killable');
    program.kill(SIGTERM);
    await settled();
    assert.deepEqual([queue.length, seen.length], [1, 0]);
    queue.wakeAll();
    assert.equal(await result, 5);
    assert.equal(seen.length, 1);
  });

  for (const signal of [SIGKILL, SIGTERM, SIGINT]) {
    it(`deadly signal ${signal} ends a killable sleep and the program`, async () => {
      const { program, ioctl } = sleeper();
      const result = ioctl('killable');
      program.kill(signal);
      await assert.rejects(result, ProcessExited);
      assert.deepEqual(await program.exited(), { kind: 'killed', signal });
    });
  }

  it('one that dumps core does not end it, as the kernel leaves that to the thread', async () => {
    const { program, queue, ioctl, settled } = sleeper();
    const result = ioctl('killable');
    const failed = assert.rejects(result, ProcessExited);
    program.kill(SIGQUIT);
    await settled();
    assert.equal(queue.length, 1);
    queue.wakeAll();
    await failed;
    assert.deepEqual(await program.exited(), { kind: 'killed', signal: SIGQUIT });
  });

  it('nothing ends an uninterruptible sleep; the program dies behind it', async () => {
    const { kernel, program, queue, ioctl, settled } = sleeper();
    const result = ioctl('uninterruptible');
    const failed = assert.rejects(result, ProcessExited);
    program.kill(SIGKILL);
    await settled();
    assert.deepEqual(
      kernel.openFiles().map(({ file }) => file.path),
      ['/dev/sleep'],
    );
    assert.throws(() => program.run(program.sys.dup(0)), ProcessExited);
    queue.wakeAll();
    await failed;
    assert.deepEqual(kernel.openFiles(), []);
  });
});

describe('handlers', () => {
  it('of several signals nest: the last frame set up runs first', () => {
    const { program, sys } = sleeper();
    const order: string[] = [];
    for (const signal of [SIGUSR1, SIGUSR2]) {
      const handler = (): void => void order.push(`${signal}`);
      now(program, sys.rtSigaction(signal, { handler }));
    }
    now(program, sys.rtSigprocmask(SIG_BLOCK, [SIGUSR1, SIGUSR2]));
    program.kill(SIGUSR2);
    program.kill(SIGUSR1);
    now(program, sys.rtSigprocmask(SIG_SETMASK, []));
    assert.deepEqual(order, [`${SIGUSR2}`, `${SIGUSR1}`]);
  });

  it('block their own signal unless SA_NODEFER, and what sa_mask says', () => {
    const { program, sys } = sleeper();
    const depths: number[] = [];
    let depth = 0;
    const handler = (again: number) =>
      function* (signal: number): Co<void> {
        depth += 1;
        depths.push(depth);
        if (depths.length < again) yield* sys.kill(program.pid, signal);
        depth -= 1;
      };
    now(program, sys.rtSigaction(SIGUSR1, { handler: handler(3) }));
    now(program, sys.kill(program.pid, SIGUSR1));
    assert.deepEqual(depths.splice(0), [1, 1, 1]);
    now(program, sys.rtSigaction(SIGUSR1, { handler: handler(3), flags: SA_NODEFER }));
    now(program, sys.kill(program.pid, SIGUSR1));
    assert.deepEqual(depths, [1, 2, 3]);
  });

  it('with SA_RESETHAND run once', async () => {
    const { program, sys, handle } = sleeper();
    const seen = handle(SIGUSR1, SA_RESETHAND);
    now(program, sys.kill(program.pid, SIGUSR1));
    assert.equal(seen.length, 1);
    assert.throws(() => now(program, sys.kill(program.pid, SIGUSR1)), ProcessExited);
    assert.deepEqual(await program.exited(), { kind: 'killed', signal: SIGUSR1 });
  });

  it('standard signals are pending once, real-time ones as often as sent', () => {
    const { program, sys, handle } = sleeper();
    const [once, often] = [handle(SIGUSR1), handle(SIGRTMIN + 1)];
    const both = [SIGUSR1, SIGRTMIN + 1];
    now(program, sys.rtSigprocmask(SIG_BLOCK, both));
    for (const signal of [...both, ...both]) program.kill(signal);
    now(program, sys.rtSigprocmask(SIG_UNBLOCK, both));
    assert.deepEqual([once.length, often.length], [1, 2]);
  });

  it('a signal that comes to be ignored is forgotten', () => {
    const { program, sys, handle } = sleeper();
    now(program, sys.rtSigprocmask(SIG_BLOCK, [SIGUSR1]));
    program.kill(SIGUSR1);
    now(program, sys.rtSigaction(SIGUSR1, 'ignore'));
    const seen = handle(SIGUSR1);
    now(program, sys.rtSigprocmask(SIG_UNBLOCK, [SIGUSR1]));
    assert.deepEqual(seen, []);
  });
});

describe('kill, tgkill and friends', () => {
  it('check rights, numbers and targets', () => {
    const { kernel, program, sys } = sleeper();
    const same = makeProgram(kernel, { uid: 1000 });
    const other = makeProgram(kernel, { uid: 1001 });
    const able = makeProgram(kernel, { uid: 7, capabilities: [CAP_KILL] });
    assert.equal(now(program, sys.kill(same.pid, 0)), 0);
    assert.equal(now(program, sys.kill(other.pid, 0)), -EPERM);
    assert.equal(now(program, sys.kill(other.pid, SIGKILL)), -EPERM);
    assert.equal(now(program, sys.kill(9999, SIGTERM)), -ESRCH);
    assert.equal(now(program, sys.kill(-1, SIGTERM)), -ESRCH);
    assert.equal(now(program, sys.kill(same.pid, 65)), -EINVAL);
    assert.equal(now(program, sys.tgkill(0, 1, SIGTERM)), -EINVAL);
    assert.equal(now(program, sys.tgkill(same.pid, program.pid, 0)), -ESRCH);
    assert.equal(now(program, sys.tgkill(same.pid, same.pid, 0)), 0);
    assert.equal(now(able, able.sys.kill(other.pid, 0)), 0);
    assert.equal(now(program, sys.rtSigaction(SIGKILL, 'ignore')), -EINVAL);
    assert.equal(now(program, sys.rtSigaction(0, 'ignore')), -EINVAL);
    assert.equal(now(program, sys.rtSigprocmask(9, [])), -EINVAL);
  });

  it('a signal to a thread is for that thread alone', async () => {
    const { kernel, program, sys, queue } = sleeper();
    const results: string[] = [];
    const body = (name: string) => {
      return program.spawnThread(name, function* ({ sys: own }): Co<void> {
        results.push(`${name} ${yield* own.futexWait(queue)}`);
      });
    };
    now(program, sys.rtSigaction(SIGUSR1, { handler: () => {} }));
    const [first, second] = [body('first'), body('second')];
    await kernel.sched.drive();
    assert.equal(now(program, sys.tgkill(program.pid, second.thread.tid, SIGUSR1)), 0);
    await kernel.sched.drive();
    assert.deepEqual(results, [`second -${EINTR}`]);
    assert.equal(kernel.processes.findThread(second.thread.tid), undefined);
    queue.wakeAll();
    await kernel.sched.drive();
    assert.deepEqual(results[1], 'first 0');
    assert.equal(first.task.state, 'done');
  });

  it('a signal to the process goes to a thread that lets it in', async () => {
    const { kernel, program, sys, queue } = sleeper();
    const ran: number[] = [];
    now(
      program,
      sys.rtSigaction(SIGUSR1, {
        handler: () => void ran.push(kernel.sched.running().id),
        flags: SA_RESTART,
      }),
    );
    const other = program.spawnThread('other', function* ({ sys: own }): Co<void> {
      yield* own.futexWait(queue);
    });
    await kernel.sched.drive();
    now(program, sys.rtSigprocmask(SIG_BLOCK, [SIGUSR1]));
    program.kill(SIGUSR1);
    await kernel.sched.drive();
    assert.deepEqual(ran, [other.task.id]);
  });

  it('nanosleep sleeps the rest after an ignored wake-up, and not after a handler', async () => {
    const { kernel, program, sys, handle } = sleeper();
    const seen = handle(SIGUSR1, SA_RESTART);
    const slept = program.run(sys.nanosleep(1e9));
    kernel.sched.addTimer(1000, () => program.kill(SIGUSR1));
    assert.equal(await slept, -EINTR);
    assert.equal(seen.length, 1);
    const before = kernel.sched.nowNs();
    assert.equal(await program.run(sys.nanosleep(5e8)), 0);
    assert.ok(kernel.sched.nowNs() - before >= 5e8);
    assert.equal(now(program, sys.nanosleep(0)), 0);
    assert.equal(now(program, sys.nanosleep(-1)), -EINVAL);
    assert.equal(
      await program.run(sys.futexWait(new WaitQueue(kernel.sched, 'q'), 10)),
      -ETIMEDOUT,
    );
  });

  it('deadly signals take an idle program at once', async () => {
    const { kernel, program } = sleeper();
    program.kill(SIGSEGV);
    assert.deepEqual(await program.exited(), { kind: 'killed', signal: SIGSEGV });
    assert.deepEqual(kernel.openFiles(), []);
    assert.deepEqual(kernel.processes.alive, []);
    program.kill(SIGKILL);
  });
});
