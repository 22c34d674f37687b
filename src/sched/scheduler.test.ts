import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Trace } from '../trace/trace.ts';
import { Body } from './body.ts';
import { VirtualClock } from './clock.ts';
import { Mutex } from './mutex.ts';
import { ExhaustivePolicy, FifoPolicy, PctPolicy, RandomPolicy, ReplayPolicy } from './policy.ts';
import type { Policy } from './policy.ts';
import { SeededRandom } from './random.ts';
import { BoxHalted } from './halt.ts';
import { Scheduler } from './scheduler.ts';
import type { Co, WaitMode } from './task.ts';
import { Completion, WaitQueue } from './wait.ts';
import { WorkQueue } from './workqueue.ts';

const outside = {
  turn: () => new Promise<void>((resolve) => setImmediate(resolve)),
  after: (ms: number, fn: () => void) => {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

function scheduler(policy: Policy = new FifoPolicy()): Scheduler {
  return new Scheduler({
    trace: new Trace(),
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    policy,
    outside,
  });
}

/** Two tasks that do the same, `a` and `b`. */
function spawnTwo(sched: Scheduler, body: (name: string) => Co<void>): void {
  for (const name of ['a', 'b']) sched.spawn(name, body(name));
}

describe('tasks', () => {
  it('run in order and end', () => {
    const sched = scheduler();
    const seen: string[] = [];
    spawnTwo(sched, function* (name) {
      seen.push(`${name}1`);
      yield* sched.sleep(10, 'uninterruptible');
      seen.push(`${name}2`);
    });
    assert.equal(sched.runReady(), 'idle');
    assert.deepEqual(seen, ['a1', 'b1', 'a2', 'b2']);
    assert.deepEqual([...sched.tasks], []);
  });

  it('give way to others that are ready, and go on', () => {
    const sched = scheduler();
    const seen: string[] = [];
    spawnTwo(sched, function* (name) {
      for (let n = 0; n < 2; n++) {
        seen.push(name);
        yield* sched.yieldCpu();
      }
    });
    assert.equal(sched.runReady(true, 3), 'endless');
    assert.deepEqual(seen, ['a', 'b', 'a']);
    assert.equal(sched.runReady(), 'idle');
    assert.deepEqual(seen, ['a', 'b', 'a', 'b']);
  });

  it('that never rest leave the outside its turn', async () => {
    const sched = scheduler();
    let isEnough = false;
    const task = sched.spawn(
      'busy',
      (function* (): Co<void> {
        while (!isEnough) yield* sched.yieldCpu();
      })(),
    );
    setImmediate(() => (isEnough = true));
    await sched.drive();
    assert.equal(task.state, 'done');
  });

  it('a coroutine called from outside returns its value without a promise when it does not block', () => {
    const sched = scheduler();
    const task = sched.createTask('caller', { called: true });
    const result = sched.call(
      task,
      (function* (): Co<number> {
        return 42;
      })(),
    );
    assert.equal(result, 42);
  });

  it('a blocked call resolves when somebody wakes it, and errors come through', async () => {
    const sched = scheduler();
    const task = sched.createTask('caller', { called: true });
    const done = new Completion(sched, 'test');
    const result = sched.call(
      task,
      (function* (): Co<string> {
        return yield* done.wait('uninterruptible');
      })(),
    );
    assert.ok(result instanceof Promise);
    done.complete();
    assert.equal(await result, 'woken');
    await assert.rejects(
      async () =>
        sched.call(
          task,
          (function* (): Co<number> {
            yield* sched.sleep(1, 'uninterruptible');
            throw new RangeError('mine');
          })(),
        ),
      /mine/,
    );
  });

  it('an error in a task stops the box and says so', () => {
    const sched = scheduler();
    sched.spawn(
      'bad',
      (function* (): Co<void> {
        throw new Error('oops');
      })(),
    );
    assert.equal(sched.runReady(), 'halted');
    assert.match(sched.halted?.text ?? '', /bad: oops/);
    assert.throws(
      () => sched.call(sched.createTask('x', { called: true }), sched.point()),
      BoxHalted,
    );
  });
});

describe('waiting', () => {
  const cases: { mode: WaitMode; fatal: boolean; ends: boolean }[] = [
    { mode: 'uninterruptible', fatal: true, ends: false },
    { mode: 'killable', fatal: false, ends: false },
    { mode: 'killable', fatal: true, ends: true },
    { mode: 'interruptible', fatal: false, ends: true },
  ];
  for (const { mode, fatal, ends } of cases) {
    it(`a ${fatal ? 'fatal' : 'handled'} signal ${ends ? 'ends' : 'does not end'} a ${mode} wait`, () => {
      const sched = scheduler();
      const queue = new WaitQueue(sched, 'q');
      let sent = false;
      let status = '';
      const task = sched.spawn(
        'waiter',
        (function* (): Co<void> {
          status = yield* queue.wait(mode);
        })(),
      );
      task.signals = {
        pending: (m) => sent && m !== 'uninterruptible' && (fatal || m !== 'killable'),
      };
      sched.runReady();
      sent = true;
      sched.interrupt(task);
      sched.runReady();
      assert.equal(status, ends ? 'signal' : '');
      if (!ends) {
        queue.wakeAll();
        sched.runReady();
        assert.equal(status, 'woken');
      }
    });
  }

  it('times out in virtual time', () => {
    const sched = scheduler();
    const queue = new WaitQueue(sched, 'q');
    let at = 0;
    sched.spawn(
      'waiter',
      (function* (): Co<void> {
        assert.equal(yield* queue.wait('killable', 5_000_000), 'timeout');
        at = sched.nowNs();
      })(),
    );
    sched.runReady();
    assert.ok(at >= 5_000_000 && at < 5_001_000, String(at));
    assert.equal(queue.length, 0);
  });

  it('counts the wait sites', () => {
    const sched = scheduler();
    const queue = new WaitQueue(sched, 'tee_wait');
    sched.spawn('w', queue.wait('killable'));
    sched.runReady();
    assert.equal(sched.sites.get('tee_wait'), 1);
    assert.equal(sched.blocked()[0]?.blocked?.site, 'tee_wait');
  });
});

describe('mutex', () => {
  it('excludes, and hands over in order', () => {
    const sched = scheduler();
    const mutex = new Mutex(sched, { name: 'm', order: 1 });
    const seen: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      sched.spawn(
        name,
        mutex.during(function* () {
          seen.push(`+${name}`);
          yield* sched.sleep(10, 'uninterruptible');
          seen.push(`-${name}`);
        }),
      );
    }
    sched.runReady();
    assert.deepEqual(seen, ['+a', '-a', '+b', '-b', '+c', '-c']);
  });

  it('reports a lock taken against its order', () => {
    const sched = scheduler();
    const first = new Mutex(sched, { name: 'first', order: 1 });
    const second = new Mutex(sched, { name: 'second', order: 2 });
    sched.spawn(
      'wrong',
      second.during(() => first.lock()),
    );
    assert.equal(sched.runReady(), 'halted');
    assert.match(sched.halted?.text ?? '', /wrong holds second and wants first/);
  });

  it('sees no cycle through a lock that has changed hands', () => {
    const sched = scheduler();
    const first = new Mutex(sched, { name: 'first', order: 1 });
    const second = new Mutex(sched, { name: 'second', order: 2 });
    const sleep = (ns: number): Co<unknown> => sched.sleep(ns, 'uninterruptible');
    let done = 0;
    const take = function* (lock: Mutex, before: number, during: number): Co<void> {
      yield* sleep(before);
      yield* lock.lock();
      yield* sleep(during);
      lock.unlock();
      done += 1;
    };
    // `a` had `second`, which `c` has now, for which `b` waits with `first`, for which `a` waits.
    sched.spawn(
      'a',
      (function* (): Co<void> {
        yield* take(second, 0, 50_000);
        yield* take(first, 20_000, 0);
      })(),
    );
    sched.spawn('c', take(second, 10_000, 100_000));
    sched.spawn(
      'b',
      (function* (): Co<void> {
        yield* first.lock();
        yield* take(second, 20_000, 0);
        first.unlock();
      })(),
    );
    assert.equal(sched.runReady(), 'idle');
    assert.equal(done, 4);
  });

  it('reports a cycle of waiters with their names', () => {
    const sched = scheduler();
    const queue = new WaitQueue(sched, 'q');
    const tasks = [sched.createTask('x'), sched.createTask('y')] as const;
    sched.start(tasks[0], queue.wait('uninterruptible', undefined, { owner: tasks[1] }));
    sched.start(tasks[1], queue.wait('uninterruptible', undefined, { owner: tasks[0] }));
    sched.runReady();
    assert.equal(sched.halted?.kind, 'deadlock');
    assert.match(sched.halted.text, /y \(q\) → x \(q\) → y/);
  });
});

/** Two tasks that increment a number non-atomically: the classic lost update. */
function lostUpdate(policy: Policy): { lost: boolean; choices: readonly number[] } {
  const sched = scheduler(policy);
  sched.ownLoop(() => {});
  let shared = 0;
  spawnTwo(sched, function* () {
    const read = shared;
    yield* sched.point();
    shared = read + 1;
  });
  sched.runReady();
  return { lost: shared !== 2, choices: sched.choices };
}

describe('policies', () => {
  it('fifo never preempts', () => assert.equal(lostUpdate(new FifoPolicy()).lost, false));

  it('random finds the lost update, and replay repeats it', () => {
    const found = Array.from({ length: 50 }, (_, seed) => lostUpdate(new RandomPolicy(seed))).find(
      (run) => run.lost,
    );
    assert.ok(found);
    assert.equal(lostUpdate(new ReplayPolicy(found.choices)).lost, true);
    assert.deepEqual(lostUpdate(new ReplayPolicy(found.choices)).choices, found.choices);
  });

  it('pct finds it', () => {
    const runs = Array.from({ length: 100 }, (_, seed) => lostUpdate(new PctPolicy(seed, 2, 4)));
    assert.ok(runs.some((run) => run.lost));
  });

  it('exhaustive visits each schedule once and ends', () => {
    const policy = new ExhaustivePolicy(2);
    const seen = new Set<string>();
    let lost = 0;
    let runs = 0;
    while (policy.begin()) {
      const run = lostUpdate(policy);
      seen.add(run.choices.join());
      runs += 1;
      if (run.lost) lost += 1;
    }
    assert.equal(seen.size, runs);
    assert.ok(lost > 0 && lost < runs, `${lost} of ${runs}`);
  });

  it('exhaustive notices a scenario that does not repeat itself', () => {
    const policy = new ExhaustivePolicy(2);
    policy.begin();
    policy.choose(2);
    policy.begin();
    assert.throws(() => policy.choose(3), /choice 0 was one of 2 and is now one of 3/);
  });

  it('exhaustive without preemptions finds nothing here', () => {
    const policy = new ExhaustivePolicy(0);
    while (policy.begin()) assert.equal(lostUpdate(policy).lost, false);
  });
});

describe('async bodies', () => {
  it('is idle for everybody at once, also for those who come while it runs', async () => {
    const sched = scheduler();
    const outer = Promise.withResolvers<void>();
    const task = sched.spawn('task', sched.host(outer.promise));
    const driven = sched.drive();
    setImmediate(outer.resolve);
    await Promise.resolve();
    await sched.drive();
    assert.equal(task.state, 'done');
    await driven;
  });

  it('calls that do not block return values; those that do return promises', async () => {
    const sched = scheduler();
    const body = new Body(sched, 'fail');
    const queue = new WaitQueue(sched, 'q');
    const seen: unknown[] = [];
    const task = sched.createTask('caller', { called: true });
    const result = sched.call(
      task,
      body.run(async () => {
        seen.push(
          body.call(
            (function* (): Co<number> {
              return 1;
            })(),
          ),
        );
        const blocked = body.call(queue.wait('uninterruptible'));
        seen.push(blocked instanceof Promise);
        seen.push(await blocked);
        return 'end';
      }),
    );
    await Promise.resolve();
    while (queue.length === 0) await outside.turn();
    queue.wakeAll();
    assert.equal(await result, 'end');
    assert.deepEqual(seen, [1, true, 'woken']);
  });

  it('an await of something foreign is an error that names the task', async () => {
    const sched = scheduler();
    const body = new Body(sched, 'fail');
    const task = sched.createTask('TA 1234', { called: true });
    await assert.rejects(
      async () =>
        sched.call(
          task,
          body.run(() => new Promise(() => {})),
        ),
      /TA 1234 awaits a promise that is not a teebox call/,
    );
  });
});

describe('work queue', () => {
  it('runs work in order and flushes', () => {
    const sched = scheduler();
    const queue = new WorkQueue(sched, 'events');
    const seen: number[] = [];
    for (const n of [1, 2]) {
      queue.queue(function* () {
        yield* sched.sleep(5, 'uninterruptible');
        seen.push(n);
      });
    }
    let flushed = false;
    sched.spawn(
      'flusher',
      (function* (): Co<void> {
        yield* queue.flush();
        flushed = true;
        assert.deepEqual(seen, [1, 2]);
      })(),
    );
    sched.runReady();
    assert.equal(flushed, true);
  });
});
