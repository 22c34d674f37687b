/**
 * Threads of native programs that are made to stand still, and to make a call for the supervisor in
 * between: with ptrace, which an ancestor of the same user may. No thread is traced for longer than
 * that takes, so that debuggers find theirs free.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { pid as ownPid } from 'node:process';
import { ESRCH, formatErrno } from '../abi/errno.ts';
import {
  PTRACE_EVENT_STOP,
  PTRACE_O_EXITKILL,
  PTRACE_O_TRACESYSGOOD,
  WNOHANG,
  __WALL,
} from '../abi/ptrace.ts';
import type { HostArch } from './arch.ts';
import type { Libc } from './libc.ts';
import { parentOf, tgidOf } from './proc.ts';
import { Ptrace } from './ptrace.ts';
import type { Stop } from './ptrace.ts';
import { REGISTER_LAYOUTS, pcOf, prepareCall, resultOf } from './registers.ts';
import type { RegisterLayout } from './registers.ts';

/** A thread cannot be traced, or does not stop. */
export class TraceRefused extends Error {}

/** It was killed meanwhile: nothing is left to do. */
export class ThreadGone extends TraceRefused {}

/** How it ended to wait for a stop. `asleep`: it waits for its vfork child, and runs no code. */
type Waited = Stop | 'gone' | 'asleep' | 'late';

/** So often other threads get the CPU before the supervisor sleeps. */
const YIELDS = 200;
const PAUSE_NS = 50_000;
/** Longest that a thread may take to stop, milliseconds: it may be in a call that no signal ends. */
const STOP_MS = 1000;
/** It is looked what keeps it after so long, milliseconds. */
const LOOK_MS = 2;
/** Signals that come meanwhile wait; SIGKILL and SIGSTOP cannot. */
const ALL_SIGNALS = 2n ** 64n - 1n;
/** So many stops on the way to a call are too many. */
const MOST_STOPS = 64;
/** At least what registers take; not on V8's moving heap. */
const REGISTERS_BYTES = 512;

export class Tracer {
  readonly ptrace: Ptrace;
  readonly layout: RegisterLayout;
  readonly #libc: Libc;
  readonly #arch: HostArch;
  /** Traced threads that sleep in the kernel: they are let go of when they have stopped. */
  readonly #asleep = new Set<number>();
  readonly #pause = new BigInt64Array(new ArrayBuffer(128));
  readonly #pauseAt: number;

  constructor(libc: Libc, arch: HostArch) {
    this.#libc = libc;
    this.#arch = arch;
    this.ptrace = new Ptrace(libc, arch);
    this.layout = REGISTER_LAYOUTS[arch.name];
    this.#pause[1] = BigInt(PAUSE_NS);
    this.#pauseAt = libc.address(new Uint8Array(this.#pause.buffer));
  }

  /** Threads wait to be let go of: `letGoOfSleepers` is to be called now and then. */
  get hasSleepers(): boolean {
    return this.#asleep.size > 0;
  }

  letGoOfSleepers(): void {
    for (const tid of this.#asleep) {
      if (this.ptrace.detach(tid) === 0 || this.#hasGone(tid)) this.#asleep.delete(tid);
    }
  }

  /** @throws TraceRefused @returns false for a thread that is gone */
  seize(tid: number, options = 0): boolean {
    if (this.#asleep.has(tid)) return true;
    const rc = this.ptrace.seize(tid, options | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    if (rc === 0) return true;
    if (rc === -ESRCH || stateOf(tid) === 'gone') return false;
    throw new TraceRefused(`ptrace(PTRACE_SEIZE, ${tid}) gives ${formatErrno(rc)}`);
  }

  /**
   * Stops all threads but those for which `isHeld`: they wait for an answer of ours.
   * @param processes with one address space, looked up again for each round
   * @returns the threads that stand
   * @throws TraceRefused; all go on
   */
  stopAll(processes: () => readonly number[], isHeld: (tid: number) => boolean): number[] {
    const seized = new Set<number>();
    const standing: number[] = [];
    try {
      for (;;) {
        const fresh = processes()
          .flatMap((pid) => threadsOf(pid))
          .filter((tid) => !seized.has(tid) && !isHeld(tid));
        const running = fresh.filter((tid) => this.#interrupt(tid, seized));
        if (running.length === 0) return standing;
        standing.push(...running.filter((tid) => this.#stop(tid)));
      }
    } catch (error) {
      for (const tid of seized) this.letGo(tid);
      throw error;
    }
  }

  /** The thread goes on; one that does not stand will, once it does. */
  letGo(tid: number, signal = 0): void {
    if (this.#asleep.has(tid)) return;
    if (this.ptrace.detach(tid, signal) === -ESRCH && !this.#hasGone(tid)) this.#asleep.add(tid);
  }

  /** Waits for a thread to stop. */
  wait(tid: number, mostMs = STOP_MS): Waited {
    const startMs = performance.now();
    for (let n = 0; ; n++) {
      const stop = this.ptrace.stopOf(tid);
      if (stop !== undefined) return stop;
      if (n < YIELDS) {
        this.#libc.syscall(this.#arch.schedYield);
        continue;
      }
      const sinceMs = performance.now() - startMs;
      const state = sinceMs < LOOK_MS ? 'runs' : stateOf(tid, this.#arch);
      if (state !== 'runs') return state;
      if (sinceMs > mostMs) return 'late';
      this.#libc.syscall(this.#arch.nanosleep, this.#pauseAt, 0);
    }
  }

  /** Waits for a stop that must come. @throws TraceRefused */
  expect(tid: number, mostMs = STOP_MS): Stop {
    const stop = this.wait(tid, mostMs);
    if (typeof stop === 'object') return stop;
    if (stop === 'gone') throw new ThreadGone(`thread ${tid} is gone`);
    throw new TraceRefused(`thread ${tid} does not stop`);
  }

  /** What the call gave that a standing thread has made; undefined when it does not stand. */
  resultOf(tid: number): number | undefined {
    const registers = new DataView(new ArrayBuffer(REGISTERS_BYTES), 0, this.layout.byteLength);
    const at = this.#libc.address(new Uint8Array(registers.buffer));
    if (this.ptrace.getRegisters(tid, registers, at) < 0) return undefined;
    return resultOf(registers, this.layout);
  }

  /** Sends a signal to a thread as somebody else. */
  resend(pid: number, tid: number, signal: number): void {
    this.#libc.syscall(this.#arch.tgkill, pid, tid, signal);
  }

  /** A traced thread that is gone stays until its tracer has looked; a program is its starter's. */
  #hasGone(tid: number): boolean {
    if (stateOf(tid) !== 'gone') return false;
    const isProgram = tgidOf(tid) === tid && parentOf(tid) === ownPid;
    if (!isProgram) this.#libc.syscall(this.#arch.wait4, tid, 0, WNOHANG | __WALL, 0);
    return true;
  }

  #interrupt(tid: number, seized: Set<number>): boolean {
    if (!this.seize(tid)) return false;
    seized.add(tid);
    this.ptrace.interrupt(tid);
    return true;
  }

  #stop(tid: number): boolean {
    const stop = this.wait(tid);
    if (typeof stop === 'object') {
      this.#asleep.delete(tid);
      return true;
    }
    if (stop === 'late') throw new TraceRefused(`thread ${tid} does not stop`);
    if (stop === 'asleep') this.#asleep.add(tid);
    else this.letGo(tid);
    return false;
  }
}

/** Calls that a stopped thread makes for the supervisor; then it goes on as if nothing had been. */
export class Errand {
  readonly tid: number;
  /** Where it makes calls. */
  readonly instruction: number;
  readonly #tracer: Tracer;
  readonly #registers: DataView<ArrayBuffer>;
  readonly #saved: DataView<ArrayBuffer>;
  readonly #at: number;
  readonly #savedAt: number;
  readonly #mask: bigint;
  readonly #signals: number[] = [];

  /**
   * @param instruction where the process has one that makes a system call; by default the one that
   * the thread has just made.
   */
  constructor(tracer: Tracer, libc: Libc, tid: number, instruction?: number) {
    const { ptrace, layout } = tracer;
    this.tid = tid;
    this.#tracer = tracer;
    this.#registers = new DataView(new ArrayBuffer(REGISTERS_BYTES), 0, layout.byteLength);
    this.#saved = new DataView(new ArrayBuffer(REGISTERS_BYTES), 0, layout.byteLength);
    this.#at = libc.address(new Uint8Array(this.#registers.buffer));
    this.#savedAt = libc.address(new Uint8Array(this.#saved.buffer));
    if (ptrace.getRegisters(tid, this.#saved, this.#savedAt) < 0) {
      throw new ThreadGone(`thread ${tid} has no registers`);
    }
    this.instruction = instruction ?? pcOf(this.#saved, layout) - layout.instruction.length;
    this.#mask = ptrace.signalMask(tid);
    ptrace.setSignalMask(tid, ALL_SIGNALS);
  }

  /** What the call gave that the thread had just made. */
  get result(): number {
    return resultOf(this.#saved, this.#tracer.layout);
  }

  /** @returns the call's result. @throws TraceRefused when the thread has gone */
  call(...call: readonly number[]): number {
    const { ptrace, layout } = this.#tracer;
    new Uint8Array(this.#registers.buffer).set(new Uint8Array(this.#saved.buffer));
    prepareCall(this.#registers, layout, this.instruction, call);
    ptrace.setRegisters(this.tid, this.#registers, this.#at);
    this.#runToSyscall();
    this.#runToSyscall();
    ptrace.getRegisters(this.tid, this.#registers, this.#at);
    return resultOf(this.#registers, layout);
  }

  /**
   * The registers are the thread's own again; it still stands. A call in which it was interrupted is
   * begun anew by the kernel when it is let go of.
   * @param pid the process that it belongs to
   */
  end(pid: number): void {
    const { ptrace } = this.#tracer;
    ptrace.setRegisters(this.tid, this.#saved, this.#savedAt);
    ptrace.setSignalMask(this.tid, this.#mask);
    for (const signal of this.#signals) this.#tracer.resend(pid, this.tid, signal);
  }

  /**
   * On to the next stop at a call, however long that takes: with these registers it cannot be let go
   * of. A signal that nothing holds back is kept for later.
   */
  #runToSyscall(): void {
    for (let n = 0; n < MOST_STOPS; n++) {
      this.#tracer.ptrace.resumeToSyscall(this.tid);
      const stop = this.#tracer.expect(this.tid, Infinity);
      if (stop.isSyscall) return;
      if (stop.event !== PTRACE_EVENT_STOP) this.#signals.push(stop.signal);
    }
    throw new TraceRefused(`thread ${this.tid} makes no call`);
  }
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** What a thread that has not stopped does. Without `arch` it is not told what it sleeps in. */
function stateOf(tid: number, arch?: HostArch): 'runs' | 'asleep' | 'gone' {
  const state = /\) (\w)/.exec(procText(tid, 'stat'))?.[1];
  if (state === undefined || state === 'Z' || state === 'X') return 'gone';
  if (state !== 'D' || arch === undefined) return 'runs';
  const nr = Number.parseInt(procText(tid, 'syscall'), 10);
  return [arch.fork, arch.vfork, arch.clone, arch.clone3].includes(nr) ? 'asleep' : 'runs';
}

function procText(tid: number, name: string): string {
  try {
    return readFileSync(`/proc/${tid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}
