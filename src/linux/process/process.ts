/**
 * Processes and their threads (struct task_struct, struct cred, include/linux/sched.h): who makes a
 * system call, with which rights, memory and files.
 */
import type { SignalSource, Task } from '../../sched/task.ts';
import type { UserMemory } from '../mm/user-memory.ts';
import type { File } from './file.ts';

/** Rights of a process. Ids are of the initial user namespace. */
export interface Cred {
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
  readonly groups: readonly number[];
  /** CAP_* numbers. */
  readonly capabilities: ReadonlySet<number>;
}

/** A process's open files. Native programs have theirs in the host's kernel. */
export interface FileTable {
  /** As get_unused_fd_flags() and fd_install(): a new lowest fd, or -EMFILE. Takes the reference. */
  install(file: File, closeOnExec?: boolean): number;
  /** Looks an fd up without taking a reference; undefined for -EBADF. */
  get(fd: number): File | undefined;
}

/** A process as drivers see it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly name: string;
  readonly cred: Cred;
  readonly mm: UserMemory;
  readonly files: FileTable;
  /** In bytes, RLIM_INFINITY as Infinity. */
  readonly rlimits: { readonly memlock: number; readonly nofile: number };
}

/** A thread in a system call: upstream's `current`. Kernel threads have no process. */
export interface TaskStruct {
  readonly tid: number;
  readonly process: ProcessInfo;
  readonly task: Task;
  readonly signals: SignalSource;
  /** TIF_TAGGED_ADDR: its pointers may have a tag in their top byte (PR_SET_TAGGED_ADDR_CTRL). */
  readonly taggedAddr?: boolean;
}
