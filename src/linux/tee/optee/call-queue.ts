/**
 * The queue of calls into the secure world (struct optee_call_queue): who waits for one of its
 * threads, and which of them are kept for system sessions.
 * Upstream counterpart: drivers/tee/optee/call.c, optee_cq_*().
 */
import { Mutex } from '../../../sched/mutex.ts';
import type { LockClass } from '../../../sched/mutex.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { Co } from '../../../sched/task.ts';
import { CallWaiterList } from './call-waiter.ts';
import type { CallWaiter } from './call-waiter.ts';
import type { OpteeSwitches } from './switches.ts';

export const CALL_QUEUE_MUTEX: LockClass = { name: 'optee_call_queue.mutex', order: 400 };

/** Numbers of secure threads, for reports. */
export interface ThreadUse {
  /** 0: not known. */
  readonly total: number;
  readonly free: number;
  /** System sessions; any of them keeps one thread from ordinary callers. */
  readonly systemSessions: number;
}

export class CallQueue {
  /** Guards everything below. */
  readonly mutex: Mutex;
  readonly #sched: Scheduler;
  readonly #wakesRunning: boolean;
  /** Everybody with a call under way, whoever waits longest first. */
  readonly #waiters = new CallWaiterList();
  readonly #total: number;
  #free: number;
  #sysThreadRequests = 0;

  /** @param threadCount threads of the secure world; 0 when only it knows. */
  constructor(sched: Scheduler, switches: OpteeSwitches, threadCount: number) {
    this.mutex = new Mutex(sched, CALL_QUEUE_MUTEX);
    this.#sched = sched;
    this.#wakesRunning = switches.quirkWakesRunningCall;
    this.#total = threadCount;
    this.#free = threadCount;
  }

  get threads(): ThreadUse {
    return { total: this.#total, free: this.#free, systemSessions: this.#sysThreadRequests };
  }

  /** Calls under way. */
  get length(): number {
    return this.#waiters.length;
  }

  /** optee_cq_wait_init() where nothing need be waited for; false: nothing was done. */
  tryWaitInit(w: CallWaiter, sysThread: boolean): boolean {
    if (!this.#hasThread(sysThread) || !this.mutex.tryLock()) return false;
    this.#enqueueLocked(w, sysThread);
    this.#takeThreadLocked(sysThread);
    this.mutex.unlock();
    return true;
  }

  /**
   * optee_cq_wait_init(): joins the queue, so that no completion is lost from now on, and takes a
   * thread when their number is known. Sleeps uninterruptibly until there is one.
   */
  *waitInit(w: CallWaiter, sysThread: boolean): Co<void> {
    yield* this.mutex.lock();
    this.#enqueueLocked(w, sysThread);
    let taken = this.#takeThreadLocked(sysThread);
    this.mutex.unlock();
    while (!taken) {
      yield* this.waitForCompletion(w);
      yield* this.mutex.lock();
      taken = this.#takeThreadLocked(sysThread);
      this.mutex.unlock();
    }
  }

  /** optee_cq_wait_for_completion(): sleeps until another call has ended, then goes to the end. */
  *waitForCompletion(w: CallWaiter): Co<void> {
    w.asleep = true;
    yield* w.c.wait('uninterruptible');
    w.asleep = false;
    yield* this.mutex.lock();
    this.#waiters.remove(w);
    w.c.reinit();
    this.#waiters.addTail(w);
    this.mutex.unlock();
  }

  /** optee_cq_wait_final() when the queue is free; false: nothing was done. */
  tryWaitFinal(w: CallWaiter): boolean {
    if (!this.mutex.tryLock()) return false;
    this.#finalLocked(w);
    this.mutex.unlock();
    return true;
  }

  /** optee_cq_wait_final(): the call has ended, its thread is somebody else's. */
  *waitFinal(w: CallWaiter): Co<void> {
    yield* this.mutex.lock();
    this.#finalLocked(w);
    this.mutex.unlock();
    if (this.#sched.searching) yield* this.#sched.point();
  }

  /** optee_cq_incr_sys_thread_count(), which sleeps nowhere: false when no thread can be spared. */
  incrSysThreadCount(): boolean {
    if (this.#total <= 1) return false;
    this.#sysThreadRequests += 1;
    return true;
  }

  /** optee_cq_decr_sys_thread_count() */
  *decrSysThreadCount(): Co<void> {
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    this.#sysThreadRequests -= 1;
    this.#completeOneLocked();
    this.mutex.unlock();
  }

  #hasThread(sysThread: boolean): boolean {
    const reserved = sysThread || this.#sysThreadRequests === 0 ? 0 : 1;
    return this.#total === 0 || this.#free > reserved;
  }

  #enqueueLocked(w: CallWaiter, sysThread: boolean): void {
    w.sysThread = sysThread;
    w.c.reinit();
    this.#waiters.addTail(w);
  }

  #takeThreadLocked(sysThread: boolean): boolean {
    if (!this.#hasThread(sysThread)) return false;
    this.#count(-1);
    return true;
  }

  #finalLocked(w: CallWaiter): void {
    this.#waiters.remove(w);
    this.#count(1);
    if (this.#waiters.length === 0) return;
    this.#completeOneLocked();
    // The completion that this call never consumed stands for one more thread.
    if (w.c.isDone) this.#completeOneLocked();
  }

  /** optee_cq_complete_one(): system sessions first. */
  #completeOneLocked(): void {
    if (!this.#complete(true)) this.#complete(false);
  }

  /**
   * Completes the first call that has no completion yet; false when there is none. Without the
   * quirk it goes on until one of them was asleep: those on the way may be about to sleep, and pass
   * their completion on if they are not.
   */
  #complete(sysOnly: boolean): boolean {
    for (let w = this.#waiters.first; w !== undefined; w = w.next) {
      if (w.c.isDone || (sysOnly && !w.sysThread)) continue;
      const { asleep } = w;
      w.c.complete();
      if (asleep || this.#wakesRunning) return true;
    }
    return false;
  }

  #count(delta: number): void {
    if (this.#total === 0) return;
    this.#free += delta;
    const { trace } = this.#sched;
    if (!trace.pools) return;
    const used = this.#total - this.#free;
    trace.pool('linux', {
      name: 'optee threads',
      used,
      limit: this.#total,
      unit: 'threads',
    });
  }
}
