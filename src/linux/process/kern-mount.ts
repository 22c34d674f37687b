/**
 * File systems that the kernel mounts for itself (kern_mount(), fs/namespace.c): their files have no
 * name in the tree, and live as long as somebody has them open.
 */
import { ENXIO } from '../../abi/errno.ts';
import type { Co } from '../../sched/task.ts';
import type { File } from './file.ts';
import { Inode } from './inode.ts';
import type { FileSystem, InodeAttributes } from './inode.ts';

export class KernMount implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly readOnly = false;
  #lastIno = 0;

  constructor(type: string, dev: number) {
    this.type = type;
    this.dev = dev;
  }

  /** get_next_ino() */
  newIno(): number {
    this.#lastIno += 1;
    return this.#lastIno;
  }
}

/** A file on one. Subclasses know its size. */
export abstract class KernInode extends Inode {
  readonly fs: KernMount;
  readonly kind = 'file';
  readonly ino: number;

  constructor(mount: KernMount) {
    super();
    this.fs = mount;
    this.ino = mount.newIno();
  }

  /** i_size, in bytes. */
  abstract readonly size: number;
  abstract readonly owner: { readonly uid: number; readonly gid: number; readonly mode: number };

  attributes(): InodeAttributes {
    return { ...this.owner, size: this.size, mtimeMs: 0, rdev: 0 };
  }

  /** Its fd is the only way to it: there is no /proc/PID/fd. */
  *open(): Co<File | number> {
    return -ENXIO;
  }
}
