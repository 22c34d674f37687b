/**
 * Mutexes and condition variables of the secure world. Nobody sleeps here: who must wait leaves for
 * the normal world with RPC NOTIFICATION WAIT on the value of its thread, and who lets go wakes the
 * next with NOTIFICATION SEND. Condition variables wait in their mutex's queue.
 *
 * Upstream counterparts: optee_os core/kernel/mutex.c and core/kernel/wait_queue.c. Left out: recursive
 * locks, which nothing here takes; waiting for a condition under a read lock; lockdep.
 */
import type { Scheduler } from '../../sched/scheduler.ts';
import type { Co } from '../../sched/task.ts';
import type { Notif } from './notif.ts';
import type { ThreadCtx } from './thread.ts';

/** struct wait_queue_elem */
interface WaitQueueElem {
  readonly thread: ThreadCtx;
  readonly waitRead: boolean;
  done: boolean;
  /** Set while it waits for a condition, not yet for the lock. */
  cv: Condvar | undefined;
}

export class SecureMutex {
  readonly name: string;
  readonly #sched: Scheduler;
  readonly #notif: Notif;
  readonly #queue: WaitQueueElem[] = [];
  #owner: ThreadCtx | undefined;
  /** Threads that hold it for reading. */
  #readers = 0;

  constructor(sched: Scheduler, notif: Notif, name: string) {
    this.#sched = sched;
    this.#notif = notif;
    this.name = name;
  }

  /**
   * True when a critical section that does not leave may skip the lock: nobody holds it, waits for
   * it or for a condition of it, and no policy wants a choice.
   */
  get idle(): boolean {
    return this.#isFree && this.#queue.length === 0 && !this.#sched.searching;
  }

  get waiters(): number {
    return this.#queue.length;
  }

  *lock(thread: ThreadCtx): Co<void> {
    if (this.#sched.searching) yield* this.#sched.point();
    while (!this.#isFree) {
      const elem: WaitQueueElem = { thread, waitRead: false, done: false, cv: undefined };
      this.#queue.push(elem);
      yield* this.#sleep(elem);
    }
    this.#owner = thread;
  }

  *unlock(thread: ThreadCtx): Co<void> {
    this.#release(thread);
    if (this.#queue.length > 0) yield* this.#wakeNext(thread);
    if (this.#sched.searching) yield* this.#sched.point();
  }

  /** mutex_read_lock(): with other readers, but with no writer. */
  *readLock(thread: ThreadCtx): Co<void> {
    if (this.#sched.searching) yield* this.#sched.point();
    while (this.#owner !== undefined) {
      const elem: WaitQueueElem = { thread, waitRead: true, done: false, cv: undefined };
      this.#queue.push(elem);
      yield* this.#sleep(elem);
    }
    this.#readers += 1;
  }

  /** mutex_read_unlock() */
  *readUnlock(thread: ThreadCtx): Co<void> {
    if (this.#readers === 0) throw new Error(`nobody reads under ${this.name}`);
    this.#readers -= 1;
    if (this.#readers === 0 && this.#queue.length > 0) yield* this.#wakeNext(thread);
    if (this.#sched.searching) yield* this.#sched.point();
  }

  /** condvar_wait(): lets go, waits for a signal, takes the lock again. */
  *waitFor(thread: ThreadCtx, cv: Condvar): Co<void> {
    const elem: WaitQueueElem = { thread, waitRead: false, done: false, cv };
    this.#queue.push(elem);
    this.#release(thread);
    yield* this.#wakeNext(thread);
    yield* this.#sleep(elem);
    yield* this.lock(thread);
  }

  /** wq_promote_condvar(): waiters for the condition become waiters for the lock. */
  promote(cv: Condvar, onlyOne: boolean): void {
    for (const elem of this.#queue) {
      if (elem.cv !== cv) continue;
      elem.cv = undefined;
      if (onlyOne) return;
    }
  }

  *#sleep(elem: WaitQueueElem): Co<void> {
    yield* this.#notif.waitFor(elem.thread);
    this.#queue.splice(this.#queue.indexOf(elem), 1);
  }

  /** wq_wake_next(): the first that waits for the lock and was not woken yet; readers all at once. */
  *#wakeNext(thread: ThreadCtx): Co<void> {
    const isAsleep = (elem: WaitQueueElem): boolean => elem.cv === undefined && !elem.done;
    const isReader = (elem: WaitQueueElem): boolean => elem.waitRead && isAsleep(elem);
    let next = this.#queue.find(isAsleep);
    while (next !== undefined) {
      next.done = true;
      yield* this.#notif.wake(thread, next.thread);
      next = next.waitRead ? this.#queue.find(isReader) : undefined;
    }
  }

  get #isFree(): boolean {
    return this.#owner === undefined && this.#readers === 0;
  }

  #release(thread: ThreadCtx): void {
    if (this.#owner !== thread) {
      throw new Error(`thread ${thread.threadId} unlocks ${this.name} it does not hold`);
    }
    this.#owner = undefined;
  }
}

/** A condition under one mutex, which must be held for each call. */
export class Condvar {
  readonly #mutex: SecureMutex;

  constructor(mutex: SecureMutex) {
    this.#mutex = mutex;
  }

  /** condvar_wait() */
  wait(thread: ThreadCtx): Co<void> {
    return this.#mutex.waitFor(thread, this);
  }

  /** condvar_signal() */
  signal(): void {
    this.#mutex.promote(this, true);
  }

  /** condvar_broadcast() */
  broadcast(): void {
    this.#mutex.promote(this, false);
  }
}
