/**
 * The box's files in native programs' fd tables. An fd that the box hands out is one end of a
 * socket pair, so that its last close (of all dups, in all processes) is the other end's hang-up;
 * the fd behind a call is known by its inode. Memory from SHM_ALLOC is a memfd laid over the box's
 * RAM, whose last close and unmap inotify reports.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { EMFILE } from '../abi/errno.ts';
import { O_CLOEXEC } from '../abi/fcntl.ts';
import { PAGE_SIZE, roundUp } from '../machine/address.ts';
import type { File } from '../linux/process/file.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { FileTable } from '../linux/process/process.ts';
import { TEE_SHM_USER_MAPPED, TeeShm } from '../linux/tee/tee-shm.ts';
import type { HostArch } from './arch.ts';
import { EPOLLHUP, EPOLLIN } from './epoll.ts';
import type { Epoll } from './epoll.ts';
import type { Libc } from './libc.ts';
import { RamWindows } from './ram-windows.ts';

const AF_UNIX = 1;
const SHUT_WR = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x80000;
const IN_CLOEXEC = 0x80000;
const IN_CLOSE = 0x18;
const IN_OPEN = 0x20;
const LINK_BYTES = 64;

/** Puts a host fd into the program whose call is being served; its new number or a negative errno. */
export type AddFd = (hostFd: number, closeOnExec: boolean) => number;

/** A memfd laid over RAM. */
interface Window {
  readonly file: File;
  readonly offset: number;
  readonly length: number;
  readonly inode: number;
  /** Open file descriptions in programs. */
  opens: number;
}

export class NativeFiles {
  /** The memfds that programs hold, inode to device: mapping one is a PFN map. */
  readonly shmFiles = new Map<number, number>();
  readonly #kernel: Kernel;
  readonly #libc: Libc;
  readonly #arch: HostArch;
  readonly #epoll: Epoll;
  readonly #windows: RamWindows;
  readonly #inotify: number;
  /** Open files by the inode of the program's end, with our end. */
  readonly #byInode = new Map<number, { readonly file: File; readonly ours: number }>();
  /** Memfd windows by inotify watch. */
  readonly #byWatch = new Map<number, Window>();
  readonly #path = new Uint8Array(LINK_BYTES);
  readonly #link = new Uint8Array(LINK_BYTES);
  readonly #pathAddress: number;
  readonly #linkAddress: number;
  readonly #pair = new Int32Array(new ArrayBuffer(128));
  readonly #pairAddress: number;

  constructor(kernel: Kernel, libc: Libc, arch: HostArch, epoll: Epoll) {
    this.#kernel = kernel;
    this.#libc = libc;
    this.#arch = arch;
    this.#epoll = epoll;
    this.#windows = new RamWindows(libc, arch, kernel.machine.bus.u8);
    this.#pathAddress = libc.address(new Uint8Array(this.#path.buffer));
    this.#linkAddress = libc.address(new Uint8Array(this.#link.buffer));
    this.#pairAddress = libc.address(new Uint8Array(this.#pair.buffer));
    this.#inotify = libc.syscall(arch.inotifyInit1, IN_CLOEXEC);
    epoll.add(this.#inotify, EPOLLIN, () => this.#closedWindows());
  }

  /** Files that programs hold open. */
  get open(): readonly File[] {
    return [...this.#byInode.values(), ...this.#byWatch.values()].map(({ file }) => file);
  }

  /** The box's file behind a program's fd; undefined when the fd is the program's own. */
  find(tid: number, fd: number): File | undefined {
    const length = asciiInto(this.#path, `/proc/${tid}/fd/${fd}\0`);
    if (length === 0) return undefined;
    const n = this.#libc.readlink(this.#pathAddress, this.#linkAddress, LINK_BYTES);
    const inode = socketInode(this.#link, n);
    return inode < 0 ? undefined : this.#byInode.get(inode)?.file;
  }

  /** A table for one process; `addFd` acts on the call that is being served. */
  table(pid: number, addFd: AddFd): FileTable {
    return {
      install: (file, closeOnExec = false) => this.install(file, closeOnExec, addFd),
      get: (fd) => this.find(pid, fd),
    };
  }

  /** Hands a file out. Takes its reference; on failure the caller keeps it. */
  install(file: File, closeOnExec: boolean, addFd: AddFd): number {
    const shm = file.data instanceof TeeShm ? file.data : undefined;
    if (shm !== undefined && (shm.flags & TEE_SHM_USER_MAPPED) === 0) {
      return this.#installWindow(file, shm, closeOnExec, addFd);
    }
    const sockets = this.#socketPair();
    if (sockets === undefined) return -EMFILE;
    const [ours, theirs] = sockets;
    const inode = fstatSync(theirs).ino;
    const fd = addFd(theirs, closeOnExec || (file.flags & O_CLOEXEC) !== 0);
    closeSync(theirs);
    if (fd < 0) {
      closeSync(ours);
      return fd;
    }
    // A read() of the program ends at once, where it would wait for ever.
    this.#libc.syscall(this.#arch.shutdown, ours, SHUT_WR);
    this.#byInode.set(inode, { file, ours });
    // A program that shuts its end down for writing ends the context too: both halves are shut then.
    this.#epoll.add(ours, EPOLLHUP, () => {
      this.#epoll.remove(ours);
      closeSync(ours);
      this.#byInode.delete(inode);
      this.#release(file);
    });
    return fd;
  }

  /** Lets go of the programs' files without releasing them: the box ends, or is done with programs. */
  close(): void {
    for (const { ours } of this.#byInode.values()) {
      this.#epoll.remove(ours);
      closeSync(ours);
    }
    for (const { offset, length } of this.#byWatch.values()) this.#windows.restore(offset, length);
    this.#epoll.remove(this.#inotify);
    closeSync(this.#inotify);
  }

  /** A file of the host with these contents, for the program alone. */
  installBytes(bytes: Uint8Array, closeOnExec: boolean, addFd: AddFd): number {
    const memfd = this.#windows.createFile('sysfs', 0);
    if (memfd < 0) return memfd;
    writeSync(memfd, bytes, 0, bytes.length, 0);
    const fd = addFd(memfd, closeOnExec);
    closeSync(memfd);
    return fd;
  }

  /**
   * Memory from SHM_ALLOC. The box's mapping is of the memfd itself, the program gets a second open
   * file description of it: pseudo files report nothing to inotify since Linux 6.14.
   */
  #installWindow(file: File, shm: TeeShm, closeOnExec: boolean, addFd: AddFd): number {
    const length = roundUp(shm.size, PAGE_SIZE);
    const offset = shm.paddr - this.#kernel.machine.bus.base;
    const memfd = this.#windows.createFile('tee_shm', length);
    if (memfd < 0) return memfd;
    const theirs = openSync(`/proc/self/fd/${memfd}`, 'r+');
    const watch = this.#watch(theirs);
    const mapped = watch >= 0 && this.#windows.overlay(offset, length, memfd);
    const fd = mapped ? addFd(theirs, closeOnExec) : -EMFILE;
    if (fd >= 0) {
      const { ino: inode, dev } = fstatSync(theirs);
      this.#byWatch.set(watch, { file, offset, length, inode, opens: 1 });
      this.shmFiles.set(inode, dev);
    } else if (mapped) this.#windows.restore(offset, length);
    closeSync(theirs);
    closeSync(memfd);
    return fd;
  }

  /** Watches the inode behind an fd for opens and closes; the watch, or -1. */
  #watch(fd: number): number {
    asciiInto(this.#path, `/proc/self/fd/${fd}\0`);
    const { inotifyAddWatch } = this.#arch;
    const events = IN_OPEN | IN_CLOSE;
    return this.#libc.syscall(inotifyAddWatch, this.#inotify, this.#pathAddress, events);
  }

  /** Memfds whose last description in programs has gone; they may have opened more of them. */
  #closedWindows(): void {
    const events = new Uint8Array(4096);
    const n = readSync(this.#inotify, events);
    const view = new DataView(events.buffer);
    for (let at = 0; at + 16 <= n; at += 16 + view.getUint32(at + 12, true)) {
      const watch = view.getInt32(at, true);
      const window = this.#byWatch.get(watch);
      if (window === undefined) continue;
      window.opens += (view.getUint32(at + 4, true) & IN_OPEN) !== 0 ? 1 : -1;
      if (window.opens > 0) continue;
      this.#byWatch.delete(watch);
      this.shmFiles.delete(window.inode);
      this.#windows.restore(window.offset, window.length);
      this.#release(window.file);
    }
  }

  #release(file: File): void {
    this.#kernel.sched.spawn(`fput ${file.path}`, file.put());
  }

  #socketPair(): readonly [number, number] | undefined {
    const type = SOCK_STREAM | SOCK_CLOEXEC;
    if (this.#libc.syscall(this.#arch.socketpair, AF_UNIX, type, 0, this.#pairAddress) < 0) {
      return undefined;
    }
    return [this.#pair[0]!, this.#pair[1]!];
  }
}

function asciiInto(out: Uint8Array, text: string): number {
  if (text.length > out.length) return 0;
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return text.length;
}

const SOCKET = Array.from('socket:[', (c) => c.charCodeAt(0));

/** The number in `socket:[NUMBER]`, or -1. */
function socketInode(link: Uint8Array, length: number): number {
  if (length < SOCKET.length) return -1;
  for (let i = 0; i < SOCKET.length; i++) if (link[i] !== SOCKET[i]) return -1;
  let inode = 0;
  for (let i = SOCKET.length; i < length - 1; i++) inode = inode * 10 + (link[i]! - 48);
  return inode;
}
