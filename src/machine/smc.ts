/**
 * CPUs and the SMC conduit: the only call from one world into the other. Registers go in, registers
 * come out; no object, callback or promise crosses. While a CPU is in the secure world nothing
 * else runs on it, and a normal-world interrupt for it makes the secure world leave.
 */
import type { Scheduler } from '../sched/scheduler.ts';
import type { Co } from '../sched/task.ts';
import { WaitQueue } from '../sched/wait.ts';

/** Registers w0–w17 of a call; SMC32 calls use the first eight, FF-A up to eighteen. */
export const SMC_REGISTERS = 18;

export type SmcRegs = Uint32Array;

export const smcRegs = (...values: number[]): SmcRegs => {
  const regs = new Uint32Array(SMC_REGISTERS);
  regs.set(values);
  return regs;
};

export interface Cpu {
  readonly id: number;
  /** True while it executes in the secure world. */
  secure: boolean;
  /** A normal-world interrupt waits for this CPU to leave the secure world. */
  foreignPending: boolean;
}

/**
 * The secure world's entry point. It reads `regs`, runs until it leaves, and writes `regs`.
 * The coroutine may yield preemption points and host waits; it never sleeps.
 */
export interface SecureEntry {
  smc(cpu: Cpu, regs: SmcRegs): Co<void>;
}

/** What the normal world's CPUs trap into. */
export class SmcConduit {
  readonly #sched: Scheduler;
  readonly #cpus: readonly Cpu[];
  readonly #free: WaitQueue;
  readonly #leave: (cpu: Cpu) => void;
  #entry: SecureEntry | undefined;

  /** @param leave called whenever a CPU has left the secure world. */
  constructor(sched: Scheduler, cpus: readonly Cpu[], leave: (cpu: Cpu) => void) {
    this.#sched = sched;
    this.#cpus = cpus;
    this.#leave = leave;
    this.#free = new WaitQueue(sched, 'cpu in secure world');
  }

  /** The boot loader has put a secure world in place. */
  install(entry: SecureEntry): void {
    this.#entry = entry;
  }

  /** One SMC on the CPU of the current task; `regs` holds the results afterwards. */
  *call(regs: SmcRegs): Co<void> {
    const sched = this.#sched;
    if (sched.searching) yield* sched.point();
    const cpu = this.#tryClaim() ?? (yield* this.#claim());
    const trace = sched.trace;
    if (trace.worlds) trace.emit('linux', 'smc.call', { regs: [...regs.subarray(0, 8)] });
    try {
      if (this.#entry === undefined) regs.fill(0xffffffff, 0, 1);
      else yield* this.#entry.smc(cpu, regs);
    } finally {
      cpu.secure = false;
      if (this.#free.length > 0) this.#free.wakeOne();
      this.#leave(cpu);
    }
    if (trace.worlds) trace.emit('linux', 'smc.return', { regs: [...regs.subarray(0, 8)] });
    if (sched.searching) yield* sched.point();
  }

  /** The task's own CPU, or another one that is not in the secure world. */
  #tryClaim(): Cpu | undefined {
    const task = this.#sched.running();
    let cpu = this.#cpus[task.cpu];
    if (cpu === undefined || cpu.secure) cpu = this.#cpus.find((c) => !c.secure);
    if (cpu === undefined) return undefined;
    cpu.secure = true;
    task.cpu = cpu.id;
    return cpu;
  }

  *#claim(): Co<Cpu> {
    for (;;) {
      yield* this.#free.wait('uninterruptible');
      const cpu = this.#tryClaim();
      if (cpu !== undefined) return cpu;
    }
  }
}
