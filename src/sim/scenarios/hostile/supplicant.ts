/**
 * A supplicant every step of which is drawn: a good one, a clumsy one, a malicious one, one that dies
 * and one that comes back. When last orders are given it answers what it was given and serves like
 * any other; where it cannot know what it was given, it leaves.
 */
import { O_RDWR, SIGUSR1 } from '../../../abi/fcntl.ts';
import { EINTR } from '../../../abi/errno.ts';
import { endIdle } from '../../../linux/process/exit.ts';
import { sendSignal } from '../../../linux/process/send-signal.ts';
import type { Program } from '../../../linux/process/program.ts';
import type { Syscalls } from '../../../linux/process/syscalls.ts';
import type { Co } from '../../../sched/task.ts';
import type { Run } from '../../run.ts';
import { answerProperly, answerUnasked, answerWrongly } from './answer.ts';
import { SuppIoctls } from './ioctls.ts';
import { receiveOddly, receiveProperly } from './receive.ts';
import { HostileProcess, MANNERS } from './state.ts';
import type { HostileThread, PendingRequest } from './state.ts';

const DEVICE = '/dev/teepriv0';
/** Steps of a thread, at least and at most. */
const LEAST_STEPS = 4;
const MOST_STEPS = 16;
const SHORT_NS = 1_000_000;

interface Step {
  readonly label: string;
  /** How often it is among those to choose from. */
  readonly weight: number;
  readonly when: (process: HostileProcess) => boolean;
  readonly act: (thread: HostileThread) => Co<unknown>;
}

const open = (process: HostileProcess): boolean => process.isOpen;
const closed = (process: HostileProcess): boolean => !process.isOpen;
const asked = (process: HostileProcess): boolean => process.isOpen && process.pending.length > 0;
const lends = (process: HostileProcess): boolean => process.shms.size > 0;

const STEPS: readonly Step[] = [
  { label: 'serve', weight: 6, when: open, act: serve },
  { label: 'receive', weight: 2, when: open, act: receiveProperly },
  { label: 'receive oddly', weight: 2, when: open, act: receiveOddly },
  { label: 'answer wrongly', weight: 2, when: asked, act: (t) => answerWrongly(t, anyPending(t)) },
  { label: 'answer unasked', weight: 1, when: open, act: answerUnasked },
  { label: 'sleep', weight: 1, when: () => true, act: (t) => t.ioctls.sys.nanosleep(SHORT_NS) },
  { label: 'close memory', weight: 1, when: lends, act: closeMemory },
  { label: 'close the device', weight: 1, when: open, act: closeDevice },
  { label: 'open the device', weight: 4, when: closed, act: openDevice },
  { label: 'exit', weight: 1, when: () => true, act: (t) => t.ioctls.sys.exitGroup(0) },
];

export function startHostileSupplicant(run: Run): Program {
  const manner = run.oneOf(MANNERS, 'manner of the supplicant');
  return run.daemon('hostile supplicant', (program) =>
    main(new HostileProcess(run, program, manner)),
  );
}

function* main(process: HostileProcess): Co<void> {
  const { run, program, manner } = process;
  yield* program.sys.rtSigaction(SIGUSR1, { handler: () => {} });
  run.atLastOrders(() => giveLastOrders(process));
  const thread = threadOf(process, program.sys);
  yield* openDevice(thread);
  const others = Array.from({ length: manner.threads - 1 }, () =>
    program.spawnThread('hostile thread', ({ sys }) => playTricks(threadOf(process, sys))),
  );
  yield* playTricks(thread);
  for (const { task } of others) yield* run.box.sched.join(task);
  if (manner.receives !== 'either way') yield* behave(thread);
}

const threadOf = (process: HostileProcess, sys: Syscalls): HostileThread => ({
  process,
  ioctls: new SuppIoctls(process.program, sys),
});

/** Whoever sleeps in a receive comes out of it. */
function giveLastOrders(process: HostileProcess): void {
  process.behaves = true;
  const { process: target } = process.program;
  for (const thread of target.threads) sendSignal(target, SIGUSR1, endIdle, thread);
}

function* playTricks(thread: HostileThread): Co<void> {
  const { process } = thread;
  const { run } = process;
  const count = LEAST_STEPS + run.choose(MOST_STEPS - LEAST_STEPS + 1, 'steps');
  for (let n = 0; n < count && !process.behaves; n++) {
    const possible = STEPS.filter(({ when }) => when(process));
    const among = possible.flatMap((step) => Array<Step>(step.weight).fill(step));
    yield* run.oneOf(among, 'step').act(thread);
  }
}

/** Serves until it is killed, or is refused. */
function* behave(thread: HostileThread): Co<void> {
  const { process } = thread;
  while (process.isOpen) {
    const [request] = process.pending;
    if (request !== undefined) {
      yield* answerProperly(thread, request);
      if (process.pending.includes(request)) return;
      continue;
    }
    const rc = yield* receiveProperly(thread);
    if (rc !== 0 && rc !== -EINTR) return;
  }
}

// --- steps
/** What a good supplicant would do next. */
function* serve(thread: HostileThread): Co<void> {
  if (thread.process.pending.length > 0) yield* answerProperly(thread, anyPending(thread));
  else yield* receiveProperly(thread);
}

const anyPending = ({ process }: HostileThread): PendingRequest =>
  process.run.oneOf(process.pending, 'request');

function* openDevice({ process, ioctls }: HostileThread): Co<void> {
  const fd = yield* ioctls.sys.open(DEVICE, O_RDWR);
  if (fd >= 0) process.fd = fd;
}

function* closeDevice({ process, ioctls }: HostileThread): Co<void> {
  yield* ioctls.sys.close(process.disconnect());
}

function* closeMemory({ process, ioctls }: HostileThread): Co<void> {
  const [id, fd] = process.run.oneOf([...process.shms], 'memory to close');
  process.shms.delete(id);
  yield* ioctls.sys.close(fd);
}
