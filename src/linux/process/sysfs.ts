/**
 * sysfs (fs/sysfs, fs/kernfs): attributes of devices as small text files that functions produce.
 * Left out: symbolic links (`/sys/class/tee/tee0` is a directory itself), binary attributes,
 * directories without attributes, notifications.
 */
import { EACCES, EIO, ENODEV } from '../../abi/errno.ts';
import { O_ACCMODE, O_RDONLY } from '../../abi/fcntl.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import { Inode } from './inode.ts';
import type { Dentry, FileSystem, InodeAttributes, InodeKind } from './inode.ts';
import type { TaskStruct } from './process.ts';
import { PseudoFs } from './pseudo-fs.ts';

/** show(): the attribute's text, with its newline; a negative errno refuses. */
export type SysfsShow = () => string | number;
/** store(): takes what was written; returns 0 or a negative errno. */
export type SysfsStore = (text: string) => number;

class SysfsFile extends Inode {
  readonly fs: FileSystem;
  readonly kind: InodeKind = 'file';
  readonly ino: number;
  readonly show: SysfsShow;
  readonly store: SysfsStore | undefined;
  /** False once the device is gone; open files then answer -ENODEV. */
  active = true;

  constructor(fs: FileSystem, ino: number, show: SysfsShow, store: SysfsStore | undefined) {
    super();
    this.fs = fs;
    this.ino = ino;
    this.show = show;
    this.store = store;
  }

  attributes(): InodeAttributes {
    const mode = this.store === undefined ? 0o444 : 0o644;
    return { mode, uid: 0, gid: 0, size: PAGE_SIZE, mtimeMs: 0, rdev: 0 };
  }

  /** kernfs refuses to open for writing what cannot be written, even to root. */
  *open(dentry: Dentry, _current: TaskStruct, flags: number): Co<File | number> {
    if (!this.active) return -ENODEV;
    const access = flags & O_ACCMODE;
    if (access !== O_RDONLY && this.store === undefined) return -EACCES;
    return new File(SYSFS_OPS, dentry.path, flags, new Shown(this), dentry);
  }

  /** A shell's `>` opens with O_TRUNC; there is nothing to cut. */
  override truncate(): number {
    return 0;
  }
}

/** What one open file has seen: a read from the start asks the attribute anew. */
class Shown {
  readonly inode: SysfsFile;
  text: Uint8Array = new Uint8Array(0);
  constructor(inode: SysfsFile) {
    this.inode = inode;
  }
}

const shownOf = (file: File): Shown => file.data as Shown;

const SYSFS_OPS: FileOperations = {
  *read(file, _current, out, position) {
    const shown = shownOf(file);
    if (position === 0) {
      if (!shown.inode.active) return -ENODEV;
      const text = shown.inode.show();
      if (typeof text === 'number') return text;
      shown.text = new TextEncoder().encode(text).subarray(0, PAGE_SIZE);
    }
    const piece = shown.text.subarray(position, position + out.length);
    out.set(piece);
    return piece.length;
  },
  *write(file, _current, data) {
    const { inode } = shownOf(file);
    if (!inode.active) return -ENODEV;
    if (inode.store === undefined) return -EIO;
    const text = new TextDecoder().decode(data.subarray(0, PAGE_SIZE - 1));
    const result = inode.store(text);
    return result < 0 ? result : data.length;
  },
  size: () => PAGE_SIZE,
};

export class Sysfs {
  readonly fs: PseudoFs;

  constructor(dev: number) {
    this.fs = new PseudoFs('sysfs', dev);
  }

  /** sysfs_create_file(). @param path below /sys: `/class/tee/tee0/implementation_id`. */
  add(path: string, show: SysfsShow, store?: SysfsStore): void {
    this.fs.add(path, (ino) => new SysfsFile(this.fs, ino, show, store));
  }

  /** An attribute, or a directory with all of its attributes, goes away. */
  remove(path: string): void {
    for (const inode of this.fs.remove(path)) {
      if (inode instanceof SysfsFile) inode.active = false;
    }
  }
}
