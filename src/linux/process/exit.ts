/**
 * The end of threads and processes (kernel/exit.c): memory, then files, then the parent hears of it.
 * A thread that sleeps uninterruptibly, in an ioctl for instance, keeps both until it comes back.
 */
import { ECHILD, ERESTARTSYS } from '../../abi/errno.ts';
import { SA_NOCLDWAIT, SIGCHLD, SIGKILL } from '../../abi/fcntl.ts';
import type { Co } from '../../sched/task.ts';
import { killThreads, sendSignal } from './send-signal.ts';
import type { Thread } from './thread.ts';
import { formatExit, waitStatus } from './user-process.ts';
import type { ExitStatus, Process } from './user-process.ts';

const EXIT_SUCCESS: ExitStatus = { kind: 'exited', code: 0 };

/** do_group_exit(): the caller's thread ends, and all others as soon as they notice. */
export function* exitGroup(thread: Thread, status: ExitStatus): Co<void> {
  killThreads(thread.process, status, endIdle, thread);
  yield* exitThread(thread, status);
}

/**
 * do_exit() for the running thread. The last one releases what the process had. The leader's
 * `status` is the process's, unless the whole group was told to exit.
 */
export function* exitThread(thread: Thread, status: ExitStatus): Co<void> {
  const { process } = thread;
  const { sched } = process.kernel;
  thread.exiting = true;
  // As in get_signal(): killable waits of the exit itself are not cut short.
  thread.signals.own.drop(SIGKILL);
  thread.signals.recalculate();
  process.threads.delete(thread);
  if (thread.isLeader) process.leaderExit = status;
  if (sched.searching) yield* sched.point();
  if (process.threads.size === 0) yield* releaseProcess(process);
  process.kernel.processes.ended(thread);
}

/** Ends a thread that nobody is calling: it cannot notice by itself that it was killed. */
export function* endIdle(thread: Thread): Co<void> {
  const { process } = thread;
  try {
    yield* exitThread(thread, process.groupExit ?? EXIT_SUCCESS);
  } catch (error) {
    // Nobody waits for this task, so that a driver's bug would go unseen.
    const cause = error instanceof Error ? error : new Error(String(error));
    throw process.kernel.sched.halt('internal error', `exit of ${process.name}`, cause);
  }
}

/** Memory goes first, then files by number; what they release runs in the reverse order. */
function* releaseProcess(process: Process): Co<void> {
  const { fput, keys } = process.kernel;
  process.mm.destroy();
  for (const [fd, file] of process.files) {
    process.files.remove(fd);
    fput.put(file);
  }
  yield* fput.run();
  keys?.exit(process);
  exitNotify(process, process.groupExit ?? process.leaderExit ?? EXIT_SUCCESS);
}

/** exit_notify(): children go to init, the parent may reap. */
function exitNotify(process: Process, status: ExitStatus): void {
  const { trace, processes } = process.kernel;
  process.exitStatus = status;
  for (const child of process.children) {
    child.parent = undefined;
    if (child.exitStatus !== undefined) processes.release(child);
  }
  process.children.clear();
  if (trace.calls) {
    trace.emit('linux', 'process.exit', { pid: process.pid, status: formatExit(status) });
  }
  const { parent } = process;
  const autoreap = parent === undefined || ignoresChildren(parent);
  if (autoreap) processes.release(process);
  if (parent !== undefined) {
    sendSignal(parent, SIGCHLD, endIdle);
    parent.childExited.wakeAll();
  }
  process.exited.completeAll();
  for (const listener of process.exitListeners.splice(0)) listener(status);
}

/** do_notify_parent(): an explicit SIG_IGN, or SA_NOCLDWAIT, leaves no zombies. */
function ignoresChildren(parent: Process): boolean {
  const disposition = parent.sighand.get(SIGCHLD);
  if (typeof disposition === 'string') return disposition === 'ignore';
  return ((disposition.flags ?? 0) & SA_NOCLDWAIT) !== 0;
}

export interface WaitResult {
  readonly pid: number;
  readonly status: number;
}

/**
 * do_wait(): a child that has ended, by pid or any with -1.
 * @returns pid 0 when `noHang` and none has, -ECHILD without such a child, -ERESTARTSYS.
 */
export function* waitChild(parent: Process, pid: number, noHang: boolean): Co<WaitResult | number> {
  for (;;) {
    const children = [...parent.children].filter((child) => pid === -1 || child.pid === pid);
    if (children.length === 0) return -ECHILD;
    for (const child of children) {
      if (child.exitStatus === undefined) continue;
      parent.kernel.processes.release(child);
      return { pid: child.pid, status: waitStatus(child.exitStatus) };
    }
    if (noHang) return { pid: 0, status: 0 };
    const slept = yield* parent.childExited.wait('interruptible');
    if (slept === 'signal') return -ERESTARTSYS;
  }
}
