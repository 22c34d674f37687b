/**
 * Tasks and the coroutines they run.
 *
 * Code that can block is written as a generator (`*lock(): Co<void>`, called with `yield*`). A
 * generator runs synchronously until it blocks, costs tens of nanoseconds a layer, keeps whole
 * stack traces, and is stepped without any promise: a search can run a box from boot to end in one
 * synchronous loop. What it yields tells the scheduler why it stopped.
 */

/** The task waits; whoever it waits for makes it ready again. */
export const PARK = 0;
/** A preemption point: the task could go on, the policy decides whether it does. */
export const POINT = 1;
/** The task waits for a promise of the outside or of an async body (`Task.hostWait`). */
export const HOST = 2;

export type Wait = typeof PARK | typeof POINT | typeof HOST;

/** A coroutine that ends with a T. */
export type Co<T> = Generator<Wait, T, void>;

/**
 * What a call gives that seldom has to wait: its value, or the coroutine that will end with it. The
 * caller goes on with `typeof r === 'number' ? r : yield* r`, and a layer that has no need to wait
 * costs a plain call. Unlike a coroutine's, the call's work begins at once.
 */
export type MaybeCo<T> = T | Co<T>;

/** The end of such a call as a coroutine, where a plain call would gain nothing. */
export function* endOf(call: MaybeCo<number>): Co<number> {
  return typeof call === 'number' ? call : yield* call;
}

/**
 * What may end a sleep early, in the kernel's terms (include/linux/sched.h, wait.h):
 * nothing; a fatal signal; any signal. Freezable waits are interruptible ones that a suspend freezes.
 */
export type WaitMode = 'uninterruptible' | 'killable' | 'interruptible' | 'freezable';

/** How a sleep ended. */
export type WaitStatus = 'woken' | 'signal' | 'timeout';

/** Whoever owns a task's signals tells whether a sleep of a kind must end. */
export interface SignalSource {
  pending(mode: WaitMode): boolean;
}

export type TaskState = 'ready' | 'running' | 'parked' | 'host' | 'done';

/** What at most one task has at a time. */
export interface Owned {
  readonly owner: Task | undefined;
}

/** What the scheduler knows of a blocked task: where, how, since when, and on what. */
export interface BlockedOn {
  /** The wait site's name, such as `optee_cq_wait`. */
  readonly site: string;
  readonly mode: WaitMode;
  readonly sinceNs: number;
  /** The lock that this one waits for; who owns it changes meanwhile. */
  readonly lock: Owned | undefined;
}

export interface TaskOptions {
  /** A daemon (kernel thread, supplicant) does not keep a run from ending. */
  readonly daemon?: boolean;
  /** The task has no body of its own: it runs what `Scheduler.call` brings. */
  readonly called?: boolean;
}

export class Task {
  readonly id: number;
  readonly name: string;
  readonly daemon: boolean;
  state: TaskState = 'ready';
  cpu = 0;
  /** The call that this task works for: ties events of both worlds together. */
  flow = 0;
  signals: SignalSource | undefined;
  blocked: BlockedOn | undefined;
  wakeStatus: WaitStatus = 'woken';
  /** What a HOST wait waits for. */
  hostWait: PromiseLike<void> | undefined;
  /** What happens when a HOST wait turns out to be for something unknown. */
  onForeign: 'wait' | 'fail' = 'wait';
  /** Locks held, innermost last: for order checks. */
  readonly held: { readonly name: string; readonly order: number }[] = [];
  /** A number that a policy may keep here (priority). */
  priority = 0;

  co: Co<unknown> | undefined;
  result: unknown;
  error: unknown;
  failed = false;
  /** Tells who called from outside, and was given a promise, that the call has ended. */
  settle: (() => void) | undefined;
  /** True for a task that only runs what `Scheduler.call` gives it, one call after the other. */
  readonly isCalled: boolean;
  readonly #done: (() => void)[] = [];

  constructor(id: number, name: string, options: TaskOptions) {
    this.id = id;
    this.name = name;
    this.daemon = options.daemon ?? false;
    this.isCalled = options.called ?? false;
  }

  /** Calls `fn` when the task has ended; at once if it has. */
  whenDone(fn: () => void): void {
    if (this.state === 'done') fn();
    else this.#done.push(fn);
  }

  finish(): void {
    this.state = 'done';
    this.co = undefined;
    for (const fn of this.#done.splice(0)) fn();
  }
}
