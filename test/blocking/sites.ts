/**
 * Every place where the TEE's code of the normal world sleeps, by the name of its wait site. A test
 * compares this table with the sources and with what the scenarios reach.
 */
import type { WaitMode } from '../../src/sched/task.ts';

export interface Site {
  readonly mode: WaitMode;
  /** Why no scenario reaches it. */
  readonly unreached?: string;
}

const HELD_BRIEFLY = 'its holder neither sleeps nor lets others run';

export const SITES: Readonly<Record<string, Site>> = {
  // linux/tee
  'teedev->mutex': { mode: 'uninterruptible', unreached: HELD_BRIEFLY },
  'teedev->c_no_users': { mode: 'uninterruptible' },
  'tee_client_device.dev.mutex': {
    mode: 'uninterruptible',
    unreached: 'no driver of the TEE bus is bound in a box',
  },
  // linux/tee/optee
  'optee_context_data.mutex': { mode: 'uninterruptible', unreached: HELD_BRIEFLY },
  'optee_call_queue.mutex': { mode: 'uninterruptible', unreached: HELD_BRIEFLY },
  'optee_shm_arg_cache.mutex': { mode: 'uninterruptible' },
  'optee_supp.mutex': { mode: 'uninterruptible' },
  'optee->rpmb_dev_mutex': { mode: 'uninterruptible', unreached: 'a box has no RPMB' },
  optee_cq_wait_for_completion: { mode: 'uninterruptible' },
  optee_supp_thrd_req: { mode: 'killable' },
  optee_supp_recv: { mode: 'interruptible' },
  optee_notif_wait: { mode: 'uninterruptible' },
  msleep_interruptible: { mode: 'interruptible' },
  synchronize_irq: {
    mode: 'uninterruptible',
    unreached: 'the last bottom half has ended when the call that stops them comes back',
  },
  // machine
  'cpu in secure world': { mode: 'uninterruptible' },
};

/** Sites that are not the TEE's: of user space, and of the scenarios themselves. */
export const ELSEWHERE: ReadonlySet<string> = new Set([
  'nanosleep',
  'pthread_join',
  'scenario',
  'join',
]);
