/**
 * Native processes and threads as the box's kernel sees them: rights, signals and name from /proc,
 * memory by process_vm, files in the host's kernel. One object a process (by tgid), one a thread.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import type { Cred, FileTable, ProcessInfo, TaskStruct } from '../linux/process/process.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import type { SignalSource, Task, WaitMode } from '../sched/task.ts';
import type { NativeMemory } from './native-memory.ts';
import type { VmAccess } from './vm-access.ts';

/** The lines of /proc/PID/status that matter, undefined when the process is gone. */
function statusOf(pid: number): ReadonlyMap<string, string> | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return undefined;
  }
  const fields = text.split('\n').map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  return new Map(fields);
}

/** A process as messages have it. */
export const nameOf = (pid: number): string => `${statusOf(pid)?.get('Name') ?? '?'} (pid ${pid})`;

/** The thread group of a thread; undefined when it is gone. */
export function tgidOf(tid: number): number | undefined {
  const tgid = statusOf(tid)?.get('Tgid');
  return tgid === undefined ? undefined : Number(tgid);
}

/** The parent of a process; undefined when it is gone, or its parent is beyond reach. */
export function parentOf(pid: number): number | undefined {
  const ppid = Number(statusOf(pid)?.get('PPid') ?? 0);
  return ppid === 0 ? undefined : ppid;
}

/** The processes with a process's address space: itself, and its vfork children while they run in it. */
export function sharersOf(pid: number, vm: VmAccess): readonly number[] {
  const found = [pid];
  for (const parent of found) {
    found.push(...childrenOf(parent).filter((child) => vm.isShared(child, pid)));
  }
  return found;
}

/** Where the kernel tells (CONFIG_PROC_CHILDREN). */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
      words(readFileSync(`/proc/${pid}/task/${tid}/children`, 'latin1')),
    );
  } catch {
    return [];
  }
}

/** Seccomp filters of a process's first thread. */
export const filtersOf = (pid: number): number =>
  Number(statusOf(pid)?.get('Seccomp_filters') ?? 0);

const words = (text: string | undefined): number[] =>
  (text ?? '').split(/\s+/).filter(Boolean).map(Number);

function bits(mask: bigint): Set<number> {
  const set = new Set<number>();
  for (let i = 0; mask >> BigInt(i) > 0n; i++) if ((mask >> BigInt(i)) & 1n) set.add(i);
  return set;
}

const NOBODY = 65534;

/** A soft limit of /proc/PID/limits, `unlimited` as Infinity; undefined when the process is gone. */
function limitOf(pid: number, name: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/limits`, 'latin1');
  } catch {
    return undefined;
  }
  const line = text.split('\n').find((row) => row.startsWith(`${name} `)) ?? '';
  const [soft = 'unlimited'] = line.slice(name.length).trim().split(/\s+/);
  return soft === 'unlimited' ? Infinity : Number(soft);
}

/** The user namespace of a process; undefined when it is gone. */
function userNamespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`);
  } catch {
    return undefined;
  }
}

/** The box's initial one: capabilities that a process has in another are none (ns_capable()). */
const ownNamespace = userNamespaceOf('self');

function credOf(tid: number): Cred | undefined {
  const status = statusOf(tid);
  if (status === undefined) return undefined;
  const [uid = NOBODY, euid = NOBODY] = words(status.get('Uid'));
  const [gid = NOBODY, egid = NOBODY] = words(status.get('Gid'));
  const groups = words(status.get('Groups'));
  const effective = userNamespaceOf(tid) === ownNamespace ? status.get('CapEff') : undefined;
  const capabilities = bits(BigInt(`0x${effective ?? '0'}`));
  return { uid, gid, euid, egid, groups, capabilities };
}

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
