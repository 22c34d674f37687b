/**
 * Calls in the call queue (struct optee_call_waiter) and the list that they are on, with its links
 * in the elements (struct list_head): every call joins and leaves it.
 */
import type { Scheduler } from '../../../sched/scheduler.ts';
import { Completion } from '../../../sched/wait.ts';

/** One call under way; an object serves one call after the other. */
export class CallWaiter {
  readonly c: Completion;
  sysThread = false;
  /** It waits for somebody else's call to end. */
  asleep = false;
  prev: CallWaiter | undefined = undefined;
  next: CallWaiter | undefined = undefined;

  constructor(sched: Scheduler) {
    this.c = new Completion(sched, 'optee_cq_wait_for_completion');
  }
}

export class CallWaiterList {
  #first: CallWaiter | undefined;
  #last: CallWaiter | undefined;
  #length = 0;

  get first(): CallWaiter | undefined {
    return this.#first;
  }

  get length(): number {
    return this.#length;
  }

  /** list_add_tail() */
  addTail(w: CallWaiter): void {
    w.prev = this.#last;
    w.next = undefined;
    if (this.#last === undefined) this.#first = w;
    else this.#last.next = w;
    this.#last = w;
    this.#length += 1;
  }

  /** list_del() */
  remove(w: CallWaiter): void {
    if (w.prev === undefined) this.#first = w.next;
    else w.prev.next = w.next;
    if (w.next === undefined) this.#last = w.prev;
    else w.next.prev = w.prev;
    this.#length -= 1;
  }
}
