/**
 * Code written as an async function on a task: TypeScript programs and trusted applications.
 *
 * The async side calls `call(co)`: the coroutine runs at once on the body's task, and when it does
 * not block its value comes back without a promise. When it blocks, the coroutine side (`run`)
 * takes it over, so that its waits are waits of the task like any other.
 */
import type { Scheduler } from './scheduler.ts';
import type { Co, Task, Wait } from './task.ts';

interface Pending {
  readonly first: Wait | undefined;
  readonly co: Co<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A body called again before its last call had come back. */
export class OverlappingCall extends Error {
  constructor(task: string) {
    super(`${task} made a call while another one of it was under way: await each call`);
    this.name = 'OverlappingCall';
  }
}

export class Body {
  readonly #sched: Scheduler;
  readonly #onForeign: 'wait' | 'fail';
  #task: Task | undefined;
  #pending: Pending | undefined;
  #wake: (() => void) | undefined;
  #inCall = false;

  /** @param onForeign what to do when the async code awaits a promise that is no call of ours. */
  constructor(sched: Scheduler, onForeign: 'wait' | 'fail') {
    this.#sched = sched;
    this.#onForeign = onForeign;
  }

  /** Runs a coroutine for the async side. Throws what it throws, at once or through the promise. */
  call<T>(co: Co<T>): T | Promise<T> {
    if (this.#inCall) throw new OverlappingCall(this.#task?.name ?? 'a body');
    let first: Wait | undefined;
    if (this.#sched.current !== undefined && this.#sched.current === this.#task) {
      const step = co.next();
      if (step.done === true) return step.value;
      first = step.value;
    }
    this.#inCall = true;
    return new Promise<T>((resolve, reject) => {
      this.#pending = { first, co, resolve: resolve as (value: unknown) => void, reject };
      this.#wake?.();
    });
  }

  /** The task's side: runs `start` and everything it calls to the end. */
  *run<T>(start: () => T | PromiseLike<T>): Co<T> {
    const begun = this.begin(start);
    return isPromiseLike(begun) ? yield* this.settle(begun) : begun;
  }

  /** Runs `start` as far as it goes without waiting: its result, or a promise for `settle`. */
  begin<T>(start: () => T | PromiseLike<T>): T | PromiseLike<T> {
    this.#task = this.#sched.running();
    const begun = start();
    if (this.#pending !== undefined && !isPromiseLike(begun)) {
      throw new OverlappingCall(this.#task.name);
    }
    return begun;
  }

  /** Serves the async side until its promise is settled. */
  *settle<T>(begun: PromiseLike<T>): Co<T> {
    const outcome: { done: boolean; value?: T; error?: unknown; failed?: boolean } = {
      done: false,
    };
    begun.then(
      (value) => {
        outcome.value = value;
        outcome.done = true;
        this.#wake?.();
      },
      (error: unknown) => {
        outcome.error = error;
        outcome.failed = true;
        outcome.done = true;
        this.#wake?.();
      },
    );
    for (;;) {
      const pending = this.#pending;
      if (pending !== undefined) {
        yield* this.#serve(pending);
      } else if (outcome.done) {
        if (outcome.failed === true) throw outcome.error;
        return outcome.value as T;
      } else {
        const settled = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        yield* this.#sched.host(settled, this.#onForeign);
        this.#wake = undefined;
        this.#task = this.#sched.running();
      }
    }
  }

  *#serve(pending: Pending): Co<void> {
    let failed = false;
    let value: unknown;
    try {
      if (pending.first !== undefined) yield pending.first;
      value = yield* pending.co;
    } catch (error) {
      failed = true;
      value = error;
    }
    this.#pending = undefined;
    this.#inCall = false;
    this.#task = this.#sched.running();
    if (failed) pending.reject(value);
    else pending.resolve(value);
  }
}

export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof Reflect.get(value, 'then') === 'function'
  );
}
