/**
 * Starts programs by posix_spawn(3). Node's own way will not do under a filter that asks: it forks with
 * the C library's locks held, which the answering thread needs, and its child has the listener of the
 * filter until it has executed, so that nobody's close ends the wait for an answer to that.
 */
import { closeSync } from 'node:fs';
import { EACCES, ENOENT, ENOEXEC, ENOTDIR, errnoName, formatErrno } from '../abi/errno.ts';
import { F_DUPFD_CLOEXEC } from '../abi/fcntl.ts';
import { loadKoffi } from '../host/node/koffi.ts';
import type { HostArch } from './arch.ts';
import type { Libc } from './libc.ts';
import type { SpawnRequest } from './spawner.ts';

/* spawn.h of glibc and musl */
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
/** More than either has of posix_spawn_file_actions_t and posix_spawnattr_t. */
const OBJECT_BYTES = 512;
const SIGSET_BYTES = 128;
/** Fds are put out of the way of 0 to 2 first. */
const FIRST_SPARE_FD = 10;
const DEFAULT_PATH = '/bin:/usr/bin';
const SHELL = '/bin/sh';
/** The search goes on after these, as execvp(3) does. */
const NOT_HERE: ReadonlySet<number> = new Set([ENOENT, ENOTDIR, EACCES]);

/** A list of strings as exec calls take it, and the memory that it lies in. */
interface StringList {
  readonly list: Uint8Array;
  readonly text: Uint8Array;
}

export class PosixSpawn {
  readonly #libc: Libc;
  readonly #arch: HostArch;
  /** Closed in children: the last close must be this process's. */
  readonly #listener: number;
  readonly #call: (name: string, types: string) => (...args: (number | Uint8Array)[]) => number;

  /** @param listener of the filter that asks about the child's calls; -1 without */
  constructor(libc: Libc, arch: HostArch, listener = -1) {
    const lib = loadKoffi().load(null);
    this.#libc = libc;
    this.#arch = arch;
    this.#listener = listener;
    this.#call = (name, types) => lib.func(`int ${name}(${types})`);
  }

  /** @returns the new process. @throws for a request that no process can come of */
  spawn(request: SpawnRequest): number {
    const [file = ''] = request.argv;
    const strings = [...request.argv, request.cwd, ...Object.entries(request.env).flat()];
    if (file === '') throw new Error("the argument 'file' cannot be empty");
    if (strings.some((text) => text.includes('\0'))) {
      throw new Error('an argument must be a string without null bytes');
    }
    const spare: number[] = [];
    try {
      for (const fd of request.stdio) spare.push(this.#duplicate(fd));
      return this.#search(request, file, spare);
    } finally {
      for (const fd of spare) closeSync(fd);
    }
  }

  /** Tries the directories of the new process's PATH. */
  #search(request: SpawnRequest, file: string, stdio: readonly number[]): number {
    const path = request.env['PATH'] ?? DEFAULT_PATH;
    const candidates = file.includes('/')
      ? [file]
      : path.split(':').map((d) => `${d || '.'}/${file}`);
    let errno = ENOENT;
    for (const candidate of candidates) {
      let rc = this.#spawn(request, candidate, request.argv, stdio);
      if (rc === -ENOEXEC) {
        rc = this.#spawn(request, SHELL, [SHELL, candidate, ...request.argv.slice(1)], stdio);
      }
      if (rc > 0) return rc;
      if (errno !== EACCES) errno = -rc;
      if (!NOT_HERE.has(-rc)) break;
    }
    throw new Error(`spawn ${file} ${errnoName(errno) ?? errno}`);
  }

  /** @returns the process, or a negative errno */
  #spawn(
    request: SpawnRequest,
    path: string,
    argv: readonly string[],
    stdio: readonly number[],
  ): number {
    const actions = new Uint8Array(OBJECT_BYTES);
    const attributes = new Uint8Array(OBJECT_BYTES);
    const signals = new Uint8Array(SIGSET_BYTES);
    const pid = new Int32Array(new ArrayBuffer(OBJECT_BYTES));
    const env = Object.entries(request.env).map(([name, value]) => `${name}=${value}`);
    const [args, variables] = [this.#strings(argv), this.#strings(env)];
    this.#call('posix_spawn_file_actions_init', 'void *')(actions);
    this.#call('posix_spawnattr_init', 'void *')(attributes);
    try {
      const dup2 = this.#call('posix_spawn_file_actions_adddup2', 'void *, int, int');
      stdio.forEach((fd, i) => dup2(actions, fd, i));
      if (this.#listener >= 0) {
        this.#call('posix_spawn_file_actions_addclose', 'void *, int')(actions, this.#listener);
      }
      this.#call('posix_spawn_file_actions_addchdir_np', 'void *, void *')(
        actions,
        bytesOf(request.cwd),
      );
      this.#call('posix_spawnattr_setsigmask', 'void *, void *')(attributes, signals);
      this.#call('posix_spawnattr_setsigdefault', 'void *, void *')(attributes, signals.fill(0xff));
      const flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
      this.#call('posix_spawnattr_setflags', 'void *, int16')(attributes, flags);
      const types = 'void *, void *, void *, void *, void *, void *';
      const rc = this.#call('posix_spawn', types)(
        new Uint8Array(pid.buffer),
        bytesOf(path),
        actions,
        attributes,
        args.list,
        variables.list,
      );
      return rc === 0 ? pid[0]! : -rc;
    } finally {
      this.#call('posix_spawn_file_actions_destroy', 'void *')(actions);
      this.#call('posix_spawnattr_destroy', 'void *')(attributes);
    }
  }

  #strings(strings: readonly string[]): StringList {
    const encoded = strings.map((string) => bytesOf(string));
    const text = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, OBJECT_BYTES));
    const list = new BigUint64Array(new ArrayBuffer(8 * strings.length + OBJECT_BYTES));
    const base = this.#libc.address(text);
    let at = 0;
    for (const [i, bytes] of encoded.entries()) {
      text.set(bytes, at);
      list[i] = BigInt(base + at);
      at += bytes.length;
    }
    return { list: new Uint8Array(list.buffer), text };
  }

  #duplicate(fd: number): number {
    const spare = this.#libc.syscall(this.#arch.fcntl, fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
    if (spare >= 0) return spare;
    throw new Error(`fd ${fd}: ${formatErrno(-this.#libc.errno())}`);
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);
