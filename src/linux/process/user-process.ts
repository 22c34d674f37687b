/**
 * Processes (struct signal_struct, struct mm_struct and what hangs on them; kernel/fork.c): memory,
 * files, rights and signals that threads share.
 * Left out: process groups and sessions, namespaces, ptrace.
 */
import { Completion, WaitQueue } from '../../sched/wait.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import type { CredOptions } from './cred.ts';
import type { Fds } from './fd-table.ts';
import type { Dentry } from './inode.ts';
import type { Kernel } from './kernel.ts';
import type { Cred, ProcessInfo } from './process.ts';
import { PendingSignals, Sighand, dumpsCore, signalName } from './signal.ts';
import type { Rlimits } from './rlimit.ts';
import type { Thread } from './thread.ts';

export interface ProcessOptions extends CredOptions {
  /** As ps shows it. */
  readonly name: string;
  /** RLIMIT_NOFILE, fds; 1024 by default. */
  readonly nofile?: number;
  /** RLIMIT_MEMLOCK, bytes, Infinity for none; 8 MiB by default. */
  readonly memlock?: number;
  /** Working directory; `/` by default. */
  readonly cwd?: string;
  /** Daemons (a supplicant) do not keep a run from ending. */
  readonly daemon?: boolean;
}

/** How a process ended. */
export type ExitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: number };

/** The core-dump bit of a wait status (WCOREDUMP). */
const WCOREFLAG = 0x80;

/** As wait4() reports it: WIFEXITED, WEXITSTATUS, WTERMSIG read this. */
export function waitStatus(status: ExitStatus): number {
  if (status.kind === 'exited') return (status.code & 0xff) << 8;
  return status.signal | (dumpsCore(status.signal) ? WCOREFLAG : 0);
}

export const formatExit = (status: ExitStatus): string =>
  status.kind === 'exited' ? `exit ${status.code}` : `killed by ${signalName(status.signal)}`;

/** Thrown by a system call that does not return because the process is gone. */
export class ProcessExited extends Error {
  readonly pid: number;
  readonly status: ExitStatus;
  constructor(pid: number, name: string, status: ExitStatus) {
    super(`${name} (pid ${pid}) is gone: ${formatExit(status)}`);
    this.name = 'ProcessExited';
    this.pid = pid;
    this.status = status;
  }
}

/** What a process is made of. */
export interface ProcessParts {
  readonly kernel: Kernel;
  readonly pid: number;
  readonly name: string;
  readonly cred: Cred;
  readonly mm: AddressSpace;
  readonly files: Fds;
  readonly rlimits: Rlimits;
  readonly cwd: Dentry;
  readonly parent: Process | undefined;
}

export class Process implements ProcessInfo {
  readonly kernel: Kernel;
  readonly pid: number;
  readonly cred: Cred;
  readonly files: Fds;
  readonly rlimits: Rlimits;
  name: string;
  /** exec replaces it. */
  mm: AddressSpace;
  cwd: Dentry;
  umask = 0o022;
  /** Undefined for those that init has adopted: nobody waits for them. */
  parent: Process | undefined;
  readonly children = new Set<Process>();
  /** Those that have not exited. */
  readonly threads = new Set<Thread>();
  readonly sighand = new Sighand();
  /** Signals sent to the process as a whole. */
  readonly shared = new PendingSignals();
  /** SIGNAL_GROUP_EXIT: all threads are to end, with this status. */
  groupExit: ExitStatus | undefined;
  /** What the leader left with while other threads went on. */
  leaderExit: ExitStatus | undefined;
  /** Set when the last thread is gone: a zombie until the parent has waited. */
  exitStatus: ExitStatus | undefined;
  /** wait_chldexit */
  readonly childExited: WaitQueue;
  readonly exited: Completion;
  /** Callers outside that are told once. */
  readonly exitListeners: ((status: ExitStatus) => void)[] = [];

  constructor(parts: ProcessParts) {
    this.kernel = parts.kernel;
    this.pid = parts.pid;
    this.name = parts.name;
    this.cred = parts.cred;
    this.mm = parts.mm;
    this.mm.mm.owner = this;
    this.files = parts.files;
    this.rlimits = parts.rlimits;
    this.cwd = parts.cwd;
    this.parent = parts.parent;
    this.childExited = new WaitQueue(parts.kernel.sched, 'wait_chldexit');
    this.exited = new Completion(parts.kernel.sched, 'process exit');
  }

  /** The error of whoever still calls into it. */
  gone(): ProcessExited {
    const status = this.exitStatus ?? this.groupExit ?? { kind: 'exited', code: 0 };
    return new ProcessExited(this.pid, this.name, status);
  }
}
