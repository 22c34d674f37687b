/**
 * The list of queued requests, with the checks of a kernel that debugs its lists
 * (CONFIG_DEBUG_LIST, lib/list_debug.c): a neighbour that was freed while it was on the list is
 * noticed by the next operation that touches its links, and stops the box as BUG() does.
 */
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { SuppRequest } from './supp-req.ts';

export class SuppList {
  readonly #sched: Scheduler;
  readonly #reqs: SuppRequest[] = [];

  constructor(sched: Scheduler) {
    this.#sched = sched;
  }

  /** list_first_entry_or_null() */
  first(): SuppRequest | undefined {
    const req = this.#reqs[0];
    if (req?.freed === true) this.#bug('use after free', 'list_first_entry', req);
    return req;
  }

  /** list_add_tail() */
  addTail(req: SuppRequest): void {
    this.#check('list_add corruption', this.#reqs.at(-1));
    this.#reqs.push(req);
    req.inQueue = true;
  }

  /** list_del() */
  remove(req: SuppRequest): void {
    const at = this.#reqs.indexOf(req);
    if (at > 0) this.#check('list_del corruption', this.#reqs[at - 1]);
    this.#check('list_del corruption', this.#reqs.at(at + 1));
    if (at === 0) this.#reqs.shift();
    else this.#reqs.splice(at, 1);
    req.inQueue = false;
  }

  #check(what: string, neighbour: SuppRequest | undefined): void {
    if (neighbour?.freed === true) this.#bug('kernel BUG', what, neighbour);
  }

  #bug(kind: 'kernel BUG' | 'use after free', what: string, req: SuppRequest): never {
    throw this.#sched.halt(
      kind,
      `${what}: request ${req.id} was answered, and freed, while it was queued (optee_supp.reqs)`,
    );
  }
}
