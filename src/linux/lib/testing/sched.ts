/** For tests: a scheduler, for what needs one to report to. */
import { VirtualClock } from '../../../sched/clock.ts';
import { FifoPolicy } from '../../../sched/policy.ts';
import { SeededRandom } from '../../../sched/random.ts';
import { Scheduler } from '../../../sched/scheduler.ts';
import { Trace } from '../../../trace/trace.ts';

export function makeSched(): Scheduler {
  return new Scheduler({
    trace: new Trace(4096),
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    policy: new FifoPolicy(),
    outside: { turn: () => Promise.resolve(), after: () => () => {} },
  });
}
