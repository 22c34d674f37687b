/**
 * The scheduler of one box: tasks, the choice of the next one, time, and the loop around them.
 *
 * Two ways to run: `runReady()` steps everything that can run, synchronously; `drive()` is the loop
 * for boxes with async bodies, timers of a live clock or host promises, and is started by itself
 * when work appears (unless somebody else, such as the supervisor of native programs, drives).
 * Every choice is recorded in `choices`: with the seed it replays the run.
 */
import type { Trace, TraceContext } from '../trace/trace.ts';
import { Timers } from './clock.ts';
import type { Clock, Timer } from './clock.ts';
import { Loop } from './loop.ts';
import type { Outside } from './loop.ts';
import { BoxHalted, ForeignAwait } from './halt.ts';
import type { Halt } from './halt.ts';
import { FifoPolicy, toLast } from './policy.ts';
import type { Policy } from './policy.ts';
import type { RandomSource } from './random.ts';
import { HOST, PARK, POINT, Task } from './task.ts';
import type { Co, Owned, TaskOptions, WaitMode, WaitStatus } from './task.ts';

export interface SchedulerOptions {
  readonly trace: Trace;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly policy: Policy;
  readonly outside: Outside;
  /** Virtual CPUs; a task gets one when it enters the secure world. */
  readonly cpus?: number;
}

/** Virtual time of one dispatch, so that events of a seeded run have distinct times. */
const DISPATCH_NS = 100;

export class Scheduler implements TraceContext {
  readonly trace: Trace;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly policy: Policy;
  readonly cpus: number;
  /** True when the policy wants a choice at each preemption point. */
  readonly searching: boolean;
  /** The task that runs now; undefined outside of any task. */
  current: Task | undefined;
  halted: Halt | undefined;
  /** Choices made so far, in the form that ReplayPolicy takes. */
  readonly choices: number[] = [];
  /** Wait sites passed so far, with how often a task slept there. */
  readonly sites = new Map<string, number>();

  /** Fifo makes no choices: recording its zeros would only fill memory. */
  readonly #records: boolean;
  readonly #loop: Loop;
  readonly #timers = new Timers();
  readonly #ready: Task[] = [];
  readonly #tasks = new Map<number, Task>();
  /** Tasks whose HOST wait must settle before anything else runs. */
  #awaited: Task | undefined;
  #nextId = 1;
  #lastPoint: Task | undefined;
  /** The task whose host wait has just ended. */
  #resumed: Task | undefined;
  readonly #haltHandlers: ((halt: Halt) => void)[] = [];
  #flows = 0;

  constructor(options: SchedulerOptions) {
    this.trace = options.trace;
    this.clock = options.clock;
    this.random = options.random;
    this.policy = options.policy;
    this.searching = options.policy.searching;
    this.#records = !(options.policy instanceof FifoPolicy);
    this.cpus = options.cpus ?? 2;
    this.#loop = new Loop(this, options.outside);
    this.trace.attach(this);
  }

  // --- what the trace asks
  nowNs(): number {
    return this.clock.nowNs();
  }
  get currentTaskId(): number {
    return this.current?.id ?? 0;
  }
  get currentCpu(): number {
    return this.current?.cpu ?? 0;
  }
  get currentFlow(): number {
    return this.current?.flow ?? 0;
  }
  /** A new flow id for the current task's call. */
  newFlow(): number {
    this.#flows += 1;
    return this.#flows;
  }

  // --- tasks
  get tasks(): Iterable<Task> {
    return this.#tasks.values();
  }

  /** A task without a body yet: `call` runs coroutines on it, `start` gives it one. */
  createTask(name: string, options: TaskOptions = {}): Task {
    const task = new Task(this.#nextId++, name, options);
    task.cpu = task.id % this.cpus;
    task.state = 'parked';
    this.#tasks.set(task.id, task);
    if (this.trace.all) this.trace.emit('box', 'task.start', { name });
    return task;
  }

  /** Gives a task its body and makes it ready. */
  start(task: Task, body: Co<unknown>): void {
    task.co = body;
    this.#makeReady(task);
  }

  /** A task that runs `body` when its turn comes. */
  spawn(name: string, body: Co<unknown>, options: TaskOptions = {}): Task {
    const task = this.createTask(name, options);
    this.start(task, body);
    return task;
  }

  /** A task that made calls from outside is gone. */
  retire(task: Task): void {
    this.#tasks.delete(task.id);
    if (task.state !== 'done') task.finish();
  }

  /**
   * Runs a coroutine on `task` now, from outside of any task. Returns its value when it did not
   * block, else a promise; then the box goes on by itself.
   */
  call<T>(task: Task, co: Co<T>): T | Promise<T> {
    if (this.#beginCall(task, co)) {
      if (task.failed) throw task.error;
      return task.result as T;
    }
    return new Promise<T>((resolve, reject) => {
      task.settle = () => {
        if (task.failed) reject(task.error as Error);
        else resolve(task.result as T);
      };
      this.#loop.kick();
    });
  }

  /**
   * As `call`, for a caller that owns the loop: `ended` is called once, when `result`, or `error`
   * with `failed`, of the task are there; that may be before this returns.
   */
  begin(task: Task, co: Co<unknown>, ended: (task: Task) => void): void {
    if (this.#beginCall(task, co)) ended(task);
    else task.settle = () => ended(task);
  }

  /** Says whether the call has ended already. */
  #beginCall(task: Task, co: Co<unknown>): boolean {
    if (this.halted !== undefined) throw new BoxHalted(this.halted);
    if (task.co !== undefined) throw new Error(`task ${task.name} is in a call already`);
    task.error = undefined;
    task.failed = false;
    task.co = co;
    if (this.current !== undefined || this.#awaited !== undefined || this.searching) {
      this.#makeReady(task);
      return false;
    }
    this.#step(task);
    if (task.co !== undefined) return false;
    if (this.#ready.length > 0) this.#loop.kick();
    return true;
  }

  // --- waiting
  /**
   * Puts the current task to sleep until `wake`. The caller has put it where the waker finds it,
   * and takes it out again when the status is not `woken`.
   */
  *park(site: string, mode: WaitMode, timeoutNs?: number, lock?: Owned): Co<WaitStatus> {
    const task = this.running();
    if (!this.lieDown(task, site, mode, lock)) return 'signal';
    let timer: Timer | undefined;
    if (timeoutNs !== undefined) {
      timer = this.#timers.add(this.nowNs() + timeoutNs, () => this.wake(task, 'timeout'));
    }
    yield PARK;
    timer?.cancel();
    return task.wakeStatus;
  }

  /**
   * What comes before the PARK of a sleep without a time limit, for coroutines that yield it
   * themselves; `wakeStatus` says how the sleep ended. False for one that a signal ends at once.
   */
  lieDown(task: Task, site: string, mode: WaitMode, lock?: Owned): boolean {
    const signal = task.signals?.pending(mode) === true;
    task.wakeStatus = signal ? 'signal' : 'woken';
    if (signal) return false;
    task.blocked = { site, mode, sinceNs: this.nowNs(), lock };
    this.sites.set(site, (this.sites.get(site) ?? 0) + 1);
    if (this.trace.all) this.trace.emit('box', 'task.block', { site });
    if (lock !== undefined) this.#checkDeadlock(task);
    task.state = 'parked';
    return true;
  }

  /** Makes a sleeping task ready; says whether it slept. */
  wake(task: Task, status: WaitStatus = 'woken'): boolean {
    if (task.state !== 'parked' || task.blocked === undefined) return false;
    if (this.trace.all) this.trace.emit('box', 'task.wake', { site: task.blocked.site, status });
    task.blocked = undefined;
    task.wakeStatus = status;
    this.#makeReady(task);
    return true;
  }

  /** A signal came for `task`: ends its sleep if it is of a kind that this signal ends. */
  interrupt(task: Task): void {
    if (task.blocked === undefined || task.signals === undefined) return;
    if (task.signals.pending(task.blocked.mode)) this.wake(task, 'signal');
  }

  /** A preemption point; callers guard with `searching`, so that it costs nothing else. */
  *point(): Co<void> {
    if (this.searching) yield POINT;
  }

  /** yield(): others that are ready run first. */
  *yieldCpu(): Co<void> {
    yield POINT;
  }

  *sleep(ns: number, mode: WaitMode, site = 'sleep'): Co<WaitStatus> {
    return yield* this.park(site, mode, ns);
  }

  /** Waits for the end of another task. */
  *join(task: Task): Co<void> {
    if (task.state === 'done') return;
    const me = this.running();
    task.whenDone(() => this.wake(me));
    yield* this.park('join', 'uninterruptible');
  }

  /** Waits for a promise of the outside; nothing else of a seeded box runs meanwhile. */
  *host<T>(promise: PromiseLike<T>, onForeign: 'wait' | 'fail' = 'wait'): Co<T> {
    let outcome: { value: T } | { error: unknown } | undefined;
    const task = this.running();
    task.onForeign = onForeign;
    task.hostWait = promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    yield HOST;
    if (outcome === undefined) throw new ForeignAwait(task.name);
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  addTimer(delayNs: number, fn: () => void): Timer {
    const timer = this.#timers.add(this.nowNs() + delayNs, fn);
    this.#loop.kick();
    return timer;
  }

  /** The task that runs; a coroutine outside of any task is a bug of teebox. */
  running(): Task {
    if (this.current === undefined) throw new Error('no task is running');
    return this.current;
  }

  /** A choice that is not about tasks (a fault, a kill, an argument); recorded like those. */
  choose(n: number, label: string): number {
    if (n <= 1) return 0;
    const chosen = this.policy.choose(n, label);
    if (this.#records) this.choices.push(chosen);
    if (this.trace.all) this.trace.emit('box', 'choice', { label, chosen, of: n });
    return chosen;
  }

  // --- stopping
  /** Stops the box for good; returns the error to throw. */
  halt(kind: Halt['kind'], text: string, error: Error = new Error(text)): BoxHalted {
    if (this.halted === undefined) {
      this.halted = { kind, text, error };
      this.trace.emit('box', 'halt', { kind, text });
      for (const fn of this.#haltHandlers) fn(this.halted);
      this.#loop.kick();
    }
    return new BoxHalted(this.halted);
  }

  onHalt(fn: (halt: Halt) => void): void {
    this.#haltHandlers.push(fn);
  }

  // --- running
  /** True when a task could run now. */
  get runnable(): boolean {
    return this.#ready.length > 0 && this.#awaited === undefined;
  }

  /** When the next timer is due, in nanoseconds of the box's clock. */
  get nextTimerNs(): number | undefined {
    return this.#timers.nextNs();
  }

  /**
   * Steps tasks until none is ready, or one waits for a promise, or `most` steps were made. With a
   * virtual clock and `jump`, time goes to the next timer whenever nothing else can run.
   */
  runReady(jump = true, most = Infinity): 'idle' | 'host' | 'halted' | 'endless' {
    for (let left = most; left > 0; left--) {
      if (this.halted !== undefined) return 'halted';
      if (this.#awaited !== undefined) return 'host';
      if (this.clock.live) this.#timers.fire(this.clock.nowNs());
      const task = this.#next();
      if (task !== undefined) this.#step(task);
      else if (!jump || !this.#jump()) return 'idle';
    }
    return 'endless';
  }

  /** Somebody else runs the loop from now on: `runReady` and `settleHost` are theirs to call. */
  ownLoop(wake: () => void): void {
    this.#loop.own(wake);
  }

  /** The promise that must settle before `runReady` can go on, if any; foreign awaits end it. */
  settleHost(): Promise<void> {
    return this.#loop.settleHost();
  }

  /** Runs until nothing is left to do. One loop at a time. */
  drive(): Promise<void> {
    return this.#loop.drive();
  }

  /** The task whose promise must settle before anything else runs. */
  get awaited(): Task | undefined {
    return this.#awaited;
  }

  /** The awaited promise has settled, or never will: its task goes on before any choice is made. */
  resumeAwaited(): void {
    const task = this.#awaited;
    if (task === undefined) return;
    this.#awaited = undefined;
    this.#resumed = task;
    task.state = 'ready';
    this.#ready.unshift(task);
  }

  /** The awaited promise belongs to the outside: others run until `whenSettled` resolves. */
  releaseAwaited(whenSettled: Promise<void>): void {
    const task = this.#awaited;
    if (task === undefined) return;
    this.#awaited = undefined;
    void whenSettled.then(() => this.#makeReady(task));
  }

  /** Callers outside whose task will never end, because the box has stopped, learn why. */
  settleHalted(): void {
    if (this.halted === undefined) return;
    for (const task of this.#tasks.values()) {
      const { settle } = task;
      if (settle === undefined) continue;
      task.failed = true;
      task.error = new BoxHalted(this.halted);
      task.settle = undefined;
      settle();
    }
  }

  #makeReady(task: Task): void {
    task.state = 'ready';
    this.#ready.push(task);
    if (this.current === undefined) this.#loop.kick();
  }

  #next(): Task | undefined {
    const ready = this.#ready;
    const resumed = this.#resumed;
    if (resumed !== undefined) {
      this.#resumed = undefined;
      ready.splice(ready.indexOf(resumed), 1);
      return resumed;
    }
    if (ready.length <= 1) return ready.pop();
    const last = this.#lastPoint?.state === 'ready' ? this.#lastPoint : undefined;
    const index = this.policy.pick(ready, last);
    if (this.#records) this.choices.push(toLast(index, ready, last));
    return index === 0 ? ready.shift() : ready.splice(index, 1)[0];
  }

  #jump(): boolean {
    const next = this.#timers.nextNs();
    if (this.clock.live || next === undefined) return false;
    this.clock.advanceTo(next);
    return this.#timers.fire(next);
  }

  #step(task: Task): void {
    if (this.trace.all) {
      this.trace.emit('box', 'task.switch', { from: this.#lastRan, to: task.id });
      this.#lastRan = task.id;
    }
    this.current = task;
    task.state = 'running';
    this.#lastPoint = undefined;
    try {
      const step = task.co!.next();
      this.current = undefined;
      if (step.done === true) {
        task.result = step.value;
        this.#ended(task);
      } else {
        this.#yielded(task, step.value);
      }
    } catch (error) {
      this.current = undefined;
      task.failed = true;
      task.error = error;
      this.#ended(task);
    }
    if (!this.clock.live) this.clock.advanceTo(this.clock.nowNs() + DISPATCH_NS);
  }
  #lastRan = 0;

  #yielded(task: Task, why: number): void {
    if (why === POINT) {
      task.state = 'ready';
      this.#ready.push(task);
      this.#lastPoint = task;
    } else if (why === HOST) {
      task.state = 'host';
      this.#awaited = task;
    } else if (why !== PARK) {
      throw this.halt('internal error', `task ${task.name} yielded ${why}`);
    }
  }

  #ended(task: Task): void {
    task.co = undefined;
    const { settle } = task;
    if (settle !== undefined) {
      task.settle = undefined;
      task.state = 'parked';
      settle();
      return;
    }
    if (task.isCalled) {
      task.state = 'parked';
      return;
    }
    this.#tasks.delete(task.id);
    if (this.trace.all) this.trace.emit('box', 'task.end', { name: task.name });
    if (task.failed && !(task.error instanceof BoxHalted)) {
      const error = task.error instanceof Error ? task.error : new Error(String(task.error));
      this.halt('internal error', `task ${task.name}: ${error.message}`, error);
    }
    task.finish();
  }

  #checkDeadlock(task: Task): void {
    const chain = [task];
    for (let t = task.blocked?.lock?.owner; t !== undefined; t = t.blocked?.lock?.owner) {
      chain.push(t);
      if (t === task) {
        const text = chain.map((x) => `${x.name} (${x.blocked?.site ?? 'runs'})`).join(' → ');
        throw this.halt('deadlock', text);
      }
      if (chain.length > 1000) return;
    }
  }

  /** Blocked tasks, for reports. */
  blocked(): readonly Task[] {
    return [...this.#tasks.values()].filter((task) => task.blocked !== undefined);
  }
}
