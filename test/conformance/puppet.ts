/**
 * A process of a box that does what it is told: its main thread sleeps until somebody outside hands
 * it a coroutine over its system calls. Unlike a bare `Program` it can be the child of a fork.
 */
import type { Kernel } from '../../src/linux/process/kernel.ts';
import { Program } from '../../src/linux/process/program.ts';
import { ProcessExited } from '../../src/linux/process/user-process.ts';
import type { ProcessOptions } from '../../src/linux/process/user-process.ts';
import { BoxHalted } from '../../src/sched/halt.ts';
import type { Co } from '../../src/sched/task.ts';
import { WaitQueue } from '../../src/sched/wait.ts';

/** One call from outside. */
interface Job {
  run(program: Program): Co<void>;
  fail(error: unknown): void;
}

export class Puppet {
  readonly #strings: WaitQueue;
  /** The first one is under way. */
  readonly #jobs: Job[] = [];
  #program: Program | undefined;

  private constructor(kernel: Kernel) {
    this.#strings = new WaitQueue(kernel.sched, 'puppet');
    kernel.sched.onHalt((halt) => this.#failAll(new BoxHalted(halt)));
  }

  static start(kernel: Kernel, options: ProcessOptions): Puppet {
    const puppet = new Puppet(kernel);
    puppet.#take(Program.start(kernel, options, () => puppet.#main()));
    return puppet;
  }

  get program(): Program {
    return this.#program!;
  }

  /**
   * Runs a coroutine on the main thread.
   * @throws ProcessExited when the process ends before it, BoxHalted when the box does.
   */
  call<T>(body: (program: Program) => Co<T>): Promise<T> {
    const { process } = this.program;
    if (process.groupExit !== undefined || process.exitStatus !== undefined) {
      return Promise.reject(process.gone());
    }
    return new Promise<T>((resolve, fail) => {
      const run = function* (program: Program): Co<void> {
        resolve(yield* body(program));
      };
      this.#jobs.push({ run, fail });
      this.#strings.wakeAll();
    });
  }

  /** fork(): a child with a copy of memory and the same files. @throws for a negative errno. */
  async fork(): Promise<Puppet> {
    const child = new Puppet(this.program.kernel);
    const pid = await this.call((program) =>
      program.sys.fork((leader) => {
        child.#take(new Program(program.kernel, leader, program));
        program.kernel.sched.start(leader.task, child.#main());
      }),
    );
    if (pid < 0) throw new Error(`fork: ${pid}`);
    return child;
  }

  #take(program: Program): void {
    this.#program = program;
    program.process.exitListeners.push(() => this.#failAll(program.process.gone()));
  }

  #failAll(error: Error): void {
    for (const job of this.#jobs.splice(0)) job.fail(error);
  }

  *#main(): Co<void> {
    try {
      for (;;) {
        const job = this.#jobs[0];
        if (job === undefined) {
          yield* this.program.sys.futexWait(this.#strings);
        } else {
          yield* this.#serve(job);
          this.#jobs.shift();
        }
      }
    } catch (error) {
      // A child's body is no `ProgramMain`: nobody else takes this for its end.
      if (!(error instanceof ProcessExited)) throw error;
    }
  }

  *#serve(job: Job): Co<void> {
    try {
      yield* job.run(this.program);
    } catch (error) {
      job.fail(error);
      if (error instanceof ProcessExited || error instanceof BoxHalted) throw error;
    }
  }
}
