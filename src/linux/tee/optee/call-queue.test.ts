import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL } from '../../../abi/errno.ts';
import {
  OPTEE_SMC_GET_THREAD_COUNT,
  OPTEE_SMC_RETURN_UNKNOWN_FUNCTION,
} from '../../../abi/optee-smc.ts';
import { OPTEE_RPC_CMD_NOTIFICATION } from '../../../abi/optee-rpc.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import { closeSession, systemSession } from './session.ts';
import type { BoxOptions } from './testing/box.ts';
import { open } from './testing/clients.ts';
import { HELD, makeGate } from './testing/gate.ts';
import { LINUX_6_1 } from './testing/profiles.ts';

const OLD: BoxOptions = { core: CORE_6_1, switches: LINUX_6_1 };
const FAIR: BoxOptions = { switches: { quirkWakesRunningCall: false } };
const FAIR_OLD: BoxOptions = { ...OLD, switches: { ...LINUX_6_1, quirkWakesRunningCall: false } };
const SITE = 'optee_cq_wait_for_completion';
const INSIDE = 'optee_notif_wait';

for (const [name, options] of Object.entries({ 'linux-7.3': FAIR, 'linux-6.1': FAIR_OLD })) {
  describe(`thread limit, ${name} with wake-ups for those who sleep`, () => {
    it('lets as many calls in as there are threads, then in the order of their coming', () => {
      const gate = makeGate(options);
      const calls = [0, 1, 2, 3].map((n) => gate.call(n));
      assert.deepEqual(gate.entered, [0, 1]);
      assert.deepEqual(
        calls.map(({ site }) => site),
        [INSIDE, INSIDE, SITE, SITE],
      );
      gate.release(1);
      assert.deepEqual(gate.entered, [0, 1, 2]);
      gate.release(0);
      assert.deepEqual(gate.entered, [0, 1, 2, 3]);
      gate.release(2);
      gate.release(3);
      assert.deepEqual(
        calls.map(({ result }) => result?.ret),
        [0, 0, 0, 0],
      );
      assert.equal(gate.box.optee.callQueue.length, 0);
      assert.equal(gate.box.world.busy, 0);
    });

    it('waits for a thread uninterruptibly', () => {
      const gate = makeGate(options);
      gate.call(0);
      gate.call(1);
      const third = gate.call(2);
      third.kill();
      gate.box.settle();
      assert.equal(third.site, SITE);
      gate.release(0);
      gate.release(2);
      assert.equal(third.result?.ret, 0);
      gate.release(1);
    });
  });
}

for (const [name, options] of Object.entries({ 'linux-7.3': {}, 'linux-6.1': OLD })) {
  describe(`thread limit, ${name}`, () => {
    it('lets a caller sleep beside a free thread: the wake-up goes to a call inside', () => {
      const gate = makeGate(options);
      gate.call(0);
      gate.call(1);
      const third = gate.call(2);
      const fourth = gate.call(3);
      gate.release(1);
      assert.equal(gate.box.world.busy, 1, 'there is a thread');
      assert.equal(third.site, SITE);
      gate.release(0);
      assert.deepEqual(gate.entered, [0, 1, 2, 3], 'both wake-ups are used now');
      gate.release(2);
      gate.release(3);
      assert.equal(fourth.result?.ret, 0);
    });

    it('lets newcomers pass who find the thread free', () => {
      const gate = makeGate(options);
      gate.call(0);
      gate.call(1);
      gate.call(2);
      gate.release(1);
      gate.call(3);
      assert.deepEqual(gate.entered, [0, 1, 3]);
      for (const n of [0, 3, 2]) gate.release(n);
      assert.deepEqual(gate.entered, [0, 1, 3, 2]);
    });
  });
}

describe('a call that needs the one that sleeps beside a free thread', () => {
  /** Call 0 waits for what call 2 sends, and call 1 ends while call 2 waits for a thread. */
  function circle(options: BoxOptions): readonly (number | undefined)[] {
    const gate = makeGate(options);
    const { box } = gate;
    const { handle } = box.world;
    box.world.handle = function* (message) {
      if (message.func === HELD + 2) {
        const send = { attr: 1, a: 1n, b: BigInt(HELD) };
        yield* box.world.rpc(OPTEE_RPC_CMD_NOTIFICATION, [send]);
        yield* box.world.succeed(message);
      } else yield* handle(message);
    };
    const calls = [0, 1, 2].map((n) => gate.call(n));
    gate.release(1);
    return calls.map(({ result }) => result?.ret);
  }

  it('never ends', () => {
    assert.deepEqual(circle({}), [undefined, 0, undefined]);
    assert.deepEqual(circle(OLD), [undefined, 0, undefined]);
  });

  it('ends when who sleeps is woken', () => {
    assert.deepEqual(circle(FAIR), [0, 0, 0]);
    assert.deepEqual(circle(FAIR_OLD), [0, 0, 0]);
  });
});

describe('thread count', () => {
  it('is not asked for before 6.8: ETHREAD_LIMIT says so, and the call is made again', () => {
    const gate = makeGate(OLD);
    const { world, optee } = gate.box;
    assert.ok(!world.calls.includes(OPTEE_SMC_GET_THREAD_COUNT));
    assert.equal(optee.callQueue.threads.total, 0);
    gate.call(0);
    gate.call(1);
    const before = world.calls.length;
    gate.call(2);
    assert.equal(world.calls.length, before + 1, 'it went in, and was sent away');
  });

  it('keeps callers out without a call since', () => {
    const gate = makeGate();
    const { world, optee } = gate.box;
    assert.deepEqual(optee.callQueue.threads, { total: 2, free: 2, systemSessions: 0 });
    gate.call(0);
    gate.call(1);
    assert.equal(optee.callQueue.threads.free, 0);
    const before = world.calls.length;
    gate.call(2);
    assert.equal(world.calls.length, before);
    for (const n of [0, 1, 2]) gate.release(n);
    assert.equal(optee.callQueue.threads.free, 2);
  });

  it('may be unknown to the secure world', () => {
    const gate = makeGate({
      setUp: (world) =>
        world.fast.set(OPTEE_SMC_GET_THREAD_COUNT, [OPTEE_SMC_RETURN_UNKNOWN_FUNCTION]),
    });
    assert.equal(gate.box.optee.callQueue.threads.total, 0);
    for (const n of [0, 1, 2]) gate.call(n);
    for (const n of [0, 1, 2]) gate.release(n);
    assert.deepEqual(gate.entered, [0, 1, 2]);
  });

  it('shows in pool events', () => {
    const gate = makeGate();
    const { trace } = gate.box.kernel;
    trace.setLevel('worlds');
    gate.call(0);
    const pools = [...trace.events()].filter(({ name }) => name === 'pool');
    assert.deepEqual(pools.at(-1)?.args, {
      name: 'optee threads',
      used: 1,
      limit: 2,
      unit: 'threads',
    });
  });
});

describe('system sessions', () => {
  it('keep one thread from ordinary callers, and are served first', () => {
    const gate = makeGate(FAIR);
    const { box, ctx } = gate;
    const system = box.run(open(ctx)).session;
    assert.equal(systemSession(box.optee, ctx, system), 0);
    assert.equal(systemSession(box.optee, ctx, system), 0, 'once is enough');
    assert.equal(box.optee.callQueue.threads.systemSessions, 1);
    gate.call(0);
    const ordinary = gate.call(1);
    assert.equal(ordinary.site, SITE, 'the last free thread is reserved');
    const first = gate.call(2, system);
    assert.equal(first.site, INSIDE);
    const second = gate.call(3, system);
    assert.equal(second.site, SITE);
    gate.release(0);
    assert.deepEqual(gate.entered, [0, 2, 3], 'the system session passes the ordinary caller');
    gate.release(2);
    assert.equal(ordinary.site, SITE);
    gate.release(3);
    assert.deepEqual(gate.entered, [0, 2, 3, 1]);
    gate.release(1);
  });

  it('give the thread back when they are closed', () => {
    const gate = makeGate();
    const { box, ctx } = gate;
    const system = box.run(open(ctx)).session;
    systemSession(box.optee, ctx, system);
    gate.call(0);
    const ordinary = gate.call(1);
    assert.equal(ordinary.site, SITE);
    assert.equal(box.run(closeSession(box.optee, ctx, system)), 0);
    assert.equal(box.optee.callQueue.threads.systemSessions, 0);
    assert.equal(ordinary.site, INSIDE);
    gate.release(0);
    gate.release(1);
  });

  it('need two threads, and a session of the context', () => {
    const gate = makeGate({
      setUp: (world) => {
        world.threads = 1;
      },
    });
    const { box, ctx, session } = gate;
    assert.equal(systemSession(box.optee, ctx, session), -EINVAL);
    assert.equal(box.kernel.trace.lastCause?.limit, 'CFG_NUM_THREADS=1');
    assert.equal(systemSession(box.optee, ctx, 1000), -EINVAL);
  });

  it('do not exist before 6.8', () => {
    const gate = makeGate(OLD);
    assert.equal(gate.ctx.ops.systemSession, undefined);
  });
});
