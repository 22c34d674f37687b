/**
 * Resource limits of a process (struct rlimit; kernel/sys.c, do_prlimit()). Threads share them, fork
 * copies them. Kept: RLIMIT_NOFILE, RLIMIT_MEMLOCK; every other is without limit and takes nothing.
 */
import { CAP_SYS_RESOURCE } from '../../abi/capability.ts';
import { EINVAL, EPERM, ESRCH } from '../../abi/errno.ts';
import { RLIMIT, RLIMIT_MEMLOCK, RLIMIT_NOFILE } from '../../abi/fcntl.ts';
import { capable } from './cred.ts';
import type { Cred } from './process.ts';
import type { Thread } from './thread.ts';

/** RLIM_INFINITY is Infinity. */
export interface Rlimit {
  /** rlim_cur: what holds. */
  readonly cur: number;
  /** rlim_max: how far the process itself may raise it. */
  readonly max: number;
}

/** INR_OPEN_CUR and INR_OPEN_MAX (include/uapi/linux/fs.h), fds. */
const DEFAULT_NOFILE = 1024;
const DEFAULT_NOFILE_MAX = 4096;
/** MLOCK_LIMIT (include/uapi/linux/resource.h), bytes. */
const DEFAULT_MEMLOCK = 8 * 1024 * 1024;
/** sysctl fs.nr_open */
const NR_OPEN = 1024 * 1024;

const UNLIMITED: Rlimit = { cur: Infinity, max: Infinity };
const KNOWN: ReadonlySet<number> = new Set(Object.values(RLIMIT));

export class Rlimits {
  readonly #limits: Map<number, Rlimit>;

  constructor(limits: Iterable<readonly [resource: number, limit: Rlimit]>) {
    this.#limits = new Map(limits);
  }

  /** Soft limits that a program is started with; hard ones are as the kernel's. */
  static of({ nofile = DEFAULT_NOFILE, memlock = DEFAULT_MEMLOCK } = {}): Rlimits {
    return new Rlimits([
      [RLIMIT_NOFILE, { cur: nofile, max: Math.max(nofile, DEFAULT_NOFILE_MAX) }],
      [RLIMIT_MEMLOCK, { cur: memlock, max: Math.max(memlock, DEFAULT_MEMLOCK) }],
    ]);
  }

  /** Bytes. */
  get memlock(): number {
    return this.get(RLIMIT_MEMLOCK).cur;
  }

  /** Fds. */
  get nofile(): number {
    return this.get(RLIMIT_NOFILE).cur;
  }

  get(resource: number): Rlimit {
    return this.#limits.get(resource) ?? UNLIMITED;
  }

  /** do_prlimit(): 0, -EINVAL or -EPERM. */
  set(resource: number, limit: Rlimit, caller: Cred): number {
    if (!(limit.cur <= limit.max)) return -EINVAL;
    if (resource === RLIMIT_NOFILE && limit.max > NR_OPEN) return -EPERM;
    if (limit.max > this.get(resource).max && !capable(caller, CAP_SYS_RESOURCE)) return -EPERM;
    this.#limits.set(resource, limit);
    return 0;
  }

  copy(): Rlimits {
    return new Rlimits(this.#limits);
  }
}

/**
 * prlimit64(): getrlimit() and setrlimit() for any process.
 * @param pid 0 for the caller
 * @returns the limit as it was before, -ESRCH, -EPERM or -EINVAL
 */
export function prlimit(
  { process }: Thread,
  pid: number,
  resource: number,
  limit?: Rlimit,
): Rlimit | number {
  if (!KNOWN.has(resource)) return -EINVAL;
  const target = pid === 0 ? process : process.kernel.processes.find(pid);
  if (target === undefined) return -ESRCH;
  if (target !== process && !mayPrlimit(process.cred, target.cred)) return -EPERM;
  const before = target.rlimits.get(resource);
  const rc = limit === undefined ? 0 : target.rlimits.set(resource, limit, process.cred);
  if (rc < 0) return rc;
  if (resource === RLIMIT_NOFILE) target.files.limit = target.rlimits.nofile;
  return before;
}

/** check_prlimit_permission() */
function mayPrlimit(caller: Cred, target: Cred): boolean {
  const same = [target.uid, target.euid].every((uid) => uid === caller.uid);
  const group = [target.gid, target.egid].every((gid) => gid === caller.gid);
  return (same && group) || capable(caller, CAP_SYS_RESOURCE);
}
