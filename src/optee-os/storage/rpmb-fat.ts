/**
 * The table of files in RPMB: partition data in the first block, then an entry of one block for each
 * file, of which the last is marked and unused. An entry is one block, so that writing it is atomic.
 *
 * Upstream counterpart: optee_os core/tee/tee_rpmb_fs.c (rpmb_fs_setup(), fat_entry_dir_*(),
 * write_fat_entry()). Left out: dump_fat().
 */
import {
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { RPMB_DATA_SIZE } from '../../abi/optee-rpc.ts';
import {
  FILE_IS_ACTIVE,
  FILE_IS_LAST_ENTRY,
  FS_VERSION,
  RPMB_BLOCK_SIZE_SHIFT,
  RPMB_FS_FAT_START_ADDRESS,
  RPMB_FS_MAGIC,
  RPMB_STORAGE_START_ADDRESS,
  RpmbFatEntry,
  RpmbFsPartition,
} from '../../abi/tee-fs.ts';
import type { Co } from '../../sched/task.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { RpmbDevice } from './rpmb-device.ts';
import { viewOf } from './rpmb-frames.ts';
import type { RpmbCore } from './rpmb-link.ts';
import type { StorageHeap } from './tee-fs.ts';

/** `struct rpmb_fat_entry`: its fields, in the bytes that lie in the device. */
export class FatEntry {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** @param bytes RpmbFatEntry.byteLength of them */
  constructor(bytes = new Uint8Array(RpmbFatEntry.byteLength)) {
    this.bytes = bytes;
    this.#view = viewOf(bytes);
  }

  /** @param name in Latin-1 */
  static named(name: string, flags: number): FatEntry {
    const entry = new FatEntry();
    entry.filename = name;
    RpmbFatEntry.flags.set(entry.#view, 0, flags);
    return entry;
  }

  copy(): FatEntry {
    return new FatEntry(this.bytes.slice());
  }

  get isActive(): boolean {
    return (RpmbFatEntry.flags.get(this.#view, 0) & FILE_IS_ACTIVE) !== 0;
  }
  get isLast(): boolean {
    return (RpmbFatEntry.flags.get(this.#view, 0) & FILE_IS_LAST_ENTRY) !== 0;
  }
  get startAddress(): number {
    return RpmbFatEntry.startAddress.get(this.#view, 0);
  }
  get dataSize(): number {
    return RpmbFatEntry.dataSize.get(this.#view, 0);
  }
  get fek(): Uint8Array {
    return RpmbFatEntry.fek.bytes(this.#view, 0);
  }

  setPlace(startAddress: number, dataSize: number): void {
    RpmbFatEntry.startAddress.set(this.#view, 0, startAddress);
    RpmbFatEntry.dataSize.set(this.#view, 0, dataSize);
  }

  get filename(): string {
    const field = RpmbFatEntry.filename.bytes(this.#view, 0);
    const end = field.indexOf(0);
    return String.fromCharCode(...field.subarray(0, end < 0 ? field.length : end));
  }
  set filename(name: string) {
    const field = RpmbFatEntry.filename.bytes(this.#view, 0);
    field.fill(0);
    field.set(Uint8Array.from(name, (c) => c.charCodeAt(0)));
  }
}

/** `struct rpmb_fs_parameters`. Byte addresses. */
export interface FsParameters {
  readonly fatStartAddress: number;
  readonly maxRpmbAddress: number;
}

/** `struct rpmb_fat_entry_dir`: a walk over the table, and what is kept of it in memory. */
interface FatDir {
  readonly entries: FatEntry[];
  /** Of the next entry in `entries`. */
  idxCurr: number;
  /** Entries that the walk has come to. */
  numTotalRead: number;
  lastReached: boolean;
}

/** sizeof(struct rpmb_fat_entry_dir) on a 64-bit machine. */
const FAT_DIR_BYTES = 24;
const ENTRY_BYTES = RpmbFatEntry.byteLength;

/** Functions return a TEE_Result; the caller holds rpmb_mutex. */
export class RpmbFat {
  readonly device: RpmbDevice;
  readonly #core: RpmbCore;
  readonly #heap: StorageHeap;
  readonly #rdEntries: number;
  readonly #cacheEntries: number;
  #par: FsParameters | undefined;
  #dir: FatDir | undefined;
  /** `rpmb_fs_reset` */
  #reset: boolean;

  constructor(core: RpmbCore) {
    this.device = new RpmbDevice(core);
    this.#core = core;
    this.#heap = core.heap;
    this.#rdEntries = core.config.CFG_RPMB_FS_RD_ENTRIES;
    this.#cacheEntries = core.config.CFG_RPMB_FS_CACHE_ENTRIES;
    this.#reset = core.config.CFG_RPMB_RESET_FAT;
  }

  /** `fs_par`, once the file system is set up. */
  get parameters(): FsParameters | undefined {
    return this.#par;
  }

  /** rpmb_fs_request_reset(): the next set-up clears the storage. */
  requestReset(): void {
    this.#reset = true;
    this.#par = undefined;
    this.#freeDir();
  }

  /** rpmb_fs_setup() */
  *setup(thread: ThreadCtx): Co<number> {
    if (this.#par !== undefined) return TEE_SUCCESS;
    const max = { blkIdx: 0 };
    let res = yield* this.device.maxBlock(thread, max);
    if (res !== TEE_SUCCESS) return res;
    const block = new Uint8Array(RPMB_DATA_SIZE);
    res = yield* this.#syncPartition(thread, block);
    if (res !== TEE_SUCCESS) return res;
    const view = viewOf(block);
    const isOurs = RpmbFsPartition.rpmbFsMagic.get(view, 0) === RPMB_FS_MAGIC;
    if (isOurs && !this.#reset) res = this.#checkVersion(thread, view);
    else res = yield* this.#clear(thread, view);
    if (res !== TEE_SUCCESS) return res;
    this.#par = {
      fatStartAddress: RpmbFsPartition.fatStartAddress.get(view, 0),
      maxRpmbAddress: max.blkIdx * 2 ** RPMB_BLOCK_SIZE_SHIFT,
    };
    this.#reset = false;
    return TEE_SUCCESS;
  }

  /** write_fat_entry() */
  *write(thread: ThreadCtx, entry: FatEntry, address: number): Co<number> {
    // The partition data are protected.
    if (address < RpmbFsPartition.byteLength) return TEE_ERROR_ACCESS_CONFLICT;
    if (address % ENTRY_BYTES !== 0) return TEE_ERROR_BAD_PARAMETERS;
    const res = yield* this.device.write(thread, address, entry.bytes);
    if (res === TEE_SUCCESS) this.#updateCache(entry, address);
    return res;
  }

  /** fat_entry_dir_init(): to the first entry. */
  *begin(thread: ThreadCtx): Co<number> {
    if (this.#dir !== undefined) return TEE_SUCCESS;
    const res = yield* this.setup(thread);
    if (res !== TEE_SUCCESS) return res;
    const cached = this.#cacheEntries;
    const count = cached === 0 ? this.#rdEntries : Math.min(cached, this.#rdEntries);
    if (!this.#heap.alloc(FAT_DIR_BYTES, 'the RPMB file table')) return TEE_ERROR_OUT_OF_MEMORY;
    this.#dir = { entries: [], idxCurr: 0, numTotalRead: 0, lastReached: false };
    const read = yield* this.#read(thread, this.#par!.fatStartAddress, 0, count);
    if (read !== TEE_SUCCESS) this.#freeDir();
    return read;
  }

  /**
   * fat_entry_dir_get_next()
   * @param out the entry, undefined after the last, and its address
   */
  *next(thread: ThreadCtx, out: { entry: FatEntry | undefined; address: number }): Co<number> {
    const dir = this.#dir!;
    out.entry = undefined;
    if (dir.lastReached) return TEE_SUCCESS;
    const address = RPMB_FS_FAT_START_ADDRESS + dir.numTotalRead * ENTRY_BYTES;
    if (dir.idxCurr >= dir.entries.length) {
      const res = yield* this.#readOn(thread, dir, address);
      if (res !== TEE_SUCCESS) return res;
    }
    const entry = dir.entries[dir.idxCurr]!;
    dir.idxCurr += 1;
    dir.numTotalRead += 1;
    dir.lastReached = entry.isLast;
    out.entry = entry;
    out.address = address;
    return TEE_SUCCESS;
  }

  /** fat_entry_dir_deinit(): the walk is over; the cache stays. */
  end(): void {
    const dir = this.#dir;
    if (dir === undefined) return;
    if (this.#cacheEntries === 0) {
      this.#freeDir();
      return;
    }
    dir.idxCurr = 0;
    dir.numTotalRead = 0;
    dir.lastReached = false;
    const extra = dir.entries.splice(this.#cacheEntries);
    if (extra.length > 0) this.#recharge(dir.entries.length + extra.length, dir.entries.length);
  }

  // --- set-up
  /**
   * Reads the first block, writes it as it is and reads it again. The write makes use of the counter,
   * so that a write which somebody has held back can come late no more.
   */
  *#syncPartition(thread: ThreadCtx, block: Uint8Array): Co<number> {
    const at = RPMB_STORAGE_START_ADDRESS;
    let res = yield* this.device.read(thread, at, block);
    if (res !== TEE_SUCCESS) return res;
    res = yield* this.device.write(thread, at, block);
    if (res !== TEE_SUCCESS) return res;
    return yield* this.device.read(thread, at, block.subarray(0, RpmbFsPartition.byteLength));
  }

  #checkVersion(thread: ThreadCtx, view: DataView): number {
    const version = RpmbFsPartition.fsVersion.get(view, 0);
    if (version === FS_VERSION) return TEE_SUCCESS;
    this.#core.log.emsg(thread, 'rpmb_fs_setup', 'Wrong software is in use.');
    this.#core.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_ACCESS_DENIED',
      text: `the RPMB file system has version ${version}, this core knows ${FS_VERSION}`,
      object: 'RPMB device',
      hint: 'boot once with CFG_RPMB_RESET_FAT=y; what is stored there is lost',
    });
    return TEE_ERROR_ACCESS_DENIED;
  }

  /** Partition data are written last: without them the next boot begins again. */
  *#clear(thread: ThreadCtx, view: DataView): Co<number> {
    this.#core.log.emsg(thread, 'rpmb_fs_setup', '**** Clearing Storage ****');
    RpmbFsPartition.rpmbFsMagic.set(view, 0, RPMB_FS_MAGIC);
    RpmbFsPartition.fsVersion.set(view, 0, FS_VERSION);
    RpmbFsPartition.fatStartAddress.set(view, 0, RPMB_FS_FAT_START_ADDRESS);
    const last = FatEntry.named('', FILE_IS_LAST_ENTRY);
    const res = yield* this.write(thread, last, RPMB_FS_FAT_START_ADDRESS);
    if (res !== TEE_SUCCESS) return res;
    const partition = new Uint8Array(view.buffer, view.byteOffset, RpmbFsPartition.byteLength);
    return yield* this.device.write(thread, RPMB_STORAGE_START_ADDRESS, partition);
  }

  // --- the walk
  /** Entries behind those that are buffered: the cache grows first, then its tail is reused. */
  *#readOn(thread: ThreadCtx, dir: FatDir, address: number): Co<number> {
    const cached = this.#cacheEntries;
    const mostBuffered = cached + this.#rdEntries;
    if (cached > 0 && dir.numTotalRead < mostBuffered) {
      const count = Math.min(mostBuffered - dir.numTotalRead, this.#rdEntries);
      return yield* this.#read(thread, address, dir.numTotalRead, count);
    }
    dir.idxCurr = cached;
    return yield* this.#read(thread, address, cached, this.#rdEntries);
  }

  /** Reads entries into the buffer from its `at`th on. */
  *#read(thread: ThreadCtx, address: number, at: number, count: number): Co<number> {
    const { entries } = this.#dir!;
    const before = entries.length;
    const after = Math.max(before, at + count);
    if (!this.#recharge(before, after)) return TEE_ERROR_OUT_OF_MEMORY;
    const bytes = new Uint8Array(count * ENTRY_BYTES);
    const res = yield* this.device.read(thread, address, bytes);
    if (res !== TEE_SUCCESS) {
      this.#recharge(after, before);
      return res;
    }
    for (let n = 0; n < count; n++) {
      const from = n * ENTRY_BYTES;
      entries[at + n] = new FatEntry(bytes.subarray(from, from + ENTRY_BYTES));
    }
    return TEE_SUCCESS;
  }

  /** fat_entry_dir_update() */
  #updateCache(entry: FatEntry, address: number): void {
    const idx = (address - RPMB_FS_FAT_START_ADDRESS) / ENTRY_BYTES;
    const entries = this.#dir?.entries;
    if (entries === undefined || idx >= Math.min(entries.length, this.#cacheEntries)) return;
    entries[idx] = entry.copy();
  }

  /** fat_entry_dir_free() */
  #freeDir(): void {
    if (this.#dir === undefined) return;
    this.#recharge(this.#dir.entries.length, 0);
    this.#heap.free(FAT_DIR_BYTES);
    this.#dir = undefined;
  }

  /** realloc() of the buffer, to another number of entries. */
  #recharge(from: number, to: number): boolean {
    if (from > 0) this.#heap.free(from * ENTRY_BYTES);
    if (to === 0 || this.#heap.alloc(to * ENTRY_BYTES, 'the RPMB file table')) return true;
    if (from > 0) this.#heap.alloc(from * ENTRY_BYTES, 'the RPMB file table');
    return false;
  }
}
