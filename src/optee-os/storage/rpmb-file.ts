/**
 * Files in RPMB, by name: found in the table, made, and written so that a power cut leaves the old
 * contents or the new. What is longer than a block, or makes the file longer, goes to a new place,
 * which counts when the file's entry is written.
 *
 * Upstream counterpart: optee_os core/tee/tee_rpmb_fs.c (read_fat(), rpmb_fs_open_internal(),
 * rpmb_fs_write_primitive() and what they call).
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_STORAGE_NO_SPACE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  FILE_IS_ACTIVE,
  FILE_IS_LAST_ENTRY,
  RPMB_BLOCK_SIZE_SHIFT,
  RPMB_STORAGE_START_ADDRESS,
  RpmbFatEntry,
  TEE_FS_KM_FEK_SIZE,
} from '../../abi/tee-fs.ts';
import type { Co } from '../../sched/task.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { BlockSeal } from './rpmb-crypt-block.ts';
import { FatEntry, RpmbFat } from './rpmb-fat.ts';
import type { RpmbCore } from './rpmb-link.ts';
import { TeeFsKeyManager } from './tee-fs-key-manager.ts';
import { TeeMmPool } from './tee-mm.ts';

const TMP_BLOCK_SIZE = 4096;
const MAX_U32 = 0xffff_ffff;
const INT32_MAX = 0x7fff_ffff;

/** `struct rpmb_file_handle` */
export interface RpmbFileHandle {
  readonly uuid: Uint8Array;
  filename: string;
  entry: FatEntry;
  /** Byte address of the entry; 0 while none is known. */
  fatAddress: number;
}

export const newHandle = (uuid: Uint8Array, filename: string): RpmbFileHandle => ({
  uuid,
  filename,
  entry: new FatEntry(),
  fatAddress: 0,
});

const sealOf = ({ uuid, entry }: RpmbFileHandle): BlockSeal => ({ uuid, fek: entry.fek });

/** A core that finds a file where none can be stops. */
export type RpmbPanic = (thread: ThreadCtx, fn: string, text: string) => Error;

/** Functions return a TEE_Result; the caller holds rpmb_mutex. */
export class RpmbFiles {
  readonly fat: RpmbFat;
  readonly #core: RpmbCore;
  readonly #keys: TeeFsKeyManager;
  readonly #panic: RpmbPanic;

  constructor(core: RpmbCore, panic: RpmbPanic) {
    this.fat = new RpmbFat(core);
    this.#core = core;
    this.#keys = new TeeFsKeyManager(core.crypto);
    this.#panic = panic;
  }

  /** rpmb_fs_open_internal() */
  *open(thread: ThreadCtx, fh: RpmbFileHandle, create: boolean): Co<number> {
    let res = yield* this.fat.setup(thread);
    if (res !== TEE_SUCCESS) return res;
    if (!create) return yield* this.find(thread, fh);
    const pool = this.#pool();
    if (pool === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    res = yield* this.find(thread, fh, pool);
    pool.final();
    if (res !== TEE_SUCCESS || fh.entry.isActive) return res;
    fh.entry = FatEntry.named(fh.filename, FILE_IS_ACTIVE);
    fh.entry.fek.set(this.#generateFek(fh.uuid));
    return yield* this.fat.write(thread, fh.entry, fh.fatAddress);
  }

  /** The part of rpmb_fs_read() under the mutex. @param count bytes that were read */
  *read(
    thread: ThreadCtx,
    fh: RpmbFileHandle,
    pos: number,
    out: Uint8Array,
    count: { size: number },
  ): Co<number> {
    const res = yield* this.find(thread, fh);
    if (res !== TEE_SUCCESS) return res;
    count.size = Math.max(0, Math.min(out.length, fh.entry.dataSize - pos));
    if (count.size === 0) return TEE_SUCCESS;
    const at = fh.entry.startAddress + pos;
    return yield* this.fat.device.read(thread, at, out.subarray(0, count.size), sealOf(fh));
  }

  /** rpmb_fs_write_primitive() */
  *write(thread: ThreadCtx, fh: RpmbFileHandle, pos: number, data: Uint8Array): Co<number> {
    if (data.length === 0) return TEE_SUCCESS;
    if (this.fat.parameters === undefined) return TEE_ERROR_GENERIC;
    const pool = this.#pool();
    if (pool === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    const res = yield* this.#write(thread, fh, pool, pos, data);
    pool.final();
    return res;
  }

  /** rpmb_fs_remove_internal(): the entry becomes free. */
  *remove(thread: ThreadCtx, fh: RpmbFileHandle): Co<number> {
    const res = yield* this.find(thread, fh);
    if (res !== TEE_SUCCESS) return res;
    fh.entry = new FatEntry();
    return yield* this.fat.write(thread, fh.entry, fh.fatAddress);
  }

  /** rpmb_fs_truncate() under the mutex: a file that becomes longer moves. */
  *truncate(thread: ThreadCtx, fh: RpmbFileHandle, length: number): Co<number> {
    if (length > INT32_MAX) return TEE_ERROR_BAD_PARAMETERS;
    let res = yield* this.find(thread, fh);
    if (res !== TEE_SUCCESS) return res;
    if (length > fh.entry.dataSize) res = yield* this.#extend(thread, fh, length);
    else fh.entry.setPlace(fh.entry.startAddress, length);
    return res === TEE_SUCCESS ? yield* this.fat.write(thread, fh.entry, fh.fatAddress) : res;
  }

  /**
   * read_fat(): the entry of the file's name.
   * @param pool to find room: filled with what is taken, and a free entry will do
   */
  *find(thread: ThreadCtx, fh: RpmbFileHandle, pool?: TeeMmPool): Co<number> {
    const res = yield* this.#find(thread, fh, pool);
    this.fat.end();
    return res;
  }

  /** rpmb_mem_stats(): undefined with a TEE_Result in `out` */
  *stats(thread: ThreadCtx, out: { res: number }): Co<TeeMmPool | undefined> {
    out.res = yield* this.fat.setup(thread);
    if (out.res !== TEE_SUCCESS) return undefined;
    const pool = this.#pool();
    out.res = pool === undefined ? TEE_ERROR_OUT_OF_MEMORY : yield* this.fat.begin(thread);
    const at = { entry: undefined as FatEntry | undefined, address: 0 };
    while (out.res === TEE_SUCCESS) {
      out.res = yield* this.fat.next(thread, at);
      if (out.res !== TEE_SUCCESS || at.entry === undefined) break;
      if (!isTaken(pool!, at.entry)) out.res = TEE_ERROR_GENERIC;
    }
    this.fat.end();
    pool?.final();
    return out.res === TEE_SUCCESS ? pool : undefined;
  }

  *#find(thread: ThreadCtx, fh: RpmbFileHandle, pool: TeeMmPool | undefined): Co<number> {
    let res = yield* this.fat.begin(thread);
    if (res !== TEE_SUCCESS) return res;
    if (!this.#core.switches.quirkRpmbStaleEntryFound) fh.fatAddress = 0;
    const at = { entry: undefined as FatEntry | undefined, address: 0 };
    let last = 0;
    let isFound = false;
    let expand = false;
    for (;;) {
      res = yield* this.fat.next(thread, at);
      if (res !== TEE_SUCCESS) return res;
      const { entry, address } = at;
      if (entry === undefined) break;
      last = address;
      if (!isFound && entry.isActive && entry.filename === fh.filename) {
        isFound = true;
        [fh.entry, fh.fatAddress] = [entry.copy(), address];
        if (pool === undefined) break;
      }
      if (pool === undefined) continue;
      if (!isTaken(pool, entry)) return TEE_ERROR_OUT_OF_MEMORY;
      if (!entry.isActive && fh.fatAddress === 0) {
        [fh.entry, fh.fatAddress] = [entry.copy(), address];
      }
      // The file takes the last entry, so that there must be another.
      expand ||= entry.isLast && fh.fatAddress === address;
    }
    if (pool !== undefined) res = yield* this.#takeTable(thread, pool, last, expand);
    if (res !== TEE_SUCCESS) return res;
    return fh.fatAddress === 0 ? TEE_ERROR_ITEM_NOT_FOUND : TEE_SUCCESS;
  }

  /** The table itself takes room, and one entry more when it grows. @param last entry's address */
  *#takeTable(thread: ThreadCtx, pool: TeeMmPool, last: number, expand: boolean): Co<number> {
    const next = last + RpmbFatEntry.byteLength;
    const end = expand ? next + RpmbFatEntry.byteLength : next;
    if (!pool.take(RPMB_STORAGE_START_ADDRESS, end)) return TEE_ERROR_OUT_OF_MEMORY;
    if (!expand) return TEE_SUCCESS;
    return yield* this.fat.write(thread, FatEntry.named('', FILE_IS_LAST_ENTRY), next);
  }

  *#write(
    thread: ThreadCtx,
    fh: RpmbFileHandle,
    pool: TeeMmPool,
    pos: number,
    data: Uint8Array,
  ): Co<number> {
    const res = yield* this.find(thread, fh, pool);
    if (res !== TEE_SUCCESS) return res;
    const { entry } = fh;
    const { device } = this.fat;
    if (entry.isLast) throw this.#panic(thread, 'rpmb_fs_write_primitive', LAST_ENTRY);
    const at = entry.startAddress + pos;
    const end = pos + data.length;
    if (at > MAX_U32) return TEE_ERROR_BAD_PARAMETERS;
    if (end <= entry.dataSize && device.isAtomic(at, data.length)) {
      device.link.debug(thread, 'rpmb_fs_write_primitive', 'Updating data in-place');
      return yield* device.write(thread, at, data, sealOf(fh));
    }
    device.link.debug(thread, 'rpmb_fs_write_primitive', 'Need to re-allocate');
    const size = Math.max(end, entry.dataSize);
    const place = pool.alloc(size);
    if (place === undefined) return this.#noSpace(pool, size);
    const copied = yield* this.#copy(thread, fh, place, size, pos, data);
    if (copied !== TEE_SUCCESS) return copied;
    entry.setPlace(place, size);
    return yield* this.fat.write(thread, entry, fh.fatAddress);
  }

  /** update_write_helper(): the old contents with `data` over them; a gap becomes zeros. */
  *#copy(
    thread: ThreadCtx,
    fh: RpmbFileHandle,
    place: number,
    size: number,
    pos: number,
    data: Uint8Array,
  ): Co<number> {
    const { device } = this.fat;
    const { startAddress, dataSize } = fh.entry;
    for (let at = 0; at < size; at += TMP_BLOCK_SIZE) {
      const block = new Uint8Array(Math.min(TMP_BLOCK_SIZE, size - at));
      let res = TEE_SUCCESS;
      if (at < dataSize) {
        const old = block.subarray(0, Math.min(block.length, dataSize - at));
        res = yield* device.read(thread, startAddress + at, old, sealOf(fh));
        if (res !== TEE_SUCCESS) return res;
      }
      const from = Math.max(at, pos);
      const to = Math.min(at + block.length, pos + data.length);
      if (from < to) block.set(data.subarray(from - pos, to - pos), from - at);
      res = yield* device.write(thread, place + at, block, sealOf(fh));
      if (res !== TEE_SUCCESS) return res;
    }
    return TEE_SUCCESS;
  }

  *#extend(thread: ThreadCtx, fh: RpmbFileHandle, length: number): Co<number> {
    const pool = this.#pool();
    if (pool === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    const res = yield* this.#moveTo(thread, fh, pool, length);
    pool.final();
    return res;
  }

  /** Where there is no room, upstream speaks of memory. */
  *#moveTo(thread: ThreadCtx, fh: RpmbFileHandle, pool: TeeMmPool, length: number): Co<number> {
    let res = yield* this.find(thread, fh, pool);
    if (res !== TEE_SUCCESS) return res;
    const { heap } = this.#core;
    const place = pool.alloc(length);
    if (place === undefined) this.#noSpace(pool, length);
    if (place === undefined || !heap.alloc(length, 'a file')) return TEE_ERROR_OUT_OF_MEMORY;
    const contents = new Uint8Array(length);
    const { startAddress, dataSize } = fh.entry;
    const { device } = this.fat;
    if (dataSize > 0) {
      const old = contents.subarray(0, dataSize);
      res = yield* device.read(thread, startAddress, old, sealOf(fh));
    }
    if (res === TEE_SUCCESS) res = yield* device.write(thread, place, contents, sealOf(fh));
    heap.free(length);
    if (res === TEE_SUCCESS) fh.entry.setPlace(place, length);
    return res;
  }

  #pool(): TeeMmPool | undefined {
    const { maxRpmbAddress } = this.fat.parameters!;
    return TeeMmPool.init(this.#core.heap, maxRpmbAddress, RPMB_BLOCK_SIZE_SHIFT);
  }

  /** generate_fek(): all zeros would stand for no encryption. */
  #generateFek(uuid: Uint8Array): Uint8Array {
    const plain = new Uint8Array(TEE_FS_KM_FEK_SIZE);
    for (;;) {
      this.#core.random.fill(plain);
      const fek = this.#keys.fekCrypt(uuid, true, plain);
      if (fek.some((byte) => byte !== 0)) return fek;
    }
  }

  #noSpace(pool: TeeMmPool, requested: number): number {
    this.#core.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_STORAGE_NO_SPACE',
      text: 'no room in the RPMB device: a file that is written needs a place beside its old one',
      object: 'RPMB device',
      requested,
      available: pool.size - pool.allocated,
      limit: `${pool.size} bytes for files and their table`,
      hint: 'remove objects, or take a device with a larger partition',
    });
    return TEE_ERROR_STORAGE_NO_SPACE;
  }
}

const LAST_ENTRY = 'invalid last entry flag';

/** Whether the file's place could be taken; an empty one has none. */
const isTaken = (pool: TeeMmPool, entry: FatEntry): boolean =>
  !entry.isActive || entry.dataSize === 0 || pool.take(entry.startAddress, entry.dataSize);
