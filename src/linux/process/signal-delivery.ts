/**
 * What happens to signals at the edge of user space (get_signal(), handle_signal() and the restart
 * rules of arch_do_signal_or_restart()).
 */
import {
  EINTR,
  ERESTARTNOHAND,
  ERESTARTNOINTR,
  ERESTARTSYS,
  ERESTART_RESTARTBLOCK,
} from '../../abi/errno.ts';
import { SA_NODEFER, SA_RESETHAND, SA_RESTART, SIGKILL } from '../../abi/fcntl.ts';
import type { Co } from '../../sched/task.ts';
import { exitGroup } from './exit.ts';
import type { SigAction } from './signal.ts';
import type { Thread } from './thread.ts';

/** The system call is to be made again. */
export const RESTART = Symbol('restart');

/** What a handler makes of each code that asks for a restart; without handler all restart. */
const WITH_HANDLER: ReadonlyMap<number, (flags: number) => typeof RESTART | number> = new Map<
  number,
  (flags: number) => typeof RESTART | number
>([
  [-ERESTARTSYS, (flags) => ((flags & SA_RESTART) !== 0 ? RESTART : -EINTR)],
  [-ERESTARTNOINTR, () => RESTART],
  [-ERESTARTNOHAND, () => -EINTR],
  [-ERESTART_RESTARTBLOCK, () => -EINTR],
]);

/**
 * On the way out of a system call that returned `result`, with signals pending: runs handlers and
 * says what the program sees. @throws ProcessExited when a signal ends the process.
 */
export function* leaveSystemCall(thread: Thread, result: number): Co<number | typeof RESTART> {
  const handled = yield* deliverSignals(thread);
  const rule = WITH_HANDLER.get(result);
  if (rule === undefined) return result;
  return handled === undefined ? RESTART : rule(handled.flags ?? 0);
}

/** Delivers until nothing is pending. @returns the action of the first handler that ran. */
export function* deliverSignals(thread: Thread): Co<SigAction | undefined> {
  let first: SigAction | undefined;
  while (thread.signals.sigpending) {
    const action = yield* deliverOne(thread);
    first ??= action;
  }
  return first;
}

/**
 * One signal with a handler. While its frame is set up, further signals put theirs on top, so that
 * the last one taken runs first.
 */
function* deliverOne(thread: Thread): Co<SigAction | undefined> {
  const { signals, process } = thread;
  const taken = yield* nextHandled(thread);
  if (taken === undefined) return undefined;
  const { signal, action } = taken;
  const flags = action.flags ?? 0;
  if ((flags & SA_RESETHAND) !== 0) process.sighand.set(signal, 'default');
  const before = signals.blocked;
  const during = new Set([...before, ...(action.mask ?? [])]);
  if ((flags & SA_NODEFER) === 0) during.add(signal);
  signals.setBlocked(during);
  if (signals.sigpending) yield* deliverOne(thread);
  const running = action.handler(signal);
  if (running !== undefined) yield* running;
  signals.setBlocked(before);
  return action;
}

interface Taken {
  readonly signal: number;
  readonly action: SigAction;
}

/** get_signal(): skips what is ignored, dies of what is deadly. */
function* nextHandled(thread: Thread): Co<Taken | undefined> {
  const { signals, process } = thread;
  for (;;) {
    if (process.groupExit !== undefined) yield* die(thread, SIGKILL);
    const signal = signals.take();
    if (signal === undefined) return undefined;
    const disposition = process.sighand.get(signal);
    if (typeof disposition !== 'string') return { signal, action: disposition };
    if (!process.sighand.ignores(signal)) yield* die(thread, signal);
  }
}

function* die(thread: Thread, signal: number): Co<never> {
  const { process } = thread;
  yield* exitGroup(thread, process.groupExit ?? { kind: 'killed', signal });
  throw process.gone();
}
