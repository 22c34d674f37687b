/**
 * The REE file system: each object of a TA in a hash-tree file of its own, which dirf.db names by
 * number and vouches for by hash. A change is valid once dirf.db is committed.
 *
 * The handle of dirf.db is shared by whoever has a file open. An operation that fails closes it, and
 * the next one opens and verifies it again. Each handle of an object has a tree of its own, so that
 * of two handles one does not see what the other has written (OP-TEE/optee_os issue 7982).
 *
 * Upstream counterpart: optee_os core/tee/tee_ree_fs.c.
 */
import {
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { REE_FS_BLOCK_SIZE } from '../../abi/tee-fs.ts';
import type { Co } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import type { OpteeOsConfig } from '../config.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { CoreLog } from '../kernel/trace.ts';
import type { OpteeOsSwitches } from '../switches.ts';
import { dirfileFname } from './fs-dirfile.ts';
import type { DirfileFileh, DirfileHost, TeeFsDirfile } from './fs-dirfile.ts';
import { CounterAnchor, RpmbAnchor } from './ree-fs-anchor.ts';
import type { DirfAnchor, NvCounter, RpmbFs } from './ree-fs-anchor.ts';
import { ReeFile, logSite } from './ree-fs-file.ts';
import type { ReeFsCore } from './ree-fs-file.ts';
import type { StorageServices, TeeFile, TeeFileOperations, TeeFsDir } from './tee-fs.ts';
import type { FsRpc } from './tee-fs-rpc.ts';
import type { TeePobj } from './tee-pobj.ts';

/** sizeof(struct tee_fs_dir) on a 64-bit machine. */
const FS_DIR_BYTES = 96;

/** A mutex as `SecureMutex` is one. */
export interface StorageMutex {
  lock(thread: ThreadCtx): Co<void>;
  unlock(thread: ThreadCtx): Co<void>;
}

export interface ReeFsOptions {
  readonly services: StorageServices;
  readonly rpc: FsRpc;
  /** ree_fs_mutex */
  readonly mutex: StorageMutex;
  readonly log: CoreLog;
  readonly trace: Trace;
  readonly config: Pick<
    OpteeOsConfig,
    'CFG_REE_FS_ALLOW_RESET' | 'CFG_INSECURE' | 'CFG_TEE_CORE_DEBUG'
  >;
  readonly switches: OpteeOsSwitches;
  /** What to throw for an assertion that fails: the core panics. */
  readonly assertion: (fn: string, text: string) => Error;
  /** CFG_REE_FS_INTEGRITY_RPMB: where the hash of dirf.db is. */
  readonly rpmb?: RpmbFs;
  readonly nvCounter?: NvCounter;
}

/** An operation's end: its result, and whether it keeps a reference to dirf.db. */
type Body<T> = (dirh: TeeFsDirfile) => Co<T>;

export class ReeFs implements TeeFileOperations {
  readonly core: ReeFsCore;
  readonly #mutex: StorageMutex;
  /** Assertions are checked (CFG_TEE_CORE_DEBUG). */
  readonly #assertion: ReeFsOptions['assertion'] | undefined;
  readonly #anchor: DirfAnchor;
  /** `ree_fs_dirh`, and how many hold it; it may be closed while somebody does. */
  #dirh: TeeFsDirfile | undefined;
  #dirhRefs = 0;

  constructor(options: ReeFsOptions) {
    const { services, rpc, log, trace, switches, config, assertion } = options;
    const block = new Uint8Array(REE_FS_BLOCK_SIZE);
    const core: ReeFsCore = { services, rpc, log, trace, switches, block };
    this.core = core;
    this.#mutex = options.mutex;
    this.#assertion = config.CFG_TEE_CORE_DEBUG ? assertion : undefined;
    const host: DirfileHost = {
      heap: services.heap,
      debug: (fn, text) => log.debug && log.dmsg(logSite(core), fn, text),
      assertion: this.#assertion,
    };
    const dirf = { core, host, config };
    this.#anchor =
      options.rpmb === undefined
        ? new CounterAnchor(dirf, options.nvCounter)
        : new RpmbAnchor(dirf, options.rpmb);
  }

  /** References to dirf.db; for leak reports. */
  get references(): number {
    return this.#dirhRefs;
  }

  /** ree_fs_open() */
  open(thread: ThreadCtx, po: TeePobj, size: { size: number }): Co<TeeFile | number> {
    return this.#locked(thread, this.#open(po, size));
  }

  /** ree_fs_create() */
  create(
    thread: ThreadCtx,
    po: TeePobj,
    overwrite: boolean,
    parts: readonly Uint8Array[],
  ): Co<TeeFile | number> {
    return this.#locked(thread, this.#create(po, overwrite, parts));
  }

  /** ree_fs_rename() */
  rename(thread: ThreadCtx, from: TeePobj, to: TeePobj, overwrite: boolean): Co<number> {
    return this.#locked(
      thread,
      this.#withDirh((dirh) => this.#rename(dirh, from, to, overwrite)),
    );
  }

  /** ree_fs_remove() */
  remove(thread: ThreadCtx, po: TeePobj): Co<number> {
    return this.#locked(
      thread,
      this.#withDirh((dirh) => this.#remove(dirh, po)),
    );
  }

  /** ree_fs_opendir_rpc() */
  *openDir(thread: ThreadCtx, uuid: Uint8Array): Co<TeeFsDir | number> {
    const { heap } = this.core.services;
    if (!heap.alloc(FS_DIR_BYTES, 'an open directory')) return TEE_ERROR_OUT_OF_MEMORY;
    const res = yield* this.#locked(thread, this.#openDir(uuid));
    if (res === TEE_SUCCESS) return new ReeFsDir(this, uuid);
    heap.free(FS_DIR_BYTES);
    return res;
  }

  // --- what open files and directories do
  read(
    thread: ThreadCtx,
    file: ReeFile,
    pos: number,
    out: Uint8Array,
    count: { size: number },
  ): Co<number> {
    return this.#locked(thread, file.read(pos, out, count));
  }

  write(thread: ThreadCtx, file: ReeFile, pos: number, data: Uint8Array): Co<number> {
    return this.#locked(
      thread,
      this.#withDirh((dirh) => this.#change(dirh, file, file.write(pos, data))),
    );
  }

  truncate(thread: ThreadCtx, file: ReeFile, length: number): Co<number> {
    return this.#locked(
      thread,
      this.#withDirh((dirh) => this.#truncate(dirh, file, length)),
    );
  }

  /** ree_fs_close() */
  close(thread: ThreadCtx, file: ReeFile): Co<void> {
    return this.#locked(thread, this.#close(file));
  }

  /** ree_fs_readdir_rpc() */
  readDir(thread: ThreadCtx, uuid: Uint8Array, at: { idx: number }): Co<Uint8Array | number> {
    return this.#locked(thread, this.#readDir(uuid, at));
  }

  /** ree_fs_closedir_rpc() */
  *closeDir(thread: ThreadCtx): Co<void> {
    yield* this.#locked(thread, this.#putDirh(false));
    this.core.services.heap.free(FS_DIR_BYTES);
  }

  // --- under the mutex
  *#open(po: TeePobj, size: { size: number }): Co<TeeFile | number> {
    const dirh = yield* this.#getDirh();
    if (typeof dirh === 'number') return dirh;
    const file = yield* this.#openNamed(dirh, po);
    if (typeof file === 'number') {
      yield* this.#putDirh(true);
      return file;
    }
    size.size = file.length;
    return new ReeFsFile(this, file);
  }

  *#openNamed(dirh: TeeFsDirfile, po: TeePobj): Co<ReeFile | number> {
    const dfh = yield* dirh.find(po.uuid, po.objId);
    if (typeof dfh === 'number') return dfh;
    const file = yield* ReeFile.open(this.core, po.uuid, dfh, { hash: dfh.hash, minCounter: 0 });
    // Its directory knows it: whoever has removed it was not OP-TEE.
    return file === TEE_ERROR_ITEM_NOT_FOUND ? TEE_ERROR_CORRUPT_OBJECT : file;
  }

  *#create(po: TeePobj, overwrite: boolean, parts: readonly Uint8Array[]): Co<TeeFile | number> {
    const dirh = yield* this.#getDirh();
    if (typeof dirh === 'number') return dirh;
    const dfh = dirh.getTmp();
    const file = typeof dfh === 'number' ? dfh : yield* ReeFile.create(this.core, po.uuid, dfh);
    if (typeof file === 'number') {
      yield* this.#putDirh(true);
      return file;
    }
    let res = yield* fill(file, parts);
    if (res === TEE_SUCCESS) res = yield* this.#setName(dirh, file.dfh!, po, overwrite);
    if (res === TEE_SUCCESS) return new ReeFsFile(this, file);
    yield* this.#putDirh(true);
    yield* file.close();
    yield* this.core.rpc.remove(dirfileFname(file.dfh));
    return res;
  }

  /** set_name(): the new file takes the place of what had its name. */
  *#setName(dirh: TeeFsDirfile, dfh: DirfileFileh, po: TeePobj, overwrite: boolean): Co<number> {
    const old = yield* this.#replaced(dirh, po, overwrite);
    if (typeof old === 'number') return old;
    dfh.idx = old?.idx ?? -1;
    let res = yield* dirh.rename(po.uuid, dfh, po.objId);
    if (res !== TEE_SUCCESS) return res;
    res = yield* this.#anchor.commit(dirh);
    if (res !== TEE_SUCCESS) return res;
    if (old !== undefined) yield* this.core.rpc.remove(dirfileFname(old));
    return TEE_SUCCESS;
  }

  /** The part that ree_fs_write() and ree_fs_truncate() share: commits the file, then its name. */
  *#change(dirh: TeeFsDirfile, file: ReeFile, change: Co<number>): Co<number> {
    let res = yield* change;
    if (res !== TEE_SUCCESS) return res;
    res = yield* file.sync();
    if (res !== TEE_SUCCESS) return res;
    res = yield* dirh.updateHash(file.dfh!);
    return res === TEE_SUCCESS ? yield* this.#anchor.commit(dirh) : res;
  }

  *#truncate(dirh: TeeFsDirfile, file: ReeFile, length: number): Co<number> {
    const res = yield* this.#change(dirh, file, file.truncate(length));
    // What is too long does no harm.
    if (res === TEE_SUCCESS) yield* file.trim();
    return res;
  }

  *#rename(dirh: TeeFsDirfile, from: TeePobj, to: TeePobj, overwrite: boolean): Co<number> {
    const replaced = yield* this.#replaced(dirh, to, overwrite);
    if (typeof replaced === 'number') return replaced;
    const dfh = yield* dirh.find(from.uuid, from.objId);
    if (typeof dfh === 'number') return dfh;
    let res = yield* dirh.rename(to.uuid, dfh, to.objId);
    if (res === TEE_SUCCESS && replaced !== undefined) res = yield* dirh.remove(replaced);
    if (res !== TEE_SUCCESS) return res;
    res = yield* this.#anchor.commit(dirh);
    if (res !== TEE_SUCCESS) return res;
    if (replaced !== undefined) yield* this.core.rpc.remove(dirfileFname(replaced));
    return TEE_SUCCESS;
  }

  /** What has the name of a new object already; undefined for nothing. @returns else a TEE_Result */
  *#replaced(
    dirh: TeeFsDirfile,
    { uuid, objId }: TeePobj,
    overwrite: boolean,
  ): Co<DirfileFileh | undefined | number> {
    const found = yield* dirh.find(uuid, objId);
    if (typeof found !== 'number') return overwrite ? found : TEE_ERROR_ACCESS_CONFLICT;
    const absent =
      found === TEE_ERROR_ITEM_NOT_FOUND || this.core.switches.quirkFailedFindIsAbsence;
    return absent ? undefined : found;
  }

  *#remove(dirh: TeeFsDirfile, po: TeePobj): Co<number> {
    const dfh = yield* dirh.find(po.uuid, po.objId);
    if (typeof dfh === 'number') return dfh;
    let res = yield* dirh.remove(dfh);
    if (res !== TEE_SUCCESS) return res;
    res = yield* this.#anchor.commit(dirh);
    if (res !== TEE_SUCCESS) return res;
    yield* this.core.rpc.remove(dirfileFname(dfh));
    // An assertion looks for it again, which the normal world can see.
    if (this.#assertion !== undefined) yield* this.#assertGone(dirh, po, this.#assertion);
    return TEE_SUCCESS;
  }

  *#assertGone(dirh: TeeFsDirfile, po: TeePobj, assertion: ReeFsOptions['assertion']): Co<void> {
    const found = yield* dirh.find(po.uuid, po.objId);
    if (typeof found !== 'number') throw assertion('ree_fs_remove', 'the entry is still there');
  }

  *#openDir(uuid: Uint8Array): Co<number> {
    const dirh = yield* this.#getDirh();
    if (typeof dirh === 'number') return dirh;
    // A directory without a file is none.
    const first = yield* dirh.getNext(uuid, { idx: -1 });
    if (typeof first !== 'number') return TEE_SUCCESS;
    yield* this.#putDirh(false);
    return first;
  }

  *#readDir(uuid: Uint8Array, at: { idx: number }): Co<Uint8Array | number> {
    const dirh = yield* this.#getDirh();
    if (typeof dirh === 'number') return dirh;
    const oid = yield* dirh.getNext(uuid, at);
    yield* this.#putDirh(typeof oid === 'number' && oid !== TEE_ERROR_ITEM_NOT_FOUND);
    return oid;
  }

  *#close(file: ReeFile): Co<void> {
    yield* this.#putDirh(false);
    yield* file.close();
  }

  // --- the shared handle
  /** get_dirh() @returns else a TEE_Result */
  *#getDirh(): Co<TeeFsDirfile | number> {
    if (this.#dirh === undefined) {
      const opened = yield* this.#anchor.open();
      if (typeof opened === 'number') return opened;
      this.#dirh = opened;
    }
    this.#dirhRefs += 1;
    return this.#dirh;
  }

  /** put_dirh_primitive(): whoever else holds it opens it again. */
  *#putDirh(close: boolean): Co<void> {
    this.#dirhRefs -= 1;
    const dirh = this.#dirh;
    if (dirh === undefined || (this.#dirhRefs > 0 && !close)) return;
    this.#dirh = undefined;
    yield* this.#anchor.close(dirh);
  }

  *#withDirh(body: Body<number>): Co<number> {
    const dirh = yield* this.#getDirh();
    if (typeof dirh === 'number') return dirh;
    const res = yield* body(dirh);
    yield* this.#putDirh(res !== TEE_SUCCESS);
    return res;
  }

  *#locked<T>(thread: ThreadCtx, body: Co<T>): Co<T> {
    yield* this.#mutex.lock(thread);
    this.core.rpc.thread = thread;
    const result = yield* body;
    yield* this.#mutex.unlock(thread);
    return result;
  }
}

/** Writes a new file's contents and commits them. */
function* fill(file: ReeFile, parts: readonly Uint8Array[]): Co<number> {
  let pos = 0;
  for (const part of parts) {
    const res = yield* file.write(pos, part);
    if (res !== TEE_SUCCESS) return res;
    pos += part.length;
  }
  return yield* file.sync();
}

class ReeFsFile implements TeeFile {
  readonly #fs: ReeFs;
  readonly #file: ReeFile;

  constructor(fs: ReeFs, file: ReeFile) {
    this.#fs = fs;
    this.#file = file;
  }

  read(thread: ThreadCtx, pos: number, out: Uint8Array, count: { size: number }): Co<number> {
    return this.#fs.read(thread, this.#file, pos, out, count);
  }

  write(thread: ThreadCtx, pos: number, data: Uint8Array): Co<number> {
    return this.#fs.write(thread, this.#file, pos, data);
  }

  truncate(thread: ThreadCtx, length: number): Co<number> {
    return this.#fs.truncate(thread, this.#file, length);
  }

  close(thread: ThreadCtx): Co<void> {
    return this.#fs.close(thread, this.#file);
  }
}

class ReeFsDir implements TeeFsDir {
  readonly #fs: ReeFs;
  readonly #uuid: Uint8Array;
  readonly #at = { idx: -1 };

  constructor(fs: ReeFs, uuid: Uint8Array) {
    this.#fs = fs;
    this.#uuid = uuid;
  }

  read(thread: ThreadCtx): Co<Uint8Array | number> {
    return this.#fs.readDir(thread, this.#uuid, this.#at);
  }

  close(thread: ThreadCtx): Co<void> {
    return this.#fs.closeDir(thread);
  }
}
