/**
 * The interrupt controller (a GIC in effect). A line belongs to one world. A normal-world interrupt
 * whose CPU is in the secure world stays pending there: the secure world sees it at its next
 * preemption point, leaves with a foreign-interrupt RPC, and it is handled then.
 */
import type { Scheduler } from '../sched/scheduler.ts';
import type { Co } from '../sched/task.ts';
import type { Cpu } from './smc.ts';

interface Line {
  readonly name: string;
  readonly cpu: number;
  readonly handler: () => Co<void>;
  pending: boolean;
  /** Its handler has not come back. */
  inProgress: boolean;
}

export class InterruptController {
  readonly #sched: Scheduler;
  readonly #cpus: readonly Cpu[];
  readonly #lines = new Map<number, Line>();

  constructor(sched: Scheduler, cpus: readonly Cpu[]) {
    this.#sched = sched;
    this.#cpus = cpus;
  }

  /** As request_irq(): the handler runs as a task of its own. */
  request(line: number, name: string, handler: () => Co<void>, cpu = 0): void {
    this.#lines.set(line, { name, cpu, handler, pending: false, inProgress: false });
  }

  free(line: number): void {
    this.#lines.delete(line);
  }

  /** A device or the secure world asserts a normal-world line. Lines that nobody took are lost. */
  raise(line: number): void {
    if (this.#sched.trace.worlds) {
      this.#sched.trace.emit('machine', 'irq', { line, secure: false });
    }
    const entry = this.#lines.get(line);
    if (entry === undefined || entry.pending) return;
    entry.pending = true;
    const cpu = this.#cpus[entry.cpu]!;
    if (cpu.secure) cpu.foreignPending = true;
    else this.#deliver(entry);
  }

  /** An interrupt without a line: the timer tick that takes a CPU out of the secure world. */
  preempt(cpuId: number): void {
    const cpu = this.#cpus[cpuId];
    if (cpu?.secure === true) cpu.foreignPending = true;
  }

  /** A CPU is back in the normal world: what was pending for it is handled. */
  left(cpu: Cpu): void {
    if (!cpu.foreignPending) return;
    cpu.foreignPending = false;
    for (const entry of this.#lines.values()) {
      if (entry.pending && entry.cpu === cpu.id) this.#deliver(entry);
    }
  }

  /** A line's handler never runs twice at once (IRQD_IRQ_INPROGRESS in kernel/irq/chip.c). */
  #deliver(entry: Line): void {
    if (entry.inProgress) return;
    entry.inProgress = true;
    this.#sched.spawn(`irq/${entry.name}`, this.#handle(entry), { daemon: true });
  }

  *#handle(entry: Line): Co<void> {
    while (entry.pending) {
      entry.pending = false;
      yield* entry.handler();
    }
    entry.inProgress = false;
  }
}
