/**
 * What a run adds up from its events: calls with their latencies, and how full each pool has been.
 * It listens to the trace, so it knows what the trace's level lets through.
 */
import { TEE_IOCTLS } from '../abi/tee.ts';
import { codeName } from '../abi/layout.ts';
import type { Cause, EventArgs, TraceEvent } from '../trace/events.ts';
import type { Trace } from '../trace/trace.ts';

/** Different reasons kept; more are only in the trace. */
const CAUSES = 32;
/** Latencies kept for the median of one kind of call; later ones replace them in turn. */
const SAMPLES = 1024;

/** One kind of call. Times are microseconds of the box's clock. */
export interface CallLine {
  readonly call: string;
  readonly count: number;
  readonly failed: number;
  readonly medianUs: number;
  readonly maxUs: number;
}

export interface PoolLine {
  readonly pool: string;
  readonly used: number;
  readonly highWater: number;
  readonly limit: number;
  readonly unit: string;
}

/** Why errors were returned, the same reason counted once. */
export interface CauseLine {
  readonly cause: Cause;
  readonly count: number;
}

class CallCounter {
  count = 0;
  failed = 0;
  maxNs = 0;
  readonly #samples: number[] = [];

  add(ns: number, failed: boolean): void {
    this.#samples[this.count % SAMPLES] = ns;
    this.count += 1;
    if (failed) this.failed += 1;
    this.maxNs = Math.max(this.maxNs, ns);
  }

  get medianNs(): number {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  }
}

export class Statistics {
  readonly #calls = new Map<string, CallCounter>();
  readonly #pools = new Map<string, Omit<PoolLine, 'pool'>>();
  readonly #causes = new Map<string, { cause: Cause; count: number }>();
  /** When each task entered its call. */
  readonly #entered = new Map<number, number>();

  readonly #isCounted: (pid: number) => boolean;

  /** @param isCounted says whose calls count: a supplicant's are waits for work. */
  constructor(trace: Trace, isCounted: (pid: number) => boolean) {
    this.#isCounted = isCounted;
    trace.addSink((event) => this.#see(event));
    trace.addMeter((pool) => this.#pool(pool));
  }

  get calls(): readonly CallLine[] {
    return [...this.#calls].map(([call, c]) => ({
      call,
      count: c.count,
      failed: c.failed,
      medianUs: c.medianNs / 1000,
      maxUs: c.maxNs / 1000,
    }));
  }

  get pools(): readonly PoolLine[] {
    return [...this.#pools].map(([pool, line]) => ({ pool, ...line }));
  }

  get causes(): readonly CauseLine[] {
    return [...this.#causes.values()];
  }

  #see(event: TraceEvent): void {
    if (event.name === 'ioctl.enter') this.#entered.set(event.task, event.timeNs);
    else if (is(event, 'ioctl.exit')) this.#exit(event);
    else if (is(event, 'cause')) this.#cause(event);
  }

  #exit(event: TraceEvent<'ioctl.exit'>): void {
    const { pid, cmd, result } = event.args;
    if (!this.#isCounted(pid)) return;
    const name = codeName(TEE_IOCTLS, cmd);
    let counter = this.#calls.get(name);
    if (counter === undefined) this.#calls.set(name, (counter = new CallCounter()));
    const enteredNs = this.#entered.get(event.task) ?? event.timeNs;
    this.#entered.delete(event.task);
    counter.add(event.timeNs - enteredNs, result < 0);
  }

  #cause({ args }: TraceEvent<'cause'>): void {
    const key = `${args.layer} ${args.code} ${args.text}`;
    const known = this.#causes.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#causes.size < CAUSES) this.#causes.set(key, { cause: args, count: 1 });
  }

  #pool({ name, used, limit, unit }: EventArgs['pool']): void {
    const highWater = Math.max(this.#pools.get(name)?.highWater ?? 0, used);
    this.#pools.set(name, { used, highWater, limit, unit });
  }
}

function is<N extends TraceEvent['name']>(event: TraceEvent, name: N): event is TraceEvent<N> {
  return event.name === name;
}
