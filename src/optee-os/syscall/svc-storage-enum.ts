/**
 * Enumerators of persistent objects.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_storage.c (struct tee_storage_enum,
 * syscall_storage_*_enum()). Left out: checks of user memory, which are the door's.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { TaObjectInfo } from '../../ta/runtime.ts';
import { PersistentObject } from '../storage/storage-object.ts';
import type { StorableObject } from '../storage/storage-object.ts';
import type { TeeFileOperations, TeeFsDir } from '../storage/tee-fs.ts';
import type { SvcStorageOptions } from './svc-storage.ts';

/** sizeof(struct tee_storage_enum) on a 64-bit machine. */
const STORAGE_ENUM_BYTES = 32;

/** `struct tee_storage_enum` */
interface StorageEnum {
  /** Where it was started; undefined before and after a reset. */
  fops: TeeFileOperations | undefined;
  /** Undefined when it could not be started. */
  dir: TeeFsDir | undefined;
}

export class StorageEnums<O extends StorableObject> {
  readonly #options: SvcStorageOptions<O>;
  readonly #enums = new Map<number, StorageEnum>();

  constructor(options: SvcStorageOptions<O>) {
    this.#options = options;
  }

  /** Enumerators that exist; for leak reports. */
  get count(): number {
    return this.#enums.size;
  }

  /** syscall_storage_alloc_enum() */
  alloc(out: { handle: number }): number {
    const { host, objects } = this.#options;
    if (!host.heap.alloc(STORAGE_ENUM_BYTES, 'an enumerator')) return TEE_ERROR_OUT_OF_MEMORY;
    out.handle = objects.newHandle();
    this.#enums.set(out.handle, { fops: undefined, dir: undefined });
    return TEE_SUCCESS;
  }

  /** syscall_storage_free_enum() */
  free(handle: number): MaybeCo<number> {
    const e = this.#enums.get(handle);
    if (e === undefined) return TEE_ERROR_BAD_PARAMETERS;
    this.#enums.delete(handle);
    this.#options.host.heap.free(STORAGE_ENUM_BYTES);
    return this.#reset(e);
  }

  /** syscall_storage_reset_enum() */
  reset(handle: number): MaybeCo<number> {
    const e = this.#enums.get(handle);
    return e === undefined ? TEE_ERROR_BAD_PARAMETERS : this.#reset(e);
  }

  /** syscall_storage_start_enum() */
  *start(handle: number, storage: number): Co<number> {
    const e = this.#enums.get(handle);
    if (e === undefined) return TEE_ERROR_BAD_PARAMETERS;
    yield* this.#closeDir(e);
    const { host, fileOps, uuid } = this.#options;
    const fops = fileOps(storage);
    if (fops === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    e.fops = fops;
    const dir = yield* fops.openDir(host.thread(), uuid);
    if (typeof dir === 'number') return dir;
    e.dir = dir;
    return TEE_SUCCESS;
  }

  /** syscall_storage_next_enum() @param id room for TEE_OBJECT_ID_MAX_LEN bytes */
  *next(handle: number, info: TaObjectInfo, id: Uint8Array, size: { size: number }): Co<number> {
    const e = this.#enums.get(handle);
    if (e === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (e.fops === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    if (e.dir === undefined) return this.#notStarted(e.fops);
    const { host, uuid } = this.#options;
    const oid = yield* e.dir.read(host.thread());
    if (typeof oid === 'number') return oid;
    const po = yield* host.pobjs.get(host.thread(), uuid, oid, 0, 'enum', e.fops);
    if (typeof po === 'number') return po;
    const part = new PersistentObject(host, po, po.flags);
    const object = yield* part.readHead(this.#options.make);
    const usage = part.usage;
    yield* part.close();
    if (typeof object === 'number') return object;
    fillInfo(info, object, part, usage);
    id.set(oid);
    size.size = oid.length;
    return TEE_SUCCESS;
  }

  /** tee_svc_storage_close_all_enum() */
  *closeAll(): Co<void> {
    for (const handle of this.#enums.keys()) {
      const closing = this.free(handle);
      if (typeof closing !== 'number') yield* closing;
    }
  }

  #reset(e: StorageEnum): MaybeCo<number> {
    e.fops = undefined;
    return e.dir === undefined ? TEE_SUCCESS : this.#closed(e);
  }

  *#closed(e: StorageEnum): Co<number> {
    yield* this.#closeDir(e);
    return TEE_SUCCESS;
  }

  *#closeDir(e: StorageEnum): Co<void> {
    const { dir } = e;
    e.dir = undefined;
    if (dir !== undefined) yield* dir.close(this.#options.host.thread());
  }

  #notStarted({ readOfNoDir }: TeeFileOperations): number {
    const { switches, panic } = this.#options;
    if (!switches.quirkNextOfFailedEnumPanics) return TEE_ERROR_ITEM_NOT_FOUND;
    if (readOfNoDir !== undefined) return readOfNoDir;
    throw panic('ree_fs_readdir_rpc', 'data abort: the enumerator has no directory');
  }
}

function fillInfo(
  info: TaObjectInfo,
  object: StorableObject,
  part: PersistentObject,
  usage: number,
): void {
  info.objectType = object.type;
  info.keySize = object.keySize;
  info.maxKeySize = object.maxKeySize;
  info.objectUsage = usage;
  info.dataSize = part.dataSize >>> 0;
  info.dataPosition = 0;
  info.handleFlags = part.handleFlags;
}
