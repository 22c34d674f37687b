/** For tests: tee-supplicant's files over a byte store, and everything that was asked of them. */
import { TEE_ERROR_GENERIC, TEE_ERROR_ITEM_NOT_FOUND, TEE_SUCCESS } from '../../../abi/gp.ts';
import { OPTEE_RPC_FS_CREATE } from '../../../abi/optee-rpc.ts';
import { MemoryStore } from '../../../host/memory-store.ts';
import type { ByteStore } from '../../../host/store.ts';
import type { Co } from '../../../sched/task.ts';
import type { ThreadCtx } from '../../kernel/thread.ts';
import type { FsRpc } from '../tee-fs-rpc.ts';

/** One request. `at` is an offset or a length. */
export interface FsOp {
  readonly op: 'open' | 'create' | 'close' | 'read' | 'write' | 'truncate' | 'remove';
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

/** The power went: nothing after this is done. */
export class PowerCut extends Error {}

export const opText = ({ op, name, at, size }: FsOp): string =>
  op === 'read' || op === 'write' ? `${op} ${name} ${at}+${size}` : `${op} ${name}`;

interface OpenFile {
  store: ByteStore | undefined;
  readonly name: string;
}

const NONE: OpenFile = { store: undefined, name: '?' };

export class StoreFsRpc implements FsRpc {
  thread: ThreadCtx | undefined;
  readonly store: ByteStore;
  readonly ops: FsOp[] = [];
  /** Asked before each request; a result is its answer, and nothing is done. */
  before: (op: FsOp) => number | undefined = () => undefined;
  readonly #open = new Map<number, OpenFile>();
  #lastFd = 2;

  constructor(store: ByteStore = new MemoryStore()) {
    this.store = store;
  }

  /** Files that are open. */
  get openFiles(): readonly string[] {
    return [...this.#open.values()].map(({ name }) => name);
  }

  *open(cmd: number, name: string, out: { fd: number }): Co<number> {
    const create = cmd === OPTEE_RPC_FS_CREATE;
    const refused = this.#begin({ op: create ? 'create' : 'open', name, at: 0, size: 0 });
    if (refused !== undefined) return refused;
    if (create && !this.store.createFile(name)) this.store.truncate(name, 0);
    if (this.store.stat(name) === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    this.#lastFd += 1;
    this.#open.set(this.#lastFd, { store: this.store, name });
    out.fd = this.#lastFd;
    return TEE_SUCCESS;
  }

  *close(fd: number): Co<number> {
    const { name } = this.#open.get(fd) ?? NONE;
    const refused = this.#begin({ op: 'close', name, at: 0, size: 0 });
    this.#open.delete(fd);
    return refused ?? TEE_SUCCESS;
  }

  *read(fd: number, offset: number, out: Uint8Array, count: { size: number }): Co<number> {
    const { store, name } = this.#open.get(fd) ?? NONE;
    const refused = this.#begin({ op: 'read', name, at: offset, size: out.length });
    if (refused !== undefined) return refused;
    const bytes = store?.read(name, offset, out.length);
    if (bytes === undefined) return TEE_ERROR_GENERIC;
    out.set(bytes);
    count.size = bytes.length;
    return TEE_SUCCESS;
  }

  *write(fd: number, offset: number, data: Uint8Array): Co<number> {
    const { store, name } = this.#open.get(fd) ?? NONE;
    const refused = this.#begin({ op: 'write', name, at: offset, size: data.length });
    if (refused !== undefined) return refused;
    return store?.write(name, offset, data) ? TEE_SUCCESS : TEE_ERROR_GENERIC;
  }

  *truncate(fd: number, length: number): Co<number> {
    const { store, name } = this.#open.get(fd) ?? NONE;
    const refused = this.#begin({ op: 'truncate', name, at: length, size: 0 });
    if (refused !== undefined) return refused;
    return store?.truncate(name, length) ? TEE_SUCCESS : TEE_ERROR_GENERIC;
  }

  *remove(name: string): Co<number> {
    const refused = this.#begin({ op: 'remove', name, at: 0, size: 0 });
    if (refused !== undefined) return refused;
    this.#keepOpen(name);
    return this.store.remove(name) ? TEE_SUCCESS : TEE_ERROR_ITEM_NOT_FOUND;
  }

  /** A file that is removed while it is open lives on for those who have it so. */
  #keepOpen(name: string): void {
    const bytes = this.store.read(name, 0, this.store.stat(name)?.sizeBytes ?? 0);
    const store = new MemoryStore();
    store.createFile(name);
    store.write(name, 0, bytes ?? new Uint8Array(0));
    for (const file of this.#open.values()) if (file.name === name) file.store = store;
  }

  #begin(op: FsOp): number | undefined {
    const answer = this.before(op);
    this.ops.push(op);
    return answer;
  }
}
