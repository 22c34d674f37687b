/**
 * The system calls of native programs that the box answers: opening and looking at TEE nodes, and
 * ioctls on the fds that it handed out. Whatever is not the box's goes on in the host's kernel.
 */
import { EFAULT } from '../abi/errno.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_CREAT,
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
import { checkAccess, openPath } from '../linux/process/namei.ts';
import type { Lookup } from '../linux/process/namei.ts';
import { endOf } from '../sched/task.ts';
import type { Co } from '../sched/task.ts';
import type { HostArch, PathCall } from './arch.ts';
import type { AddFd, NativeFiles } from './native-files.ts';
import { boxPath } from './native-paths.ts';
import type { NativeThread } from './native-process.ts';
import { encodeStat, encodeStatx } from './stat-layouts.ts';
import type { VmAccess } from './vm-access.ts';

/** What a served call answers: a system call's result, or "let the host's kernel do it". */
export type Answer = number | 'continue';

/** Paths longer than this are never the box's. */
const PATH_BYTES = 256;
/** Largest sysfs attribute. */
const SYSFS_BYTES = 4096;

/** A call that looks at an fd. */
interface FdRequest {
  readonly thread: NativeThread;
  readonly call: PathCall;
  readonly args: readonly number[];
}

/** A path call that is the box's. */
interface PathRequest extends FdRequest {
  readonly path: string;
}

/** Where newfstatat and statx have AT_* flags. */
const STAT_FLAGS: ReadonlyMap<string, number> = new Map([
  ['stat', 3],
  ['statx', 2],
]);

function asksForFd({ kind, dirfd }: PathCall, args: readonly number[]): boolean {
  const flags = dirfd < 0 ? undefined : STAT_FLAGS.get(kind);
  return flags !== undefined && ((args[flags] ?? 0) & AT_EMPTY_PATH) !== 0;
}

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
  begin(
    thread: NativeThread,
    nr: number,
    args: readonly number[],
    valid: () => boolean,
  ): Co<Answer> | undefined {
    if (nr === this.#arch.ioctl) {
      const [fdBits = -1, cmd = 0, arg = 0] = args;
      const fd = fdBits | 0;
      const file = this.#files.find(thread.tid, fd);
      return file === undefined || !valid() ? undefined : this.#ioctl(thread, file, fd, cmd, arg);
    }
    if (nr === this.#arch.fstat) return this.#fstat({ thread, call: FSTAT, args }, valid);
    const call = this.#arch.pathCalls.get(nr);
    if (call === undefined) return undefined;
    const text = this.#path(thread.tid, args[call.path] ?? 0);
    if (text === undefined) return undefined;
    if (text === '' && asksForFd(call, args)) return this.#fstat({ thread, call, args }, valid);
    const dirfd = call.dirfd < 0 ? AT_FDCWD : (args[call.dirfd] ?? 0) | 0;
    const path = boxPath(thread.tid, dirfd, text);
    if (path === undefined || !valid()) return undefined;
    return this.#pathCall({ thread, path, call, args });
  }

  *#ioctl(thread: NativeThread, file: File, fd: number, cmd: number, arg: number): Co<Answer> {
    file.get();
    try {
      return yield* ioctlFile(this.#kernel, thread, file, fd, cmd % 2 ** 32, va(arg));
    } finally {
      yield* file.put();
    }
  }

  #pathCall(request: PathRequest): Co<Answer> {
    const flags = (index: number): number => (index < 0 ? 0 : (request.args[index] ?? 0));
    const { call } = request;
    if (call.kind === 'open') return this.#open(request, flags(call.arg));
    if (call.kind === 'creat') return this.#open(request, O_CREAT | O_WRONLY | O_TRUNC);
    if (call.kind === 'openat2') return this.#openat2(request);
    if (call.kind === 'access') return this.#access(request, flags(call.arg), flags(call.extra));
    return this.#stat(request);
  }

  *#open(request: PathRequest, flags: number): Co<Answer> {
    const { thread } = request;
    const file = yield* openPath(this.#lookup(request), thread, flags & ~O_CLOEXEC, 0);
    if (typeof file === 'number') return file;
    const closeOnExec = (flags & O_CLOEXEC) !== 0;
    const fd =
      file.ops.ioctl === undefined
        ? yield* this.#installContents(thread, file, closeOnExec)
        : thread.process.files.install(file, closeOnExec);
    if (fd === 'continue' || fd < 0 || file.ops.ioctl === undefined) yield* file.put();
    return fd;
  }

  /** The flags are the first field of struct open_how. */
  *#openat2(request: PathRequest): Co<Answer> {
    const { thread, args, call } = request;
    const how = new Uint8Array(8);
    if (!thread.process.mm.read(va(args[call.arg] ?? 0), how)) return -EFAULT;
    return yield* this.#open(request, new DataView(how.buffer).getUint32(0, true));
  }

  /** A sysfs attribute: a file of the host with what it says now. Directories are the host's. */
  *#installContents(thread: NativeThread, file: File, closeOnExec: boolean): Co<Answer> {
    if (file.dentry?.inode.kind === 'directory' || file.ops.read === undefined) return 'continue';
    const contents = new Uint8Array(SYSFS_BYTES);
    const n = yield* endOf(file.ops.read(file, thread, contents, 0));
    return n < 0 ? n : this.#files.installBytes(contents.subarray(0, n), closeOnExec, this.#addFd);
  }

  *#access(request: PathRequest, mode: number, flags: number): Co<Answer> {
    const { cred } = request.thread.process;
    const judged = (flags & AT_EACCESS) !== 0 ? cred : realCred(cred);
    return checkAccess({ ...this.#lookup(request), cred: judged }, mode);
  }

  /** fstat(2), and its kin with AT_EMPTY_PATH, of a node's fd. */
  #fstat(request: FdRequest, valid: () => boolean): Co<Answer> | undefined {
    const { thread, args } = request;
    const inode = this.#files.find(thread.tid, (args[0] ?? -1) | 0)?.dentry?.inode;
    return inode === undefined || !valid() ? undefined : this.#told(request, inode);
  }

  *#stat(request: PathRequest): Co<Answer> {
    const at = this.#lookup(request);
    const found = at.vfs.walk(at.start, at.path, at.cred);
    return typeof found === 'number' ? found : yield* this.#told(request, found.inode);
  }

  // oxlint-disable-next-line require-yield -- as the other answers
  *#told({ thread, call, args }: FdRequest, inode: Inode): Co<Answer> {
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
    const n = this.#vm.fetch(tid, at, PATH_BYTES);
    const bytes = this.#vm.scratch.subarray(0, n);
    const end = bytes.indexOf(0);
    return end < 0 ? undefined : this.#ascii.decode(bytes.subarray(0, end));
  }
}
