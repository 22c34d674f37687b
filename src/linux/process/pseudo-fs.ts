/**
 * Trees of files that exist in the kernel only (fs/libfs.c, fs/kernfs): what devtmpfs and sysfs are
 * made of. Drivers add and remove leaves; directories come and go with them.
 */
import { EISDIR, ENOENT } from '../../abi/errno.ts';
import type { Co } from '../../sched/task.ts';
import type { File } from './file.ts';
import { Inode } from './inode.ts';
import type { Dirent, FileSystem, InodeAttributes, InodeKind } from './inode.ts';

class PseudoDirectory extends Inode {
  readonly fs: FileSystem;
  readonly kind: InodeKind = 'directory';
  readonly ino: number;
  readonly children = new Map<string, Inode>();

  constructor(fs: FileSystem, ino: number) {
    super();
    this.fs = fs;
    this.ino = ino;
  }

  attributes(): InodeAttributes {
    return { mode: 0o755, uid: 0, gid: 0, size: 0, mtimeMs: 0, rdev: 0 };
  }
  *open(): Co<File | number> {
    return -EISDIR;
  }
  override lookup(name: string): Inode | number {
    return this.children.get(name) ?? -ENOENT;
  }
  override entries(): readonly Dirent[] {
    const names = [...this.children.keys()].sort();
    return names.map((name) => {
      const { ino, kind } = this.children.get(name)!;
      return { name, ino, kind };
    });
  }
}

const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '');

export class PseudoFs implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly readOnly = false;
  readonly #root: PseudoDirectory;
  #inodes = 1;

  constructor(type: string, dev: number) {
    this.type = type;
    this.dev = dev;
    this.#root = new PseudoDirectory(this, this.#inodes);
  }

  get root(): Inode {
    return this.#root;
  }

  /** Puts what `make` returns at `path`. @throws when something is there: a driver's bug. */
  add<I extends Inode>(path: string, make: (ino: number) => I): I {
    const parts = partsOf(path);
    const name = parts.pop() ?? '';
    const directory = parts.reduce((at, part) => this.#subdirectory(at, part), this.#root);
    if (directory.children.has(name)) throw new Error(`${this.type}: ${path} exists`);
    this.#inodes += 1;
    const inode = make(this.#inodes);
    directory.children.set(name, inode);
    return inode;
  }

  /** Takes away what is at `path` and all below, and directories that are empty then. */
  remove(path: string): readonly Inode[] {
    const parts = partsOf(path);
    const name = parts.pop() ?? '';
    const chain: PseudoDirectory[] = [this.#root];
    for (const part of parts) {
      const next = chain.at(-1)!.children.get(part);
      if (!(next instanceof PseudoDirectory)) return [];
      chain.push(next);
    }
    const gone = chain.at(-1)!.children.get(name);
    if (gone === undefined) return [];
    chain.at(-1)!.children.delete(name);
    for (let i = chain.length - 1; i > 0 && chain[i]!.children.size === 0; i--) {
      chain[i - 1]!.children.delete(parts[i - 1]!);
    }
    return leaves(gone);
  }

  #subdirectory(at: PseudoDirectory, name: string): PseudoDirectory {
    const there = at.children.get(name);
    if (there instanceof PseudoDirectory) return there;
    if (there !== undefined) throw new Error(`${this.type}: ${name} is no directory`);
    this.#inodes += 1;
    const made = new PseudoDirectory(this, this.#inodes);
    at.children.set(name, made);
    return made;
  }
}

function leaves(inode: Inode): readonly Inode[] {
  if (!(inode instanceof PseudoDirectory)) return [inode];
  return [...inode.children.values()].flatMap(leaves);
}
