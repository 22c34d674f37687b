/**
 * Notifications by value (struct optee_notif): a secure thread that cannot go on waits here, in the
 * normal world, until another one sends its value. What is sent to nobody is kept for the next.
 * Upstream counterpart: drivers/tee/optee/notif.c. Interrupts that send values: `async-notif.ts`.
 */
import { EBUSY, EINVAL, ETIMEDOUT } from '../../../abi/errno.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { Co } from '../../../sched/task.ts';
import { Completion } from '../../../sched/wait.ts';
import { refuse } from './cause.ts';
import { jiffiesToNs, msecsToJiffies } from './jiffies.ts';
import type { OpteeSwitches } from './switches.ts';

/** Highest value when the secure world names none. Source: optee_private.h, Linux 6.1. */
export const OPTEE_DEFAULT_MAX_NOTIF_VALUE = 255;

/** Bits of an unsigned long, of which bitmaps are made. */
const BITS_PER_LONG = 64;

/** Guarded by a spin lock upstream: nothing here sleeps but the wait itself. */
export class OpteeNotif {
  readonly maxKey: number;
  readonly #sched: Scheduler;
  readonly #switches: OpteeSwitches;
  /** Who waits, by value: at most one each. */
  readonly #db = new Map<number, Completion>();
  /** Values sent that nobody has waited for yet. */
  readonly #posted = new Set<number>();

  constructor(sched: Scheduler, switches: OpteeSwitches, maxKey: number) {
    this.#sched = sched;
    this.#switches = switches;
    this.maxKey = maxKey;
  }

  /** Values that are being waited for. */
  get waiting(): Iterable<number> {
    return this.#db.keys();
  }

  /**
   * optee_notif_wait(): sleeps uninterruptibly until `key` is sent.
   * @param timeout milliseconds; 0 for none.
   * @returns 0, -EINVAL for a value that is too high, -EBUSY when somebody waits for it already,
   * -ETIMEDOUT.
   */
  *wait(key: number, timeout: number): Co<number> {
    if (key > this.maxKey) return this.#tooHigh(key);
    this.#checkBitmap(key);
    if (this.#posted.delete(key)) return 0;
    if (this.#db.has(key)) return this.#taken(key);
    const c = new Completion(this.#sched, 'optee_notif_wait');
    this.#db.set(key, c);
    const status = yield* c.wait('uninterruptible', this.#timeoutNs(timeout));
    this.#db.delete(key);
    return status === 'timeout' ? -ETIMEDOUT : 0;
  }

  /** optee_notif_send(): wakes who waits for `key`, or keeps it. @returns 0 or -EINVAL. */
  send(key: number): number {
    if (key > this.maxKey) return this.#tooHigh(key);
    const waiter = this.#db.get(key);
    if (waiter !== undefined) {
      waiter.complete();
      return 0;
    }
    this.#checkBitmap(key);
    this.#posted.add(key);
    return 0;
  }

  #timeoutNs(timeout: number): number | undefined {
    const { hz, notifTimeout, quirkNotifTimeoutJiffies } = this.#switches;
    if (timeout === 0 || !notifTimeout) return undefined;
    return jiffiesToNs(quirkNotifTimeoutJiffies ? timeout : msecsToJiffies(timeout, hz), hz);
  }

  #tooHigh(key: number): number {
    return refuse(this.#sched.trace, EINVAL, `notification value ${key} is too high`, {
      requested: key,
      limit: `max_notif_value=${this.maxKey}`,
    });
  }

  #taken(key: number): number {
    const text = `two secure threads wait for notification value ${key}`;
    return refuse(this.#sched.trace, EBUSY, text, { hint: 'a bug of the secure world' });
  }

  #checkBitmap(key: number): void {
    const bits = Math.ceil(this.maxKey / BITS_PER_LONG) * BITS_PER_LONG;
    if (!this.#switches.quirkNotifBitmapShort || key < bits) return;
    this.#sched.trace.cause('linux', {
      layer: 'linux/tee/optee',
      code: 'slab-out-of-bounds',
      text: `bit ${key} of a notification bitmap of ${bits} bits is somebody else's memory`,
      object: 'optee->notif.bitmap',
      requested: key,
      available: bits,
      hint: 'use a highest notification value that is no multiple of 64',
    });
  }
}
