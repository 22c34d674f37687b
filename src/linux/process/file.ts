/**
 * Open files (struct file, include/linux/fs.h): what an fd refers to. dup, fork and SCM_RIGHTS
 * share one; the last reference calls `release`. Drivers supply `FileOperations`.
 */
import { O_ACCMODE, O_PATH, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.ts';
import type { Va } from '../../machine/address.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { Dentry, Dirent } from './inode.ts';
import type { PollHead } from './poll.ts';
import type { TaskStruct } from './process.ts';
import type { MmapRequest } from './mmap.ts';

/** What a driver does for its files; an absent operation answers as the kernel does without it. */
export interface FileOperations {
  /** @returns the system call's result: a value or a negative errno. */
  ioctl?(file: File, current: TaskStruct, cmd: number, arg: Va): MaybeCo<number>;
  /** Fills in what is mapped; a negative errno refuses. */
  mmap?(file: File, current: TaskStruct, request: MmapRequest): number;
  /**
   * Up to `out.length` bytes from `position`, which devices without one ignore.
   * @returns bytes read, 0 at the end, or a negative errno.
   */
  read?(file: File, current: TaskStruct, out: Uint8Array, position: number): MaybeCo<number>;
  write?(file: File, current: TaskStruct, data: Uint8Array, position: number): MaybeCo<number>;
  /** Makes a file seekable: its end in bytes, for SEEK_END; or a negative errno. */
  size?(file: File): number;
  truncate?(file: File, length: number): number;
  fsync?(file: File): number;
  /** POLL* that hold now; without, always readable and writable. */
  poll?(file: File): number;
  /** Where changes of `poll` are told. */
  pollHead?(file: File): PollHead;
  /** Directories: all entries, `.` and `..` included. */
  readdir?(file: File): readonly Dirent[];
  /** The last reference has gone. */
  release?(file: File): Co<void>;
}

export class File {
  readonly ops: FileOperations;
  /** `/dev/tee0`, `anon_inode:tee_shm`: as /proc/PID/fd shows it. */
  readonly path: string;
  /** O_* flags of the open; F_SETFL changes some. */
  flags: number;
  /** The driver's own (file->private_data). */
  readonly data: unknown;
  /** Where it was opened, set by the VFS; anonymous inodes have none. */
  dentry: Dentry | undefined;
  /** f_pos, in bytes (entries for directories). */
  position = 0;
  #refs = 1;

  constructor(ops: FileOperations, path: string, flags: number, data: unknown, dentry?: Dentry) {
    this.ops = ops;
    this.path = path;
    this.flags = flags;
    this.data = data;
    this.dentry = dentry;
  }

  get refs(): number {
    return this.#refs;
  }

  /** Opened with O_PATH: names a place, cannot be used as a file. */
  get isPath(): boolean {
    return (this.flags & O_PATH) !== 0;
  }

  /** FMODE_READ: neither for O_WRONLY nor for the access mode 3, which is for ioctls only. */
  get readable(): boolean {
    const access = this.flags & O_ACCMODE;
    return !this.isPath && (access === O_RDONLY || access === O_RDWR);
  }

  /** FMODE_WRITE */
  get writable(): boolean {
    const access = this.flags & O_ACCMODE;
    return access === O_WRONLY || access === O_RDWR;
  }

  /** On anon_inodefs: has no place in the tree, and no positions. */
  get isAnonymous(): boolean {
    return this.dentry === undefined;
  }

  /** get_file() */
  get(): this {
    if (this.#refs === 0) throw new Error(`${this.path} is used after its last reference`);
    this.#refs += 1;
    return this;
  }

  /** fput() in two steps: true when that was the last reference, then `release` is the caller's. */
  drop(): boolean {
    if (this.#refs === 0) throw new Error(`${this.path} loses a reference that it does not have`);
    this.#refs -= 1;
    return this.#refs === 0;
  }

  /** __fput() */
  *release(): Co<void> {
    if (this.ops.release !== undefined) yield* this.ops.release(this);
  }

  /** fput(): the last one releases. */
  *put(): Co<void> {
    if (this.drop()) yield* this.release();
  }
}
