/**
 * A file system over a byte store of the outside: tmpfs over memory, a directory of the host, …
 * A store keeps names and bytes only, so owner and mode of what is there already are the mount's
 * (as vfat's uid=, gid=, fmask=, dmask= options), and those of what programs make last for the run.
 * Files that are unlinked or replaced while open live on in memory until their last close.
 * Pages of a file are kept from its first mmap() to its last close; read() and write() go through
 * them, and past them where there are none.
 * Left out: links, atime and ctime, setting times, quotas.
 */
import { EEXIST, EFBIG, EIO, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, ERRNO } from '../../abi/errno.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { StoreError } from '../../host/store.ts';
import type { ByteStore } from '../../host/store.ts';
import type { Co } from '../../sched/task.ts';
import { FileMap } from '../mm/filemap.ts';
import type { PageAllocator } from '../mm/page-allocator.ts';
import type { Ownership } from './cred.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import { Inode } from './inode.ts';
import type { Dentry, Dirent, FileSystem, InodeAttributes, InodeKind } from './inode.ts';
import type { TaskStruct } from './process.ts';

/** Who owns what is in the store already, and what may be done with it. */
export interface StoreMountOptions {
  /** As /proc/mounts names it; `tmpfs` by default. */
  readonly type?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Permission bits; 0o644 and 0o755 by default. */
  readonly fileMode?: number;
  readonly dirMode?: number;
  readonly readOnly?: boolean;
}

/** s_maxbytes: files do not grow beyond. */
const MAX_FILE_BYTES = 2 ** 30;

/** Runs a store's call; what the outside refuses becomes a negative errno. */
function attempt<T>(call: () => T): T | number {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const errno: number | undefined = (ERRNO as Readonly<Record<string, number>>)[error.code];
    return -(errno ?? EIO);
  }
}

const join = (directory: string, name: string): string =>
  directory === '' ? name : `${directory}/${name}`;

export class StoreFs implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly store: ByteStore;
  readonly root: StoreInode;
  readonly #readOnly: boolean;
  readonly #fileOwner: Ownership;
  readonly #dirOwner: Ownership;
  /** Inodes by path in the store, for as long as something is there. */
  readonly #inodes = new Map<string, StoreInode>();
  #lastIno = 0;

  constructor(store: ByteStore, dev: number, options: StoreMountOptions = {}) {
    const { uid = 0, gid = 0 } = options;
    this.store = store;
    this.dev = dev;
    this.type = options.type ?? 'tmpfs';
    this.#readOnly = options.readOnly ?? false;
    this.#fileOwner = { uid, gid, mode: options.fileMode ?? 0o644 };
    this.#dirOwner = { uid, gid, mode: options.dirMode ?? 0o755 };
    this.root = this.#inode('', 'directory');
  }

  /** The mount is, or the store; a store may become so (errors=remount-ro). */
  get readOnly(): boolean {
    return this.#readOnly || this.store.readOnly === true;
  }

  /** The inode at a path of the store, or a negative errno. */
  at(path: string): StoreInode | number {
    const stat = attempt(() => this.store.stat(path));
    if (typeof stat === 'object') return this.#inode(path, stat.kind);
    this.#inodes.delete(path);
    return stat ?? -ENOENT;
  }

  /** What `create` and `mkdir` have made, with its owner for the rest of the run. */
  made(path: string, kind: InodeKind, owner: Ownership): StoreInode {
    this.#inodes.delete(path);
    const inode = this.#inode(path, kind);
    inode.owner = owner;
    return inode;
  }

  /** The name leads nowhere any more: open files keep their bytes. */
  forget(path: string): number {
    const inode = this.#inodes.get(path);
    if (inode !== undefined && inode.opens > 0) {
      const result = inode.detach();
      if (result < 0) return result;
    }
    this.#inodes.delete(path);
    return 0;
  }

  /** Inodes follow what was renamed. */
  moved(from: string, to: string): void {
    for (const [path, inode] of [...this.#inodes]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.#inodes.delete(path);
      inode.path = to + path.slice(from.length);
      this.#inodes.set(inode.path, inode);
    }
  }

  #inode(path: string, kind: InodeKind): StoreInode {
    const known = this.#inodes.get(path);
    if (known?.kind === kind) return known;
    this.#lastIno += 1;
    const owner = kind === 'directory' ? this.#dirOwner : this.#fileOwner;
    const inode = new StoreInode(this, this.#lastIno, kind, path, owner);
    this.#inodes.set(path, inode);
    return inode;
  }
}

export class StoreInode extends Inode {
  readonly fs: StoreFs;
  readonly kind: InodeKind;
  readonly ino: number;
  owner: Ownership;
  path: string;
  /** Open files. */
  opens = 0;
  #store: ByteStore;
  /** i_mapping */
  #cache: FileMap | undefined;

  constructor(fs: StoreFs, ino: number, kind: InodeKind, path: string, owner: Ownership) {
    super();
    this.fs = fs;
    this.ino = ino;
    this.kind = kind;
    this.path = path;
    this.owner = owner;
    this.#store = fs.store;
  }

  attributes(): InodeAttributes {
    const stat = attempt(() => this.#store.stat(this.path));
    const known = typeof stat === 'object' ? stat : { sizeBytes: 0, modifiedMs: 0 };
    return { ...this.owner, size: known.sizeBytes, mtimeMs: known.modifiedMs, rdev: 0 };
  }

  *open(dentry: Dentry, _current: TaskStruct, flags: number): Co<File | number> {
    this.opens += 1;
    return new File(STORE_FILE_OPS, dentry.path, flags, this, dentry);
  }

  /** A file that was open is closed. With the last one its pages go. */
  closed(): void {
    this.opens -= 1;
    if (this.opens > 0) return;
    this.#cache?.end();
    this.#cache = undefined;
  }

  // --- files
  /** Its pages, for a mapping. @param name what reports call them */
  mapping(pages: PageAllocator, name: string): FileMap {
    this.#cache ??= new FileMap({
      pages,
      name,
      writeback: this.fs.type !== 'tmpfs',
      file: {
        size: () => this.attributes().size,
        read: (out, position) => this.#load(out, position),
        write: (data, position) => this.#save(data, position),
        sync: () => this.#sync(),
      },
    });
    return this.#cache;
  }

  read(out: Uint8Array, position: number): number {
    const got = this.#load(out, position);
    if (got > 0) this.#cache?.readCached(out.subarray(0, got), position);
    return got;
  }

  write(data: Uint8Array, position: number): number {
    if (position >= MAX_FILE_BYTES) return -EFBIG;
    const fits = data.subarray(0, MAX_FILE_BYTES - position);
    const before = this.#cache === undefined ? 0 : this.attributes().size;
    const written = this.#save(fits, position);
    if (this.#cache === undefined || written < 0) return written;
    if (position + written > before) this.#cache.resized(before, position + written);
    this.#cache.writeCached(fits.subarray(0, written), position);
    return written;
  }

  override truncate(length: number): number {
    if (length > MAX_FILE_BYTES) return -EFBIG;
    const before = this.#cache === undefined ? 0 : this.attributes().size;
    const result = attempt(() => this.#store.truncate(this.path, length));
    if (result !== true) return this.#failed(result);
    this.#cache?.resized(before, length);
    return 0;
  }

  override sync(): number {
    return this.#cache === undefined ? this.#sync() : this.#cache.fsync();
  }

  #load(out: Uint8Array, position: number): number {
    const bytes = attempt(() => this.#store.read(this.path, position, out.length));
    if (bytes === undefined) return -EIO;
    if (typeof bytes === 'number') return bytes;
    out.set(bytes);
    return bytes.length;
  }

  #save(data: Uint8Array, position: number): number {
    const result = attempt(() => this.#store.write(this.path, position, data));
    return result === true ? data.length : this.#failed(result);
  }

  #sync(): number {
    return attempt(() => this.#store.sync(this.path)) ?? 0;
  }

  /** The name goes; the bytes move to a store of their own. */
  detach(): number {
    const size = this.attributes().size;
    const bytes = new Uint8Array(size);
    const got = this.read(bytes, 0);
    if (got < 0) return got;
    this.#store = new MemoryStore();
    this.path = 'orphan';
    this.#store.createFile(this.path);
    this.#store.write(this.path, 0, bytes.subarray(0, got));
    return 0;
  }

  // --- directories
  override lookup(name: string): Inode | number {
    return this.fs.at(join(this.path, name));
  }

  override entries(): readonly Dirent[] {
    const names = attempt(() => this.#store.list(this.path));
    if (names === undefined || typeof names === 'number') return [];
    return names.flatMap((name) => {
      const inode = this.lookup(name);
      return typeof inode === 'number' ? [] : [{ name, ino: inode.ino, kind: inode.kind }];
    });
  }

  override create(name: string, owner: Ownership): Inode | number {
    const path = join(this.path, name);
    const result = attempt(() => this.#store.createFile(path));
    return result === true ? this.fs.made(path, 'file', owner) : this.#absent(result, path);
  }

  override mkdir(name: string, owner: Ownership): number {
    const path = join(this.path, name);
    const result = attempt(() => this.#store.createDirectory(path));
    if (result !== true) return this.#absent(result, path);
    this.fs.made(path, 'directory', owner);
    return 0;
  }

  override unlink(name: string): number {
    return this.#remove(join(this.path, name), ENOENT);
  }

  override rmdir(name: string): number {
    const path = join(this.path, name);
    const names = attempt(() => this.#store.list(path));
    if (names === undefined) return -ENOTDIR;
    if (typeof names === 'number') return names;
    return names.length > 0 ? -ENOTEMPTY : this.#remove(path, ENOTEMPTY);
  }

  override rename(name: string, directory: Inode, to: string): number {
    if (!(directory instanceof StoreInode)) return -EIO;
    const [from, target] = [join(this.path, name), join(directory.path, to)];
    const refused = this.#mayReplace(from, target);
    if (refused !== 0) return refused;
    const kept = this.fs.forget(target);
    if (kept < 0) return kept;
    const result = attempt(() => this.#store.rename(from, target));
    if (result !== true) return this.#failed(result);
    this.fs.moved(from, target);
    return 0;
  }

  #mayReplace(from: string, target: string): number {
    const moved = this.fs.at(from);
    if (typeof moved === 'number') return moved;
    const there = this.fs.at(target);
    if (typeof there === 'number') return there === -ENOENT ? 0 : there;
    if (there.kind !== 'directory') return moved.kind === 'directory' ? -ENOTDIR : 0;
    if (moved.kind !== 'directory') return -EISDIR;
    return there.entries().length > 0 ? -ENOTEMPTY : 0;
  }

  #remove(path: string, otherwise: number): number {
    const kept = this.fs.forget(path);
    if (kept < 0) return kept;
    const result = attempt(() => this.#store.remove(path));
    return result === true ? 0 : typeof result === 'number' ? result : -otherwise;
  }

  /** Why a name could not be made: it appeared meanwhile, or its parent went. */
  #absent(result: boolean | number, path: string): number {
    if (typeof result === 'number') return result;
    return typeof this.fs.at(path) === 'number' ? -ENOENT : -EEXIST;
  }

  #failed(result: boolean | number): number {
    return typeof result === 'number' ? result : -EIO;
  }
}

const inodeOf = (file: File): StoreInode => file.data as StoreInode;

const STORE_FILE_OPS: FileOperations = {
  read(file, _current, out, position) {
    return inodeOf(file).read(out, position);
  },
  write(file, _current, data, position) {
    return inodeOf(file).write(data, position);
  },
  size: (file) => inodeOf(file).attributes().size,
  truncate: (file, length) => inodeOf(file).truncate(length),
  fsync: (file) => inodeOf(file).sync(),
  mmap(file, _current, request) {
    request.cache = inodeOf(file).mapping(request.pages, file.path);
    return 0;
  },
  *release(file) {
    inodeOf(file).closed();
  },
};
