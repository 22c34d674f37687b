/**
 * Byte stores: what file systems of a box stand on (a directory of the host, or memory).
 * Paths are relative, `/`-separated, without `.` and `..`; the caller has normalised them.
 */

export interface StoreStat {
  readonly kind: 'file' | 'directory';
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/**
 * All calls are synchronous: a box that must be replayed cannot wait for a disk it does not rule.
 * Absent things answer `undefined` or `false`; a failing outside (full disk, no permission) throws
 * a StoreError whose `code` is the errno's name.
 */
export interface ByteStore {
  /** Changes are refused, as on a read-only file system; they are not unless it says so. */
  readonly readOnly?: boolean;
  stat(path: string): StoreStat | undefined;
  /**
   * Up to `length` bytes from `offset`; shorter at the end of the file. They may be the store's own:
   * not to be changed, and to be copied before the file changes.
   */
  read(path: string, offset: number, length: number): Uint8Array | undefined;
  /** Writes at `offset`; a gap before it reads as zeros. False when the file is absent. */
  write(path: string, offset: number, data: Uint8Array): boolean;
  /** False when something is there already or the parent is missing. */
  createFile(path: string): boolean;
  createDirectory(path: string): boolean;
  truncate(path: string, length: number): boolean;
  /** Removes a file or an empty directory. */
  remove(path: string): boolean;
  /** Replaces the target. */
  rename(from: string, to: string): boolean;
  /** Names in a directory, sorted; undefined when it is none. */
  list(path: string): readonly string[] | undefined;
  /** Everything written to the file before, or every name in the directory, is durable after. */
  sync(path: string): void;
}

/** The outside refused: `code` is an errno name such as ENOSPC, EACCES, EROFS, EIO. */
export class StoreError extends Error {
  readonly code: string;
  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.name = 'StoreError';
    this.code = code;
  }
}
