/**
 * The directory of the REE file system: dirf.db, a file of entries that say which TA's object of
 * which id is in the file of which number, and what the hash of that file's root is.
 *
 * An entry is looked for from the start, one read each, as upstream does: the normal world can count
 * them. Numbers in use are known from the entries; a number that was handed out and not used, or
 * whose file was replaced, is free again when the directory is opened the next time.
 *
 * Upstream counterpart: optee_os core/tee/fs_dirfile.c.
 */
import {
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { DirfileEntry, OID_EMPTY_NAME, TEE_FS_HTREE_HASH_SIZE } from '../../abi/tee-fs.ts';
import type { Co } from '../../sched/task.ts';
import { equalBytes } from './tee-fs.ts';
import type { StorageHeap } from './tee-fs.ts';

/** sizeof(struct tee_fs_dirfile_dirh) on a 64-bit machine. */
const DIRH_BYTES = 40;
/** Numbers are ints upstream, and their bitmap must fit into the heap. */
const MAX_FILE_NUMBER = 0x7fff_ffff;

/** `struct tee_fs_dirfile_fileh` */
export class DirfileFileh {
  readonly fileNumber: number;
  /** Of the file's root node. */
  readonly hash = new Uint8Array(TEE_FS_HTREE_HASH_SIZE);
  /** Place of the entry; -1 for none. */
  idx = -1;

  constructor(fileNumber: number) {
    this.fileNumber = fileNumber;
  }
}

/** tee_fs_dirfile_fileh_to_fname() */
export const dirfileFname = (dfh: DirfileFileh | undefined): string =>
  dfh === undefined ? 'dirf.db' : dfh.fileNumber.toString(16);

/** The file that a directory is in. Functions return a TEE_Result. */
export interface DirfileFile {
  read(pos: number, out: Uint8Array, count: { size: number }): Co<number>;
  write(pos: number, data: Uint8Array): Co<number>;
  /** commit_writes() */
  sync(): Co<number>;
  /** Of the last commit. */
  readonly rootHash: Uint8Array;
  readonly counter: number;
  close(): Co<void>;
}

/** What a directory tells the core. */
export interface DirfileHost {
  readonly heap: StorageHeap;
  /** DMSG() */
  debug(fn: string, text: string): void;
  /** What to throw for an assertion that fails; undefined when none is checked. */
  readonly assertion: ((fn: string, text: string) => Error) | undefined;
}

/** `struct dirfile_entry` in memory. */
export class Dirent {
  readonly bytes = new Uint8Array(DirfileEntry.byteLength);
  readonly view = new DataView(this.bytes.buffer);
  readonly uuid = DirfileEntry.uuid.bytes(this.view, 0);
  readonly oid = DirfileEntry.oid.bytes(this.view, 0);
  readonly hash = DirfileEntry.hash.bytes(this.view, 0);

  get oidlen(): number {
    return DirfileEntry.oidlen.get(this.view, 0);
  }

  get fileNumber(): number {
    return DirfileEntry.fileNumber.get(this.view, 0);
  }

  /** Without an id, and not because it is empty. */
  get isFree(): boolean {
    return this.oidlen === 0 && this.oid[0] === 0;
  }

  /** What is_free() asserts. */
  get isSane(): boolean {
    return this.oidlen > 0 || this.oid[0] === 0 || this.oid[0] === OID_EMPTY_NAME;
  }

  get id(): Uint8Array {
    return this.oid.subarray(0, this.oidlen);
  }

  isOf(uuid: Uint8Array): boolean {
    return equalBytes(this.uuid, uuid);
  }

  set(uuid: Uint8Array, oid: Uint8Array, dfh: DirfileFileh): void {
    this.uuid.set(uuid);
    this.oid.set(oid.length > 0 ? oid : [OID_EMPTY_NAME]);
    DirfileEntry.oidlen.set(this.view, 0, oid.length);
    this.hash.set(dfh.hash);
    DirfileEntry.fileNumber.set(this.view, 0, dfh.fileNumber);
  }
}

export class TeeFsDirfile {
  readonly file: DirfileFile;
  readonly #host: DirfileHost;
  /** Numbers in use, and how many a bitmap of them has (`files`, `nbits`). */
  readonly #files = new Set<number>();
  #nbits = 0;
  /** No number below is free. */
  #lowestFree = 0;
  #closed = false;

  private constructor(file: DirfileFile, host: DirfileHost) {
    this.file = file;
    this.#host = host;
  }

  /**
   * tee_fs_dirfile_open(): reads every entry.
   * @param open opens or makes the file @returns else a TEE_Result
   */
  static *open(host: DirfileHost, open: () => Co<DirfileFile | number>): Co<TeeFsDirfile | number> {
    if (!host.heap.alloc(DIRH_BYTES, 'the handle of dirf.db')) return TEE_ERROR_OUT_OF_MEMORY;
    const file = yield* open();
    if (typeof file === 'number') {
      host.heap.free(DIRH_BYTES);
      return file;
    }
    const dirh = new TeeFsDirfile(file, host);
    const res = yield* dirh.#readAll();
    if (res === TEE_SUCCESS) return dirh;
    yield* dirh.close();
    return res;
  }

  /** tee_fs_dirfile_close(): what was not committed is forgotten. */
  *close(): Co<void> {
    if (this.#closed) return;
    this.#closed = true;
    yield* this.file.close();
    if (this.#nbits > 0) this.#host.heap.free(bitmapBytes(this.#nbits));
    this.#host.heap.free(DIRH_BYTES);
  }

  /** tee_fs_dirfile_get_tmp(): the lowest free number; nothing is written. @returns else a TEE_Result */
  getTmp(): DirfileFileh | number {
    while (this.#files.has(this.#lowestFree)) this.#lowestFree += 1;
    const number = this.#lowestFree;
    const res = this.#setFile(number);
    return res === TEE_SUCCESS ? new DirfileFileh(number) : res;
  }

  /** tee_fs_dirfile_find() @returns else a TEE_Result, TEE_ERROR_ITEM_NOT_FOUND when there is none */
  *find(uuid: Uint8Array, oid: Uint8Array): Co<DirfileFileh | number> {
    const dent = new Dirent();
    for (let idx = 0; ; idx++) {
      const res = yield* this.#readDent(idx, dent);
      if (res !== TEE_SUCCESS) return res;
      if (dent.isFree || dent.oidlen !== oid.length) continue;
      this.#assertUsed('tee_fs_dirfile_find', dent);
      if (!dent.isOf(uuid) || !equalBytes(dent.id, oid)) continue;
      const dfh = new DirfileFileh(dent.fileNumber);
      dfh.idx = idx;
      dfh.hash.set(dent.hash);
      return dfh;
    }
  }

  /** tee_fs_dirfile_rename(): gives a file its id; whatever file had it before loses it. */
  *rename(uuid: Uint8Array, dfh: DirfileFileh, oid: Uint8Array): Co<number> {
    if (dfh.idx < 0) {
      const idx = yield* this.#placeOf(uuid, oid);
      if (typeof idx !== 'number') return idx.res;
      dfh.idx = idx;
    }
    const dent = new Dirent();
    dent.set(uuid, oid, dfh);
    return yield* this.#writeDent(dfh.idx, dent);
  }

  /** tee_fs_dirfile_remove() */
  *remove(dfh: DirfileFileh): Co<number> {
    const dent = new Dirent();
    let res = yield* this.#readDent(dfh.idx, dent);
    if (res !== TEE_SUCCESS || dent.isFree) return res;
    this.#assertSame('tee_fs_dirfile_remove', dent, dfh);
    res = yield* this.#writeDent(dfh.idx, new Dirent());
    if (res !== TEE_SUCCESS) return res;
    this.#files.delete(dfh.fileNumber);
    this.#lowestFree = Math.min(this.#lowestFree, dfh.fileNumber);
    return TEE_SUCCESS;
  }

  /** tee_fs_dirfile_update_hash() */
  *updateHash(dfh: DirfileFileh): Co<number> {
    const dent = new Dirent();
    const res = yield* this.#readDent(dfh.idx, dent);
    if (res !== TEE_SUCCESS) return res;
    this.#assertSame('tee_fs_dirfile_update_hash', dent, dfh);
    dent.hash.set(dfh.hash);
    return yield* this.#writeDent(dfh.idx, dent);
  }

  /**
   * tee_fs_dirfile_get_next(): the object after `at.idx`, -1 for the first.
   * @returns else a TEE_Result, TEE_ERROR_ITEM_NOT_FOUND after the last
   */
  *getNext(uuid: Uint8Array, at: { idx: number }): Co<Uint8Array | number> {
    const dent = new Dirent();
    for (let idx = at.idx + 1; ; idx++) {
      const res = yield* this.#readDent(idx, dent);
      if (res !== TEE_SUCCESS) return res;
      if (!dent.isOf(uuid) || dent.isFree) continue;
      if (dent.oidlen > TEE_OBJECT_ID_MAX_LEN) return TEE_ERROR_SHORT_BUFFER;
      at.idx = idx;
      return dent.id.slice();
    }
  }

  // --- entries
  *#readAll(): Co<number> {
    const dent = new Dirent();
    for (let idx = 0; ; idx++) {
      let res = yield* this.#readDent(idx, dent);
      if (res !== TEE_SUCCESS) return res === TEE_ERROR_ITEM_NOT_FOUND ? TEE_SUCCESS : res;
      if (dent.isFree) continue;
      if (this.#files.has(dent.fileNumber)) {
        const text = `clearing duplicate file number ${dent.fileNumber}`;
        this.#host.debug('tee_fs_dirfile_open', text);
        res = yield* this.#writeDent(idx, new Dirent());
      } else {
        res = this.#setFile(dent.fileNumber);
      }
      if (res !== TEE_SUCCESS) return res;
    }
  }

  *#readDent(idx: number, dent: Dirent): Co<number> {
    const count = { size: 0 };
    const res = yield* this.file.read(DirfileEntry.byteLength * idx, dent.bytes, count);
    if (res !== TEE_SUCCESS) return res;
    if (count.size !== DirfileEntry.byteLength) return TEE_ERROR_ITEM_NOT_FOUND;
    this.#assert(dent.isSane, 'is_free', `entry ${idx} of dirf.db has neither length nor name`);
    return TEE_SUCCESS;
  }

  *#writeDent(idx: number, dent: Dirent): Co<number> {
    return yield* this.file.write(DirfileEntry.byteLength * idx, dent.bytes);
  }

  /** Where an id is, or the first place that is free (find_empty_idx()). */
  *#placeOf(uuid: Uint8Array, oid: Uint8Array): Co<number | { readonly res: number }> {
    const found = yield* this.find(uuid, oid);
    if (typeof found !== 'number') return found.idx;
    if (found !== TEE_ERROR_ITEM_NOT_FOUND) return { res: found };
    const dent = new Dirent();
    for (let idx = 0; ; idx++) {
      const res = yield* this.#readDent(idx, dent);
      if (res === TEE_ERROR_ITEM_NOT_FOUND || (res === TEE_SUCCESS && dent.isFree)) return idx;
      if (res !== TEE_SUCCESS) return { res };
    }
  }

  // --- numbers
  /** set_file(), maybe_grow_files() */
  #setFile(number: number): number {
    if (number >= this.#nbits) {
      const { heap } = this.#host;
      const room =
        number < MAX_FILE_NUMBER && heap.alloc(bitmapBytes(number + 1), 'the file numbers in use');
      if (!room) return TEE_ERROR_OUT_OF_MEMORY;
      if (this.#nbits > 0) heap.free(bitmapBytes(this.#nbits));
      this.#nbits = number + 1;
    }
    this.#files.add(number);
    return TEE_SUCCESS;
  }

  #assertSame(fn: string, dent: Dirent, dfh: DirfileFileh): void {
    const same = dent.fileNumber === dfh.fileNumber;
    this.#assert(same, fn, `the entry is of file ${dent.fileNumber}, not ${dfh.fileNumber}`);
    this.#assertUsed(fn, dent);
  }

  #assertUsed(fn: string, dent: Dirent): void {
    const used = this.#files.has(dent.fileNumber);
    this.#assert(used, fn, `file number ${dent.fileNumber} is not in use`);
  }

  #assert(holds: boolean, fn: string, text: string): void {
    const { assertion } = this.#host;
    if (!holds && assertion !== undefined) throw assertion(fn, text);
  }
}

/** bitstr_size() */
const bitmapBytes = (bits: number): number => Math.ceil(bits / 8);
