/**
 * Signals as data (kernel/signal.c): dispositions, pending sets, what each signal does by default.
 * How they are sent and delivered: `send-signal.ts`, `signal-delivery.ts`.
 * Left out: job control (stop signals are ignored), queued values (siginfo), alternate stacks.
 */
import {
  SIGABRT,
  SIGBUS,
  SIGCHLD,
  SIGCONT,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGNALS,
  SIGQUIT,
  SIGRTMAX,
  SIGRTMIN,
  SIGSEGV,
  SIGSTOP,
  SIGSYS,
  SIGTRAP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGURG,
  SIGWINCH,
  SIGXCPU,
  SIGXFSZ,
} from '../../abi/fcntl.ts';
import { nameOf } from '../../abi/layout.ts';
import type { Co } from '../../sched/task.ts';

/** struct sigaction: a handler in TypeScript, SA_* flags, and what is blocked while it runs. */
export interface SigAction {
  /** May make system calls of its thread (`yield*`). */
  readonly handler: (signal: number) => Co<void> | void;
  readonly flags?: number;
  readonly mask?: readonly number[];
}

export type Disposition = SigAction | 'default' | 'ignore';

/** sig_kernel_coredump(): deadly, but the kernel does not hurry the other threads to death. */
const COREDUMP: ReadonlySet<number> = new Set([
  SIGQUIT,
  SIGILL,
  SIGTRAP,
  SIGABRT,
  SIGFPE,
  SIGSEGV,
  SIGBUS,
  SIGSYS,
  SIGXCPU,
  SIGXFSZ,
]);
/** sig_kernel_ignore(), and the stop signals, which have no effect here. */
const IGNORED: ReadonlySet<number> = new Set([
  SIGCONT,
  SIGCHLD,
  SIGWINCH,
  SIGURG,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
]);
/** SYNCHRONOUS_MASK: taken before all others. */
const SYNCHRONOUS: readonly number[] = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS];

export const isSignal = (signal: number): boolean =>
  Number.isInteger(signal) && signal > 0 && signal <= SIGRTMAX;
export const isIgnoredByDefault = (signal: number): boolean => IGNORED.has(signal);
export const dumpsCore = (signal: number): boolean => COREDUMP.has(signal);
/** sig_kernel_only(): neither caught, blocked nor ignored. */
export const isKernelOnly = (signal: number): boolean => signal === SIGKILL || signal === SIGSTOP;
export const signalName = (signal: number): string =>
  nameOf(SIGNALS, signal) ?? `SIGRTMIN+${signal - SIGRTMIN}`;

/** struct sigpending: standard signals once, real-time ones as often as they were sent. */
export class PendingSignals {
  #signals: number[] = [];

  has(signal: number): boolean {
    return this.#signals.includes(signal);
  }

  /** False for a standard signal that is pending already (legacy_queue()). */
  add(signal: number): boolean {
    if (signal < SIGRTMIN && this.has(signal)) return false;
    this.#signals.push(signal);
    return true;
  }

  /** recalc_sigpending(): something is pending that the mask lets through. */
  anyUnblocked(blocked: ReadonlySet<number>): boolean {
    return this.#signals.some((signal) => !blocked.has(signal));
  }

  /** next_signal(): synchronous ones first, then by number. */
  take(blocked: ReadonlySet<number>): number | undefined {
    const ready = this.#signals.filter((signal) => !blocked.has(signal));
    const next = SYNCHRONOUS.find((signal) => ready.includes(signal)) ?? Math.min(...ready);
    if (ready.length === 0) return undefined;
    this.#signals.splice(this.#signals.indexOf(next), 1);
    return next;
  }

  /** flush_sigqueue_mask() */
  drop(signal: number): void {
    this.#signals = this.#signals.filter((pending) => pending !== signal);
  }
}

/** struct sighand_struct: what a process does about each signal. */
export class Sighand {
  readonly #actions = new Map<number, Disposition>();

  get(signal: number): Disposition {
    return this.#actions.get(signal) ?? 'default';
  }

  set(signal: number, disposition: Disposition): void {
    this.#actions.set(signal, disposition);
  }

  /** sig_handler_ignored() */
  ignores(signal: number): boolean {
    const disposition = this.get(signal);
    return disposition === 'ignore' || (disposition === 'default' && isIgnoredByDefault(signal));
  }

  /** fork() copies. */
  copyFrom(other: Sighand): void {
    for (const [signal, disposition] of other.#actions) this.#actions.set(signal, disposition);
  }

  /** flush_signal_handlers() at exec: handlers are gone with the old image, ignoring stays. */
  flushHandlers(): void {
    for (const [signal, disposition] of this.#actions) {
      if (disposition !== 'ignore') this.#actions.delete(signal);
    }
  }
}
