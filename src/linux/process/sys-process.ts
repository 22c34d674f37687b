/**
 * System calls on processes and signals (kernel/fork.c, fs/exec.c, kernel/signal.c).
 * Left out: process groups (kill() of a pid below 1 finds nobody), exec with several threads.
 */
import {
  EAGAIN,
  EINTR,
  EINVAL,
  ERESTARTSYS,
  ERESTART_RESTARTBLOCK,
  ESRCH,
  ETIMEDOUT,
} from '../../abi/errno.ts';
import { SIGKILL, SIGSTOP, SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK } from '../../abi/fcntl.ts';
import type { Co } from '../../sched/task.ts';
import type { WaitQueue } from '../../sched/wait.ts';
import { endIdle } from './exit.ts';
import { mayKill, sendSignal } from './send-signal.ts';
import { isKernelOnly, isSignal } from './signal.ts';
import type { Disposition } from './signal.ts';
import type { Thread } from './thread.ts';
import type { Process } from './user-process.ts';

/** kill(): signal 0 only checks. */
export function killProcess(thread: Thread, pid: number, signal: number): number {
  if (signal !== 0 && !isSignal(signal)) return -EINVAL;
  const target = thread.process.kernel.processes.find(pid);
  return target === undefined ? -ESRCH : deliverTo(thread, target, signal, undefined);
}

/** tgkill() */
export function killThread(thread: Thread, tgid: number, tid: number, signal: number): number {
  if (tgid <= 0 || tid <= 0 || (signal !== 0 && !isSignal(signal))) return -EINVAL;
  const target = thread.process.kernel.processes.findThread(tid);
  if (target === undefined || target.process.pid !== tgid) return -ESRCH;
  return deliverTo(thread, target.process, signal, target);
}

function deliverTo(
  sender: Thread,
  target: Process,
  signal: number,
  to: Thread | undefined,
): number {
  const refused = target === sender.process ? 0 : mayKill(sender.process.cred, target.cred);
  if (refused === 0 && signal !== 0) sendSignal(target, signal, endIdle, to);
  return refused;
}

/** do_sigaction(): what comes to be ignored is forgotten if it is pending. */
export function setAction(thread: Thread, signal: number, disposition: Disposition): number {
  if (!isSignal(signal) || (isKernelOnly(signal) && disposition !== 'default')) return -EINVAL;
  const { process } = thread;
  process.sighand.set(signal, disposition);
  if (process.sighand.ignores(signal)) {
    process.shared.drop(signal);
    for (const one of process.threads) one.signals.own.drop(signal);
  }
  return 0;
}

type MaskRule = (before: ReadonlySet<number>, given: ReadonlySet<number>) => Set<number>;

const MASK_RULES: ReadonlyMap<number, MaskRule> = new Map<number, MaskRule>([
  [SIG_BLOCK, (before, given) => new Set([...before, ...given])],
  [SIG_UNBLOCK, (before, given) => new Set([...before].filter((signal) => !given.has(signal)))],
  [SIG_SETMASK, (_before, given) => new Set(given)],
]);

/** sigprocmask() */
export function changeMask(thread: Thread, how: number, given: readonly number[]): number {
  const rule = MASK_RULES.get(how);
  if (rule === undefined) return -EINVAL;
  const blocked = rule(thread.signals.blocked, new Set(given));
  blocked.delete(SIGKILL);
  blocked.delete(SIGSTOP);
  thread.signals.setBlocked(blocked);
  return 0;
}

/**
 * execve() for a program whose code goes on as the new image: new memory, no handlers, files
 * without close-on-exec. @returns 0, or -EAGAIN while there are other threads.
 */
export function* execProcess(thread: Thread, name: string): Co<number> {
  const { process } = thread;
  const { kernel, files } = process;
  if (process.threads.size > 1) return -EAGAIN;
  process.mm.destroy();
  process.mm = kernel.newAddressSpace();
  process.mm.mm.owner = process;
  process.name = name;
  process.sighand.flushHandlers();
  thread.taggedAddr = false;
  kernel.keys?.exec(process);
  for (const [fd, file] of files) {
    if (!files.closesOnExec(fd)) continue;
    files.remove(fd);
    kernel.fput.put(file);
  }
  yield* kernel.fput.run();
  return 0;
}

/** hrtimer_nanosleep(); `untilNs` is fixed at the call, so that a restart sleeps the rest. */
export function* sleepUntil(thread: Thread, untilNs: number): Co<number> {
  const { sched } = thread.process.kernel;
  const left = untilNs - sched.nowNs();
  if (left <= 0) return 0;
  const status = yield* sched.sleep(left, 'interruptible', 'nanosleep');
  return status === 'signal' ? -ERESTART_RESTARTBLOCK : 0;
}

/** futex_wait() on a queue of user space; with a timeout a signal ends it for good. */
export function* waitOn(queue: WaitQueue, timeoutNs: number | undefined): Co<number> {
  const status = yield* queue.wait('interruptible', timeoutNs);
  if (status === 'woken') return 0;
  if (status === 'timeout') return -ETIMEDOUT;
  return timeoutNs === undefined ? -ERESTARTSYS : -EINTR;
}
