/**
 * Inodes and dentries (struct inode, struct dentry; fs/namei.c): what a path names. File systems
 * subclass `Inode`; an operation that they leave out answers as the VFS does without it.
 * Left out: symbolic and hard links, special files other than character devices, extended
 * attributes, changing owner and mode.
 */
import { EACCES, EINVAL, ENOENT, EPERM } from '../../abi/errno.ts';
import { S_IFCHR, S_IFDIR, S_IFREG } from '../../abi/fcntl.ts';
import type { Co } from '../../sched/task.ts';
import type { Ownership } from './cred.ts';
import type { File } from './file.ts';
import type { TaskStruct } from './process.ts';

export type InodeKind = 'file' | 'directory' | 'device';

const TYPE_BITS: { readonly [K in InodeKind]: number } = {
  file: S_IFREG,
  directory: S_IFDIR,
  device: S_IFCHR,
};

/** A mounted file system (struct super_block). */
export interface FileSystem {
  /** `tmpfs`, `devtmpfs`, `sysfs`, …: as /proc/mounts names the type. */
  readonly type: string;
  /** st_dev of its files. */
  readonly dev: number;
  readonly readOnly: boolean;
}

/** What changes about an inode. */
export interface InodeAttributes extends Ownership {
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Number of the device that it stands for, 0 for none. */
  readonly rdev: number;
}

/** struct stat, as values. */
export interface Stat {
  readonly dev: number;
  readonly ino: number;
  /** S_IF* type and permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /** Bytes. */
  readonly size: number;
  readonly blksize: number;
  /** Units of 512 bytes. */
  readonly blocks: number;
  readonly mtimeMs: number;
}

/** struct linux_dirent64, as values. */
export interface Dirent {
  readonly ino: number;
  readonly name: string;
  readonly kind: InodeKind;
}

export abstract class Inode {
  abstract readonly fs: FileSystem;
  abstract readonly kind: InodeKind;
  abstract readonly ino: number;
  abstract attributes(): InodeAttributes;
  /**
   * do_dentry_open() for what is no directory; rights were checked.
   * @returns the open file or a negative errno.
   */
  abstract open(dentry: Dentry, current: TaskStruct, flags: number): Co<File | number>;

  /** Finds a name in a directory, or a negative errno. */
  lookup(_name: string): Inode | number {
    return -ENOENT;
  }
  /** Entries of a directory, without `.` and `..`. */
  entries(): readonly Dirent[] {
    return [];
  }
  /** Makes an empty file; the name is free. */
  create(_name: string, _owner: Ownership): Inode | number {
    return -EACCES;
  }
  /** Makes an empty directory; the name is free. */
  mkdir(_name: string, _owner: Ownership): number {
    return -EPERM;
  }
  /** Removes a file of this directory. */
  unlink(_name: string): number {
    return -EPERM;
  }
  /** Removes a directory of this directory. */
  rmdir(_name: string): number {
    return -EPERM;
  }
  /** Moves `name` to `to` in `directory` of the same file system, replacing what is there. */
  rename(_name: string, _directory: Inode, _to: string): number {
    return -EPERM;
  }
  /** Cuts or extends a file to `length` bytes. */
  truncate(_length: number): number {
    return -EINVAL;
  }
  /** What was written, or the names of a directory, are durable after. */
  sync(): number {
    return 0;
  }
}

/** A place in the tree: how a path led to an inode. */
export class Dentry {
  readonly inode: Inode;
  /** Undefined for the root of the tree. */
  readonly parent: Dentry | undefined;
  /** Absolute, normalised. */
  readonly path: string;

  constructor(inode: Inode, parent: Dentry | undefined, path: string) {
    this.inode = inode;
    this.parent = parent;
    this.path = path;
  }
}

const BLOCK_SIZE = 4096;
const STAT_BLOCK = 512;

/** vfs_getattr() */
export function statOf(inode: Inode): Stat {
  const attributes = inode.attributes();
  return {
    dev: inode.fs.dev,
    ino: inode.ino,
    mode: TYPE_BITS[inode.kind] | attributes.mode,
    nlink: inode.kind === 'directory' ? 2 : 1,
    uid: attributes.uid,
    gid: attributes.gid,
    rdev: attributes.rdev,
    size: attributes.size,
    blksize: BLOCK_SIZE,
    blocks: Math.ceil(attributes.size / STAT_BLOCK),
    mtimeMs: attributes.mtimeMs,
  };
}

/** An anonymous inode's attributes (fs/anon_inodes.c): no type, rw for its owner. */
export function anonStat(size: number): Stat {
  const none = { dev: 0, ino: 1, uid: 0, gid: 0, rdev: 0, mtimeMs: 0 };
  return { ...none, mode: 0o600, nlink: 1, size, blksize: BLOCK_SIZE, blocks: 0 };
}
