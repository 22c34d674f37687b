/**
 * A TypeScript program: a process of the box with its main thread. Its memory is in the box's RAM,
 * its system calls are coroutines (`program.sys`). There are two ways to run one:
 * `new Program(kernel, options)` and `program.run(co)` for callers outside (tests, async code), and
 * `Program.start(kernel, options, main)`, where `main` is a coroutine and its result the exit code.
 */
import type { Co, Task } from '../../sched/task.ts';
import { endIdle } from './exit.ts';
import type { Kernel } from './kernel.ts';
import { ProgramMemory } from './program-memory.ts';
import { killThreads } from './send-signal.ts';
import { Syscalls } from './syscalls.ts';
import { Thread } from './thread.ts';
import { ProcessExited } from './user-process.ts';
import type { ExitStatus, Process, ProcessOptions } from './user-process.ts';

/** One more thread of a program, with system calls of its own. */
export interface ProgramThread {
  readonly thread: Thread;
  readonly sys: Syscalls;
  readonly task: Task;
}

/** The exit code is 0 when it returns none. */
export type ProgramMain = (program: Program) => Co<number | void>;

export class Program {
  readonly kernel: Kernel;
  readonly process: Process;
  /** The main thread. */
  readonly thread: Thread;
  readonly memory: ProgramMemory;
  readonly sys: Syscalls;

  /** @param from options of a new process, or the leader of one that fork() has made. */
  constructor(kernel: Kernel, from: ProcessOptions | Thread, parent?: Program) {
    this.kernel = kernel;
    this.thread = from instanceof Thread ? from : kernel.processes.spawn(from, true);
    this.process = this.thread.process;
    this.memory = new ProgramMemory(this.process, parent?.memory);
    this.sys = new Syscalls(this.thread);
  }

  /** A program whose main thread runs `main`. */
  static start(kernel: Kernel, options: ProcessOptions, main: ProgramMain): Program {
    const program = new Program(kernel, kernel.processes.spawn(options, false));
    kernel.sched.start(program.thread.task, runMain(program, main));
    return program;
  }

  get pid(): number {
    return this.process.pid;
  }

  /**
   * Runs a coroutine on the main thread, for callers outside: its value at once when it does not
   * block, else a promise. @throws ProcessExited when the program is killed meanwhile.
   */
  run<T>(co: Co<T>): T | Promise<T> {
    if (this.process.groupExit !== undefined || this.thread.exiting) throw this.process.gone();
    return this.kernel.sched.call(this.thread.task, co);
  }

  /** pthread_create(). The thread ends with its body, or with the program. @throws without tids. */
  spawnThread(name: string, body: (thread: ProgramThread) => Co<void>): ProgramThread {
    const thread = this.kernel.processes.addThread(this.process, name, this.thread);
    if (typeof thread === 'number') throw new Error(`${name}: no tid is left`);
    const made = { thread, sys: new Syscalls(thread), task: thread.task };
    this.kernel.sched.start(thread.task, runThread(made, body));
    return made;
  }

  /** fork(): the child goes on in `main`. @returns its pid, or a negative errno. */
  fork(main: ProgramMain): Co<number> {
    return this.sys.fork((leader) => {
      const child = new Program(this.kernel, leader, this);
      this.kernel.sched.start(leader.task, runMain(child, main));
    });
  }

  /** Sends a signal, as root would from outside. */
  kill(signal: number): void {
    this.kernel.processes.kill(this.pid, signal);
  }

  /** Makes the program exit from outside, wherever its threads are; resolves when it has. */
  exit(code = 0): Promise<ExitStatus> {
    killThreads(this.process, { kind: 'exited', code }, endIdle);
    return this.exited();
  }

  /** Resolves when the process is gone. */
  exited(): Promise<ExitStatus> {
    const { exitStatus, exitListeners } = this.process;
    if (exitStatus !== undefined) return Promise.resolve(exitStatus);
    return new Promise((resolve) => exitListeners.push(resolve));
  }

  /** From another task: sleeps until the process is gone. */
  *waitExit(): Co<ExitStatus> {
    if (this.process.exitStatus === undefined) yield* this.process.exited.wait('uninterruptible');
    return this.process.exitStatus!;
  }
}

/** _start(): exits with what main returns. */
function* runMain(program: Program, main: ProgramMain): Co<void> {
  try {
    const code = yield* main(program);
    yield* program.sys.exitGroup(code ?? 0);
  } catch (error) {
    if (!isEndOf(program.process, error)) throw error;
  }
}

function* runThread(own: ProgramThread, body: (thread: ProgramThread) => Co<void>): Co<void> {
  try {
    yield* body(own);
    yield* own.sys.exit(0);
  } catch (error) {
    if (!isEndOf(own.thread.process, error)) throw error;
  }
}

/** Another program's end is no reason for this one's. */
const isEndOf = (process: Process, error: unknown): boolean =>
  error instanceof ProcessExited && error.pid === process.pid;
