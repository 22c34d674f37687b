/**
 * System calls on open files (fs/read_write.c, open.c, fcntl.c, readdir.c, sync.c).
 * Left out: vectored and asynchronous I/O, locks, splice; limits on file sizes (RLIMIT_FSIZE).
 */
import { EBADF, EBUSY, EFAULT, EINVAL, ENOTDIR, ENXIO, EPIPE, ESPIPE } from '../../abi/errno.ts';
import {
  FD_CLOEXEC,
  F_ADD_SEALS,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_GET_SEALS,
  F_SETFD,
  F_SETFL,
  O_APPEND,
  O_CLOEXEC,
  O_DIRECT,
  O_DSYNC,
  O_NOATIME,
  O_NONBLOCK,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
  SIGPIPE,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import { endIdle } from './exit.ts';
import type { File } from './file.ts';
import { anonStat, statOf } from './inode.ts';
import type { Dirent, Stat } from './inode.ts';
import { addSeals, getSeals } from './memfd.ts';
import { sendSignal } from './send-signal.ts';
import type { Thread } from './thread.ts';

/** MAX_RW_COUNT: what one read or write moves at most. */
const MAX_RW_COUNT = 0x7fff_ffff - (PAGE_SIZE - 1);
/** Bytes that go through the kernel at a time. */
const CHUNK = 1 << 20;

/** fdget(): undefined for -EBADF. */
export function fdget(thread: Thread, fd: number): File | undefined {
  const file = thread.process.files.get(fd);
  return file === undefined || file.isPath ? undefined : file;
}

/**
 * Runs `body` with a reference of its own: another thread may close the fd meanwhile. A generator
 * function that is made for each call costs more than a short call: those of hot calls take what
 * they need as `arg`.
 */
export function* withFile<T, A>(
  thread: Thread,
  fd: number,
  body: (file: File, thread: Thread, arg: A) => Co<T> | number,
  arg: A,
): Co<T | number> {
  const file = fdget(thread, fd);
  if (file === undefined) return -EBADF;
  file.get();
  const running = body(file, thread, arg);
  const result = typeof running === 'number' ? running : yield* running;
  if (file.drop()) yield* file.release();
  return result;
}

/** close() */
export function* closeFd(thread: Thread, fd: number): Co<number> {
  const file = thread.process.files.remove(fd);
  if (file === undefined) return -EBADF;
  const { sched } = thread.process.kernel;
  if (sched.searching) yield* sched.point();
  yield* file.put();
  return 0;
}

/** dup(): O_PATH files are shared like others. */
export function dupFd(thread: Thread, fd: number, first: number, closeOnExec: boolean): number {
  const { files } = thread.process;
  const file = files.get(fd);
  if (file === undefined) return -EBADF;
  const copy = files.installFrom(first, file.get(), closeOnExec);
  // Not the last reference: the fd that it was taken from has one.
  if (copy < 0) file.drop();
  return copy;
}

/** dup3(): what was open at `to` is closed. */
export function* dupTo(thread: Thread, fd: number, to: number, flags: number): Co<number> {
  const { files } = thread.process;
  if ((flags & ~O_CLOEXEC) !== 0 || fd === to) return -EINVAL;
  if (to < 0 || to >= files.limit) return -EBADF;
  const file = files.get(fd);
  if (file === undefined) return -EBADF;
  // Another thread's open() is about to fill it.
  if (files.isReserved(to)) return -EBUSY;
  const before = files.replace(to, file.get(), (flags & O_CLOEXEC) !== 0);
  if (before !== undefined) yield* before.put();
  return to;
}

/** F_SETFL changes these. */
const SETFL_MASK = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;

type Fcntl = (thread: Thread, fd: number, file: File, arg: number) => number;

const dupFrom = (closeOnExec: boolean): Fcntl => {
  return (thread, fd, _file, arg) => {
    if (arg < 0 || arg >= thread.process.files.limit) return -EINVAL;
    return dupFd(thread, fd, arg, closeOnExec);
  };
};

const FCNTL: ReadonlyMap<number, Fcntl> = new Map<number, Fcntl>([
  [F_DUPFD, dupFrom(false)],
  [F_DUPFD_CLOEXEC, dupFrom(true)],
  [F_GETFD, (thread, fd) => (thread.process.files.closesOnExec(fd) ? FD_CLOEXEC : 0)],
  [
    F_SETFD,
    (thread, fd, _file, arg) => {
      thread.process.files.setCloseOnExec(fd, (arg & FD_CLOEXEC) !== 0);
      return 0;
    },
  ],
  [F_ADD_SEALS, (_thread, _fd, file, arg) => (file.isPath ? -EBADF : addSeals(file, arg))],
  [F_GET_SEALS, (_thread, _fd, file) => (file.isPath ? -EBADF : getSeals(file))],
  [F_GETFL, (_thread, _fd, file) => file.flags & ~O_CLOEXEC],
  [
    F_SETFL,
    (_thread, _fd, file, arg) => {
      if (file.isPath) return -EBADF;
      file.flags = (file.flags & ~SETFL_MASK) | (arg & SETFL_MASK);
      return 0;
    },
  ],
]);

export function fcntlFd(thread: Thread, fd: number, cmd: number, arg: number): number {
  const file = thread.process.files.get(fd);
  if (file === undefined) return -EBADF;
  return FCNTL.get(cmd)?.(thread, fd, file, arg) ?? -EINVAL;
}

/** A read or write: where in user memory, how much, and where in the file (undefined: f_pos). */
export interface Transfer {
  readonly buf: Va;
  readonly count: number;
  readonly offset: number | undefined;
}

export const readFile = (thread: Thread, fd: number, transfer: Transfer): Co<number> =>
  withFile(thread, fd, vfsRead, transfer);

export const writeFile = (thread: Thread, fd: number, transfer: Transfer): Co<number> =>
  withFile(thread, fd, vfsWrite, transfer);

/** vfs_read() */
function vfsRead(file: File, thread: Thread, transfer: Transfer): MaybeCo<number> {
  const refused = mayTransfer(thread, file, transfer, file.readable);
  if (refused !== 0) return refused;
  if (file.ops.read === undefined) return -EINVAL;
  return inChunks(file, thread, transfer, transfer.offset ?? file.position, readPiece);
}

/** vfs_write() */
function* vfsWrite(file: File, thread: Thread, transfer: Transfer): Co<number> {
  const refused = mayTransfer(thread, file, transfer, file.writable);
  if (refused !== 0) return refused;
  if (file.ops.write === undefined) return -EINVAL;
  const appends = (file.flags & O_APPEND) !== 0 && file.ops.size !== undefined;
  const start = appends ? file.ops.size!(file) : (transfer.offset ?? file.position);
  const written = yield* inChunks(file, thread, transfer, start, writePiece);
  if (written === -EPIPE) sendSignal(thread.process, SIGPIPE, endIdle, thread);
  return written > 0 ? writtenThrough(file, written) : written;
}

/** generic_write_sync(): files opened with O_SYNC or O_DSYNC are durable after each write. */
function writtenThrough(file: File, written: number): number {
  if ((file.flags & O_DSYNC) === 0 || file.ops.fsync === undefined) return written;
  const rc = file.ops.fsync(file);
  return rc < 0 ? rc : written;
}

/** The checks of vfs_read() and vfs_write(), in their order. */
function mayTransfer(thread: Thread, file: File, transfer: Transfer, allowed: boolean): number {
  const { buf, count, offset } = transfer;
  if (offset !== undefined && offset < 0) return -EINVAL;
  if (offset !== undefined && file.isAnonymous) return -ESPIPE;
  if (!allowed) return -EBADF;
  return thread.process.mm.accessOk(buf, count) ? 0 : -EFAULT;
}

/** Moves a piece between user memory and a place in a file. @returns bytes, or a negative errno. */
type Piece = (
  file: File,
  thread: Thread,
  at: Va,
  length: number,
  position: number,
) => MaybeCo<number>;

const readPiece: Piece = (file, thread, at, length, position) => {
  const bytes = thread.kernelBuffer(length);
  const got = file.ops.read!(file, thread, bytes, position);
  return typeof got === 'number'
    ? copyOut(thread, at, bytes, got)
    : readSlowly(thread, at, bytes, got);
};

function* readSlowly(thread: Thread, at: Va, bytes: Uint8Array, reading: Co<number>): Co<number> {
  return copyOut(thread, at, bytes, yield* reading);
}

/** What a read has got goes to user memory. @returns as `got`, or -EFAULT */
function copyOut(thread: Thread, at: Va, bytes: Uint8Array, got: number): number {
  if (got <= 0) return got;
  const part = got === bytes.length ? bytes : bytes.subarray(0, got);
  return thread.process.mm.write(at, part) ? got : -EFAULT;
}

/** What has a size copies what it is given; others, such as sockets, may keep it. */
const writePiece: Piece = (file, thread, at, length, position) => {
  const isCopied = file.ops.size !== undefined;
  const bytes = isCopied ? thread.kernelBuffer(length) : new Uint8Array(length);
  if (!thread.process.mm.read(at, bytes)) return -EFAULT;
  return file.ops.write!(file, thread, bytes, position);
};

/**
 * Moves a transfer piece by piece; ends at a short piece, and after one where there is no position,
 * since another one would be another message. An error counts only at the start.
 */
function* inChunks(
  file: File,
  thread: Thread,
  transfer: Transfer,
  start: number,
  piece: Piece,
): Co<number> {
  const count = Math.min(transfer.count, MAX_RW_COUNT);
  let done = 0;
  let moved = 0;
  let length = 0;
  do {
    length = Math.min(CHUNK, count - done);
    const moving = piece(file, thread, va(transfer.buf + done), length, start + done);
    moved = typeof moving === 'number' ? moving : yield* moving;
    if (moved < 0 && done === 0) return moved;
    done += Math.max(moved, 0);
  } while (moved === length && done < count && file.ops.size !== undefined);
  if (transfer.offset === undefined) file.position = start + done;
  return done;
}

type Seek = (file: File, offset: number, size: number) => number;

const SEEK_RULES: ReadonlyMap<number, Seek> = new Map<number, Seek>([
  [SEEK_SET, (_file, offset) => offset],
  [SEEK_CUR, (file, offset) => file.position + offset],
  [SEEK_END, (_file, offset, size) => size + offset],
  [SEEK_DATA, (_file, offset, size) => (offset < size ? offset : -ENXIO)],
  [SEEK_HOLE, (_file, offset, size) => (offset < size ? size : -ENXIO)],
]);

/** vfs_llseek() */
export function seekFile(thread: Thread, fd: number, offset: number, whence: number): number {
  const file = fdget(thread, fd);
  if (file === undefined) return -EBADF;
  const rule = SEEK_RULES.get(whence);
  if (rule === undefined) return -EINVAL;
  const size = file.ops.size?.(file);
  if (size === undefined) return -ESPIPE;
  const position = rule(file, offset, size);
  if (position === -ENXIO) return -ENXIO;
  if (position < 0) return -EINVAL;
  file.position = position;
  return position;
}

/** do_sys_ftruncate() */
export function truncateFile(thread: Thread, fd: number, length: number): number {
  if (length < 0) return -EINVAL;
  const file = fdget(thread, fd);
  if (file === undefined) return -EBADF;
  if (!file.writable || file.ops.truncate === undefined) return -EINVAL;
  return file.ops.truncate(file, length);
}

/** do_fsync() */
export function syncFile(thread: Thread, fd: number): number {
  const file = fdget(thread, fd);
  return file === undefined ? -EBADF : (file.ops.fsync?.(file) ?? -EINVAL);
}

/** iterate_dir(): all that is left from the position on. */
export function readDirectory(thread: Thread, fd: number): readonly Dirent[] | number {
  const file = fdget(thread, fd);
  if (file === undefined) return -EBADF;
  if (file.ops.readdir === undefined) return -ENOTDIR;
  const entries = file.ops.readdir(file).slice(file.position);
  file.position += entries.length;
  return entries;
}

/** vfs_fstat(): O_PATH files too. */
export function statFd(thread: Thread, fd: number): Stat | number {
  const file = thread.process.files.get(fd);
  if (file === undefined) return -EBADF;
  return file.dentry === undefined
    ? anonStat(file.ops.size?.(file) ?? 0)
    : statOf(file.dentry.inode);
}
