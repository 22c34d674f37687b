/**
 * Threads (struct task_struct): who makes system calls. A thread's signals are its own pending ones
 * and those of its process; its task is the scheduler's.
 */
import { SIGKILL } from '../../abi/fcntl.ts';
import type { Co, SignalSource, Task, WaitMode } from '../../sched/task.ts';
import type { TaskStruct } from './process.ts';
import { PendingSignals } from './signal.ts';
import type { Process } from './user-process.ts';

/** What a thread has pending, and lets through. */
export class ThreadSignals implements SignalSource {
  /** Sent to this thread only. */
  readonly own = new PendingSignals();
  readonly #process: Process;
  blocked: ReadonlySet<number> = new Set();
  /** TIF_SIGPENDING: something must be looked at before the thread returns to user space. */
  sigpending = false;

  constructor(process: Process) {
    this.#process = process;
  }

  /** As signal_pending_state(): a killable sleep ends by SIGKILL only, which any fatal signal sends. */
  pending(mode: WaitMode): boolean {
    if (!this.sigpending || mode === 'uninterruptible') return false;
    return mode !== 'killable' || this.own.has(SIGKILL);
  }

  /** dequeue_signal(): its own first. */
  take(): number | undefined {
    const signal = this.own.take(this.blocked) ?? this.#process.shared.take(this.blocked);
    this.recalculate();
    return signal;
  }

  /** __set_current_blocked(); SIGKILL and SIGSTOP cannot be blocked and are not in the set. */
  setBlocked(blocked: ReadonlySet<number>): void {
    this.blocked = blocked;
    this.recalculate();
  }

  /** recalc_sigpending() */
  recalculate(): void {
    this.sigpending =
      this.own.anyUnblocked(this.blocked) || this.#process.shared.anyUnblocked(this.blocked);
  }
}

/** Bytes of a buffer that is worth keeping. */
const KEPT_BUFFER = 64 * 1024;

export class Thread implements TaskStruct {
  readonly tid: number;
  readonly process: Process;
  readonly task: Task;
  readonly signals: ThreadSignals;
  /** PF_EXITING: makes no more system calls. */
  exiting = false;
  /** TIF_TAGGED_ADDR: fork() and new threads inherit it, exec clears it. */
  taggedAddr = false;

  #buffer = new Uint8Array(0);

  constructor(process: Process, tid: number, task: Task) {
    this.process = process;
    this.tid = tid;
    this.task = task;
    this.signals = new ThreadSignals(process);
    task.signals = this.signals;
  }

  get isLeader(): boolean {
    return this.tid === this.process.pid;
  }

  /**
   * Memory for what a system call of the thread copies in or out: its content is undefined, and the
   * next call here may overwrite it.
   */
  kernelBuffer(length: number): Uint8Array {
    if (length > KEPT_BUFFER) return new Uint8Array(length);
    if (length > this.#buffer.length) this.#buffer = new Uint8Array(length);
    return this.#buffer.subarray(0, length);
  }

  /** In user space with nothing to do: its callers are outside, and none is calling. */
  get isIdle(): boolean {
    return this.task.isCalled && this.task.co === undefined && !this.exiting;
  }
}

/** A coroutine that ends a thread which is idle. */
export type ThreadEnd = (thread: Thread) => Co<void>;
