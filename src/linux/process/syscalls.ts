/**
 * The system calls of one thread. Each returns what the system call returns: a value or a negative
 * errno. A call that a signal interrupts is restarted or answers -EINTR, as the handler's SA_RESTART
 * says; when the process was killed meanwhile the call throws ProcessExited and never returns.
 * Data goes through user addresses; paths, stat and directory entries are values. Flags have their
 * asm-generic numbers whatever the architecture.
 * Left out: what no program of the TEE stack calls.
 */
import { EBADF, EINVAL, ENOSYS } from '../../abi/errno.ts';
import { AT_FDCWD } from '../../abi/fcntl.ts';
import type { HostEndpoint } from '../../host/net.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { WaitQueue } from '../../sched/wait.ts';
import { memfdCreate } from './memfd.ts';
import { memfdSecret } from './memfd-secret.ts';
import { exitGroup, exitThread, waitChild } from './exit.ts';
import type { WaitResult } from './exit.ts';
import type { Dirent, Stat } from './inode.ts';
import { pollFiles } from './poll.ts';
import type { PollFd } from './poll.ts';
import { prlimit } from './rlimit.ts';
import type { Rlimit } from './rlimit.ts';
import type { Disposition } from './signal.ts';
import { RESTART, deliverSignals, leaveSystemCall } from './signal-delivery.ts';
import * as sysFile from './sys-file.ts';
import * as sysMmap from './sys-mmap.ts';
import * as sysPath from './sys-path.ts';
import { prctl } from './sys-prctl.ts';
import type { PrctlArgs } from './sys-prctl.ts';
import * as sysProcess from './sys-process.ts';
import * as sysSocket from './sys-socket.ts';
import type { Thread } from './thread.ts';
import { ioctlOf, ioctlResult } from './ioctl.ts';

type Args = readonly (number | string)[];

export class Syscalls {
  readonly #thread: Thread;

  constructor(thread: Thread) {
    this.#thread = thread;
  }

  /**
   * Written out, being the hot one: beyond the driver's coroutine it costs one, and no closure.
   * @param arg user address, or a value as the command has it.
   */
  *ioctl(fd: number, cmd: number, arg: Va): Co<number> {
    const thread = this.#thread;
    const { signals } = thread;
    const { files, kernel } = thread.process;
    if (thread.exiting) throw thread.process.gone();
    if (signals.sigpending) yield* deliverSignals(thread);
    for (;;) {
      const open = files.get(fd);
      if (open === undefined || open.isPath) return -EBADF;
      open.get();
      const call = ioctlOf(kernel, thread, open, fd, cmd, arg);
      const result = ioctlResult(typeof call === 'number' ? call : yield* call);
      if (open.drop()) yield* open.release();
      if (!signals.sigpending) return result;
      const left = yield* leaveSystemCall(thread, result);
      if (left !== RESTART) return left;
    }
  }

  // --- files by path
  openat(dirfd: number, name: string, flags: number, mode = 0): Co<number> {
    return this.#call('openat', [dirfd, name, flags, mode], () =>
      sysPath.openAt(this.#thread, dirfd, name, flags, mode),
    );
  }
  open(name: string, flags: number, mode = 0): Co<number> {
    return this.openat(AT_FDCWD, name, flags, mode);
  }
  mkdirat(dirfd: number, name: string, mode: number): Co<number> {
    return this.#now('mkdirat', [dirfd, name, mode], () =>
      sysPath.mkdirAt(this.#thread, dirfd, name, mode),
    );
  }
  /** @param flags AT_REMOVEDIR for a directory. */
  unlinkat(dirfd: number, name: string, flags: number): Co<number> {
    return this.#now('unlinkat', [dirfd, name, flags], () =>
      sysPath.unlinkAt(this.#thread, dirfd, name, flags),
    );
  }
  /** @param flags RENAME_NOREPLACE; others answer -EINVAL. */
  renameat2(
    olddirfd: number,
    from: string,
    newdirfd: number,
    to: string,
    flags: number,
  ): Co<number> {
    const ends = [
      { dirfd: olddirfd, path: from },
      { dirfd: newdirfd, path: to },
    ] as const;
    return this.#now('renameat2', [olddirfd, from, newdirfd, to, flags], () =>
      sysPath.renameAt(this.#thread, ends[0], ends[1], flags),
    );
  }
  newfstatat(dirfd: number, name: string, flags: number): Co<Stat | number> {
    return this.#now('newfstatat', [dirfd, name, flags], () =>
      sysPath.statAt(this.#thread, dirfd, name, flags),
    );
  }
  stat(name: string): Co<Stat | number> {
    return this.newfstatat(AT_FDCWD, name, 0);
  }
  /** @param mode F_OK, or R_OK, W_OK and X_OK together. @param flags AT_EACCESS. */
  faccessat2(dirfd: number, name: string, mode: number, flags = 0): Co<number> {
    return this.#now('faccessat2', [dirfd, name, mode, flags], () =>
      sysPath.accessAt(this.#thread, dirfd, name, mode, flags),
    );
  }
  access(name: string, mode: number): Co<number> {
    return this.faccessat2(AT_FDCWD, name, mode);
  }
  chdir(name: string): Co<number> {
    return this.#now('chdir', [name], () => sysPath.changeDirectory(this.#thread, name));
  }
  /** The working directory's path. */
  getcwd(): string {
    return this.#thread.process.cwd.path;
  }
  /** @returns the mask before. */
  umask(mask: number): number {
    const before = this.#thread.process.umask;
    this.#thread.process.umask = mask & 0o777;
    return before;
  }

  // --- files by fd
  close(fd: number): Co<number> {
    return this.#call('close', [fd], () => sysFile.closeFd(this.#thread, fd));
  }
  dup(fd: number): Co<number> {
    return this.#now('dup', [fd], () => sysFile.dupFd(this.#thread, fd, 0, false));
  }
  /** Unlike dup3(), the same number twice is no error. */
  dup2(fd: number, to: number): Co<number> {
    if (fd !== to) return this.dup3(fd, to, 0);
    const { files } = this.#thread.process;
    return this.#now('dup2', [fd, to], () => (files.get(fd) === undefined ? -EBADF : fd));
  }
  dup3(fd: number, to: number, flags: number): Co<number> {
    return this.#call('dup3', [fd, to, flags], () => sysFile.dupTo(this.#thread, fd, to, flags));
  }
  fcntl(fd: number, cmd: number, arg = 0): Co<number> {
    return this.#now('fcntl', [fd, cmd, arg], () => sysFile.fcntlFd(this.#thread, fd, cmd, arg));
  }
  read(fd: number, buf: Va, count: number): Co<number> {
    return this.#call('read', [fd, buf, count], () =>
      sysFile.readFile(this.#thread, fd, { buf, count, offset: undefined }),
    );
  }
  write(fd: number, buf: Va, count: number): Co<number> {
    return this.#call('write', [fd, buf, count], () =>
      sysFile.writeFile(this.#thread, fd, { buf, count, offset: undefined }),
    );
  }
  pread64(fd: number, buf: Va, count: number, offset: number): Co<number> {
    return this.#call('pread64', [fd, buf, count, offset], () =>
      sysFile.readFile(this.#thread, fd, { buf, count, offset }),
    );
  }
  pwrite64(fd: number, buf: Va, count: number, offset: number): Co<number> {
    return this.#call('pwrite64', [fd, buf, count, offset], () =>
      sysFile.writeFile(this.#thread, fd, { buf, count, offset }),
    );
  }
  lseek(fd: number, offset: number, whence: number): Co<number> {
    return this.#now('lseek', [fd, offset, whence], () =>
      sysFile.seekFile(this.#thread, fd, offset, whence),
    );
  }
  ftruncate(fd: number, length: number): Co<number> {
    return this.#now('ftruncate', [fd, length], () =>
      sysFile.truncateFile(this.#thread, fd, length),
    );
  }
  fsync(fd: number): Co<number> {
    return this.#now('fsync', [fd], () => sysFile.syncFile(this.#thread, fd));
  }
  fdatasync(fd: number): Co<number> {
    return this.#now('fdatasync', [fd], () => sysFile.syncFile(this.#thread, fd));
  }
  /** All entries that are left, `.` and `..` included; empty at the end. */
  getdents64(fd: number): Co<readonly Dirent[] | number> {
    return this.#now('getdents64', [fd], () => sysFile.readDirectory(this.#thread, fd));
  }
  fstat(fd: number): Co<Stat | number> {
    return this.#now('fstat', [fd], () => sysFile.statFd(this.#thread, fd));
  }

  // --- memory
  /** @param args addr, length, prot, flags, fd, offset. @returns the address, or -errno. */
  mmap(...args: sysMmap.MmapCall): Co<number> {
    return this.#call('mmap', args, () => sysMmap.mapMemory(this.#thread, args));
  }
  munmap(addr: number, length: number): Co<number> {
    return this.#call('munmap', [addr, length], () =>
      sysMmap.unmapMemory(this.#thread, addr, length),
    );
  }
  /** @param args addr, old and new length in bytes, MREMAP_*, new address. @returns the address, or -errno. */
  mremap(...args: sysMmap.MremapArgs): Co<number> {
    return this.#call('mremap', args, () => sysMmap.remapMemory(this.#thread, args));
  }
  mprotect(addr: number, length: number, prot: number): Co<number> {
    return this.#now('mprotect', [addr, length, prot], () =>
      sysMmap.protectMemory(this.#thread, addr, length, prot),
    );
  }
  /** @param flags MS_SYNC, or MS_ASYNC, which does nothing; MS_INVALIDATE. */
  msync(addr: number, length: number, flags: number): Co<number> {
    return this.#now('msync', [addr, length, flags], () =>
      sysMmap.syncMemory(this.#thread, addr, length, flags),
    );
  }
  /** @param advice MADV_* */
  madvise(addr: number, length: number, advice: number): Co<number> {
    return this.#now('madvise', [addr, length, advice], () =>
      sysMmap.adviseMemory(this.#thread, addr, length, advice),
    );
  }
  /** @param flags MFD_* @returns an fd. */
  memfdCreate(name: string, flags: number): Co<number> {
    return this.#now('memfd_create', [name, flags], () => memfdCreate(this.#thread, name, flags));
  }
  /** @param flags O_CLOEXEC or 0. @returns an fd, or -ENOSYS in a kernel that has it turned off. */
  memfdSecret(flags: number): Co<number> {
    return this.#now('memfd_secret', [flags], () => memfdSecret(this.#thread, flags));
  }

  // --- processes
  /** @param option PR_*, with its arguments, of which those that are missing are 0. */
  prctl(option: number, ...args: PrctlArgs): Co<number> {
    return this.#now('prctl', [option, ...args], () => prctl(this.#thread, option, args));
  }
  getpid(): number {
    return this.#thread.process.pid;
  }
  gettid(): number {
    return this.#thread.tid;
  }
  /** @param start gives the child's leader its body. @returns its pid, or a negative errno. */
  fork(start: (child: Thread) => void): Co<number> {
    return this.#now('fork', [], () => {
      const child = this.#thread.process.kernel.processes.fork(this.#thread);
      if (typeof child === 'number') return child;
      start(child);
      return child.tid;
    });
  }
  /** The caller goes on as the new image: fresh memory, close-on-exec files closed. */
  execve(name: string): Co<number> {
    return this.#call('execve', [name], () => sysProcess.execProcess(this.#thread, name));
  }
  /** Ends the process. */
  *exitGroup(code: number): Co<never> {
    if (!this.#thread.exiting) yield* exitGroup(this.#thread, { kind: 'exited', code });
    throw this.#thread.process.gone();
  }
  /** Ends this thread; the process with its last one. */
  *exit(code: number): Co<never> {
    if (!this.#thread.exiting) yield* exitThread(this.#thread, { kind: 'exited', code });
    throw this.#thread.process.gone();
  }
  /**
   * @param pid a child, or -1 for any.
   * @returns its pid and wait status; pid 0 when `noHang` (WNOHANG) and none has ended; -errno.
   */
  wait4(pid: number, noHang = false): Co<WaitResult | number> {
    return this.#call('wait4', [pid], () => waitChild(this.#thread.process, pid, noHang));
  }
  kill(pid: number, signal: number): Co<number> {
    return this.#now('kill', [pid, signal], () =>
      sysProcess.killProcess(this.#thread, pid, signal),
    );
  }
  /** getrlimit(), and setrlimit() with a limit: the one before, or a negative errno. */
  prlimit64(pid: number, resource: number, limit?: Rlimit): Co<Rlimit | number> {
    return this.#now('prlimit64', [pid, resource], () =>
      prlimit(this.#thread, pid, resource, limit),
    );
  }
  tgkill(tgid: number, tid: number, signal: number): Co<number> {
    return this.#now('tgkill', [tgid, tid, signal], () =>
      sysProcess.killThread(this.#thread, tgid, tid, signal),
    );
  }
  rtSigaction(signal: number, disposition: Disposition): Co<number> {
    return this.#now('rt_sigaction', [signal], () =>
      sysProcess.setAction(this.#thread, signal, disposition),
    );
  }
  /** @param how SIG_BLOCK, SIG_UNBLOCK or SIG_SETMASK. */
  rtSigprocmask(how: number, signals: readonly number[]): Co<number> {
    return this.#now('rt_sigprocmask', [how, ...signals], () =>
      sysProcess.changeMask(this.#thread, how, signals),
    );
  }
  nanosleep(ns: number): Co<number> {
    if (!(ns >= 0)) return this.#now('nanosleep', [ns], () => -EINVAL);
    const untilNs = this.#thread.process.kernel.sched.nowNs() + ns;
    return this.#call('nanosleep', [ns], () => sysProcess.sleepUntil(this.#thread, untilNs));
  }
  /** A futex wait on a queue that the program keeps: 0, -EINTR or -ETIMEDOUT. */
  futexWait(queue: WaitQueue, timeoutNs?: number): Co<number> {
    return this.#call('futex', [queue.site], () => sysProcess.waitOn(queue, timeoutNs));
  }
  /** Addresses are the program's; -ENOSYS in a kernel without keys. */
  addKey(type: Va, description: Va, payload: Va, plen: number, ring: number): Co<number> {
    const thread = this.#thread;
    return this.#call('add_key', [type, description, payload, plen, ring], function* () {
      const { keys } = thread.process.kernel;
      if (keys === undefined) return -ENOSYS;
      return yield* keys.addKey(thread, type, description, payload, plen, ring);
    });
  }
  /** @param option KEYCTL_*, with its arguments in their order. */
  keyctl(option: number, ...args: readonly number[]): Co<number> {
    const thread = this.#thread;
    return this.#call('keyctl', [option, ...args], function* () {
      const { keys } = thread.process.kernel;
      return keys === undefined ? -ENOSYS : yield* keys.keyctl(thread, option, args);
    });
  }

  // --- sockets
  /** @param type SOCK_STREAM or SOCK_DGRAM, with SOCK_NONBLOCK and SOCK_CLOEXEC. */
  socket(domain: number, type: number, protocol = 0): Co<number> {
    return this.#now('socket', [domain, type, protocol], () =>
      sysSocket.makeSocket(this.#thread, domain, type, protocol),
    );
  }
  connect(fd: number, peer: HostEndpoint): Co<number> {
    return this.#call('connect', [fd, peer.address, peer.port], () =>
      sysSocket.connectSocket(this.#thread, fd, peer),
    );
  }
  /** To the socket's peer. @param flags MSG_*. */
  sendto(fd: number, buf: Va, length: number, flags = 0): Co<number> {
    return this.#call('sendto', [fd, buf, length, flags], () =>
      sysSocket.sendMessage(this.#thread, fd, { buf, length, flags }),
    );
  }
  recvmsg(fd: number, buf: Va, length: number, flags = 0): Co<sysSocket.Received | number> {
    return this.#call('recvmsg', [fd, buf, length, flags], () =>
      sysSocket.receiveMessage(this.#thread, fd, { buf, length, flags }),
    );
  }
  /** @returns bytes received; with MSG_TRUNC those of the whole datagram. */
  *recvfrom(fd: number, buf: Va, length: number, flags = 0): Co<number> {
    const received = yield* this.recvmsg(fd, buf, length, flags);
    return typeof received === 'number' ? received : received.length;
  }
  shutdown(fd: number, how: number): Co<number> {
    return this.#call('shutdown', [fd, how], () => sysSocket.shutdownSocket(this.#thread, fd, how));
  }
  getpeername(fd: number): Co<HostEndpoint | number> {
    return this.#now('getpeername', [fd], () => sysSocket.nameOf(this.#thread, fd, 'peer'));
  }
  getsockname(fd: number): Co<HostEndpoint | number> {
    return this.#now('getsockname', [fd], () => sysSocket.nameOf(this.#thread, fd, 'local'));
  }
  /** @returns the value of an integer option, or a negative errno. */
  getsockopt(fd: number, level: number, name: number): Co<number> {
    return this.#call('getsockopt', [fd, level, name], () =>
      sysSocket.getOption(this.#thread, fd, level, name),
    );
  }
  setsockopt(fd: number, level: number, name: number, at: Va, length: number): Co<number> {
    return this.#call('setsockopt', [fd, level, name, at, length], () =>
      sysSocket.setOption(this.#thread, fd, { level, name, at, length }),
    );
  }
  /** @param timeoutMs negative for none. @returns the events of each fd, or a negative errno. */
  poll(fds: readonly PollFd[], timeoutMs: number): Co<readonly number[] | number> {
    const { sched } = this.#thread.process.kernel;
    const untilNs = timeoutMs < 0 ? undefined : sched.nowNs() + timeoutMs * 1e6;
    return this.#call('poll', [fds.length, timeoutMs], () => pollFiles(this.#thread, fds, untilNs));
  }

  /** A call that cannot sleep. */
  *#now<T>(name: string, args: Args, body: () => T): Co<T | number> {
    const { signals } = this.#thread;
    this.#mustLive();
    if (signals.sigpending) yield* deliverSignals(this.#thread);
    this.#enter(name, args);
    let result: T | number = body();
    if (signals.sigpending) result = yield* this.#restarted(result, () => returned(body()));
    this.#exit(name, result);
    return result;
  }

  /** The edges of every other call: signals, restarts, traces. */
  *#call<T>(name: string, args: Args, body: () => Co<T>): Co<T | number> {
    const { signals } = this.#thread;
    this.#mustLive();
    if (signals.sigpending) yield* deliverSignals(this.#thread);
    this.#enter(name, args);
    let result: T | number = yield* body();
    if (signals.sigpending) result = yield* this.#restarted(result, body);
    this.#exit(name, result);
    return result;
  }

  #mustLive(): void {
    if (this.#thread.exiting) throw this.#thread.process.gone();
  }

  #enter(name: string, args: Args): void {
    const { process } = this.#thread;
    const { trace } = process.kernel;
    if (trace.all) trace.emit('client', 'syscall.enter', { pid: process.pid, name, args });
  }

  #exit(name: string, result: unknown): void {
    const { process } = this.#thread;
    const { trace } = process.kernel;
    if (!trace.all) return;
    const shown = typeof result === 'number' ? result : 0;
    trace.emit('client', 'syscall.exit', { pid: process.pid, name, result: shown });
  }

  /** Signals came while the call was under way: it is made again as often as they say so. */
  *#restarted<T>(first: T | number, body: () => Co<T>): Co<T | number> {
    const { signals } = this.#thread;
    for (let result = first; ; result = yield* body()) {
      if (!signals.sigpending) return result;
      const code = typeof result === 'number' ? result : 0;
      const left = yield* leaveSystemCall(this.#thread, code);
      if (left === RESTART) continue;
      return left === code ? result : left;
    }
  }
}

function* returned<T>(value: T): Co<T> {
  return value;
}
