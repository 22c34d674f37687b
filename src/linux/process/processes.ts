/**
 * The processes of one kernel (kernel/fork.c, pid.c): who there is, by number, and how they come
 * into being.
 */
import { EAGAIN, ENOMEM } from '../../abi/errno.ts';
import type { Task } from '../../sched/task.ts';
import { Idr } from '../lib/idr.ts';
import { makeCred } from './cred.ts';
import { endIdle } from './exit.ts';
import { Fds } from './fd-table.ts';
import type { File } from './file.ts';
import type { Kernel } from './kernel.ts';
import { sendSignal } from './send-signal.ts';
import { Rlimits } from './rlimit.ts';
import { isSignal } from './signal.ts';
import { Thread } from './thread.ts';
import { Process } from './user-process.ts';
import type { ProcessOptions, ProcessParts } from './user-process.ts';

/** An fd of a process, for leak reports. */
export interface OpenFile {
  readonly pid: number;
  readonly name: string;
  readonly fd: number;
  readonly file: File;
}

/** Pids count from here (1 is init's, who adopts) to PID_MAX_DEFAULT. */
const FIRST_PID = 2;
const PID_MAX = 0x8000;
export class ProcessTable {
  readonly #kernel: Kernel;
  /** Threads by tid; a process's leader stays until the process was waited for. */
  readonly #threads = new Idr<Thread | undefined>();

  #endedTasks: Task[] = [];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Processes that have not exited, by pid. */
  get alive(): readonly Process[] {
    return this.#processes().filter((process) => process.exitStatus === undefined);
  }

  /** Those that have exited and wait for their parents' wait4(). */
  get zombies(): readonly Process[] {
    return this.#processes().filter((process) => process.exitStatus !== undefined);
  }

  find(pid: number): Process | undefined {
    const thread = this.#threads.get(pid);
    return thread?.isLeader === true ? thread.process : undefined;
  }

  findThread(tid: number): Thread | undefined {
    return this.#threads.get(tid);
  }

  /**
   * A process that nobody forked, as if started by init; its leader runs what callers bring
   * (`called`) or what the scheduler's `start` gives it.
   * @throws when pids or memory have run out, or the working directory is none.
   */
  spawn(options: ProcessOptions, called: boolean): Thread {
    const { vfs } = this.#kernel;
    const cred = makeCred(options);
    const cwd = vfs.walk(vfs.root, options.cwd ?? '/', cred);
    if (typeof cwd === 'number') throw new Error(`${options.name}: no directory ${options.cwd}`);
    const rlimits = Rlimits.of(options);
    const files = new Fds(this.#kernel.trace, rlimits.nofile);
    const mm = this.#kernel.newAddressSpace();
    const parts = { name: options.name, cred, mm, files, rlimits, cwd, parent: undefined };
    const leader = this.#register(parts, options.daemon ?? false, called);
    if (typeof leader === 'number') throw new Error(`${options.name}: no pid is left`);
    return leader;
  }

  /**
   * copy_process(): a child with a copy of memory and files, and the parent's rights and handlers.
   * @returns its leader, not started, or -EAGAIN, -ENOMEM.
   */
  fork(parent: Thread): Thread | number {
    const { process } = parent;
    const mm = process.mm.fork();
    if (mm === undefined) return -ENOMEM;
    const { name, cred, cwd } = process;
    const rlimits = process.rlimits.copy();
    const files = new Fds(this.#kernel.trace, rlimits.nofile);
    files.copyFrom(process.files);
    const parts = { name, cred, mm, files, rlimits, cwd, parent: process };
    const leader = this.#register(parts, parent.task.daemon, false);
    if (typeof leader === 'number') {
      mm.destroy();
      for (const [, file] of files) file.drop();
      return leader;
    }
    const child = leader.process;
    child.umask = process.umask;
    child.sighand.copyFrom(process.sighand);
    leader.signals.blocked = parent.signals.blocked;
    leader.taggedAddr = parent.taggedAddr;
    process.children.add(child);
    this.#kernel.keys?.fork(process, child);
    return leader;
  }

  /** One more thread of a process, not started; -EAGAIN when no tid is left. */
  addThread(process: Process, name: string, creator: Thread): Thread | number {
    const task = this.#kernel.sched.createTask(name, { daemon: creator.task.daemon });
    const thread = this.#addThread((tid) => new Thread(process, tid, task));
    if (typeof thread === 'number') {
      this.#kernel.sched.retire(task);
      return thread;
    }
    thread.signals.blocked = creator.signals.blocked;
    thread.taggedAddr = creator.taggedAddr;
    return thread;
  }

  /** Sends a signal from outside, as root would; unknown pids are ignored. @throws for no signal. */
  kill(pid: number, signal: number): void {
    if (!isSignal(signal)) throw new RangeError(`${signal} is no signal`);
    const process = this.find(pid);
    if (process !== undefined) sendSignal(process, signal, endIdle);
  }

  /** release_task(): a zombie was waited for, or nobody will. */
  release(process: Process): void {
    process.parent?.children.delete(process);
    this.#threads.remove(process.pid);
  }

  /** A thread has exited. Its task, if callers outside had one, goes when nothing runs on it. */
  ended(thread: Thread): void {
    if (!thread.isLeader) this.#threads.remove(thread.tid);
    if (thread.task.isCalled) this.#endedTasks.push(thread.task);
  }

  openFiles(): readonly OpenFile[] {
    return this.alive.flatMap(({ pid, name, files }) =>
      [...files].map(([fd, file]) => ({ pid, name, fd, file })),
    );
  }

  #processes(): readonly Process[] {
    return [...this.#threads].flatMap(([, thread]) =>
      thread?.isLeader === true ? [thread.process] : [],
    );
  }

  #register(
    parts: Omit<ProcessParts, 'kernel' | 'pid'>,
    daemon: boolean,
    called: boolean,
  ): Thread | number {
    const kernel = this.#kernel;
    this.#retireEnded();
    const task = kernel.sched.createTask(parts.name, { daemon, called });
    const leader = this.#addThread((tid) => {
      const process = new Process({ ...parts, kernel, pid: tid });
      return new Thread(process, tid, task);
    });
    if (typeof leader === 'number') {
      kernel.sched.retire(task);
      return leader;
    }
    const { pid, name, cred } = leader.process;
    if (kernel.trace.calls)
      kernel.trace.emit('linux', 'process.start', { pid, name, uid: cred.uid });
    return leader;
  }

  #retireEnded(): void {
    const { sched } = this.#kernel;
    for (const task of this.#endedTasks) if (task.co === undefined) sched.retire(task);
    this.#endedTasks = this.#endedTasks.filter((task) => task.co !== undefined);
  }

  /** alloc_pid() */
  #addThread(make: (tid: number) => Thread): Thread | number {
    const tid = this.#threads.allocCyclic(undefined, FIRST_PID, PID_MAX);
    if (tid < 0) return -EAGAIN;
    const thread = make(tid);
    this.#threads.replace(tid, thread);
    thread.process.threads.add(thread);
    return thread;
  }
}
