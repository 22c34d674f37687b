/**
 * Sending signals (__send_signal_locked(), complete_signal(), do_send_sig_info() in
 * kernel/signal.c): who gets it, who is woken, and what a deadly one does to the whole process.
 * Left out: RLIMIT_SIGPENDING, stop and continue.
 */
import { CAP_KILL } from '../../abi/capability.ts';
import { EPERM } from '../../abi/errno.ts';
import { SIGKILL } from '../../abi/fcntl.ts';
import { capable } from './cred.ts';
import type { Cred } from './process.ts';
import { dumpsCore } from './signal.ts';
import type { Thread, ThreadEnd } from './thread.ts';
import type { ExitStatus, Process } from './user-process.ts';

/** kill_ok_by_cred(): 0 or -EPERM. */
export function mayKill(sender: Cred, target: Cred): number {
  const same = sender.euid === target.uid || sender.uid === target.uid;
  return same || capable(sender, CAP_KILL) ? 0 : -EPERM;
}

/**
 * Sends a signal to a process, or to one thread of it.
 * @param end what ends an idle thread: there is nobody to notice the signal.
 */
export function sendSignal(process: Process, signal: number, end: ThreadEnd, to?: Thread): void {
  const { trace } = process.kernel;
  if (process.exitStatus !== undefined) return;
  if (trace.calls) trace.emit('linux', 'signal.send', { pid: process.pid, signal });
  if (isIgnored(process, signal, to)) return;
  const queue = to === undefined ? process.shared : to.signals.own;
  if (queue.add(signal)) complete(process, signal, end, to);
}

/** sig_ignored(): a blocked signal is kept, for its disposition may change before it is let in. */
function isIgnored(process: Process, signal: number, to: Thread | undefined): boolean {
  const thread = to ?? leaderOf(process);
  if (thread?.signals.blocked.has(signal) === true) return false;
  return signal !== SIGKILL && process.sighand.ignores(signal);
}

/** complete_signal(): finds a thread that wants it. */
function complete(process: Process, signal: number, end: ThreadEnd, to: Thread | undefined): void {
  const target = chooseThread(process, signal, to);
  if (target === undefined) return;
  if (!isDeadly(process, signal)) {
    wake(target);
    return;
  }
  // One that dumps core ends the others only when its thread acts on it, unless none ever would.
  if (!dumpsCore(signal) || target.isIdle) killThreads(process, { kind: 'killed', signal }, end);
  else wake(target);
}

const isDeadly = (process: Process, signal: number): boolean =>
  signal === SIGKILL || process.sighand.get(signal) === 'default';

function chooseThread(
  process: Process,
  signal: number,
  to: Thread | undefined,
): Thread | undefined {
  if (to !== undefined) return wants(to, signal) ? to : undefined;
  const leader = leaderOf(process);
  if (leader !== undefined && wants(leader, signal)) return leader;
  return [...process.threads].find((thread) => wants(thread, signal));
}

/** wants_signal(): one that has a signal already will look at all of them anyway. */
function wants(thread: Thread, signal: number): boolean {
  const { blocked, sigpending } = thread.signals;
  if (blocked.has(signal) || thread.exiting) return false;
  return signal === SIGKILL || !sigpending;
}

const leaderOf = (process: Process): Thread | undefined =>
  [...process.threads].find((thread) => thread.isLeader);

/** signal_wake_up() */
function wake(thread: Thread): void {
  thread.signals.sigpending = true;
  thread.process.kernel.sched.interrupt(thread.task);
}

/** zap_other_threads(): every thread but `except` is to die; the first status given counts. */
export function killThreads(
  process: Process,
  status: ExitStatus,
  end: ThreadEnd,
  except?: Thread,
): void {
  process.groupExit ??= status;
  for (const thread of process.threads) {
    if (thread === except || thread.exiting) continue;
    const { isIdle } = thread;
    thread.signals.own.add(SIGKILL);
    wake(thread);
    if (isIdle) process.kernel.sched.start(thread.task, end(thread));
  }
}
