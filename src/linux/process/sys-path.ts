/**
 * System calls on paths (fs/open.c, namei.c, stat.c): from a directory fd, the working directory or
 * the root to what `namei.ts` does there.
 */
import { EBADF, EINVAL, ENOENT, ENOTDIR } from '../../abi/errno.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_LARGEFILE,
  R_OK,
  W_OK,
  X_OK,
} from '../../abi/fcntl.ts';
import type { Co } from '../../sched/task.ts';
import { realCred } from './cred.ts';
import { statOf } from './inode.ts';
import type { Dentry, Stat } from './inode.ts';
import {
  checkAccess,
  inodePermission,
  makeDirectory,
  openPath,
  removePath,
  renamePath,
} from './namei.ts';
import type { Lookup } from './namei.ts';
import type { Cred } from './process.ts';
import { statFd } from './sys-file.ts';
import type { Thread } from './thread.ts';

/** Where a path starts: only what is relative needs the directory. */
function startOf(thread: Thread, dirfd: number, path: string): Dentry | number {
  const { process } = thread;
  if (path.startsWith('/')) return process.kernel.vfs.root;
  if (path === '') return -ENOENT;
  if (dirfd === AT_FDCWD) return process.cwd;
  const file = process.files.get(dirfd);
  if (file === undefined) return -EBADF;
  if (file.dentry?.inode.kind !== 'directory') return -ENOTDIR;
  return file.dentry;
}

function lookup(thread: Thread, dirfd: number, path: string, cred?: Cred): Lookup | number {
  const start = startOf(thread, dirfd, path);
  if (typeof start === 'number') return start;
  const { process } = thread;
  return { vfs: process.kernel.vfs, start, path, cred: cred ?? process.cred };
}

/** do_sys_openat2(): the fd comes first, so that a full table opens, and creates, nothing. */
export function* openAt(
  thread: Thread,
  dirfd: number,
  path: string,
  flags: number,
  mode: number,
): Co<number> {
  const { files, umask } = thread.process;
  const at = lookup(thread, dirfd, path);
  if (typeof at === 'number') return at;
  const fd = files.reserve();
  if (fd < 0) return fd;
  // 64-bit kernels open every file so (force_o_largefile()).
  const file = yield* openPath(at, thread, (flags & ~O_CLOEXEC) | O_LARGEFILE, mode & ~umask);
  if (typeof file === 'number') {
    files.unreserve(fd);
    return file;
  }
  files.fill(fd, file, (flags & O_CLOEXEC) !== 0);
  return fd;
}

export function mkdirAt(thread: Thread, dirfd: number, path: string, mode: number): number {
  const at = lookup(thread, dirfd, path);
  return typeof at === 'number' ? at : makeDirectory(at, mode & ~thread.process.umask);
}

export function unlinkAt(thread: Thread, dirfd: number, path: string, flags: number): number {
  const at = lookup(thread, dirfd, path);
  return typeof at === 'number' ? at : removePath(at, flags);
}

/** An end of a renameat2(). */
export interface PathAt {
  readonly dirfd: number;
  readonly path: string;
}

export function renameAt(thread: Thread, from: PathAt, to: PathAt, flags: number): number {
  const source = lookup(thread, from.dirfd, from.path);
  if (typeof source === 'number') return source;
  const target = lookup(thread, to.dirfd, to.path);
  return typeof target === 'number' ? target : renamePath(source, target, flags);
}

const STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;

/** vfs_fstatat() */
export function statAt(thread: Thread, dirfd: number, path: string, flags: number): Stat | number {
  if ((flags & ~STAT_FLAGS) !== 0) return -EINVAL;
  if (path === '' && (flags & AT_EMPTY_PATH) !== 0) {
    return dirfd === AT_FDCWD ? statOf(thread.process.cwd.inode) : statFd(thread, dirfd);
  }
  const at = lookup(thread, dirfd, path);
  if (typeof at === 'number') return at;
  const found = at.vfs.walk(at.start, at.path, at.cred);
  return typeof found === 'number' ? found : statOf(found.inode);
}

const ACCESS_FLAGS = AT_EACCESS | AT_SYMLINK_NOFOLLOW;

/** do_faccessat(): judged by the real ids unless AT_EACCESS says otherwise. */
export function accessAt(
  thread: Thread,
  dirfd: number,
  path: string,
  mode: number,
  flags: number,
): number {
  if ((mode & ~(R_OK | W_OK | X_OK)) !== 0 || (flags & ~ACCESS_FLAGS) !== 0) return -EINVAL;
  const { cred } = thread.process;
  const at = lookup(thread, dirfd, path, (flags & AT_EACCESS) !== 0 ? cred : realCred(cred));
  return typeof at === 'number' ? at : checkAccess(at, mode);
}

export function changeDirectory(thread: Thread, path: string): number {
  const at = lookup(thread, AT_FDCWD, path);
  if (typeof at === 'number') return at;
  const found = at.vfs.walk(at.start, at.path, at.cred);
  if (typeof found === 'number') return found;
  if (found.inode.kind !== 'directory') return -ENOTDIR;
  const refused = inodePermission(found.inode, at.cred, X_OK);
  if (refused === 0) thread.process.cwd = found;
  return refused;
}
