/**
 * process_vm_readv() and process_vm_writev(): memory of another process, by its addresses.
 *
 * Upstream counterpart: mm/process_vm_access.c. Pins are short: of as many pages as one list takes, for
 * one copy. Left out: compat, LSMs, PR_SET_DUMPABLE.
 */
import { CAP_SYS_PTRACE } from '../../abi/capability.ts';
import { EFAULT, EINVAL, EPERM, ESRCH } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset, pageStart, pagesFor, va } from '../../machine/address.ts';
import { FOLL_WRITE } from '../mm/gup-flags.ts';
import { pinSite, pinUser } from '../mm/pin-site.ts';
import { capable } from '../process/cred.ts';
import type { Cred } from '../process/process.ts';
import type { Thread } from '../process/thread.ts';
import type { Process } from '../process/user-process.ts';
import type { Iovec } from './io-uring.ts';

const SITE = {
  name: 'process_vm_rw_single_vec',
  call: 'pin_user_pages_remote',
  lifetime: 'short',
  reason: 'The pages are unpinned when they have been copied, within the same system call.',
  longterm: false,
} as const;
const PROCESS_VM_READ = pinSite({ ...SITE, foll: 0 });
const PROCESS_VM_WRITE = pinSite({ ...SITE, foll: FOLL_WRITE });

/** Pages that one list takes: PVM_MAX_KMALLOC_PAGES of pointers. */
const PAGES_PER_LOOP = (2 * PAGE_SIZE) / 8;
/** UIO_MAXIOV */
const MAX_IOVECS = 1024;

type Direction = 'read' | 'write';

export function processVmReadv(
  thread: Thread,
  pid: number,
  local: readonly Iovec[],
  remote: readonly Iovec[],
  flags = 0,
): number {
  return processVmRw(thread, pid, local, remote, flags, 'read');
}

export function processVmWritev(
  thread: Thread,
  pid: number,
  local: readonly Iovec[],
  remote: readonly Iovec[],
  flags = 0,
): number {
  return processVmRw(thread, pid, local, remote, flags, 'write');
}

/** Bytes moved, or a negative errno when there is none: -EINVAL, -ESRCH, -EPERM, -EFAULT. */
function processVmRw(
  thread: Thread,
  pid: number,
  local: readonly Iovec[],
  remote: readonly Iovec[],
  flags: number,
  direction: Direction,
): number {
  if (flags !== 0 || local.length > MAX_IOVECS) return -EINVAL;
  const { mm } = thread.process;
  if (!local.every(({ base, length }) => mm.accessOk(base, length))) return -EFAULT;
  const cursor = new LocalCursor(thread, local);
  if (cursor.left === 0) return 0;
  if (remote.length > MAX_IOVECS) return -EINVAL;
  // With nothing to move nobody asks whose memory it is.
  if (remote.every(({ length }) => length === 0)) return 0;
  const target = thread.process.kernel.processes.find(pid);
  if (target === undefined || target.exitStatus !== undefined) return -ESRCH;
  if (target !== thread.process && !mayAccess(thread.process.cred, target.cred)) return -EPERM;
  let done = 0;
  for (const { base, length } of remote) {
    const rc = copyVec(target, base, Math.min(length, cursor.left), cursor, direction);
    if (rc < 0) return done > 0 ? done : rc;
    done += rc;
    if (rc < length) break;
  }
  return done;
}

/** __ptrace_may_access() with PTRACE_MODE_ATTACH_REALCREDS */
function mayAccess(caller: Cred, target: Cred): boolean {
  const users = [target.uid, target.euid].every((uid) => uid === caller.uid);
  const groups = [target.gid, target.egid].every((gid) => gid === caller.gid);
  return (users && groups) || capable(caller, CAP_SYS_PTRACE);
}

/** process_vm_rw_single_vec(): bytes, fewer at the first fault; -EFAULT when that is the first one. */
function copyVec(
  target: Process,
  base: number,
  length: number,
  cursor: LocalCursor,
  direction: Direction,
): number {
  for (let done = 0; done < length;) {
    const at = base + done;
    const offset = pageOffset(at);
    const most = Math.min(length - done, PAGES_PER_LOOP * PAGE_SIZE - offset);
    const moved = copyPages(target, at, most, cursor, direction);
    if (moved < 0) return done > 0 ? done : moved;
    done += moved;
    if (moved < most) return done;
  }
  return length;
}

/**
 * process_vm_rw_pages() between pinning and unpinning, which dirties what was written. Why nothing
 * could be pinned is not passed on: -EFAULT.
 */
function copyPages(
  { mm, kernel }: Process,
  at: number,
  length: number,
  cursor: LocalCursor,
  direction: Direction,
): number {
  const { pages, port } = kernel;
  const offset = pageOffset(at);
  const site = direction === 'write' ? PROCESS_VM_WRITE : PROCESS_VM_READ;
  const pinned = pinUser(mm, site, va(pageStart(at)), pagesFor(offset + length), pages.switches);
  if (typeof pinned === 'number') return -EFAULT;
  const here = Math.min(length, pinned.pages.length * PAGE_SIZE - offset);
  const mapping = port.mapContiguous(pinned.pages, offset, here, direction);
  const moved = cursor.move(mapping.bytes, direction);
  if (direction === 'write') mapping.writeBack();
  pinned.unpin(direction === 'write');
  return moved > 0 ? moved : -EFAULT;
}

/** The caller's side (struct iov_iter). */
class LocalCursor {
  readonly #thread: Thread;
  readonly #iovecs: readonly Iovec[];
  #index = 0;
  #offset = 0;
  left: number;

  constructor(thread: Thread, iovecs: readonly Iovec[]) {
    this.#thread = thread;
    this.#iovecs = iovecs;
    this.left = iovecs.reduce((sum, { length }) => sum + length, 0);
  }

  /** Copies between `bytes` and the caller's memory: bytes, fewer at a fault. */
  move(bytes: Uint8Array, direction: Direction): number {
    const { mm } = this.#thread.process;
    let done = 0;
    while (done < bytes.length) {
      const { base, length } = this.#iovecs[this.#index]!;
      const part = bytes.subarray(done, done + length - this.#offset);
      const at = va(base + this.#offset);
      if (!(direction === 'read' ? mm.write(at, part) : mm.read(at, part))) break;
      done += part.length;
      this.#offset += part.length;
      if (this.#offset < length) continue;
      this.#index += 1;
      this.#offset = 0;
    }
    this.left -= done;
    return done;
  }
}
