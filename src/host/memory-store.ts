/** A byte store in memory: for boxes without a state directory, and for every store in a browser. */
import type { ByteStore, StoreStat } from './store.ts';

type Node = { bytes: Uint8Array; size: number } | 'directory';

export class MemoryStore implements ByteStore {
  readonly #nodes = new Map<string, Node>([['', 'directory']]);

  stat(path: string): StoreStat | undefined {
    const node = this.#nodes.get(path);
    if (node === undefined) return undefined;
    return node === 'directory'
      ? { kind: 'directory', sizeBytes: 0, modifiedMs: 0 }
      : { kind: 'file', sizeBytes: node.size, modifiedMs: 0 };
  }

  read(path: string, offset: number, length: number): Uint8Array | undefined {
    const node = this.#nodes.get(path);
    if (node === undefined || node === 'directory') return undefined;
    return node.bytes.subarray(Math.min(offset, node.size), Math.min(offset + length, node.size));
  }

  write(path: string, offset: number, data: Uint8Array): boolean {
    const node = this.#nodes.get(path);
    if (node === undefined || node === 'directory') return false;
    this.#resize(node, Math.max(node.size, offset + data.length));
    node.bytes.set(data, offset);
    return true;
  }

  createFile(path: string): boolean {
    return this.#create(path, { bytes: new Uint8Array(0), size: 0 });
  }

  createDirectory(path: string): boolean {
    return this.#create(path, 'directory');
  }

  truncate(path: string, length: number): boolean {
    const node = this.#nodes.get(path);
    if (node === undefined || node === 'directory') return false;
    this.#resize(node, length);
    return true;
  }

  remove(path: string): boolean {
    if (path === '' || (this.list(path)?.length ?? 0) > 0) return false;
    return this.#nodes.delete(path);
  }

  rename(from: string, to: string): boolean {
    const node = this.#nodes.get(from);
    if (node === undefined || this.#nodes.get(parentOf(to)) !== 'directory') return false;
    const moved = [...this.#nodes].filter(([path]) => path === from || path.startsWith(`${from}/`));
    for (const [path] of moved) this.#nodes.delete(path);
    for (const [path, value] of moved) this.#nodes.set(to + path.slice(from.length), value);
    return true;
  }

  list(path: string): readonly string[] | undefined {
    if (this.#nodes.get(path) !== 'directory') return undefined;
    const names: string[] = [];
    for (const child of this.#nodes.keys()) {
      if (child !== '' && parentOf(child) === path)
        names.push(child.slice(child.lastIndexOf('/') + 1));
    }
    return names.sort();
  }

  sync(): void {}

  #create(path: string, node: Node): boolean {
    if (this.#nodes.has(path) || this.#nodes.get(parentOf(path)) !== 'directory') return false;
    this.#nodes.set(path, node);
    return true;
  }

  /** Grows by doubling, so that many small appends stay cheap; what is cut off is forgotten. */
  #resize(node: { bytes: Uint8Array; size: number }, size: number): void {
    if (size > node.bytes.length) {
      const grown = new Uint8Array(Math.max(size, 2 * node.bytes.length));
      grown.set(node.bytes.subarray(0, node.size));
      node.bytes = grown;
    } else if (size < node.size) {
      node.bytes.fill(0, size, node.size);
    }
    node.size = size;
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
