/**
 * A byte store that writes down what is done to it, so that what a disk holds after a power cut can
 * be made up later, for every moment at once.
 */
import { MemoryStore } from '../../host/memory-store.ts';
import type { ByteStore, StoreStat } from '../../host/store.ts';

/** One thing done to a store. Data are copies. */
export type StoreOp =
  | {
      readonly kind: 'write';
      readonly path: string;
      readonly at: number;
      readonly data: Uint8Array;
    }
  | { readonly kind: 'truncate'; readonly path: string; readonly length: number }
  | { readonly kind: 'createFile' | 'createDirectory' | 'remove' | 'sync'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string };

export class LoggedStore implements ByteStore {
  readonly ops: StoreOp[] = [];
  readonly #store = new MemoryStore();

  stat(path: string): StoreStat | undefined {
    return this.#store.stat(path);
  }
  read(path: string, offset: number, length: number): Uint8Array | undefined {
    return this.#store.read(path, offset, length);
  }
  list(path: string): readonly string[] | undefined {
    return this.#store.list(path);
  }
  write(path: string, offset: number, data: Uint8Array): boolean {
    return this.#done({ kind: 'write', path, at: offset, data: data.slice() });
  }
  createFile(path: string): boolean {
    return this.#done({ kind: 'createFile', path });
  }
  createDirectory(path: string): boolean {
    return this.#done({ kind: 'createDirectory', path });
  }
  truncate(path: string, length: number): boolean {
    return this.#done({ kind: 'truncate', path, length });
  }
  remove(path: string): boolean {
    return this.#done({ kind: 'remove', path });
  }
  rename(from: string, to: string): boolean {
    return this.#done({ kind: 'rename', path: from, to });
  }
  sync(path: string): void {
    this.ops.push({ kind: 'sync', path });
  }

  /** What changes nothing is not written down. */
  #done(op: StoreOp): boolean {
    const changed = apply(this.#store, op);
    if (changed) this.ops.push(op);
    return changed;
  }
}

/** Does one thing to a store. @returns whether it could be done */
function apply(store: ByteStore, op: StoreOp): boolean {
  switch (op.kind) {
    case 'write':
      return store.write(op.path, op.at, op.data);
    case 'truncate':
      return store.truncate(op.path, op.length);
    case 'rename':
      return store.rename(op.path, op.to);
    case 'sync':
      store.sync(op.path);
      return true;
    default:
      return store[op.kind](op.path);
  }
}

/** A store to which so much has been done. */
export function storeAfter(ops: Iterable<StoreOp>): MemoryStore {
  const store = new MemoryStore();
  for (const op of ops) apply(store, op);
  return store;
}

/** As a line of text: `write 2 4096+4096`. */
export function opText(op: StoreOp): string {
  switch (op.kind) {
    case 'write':
      return `write ${op.path} ${op.at}+${op.data.length}`;
    case 'truncate':
      return `truncate ${op.path} to ${op.length}`;
    case 'rename':
      return `rename ${op.path} to ${op.to}`;
    default:
      return `${op.kind} ${op.path === '' ? 'the directory' : op.path}`;
  }
}
