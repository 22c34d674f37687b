import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_MSG_CMD_DO_BOTTOM_HALF,
  OPTEE_MSG_CMD_STOP_ASYNC_NOTIF,
} from '../../abi/optee-msg.ts';
import {
  OPTEE_SMC_ENABLE_ASYNC_NOTIF,
  OPTEE_SMC_GET_ASYNC_NOTIF_VALUE,
} from '../../abi/optee-smc.ts';
import { OPTEE_RPC_CMD_NOTIFICATION } from '../../abi/optee-rpc.ts';
import { TEE_ERROR_OUT_OF_MEMORY, TEE_SUCCESS } from '../../abi/gp.ts';
import { RandomPolicy } from '../../sched/policy.ts';
import type { Co } from '../../sched/task.ts';
import { NOTIF_LINE, NormalWorld } from '../testing/normal-world.ts';
import { testTa } from '../testing/test-ta.ts';
import { Condvar, SecureMutex } from './mutex.ts';
import { NOTIF_ASYNC_VALUE_MAX } from './notif.ts';
import type { NotifEvent } from './notif.ts';
import type { ThreadCtx } from './thread.ts';

const UUID = '11111111-2222-3333-4444-555555555555';

describe('asynchronous notifications', () => {
  it('raise the interrupt; values are fetched lowest first', () => {
    const world = new NormalWorld();
    const { notif } = world.os.guest;
    let interrupts = 0;
    world.machine.interrupts.request(NOTIF_LINE, 'notif', function* () {
      interrupts += 1;
    });
    const get = (): number[] => world.fast(OPTEE_SMC_GET_ASYNC_NOTIF_VALUE).slice(0, 3);
    assert.deepEqual(get(), [0, 0, 0]);
    for (const value of [7, 3, 7]) notif.sendAsync(value);
    world.settle();
    assert.equal(interrupts, 1, 'the line was pending all the while');
    notif.sendAsync(3);
    world.settle();
    assert.equal(interrupts, 2);
    assert.deepEqual(get(), [0, 3, 3]);
    assert.deepEqual(get(), [0, 7, 1]);
    assert.deepEqual(get(), [0, 0, 0]);
  });

  it('have 63 values to give away', () => {
    const { notif } = new NormalWorld().os.guest;
    const out = { value: 0 };
    for (let value = 1; value <= NOTIF_ASYNC_VALUE_MAX; value++) {
      assert.equal(notif.allocAsyncValue(out), TEE_SUCCESS);
      assert.equal(out.value, value);
    }
    assert.equal(notif.allocAsyncValue(out), TEE_ERROR_OUT_OF_MEMORY);
    notif.freeAsyncValue(5);
    assert.equal(notif.allocAsyncValue(out), TEE_SUCCESS);
    assert.equal(out.value, 5);
  });

  it('reach drivers in the bottom half, between start and stop', () => {
    const world = new NormalWorld();
    const { notif } = world.os.guest;
    const seen: NotifEvent[] = [];
    const driver = {
      atomic: (event: NotifEvent) => seen.push(event),
      *yielding(_thread: ThreadCtx, event: NotifEvent): Co<void> {
        seen.push(event);
      },
    };
    notif.registerDriver(driver);
    const send = (cmd: number): unknown => world.run(world.send({ cmd }));
    send(OPTEE_MSG_CMD_DO_BOTTOM_HALF);
    assert.deepEqual(seen, []);
    world.fast(OPTEE_SMC_ENABLE_ASYNC_NOTIF);
    world.fast(OPTEE_SMC_ENABLE_ASYNC_NOTIF);
    send(OPTEE_MSG_CMD_DO_BOTTOM_HALF);
    send(OPTEE_MSG_CMD_STOP_ASYNC_NOTIF);
    assert.equal(notif.isStarted, false);
    send(OPTEE_MSG_CMD_DO_BOTTOM_HALF);
    assert.deepEqual(seen, ['STARTED', 'DO_BOTTOM_HALF', 'STOPPED']);
    notif.unregisterDriver(driver);
    world.fast(OPTEE_SMC_ENABLE_ASYNC_NOTIF);
    assert.equal(seen.length, 3);
  });

  it('that start again while they are stopped stay started', () => {
    const world = new NormalWorld();
    const { notif } = world.os.guest;
    const seen: string[] = [];
    const driver = (name: string) => ({
      *yielding(thread: ThreadCtx, event: NotifEvent): Co<void> {
        seen.push(`${name} ${event}`);
        if (event === 'STOPPED') notif.start(thread);
      },
    });
    notif.registerDriver(driver('a'));
    notif.registerDriver(driver('b'));
    world.fast(OPTEE_SMC_ENABLE_ASYNC_NOTIF);
    world.run(world.send({ cmd: OPTEE_MSG_CMD_STOP_ASYNC_NOTIF }));
    assert.deepEqual(seen, ['a STOPPED']);
    assert.equal(notif.isStarted, true);
  });
});

describe('secure mutexes', () => {
  /** Runs `body` on each of `count` secure threads. */
  function onThreads(
    world: NormalWorld,
    count: number,
    body: (thread: ThreadCtx, n: number) => Co<void>,
  ): void {
    let next = 0;
    inside = function* (thread) {
      yield* body(thread, next++);
    };
    const sessions = Array.from({ length: count }, () => world.open(UUID));
    const opened = sessions.map((open, n) => world.spawn(`open ${n}`, open));
    world.settle();
    const calls = opened.map(({ result }) => world.invoke(result!.value.session, 0));
    const done = calls.map((call, n) => world.spawn(`call ${n}`, call));
    world.settle();
    assert.equal(world.sched.halted?.error, undefined);
    for (const { result } of done) assert.equal(result?.value.ret, TEE_SUCCESS);
  }
  let inside: (thread: ThreadCtx) => Co<void>;

  function worldFor(policy?: RandomPolicy): NormalWorld {
    const world: NormalWorld = new NormalWorld({
      tas: [
        testTa({
          uuid: UUID,
          commands: {
            *0({ session }) {
              const { slots } = world.os.guest.threads;
              const thread = slots.find((t) => t.sessions.at(-1)?.uref === session);
              yield* inside(thread!);
              return TEE_SUCCESS;
            },
          },
        }),
      ],
      config: { CFG_NUM_THREADS: 4 },
      cpus: 4,
      ...(policy === undefined ? {} : { policy }),
    });
    return world;
  }

  it('exclude each other, waiting in the normal world on the value of the thread', () => {
    const world = worldFor();
    const mutex = new SecureMutex(world.sched, world.os.guest.notif, 'test');
    const values: number[] = [];
    let holders = 0;
    onThreads(world, 3, function* (thread) {
      yield* mutex.lock(thread);
      holders += 1;
      assert.equal(holders, 1);
      values.push(thread.threadId);
      yield* world.os.guest.time.wait(thread, 5);
      holders -= 1;
      yield* mutex.unlock(thread);
    });
    assert.deepEqual(values, [0, 1, 2]);
    const rpcs = world.rpcs.filter((cmd) => cmd === OPTEE_RPC_CMD_NOTIFICATION);
    assert.equal(rpcs.length, 4);
    assert.equal(mutex.waiters, 0);
    assert.equal(mutex.idle, true);
  });

  it('lose no wake-up, whatever the schedule', () => {
    for (let seed = 0; seed < 80; seed++) {
      const world = worldFor(new RandomPolicy(seed));
      const mutex = new SecureMutex(world.sched, world.os.guest.notif, 'test');
      const cv = new Condvar(mutex);
      let tokens = 0;
      let taken = 0;
      onThreads(world, 4, function* (thread, n) {
        yield* mutex.lock(thread);
        if (n % 2 === 0) {
          while (tokens === 0) yield* cv.wait(thread);
          tokens -= 1;
          taken += 1;
        } else {
          tokens += 1;
          cv.signal();
        }
        yield* mutex.unlock(thread);
      });
      assert.deepEqual([tokens, taken, mutex.waiters], [0, 2, 0], `seed ${seed}`);
    }
  });

  it('are let go by their owner only', () => {
    const world = worldFor();
    const mutex = new SecureMutex(world.sched, world.os.guest.notif, 'test');
    const [a, b] = world.os.guest.threads.slots;
    world.run(
      (function* (): Co<boolean> {
        yield* mutex.lock(a!);
        return true;
      })(),
    );
    assert.equal(mutex.idle, false);
    assert.throws(() => world.run(mutex.unlock(b!)), /thread 1 unlocks test it does not hold/);
  });
});
