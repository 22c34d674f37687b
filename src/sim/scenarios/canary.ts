/**
 * The canary: a race that is there on purpose. Two programs add to a counter of the kernel that has
 * no lock, and one addition is lost when they meet. A search that does not find it finds nothing.
 */
import type { Co } from '../../sched/task.ts';
import { Mutex } from '../../sched/mutex.ts';
import type { Run } from '../run.ts';
import type { Scenario } from '../scenario.ts';

const PROGRAMS = 2;
const COUNTER_MUTEX = { name: 'canary.mutex', order: 1 };

/** A canary with its lock back: the proof that a canary can also not be found. */
export const LOCKED_CANARY: Scenario = {
  name: 'locked-canary',
  summary: 'the canary with its lock: nothing to be found',
  boot: () => ({}),
  start(run) {
    const mutex = new Mutex(run.box.sched, COUNTER_MUTEX);
    startCounting(run, (add) => mutex.during(add));
  },
};

export const CANARY: Scenario = {
  name: 'canary',
  summary: 'two programs and a counter without a lock: must be found by every search',
  boot: () => ({}),
  start(run) {
    startCounting(run, (add) => add());
  },
};

/** @param guard what stands around an addition. */
function startCounting(run: Run, guard: (add: () => Co<void>) => Co<void>): void {
  const { kernel, sched } = run.box;
  let counter = 0;
  let ended = 0;
  const add = function* (): Co<void> {
    const seen = counter;
    if (sched.searching) yield* sched.point();
    counter = seen + 1;
  };
  for (let n = 0; n < PROGRAMS; n++) {
    run.program(`canary ${n}`, function* () {
      yield* guard(add);
      ended += 1;
      if (ended === PROGRAMS && counter !== PROGRAMS) kernel.bug('canary: an addition was lost');
    });
  }
}
