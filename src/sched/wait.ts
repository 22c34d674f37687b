/**
 * Wait queues and completions (include/linux/wait.h, completion.h): the two shapes in which kernel
 * code sleeps. Every queue is created with the name of its wait site.
 */
import type { Scheduler } from './scheduler.ts';
import { PARK } from './task.ts';
import type { Co, Owned, Task, WaitMode, WaitStatus } from './task.ts';

export class WaitQueue {
  readonly site: string;
  readonly #sched: Scheduler;
  /** Who waits longest comes first. */
  readonly #waiters: Task[] = [];

  constructor(sched: Scheduler, site: string) {
    this.#sched = sched;
    this.site = site;
  }

  get length(): number {
    return this.#waiters.length;
  }

  /** Sleeps once; the caller checks its condition and comes back if it must. */
  *wait(mode: WaitMode, timeoutNs?: number, lock?: Owned): Co<WaitStatus> {
    const task = this.#sched.running();
    if (timeoutNs === undefined) {
      if (!this.enter(task, mode, lock)) return 'signal';
      yield PARK;
    } else {
      this.#waiters.push(task);
      yield* this.#sched.park(this.site, mode, timeoutNs, lock);
    }
    return this.leave(task);
  }

  /** prepare_to_wait(), before a coroutine yields PARK; false when a signal is pending. */
  enter(task: Task, mode: WaitMode, lock?: Owned): boolean {
    if (!this.#sched.lieDown(task, this.site, mode, lock)) return false;
    this.#waiters.push(task);
    return true;
  }

  /** finish_wait(), behind the PARK: how the sleep ended. */
  leave(task: Task): WaitStatus {
    // Whoever wakes a task has taken it out, but for one that timers and signals were faster to wake.
    if (task.wakeStatus !== 'woken') {
      const at = this.#waiters.indexOf(task);
      if (at >= 0) this.#waiters.splice(at, 1);
    }
    return task.wakeStatus;
  }

  /** Sleeps until `condition` holds; it is looked at before and after each sleep. */
  *waitUntil(condition: () => boolean, mode: WaitMode, timeoutNs?: number): Co<WaitStatus> {
    const deadlineNs = timeoutNs === undefined ? undefined : this.#sched.nowNs() + timeoutNs;
    while (!condition()) {
      const left = deadlineNs === undefined ? undefined : deadlineNs - this.#sched.nowNs();
      if (left !== undefined && left <= 0) return 'timeout';
      const status = yield* this.wait(mode, left);
      if (status !== 'woken') return condition() ? 'woken' : status;
    }
    return 'woken';
  }

  /** Wakes the one that waits longest; says whether there was one. */
  wakeOne(): boolean {
    for (let task = this.#waiters.shift(); task !== undefined; task = this.#waiters.shift()) {
      if (this.#sched.wake(task)) return true;
    }
    return false;
  }

  wakeAll(): void {
    while (this.wakeOne());
  }
}

/** A count of events that waiters consume one by one; `completeAll` opens it for good. */
export class Completion {
  readonly #sched: Scheduler;
  readonly #queue: WaitQueue;
  #done = 0;

  constructor(sched: Scheduler, site: string) {
    this.#sched = sched;
    this.#queue = new WaitQueue(sched, site);
  }

  get isDone(): boolean {
    return this.#done > 0;
  }

  complete(): void {
    this.#done += 1;
    this.#queue.wakeOne();
  }

  completeAll(): void {
    this.#done = Infinity;
    this.#queue.wakeAll();
  }

  /** Forgets what was completed, as reinit_completion() does. */
  reinit(): void {
    this.#done = 0;
  }

  /** As try_wait_for_completion(): consumes one without sleeping. */
  tryWait(): boolean {
    if (this.#done === 0) return false;
    this.#done -= 1;
    return true;
  }

  *wait(mode: WaitMode, timeoutNs?: number): Co<WaitStatus> {
    if (timeoutNs !== undefined) {
      const status = yield* this.#queue.waitUntil(() => this.#done > 0, mode, timeoutNs);
      if (status === 'woken') this.#done -= 1;
      return status;
    }
    // waitUntil() without a time limit, in this coroutine: whoever calls the secure world sleeps often.
    while (this.#done === 0) {
      const task = this.#sched.running();
      if (!this.#queue.enter(task, mode)) return 'signal';
      yield PARK;
      const status = this.#queue.leave(task);
      if (status !== 'woken' && this.#done === 0) return status;
    }
    this.#done -= 1;
    return 'woken';
  }
}
