/** Work queues (include/linux/workqueue.h): functions that a kernel thread runs later, in order. */
import type { Scheduler } from './scheduler.ts';
import type { Co, Task } from './task.ts';
import { WaitQueue } from './wait.ts';

export class WorkQueue {
  readonly #work: (() => Co<void>)[] = [];
  readonly #queue: WaitQueue;
  readonly #idle: WaitQueue;
  readonly worker: Task;
  #running = false;

  constructor(sched: Scheduler, name: string) {
    this.#queue = new WaitQueue(sched, name);
    this.#idle = new WaitQueue(sched, `${name} flush`);
    this.worker = sched.spawn(name, this.#run(), { daemon: true });
  }

  queue(work: () => Co<void>): void {
    this.#work.push(work);
    this.#queue.wakeOne();
  }

  /** Sleeps until all that was queued has run. */
  *flush(): Co<void> {
    yield* this.#idle.waitUntil(() => this.#work.length === 0 && !this.#running, 'uninterruptible');
  }

  *#run(): Co<void> {
    for (;;) {
      yield* this.#queue.waitUntil(() => this.#work.length > 0, 'uninterruptible');
      const work = this.#work.shift()!;
      this.#running = true;
      yield* work();
      this.#running = false;
      if (this.#work.length === 0) this.#idle.wakeAll();
    }
  }
}
