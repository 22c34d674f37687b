/** A request to tee-supplicant (struct optee_supp_req, drivers/tee/optee/supp.c). */
import type { Scheduler } from '../../../sched/scheduler.ts';
import { Completion } from '../../../sched/wait.ts';
import type { TeeParam } from '../tee-drv.ts';

export class SuppRequest {
  id = 0;
  readonly func: number;
  /** The asker's own: the answer goes here. */
  readonly params: readonly TeeParam[];
  /** On the queue: no supplicant has seen it. */
  inQueue = false;
  /** Answered, or failed. */
  processed = false;
  ret = 0;
  /** kfree() was called on it: nobody may touch it any more. */
  freed = false;
  /** The asker sleeps on it. */
  readonly c: Completion;

  constructor(sched: Scheduler, func: number, params: readonly TeeParam[]) {
    this.func = func;
    this.params = params;
    this.c = new Completion(sched, 'optee_supp_thrd_req');
  }

  free(): void {
    this.freed = true;
  }
}
