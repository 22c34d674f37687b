/**
 * The RPMB file system: the objects of TAs in the replay-protected memory of an eMMC, which nobody
 * can roll back. There is one file for each object, and a table of them.
 *
 * Upstream counterpart: optee_os core/tee/tee_rpmb_fs.c (`rpmb_fs_ops` and what that file exports).
 */
import {
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { FatEntry } from './rpmb-fat.ts';
import { RpmbFiles, newHandle } from './rpmb-file.ts';
import type { RpmbFileHandle, RpmbPanic } from './rpmb-file.ts';
import type { RpmbCore } from './rpmb-link.ts';
import type { RpmbFs } from './ree-fs-anchor.ts';
import { equalBytes } from './tee-fs.ts';
import type { TeeFile, TeeFsDir } from './tee-fs.ts';
import type { TeeMmPool } from './tee-mm.ts';
import type { TeePobj } from './tee-pobj.ts';
import type { StorageMutex } from './tee-ree-fs.ts';

/** sizeof(struct rpmb_file_handle) and of a directory and its entries, on a 64-bit machine. */
const FILE_HANDLE_BYTES = 496;
const FS_DIR_BYTES = 24;
const DIRENT_BYTES = 80;

/** Of a file that belongs to no TA. */
const NO_UUID = new Uint8Array(16);

export interface TeeRpmbFsOptions {
  readonly core: RpmbCore;
  /** rpmb_mutex */
  readonly mutex: StorageMutex;
  readonly panic: RpmbPanic;
}

export class TeeRpmbFs implements RpmbFs {
  readonly files: RpmbFiles;
  /** rpmb_fs_readdir() */
  readonly readOfNoDir = TEE_ERROR_GENERIC;
  readonly #core: RpmbCore;
  readonly #mutex: StorageMutex;

  constructor({ core, mutex, panic }: TeeRpmbFsOptions) {
    this.files = new RpmbFiles(core, panic);
    this.#core = core;
    this.#mutex = mutex;
  }

  /** rpmb_fs_open() */
  *open(thread: ThreadCtx, po: TeePobj, size: { size: number }): Co<TeeFile | number> {
    const fh = newHandle(po.uuid, createFilename(po, po.temporary));
    const file = yield* this.#open(thread, fh, this.files.open(thread, fh, false));
    if (typeof file !== 'number') size.size = fh.entry.dataSize;
    return file;
  }

  /** rpmb_fs_create() */
  *create(
    thread: ThreadCtx,
    po: TeePobj,
    overwrite: boolean,
    parts: readonly Uint8Array[],
  ): Co<TeeFile | number> {
    const fh = newHandle(po.uuid, createFilename(po, po.temporary));
    return yield* this.#open(thread, fh, this.#create(thread, fh, po, overwrite, parts));
  }

  /** rpmb_fs_rename() */
  *rename(thread: ThreadCtx, from: TeePobj, to: TeePobj, overwrite: boolean): Co<number> {
    const oldName = createFilename(from, from.temporary);
    const newName = createFilename(to, to.temporary);
    const body = this.#rename(thread, from.uuid, oldName, newName, overwrite);
    return yield* this.#charged(this.#locked(thread, body));
  }

  /** rpmb_fs_remove() */
  *remove(thread: ThreadCtx, po: TeePobj): Co<number> {
    const fh = newHandle(po.uuid, createFilename(po, po.temporary));
    return yield* this.#charged(this.#locked(thread, this.files.remove(thread, fh)));
  }

  /** rpmb_fs_opendir() */
  *openDir(thread: ThreadCtx, uuid: Uint8Array): Co<TeeFsDir | number> {
    const { heap } = this.#core;
    if (!heap.alloc(FS_DIR_BYTES, 'an open directory')) return TEE_ERROR_OUT_OF_MEMORY;
    const oids: Uint8Array[] = [];
    const res = yield* this.#locked(thread, this.#populate(thread, `/${hex(uuid)}/`, oids));
    const dir = new RpmbFsDir(this.#core, oids);
    if (res === TEE_SUCCESS) return dir;
    yield* dir.close();
    return res;
  }

  /** tee_rpmb_fs_raw_open() */
  *rawOpen(thread: ThreadCtx, name: string, create: boolean): Co<TeeFile | number> {
    const fh = newHandle(NO_UUID, `/${name}`);
    const file = yield* this.#open(thread, fh, this.files.open(thread, fh, create));
    // Upstream forgets the mutex here.
    if (typeof file === 'number' && create) {
      yield* this.#locked(thread, this.files.remove(thread, fh));
    }
    return file;
  }

  /** tee_rpmb_reinit(): looks for the device again. */
  reinit(thread: ThreadCtx): Co<number> {
    return this.files.fat.device.link.reinit(thread);
  }

  /** rpmb_fs_request_reset() */
  *requestReset(thread: ThreadCtx): Co<void> {
    yield* this.#mutex.lock(thread);
    this.files.fat.requestReset();
    yield* this.#mutex.unlock(thread);
  }

  /** rpmb_mem_stats(): how full the device is, or a TEE_Result. */
  *memStats(thread: ThreadCtx): Co<TeeMmPool | number> {
    const out = { res: TEE_SUCCESS };
    const pool = yield* this.#locked(thread, this.files.stats(thread, out));
    return pool ?? out.res;
  }

  // --- what an open file does
  *read(
    thread: ThreadCtx,
    fh: RpmbFileHandle,
    pos: number,
    out: Uint8Array,
    count: { size: number },
  ): Co<number> {
    count.size = 0;
    if (out.length === 0) return TEE_SUCCESS;
    return yield* this.#locked(thread, this.files.read(thread, fh, pos, out, count));
  }

  *write(thread: ThreadCtx, fh: RpmbFileHandle, pos: number, data: Uint8Array): Co<number> {
    if (data.length === 0) return TEE_SUCCESS;
    return yield* this.#locked(thread, this.files.write(thread, fh, pos, data));
  }

  truncate(thread: ThreadCtx, fh: RpmbFileHandle, length: number): Co<number> {
    return this.#locked(thread, this.files.truncate(thread, fh, length));
  }

  /** rpmb_fs_close() */
  close(): void {
    this.#core.heap.free(FILE_HANDLE_BYTES);
  }

  // --- under the mutex
  *#create(
    thread: ThreadCtx,
    fh: RpmbFileHandle,
    po: TeePobj,
    overwrite: boolean,
    parts: readonly Uint8Array[],
  ): Co<number> {
    let res = yield* this.#begin(thread, fh, po);
    let pos = 0;
    for (const part of parts) {
      if (res === TEE_SUCCESS) res = yield* this.files.write(thread, fh, pos, part);
      pos += part.length;
    }
    if (res === TEE_SUCCESS && po.temporary) {
      res = yield* this.#makeFinal(thread, fh, po, overwrite);
    }
    if (res !== TEE_SUCCESS) yield* this.files.remove(thread, fh);
    return res;
  }

  /** What a power cut has left under the temporary name is taken for the file. */
  *#begin(thread: ThreadCtx, fh: RpmbFileHandle, po: TeePobj): Co<number> {
    if (po.temporary && !this.#core.switches.quirkRpmbTemporaryKept) {
      const left = newHandle(fh.uuid, fh.filename);
      const res = yield* this.files.remove(thread, left);
      if (res !== TEE_SUCCESS && res !== TEE_ERROR_ITEM_NOT_FOUND) return res;
    }
    return yield* this.files.open(thread, fh, true);
  }

  /** The contents are complete: the file gets its name. */
  *#makeFinal(thread: ThreadCtx, fh: RpmbFileHandle, po: TeePobj, overwrite: boolean): Co<number> {
    const name = createFilename(po, false);
    const res = yield* this.#rename(thread, po.uuid, fh.filename, name, overwrite);
    if (res !== TEE_SUCCESS) return res;
    po.temporary = false;
    fh.filename = name;
    return TEE_SUCCESS;
  }

  /** rpmb_fs_rename_internal() */
  *#rename(
    thread: ThreadCtx,
    uuid: Uint8Array,
    oldName: string,
    newName: string,
    overwrite: boolean,
  ): Co<number> {
    const { fat } = this.files;
    const from = newHandle(uuid, oldName);
    const to = newHandle(uuid, newName);
    let res = yield* this.files.find(thread, from);
    if (res !== TEE_SUCCESS) return res;
    const replaces = (yield* this.files.find(thread, to)) === TEE_SUCCESS;
    if (replaces && !overwrite) return TEE_ERROR_ACCESS_CONFLICT;
    const { quirkRpmbReplaceLoses: loses } = this.#core.switches;
    if (replaces && loses) res = yield* fat.write(thread, new FatEntry(), to.fatAddress);
    if (res !== TEE_SUCCESS) return res;
    from.entry.filename = newName;
    res = yield* fat.write(thread, from.entry, from.fatAddress);
    if (res !== TEE_SUCCESS || !replaces || loses) return res;
    return yield* this.#clearOthers(thread, newName, from.fatAddress);
  }

  /** Files of a name but for one: those that it replaces, also when a power cut kept them so far. */
  *#clearOthers(thread: ThreadCtx, name: string, kept: number): Co<number> {
    const { fat } = this.files;
    const others: number[] = [];
    let res = yield* fat.begin(thread);
    const at = { entry: undefined as FatEntry | undefined, address: 0 };
    while (res === TEE_SUCCESS) {
      res = yield* fat.next(thread, at);
      if (res !== TEE_SUCCESS || at.entry === undefined) break;
      const { isActive, filename } = at.entry;
      if (isActive && filename === name && at.address !== kept) others.push(at.address);
    }
    fat.end();
    for (const address of others) {
      if (res === TEE_SUCCESS) res = yield* fat.write(thread, new FatEntry(), address);
    }
    return res;
  }

  /** rpmb_fs_dir_populate(): an object without an id is not listed, and no id twice. */
  *#populate(thread: ThreadCtx, path: string, oids: Uint8Array[]): Co<number> {
    const { fat } = this.files;
    let res = yield* fat.begin(thread);
    const at = { entry: undefined as FatEntry | undefined, address: 0 };
    while (res === TEE_SUCCESS) {
      res = yield* fat.next(thread, at);
      if (res !== TEE_SUCCESS || at.entry === undefined) break;
      const name = at.entry.filename;
      if (!at.entry.isActive || !name.startsWith(path)) continue;
      const oid = unhex(name.slice(path.length));
      if (oid.length === 0 || oids.some((other) => equalBytes(other, oid))) continue;
      if (this.#core.heap.alloc(DIRENT_BYTES, 'an entry of a directory')) oids.push(oid);
      else res = TEE_ERROR_OUT_OF_MEMORY;
    }
    fat.end();
    if (res !== TEE_SUCCESS) return res;
    return oids.length > 0 ? TEE_SUCCESS : TEE_ERROR_ITEM_NOT_FOUND;
  }

  *#open(thread: ThreadCtx, fh: RpmbFileHandle, body: Co<number>): Co<TeeFile | number> {
    const { heap } = this.#core;
    if (!heap.alloc(FILE_HANDLE_BYTES, 'an open file')) return TEE_ERROR_OUT_OF_MEMORY;
    const res = yield* this.#locked(thread, body);
    if (res === TEE_SUCCESS) return new RpmbFsFile(this, fh);
    heap.free(FILE_HANDLE_BYTES);
    return res;
  }

  /** With a handle of its own for as long as it takes. */
  *#charged(body: Co<number>): Co<number> {
    const { heap } = this.#core;
    if (!heap.alloc(FILE_HANDLE_BYTES, 'an open file')) return TEE_ERROR_OUT_OF_MEMORY;
    const res = yield* body;
    heap.free(FILE_HANDLE_BYTES);
    return res;
  }

  *#locked<T>(thread: ThreadCtx, body: Co<T>): Co<T> {
    yield* this.#mutex.lock(thread);
    const result = yield* body;
    yield* this.#mutex.unlock(thread);
    return result;
  }
}

class RpmbFsFile implements TeeFile {
  readonly #fs: TeeRpmbFs;
  readonly #fh: RpmbFileHandle;

  constructor(fs: TeeRpmbFs, fh: RpmbFileHandle) {
    this.#fs = fs;
    this.#fh = fh;
  }

  read(thread: ThreadCtx, pos: number, out: Uint8Array, count: { size: number }): Co<number> {
    return this.#fs.read(thread, this.#fh, pos, out, count);
  }

  write(thread: ThreadCtx, pos: number, data: Uint8Array): Co<number> {
    return this.#fs.write(thread, this.#fh, pos, data);
  }

  truncate(thread: ThreadCtx, length: number): Co<number> {
    return this.#fs.truncate(thread, this.#fh, length);
  }

  *close(): Co<void> {
    this.#fs.close();
  }
}

/** The ids as they were when it was opened. */
class RpmbFsDir implements TeeFsDir {
  readonly #core: RpmbCore;
  readonly #oids: Uint8Array[];

  constructor(core: RpmbCore, oids: Uint8Array[]) {
    this.#core = core;
    this.#oids = oids;
  }

  *read(): Co<Uint8Array | number> {
    const oid = this.#oids.shift();
    if (oid === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    this.#core.heap.free(DIRENT_BYTES);
    return oid;
  }

  *close(): Co<void> {
    for (const _ of this.#oids) this.#core.heap.free(DIRENT_BYTES);
    this.#core.heap.free(FS_DIR_BYTES);
  }
}

/** create_filename(): a dot marks a file that is not complete yet. */
export const createFilename = ({ uuid, objId }: TeePobj, temporary: boolean): string =>
  `/${hex(uuid)}/${temporary ? '.' : ''}${hex(objId)}`;

/** tee_b2hs() */
const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');

/** tee_hs2b(): nothing when it is not all upper-case hex, or too long. */
function unhex(text: string): Uint8Array {
  const isHex = /^([0-9A-F]{2})+$/.test(text) && text.length <= 2 * TEE_OBJECT_ID_MAX_LEN;
  const pairs = isHex ? text.match(/../g)! : [];
  return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
}
