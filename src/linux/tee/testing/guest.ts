/** For tests: a program that does what callers outside bring, and so do those that fork from it. */
import { TEE_IOC_SHM_REGISTER, TeeIoctlShmRegisterData } from '../../../abi/tee.ts';
import type { Co } from '../../../sched/task.ts';
import { WaitQueue } from '../../../sched/wait.ts';
import type { Kernel } from '../../process/kernel.ts';
import { Program } from '../../process/program.ts';
import type { ExitStatus, Process, ProcessOptions } from '../../process/user-process.ts';
import { bytesOf, viewOf } from './params.ts';

type Job = (program: Program) => Co<unknown>;

export class Guest {
  readonly #kernel: Kernel;
  readonly #queue: WaitQueue;
  readonly #jobs: Job[] = [];
  /** Why the box has stopped, for whoever waits for something that will never be. */
  readonly #halted: Promise<never>;
  #program: Program | undefined;

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#queue = new WaitQueue(kernel.sched, 'guest');
    this.#halted = new Promise((_, reject) => kernel.sched.onHalt(({ error }) => reject(error)));
    this.#halted.catch(() => {});
  }

  static async start(kernel: Kernel, options: ProcessOptions): Promise<Guest> {
    const guest = new Guest(kernel);
    Program.start(kernel, options, (program) => guest.#serve(program));
    return await guest.#started();
  }

  get process(): Process {
    return this.#program!.process;
  }

  /** The result of a coroutine that its main thread runs; none ever when that ends the process. */
  run<T>(body: (program: Program) => Co<T>): Promise<T> {
    const result = new Promise<T>((resolve) => {
      this.#jobs.push(function* (program) {
        resolve(yield* body(program));
      });
      this.#queue.wakeOne();
    });
    return Promise.race([result, this.#halted]);
  }

  async fork(): Promise<Guest> {
    const child = new Guest(this.#kernel);
    await this.run((program) => program.fork((forked) => child.#serve(forked)));
    return await child.#started();
  }

  async exit(): Promise<ExitStatus> {
    const never = this.run((program) => program.sys.exitGroup(0));
    return await Promise.race([this.#program!.exited(), never]);
  }

  async kill(signal: number): Promise<ExitStatus> {
    this.#program!.kill(signal);
    return await Promise.race([this.#program!.exited(), this.#halted]);
  }

  /** SHM_REGISTER: the fd, or a negative errno. */
  register(fd: number, addr: number, length: number): Promise<number> {
    const data = TeeIoctlShmRegisterData;
    const view = viewOf(new Uint8Array(data.byteLength));
    data.addr.set(view, 0, BigInt(addr));
    data.length.set(view, 0, BigInt(length));
    return this.run(function* ({ memory, sys }) {
      const at = memory.malloc(view.byteLength);
      memory.write(at, bytesOf(view));
      const rc = yield* sys.ioctl(fd, TEE_IOC_SHM_REGISTER, at);
      memory.free(at);
      return rc;
    });
  }

  async #started(): Promise<this> {
    await this.run(function* () {});
    return this;
  }

  *#serve(program: Program): Co<never> {
    this.#program = program;
    for (;;) {
      const job = this.#jobs.shift();
      yield* job === undefined ? program.sys.futexWait(this.#queue) : job(program);
    }
  }
}
