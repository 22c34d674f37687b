/**
 * The system calls of native programs that the box answers: opening and looking at TEE nodes, and
 * ioctls on the fds that it handed out. Whatever is not the box's goes on in the host's kernel.
 */
import { EBADF, EFAULT, EINVAL } from '../abi/errno.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_PATH,
  O_TRUNC,
  O_WRONLY,
} from '../abi/fcntl.ts';
import { va } from '../machine/address.ts';
import { realCred } from '../linux/process/cred.ts';
import type { File } from '../linux/process/file.ts';
import { statOf } from '../linux/process/inode.ts';
import type { Inode } from '../linux/process/inode.ts';
import { ioctlFile } from '../linux/process/ioctl.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import { inodePermission, openPath } from '../linux/process/namei.ts';
import type { Lookup } from '../linux/process/namei.ts';
import type { Cred } from '../linux/process/process.ts';
import { endOf } from '../sched/task.ts';
import type { Co } from '../sched/task.ts';
import type { HostArch, PathCall } from './arch.ts';
import type { AddFd, NativeFiles } from './native-files.ts';
import { boxPath, checkResolve, mayBeOurs } from './native-paths.ts';
import type { GivenPath } from './native-paths.ts';
import type { NativeThread } from './native-process.ts';
import { atFlags, checkArguments, checkOpen, openHow, readOpenHow } from './path-checks.ts';
import type { OpenHow } from './path-checks.ts';
import { encodeStat, encodeStatx } from './stat-layouts.ts';
import type { VmAccess } from './vm-access.ts';

/** What a served call answers: a system call's result, or "let the host's kernel do it". */
export type Answer = number | 'continue';

/** Most paths are short; PATH_MAX is the longest. */
const PATH_BYTES = [256, 4096] as const;
/** Largest sysfs attribute. */
const SYSFS_BYTES = 4096;

/** What a program asks for: a system call's number and arguments. */
export interface SystemCall {
  readonly nr: number;
  /** As pointers and sizes. */
  readonly args: readonly number[];
  /** The same as ints. */
  readonly ints: readonly number[];
}

/** A call that looks at an fd. */
interface FdRequest extends SystemCall {
  readonly thread: NativeThread;
  readonly call: PathCall;
}

/** A path call that is the box's. */
interface PathRequest extends FdRequest {
  readonly path: string;
  readonly given: GivenPath;
  /** Of calls that open, undefined of others; a negative errno for what cannot be asked for. */
  readonly how: OpenHow | number | undefined;
}

/** Whose rights count: for access(2) those of the real ids, unless it says otherwise. */
function judged({ thread, call, ints }: FdRequest): Cred {
  const { cred } = thread.process;
  const isReal = call.kind === 'access' && (atFlags(call, ints) & AT_EACCESS) === 0;
  return isReal ? realCred(cred) : cred;
}

/** do_dentry_open(): no device of the box has direct I/O. */
const installNode = (thread: NativeThread, file: File, closeOnExec: boolean): number =>
  (file.flags & O_DIRECT) !== 0 ? -EINVAL : thread.process.files.install(file, closeOnExec);

/** fstat(fd, buffer) */
const FSTAT: PathCall = { kind: 'stat', dirfd: 0, path: -1, arg: 1, extra: -1 };

export class NativeCalls {
  readonly #kernel: Kernel;
  readonly #arch: HostArch;
  readonly #files: NativeFiles;
  readonly #vm: VmAccess;
  readonly #addFd: AddFd;
  readonly #ascii = new TextDecoder('latin1');

  constructor(kernel: Kernel, arch: HostArch, files: NativeFiles, vm: VmAccess, addFd: AddFd) {
    this.#kernel = kernel;
    this.#arch = arch;
    this.#files = files;
    this.#vm = vm;
    this.#addFd = addFd;
  }

  /**
   * The coroutine that serves a call, undefined when the call is none of the box's.
   * @param valid asks the host's kernel whether the caller still waits; memory that was read from
   * a process id is worth nothing otherwise (seccomp_unotify(2)).
   */
  begin(thread: NativeThread, asked: SystemCall, valid: () => boolean): Co<Answer> | undefined {
    const { nr, args, ints } = asked;
    if (nr === this.#arch.ioctl) {
      const [fd = -1, cmd = 0] = ints;
      const arg = args[2] ?? 0;
      const file = this.#files.find(thread.tid, fd);
      return file === undefined || !valid() ? undefined : this.#ioctl(thread, file, fd, cmd, arg);
    }
    if (nr === this.#arch.fstat) return this.#fstat({ ...asked, thread, call: FSTAT }, valid);
    const call = this.#arch.pathCalls.get(nr);
    if (call === undefined) return undefined;
    const text = this.#path(thread.tid, args[call.path] ?? 0);
    if (text === '' && (atFlags(call, ints) & AT_EMPTY_PATH) !== 0) {
      return this.#fstat({ ...asked, thread, call }, valid);
    }
    if (text === undefined || !mayBeOurs(text)) return undefined;
    const dirfd = call.dirfd < 0 ? AT_FDCWD : (ints[call.dirfd] ?? 0);
    const request = { ...asked, thread, call };
    const how = this.#how(request);
    const resolve = typeof how === 'object' ? how.resolve : 0;
    const given = { tid: thread.tid, dirfd, text, resolve };
    const path = boxPath(given);
    if (path === undefined || !valid()) return undefined;
    return this.#pathCall({ ...request, path, given, how });
  }

  #how({ thread, call: { kind, arg, extra }, args, ints }: FdRequest): PathRequest['how'] {
    if (kind === 'open') return openHow(this.#arch, ints[arg] ?? 0, 0);
    if (kind === 'creat') return openHow(this.#arch, O_CREAT | O_WRONLY | O_TRUNC, 0);
    if (kind !== 'openat2') return undefined;
    return readOpenHow(this.#arch, thread.process.mm, args[arg] ?? 0, args[extra] ?? 0);
  }

  *#ioctl(thread: NativeThread, file: File, fd: number, cmd: number, arg: number): Co<Answer> {
    if ((file.flags & O_PATH) !== 0) return -EBADF;
    file.get();
    try {
      return yield* ioctlFile(this.#kernel, thread, file, fd, cmd >>> 0, va(arg));
    } finally {
      yield* file.put();
    }
  }

  #pathCall(request: PathRequest): Co<Answer> {
    const { how } = request;
    if (how !== undefined) return this.#open(request, how);
    return this.#look(request, () => this.#find(request));
  }

  *#open(request: PathRequest, how: OpenHow | number): Co<Answer> {
    if (typeof how === 'number') return how;
    const { thread, given } = request;
    const refused = checkOpen(how) || checkResolve(given);
    if (refused !== 0) return refused;
    const { flags } = how;
    const file = yield* openPath(this.#lookup(request), thread, flags & ~O_CLOEXEC, 0);
    if (typeof file === 'number') return file;
    const closeOnExec = (flags & O_CLOEXEC) !== 0;
    const isNode = file.dentry?.inode.kind === 'device';
    const fd = isNode
      ? installNode(thread, file, closeOnExec)
      : yield* this.#installContents(thread, file, closeOnExec);
    if (fd === 'continue' || fd < 0 || !isNode) yield* file.put();
    return fd;
  }

  /** A sysfs attribute: a file of the host with what it says now. Directories are the host's. */
  *#installContents(thread: NativeThread, file: File, closeOnExec: boolean): Co<Answer> {
    if (file.dentry?.inode.kind === 'directory' || file.ops.read === undefined) return 'continue';
    const contents = new Uint8Array(SYSFS_BYTES);
    const n = yield* endOf(file.ops.read(file, thread, contents, 0));
    return n < 0 ? n : this.#files.installBytes(contents.subarray(0, n), closeOnExec, this.#addFd);
  }

  /** fstat(2), and what looks at a node's fd with AT_EMPTY_PATH. */
  #fstat(request: FdRequest, valid: () => boolean): Co<Answer> | undefined {
    const { thread, ints } = request;
    const inode = this.#files.find(thread.tid, ints[0] ?? -1)?.dentry?.inode;
    return inode === undefined || !valid() ? undefined : this.#look(request, () => inode);
  }

  #find(request: PathRequest): Inode | number {
    const { vfs, start, path } = this.#lookup(request);
    const found = vfs.walk(start, path, judged(request));
    return typeof found === 'number' ? found : found.inode;
  }

  /** access(2), stat(2) and their kin. */
  // oxlint-disable-next-line require-yield -- as the other answers
  *#look(request: FdRequest, find: () => Inode | number): Co<Answer> {
    const { call, ints } = request;
    const refused = checkArguments(call, ints);
    if (refused !== 0) return refused;
    const inode = find();
    if (typeof inode === 'number') return inode;
    if (call.kind === 'access') return inodePermission(inode, judged(request), ints[call.arg] ?? 0);
    return this.#tell(request, inode);
  }

  #tell({ thread, call, args }: FdRequest, inode: Inode): number {
    const stat = statOf(inode);
    const isStatx = call.kind === 'statx';
    const buffer = va(args[isStatx ? call.extra : call.arg] ?? 0);
    const bytes = isStatx ? encodeStatx(stat) : encodeStat(this.#arch, stat);
    return thread.process.mm.write(buffer, bytes) ? 0 : -EFAULT;
  }

  #lookup({ thread, path }: PathRequest): Lookup {
    const { vfs } = this.#kernel;
    return { vfs, start: vfs.root, path, cred: thread.process.cred };
  }

  #path(tid: number, at: number): string | undefined {
    for (const most of PATH_BYTES) {
      const n = this.#vm.fetch(tid, at, most);
      const bytes = this.#vm.scratch.subarray(0, n);
      const end = bytes.indexOf(0);
      if (end >= 0) return this.#ascii.decode(bytes.subarray(0, end));
      if (n < most) return undefined;
    }
    return undefined;
  }
}
