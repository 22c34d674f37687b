/**
 * File descriptors of a process (struct files_struct, fs/file.c): the lowest free number is given
 * out, RLIMIT_NOFILE bounds them. Threads share the table, fork copies it.
 * Left out: SCM_RIGHTS, unshare(CLONE_FILES).
 */
import { EMFILE } from '../../abi/errno.ts';
import type { Trace } from '../../trace/trace.ts';
import type { File } from './file.ts';
import type { FileTable } from './process.ts';

export class Fds implements FileTable {
  readonly #trace: Trace;
  readonly #files: (File | undefined)[] = [];
  readonly #closeOnExec = new Set<number>();
  readonly #reserved = new Set<number>();
  /** RLIMIT_NOFILE: no fd reaches it. */
  limit: number;
  /** No fd below is free. */
  #nextFd = 0;
  #count = 0;

  constructor(trace: Trace, limit: number) {
    this.#trace = trace;
    this.limit = limit;
  }

  /** Open fds. */
  get size(): number {
    return this.#count;
  }

  get(fd: number): File | undefined {
    return this.#files[fd];
  }

  install(file: File, closeOnExec = false): number {
    return this.installFrom(0, file, closeOnExec);
  }

  /** As F_DUPFD: the lowest free fd from `first` on, or -EMFILE. Takes the reference. */
  installFrom(first: number, file: File, closeOnExec: boolean): number {
    const fd = this.#lowestFree(first);
    if (fd >= 0) this.#put(fd, file, closeOnExec);
    return fd;
  }

  /** get_unused_fd_flags(): an fd that is taken and not open yet, or -EMFILE. */
  reserve(): number {
    const fd = this.#lowestFree(0);
    if (fd >= 0) this.#reserved.add(fd);
    return fd;
  }

  /** fd_install() */
  fill(fd: number, file: File, closeOnExec: boolean): void {
    this.#reserved.delete(fd);
    this.#put(fd, file, closeOnExec);
  }

  /** put_unused_fd() */
  unreserve(fd: number): void {
    this.#reserved.delete(fd);
    if (fd < this.#nextFd) this.#nextFd = fd;
  }

  isReserved(fd: number): boolean {
    return this.#reserved.has(fd);
  }

  /** As dup2() to a number: returns the file that was there, whose reference is the caller's now. */
  replace(fd: number, file: File, closeOnExec: boolean): File | undefined {
    const before = this.remove(fd);
    this.#put(fd, file, closeOnExec);
    return before;
  }

  /** Frees an fd; the reference is the caller's now. */
  remove(fd: number): File | undefined {
    const file = this.#files[fd];
    if (file === undefined) return undefined;
    this.#files[fd] = undefined;
    this.#closeOnExec.delete(fd);
    this.#count -= 1;
    if (fd < this.#nextFd) this.#nextFd = fd;
    return file;
  }

  closesOnExec(fd: number): boolean {
    return this.#closeOnExec.has(fd);
  }

  setCloseOnExec(fd: number, on: boolean): void {
    if (on) this.#closeOnExec.add(fd);
    else this.#closeOnExec.delete(fd);
  }

  /** Fds in ascending order with their files. */
  *[Symbol.iterator](): Generator<[fd: number, file: File], void, void> {
    for (let fd = 0; fd < this.#files.length; fd++) {
      const file = this.#files[fd];
      if (file !== undefined) yield [fd, file];
    }
  }

  /** dup_fd(): fork's copy shares the open files. */
  copyFrom(other: Fds): void {
    for (const [fd, file] of other) this.#put(fd, file.get(), other.closesOnExec(fd));
  }

  #lowestFree(first: number): number {
    let fd = Math.max(first, this.#nextFd);
    while (this.#files[fd] !== undefined || this.#reserved.has(fd)) fd += 1;
    if (first <= this.#nextFd) this.#nextFd = fd;
    return fd < this.limit ? fd : this.#refuse();
  }

  #put(fd: number, file: File, closeOnExec: boolean): void {
    while (this.#files.length < fd) this.#files.push(undefined);
    this.#files[fd] = file;
    this.#count += 1;
    if (closeOnExec) this.#closeOnExec.add(fd);
  }

  #refuse(): number {
    this.#trace.cause('linux', {
      layer: 'linux/process',
      code: '-EMFILE',
      text: 'the process has as many files open as it may',
      object: 'fd table',
      requested: 1,
      available: 0,
      limit: `RLIMIT_NOFILE=${this.limit}`,
      hint: 'close fds that are no longer used, or raise the limit',
    });
    return -EMFILE;
  }
}
