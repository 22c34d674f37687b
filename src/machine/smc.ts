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

/**
 * Virtual time of an SMC, so that a secure world which waits by asking again and again comes to an
 * end in a seeded run. It says nothing about hardware.
 */
const SMC_NS = 10_000;

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
 * The secure world's entry point. It reads `regs`, runs until it leaves, and writes `regs`: at once,
 * or in a coroutine that may yield preemption points and host waits; it never sleeps.
 */
export interface SecureEntry {
  smc(cpu: Cpu, regs: SmcRegs): Co<void> | undefined;
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
    const rest = this.begin(regs);
    if (rest !== undefined) yield* rest;
  }

  /** The same for callers that need no coroutine: undefined when the SMC is over already. */
  begin(regs: SmcRegs): Co<void> | undefined {
    const cpu = this.#sched.searching ? undefined : this.#tryClaim();
    return cpu === undefined ? this.#callWhenFree(regs) : this.#callOn(cpu, regs);
  }

  *#callWhenFree(regs: SmcRegs): Co<void> {
    const sched = this.#sched;
    if (sched.searching) yield* sched.point();
    const rest = this.#callOn(this.#tryClaim() ?? (yield* this.#claim()), regs);
    if (rest !== undefined) yield* rest;
    if (sched.searching) yield* sched.point();
  }

  #callOn(cpu: Cpu, regs: SmcRegs): Co<void> | undefined {
    const { trace } = this.#sched;
    const call = regs[0]!;
    if (trace.worlds) trace.emit('linux', 'smc.call', { regs: [...regs.subarray(0, 8)] });
    let rest: Co<void> | undefined;
    try {
      if (this.#entry === undefined) regs.fill(0xffffffff, 0, 1);
      else rest = this.#entry.smc(cpu, regs);
    } finally {
      if (rest === undefined) this.#left(cpu);
    }
    if (rest !== undefined) return this.#goOn(cpu, regs, call, rest);
    if (trace.worlds) trace.emit('linux', 'smc.return', { call, regs: [...regs.subarray(0, 8)] });
    return undefined;
  }

  *#goOn(cpu: Cpu, regs: SmcRegs, call: number, rest: Co<void>): Co<void> {
    const { trace } = this.#sched;
    try {
      yield* rest;
    } finally {
      this.#left(cpu);
    }
    if (trace.worlds) trace.emit('linux', 'smc.return', { call, regs: [...regs.subarray(0, 8)] });
  }

  #left(cpu: Cpu): void {
    cpu.secure = false;
    const { clock } = this.#sched;
    if (!clock.live) clock.advanceTo(clock.nowNs() + SMC_NS);
    if (this.#free.length > 0) this.#free.wakeOne();
    this.#leave(cpu);
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
