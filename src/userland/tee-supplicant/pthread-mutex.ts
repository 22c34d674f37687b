/** pthread_mutex_t: a futex that one thread of the program holds. */
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';

export class PthreadMutex {
  readonly #queue: WaitQueue;
  #locked = false;

  /** @param name upstream's, the wait site. */
  constructor(sched: Scheduler, name: string) {
    this.#queue = new WaitQueue(sched, name);
  }

  *lock(sys: Syscalls): Co<void> {
    while (this.#locked) yield* sys.futexWait(this.#queue);
    this.#locked = true;
  }

  unlock(): void {
    this.#locked = false;
    this.#queue.wakeOne();
  }
}
