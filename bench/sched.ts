/**
 * What the scheduler costs: coroutines and promises as the engine has them, a switch from one task to
 * another beside that, and how many boxes a search boots, runs and judges in a second.
 */
import { PROFILES, FifoPolicy } from '../src/index.ts';
import { nodeHost } from '../src/host/node/host.ts';
import { VirtualClock } from '../src/sched/clock.ts';
import { SeededRandom } from '../src/sched/random.ts';
import { Scheduler } from '../src/sched/scheduler.ts';
import type { Co } from '../src/sched/task.ts';
import { WaitQueue } from '../src/sched/wait.ts';
import { LOCKED_CANARY } from '../src/sim/scenarios/canary.ts';
import { SUPPLICANT } from '../src/sim/scenarios/supplicant.ts';
import { search } from '../src/sim/search.ts';
import { Trace } from '../src/trace/trace.ts';
import type { Row, Unit } from './row.ts';
import { inTurns, rowOf, work } from './samples.ts';
import type { Work } from './samples.ts';

const LAYERS = 10;
const NS: { readonly unit: Unit; readonly convert: (us: number) => number } = {
  unit: 'ns',
  convert: (us) => 1000 * us,
};

export async function* sched(): AsyncGenerator<Row> {
  const works = [taskSwitches(), resumes(), layers(), awaits()] as const;
  const [switching = [], resuming = [], ...others] = await inTurns(works, { ms: 4000 });
  const peer = { name: 'generator.next()', samples: resuming };
  yield rowOf('task-switch', switching, { ...NS, peer });
  yield* [layers(), awaits()].map(({ name }, n) => rowOf(name, others[n]!, NS));
  for (const scenario of [LOCKED_CANARY, SUPPLICANT]) {
    yield rowOf(`search-${scenario.name}`, await searchRates(scenario), { unit: 'boxes/s' });
  }
}

/** Two tasks that wake each other and sleep. */
function taskSwitches(): Work {
  const scheduler = new Scheduler({
    trace: new Trace(),
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    policy: new FifoPolicy(),
    outside: nodeHost(),
  });
  scheduler.ownLoop(() => {});
  return {
    name: 'task-switch',
    run(times) {
      const [a, b] = [new WaitQueue(scheduler, 'a'), new WaitQueue(scheduler, 'b')];
      scheduler.spawn('a', wakeAndSleep(a, b, times / 2));
      scheduler.spawn('b', wakeAndSleep(b, a, times / 2));
      scheduler.runReady();
    },
  };
}

function* wakeAndSleep(own: WaitQueue, other: WaitQueue, times: number): Co<void> {
  for (let n = 0; n < times; n++) {
    other.wakeOne();
    yield* own.wait('uninterruptible');
  }
  other.wakeOne();
}

/** The least that resuming a coroutine costs. */
function resumes(): Work {
  const endless = (function* (): Generator<void, never, void> {
    for (;;) yield;
  })();
  return work('generator.next()', () => endless.next());
}

/** Coroutines that call each other and do not block. */
function layers(): Work {
  const call = function* (depth: number): Generator<void, number, void> {
    return depth === 0 ? 0 : 1 + (yield* call(depth - 1));
  };
  return work(`${LAYERS}-coroutine-calls`, () => call(LAYERS - 1).next());
}

function awaits(): Work {
  const settled = Promise.resolve();
  return {
    name: 'await',
    async run(times) {
      for (let n = 0; n < times; n++) await settled;
    },
  };
}

const SCHEDULES = 100;
const ROUNDS = 10;
const WARM_UP_ROUNDS = 3;

/** Boxes per second, one sample a round. */
async function searchRates(scenario: typeof SUPPLICANT): Promise<readonly number[]> {
  const rates: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    const { schedules, seconds } = await search(nodeHost(), scenario, {
      profile: PROFILES['linux-7.3'],
      strategy: 'random',
      schedules: SCHEDULES,
      seed: 1 + round * SCHEDULES,
    });
    rates.push(schedules / seconds);
  }
  return rates.slice(WARM_UP_ROUNDS);
}
