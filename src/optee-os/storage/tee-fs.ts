/**
 * What a file system of secure storage is to the objects in it, and what it needs of the core.
 *
 * Upstream counterpart: optee_os core/include/tee/tee_fs.h (struct tee_file_operations). A handle is
 * an object with methods here; buffers of a TA and of the core are the same thing.
 */
import { swapUuid, parseUuid } from '../../abi/uuid.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { HtreeCrypto } from './fs-htree-crypto.ts';
import type { RandomSource } from '../../sched/random.ts';
import type { Co } from '../../sched/task.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { TeeFsKeyManager } from './tee-fs-key-manager.ts';
import type { TeePobj } from './tee-pobj.ts';

/** The core's heap. */
export interface StorageHeap {
  /** Charges an allocation for `what`. @returns false, with a cause, when there is no room */
  alloc(bytes: number, what: string): boolean;
  free(bytes: number): void;
}

/** What the files of secure storage are made with. */
export interface StorageServices {
  readonly crypto: HostCrypto;
  readonly htree: HtreeCrypto;
  /** crypto_rng_read() */
  readonly random: RandomSource;
  readonly keys: TeeFsKeyManager;
  readonly heap: StorageHeap;
  /** CFG_REE_FS_HTREE_HASH_SIZE_COMPAT */
  readonly hashSizeCompat: boolean;
  /** OpteeOsSwitches.quirkTruncateKeepsHashes */
  readonly truncateKeepsHashes: boolean;
}

/** An open file (`struct tee_file_handle`). Functions return a TEE_Result. */
export interface TeeFile {
  /** Up to `out.length` bytes; `count.size` says how many there were. */
  read(thread: ThreadCtx, pos: number, out: Uint8Array, count: { size: number }): Co<number>;
  /** A gap between the end and `pos` becomes zeros. */
  write(thread: ThreadCtx, pos: number, data: Uint8Array): Co<number>;
  truncate(thread: ThreadCtx, length: number): Co<number>;
  close(thread: ThreadCtx): Co<void>;
}

/** An open directory (`struct tee_fs_dir`). */
export interface TeeFsDir {
  /** The next object id, or a TEE_Result; TEE_ERROR_ITEM_NOT_FOUND at the end. */
  read(thread: ThreadCtx): Co<Uint8Array | number>;
  close(thread: ThreadCtx): Co<void>;
}

/** struct tee_file_operations. A number that is returned is a TEE_Result. */
export interface TeeFileOperations {
  /** @param size bytes of the file, when it could be opened */
  open(thread: ThreadCtx, po: TeePobj, size: { size: number }): Co<TeeFile | number>;
  /** Makes the file, contents included, or nothing. */
  create(
    thread: ThreadCtx,
    po: TeePobj,
    overwrite: boolean,
    parts: readonly Uint8Array[],
  ): Co<TeeFile | number>;
  rename(thread: ThreadCtx, from: TeePobj, to: TeePobj, overwrite: boolean): Co<number>;
  remove(thread: ThreadCtx, po: TeePobj): Co<number>;
  openDir(thread: ThreadCtx, uuid: Uint8Array): Co<TeeFsDir | number>;
  /** What reading on in a directory that could not be opened answers; the core dies of it without. */
  readonly readOfNoDir?: number;
}

/** TEE_UUID as it lies in the core's memory, which is what keys are derived from. */
export function teeUuid(text: string): Uint8Array {
  return swapUuid(parseUuid(text));
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
