/**
 * Native processes and threads as the box's kernel sees them: rights, signals and name from /proc,
 * memory by process_vm, files in the host's kernel. One object a process (by tgid), one a thread.
 */
import type { Cred, FileTable, ProcessInfo, TaskStruct } from '../linux/process/process.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import type { SignalSource, Task, WaitMode } from '../sched/task.ts';
import type { NativeMemory } from './native-memory.ts';
import { NOBODY, credOf, limitOf, statusOf } from './proc.ts';

const NOBODY_CRED: Cred = {
  uid: NOBODY,
  gid: NOBODY,
  euid: NOBODY,
  egid: NOBODY,
  groups: [],
  capabilities: new Set(),
};

/** Rights, limits and name are read anew at each use, as programs change theirs, until its end. */
export class NativeProcess implements ProcessInfo {
  readonly pid: number;
  readonly mm: NativeMemory;
  readonly files: FileTable;
  /** The thread whose call is served: rights are each thread's own. */
  #caller: number;
  /** As last seen: what it had counts beyond its end, when its id may be another's. */
  #name: string;
  #cred = NOBODY_CRED;
  readonly #limits = { memlock: Infinity, nofile: Infinity };

  constructor(pid: number, mm: NativeMemory, files: FileTable) {
    this.pid = pid;
    this.mm = mm;
    this.files = files;
    this.#caller = pid;
    this.#name = `pid ${pid}`;
  }

  /** A call of one of its threads is to be served. */
  callBegins(tid: number): void {
    this.#caller = tid;
    this.mm.invalidate();
  }

  get name(): string {
    const now = this.mm.isAlive ? statusOf(this.pid)?.get('Name') : undefined;
    return (this.#name = now ?? this.#name);
  }

  get rlimits(): ProcessInfo['rlimits'] {
    const seen = this.#limits;
    const now = (name: string): number | undefined =>
      this.mm.isAlive ? limitOf(this.pid, name) : undefined;
    return {
      get memlock() {
        return (seen.memlock = now('Max locked memory') ?? seen.memlock);
      },
      get nofile() {
        return (seen.nofile = now('Max open files') ?? seen.nofile);
      },
    };
  }

  get cred(): Cred {
    const now = this.mm.isAlive ? (credOf(this.#caller) ?? credOf(this.pid)) : undefined;
    return (this.#cred = now ?? this.#cred);
  }
}

/** A native thread; its task runs one system call at a time. */
export class NativeThread implements TaskStruct, SignalSource {
  readonly tid: number;
  readonly process: NativeProcess;
  readonly task: Task;
  /** The supervisor found that its notification is no longer valid: a fatal signal ended it. */
  killed = false;

  constructor(sched: Scheduler, tid: number, process: NativeProcess) {
    this.tid = tid;
    this.process = process;
    this.task = sched.createTask(`${process.name}[${tid}]`, { called: true });
    this.task.signals = this;
  }

  get signals(): SignalSource {
    return this;
  }

  /** A handled signal is pending and not blocked: the host's kernel tells, the supervisor asks. */
  pending(mode: WaitMode): boolean {
    if (mode === 'uninterruptible') return false;
    if (this.killed || mode === 'killable') return this.killed;
    const status = statusOf(this.tid);
    if (status === undefined) return true;
    const mask = (name: string): bigint => BigInt(`0x${status.get(name) ?? '0'}`);
    return ((mask('SigPnd') | mask('ShdPnd')) & ~mask('SigBlk')) !== 0n;
  }
}
