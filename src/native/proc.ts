/** What /proc tells of the host's processes and threads: proc_pid_status(5) and its like. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import type { Cred } from '../linux/process/process.ts';

/** The lines of /proc/PID/status that matter, undefined when the process is gone. */
export function statusOf(pid: number): ReadonlyMap<string, string> | undefined {
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

/** Zombies and the dead have no memory any more (proc_pid_status(5)). */
const ENDED = /^[ZX]/;

/** A thread of a process that has not ended, the first one if it can be; undefined when all have. */
export function liveThreadOf(pid: number): number | undefined {
  try {
    const tids = readdirSync(`/proc/${pid}/task`).map(Number);
    return tids.find((tid) => !ENDED.test(statusOf(tid)?.get('State') ?? 'X'));
  } catch {
    return undefined;
  }
}

/** The parent of a process; undefined when it is gone, or its parent is beyond reach. */
export function parentOf(pid: number): number | undefined {
  const ppid = Number(statusOf(pid)?.get('PPid') ?? 0);
  return ppid === 0 ? undefined : ppid;
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

/** The overflow id. */
export const NOBODY = 65534;

/** A soft limit of /proc/PID/limits, `unlimited` as Infinity; undefined when the process is gone. */
export function limitOf(pid: number, name: string): number | undefined {
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

/** A thread's own; undefined when it is gone. */
export function credOf(tid: number): Cred | undefined {
  const status = statusOf(tid);
  if (status === undefined) return undefined;
  const [uid = NOBODY, euid = NOBODY] = words(status.get('Uid'));
  const [gid = NOBODY, egid = NOBODY] = words(status.get('Gid'));
  const groups = words(status.get('Groups'));
  const effective = userNamespaceOf(tid) === ownNamespace ? status.get('CapEff') : undefined;
  const capabilities = bits(BigInt(`0x${effective ?? '0'}`));
  return { uid, gid, euid, egid, groups, capabilities };
}
