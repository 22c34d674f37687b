/**
 * The tree of files of one kernel (fs/namei.c, fs/namespace.c): mounts, and the walk along a path.
 * Left out: symbolic links, mount namespaces, chroot; every process sees the same tree.
 */
import { EACCES, EBUSY, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR } from '../../abi/errno.ts';
import { X_OK } from '../../abi/fcntl.ts';
import type { Trace } from '../../trace/trace.ts';
import { permission } from './cred.ts';
import { Dentry } from './inode.ts';
import type { Inode } from './inode.ts';
import type { Cred } from './process.ts';

/* Source: include/uapi/linux/limits.h, Linux 6.1. */
const PATH_MAX = 4096;
const NAME_MAX = 255;

/** Where the last component of a path is, or is to be. */
export interface LastComponent {
  readonly directory: Dentry;
  /** The name; `.` or `..` when the path ends so, empty for `/`. */
  readonly name: string;
  /** The path ends in a slash: only a directory will do. */
  readonly slash: boolean;
}

export class Vfs {
  readonly root: Dentry;
  readonly trace: Trace;
  readonly #mounts = new Map<string, Inode>();

  /** @param root of the root file system. */
  constructor(root: Inode, trace: Trace) {
    this.trace = trace;
    this.root = new Dentry(root, undefined, '/');
  }

  /**
   * mount(): what `root` leads is seen at `path` from now on. Directories on the way there are made.
   * @returns 0 or a negative errno: -EBUSY when something is mounted there.
   */
  mount(path: string, root: Inode, cred: Cred): number {
    const at = this.#makeDirectories(path, cred);
    if (typeof at === 'number') return at;
    if (this.#mounts.has(at.path) || at.parent === undefined) return -EBUSY;
    this.#mounts.set(at.path, root);
    return 0;
  }

  /** umount(): -EINVAL when nothing is mounted there. Open files stay valid. */
  umount(path: string): number {
    return this.#mounts.delete(path) ? 0 : -EINVAL;
  }

  /** Mount points with their file systems, as /proc/mounts lists them. */
  mounts(): readonly { readonly path: string; readonly root: Inode }[] {
    const mounted = [...this.#mounts].map(([path, root]) => ({ path, root }));
    return [{ path: '/', root: this.root.inode }, ...mounted];
  }

  isMountPoint(dentry: Dentry): boolean {
    return dentry.parent === undefined || this.#mounts.has(dentry.path);
  }

  /** Follows a whole path; a negative errno when it leads nowhere. */
  walk(start: Dentry, path: string, cred: Cred): Dentry | number {
    const last = this.walkToParent(start, path, cred);
    if (typeof last === 'number') return last;
    const found = this.step(last.directory, last.name, cred);
    if (typeof found === 'number') return found;
    return last.slash && found.inode.kind !== 'directory' ? -ENOTDIR : found;
  }

  /** Follows all but the last component, whatever that may be. */
  walkToParent(start: Dentry, path: string, cred: Cred): LastComponent | number {
    if (path === '') return -ENOENT;
    if (path.length >= PATH_MAX) return -ENAMETOOLONG;
    const parts = path.split('/').filter((part) => part !== '');
    let directory = path.startsWith('/') ? this.root : start;
    const name = parts.pop() ?? '';
    for (const part of parts) {
      const next = this.step(directory, part, cred);
      if (typeof next === 'number') return next;
      directory = next;
    }
    if (directory.inode.kind !== 'directory') return -ENOTDIR;
    return { directory, name, slash: path.endsWith('/') };
  }

  /** One component; needs search permission on the directory. */
  step(directory: Dentry, name: string, cred: Cred): Dentry | number {
    const { inode } = directory;
    if (inode.kind !== 'directory') return -ENOTDIR;
    if (permission(cred, inode.attributes(), true, X_OK) !== 0) return -EACCES;
    if (name === '' || name === '.') return directory;
    if (name === '..') return directory.parent ?? directory;
    if (name.length > NAME_MAX) return -ENAMETOOLONG;
    const child = inode.lookup(name);
    if (typeof child === 'number') return child;
    const path = pathOf(directory, name);
    return new Dentry(this.#mounts.get(path) ?? child, directory, path);
  }

  /** mkdir -p */
  #makeDirectories(path: string, cred: Cred): Dentry | number {
    let at = this.root;
    for (const part of path.split('/').filter((name) => name !== '')) {
      let next = this.step(at, part, cred);
      if (next === -ENOENT) {
        const made = at.inode.mkdir(part, { uid: 0, gid: 0, mode: 0o755 });
        if (made !== 0 && made !== -EEXIST) return made;
        next = this.step(at, part, cred);
      }
      if (typeof next === 'number') return next;
      at = next;
    }
    return at.inode.kind === 'directory' ? at : -ENOTDIR;
  }
}

/** Where `name` of a directory is. */
export const pathOf = (directory: Dentry, name: string): string =>
  directory.parent === undefined ? `/${name}` : `${directory.path}/${name}`;
