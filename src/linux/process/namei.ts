/**
 * Opening, making and removing names (fs/open.c, fs/namei.c): the checks of Linux in its order,
 * over whatever file system the path leads to.
 */
import { CAP_FOWNER } from '../../abi/capability.ts';
import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
} from '../../abi/errno.ts';
import {
  AT_REMOVEDIR,
  O_ACCMODE,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOCTTY,
  O_PATH,
  O_TRUNC,
  RENAME_NOREPLACE,
  R_OK,
  S_ISVTX,
  W_OK,
  X_OK,
} from '../../abi/fcntl.ts';
import type { Co } from '../../sched/task.ts';
import { capable, permission } from './cred.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import { Dentry } from './inode.ts';
import type { Inode } from './inode.ts';
import type { Cred, TaskStruct } from './process.ts';
import { pathOf } from './vfs.ts';
import type { LastComponent, Vfs } from './vfs.ts';

/** Who asks: a namei call needs the caller's rights and umask beside the place to start from. */
export interface Lookup {
  readonly vfs: Vfs;
  readonly start: Dentry;
  readonly path: string;
  readonly cred: Cred;
}

/** Flags that act at the open and do not stay with the file. */
const OPEN_ONLY = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC;
const ACCESS_RIGHTS = [R_OK, W_OK, R_OK | W_OK, R_OK | W_OK] as const;

const accessOf = (flags: number): number => ACCESS_RIGHTS[flags & O_ACCMODE]!;
const writes = (flags: number): boolean => (accessOf(flags) & W_OK) !== 0;
const isDots = (name: string): boolean => name === '' || name === '.' || name === '..';

/** do_filp_open(): the open file, or a negative errno. `mode` has the umask taken off. */
export function* openPath(
  at: Lookup,
  current: TaskStruct,
  flags: number,
  mode: number,
): Co<File | number> {
  if ((flags & O_PATH) !== 0) return openAsPath(at, flags);
  if ((flags & O_CREAT) !== 0 && (flags & O_DIRECTORY) !== 0) return -EINVAL;
  const found = (flags & O_CREAT) !== 0 ? findOrCreate(at, flags, mode) : findOnly(at);
  if (typeof found === 'number') return found;
  const refused = mayOpen(found, at.cred, flags);
  if (refused === -EACCES) explain(at, found.dentry);
  if (refused !== 0) return refused;
  const { inode } = found.dentry;
  const kept = flags & ~OPEN_ONLY;
  if (inode.kind === 'directory') {
    return new File(DIRECTORY_OPS, found.dentry.path, kept, inode, found.dentry);
  }
  const file = yield* inode.open(found.dentry, current, kept);
  if (typeof file === 'number' || (flags & O_TRUNC) === 0 || found.created) return file;
  const cut = inode.truncate(0);
  if (cut === 0) return file;
  yield* file.put();
  return cut;
}

interface Found {
  readonly dentry: Dentry;
  readonly created: boolean;
}

function findOnly(at: Lookup): Found | number {
  const dentry = at.vfs.walk(at.start, at.path, at.cred);
  return typeof dentry === 'number' ? dentry : { dentry, created: false };
}

/** lookup_open() with O_CREAT */
function findOrCreate(at: Lookup, flags: number, mode: number): Found | number {
  const last = at.vfs.walkToParent(at.start, at.path, at.cred);
  if (typeof last === 'number') return last;
  if (isDots(last.name)) return (flags & O_EXCL) !== 0 ? -EEXIST : -EISDIR;
  if (last.slash) return -EISDIR;
  const dentry = at.vfs.step(last.directory, last.name, at.cred);
  if (typeof dentry !== 'number') {
    return (flags & O_EXCL) !== 0 ? -EEXIST : { dentry, created: false };
  }
  if (dentry !== -ENOENT) return dentry;
  const refused = mayCreate(last.directory.inode, at.cred);
  if (refused !== 0) return refused;
  const owner = { mode: mode & 0o7777, uid: at.cred.euid, gid: at.cred.egid };
  const inode = last.directory.inode.create(last.name, owner);
  if (typeof inode === 'number') return inode;
  const made = new Dentry(inode, last.directory, pathOf(last.directory, last.name));
  return { dentry: made, created: true };
}

/** may_open(): what was created in this call is open to its maker whatever its mode. */
function mayOpen(found: Found, cred: Cred, flags: number): number {
  const { inode } = found.dentry;
  if (found.created) return 0;
  if (inode.kind === 'directory') {
    if (writes(flags) || (flags & (O_CREAT | O_TRUNC)) !== 0) return -EISDIR;
  } else if ((flags & O_DIRECTORY) !== 0) return -ENOTDIR;
  const rights = accessOf(flags) | ((flags & O_TRUNC) === 0 ? 0 : W_OK);
  return inodePermission(inode, cred, rights);
}

/** Beside -EACCES: whose file it is, and who asked. */
function explain(at: Lookup, { path, inode }: Dentry): void {
  const { mode, uid, gid } = inode.attributes();
  at.vfs.trace.cause('linux', {
    layer: 'linux/process',
    code: '-EACCES',
    text: `uid ${at.cred.euid} may not open ${path} so`,
    object: path,
    limit: `mode=0${mode.toString(8)} uid=${uid} gid=${gid}`,
    hint: `run as uid ${uid}, with group ${gid} if that suffices, or with CAP_DAC_OVERRIDE`,
  });
}

/** inode_permission(): a read-only file system refuses before the mode is looked at. */
export function inodePermission(inode: Inode, cred: Cred, mask: number): number {
  if ((mask & W_OK) !== 0 && inode.fs.readOnly && inode.kind !== 'device') return -EROFS;
  return permission(cred, inode.attributes(), inode.kind === 'directory', mask);
}

function openAsPath(at: Lookup, flags: number): File | number {
  const dentry = at.vfs.walk(at.start, at.path, at.cred);
  if (typeof dentry === 'number') return dentry;
  if ((flags & O_DIRECTORY) !== 0 && dentry.inode.kind !== 'directory') return -ENOTDIR;
  return new File({}, dentry.path, O_PATH | (flags & O_DIRECTORY), dentry.inode, dentry);
}

/** may_create() */
const mayCreate = (directory: Inode, cred: Cred): number =>
  inodePermission(directory, cred, W_OK | X_OK);

/** may_delete(): also the sticky bit, and the kinds that the call can remove. */
function mayDelete(directory: Inode, victim: Inode, cred: Cred, wantDirectory: boolean): number {
  const refused = inodePermission(directory, cred, W_OK | X_OK);
  if (refused !== 0) return refused;
  const { mode, uid } = directory.attributes();
  const sticky = (mode & S_ISVTX) !== 0 && uid !== cred.euid;
  if (sticky && victim.attributes().uid !== cred.euid && !capable(cred, CAP_FOWNER)) return -EPERM;
  if (wantDirectory) return victim.kind === 'directory' ? 0 : -ENOTDIR;
  return victim.kind === 'directory' ? -EISDIR : 0;
}

/** do_mkdirat() */
export function makeDirectory(at: Lookup, mode: number): number {
  const last = at.vfs.walkToParent(at.start, at.path, at.cred);
  if (typeof last === 'number') return last;
  if (isDots(last.name)) return -EEXIST;
  const there = at.vfs.step(last.directory, last.name, at.cred);
  if (typeof there !== 'number') return -EEXIST;
  if (there !== -ENOENT) return there;
  const directory = last.directory.inode;
  const refused = mayCreate(directory, at.cred);
  if (refused !== 0) return refused;
  const owner = { mode: mode & 0o1777, uid: at.cred.euid, gid: at.cred.egid };
  return directory.mkdir(last.name, owner);
}

/** do_unlinkat(), do_rmdir() */
export function removePath(at: Lookup, flags: number): number {
  if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL;
  const directoryWanted = flags !== 0;
  const last = at.vfs.walkToParent(at.start, at.path, at.cred);
  if (typeof last === 'number') return last;
  if (isDots(last.name)) return directoryWanted ? dotsError(last.name) : -EISDIR;
  const victim = at.vfs.step(last.directory, last.name, at.cred);
  if (typeof victim === 'number') return victim;
  if (!directoryWanted && last.slash) {
    return victim.inode.kind === 'directory' ? -EISDIR : -ENOTDIR;
  }
  const { inode } = last.directory;
  const refused = mayDelete(inode, victim.inode, at.cred, directoryWanted);
  if (refused !== 0) return refused;
  if (at.vfs.isMountPoint(victim)) return -EBUSY;
  return directoryWanted ? inode.rmdir(last.name) : inode.unlink(last.name);
}

/** rmdir of `..` would leave its contents behind, of `.` has no name to remove. */
function dotsError(name: string): number {
  if (name === '.') return -EINVAL;
  return name === '..' ? -ENOTEMPTY : -EBUSY;
}

/** do_renameat2(). `from` and `to` may start at different places. */
export function renamePath(from: Lookup, to: Lookup, flags: number): number {
  if ((flags & ~RENAME_NOREPLACE) !== 0) return -EINVAL;
  const source = from.vfs.walkToParent(from.start, from.path, from.cred);
  if (typeof source === 'number') return source;
  const target = to.vfs.walkToParent(to.start, to.path, to.cred);
  if (typeof target === 'number') return target;
  if (source.directory.inode.fs !== target.directory.inode.fs) return -EXDEV;
  if (isDots(source.name)) return -EBUSY;
  if (isDots(target.name)) return (flags & RENAME_NOREPLACE) !== 0 ? -EEXIST : -EBUSY;
  const moved = from.vfs.step(source.directory, source.name, from.cred);
  if (typeof moved === 'number') return moved;
  const replaced = to.vfs.step(target.directory, target.name, to.cred);
  if (typeof replaced === 'number' && replaced !== -ENOENT) return replaced;
  const there = typeof replaced === 'number' ? undefined : replaced;
  if (there !== undefined && (flags & RENAME_NOREPLACE) !== 0) return -EEXIST;
  return mayRename(from, source, moved, target, there);
}

/** vfs_rename(): the checks that need both ends, then the file system's part. */
function mayRename(
  at: Lookup,
  source: LastComponent,
  moved: Dentry,
  target: LastComponent,
  there: Dentry | undefined,
): number {
  const isDirectory = moved.inode.kind === 'directory';
  if (!isDirectory && (source.slash || target.slash)) return -ENOTDIR;
  if (isDirectory && `${target.directory.path}/`.startsWith(`${moved.path}/`)) return -EINVAL;
  if (there !== undefined && `${source.directory.path}/`.startsWith(`${there.path}/`)) {
    return -ENOTEMPTY;
  }
  if (there?.inode === moved.inode) return 0;
  const leaving = mayDelete(source.directory.inode, moved.inode, at.cred, isDirectory);
  if (leaving !== 0) return leaving;
  const directory = target.directory.inode;
  const arriving =
    there === undefined
      ? mayCreate(directory, at.cred)
      : mayDelete(directory, there.inode, at.cred, isDirectory);
  if (arriving !== 0) return arriving;
  if (at.vfs.isMountPoint(moved)) return -EBUSY;
  if (there !== undefined && at.vfs.isMountPoint(there)) return -EBUSY;
  return source.directory.inode.rename(source.name, directory, target.name);
}

/** faccessat(): `mask` of R_OK, W_OK, X_OK. */
export function checkAccess(at: Lookup, mask: number): number {
  const dentry = at.vfs.walk(at.start, at.path, at.cred);
  if (typeof dentry === 'number') return dentry;
  return inodePermission(dentry.inode, at.cred, mask);
}

const DIRECTORY_OPS: FileOperations = {
  *read() {
    return -EISDIR;
  },
  readdir(file) {
    const { inode, parent } = file.dentry!;
    const up = parent?.inode ?? inode;
    return [
      { ino: inode.ino, name: '.', kind: 'directory' },
      { ino: up.ino, name: '..', kind: 'directory' },
      ...inode.entries(),
    ];
  },
  size: () => 0,
  fsync: (file) => file.dentry!.inode.sync(),
};
