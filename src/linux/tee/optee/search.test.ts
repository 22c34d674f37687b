import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENOENT, ERESTARTSYS } from '../../../abi/errno.ts';
import { OPTEE_RPC_CMD_FS } from '../../../abi/optee-rpc.ts';
import { RandomPolicy } from '../../../sched/policy.ts';
import { BoxHalted } from '../../../sched/halt.ts';
import type { Co } from '../../../sched/task.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import { teedevCloseContext } from '../tee-context.ts';
import type { TeeContext } from '../tee-context.ts';
import type { OpteeSwitches } from './switches.ts';
import { makeBox, openClient, openSupplicant } from './testing/box.ts';
import type { BoxOptions, OpteeBox, Running } from './testing/box.ts';
import { invoke, open, recv, sendParams } from './testing/clients.ts';
import type { Answer } from './testing/clients.ts';
import { FIXED, LINUX_6_1, LINUX_7_3 } from './testing/profiles.ts';

/*
 * Random schedules with a choice at each preemption point. A failure names its seed.
 */
const SEEDS = 60;
const FIXED_6_1 = { ...LINUX_6_1, ...quirksOf(FIXED) };

function quirksOf(switches: OpteeSwitches): Partial<OpteeSwitches> {
  const quirks = Object.entries(switches).filter(([name]) => name.startsWith('quirk'));
  return Object.fromEntries(quirks);
}

function bySeed(seed: number, options: BoxOptions): OpteeBox {
  return makeBox({ ...options, policy: new RandomPolicy(seed) });
}

/** Two threads, more callers; some calls ask the supplicant for something. */
function startClients(box: OpteeBox, count: number, rounds: number): readonly Running<Answer[]>[] {
  box.world.handle = function* (message) {
    if (message.func === 5) yield* box.world.rpc(OPTEE_RPC_CMD_FS, [{ attr: 3, a: 1n }]);
    yield* box.world.succeed(message);
  };
  function* client(n: number): Co<Answer[]> {
    const ctx = yield* openClient(box.optee);
    const { session } = yield* open(ctx);
    const answers: Answer[] = [];
    for (let round = 0; round < rounds; round++) {
      answers.push(yield* invoke(ctx, session, [], n % 2 === 0 ? 5 : 6));
    }
    yield* teedevCloseContext(ctx);
    return answers;
  }
  return Array.from({ length: count }, (_, n) => box.spawn(`client ${n}`, client(n)));
}

/** A supplicant thread; answers other ids than it was given when `guess` says so. */
function* supplicantThread(ctx: TeeContext, guess: (id: number) => number): Co<void> {
  for (;;) {
    const { error, params, count } = yield* recv(ctx);
    if (error === -ERESTARTSYS) return;
    assert.equal(error, 0);
    const meta = params[0]!;
    const id = meta.aLo;
    meta.aLo = guess(id);
    const rc = yield* sendParams(ctx, 0, params.slice(0, count));
    if (meta.aLo === id || rc !== -ENOENT) continue;
    meta.aLo = id;
    yield* sendParams(ctx, 0, params.slice(0, count));
  }
}

function checkIdle(box: OpteeBox, label: string): void {
  const { optee, world, kernel } = box;
  assert.equal(optee.callQueue.length, 0, label);
  assert.equal(optee.callQueue.threads.free, optee.callQueue.threads.total, label);
  assert.equal(optee.argCache.slots.used, 0, label);
  assert.deepEqual(optee.supp.outstanding, [], label);
  assert.equal(world.busy, 0, label);
  assert.equal(world.sessions.size, 0, label);
  assert.ok(kernel.addresses.size <= optee.argCache.slots.total, label);
}

const PROFILES: Readonly<Record<string, BoxOptions>> = {
  'linux-7.3 without its bugs': { switches: FIXED },
  'linux-6.1 without its bugs': { core: CORE_6_1, switches: FIXED_6_1 },
};

for (const [name, options] of Object.entries(PROFILES)) {
  describe(`any schedule, ${name}`, () => {
    it('brings every call to its end', () => {
      for (let seed = 0; seed < SEEDS; seed++) {
        const box = bySeed(seed, options);
        const ctx = box.run(openSupplicant(box.optee));
        const same = (id: number): number => id;
        const servers = [1, 2].map(() => box.spawn('supplicant', supplicantThread(ctx, same)));
        const clients = startClients(box, 4, 3);
        box.settle();
        for (const { result } of clients) {
          assert.deepEqual(
            result?.map(({ ret }) => ret),
            [0, 0, 0],
            `seed ${seed}`,
          );
        }
        for (const server of servers) server.signal();
        box.run(teedevCloseContext(ctx));
        checkIdle(box, `seed ${seed}`);
      }
    });

    it('survives clients that are killed and a supplicant that goes', () => {
      for (let seed = 0; seed < SEEDS; seed++) {
        const box = bySeed(seed, options);
        const ctx = box.run(openSupplicant(box.optee));
        const clients = startClients(box, 4, 2);
        const server = box.spawn(
          'supplicant',
          supplicantThread(ctx, (id) => id),
        );
        function* killer(): Co<void> {
          for (const client of clients) {
            for (let n = box.sched.choose(8, 'kill after'); n > 0; n--) yield* box.sched.point();
            client.kill();
          }
          server.signal();
          yield* box.sched.join(server.task);
          yield* teedevCloseContext(ctx);
        }
        box.spawn('killer', killer());
        box.settle();
        assert.ok(
          clients.every(({ result }) => result !== undefined),
          `seed ${seed}`,
        );
        checkIdle(box, `seed ${seed}`);
      }
    });
  });
}

describe('a search', () => {
  /** Seeds with which a supplicant that guesses ids stops the box. */
  function halts(switches: OpteeSwitches): readonly string[] {
    const found: string[] = [];
    for (let seed = 0; seed < SEEDS; seed++) {
      const box = bySeed(seed, { switches });
      try {
        const ctx = box.run(openSupplicant(box.optee));
        startClients(box, 4, 2);
        box.spawn(
          'supplicant',
          supplicantThread(ctx, (id) => id + 1),
        );
        box.settle();
      } catch (error) {
        const { halted } = box.sched;
        if (halted === undefined || (error instanceof BoxHalted && error.halt !== halted))
          throw error;
        found.push(halted.kind);
      }
    }
    return found;
  }

  it('finds the list corruption, and none in a kernel without it', () => {
    const found = new Set(halts(LINUX_7_3));
    assert.ok(found.has('kernel BUG') || found.has('use after free'), [...found].join());
    assert.deepEqual(halts(FIXED), []);
  });
});
