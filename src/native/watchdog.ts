/**
 * Watches TypeScript TAs that never leave the CPU. They cannot be pre-empted: a second thread sees
 * that the same stretch of TA code still runs after the time limit, prints the TA and its stack,
 * kills the native programs and ends the process with exit code 124.
 */
import { Worker } from 'node:worker_threads';
import type { TaEnvironment, TaImage, TaInstance } from '../ta/runtime.ts';
import { HOST } from '../sched/task.ts';
import type { Co, MaybeCo } from '../sched/task.ts';

/** Words of the shared state. */
export const WATCH = {
  entered: 0,
  pidCount: 1,
  pids: 2,
  maxPids: 64,
  uuidAt: 80,
  words: 96,
} as const;

export interface WatchdogData {
  readonly state: SharedArrayBuffer;
  readonly limitMs: number;
}

export class Watchdog {
  readonly #words: Int32Array;
  readonly #uuid: Uint8Array;
  readonly #worker: Worker;
  #sequence = 0;
  /** The TA whose code runs. */
  #current: Uint8Array | undefined;
  /** The TA that awaits, while its callers' stretches end with its own. */
  #awaits: Uint8Array | undefined;

  constructor(limitMs: number) {
    const state = new SharedArrayBuffer(4 * WATCH.words);
    this.#words = new Int32Array(state);
    this.#uuid = new Uint8Array(state, 4 * WATCH.uuidAt, 36);
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./watchdog-worker.${extension}`, import.meta.url), {
      workerData: { state, limitMs } satisfies WatchdogData,
    });
    this.#worker.unref();
  }

  /** Native programs that must not outlive the box. */
  setPids(pids: readonly number[]): void {
    pids.slice(0, WATCH.maxPids).forEach((pid, i) => (this.#words[WATCH.pids + i] = pid));
    Atomics.store(this.#words, WATCH.pidCount, Math.min(pids.length, WATCH.maxPids));
  }

  /** The same TA, each stretch of its code between two leaves being watched. */
  watch(image: TaImage): TaImage {
    const uuid = new TextEncoder().encode(image.head.uuid);
    return {
      head: image.head,
      origin: image.origin,
      instantiate: (environment: TaEnvironment): TaInstance => {
        const instance = image.instantiate(environment);
        return {
          enter: (entry, session, command, params) =>
            this.#entered(uuid, () => instance.enter(entry, session, command, params)),
          destroy: () => instance.destroy(),
        };
      },
    };
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #entered(uuid: Uint8Array, enter: () => MaybeCo<number>): MaybeCo<number> {
    const entered = this.#watched(uuid, enter);
    return typeof entered === 'number' ? entered : this.#steps(uuid, entered);
  }

  *#steps(uuid: Uint8Array, body: Co<number>): Co<number> {
    for (;;) {
      const step = this.#watched(uuid, () => body.next());
      if (step.done === true) return step.value;
      if (step.value === HOST) {
        // Behind an `await` its code runs in microtasks, for which its task waits.
        this.#awaits ??= uuid;
        this.#begin(this.#awaits);
      }
      yield step.value;
    }
  }

  /** Runs a stretch of a TA's code; one that calls another TA goes on when that has left. */
  #watched<T>(uuid: Uint8Array, stretch: () => T): T {
    const caller = this.#awaits === undefined ? this.#current : undefined;
    this.#awaits = undefined;
    this.#begin(uuid);
    try {
      return stretch();
    } finally {
      this.#begin(caller);
    }
  }

  #begin(uuid: Uint8Array | undefined): void {
    this.#current = uuid;
    if (uuid !== undefined) {
      this.#uuid.set(uuid);
      this.#sequence = Math.max(1, (this.#sequence + 1) & 0x7fffffff);
    }
    Atomics.store(this.#words, WATCH.entered, uuid === undefined ? 0 : this.#sequence);
  }
}
