/**
 * The event ring of one box. Emitting costs one comparison when the event's level is off: callers
 * guard with `if (trace.calls) trace.emit(…)`, so that not even the arguments are built.
 * Events that are kept at every level (logs, causes, halts) are rare by nature.
 */
import { EVENT_LEVELS, TRACE_LEVELS } from './events.ts';
import type {
  Cause,
  EventArgs,
  EventName,
  LogLevel,
  TraceEvent,
  TraceLevel,
  World,
} from './events.ts';

/** Who runs, and when: what the scheduler tells the trace about each event. */
export interface TraceContext {
  nowNs(): number;
  readonly currentTaskId: number;
  readonly currentCpu: number;
  readonly currentFlow: number;
}

export type TraceSink = (event: TraceEvent) => void;

/** Hears how full a pool is, each time that changes. */
export type PoolMeter = (pool: EventArgs['pool']) => void;

const NOBODY: TraceContext = {
  nowNs: () => 0,
  currentTaskId: 0,
  currentCpu: 0,
  currentFlow: 0,
};

export class Trace {
  /** True when events of this level are recorded; read before building an event's arguments. */
  calls = false;
  worlds = false;
  all = false;
  /** True when pools tell how full they are: meters hear it from `calls` on, the ring from `worlds`. */
  pools = false;

  /** Grows up to its capacity, then wraps. */
  readonly #ring: TraceEvent[] = [];
  readonly #capacity: number;
  readonly #sinks = new Set<TraceSink>();
  readonly #meters: PoolMeter[] = [];
  #seq = 0;
  #context: TraceContext = NOBODY;
  #level: TraceLevel = 'off';
  #lastCause: Cause | undefined;

  /** @param capacity events kept; older ones are overwritten. */
  constructor(capacity = 65536) {
    this.#capacity = capacity;
  }

  get level(): TraceLevel {
    return this.#level;
  }

  setLevel(level: TraceLevel): void {
    const rank = TRACE_LEVELS.indexOf(level);
    this.#level = level;
    this.calls = rank >= 1;
    this.pools = rank >= 1;
    this.worlds = rank >= 2;
    this.all = rank >= 3;
  }

  /** The scheduler names itself once it exists. */
  attach(context: TraceContext): void {
    this.#context = context;
  }

  /** Adds a sink that sees each event as it happens; returns what removes it. */
  addSink(sink: TraceSink): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  emit<N extends EventName>(world: World, name: N, args: EventArgs[N]): void {
    if (TRACE_LEVELS.indexOf(EVENT_LEVELS[name]) > TRACE_LEVELS.indexOf(this.#level)) return;
    const c = this.#context;
    const event: TraceEvent<N> = {
      seq: this.#seq,
      timeNs: c.nowNs(),
      world,
      cpu: c.currentCpu,
      task: c.currentTaskId,
      flow: c.currentFlow,
      name,
      args,
    };
    this.#ring[this.#seq % this.#capacity] = event;
    this.#seq += 1;
    for (const sink of this.#sinks) sink(event);
  }

  addMeter(meter: PoolMeter): void {
    this.#meters.push(meter);
  }

  /** A pool is as full as this now; callers guard with `if (trace.pools)`. */
  pool(world: World, args: EventArgs['pool']): void {
    for (const meter of this.#meters) meter(args);
    if (this.worlds) this.emit(world, 'pool', args);
  }

  /** Why the error that is about to be returned came about. Kept at every level. */
  cause(world: World, cause: Cause): void {
    this.#lastCause = cause;
    this.emit(world, 'cause', cause);
  }

  get lastCause(): Cause | undefined {
    return this.#lastCause;
  }

  log(world: World, source: string, level: LogLevel, text: string): void {
    this.emit(world, 'log', { source, level, text });
  }

  /** The events that are still in the ring, oldest first. */
  *events(): Generator<TraceEvent, void, void> {
    const first = Math.max(0, this.#seq - this.#capacity);
    for (let seq = first; seq < this.#seq; seq++) {
      yield this.#ring[seq % this.#capacity]!;
    }
  }

  /** The last events of the task that runs, oldest first. */
  latestOfTask(count: number): readonly TraceEvent[] {
    const found: TraceEvent[] = [];
    const first = Math.max(0, this.#seq - this.#capacity);
    for (let seq = this.#seq - 1; seq >= first && found.length < count; seq--) {
      const event = this.#ring[seq % this.#capacity]!;
      if (event.task === this.#context.currentTaskId) found.push(event);
    }
    return found.reverse();
  }

  /** Events emitted so far, those overwritten included. */
  get count(): number {
    return this.#seq;
  }
}
