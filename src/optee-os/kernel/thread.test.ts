import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_SMC_CALL_RETURN_FROM_RPC,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_RETURN_ERESUME,
  OPTEE_SMC_RETURN_ETHREAD_LIMIT,
  OPTEE_SMC_RETURN_OK,
  OPTEE_SMC_RETURN_RPC_CMD,
  OPTEE_SMC_RETURN_RPC_FOREIGN_INTR,
  OPTEE_SMC_RPC_FUNC_FOREIGN_INTR,
} from '../../abi/optee-smc.ts';
import { OpteeMsgArg } from '../../abi/optee-msg.ts';
import { TEE_SUCCESS } from '../../abi/gp.ts';
import { RandomPolicy } from '../../sched/policy.ts';
import type { Co } from '../../sched/task.ts';
import type { Pa } from '../../machine/address.ts';
import type { SmcRegs } from '../../machine/smc.ts';
import { NormalWorld } from '../testing/normal-world.ts';
import { success, testTa } from '../testing/test-ta.ts';
import type { TestCall } from '../testing/test-ta.ts';

const UUID = '11111111-2222-3333-4444-555555555555';
const WAIT = 1;

const commands = {
  0: success,
  *[WAIT]({ tee, params }: TestCall): Co<number> {
    const ms = params === undefined || params.types === 0 ? 10 : params.slots[0]!.a;
    return yield* tee.wait(ms);
  },
};

/** A world with `threads` slots and a session for each of them with a TA of its own. */
function worldWith(
  threads: number,
  sessions = threads,
): { world: NormalWorld; sessions: number[] } {
  const ta = testTa({ uuid: UUID, commands });
  const world = new NormalWorld({ tas: [ta], config: { CFG_NUM_THREADS: threads }, cpus: 4 });
  const ids = Array.from({ length: sessions }, () => world.run(world.open(UUID)).session);
  return { world, sessions: ids };
}

/** Writes an invocation of WAIT, and makes its SMC without answering what it asks. */
function* start(world: NormalWorld, session: number, page: Pa): Co<SmcRegs> {
  world.writeMessage(page, { cmd: 1, session, func: WAIT });
  return yield* world.smc(OPTEE_SMC_CALL_WITH_RPC_ARG, 0, page);
}

describe('threads', () => {
  it('run out: the caller is told to come back', () => {
    const { world, sessions } = worldWith(2, 3);
    const regs = sessions.map((s) => world.run(start(world, s, world.page())));
    assert.deepEqual(
      regs.map((r) => r[0]),
      [OPTEE_SMC_RETURN_RPC_CMD, OPTEE_SMC_RETURN_RPC_CMD, OPTEE_SMC_RETURN_ETHREAD_LIMIT],
    );
    assert.deepEqual([regs[0]![3], regs[1]![3]], [0, 1]);
    assert.equal(world.lastCause?.limit, 'CFG_NUM_THREADS=2');
    assert.equal(world.os.usage().threads, 2);
  });

  it('are taken from the lowest free slot', () => {
    const { world, sessions } = worldWith(2);
    const page = world.page();
    const first = world.run(start(world, sessions[0]!, page));
    assert.equal(first[3], 0);
    const other = world.run(start(world, sessions[1]!, world.page()));
    assert.equal(other[3], 1);
    // Time passes, so that the first call's wait is over when it comes back.
    world.run(world.sched.sleep(20e6, 'uninterruptible'));
    const done = world.run(world.smc(OPTEE_SMC_CALL_RETURN_FROM_RPC, 0, 0, 0));
    assert.equal(done[0], OPTEE_SMC_RETURN_OK);
    assert.equal(world.readMessage(page).ret, TEE_SUCCESS);
    assert.equal(world.run(start(world, sessions[0]!, page))[3], 0);
  });

  it('resume on any CPU, brought by any task', () => {
    const { world, sessions } = worldWith(1);
    const page = world.page();
    const cpus: number[] = [];
    const left = world.run(start(world, sessions[0]!, page));
    const thread = world.os.guest.threads.slots[0]!;
    cpus.push(thread.cpu.id);
    world.run(world.sched.sleep(20e6, 'uninterruptible'));
    world.run(world.smc(OPTEE_SMC_CALL_RETURN_FROM_RPC, 0, 0, left[3]!));
    cpus.push(thread.cpu.id);
    assert.equal(world.readMessage(page).ret, TEE_SUCCESS);
    assert.notEqual(cpus[0], cpus[1]);
  });

  it('that are not suspended cannot be resumed', () => {
    const { world, sessions } = worldWith(2);
    const resume = (id: number): number =>
      world.run(world.smc(OPTEE_SMC_CALL_RETURN_FROM_RPC, 0, 0, id))[0]!;
    const left = world.run(start(world, sessions[0]!, world.page()));
    assert.equal(left[3], 0);
    for (const id of [1, 2, 0x80000000, 0xffffffff]) {
      assert.equal(resume(id), OPTEE_SMC_RETURN_ERESUME, `${id}`);
    }
    assert.match(world.lastCause!.text, /no thread 4294967295/);
    world.run(world.sched.sleep(20e6, 'uninterruptible'));
    assert.equal(resume(0), OPTEE_SMC_RETURN_OK);
    assert.equal(resume(0), OPTEE_SMC_RETURN_ERESUME);
    assert.match(world.lastCause!.text, /thread 0 is free/);
  });

  it('leave with their id in a3, and only a0 to a3 are written', () => {
    const { world, sessions } = worldWith(1);
    const page = world.page();
    world.writeMessage(page, { cmd: 1, session: sessions[0]!, func: WAIT });
    const regs = world.run(world.smc(OPTEE_SMC_CALL_WITH_RPC_ARG, 0, page, 3, 4, 5, 6, 7));
    assert.deepEqual([...regs.subarray(0, 8)], [OPTEE_SMC_RETURN_RPC_CMD, 0, 0, 0, 4, 5, 6, 7]);
  });
});

describe('secure code', () => {
  it('that sleeps in the scheduler is a bug, and named', () => {
    const command = function* ({ environment }: TestCall): Co<number> {
      yield* environment.sched.sleep(1, 'uninterruptible');
      return TEE_SUCCESS;
    };
    const world = new NormalWorld({ tas: [testTa({ uuid: UUID, commands: { 0: command } })] });
    const { session } = world.run(world.open(UUID));
    assert.throws(() => world.run(world.invoke(session, 0)), /secure thread 0 sleeps/);
    assert.equal(world.sched.halted?.kind, 'internal error');
  });
});

describe('foreign interrupts', () => {
  it('are let through at the next preemption point, and bring nothing back', () => {
    const { world, sessions } = worldWith(1);
    const page = world.page();
    world.writeMessage(page, { cmd: 1, session: sessions[0]!, func: 0 });
    const left = world.run(
      (function* () {
        const task = world.sched.running();
        const cpu = world.machine.cpus[task.cpu]!;
        cpu.foreignPending = true;
        return yield* world.smc(OPTEE_SMC_CALL_WITH_RPC_ARG, 0, page, 9, 9, 9);
      })(),
    );
    const intr = OPTEE_SMC_RETURN_RPC_FOREIGN_INTR;
    assert.deepEqual([...left.subarray(0, 4)], [intr, 0, 0, 0]);
    assert.equal(OpteeMsgArg.ret.get(world.machine.normal.view, world.at(page)), 0);
    const back = world.run(world.smc(OPTEE_SMC_CALL_RETURN_FROM_RPC, 77, 78, 0, 79, 80));
    assert.equal(back[0], OPTEE_SMC_RETURN_OK);
    assert.deepEqual([...world.os.guest.threads.slots[0]!.back], [0, 0, 0, 0]);
    assert.equal(world.readMessage(page).origin, 4);
  });

  it('that come while a TA runs take the CPU at its next preemption point', () => {
    const seen: string[] = [];
    const ta = testTa({
      uuid: UUID,
      commands: {
        *0({ environment }) {
          world.machine.interrupts.raise(50);
          seen.push('raised');
          yield* environment.preempt();
          seen.push('resumed');
          return TEE_SUCCESS;
        },
      },
    });
    const world = new NormalWorld({ tas: [ta], cpus: 1 });
    world.machine.interrupts.request(50, 'test', function* () {
      seen.push('handled');
    });
    const { session } = world.run(world.open(UUID));
    world.trace.setLevel('worlds');
    assert.equal(world.run(world.invoke(session, 0)).ret, TEE_SUCCESS);
    assert.deepEqual(seen.toSorted(), ['handled', 'raised', 'resumed']);
    const left = [...world.trace.events()].filter(({ name }) => name === 'thread.suspend');
    assert.deepEqual(
      left.map(({ args }) => args),
      [{ thread: 0, rpc: OPTEE_SMC_RPC_FUNC_FOREIGN_INTR }],
    );
  });
});

describe('under a searching policy', () => {
  it('calls of several tasks all end, and nothing is left over', () => {
    for (let seed = 0; seed < 60; seed++) {
      const ta = testTa({ uuid: UUID, flags: 0x1c, commands });
      const world = new NormalWorld({
        tas: [ta],
        policy: new RandomPolicy(seed),
        config: { CFG_NUM_THREADS: 3 },
      });
      const client = function* (): Co<number[]> {
        const { session, ret } = yield* world.open(UUID);
        const results = [ret];
        for (const func of [0, WAIT, 0]) results.push((yield* world.invoke(session, func)).ret);
        results.push((yield* world.close(session)).ret);
        return results;
      };
      const clients = [1, 2, 3].map((n) => world.spawn(`client ${n}`, client()));
      world.settle();
      assert.equal(world.sched.halted, undefined, `seed ${seed}`);
      for (const { result } of clients)
        assert.deepEqual(result?.value, [0, 0, 0, 0, 0], `seed ${seed}`);
      const { threads, sessions, contexts } = world.os.usage();
      assert.deepEqual([threads, sessions, contexts], [0, 0, 1]);
    }
  });
});
