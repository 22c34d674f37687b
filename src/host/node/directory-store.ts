/** A byte store over a directory of the host: `--state DIR`, TA directories. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../store.ts';
import type { ByteStore, StoreStat } from '../store.ts';

export class DirectoryStore implements ByteStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  stat(path: string): StoreStat | undefined {
    return this.#try(path, ['ENOENT', 'ENOTDIR'], undefined, (full) => {
      const stat = fs.statSync(full);
      return {
        kind: stat.isDirectory() ? 'directory' : 'file',
        sizeBytes: stat.size,
        modifiedMs: stat.mtimeMs,
      };
    });
  }

  read(path: string, offset: number, length: number): Uint8Array | undefined {
    return this.#withFile(path, 'r', undefined, (fd) => {
      const size = fs.fstatSync(fd).size;
      const out = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
      return out.subarray(0, fs.readSync(fd, out, 0, out.length, offset));
    });
  }

  write(path: string, offset: number, data: Uint8Array): boolean {
    return this.#withFile(path, 'r+', false, (fd) => {
      for (let done = 0; done < data.length;) {
        done += fs.writeSync(fd, data, done, data.length - done, offset + done);
      }
      return true;
    });
  }

  createFile(path: string): boolean {
    return this.#try(path, ['EEXIST', 'ENOENT', 'ENOTDIR'], false, (full) => {
      fs.closeSync(fs.openSync(full, 'wx', 0o600));
      return true;
    });
  }

  createDirectory(path: string): boolean {
    return this.#try(path, ['EEXIST', 'ENOENT', 'ENOTDIR'], false, (full) => {
      fs.mkdirSync(full, 0o700);
      return true;
    });
  }

  truncate(path: string, length: number): boolean {
    return this.#withFile(path, 'r+', false, (fd) => {
      fs.ftruncateSync(fd, length);
      return true;
    });
  }

  remove(path: string): boolean {
    return this.#try(path, ['ENOENT', 'ENOTDIR', 'ENOTEMPTY'], false, (full) => {
      if (fs.lstatSync(full).isDirectory()) fs.rmdirSync(full);
      else fs.unlinkSync(full);
      return true;
    });
  }

  rename(from: string, to: string): boolean {
    return this.#try(from, ['ENOENT', 'ENOTDIR'], false, (full) => {
      fs.renameSync(full, join(this.#root, to));
      return true;
    });
  }

  list(path: string): readonly string[] | undefined {
    return this.#try(path, ['ENOENT', 'ENOTDIR'], undefined, (full) => fs.readdirSync(full).sort());
  }

  sync(path: string): void {
    this.#withFile(path, 'r', undefined, (fd) => fs.fsyncSync(fd));
  }

  #withFile<T>(path: string, mode: string, absent: T, fn: (fd: number) => T): T {
    return this.#try(path, ['ENOENT', 'ENOTDIR', 'EISDIR'], absent, (full) => {
      const fd = fs.openSync(full, mode);
      try {
        return fn(fd);
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  /** Errors that mean "not there" give `absent`; all others become a StoreError. */
  #try<T>(path: string, expected: readonly string[], absent: T, fn: (full: string) => T): T {
    try {
      return fn(join(this.#root, path));
    } catch (error) {
      const code = error instanceof Error ? String(Reflect.get(error, 'code')) : 'EIO';
      if (expected.includes(code)) return absent;
      throw new StoreError(/^E[A-Z0-9]+$/.test(code) ? code : 'EIO', path);
    }
  }
}
