/**
 * Reference counts that notice a use after the last put.
 *
 * Upstream counterparts: include/linux/kref.h, refcount.h. The owner asks `put()` whether it was
 * the last and releases the object itself. Left out: saturation at INT_MAX.
 */
import type { Scheduler } from '../../sched/scheduler.ts';

export class Kref {
  readonly #sched: Scheduler;
  readonly #name: string;
  #count = 1;

  /** @param name of the object, as reports show it: `tee_shm 4`. */
  constructor(sched: Scheduler, name: string) {
    this.#sched = sched;
    this.#name = name;
  }

  get count(): number {
    return this.#count;
  }

  /** kref_get(): the caller holds a reference already. */
  get(): void {
    this.touch();
    this.#count += 1;
  }

  /** kref_get_unless_zero(): for who found the object without holding a reference. */
  getUnlessZero(): boolean {
    if (this.#count === 0) return false;
    this.#count += 1;
    return true;
  }

  /** kref_put(): true for the last reference; the object is poisoned from then on. */
  put(): boolean {
    this.touch();
    this.#count -= 1;
    return this.#count === 0;
  }

  /** To be called where an object is used. @throws BoxHalted after the last put. */
  touch(): void {
    if (this.#count === 0) {
      throw this.#sched.halt('use after free', `${this.#name} is used after its last put`);
    }
  }
}
