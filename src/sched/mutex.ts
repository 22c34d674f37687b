/**
 * Sleeping locks of the normal world, with lock classes: each class has an order, a task must take
 * classes in ascending order, and whoever waits knows the holder, so that a cycle is reported with
 * the tasks' names (Documentation/locking/lockdep-design.rst in spirit).
 */
import type { Scheduler } from './scheduler.ts';
import type { Co, Task } from './task.ts';
import { WaitQueue } from './wait.ts';

/** A kind of lock. Two locks of one class are never held together. */
export interface LockClass {
  readonly name: string;
  readonly order: number;
}

/** A task took locks against their order: two tasks could wait for each other. */
export class LockOrderError extends Error {
  constructor(task: string, held: string, wanted: string) {
    super(`${task} holds ${held} and wants ${wanted}, which comes before it in the lock order`);
    this.name = 'LockOrderError';
  }
}

export class Mutex {
  readonly lockClass: LockClass;
  readonly #sched: Scheduler;
  readonly #queue: WaitQueue;
  #owner: Task | undefined;

  constructor(sched: Scheduler, lockClass: LockClass) {
    this.#sched = sched;
    this.lockClass = lockClass;
    this.#queue = new WaitQueue(sched, lockClass.name);
  }

  get owner(): Task | undefined {
    return this.#owner;
  }

  /** Takes the lock if that needs neither a sleep nor a choice of the policy. */
  tryLock(): boolean {
    if (this.#owner !== undefined || this.#sched.searching) return false;
    this.#take();
    return true;
  }

  /** Sleeps uninterruptibly until the lock is free. */
  *lock(): Co<void> {
    if (this.#sched.searching) yield* this.#sched.point();
    while (this.#owner !== undefined) {
      yield* this.#queue.wait('uninterruptible', undefined, this);
    }
    this.#take();
  }

  /** The same until a signal comes, which is false. */
  *lockInterruptible(): Co<boolean> {
    if (this.#sched.searching) yield* this.#sched.point();
    while (this.#owner !== undefined) {
      const status = yield* this.#queue.wait('interruptible', undefined, this);
      if (status === 'signal') return false;
    }
    this.#take();
    return true;
  }

  unlock(): void {
    const task = this.#sched.running();
    if (this.#owner !== task)
      throw new Error(`${task.name} unlocks ${this.lockClass.name} it does not hold`);
    const { held } = task;
    if (held.at(-1) === this.lockClass) held.pop();
    else held.splice(held.lastIndexOf(this.lockClass), 1);
    this.#owner = undefined;
    if (this.#queue.length > 0) this.#queue.wakeOne();
  }

  /** Runs `fn` under the lock; for bodies that do not block. */
  *with<T>(fn: () => T): Co<T> {
    if (!this.tryLock()) yield* this.lock();
    try {
      return fn();
    } finally {
      this.unlock();
      if (this.#sched.searching) yield* this.#sched.point();
    }
  }

  /** Runs a coroutine under the lock. */
  *during<T>(body: () => Co<T>): Co<T> {
    if (!this.tryLock()) yield* this.lock();
    try {
      return yield* body();
    } finally {
      this.unlock();
      if (this.#sched.searching) yield* this.#sched.point();
    }
  }

  #take(): void {
    const task = this.#sched.running();
    const last = task.held.at(-1);
    if (last !== undefined && last.order >= this.lockClass.order) {
      const error = new LockOrderError(task.name, last.name, this.lockClass.name);
      throw this.#sched.halt('deadlock', error.message, error);
    }
    task.held.push(this.lockClass);
    this.#owner = task;
  }
}
