/**
 * A file of the REE file system: bytes in the blocks of a hash tree, in a file of the normal world.
 * Nothing of it is valid before `sync`. Whoever uses it holds ree_fs_mutex.
 *
 * Upstream counterpart: optee_os core/tee/tee_ree_fs.c (struct tee_fs_fd, ree_fs_*_primitive(),
 * ree_fs_ftruncate_internal(), out_of_place_write()).
 */
import {
  TEE_ERROR,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { OPTEE_RPC_FS_CREATE, OPTEE_RPC_FS_OPEN } from '../../abi/optee-rpc.ts';
import { REE_FS_BLOCK_SIZE } from '../../abi/tee-fs.ts';
import type { TeeFsHtreeType } from '../../abi/tee-fs.ts';
import type { Co } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import type { LogSite } from '../kernel/trace.ts';
import type { CoreLog } from '../kernel/trace.ts';
import { BOOT_SITE } from '../kernel/trace.ts';
import type { OpteeOsSwitches } from '../switches.ts';
import { dirfileFname } from './fs-dirfile.ts';
import type { DirfileFile, DirfileFileh } from './fs-dirfile.ts';
import { FsHtree } from './fs-htree.ts';
import type { FsHtreeStorage, HtreeAnchor } from './fs-htree.ts';
import { reeFsOffset, reeFsPhysicalLength } from './ree-fs-layout.ts';
import type { StorageServices } from './tee-fs.ts';
import type { FsRpc } from './tee-fs-rpc.ts';

/** sizeof(struct tee_fs_fd) on a 64-bit machine. */
const FS_FD_BYTES = 64;

/** What all files of a file system have in common. */
export interface ReeFsCore {
  readonly services: StorageServices;
  readonly rpc: FsRpc;
  readonly log: CoreLog;
  readonly trace: Trace;
  readonly switches: OpteeOsSwitches;
  /** get_tmp_block(): ree_fs_mutex keeps it. */
  readonly block: Uint8Array;
}

export const logSite = (core: ReeFsCore): LogSite => core.rpc.thread ?? BOOT_SITE;

/** The file below a tree. */
class ReeHtreeStorage implements FsHtreeStorage {
  readonly blockSize = REE_FS_BLOCK_SIZE;
  readonly name: string;
  /** There was nothing where the first head is to be. */
  isEmpty = false;
  readonly #core: ReeFsCore;
  readonly #fd: number;

  constructor(core: ReeFsCore, fd: number, name: string) {
    this.#core = core;
    this.#fd = fd;
    this.name = name;
  }

  *read(type: TeeFsHtreeType, index: number, version: number, out: Uint8Array): Co<number> {
    const offset = reeFsOffset(type, index, version);
    const count = { size: 0 };
    const res = yield* this.#core.rpc.read(this.#fd, offset, out, count);
    if (res !== TEE_SUCCESS || count.size === out.length) return res;
    if (offset === 0 && count.size === 0) this.isEmpty = true;
    const text = `${count.size} of ${out.length} bytes are there at offset ${offset}`;
    return this.refuse(TEE_ERROR_CORRUPT_OBJECT, text);
  }

  write(type: TeeFsHtreeType, index: number, version: number, data: Uint8Array): Co<number> {
    return this.#core.rpc.write(this.#fd, reeFsOffset(type, index, version), data);
  }

  refuse(code: number, text: string): number {
    this.#core.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, code),
      text,
      object: `secure storage file ${this.name}`,
      hint: 'files of secure storage change only through OP-TEE; teebox storage tells what is valid',
    });
    return code;
  }
}

export class ReeFile implements DirfileFile {
  /** Undefined for dirf.db. */
  readonly dfh: DirfileFileh | undefined;
  readonly #core: ReeFsCore;
  readonly #fd: number;
  readonly #tree: FsHtree;
  /** Bytes to cut the file to after the next commit; see `trim`. */
  #physical: number | undefined;

  private constructor(core: ReeFsCore, fd: number, tree: FsHtree, dfh: DirfileFileh | undefined) {
    this.#core = core;
    this.#fd = fd;
    this.#tree = tree;
    this.dfh = dfh;
  }

  /** ree_fs_open_primitive() of a new file. @returns else a TEE_Result */
  static *create(
    core: ReeFsCore,
    uuid: Uint8Array | undefined,
    dfh: DirfileFileh | undefined,
    minCounter = 0,
  ): Co<ReeFile | number> {
    const make = (storage: ReeHtreeStorage): Co<FsHtree | number> =>
      FsHtree.create(core.services, storage, uuid, minCounter);
    const file = yield* ReeFile.#begin(core, OPTEE_RPC_FS_CREATE, dfh, make, true);
    if (typeof file !== 'number') file.dfh?.hash.set(file.rootHash);
    return file;
  }

  /** ree_fs_open_primitive() of a file that is there. @returns else a TEE_Result */
  static *open(
    core: ReeFsCore,
    uuid: Uint8Array | undefined,
    dfh: DirfileFileh | undefined,
    anchor: HtreeAnchor,
  ): Co<ReeFile | number> {
    const unprotected = anchor.hash === undefined && anchor.minCounter === 0;
    const { quirkDirfileRemovedOnError } = core.switches;
    const mayBeBegun = unprotected && !quirkDirfileRemovedOnError;
    const load = (storage: ReeHtreeStorage): Co<FsHtree | number> =>
      ReeFile.#load(core, storage, uuid, anchor, mayBeBegun);
    const remove = unprotected && quirkDirfileRemovedOnError;
    return yield* ReeFile.#begin(core, OPTEE_RPC_FS_OPEN, dfh, load, remove);
  }

  /** @param mayBeBegun whoever made the file perhaps did not get to write anything */
  static *#load(
    { services }: ReeFsCore,
    storage: ReeHtreeStorage,
    uuid: Uint8Array | undefined,
    anchor: HtreeAnchor,
    mayBeBegun: boolean,
  ): Co<FsHtree | number> {
    const tree = yield* FsHtree.open(services, storage, uuid, anchor);
    return mayBeBegun && storage.isEmpty ? yield* FsHtree.create(services, storage, uuid) : tree;
  }

  /** @param remove whether a file that cannot be used is removed */
  static *#begin(
    core: ReeFsCore,
    cmd: number,
    dfh: DirfileFileh | undefined,
    tree: (storage: ReeHtreeStorage) => Co<FsHtree | number>,
    remove: boolean,
  ): Co<ReeFile | number> {
    const { heap } = core.services;
    if (!heap.alloc(FS_FD_BYTES, 'an open file of secure storage')) return TEE_ERROR_OUT_OF_MEMORY;
    const name = dirfileFname(dfh);
    const out = { fd: -1 };
    let res = yield* core.rpc.open(cmd, name, out);
    if (res === TEE_SUCCESS) {
      const made = yield* tree(new ReeHtreeStorage(core, out.fd, name));
      if (typeof made !== 'number') return new ReeFile(core, out.fd, made, dfh);
      res = made;
    }
    if (res === TEE_ERROR_SECURITY) {
      const text = 'Secure storage corruption detected';
      core.log.emsg(logSite(core), 'ree_fs_open_primitive', text);
    }
    if (out.fd !== -1) yield* core.rpc.close(out.fd);
    if (remove) yield* ReeFile.#removeCorrupt(core, name);
    heap.free(FS_FD_BYTES);
    return res;
  }

  static *#removeCorrupt(core: ReeFsCore, name: string): Co<void> {
    if (core.log.debug) {
      core.log.dmsg(logSite(core), 'ree_fs_open_primitive', 'Remove corrupt file');
    }
    yield* core.rpc.remove(name);
  }

  /** Bytes. */
  get length(): number {
    return this.#tree.length;
  }

  get rootHash(): Uint8Array {
    return this.#tree.rootHash;
  }

  get counter(): number {
    return this.#tree.counter;
  }

  /** ree_fs_close_primitive() */
  *close(): Co<void> {
    this.#tree.close();
    yield* this.#core.rpc.close(this.#fd);
    this.#core.services.heap.free(FS_FD_BYTES);
  }

  /** Commits; the handle gets the new root hash. */
  *sync(): Co<number> {
    const res = yield* this.#tree.sync();
    if (res === TEE_SUCCESS) this.dfh?.hash.set(this.rootHash);
    return res;
  }

  /** ree_fs_read_primitive() */
  *read(pos: number, out: Uint8Array, count: { size: number }): Co<number> {
    if (this.#tree.closed) return TEE_ERROR_CORRUPT_OBJECT;
    const size = Math.max(0, Math.min(out.length, this.length - pos));
    count.size = size;
    const { block } = this.#core;
    for (let done = 0; done < size;) {
      const at = (pos + done) % REE_FS_BLOCK_SIZE;
      const n = Math.min(size - done, REE_FS_BLOCK_SIZE - at);
      const res = yield* this.#tree.readBlock(blockOf(pos + done), block);
      if (res !== TEE_SUCCESS) return res;
      out.set(block.subarray(at, at + n), done);
      done += n;
    }
    return TEE_SUCCESS;
  }

  /** ree_fs_write_primitive() */
  *write(pos: number, data: Uint8Array): Co<number> {
    if (data.length === 0) return TEE_SUCCESS;
    if (this.#tree.closed) return TEE_ERROR_CORRUPT_OBJECT;
    if (this.length < pos) {
      const res = yield* this.#outOfPlaceWrite(this.length, undefined, pos - this.length);
      if (res !== TEE_SUCCESS) return res;
    }
    return yield* this.#outOfPlaceWrite(pos, data, data.length);
  }

  /** ree_fs_ftruncate_internal() */
  *truncate(length: number): Co<number> {
    if (this.#tree.closed) return TEE_ERROR_CORRUPT_OBJECT;
    if (length > this.length) {
      return yield* this.#outOfPlaceWrite(this.length, undefined, length - this.length);
    }
    let res = this.#tree.truncate(blockOf(length));
    if (res !== TEE_SUCCESS) return res;
    this.#physical = reeFsPhysicalLength(length);
    // Upstream cuts at once what the head on disk still counts on.
    if (this.#core.switches.quirkTruncateBeforeCommit) res = yield* this.trim();
    if (res === TEE_SUCCESS) this.#tree.length = length;
    return res;
  }

  /** Cuts off what `truncate` has left over. */
  *trim(): Co<number> {
    const length = this.#physical;
    if (length === undefined) return TEE_SUCCESS;
    this.#physical = undefined;
    return yield* this.#core.rpc.truncate(this.#fd, length);
  }

  /** out_of_place_write() @param data undefined for zeros */
  *#outOfPlaceWrite(pos: number, data: Uint8Array | undefined, size: number): Co<number> {
    const { block } = this.#core;
    const allocated = Math.ceil(this.length / REE_FS_BLOCK_SIZE);
    for (let done = 0; done < size;) {
      const blockNum = blockOf(pos + done);
      const at = (pos + done) % REE_FS_BLOCK_SIZE;
      const n = Math.min(size - done, REE_FS_BLOCK_SIZE - at);
      let res = TEE_SUCCESS;
      if (blockNum < allocated) res = yield* this.#tree.readBlock(blockNum, block);
      else block.fill(0);
      if (res !== TEE_SUCCESS) return res;
      if (data === undefined) block.fill(0, at, at + n);
      else block.set(data.subarray(done, done + n), at);
      res = yield* this.#tree.writeBlock(blockNum, block);
      if (res !== TEE_SUCCESS) return res;
      done += n;
    }
    if (pos + size > this.length) this.#tree.length = pos + size;
    return TEE_SUCCESS;
  }
}

const blockOf = (pos: number): number => Math.floor(pos / REE_FS_BLOCK_SIZE);
