/**
 * A byte store whose disk can fill up, be read-only, or fail: for tests of what stands on stores.
 * What is refused throws a StoreError, as from a failing outside.
 */
import { StoreError } from './store.ts';
import type { ByteStore, StoreStat } from './store.ts';

/** What a store is asked to do, by the name of its method. */
export type StoreOperation = Exclude<keyof ByteStore, 'readOnly'>;

export class FaultyStore implements ByteStore {
  /** Nothing can be changed (EROFS). */
  readOnly = false;
  /** Bytes of all files together; what would need more is refused (ENOSPC). */
  capacityBytes = Infinity;
  /** Asked before each operation: an errno name, such as EIO, refuses it. */
  refuses: (operation: StoreOperation, path: string) => string | undefined = () => undefined;
  readonly #store: ByteStore;

  constructor(store: ByteStore) {
    this.#store = store;
  }

  /** Bytes of all files together. */
  get usedBytes(): number {
    return this.#sizeOf('');
  }

  stat(path: string): StoreStat | undefined {
    this.#ask('stat', path);
    return this.#store.stat(path);
  }

  read(path: string, offset: number, length: number): Uint8Array | undefined {
    this.#ask('read', path);
    return this.#store.read(path, offset, length);
  }

  /** What fits is written before a full disk refuses: where write(2) tells a part, the rest fails. */
  write(path: string, offset: number, data: Uint8Array): boolean {
    this.#askToChange('write', path);
    const size = this.#store.stat(path)?.sizeBytes ?? 0;
    const fits = Math.max(0, size + this.#freeBytes - offset);
    const done = this.#store.write(path, offset, data.subarray(0, fits));
    if (done && fits < data.length) throw new StoreError('ENOSPC', path);
    return done;
  }

  createFile(path: string): boolean {
    this.#askToChange('createFile', path);
    return this.#store.createFile(path);
  }

  /** A directory takes room, an empty file none. */
  createDirectory(path: string): boolean {
    this.#askToChange('createDirectory', path);
    if (this.#freeBytes <= 0) throw new StoreError('ENOSPC', path);
    return this.#store.createDirectory(path);
  }

  truncate(path: string, length: number): boolean {
    this.#askToChange('truncate', path);
    const grows = length - (this.#store.stat(path)?.sizeBytes ?? 0);
    if (grows > this.#freeBytes) throw new StoreError('ENOSPC', path);
    return this.#store.truncate(path, length);
  }

  remove(path: string): boolean {
    this.#askToChange('remove', path);
    return this.#store.remove(path);
  }

  rename(from: string, to: string): boolean {
    this.#askToChange('rename', from);
    return this.#store.rename(from, to);
  }

  list(path: string): readonly string[] | undefined {
    this.#ask('list', path);
    return this.#store.list(path);
  }

  sync(path: string): void {
    this.#ask('sync', path);
    this.#store.sync(path);
  }

  get #freeBytes(): number {
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }

  #sizeOf(path: string): number {
    const names = this.#store.list(path);
    if (names === undefined) return this.#store.stat(path)?.sizeBytes ?? 0;
    const inside = names.map((name) => this.#sizeOf(path === '' ? name : `${path}/${name}`));
    return inside.reduce((sum, size) => sum + size, 0);
  }

  #ask(operation: StoreOperation, path: string): void {
    const code = this.refuses(operation, path);
    if (code !== undefined) throw new StoreError(code, path);
  }

  #askToChange(operation: StoreOperation, path: string): void {
    if (this.readOnly) throw new StoreError('EROFS', path);
    this.#ask(operation, path);
  }
}
