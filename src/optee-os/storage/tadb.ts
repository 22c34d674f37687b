/**
 * The database of TAs in secure storage: each of them lies encrypted in a file of its own of the
 * normal world, `<number>.ta`; ta.db, an object of the core, has their keys and tags.
 *
 * Upstream counterpart: optee_os core/tee/tadb.c. Left out: deleting a TA (tee_tadb_ta_delete()),
 * which nothing calls.
 */
import {
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_MAC_INVALID,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_FS_CREATE,
  OPTEE_RPC_FS_OPEN,
  OPTEE_RPC_FS_READ,
  OPTEE_RPC_SHM_TYPE_APPL,
} from '../../abi/optee-rpc.ts';
import { TADB_MAX_BUFFER_SIZE, TADB_TAG_SIZE, TadbEntry } from '../../abi/tee-fs.ts';
import type { HostAead } from '../../host/crypto.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import type { Rpc } from '../kernel/rpc.ts';
import { RPC_IN, RPC_OUT, setMemref, setValue } from '../kernel/rpc.ts';
import type { RpcShmCache } from '../kernel/rpc-shm-cache.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { Nexus } from '../nexus.ts';
import type { StorageHeap, TeeFile, TeeFileOperations } from './tee-fs.ts';
import { TeeFsRpc } from './tee-fs-rpc.ts';
import { TeePobj } from './tee-pobj.ts';
import type { StorageMutex } from './tee-ree-fs.ts';

/** sizeof() of `struct tee_tadb_dir`, `tee_tadb_ta_write` and `tee_tadb_ta_read` on 64 bits. */
const DIR_BYTES = 32;
const TA_WRITE_BYTES = 128;
const TA_READ_BYTES = 144;

const NO_UUID = new Uint8Array(16);
const DB_ID = Uint8Array.from('ta.db\0', (c) => c.charCodeAt(0));

export interface TadbServices {
  readonly nexus: Nexus;
  readonly heap: StorageHeap;
  readonly rpc: Rpc;
  readonly rpcShmCache: RpcShmCache;
  /** tee_svc_storage_file_ops() */
  readonly fileOps: (storage: number) => TeeFileOperations | undefined;
  /** tadb_mutex */
  readonly mutex: StorageMutex;
}

/** `struct tadb_entry`, in the bytes that are stored. */
class Entry {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  constructor() {
    this.bytes = new Uint8Array(TadbEntry.byteLength);
    this.#view = new DataView(this.bytes.buffer);
  }

  get uuid(): Uint8Array {
    return TadbEntry.uuid.bytes(this.#view, 0);
  }
  get version(): number {
    return TadbEntry.version.get(this.#view, 0);
  }
  set version(version: number) {
    TadbEntry.version.set(this.#view, 0, version);
  }
  get binSize(): number {
    return TadbEntry.binSize.get(this.#view, 0);
  }
  set binSize(size: number) {
    TadbEntry.binSize.set(this.#view, 0, size);
  }
  get customSize(): number {
    return TadbEntry.customSize.get(this.#view, 0);
  }
  get fileNumber(): number {
    return TadbEntry.fileNumber.get(this.#view, 0);
  }
  set fileNumber(number: number) {
    TadbEntry.fileNumber.set(this.#view, 0, number);
  }
  get iv(): Uint8Array {
    return TadbEntry.iv.bytes(this.#view, 0);
  }
  get tag(): Uint8Array {
    return TadbEntry.tag.bytes(this.#view, 0);
  }
  get key(): Uint8Array {
    return TadbEntry.key.bytes(this.#view, 0);
  }
  get fileName(): string {
    return `${this.fileNumber}.ta`;
  }
  is(uuid: Uint8Array): boolean {
    return this.uuid.every((byte, n) => byte === uuid[n]);
  }
}

/** `struct tee_tadb_dir`: ta.db, open, and which numbers of files are taken, once that is known. */
interface Dir {
  readonly file: TeeFile;
  files: Set<number> | undefined;
}

/** What is installed. */
export interface TaProperty {
  /** TEE_UUID as it lies in memory. */
  readonly uuid: Uint8Array;
  readonly version: number;
  readonly binSize: number;
}

export class Tadb {
  readonly services: TadbServices;
  #db: Dir | undefined;
  #refs = 0;

  constructor(services: TadbServices) {
    this.services = services;
  }

  /** TAs that are being read or written; for leak reports. */
  get references(): number {
    return this.#refs;
  }

  /** tee_tadb_ta_create() @returns else a TEE_Result */
  *create(thread: ThreadCtx, property: TaProperty): Co<TadbTaWrite | number> {
    const { heap, nexus } = this.services;
    if (property.uuid.every((byte) => byte === 0)) return TEE_ERROR_GENERIC;
    if (!heap.alloc(TA_WRITE_BYTES, 'a TA that is installed')) return TEE_ERROR_OUT_OF_MEMORY;
    const entry = new Entry();
    let res = yield* this.open(thread);
    if (res === TEE_SUCCESS) {
      res = yield* this.#reserve(thread, entry);
      if (res === TEE_SUCCESS) {
        entry.uuid.set(property.uuid);
        entry.version = property.version;
        entry.binSize = property.binSize;
        nexus.random.fill(entry.iv);
        nexus.random.fill(entry.key);
        const file = yield* this.openFile(thread, OPTEE_RPC_FS_CREATE, entry.fileName);
        if (typeof file !== 'number') return new TadbTaWrite(this, entry, file);
        res = file;
      }
      yield* this.put(thread);
    }
    heap.free(TA_WRITE_BYTES);
    return res;
  }

  /** tee_tadb_ta_open() @returns else a TEE_Result */
  *openTa(thread: ThreadCtx, uuid: Uint8Array): Co<TadbTaRead | number> {
    const { heap } = this.services;
    if (uuid.every((byte) => byte === 0)) return TEE_ERROR_GENERIC;
    if (!heap.alloc(TA_READ_BYTES, 'a TA of secure storage')) return TEE_ERROR_OUT_OF_MEMORY;
    const entry = new Entry();
    let res = yield* this.open(thread);
    if (res === TEE_SUCCESS) {
      res = yield* this.#find(thread, uuid, entry);
      if (res === TEE_SUCCESS) {
        const file = yield* this.openFile(thread, OPTEE_RPC_FS_OPEN, entry.fileName);
        if (typeof file !== 'number') return new TadbTaRead(this, entry, file);
        res = file;
      }
      yield* this.put(thread);
    }
    heap.free(TA_READ_BYTES);
    return res;
  }

  /** The last step of an installation: its entry takes the place of an older one. */
  *commit(thread: ThreadCtx, entry: Entry, out: { replaced: Entry | undefined }): Co<number> {
    yield* this.services.mutex.lock(thread);
    const old = new Entry();
    const at = { idx: 0 };
    let res = yield* this.#search(thread, entry.uuid, old, at);
    if (res === TEE_SUCCESS) out.replaced = old;
    else res = yield* this.#search(thread, NO_UUID, new Entry(), at);
    // Without a free entry it goes behind the last.
    if (res === TEE_ERROR_ITEM_NOT_FOUND) res = TEE_SUCCESS;
    if (res === TEE_SUCCESS) res = yield* this.#write(thread, at.idx, entry);
    if (res === TEE_SUCCESS && out.replaced !== undefined) this.#db!.files?.delete(old.fileNumber);
    if (res !== TEE_SUCCESS) out.replaced = undefined;
    yield* this.services.mutex.unlock(thread);
    return res;
  }

  /** The number may be had again. */
  *release(thread: ThreadCtx, entry: Entry): Co<void> {
    yield* this.services.mutex.lock(thread);
    this.#db!.files?.delete(entry.fileNumber);
    yield* this.services.mutex.unlock(thread);
  }

  // --- the files of TAs
  files(thread: ThreadCtx): TeeFsRpc {
    const { nexus, rpc, rpcShmCache } = this.services;
    const files = new TeeFsRpc(nexus, rpc, rpcShmCache, '');
    files.thread = thread;
    return files;
  }

  /** ta_operation_open() */
  *openFile(thread: ThreadCtx, cmd: number, name: string): Co<OpenFile | number> {
    const files = this.files(thread);
    const out = { fd: 0 };
    const res = yield* files.open(cmd, name, out);
    return res === TEE_SUCCESS ? { files, fd: out.fd } : res;
  }

  // --- ta.db
  /** tee_tadb_open() */
  *open(thread: ThreadCtx): Co<number> {
    yield* this.services.mutex.lock(thread);
    let res = TEE_SUCCESS;
    if (this.#refs === 0) res = yield* this.#openDb(thread);
    if (res === TEE_SUCCESS) this.#refs += 1;
    yield* this.services.mutex.unlock(thread);
    return res;
  }

  /** tadb_put() */
  *put(thread: ThreadCtx): Co<void> {
    yield* this.services.mutex.lock(thread);
    this.#refs -= 1;
    if (this.#refs === 0) {
      yield* this.#db!.file.close(thread);
      this.services.heap.free(DIR_BYTES);
      this.#db = undefined;
    }
    yield* this.services.mutex.unlock(thread);
  }

  /** tadb_open(): whoever looks first makes an empty one. */
  *#openDb(thread: ThreadCtx): Co<number> {
    const { heap, fileOps } = this.services;
    if (!heap.alloc(DIR_BYTES, 'the database of TAs')) return TEE_ERROR_OUT_OF_MEMORY;
    const ops = fileOps(TEE_STORAGE_PRIVATE)!;
    const po = new TeePobj(NO_UUID, DB_ID, 0, ops);
    let file = yield* ops.open(thread, po, { size: 0 });
    if (file === TEE_ERROR_ITEM_NOT_FOUND) file = yield* ops.create(thread, po, false, []);
    if (typeof file === 'number') {
      heap.free(DIR_BYTES);
      return file;
    }
    this.#db = { file, files: undefined };
    return TEE_SUCCESS;
  }

  *#find(thread: ThreadCtx, uuid: Uint8Array, out: Entry): Co<number> {
    yield* this.services.mutex.lock(thread);
    const res = yield* this.#search(thread, uuid, out, { idx: 0 });
    yield* this.services.mutex.unlock(thread);
    return res;
  }

  /** find_ent() @param at where it is, or how many there are */
  *#search(thread: ThreadCtx, uuid: Uint8Array, out: Entry, at: { idx: number }): Co<number> {
    for (at.idx = 0; ; at.idx++) {
      const res = yield* this.#read(thread, at.idx, out);
      if (res !== TEE_SUCCESS || out.is(uuid)) return res;
    }
  }

  *#read(thread: ThreadCtx, idx: number, out: Entry): Co<number> {
    const size = TadbEntry.byteLength;
    const count = { size };
    const res = yield* this.#db!.file.read(thread, idx * size, out.bytes, count);
    return res === TEE_SUCCESS && count.size !== size ? TEE_ERROR_ITEM_NOT_FOUND : res;
  }

  *#write(thread: ThreadCtx, idx: number, entry: Entry): Co<number> {
    return yield* this.#db!.file.write(thread, idx * TadbEntry.byteLength, entry.bytes);
  }

  /** The lowest number that no TA has. */
  *#reserve(thread: ThreadCtx, entry: Entry): Co<number> {
    yield* this.services.mutex.lock(thread);
    const db = this.#db!;
    let res = TEE_SUCCESS;
    if (db.files === undefined) res = yield* this.#populate(thread, db);
    if (res === TEE_SUCCESS) {
      let number = 0;
      while (db.files!.has(number)) number += 1;
      db.files!.add(number);
      entry.fileNumber = number;
    }
    yield* this.services.mutex.unlock(thread);
    return res;
  }

  /** populate_files(): of two entries with one number the second is cleared. */
  *#populate(thread: ThreadCtx, db: Dir): Co<number> {
    const files = new Set<number>();
    const entry = new Entry();
    for (let idx = 0; ; idx++) {
      const res = yield* this.#read(thread, idx, entry);
      if (res === TEE_ERROR_ITEM_NOT_FOUND) break;
      if (res !== TEE_SUCCESS) return res;
      if (entry.is(NO_UUID)) continue;
      if (files.has(entry.fileNumber)) {
        const { log } = this.services.nexus;
        const text = `Clearing duplicate file number ${entry.fileNumber}`;
        log.imsg(thread, 'populate_files', text);
        const written = yield* this.#write(thread, idx, new Entry());
        if (written !== TEE_SUCCESS) return written;
      }
      files.add(entry.fileNumber);
    }
    db.files = files;
    return TEE_SUCCESS;
  }
}

/** A file of the normal world. */
interface OpenFile {
  readonly files: TeeFsRpc;
  readonly fd: number;
}

/** A TA that is being installed. */
export class TadbTaWrite {
  readonly #db: Tadb;
  readonly #entry: Entry;
  readonly #file: OpenFile;
  readonly #aead: HostAead;
  #pos = 0;

  constructor(db: Tadb, entry: Entry, file: OpenFile) {
    this.#db = db;
    this.#entry = entry;
    this.#file = file;
    const { crypto } = db.services.nexus;
    this.#aead = crypto.aesGcm(true, entry.key, entry.iv, TADB_TAG_SIZE);
  }

  /** tee_tadb_ta_write() @returns a TEE_Result */
  *write(data: Uint8Array): Co<number> {
    const { files, fd } = this.#file;
    for (let at = 0; at < data.length; at += TADB_MAX_BUFFER_SIZE) {
      const encrypted = this.#aead.update(data.subarray(at, at + TADB_MAX_BUFFER_SIZE));
      const res = yield* files.write(fd, this.#pos, encrypted);
      if (res !== TEE_SUCCESS) return res;
      this.#pos += encrypted.length;
    }
    return TEE_SUCCESS;
  }

  /** tee_tadb_ta_close_and_commit() @returns a TEE_Result */
  *closeAndCommit(thread: ThreadCtx): Co<number> {
    this.#aead.tag(this.#entry.tag);
    yield* this.#file.files.close(this.#file.fd);
    const out = { replaced: undefined as Entry | undefined };
    const res = yield* this.#db.commit(thread, this.#entry, out);
    if (res !== TEE_SUCCESS) {
      // Upstream closes the file once more.
      yield* this.closeAndDelete(thread);
      return res;
    }
    yield* this.#put(thread);
    if (out.replaced !== undefined) {
      yield* this.#db.files(thread).remove(out.replaced.fileName);
    }
    return TEE_SUCCESS;
  }

  /** tee_tadb_ta_close_and_delete() */
  *closeAndDelete(thread: ThreadCtx): Co<void> {
    yield* this.#file.files.close(this.#file.fd);
    yield* this.#file.files.remove(this.#entry.fileName);
    yield* this.#db.release(thread, this.#entry);
    yield* this.#put(thread);
  }

  *#put(thread: ThreadCtx): Co<void> {
    yield* this.#db.put(thread);
    this.#db.services.heap.free(TA_WRITE_BYTES);
  }
}

/** A TA that is being read. */
export class TadbTaRead {
  readonly #db: Tadb;
  readonly #entry: Entry;
  readonly #file: OpenFile;

  constructor(db: Tadb, entry: Entry, file: OpenFile) {
    this.#db = db;
    this.#entry = entry;
    this.#file = file;
  }

  get version(): number {
    return this.#entry.version;
  }
  /** tee_tadb_get_tag() */
  get tag(): Uint8Array {
    return this.#entry.tag.slice();
  }

  /** tee_tadb_ta_read() to the end: the image, or a TEE_Result. */
  *image(thread: ThreadCtx): Co<Uint8Array | number> {
    const { crypto } = this.#db.services.nexus;
    const { key, iv, tag, customSize } = this.#entry;
    const stored = yield* this.#load(thread);
    if (typeof stored === 'number') return stored;
    const aead = crypto.aesGcm(false, key, iv, TADB_TAG_SIZE);
    const plain = aead.update(stored);
    return aead.verify(tag) ? plain.subarray(customSize) : TEE_ERROR_MAC_INVALID;
  }

  /** tee_tadb_ta_close() */
  *close(thread: ThreadCtx): Co<void> {
    yield* this.#file.files.close(this.#file.fd);
    yield* this.#db.put(thread);
    this.#db.services.heap.free(TA_READ_BYTES);
  }

  /** ta_load(): the whole file at once, in memory of its own. */
  *#load(thread: ThreadCtx): Co<Uint8Array | number> {
    const { nexus, rpc } = this.#db.services;
    const size = this.#entry.customSize + this.#entry.binSize;
    const type = OPTEE_RPC_SHM_TYPE_APPL;
    const mobj = yield* rpc.allocPayload(thread, size, type);
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    let res = yield* endOf(rpc.begin(thread, OPTEE_RPC_CMD_FS, 2));
    if (res === TEE_SUCCESS) {
      setValue(thread, 0, RPC_IN, OPTEE_RPC_FS_READ, this.#file.fd >>> 0, 0);
      setMemref(thread, 1, RPC_OUT, mobj, 0, size);
      res = yield* rpc.send(thread);
    }
    const bytes = new Uint8Array(size);
    if (res === TEE_SUCCESS) mobj.read(nexus.port, 0, bytes);
    yield* rpc.freePayload(thread, mobj, type);
    return res === TEE_SUCCESS ? bytes : res;
  }
}
