/** Random schedules over what threads of a program can do to each other. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ERESTARTSYS } from '../../abi/errno.ts';
import { O_RDWR, SIGKILL, SIGUSR1 } from '../../abi/fcntl.ts';
import { va } from '../../machine/address.ts';
import { Mutex } from '../../sched/mutex.ts';
import { RandomPolicy } from '../../sched/policy.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import { Program } from './program.ts';
import { makeDevice, makeKernel } from './testing/make-kernel.ts';

/** One run: ioctls, closes, forks, signals and an exit, in the order that the seed gives. */
function run(seed: number): string[] {
  const kernel = makeKernel({ policy: new RandomPolicy(seed), mib: 4 });
  const { sched } = kernel;
  const seen: string[] = [];
  const lock = new Mutex(sched, { name: 'device lock', order: 1 });
  const queue = new WaitQueue(sched, 'device queue');
  let open = 0;
  kernel.devices.register(
    makeDevice('x', {
      *ioctl(file, _current, cmd): Co<number> {
        yield* lock.lock();
        assert.ok(file.refs > 0);
        lock.unlock();
        if (cmd === 0) return 0;
        return (yield* queue.wait('interruptible')) === 'signal' ? -ERESTARTSYS : 1;
      },
      *release(file): Co<void> {
        yield* lock.lock();
        open -= 1;
        lock.unlock();
        seen.push(`release ${file.refs}`);
      },
    }),
  );
  const before = kernel.pages.usedPages;
  Program.start(kernel, { name: 'main' }, function* (self): Co<number> {
    const { sys } = self;
    const fd = yield* sys.open('/dev/x', O_RDWR);
    open += 1;
    yield* sys.rtSigaction(SIGUSR1, { handler: () => {} });
    for (const cmd of [0, 1]) {
      self.spawnThread(`ioctl ${cmd}`, function* (own): Co<void> {
        seen.push(`ioctl ${cmd}: ${yield* own.sys.ioctl(fd, cmd, va(0))}`);
      });
    }
    self.spawnThread('closer', function* (own): Co<void> {
      seen.push(`close ${yield* own.sys.close(fd)}`);
    });
    yield* self.fork(function* (child): Co<void> {
      child.memory.malloc(10);
      yield* child.sys.kill(self.pid, SIGUSR1);
      yield* child.sys.ioctl(fd, 0, va(0));
    });
    if (sched.choose(2, 'die') === 1) yield* sys.kill(self.pid, SIGKILL);
    yield* sys.nanosleep(1000);
    return 0;
  });
  sched.runReady();
  assert.equal(sched.halted, undefined);
  assert.deepEqual([kernel.processes.alive, kernel.processes.zombies], [[], []]);
  assert.equal(open, 0);
  assert.equal(kernel.pages.usedPages, before);
  assert.equal(seen.filter((line) => line.startsWith('release')).length, 1);
  return seen;
}

it('whatever the order, everything is given back once', () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 300; seed++) outcomes.add(run(seed).join(', '));
  assert.ok(outcomes.size > 10, `${outcomes.size} outcomes`);
  assert.deepEqual(run(7), run(7));
});
