/**
 * Requests to tee-supplicant for files: one shared buffer for names and data, kept for the length of
 * the call, and one RPC FS for each operation.
 *
 * Whoever uses it holds ree_fs_mutex and says first which thread it is.
 *
 * Upstream counterpart: optee_os core/tee/tee_fs_rpc.c. RENAME, OPENDIR, CLOSEDIR and READDIR are
 * never sent: since there is a directory file nothing needs them.
 */
import { codeName } from '../../abi/layout.ts';
import {
  TEE_ERROR,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_FS,
  OPTEE_RPC_FS_CLOSE,
  OPTEE_RPC_FS_READ,
  OPTEE_RPC_FS_REMOVE,
  OPTEE_RPC_FS_TRUNCATE,
  OPTEE_RPC_FS_WRITE,
  OPTEE_RPC_SHM_TYPE_APPL,
} from '../../abi/optee-rpc.ts';
import { TEE_FS_NAME_MAX } from '../../abi/tee-fs.ts';
import type { Access, Mapping } from '../../machine/bus.ts';
import type { Co } from '../../sched/task.ts';
import { RPC_IN, RPC_OUT, memrefSize, setMemref, setValue, valueA } from '../kernel/rpc.ts';
import type { Rpc } from '../kernel/rpc.ts';
import type { RpcShmCache } from '../kernel/rpc-shm-cache.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { Mobj } from '../mm/mobj.ts';
import type { Nexus } from '../nexus.ts';

const utf8 = new TextEncoder();

/** Files by number, as the normal world gives them. Functions return a TEE_Result. */
export interface FsRpc {
  /** Who holds ree_fs_mutex, or held it last. */
  thread: ThreadCtx | undefined;
  /** @param cmd OPTEE_RPC_FS_OPEN or OPTEE_RPC_FS_CREATE @param name without a slash */
  open(cmd: number, name: string, out: { fd: number }): Co<number>;
  close(fd: number): Co<number>;
  /** `count.size` says how many bytes the normal world claims; `out` is good if it is full. */
  read(fd: number, offset: number, out: Uint8Array, count: { size: number }): Co<number>;
  write(fd: number, offset: number, data: Uint8Array): Co<number>;
  truncate(fd: number, length: number): Co<number>;
  remove(name: string): Co<number>;
}

export class TeeFsRpc implements FsRpc {
  thread: ThreadCtx | undefined;
  readonly #nexus: Nexus;
  readonly #rpc: Rpc;
  readonly #cache: RpcShmCache;
  readonly #directory: string;

  /** @param directory what names begin with */
  constructor(nexus: Nexus, rpc: Rpc, cache: RpcShmCache, directory = '/') {
    this.#nexus = nexus;
    this.#rpc = rpc;
    this.#cache = cache;
    this.#directory = directory;
  }

  /** operation_open_dfh() */
  *open(cmd: number, name: string, out: { fd: number }): Co<number> {
    const mobj = this.#known(TEE_FS_NAME_MAX) ?? (yield* this.#buffer(TEE_FS_NAME_MAX));
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    this.#fillName(mobj, name);
    this.#begin(3, cmd, 0, 0, mobj, RPC_IN, TEE_FS_NAME_MAX);
    setValue(this.#thread, 2, RPC_OUT, 0, 0, 0);
    const res = yield* this.#rpc.send(this.#thread);
    // An int: what is above is lost.
    if (res === TEE_SUCCESS) out.fd = valueA(this.#thread, 2) | 0;
    else this.#failed(res, cmd, name);
    return res;
  }

  close(fd: number): Co<number> {
    return this.#simple(OPTEE_RPC_FS_CLOSE, fd, 0);
  }

  truncate(fd: number, length: number): Co<number> {
    return this.#simple(OPTEE_RPC_FS_TRUNCATE, fd, length);
  }

  *read(fd: number, offset: number, out: Uint8Array, count: { size: number }): Co<number> {
    const mobj = this.#known(out.length) ?? (yield* this.#buffer(out.length));
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    const cmd = OPTEE_RPC_FS_READ;
    this.#begin(2, cmd, fd, offset, mobj, RPC_OUT, out.length);
    const res = yield* this.#rpc.send(this.#thread);
    if (res !== TEE_SUCCESS) return this.#failed(res, cmd, `${out.length} bytes at ${offset}`);
    count.size = memrefSize(this.#thread, 1);
    out.set(this.#map(mobj, out.length, 'read').bytes);
    return TEE_SUCCESS;
  }

  *write(fd: number, offset: number, data: Uint8Array): Co<number> {
    const mobj = this.#known(data.length) ?? (yield* this.#buffer(data.length));
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    this.#fill(mobj, data);
    const cmd = OPTEE_RPC_FS_WRITE;
    this.#begin(2, cmd, fd, offset, mobj, RPC_IN, data.length);
    const res = yield* this.#rpc.send(this.#thread);
    if (res !== TEE_SUCCESS) this.#failed(res, cmd, `${data.length} bytes at ${offset}`);
    return res;
  }

  *remove(name: string): Co<number> {
    const mobj = this.#known(TEE_FS_NAME_MAX) ?? (yield* this.#buffer(TEE_FS_NAME_MAX));
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    this.#fillName(mobj, name);
    const cmd = OPTEE_RPC_FS_REMOVE;
    this.#begin(2, cmd, 0, 0, mobj, RPC_IN, TEE_FS_NAME_MAX);
    const res = yield* this.#rpc.send(this.#thread);
    if (res !== TEE_SUCCESS) this.#failed(res, cmd, name);
    return res;
  }

  // --- messages
  get #thread(): ThreadCtx {
    if (this.thread === undefined) throw new Error('a file is used without ree_fs_mutex');
    return this.thread;
  }

  *#simple(cmd: number, fd: number, c: number): Co<number> {
    const begun = this.#rpc.begin(this.#thread, OPTEE_RPC_CMD_FS, 1);
    let res = typeof begun === 'number' ? begun : yield* begun;
    if (res !== TEE_SUCCESS) return res;
    setValue(this.#thread, 0, RPC_IN, cmd, sizeT(fd), c);
    res = yield* this.#rpc.send(this.#thread);
    if (res !== TEE_SUCCESS) this.#failed(res, cmd, `file descriptor ${fd}`);
    return res;
  }

  #begin(
    params: number,
    cmd: number,
    fd: number,
    offset: number,
    mobj: Mobj,
    direction: typeof RPC_IN | typeof RPC_OUT,
    size: number,
  ): void {
    this.#rpc.beginNext(this.#thread, OPTEE_RPC_CMD_FS, params);
    setValue(this.#thread, 0, RPC_IN, cmd, sizeT(fd), offset);
    setMemref(this.#thread, 1, direction, mobj, 0, size);
  }

  /** Tells what the normal world did not do. @returns `res` */
  #failed(res: number, cmd: number, what: string): number {
    if (res === TEE_ERROR_ITEM_NOT_FOUND) return res;
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, res),
      text: `the normal world failed at ${what}`,
      object: codeName(OPTEE_RPC_FS, cmd),
    });
    return res;
  }

  // --- the shared buffer
  #known(size: number): Mobj | undefined {
    return this.#cache.find(this.#thread, 'fs', OPTEE_RPC_SHM_TYPE_APPL, size);
  }

  #buffer(size: number): Co<Mobj | undefined> {
    return this.#cache.alloc(this.#thread, 'fs', OPTEE_RPC_SHM_TYPE_APPL, size);
  }

  /** create_filename(): "/dirf.db" or "/<number>", and a NUL. What was there before stays behind it. */
  #fillName(mobj: Mobj, name: string): void {
    this.#fill(mobj, utf8.encode(`${this.#directory}${name}\0`));
  }

  #fill(mobj: Mobj, data: Uint8Array): void {
    const mapping = this.#map(mobj, data.length, 'write');
    mapping.bytes.set(data);
    mapping.writeBack();
  }

  #map(mobj: Mobj, length: number, access: Access): Mapping {
    return this.#nexus.port.mapContiguous(mobj.pages, mobj.pageOffset, length, access);
  }
}

/** An int as a parameter carries it; a negative one, which no file has, keeps its low half. */
const sizeT = (fd: number): number => fd >>> 0;
