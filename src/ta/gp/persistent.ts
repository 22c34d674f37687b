/**
 * Persistent objects: specification chapters 5.7 to 5.9 (objects, their enumeration, their data
 * streams).
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_objects.c.
 */
import {
  TEE_DATA_MAX_POSITION,
  TEE_DATA_SEEK_CUR,
  TEE_DATA_SEEK_END,
  TEE_DATA_SEEK_SET,
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_ERROR_STORAGE_NO_SPACE,
  TEE_HANDLE_NULL,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { TaObjectInfo, TaStorageSyscalls } from '../runtime.ts';
import { TeeObjects, fillInfo, newInfo } from './objects.ts';
import { objectEnumHandle, objectHandle } from './types.ts';
import type {
  MaybePromise,
  Ref,
  TEE_Memref,
  TEE_ObjectEnumHandle,
  TEE_ObjectHandle,
  TEE_ObjectInfo,
} from './types.ts';

const NOTHING = new Uint8Array(0);

/* What each function may return; all else is a panic. */
const STORAGE = [TEE_ERROR_CORRUPT_OBJECT, TEE_ERROR_STORAGE_NOT_AVAILABLE];
const OPEN = [
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_OUT_OF_MEMORY,
  ...STORAGE,
];
const CREATE = [...OPEN, TEE_ERROR_STORAGE_NO_SPACE];
const RENAME = [TEE_ERROR_ACCESS_CONFLICT, ...STORAGE];
const ENUMERATE = [TEE_ERROR_ITEM_NOT_FOUND, ...STORAGE];
const TRUNCATE = [TEE_ERROR_STORAGE_NO_SPACE, ...STORAGE];
const WRITE = [TEE_ERROR_OVERFLOW, ...TRUNCATE];
const SEEK = [TEE_ERROR_OVERFLOW, ...STORAGE];

/** Where TEE_SeekObjectData counts from, by TEE_DATA_SEEK_*. */
const SEEK_BASE: ReadonlyMap<number, (info: TaObjectInfo) => number> = new Map([
  [TEE_DATA_SEEK_SET, () => 0],
  [TEE_DATA_SEEK_CUR, ({ dataPosition }: TaObjectInfo) => dataPosition],
  [TEE_DATA_SEEK_END, ({ dataSize }: TaObjectInfo) => dataSize],
]);

export class TeePersistentObjects extends TeeObjects {
  // --- objects
  /**
   * @param storageID TEE_STORAGE_PRIVATE* @param flags TEE_DATA_FLAG_*
   * @param object TEE_HANDLE_NULL when it fails
   */
  TEE_OpenPersistentObject(
    storageID: number,
    objectID: Uint8Array | null,
    flags: number,
    object: Ref<TEE_ObjectHandle>,
  ): MaybePromise<number> {
    return this.runtime.call(this.#open(storageID, objectID ?? NOTHING, flags, object));
  }

  /**
   * @param attributes an object whose attributes are copied, or TEE_HANDLE_NULL
   * @param initialData the first bytes of its data @param object null when no handle is wanted
   */
  TEE_CreatePersistentObject(
    storageID: number,
    objectID: Uint8Array | null,
    flags: number,
    attributes: TEE_ObjectHandle,
    initialData: Uint8Array | null,
    object: Ref<TEE_ObjectHandle> | null,
  ): MaybePromise<number> {
    const out = object === null ? undefined : { handle: 0 };
    const created = this.#storage.objCreate(
      storageID,
      objectID ?? NOTHING,
      flags,
      attributes,
      initialData ?? NOTHING,
      out,
    );
    return this.runtime.call(this.#opened('TEE_CreatePersistentObject', created, out, object));
  }

  /** Deprecated: no failure is told. */
  TEE_CloseAndDeletePersistentObject(object: TEE_ObjectHandle): MaybePromise<void> {
    if (object !== TEE_HANDLE_NULL) return this.runtime.call(this.#closeAndDelete(object));
  }

  /** @returns TEE_SUCCESS or TEE_ERROR_STORAGE_NOT_AVAILABLE; the handle is gone in any case */
  TEE_CloseAndDeletePersistentObject1(object: TEE_ObjectHandle): MaybePromise<number> {
    return object === TEE_HANDLE_NULL
      ? TEE_SUCCESS
      : this.runtime.call(this.#closeAndDelete1(object));
  }

  TEE_RenamePersistentObject(
    object: TEE_ObjectHandle,
    newObjectID: Uint8Array | null,
  ): MaybePromise<number> {
    const api = 'TEE_RenamePersistentObject';
    if (object === TEE_HANDLE_NULL) this.panic(TEE_ERROR_ITEM_NOT_FOUND, api, 'no object');
    return this.#call(api, this.#storage.objRename(object, newObjectID ?? NOTHING), RENAME);
  }

  // --- enumeration
  TEE_AllocatePersistentObjectEnumerator(objectEnumerator: Ref<TEE_ObjectEnumHandle>): number {
    const out = { handle: 0 };
    const result = this.#storage.enumAlloc(out);
    const handle = result === TEE_SUCCESS ? out.handle : TEE_HANDLE_NULL;
    objectEnumerator.value = objectEnumHandle(handle);
    const api = 'TEE_AllocatePersistentObjectEnumerator';
    return this.allow(api, result, [TEE_ERROR_ACCESS_CONFLICT]);
  }

  TEE_FreePersistentObjectEnumerator(objectEnumerator: TEE_ObjectEnumHandle): MaybePromise<void> {
    if (objectEnumerator === TEE_HANDLE_NULL) return;
    const ended = this.#storage.enumFree(objectEnumerator);
    return this.#ended('TEE_FreePersistentObjectEnumerator', ended);
  }

  TEE_ResetPersistentObjectEnumerator(objectEnumerator: TEE_ObjectEnumHandle): MaybePromise<void> {
    if (objectEnumerator === TEE_HANDLE_NULL) return;
    const ended = this.#storage.enumReset(objectEnumerator);
    return this.#ended('TEE_ResetPersistentObjectEnumerator', ended);
  }

  TEE_StartPersistentObjectEnumerator(
    objectEnumerator: TEE_ObjectEnumHandle,
    storageID: number,
  ): MaybePromise<number> {
    const started = this.#storage.enumStart(objectEnumerator, storageID);
    return this.#call('TEE_StartPersistentObjectEnumerator', started, ENUMERATE);
  }

  /**
   * @param objectInfo null when not wanted
   * @param objectID room for TEE_OBJECT_ID_MAX_LEN bytes, whatever its `size` says
   * @returns TEE_ERROR_ITEM_NOT_FOUND after the last one
   */
  TEE_GetNextPersistentObject(
    objectEnumerator: TEE_ObjectEnumHandle,
    objectInfo: TEE_ObjectInfo | null,
    objectID: TEE_Memref,
  ): MaybePromise<number> {
    const api = 'TEE_GetNextPersistentObject';
    const { buffer } = objectID;
    if (buffer === null) return this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'no room for the id');
    if (buffer.length < TEE_OBJECT_ID_MAX_LEN) {
      this.panic(TEE_ERROR_ACCESS_DENIED, api, `an id has up to ${TEE_OBJECT_ID_MAX_LEN} bytes`);
    }
    return this.runtime.call(this.#next(objectEnumerator, objectInfo, buffer, objectID));
  }

  // --- data streams
  /** @param count how many bytes there were */
  TEE_ReadObjectData(
    object: TEE_ObjectHandle,
    buffer: Uint8Array | null,
    count: Ref<number>,
  ): MaybePromise<number> {
    this.#given('TEE_ReadObjectData', object);
    return this.runtime.call(this.#read(object, buffer ?? NOTHING, count));
  }

  TEE_WriteObjectData(object: TEE_ObjectHandle, buffer: Uint8Array | null): MaybePromise<number> {
    const api = 'TEE_WriteObjectData';
    this.#given(api, object);
    const data = buffer ?? NOTHING;
    if (data.length > TEE_DATA_MAX_POSITION) return TEE_ERROR_OVERFLOW;
    return this.#call(api, this.#storage.objWrite(object, data), WRITE);
  }

  /** @param size bytes; what is new is zero */
  TEE_TruncateObjectData(object: TEE_ObjectHandle, size: number): MaybePromise<number> {
    const api = 'TEE_TruncateObjectData';
    this.#given(api, object);
    return this.#call(api, this.#storage.objTruncate(object, size), TRUNCATE);
  }

  /**
   * @param offset bytes, signed @param whence TEE_DATA_SEEK_*
   * @returns TEE_SUCCESS or TEE_ERROR_OVERFLOW, or what became of the object's storage
   */
  TEE_SeekObjectData(object: TEE_ObjectHandle, offset: number, whence: number): number {
    const api = 'TEE_SeekObjectData';
    this.#given(api, object);
    const info = newInfo();
    const found = this.syscalls.crypto.objGetInfo(object, info);
    if (found !== TEE_SUCCESS) return this.allow(api, found, SEEK);
    const base = SEEK_BASE.get(whence)?.(info);
    if (base === undefined) return this.panic(TEE_ERROR_ITEM_NOT_FOUND, api, `whence ${whence}`);
    if (offset > 0 && base + (offset >>> 0) > TEE_DATA_MAX_POSITION) return TEE_ERROR_OVERFLOW;
    // The system call has 32 bits for the offset.
    return this.allow(api, this.#storage.objSeek(object, offset | 0, whence), SEEK);
  }

  // --- with the core
  get #storage(): TaStorageSyscalls {
    return this.syscalls.storage;
  }

  #given(api: string, object: TEE_ObjectHandle): void {
    if (object === TEE_HANDLE_NULL) this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'no object');
  }

  #call(api: string, running: Co<number>, allowed: readonly number[]): MaybePromise<number> {
    return this.runtime.call(this.#allowed(api, running, allowed));
  }

  #ended(api: string, ended: MaybeCo<number>): MaybePromise<void> {
    if (typeof ended !== 'number') return this.runtime.call(this.#end(api, ended));
    this.allow(api, ended);
  }

  *#end(api: string, ending: Co<number>): Co<void> {
    this.allow(api, yield* ending);
  }

  *#allowed(api: string, running: Co<number>, allowed: readonly number[]): Co<number> {
    return this.allow(api, yield* running, allowed);
  }

  *#open(
    storageID: number,
    objectID: Uint8Array,
    flags: number,
    object: Ref<TEE_ObjectHandle>,
  ): Co<number> {
    const out = { handle: 0 };
    const result = yield* this.#storage.objOpen(storageID, objectID, flags, out);
    object.value = objectHandle(result === TEE_SUCCESS ? out.handle : TEE_HANDLE_NULL);
    return this.allow('TEE_OpenPersistentObject', result, OPEN);
  }

  *#opened(
    api: string,
    creating: Co<number>,
    out: { handle: number } | undefined,
    object: Ref<TEE_ObjectHandle> | null,
  ): Co<number> {
    const result = yield* creating;
    if (out !== undefined && object !== null) {
      object.value = objectHandle(result === TEE_SUCCESS ? out.handle : TEE_HANDLE_NULL);
    }
    return this.allow(api, result, CREATE);
  }

  *#closeAndDelete(object: TEE_ObjectHandle): Co<void> {
    const result = yield* this.#closeAndDelete1(object);
    if (result !== TEE_SUCCESS) {
      this.panic(0, 'TEE_CloseAndDeletePersistentObject', 'the storage is not available');
    }
  }

  *#closeAndDelete1(object: TEE_ObjectHandle): Co<number> {
    const result = yield* this.#storage.objDelete(object);
    const api = 'TEE_CloseAndDeletePersistentObject1';
    return this.allow(api, result, [TEE_ERROR_STORAGE_NOT_AVAILABLE]);
  }

  *#next(
    objectEnumerator: TEE_ObjectEnumHandle,
    objectInfo: TEE_ObjectInfo | null,
    buffer: Uint8Array,
    size: { size: number },
  ): Co<number> {
    const info = newInfo();
    const result = yield* this.#storage.enumNext(objectEnumerator, info, buffer, size);
    if (objectInfo !== null) fillInfo(objectInfo, info);
    return this.allow('TEE_GetNextPersistentObject', result, ENUMERATE);
  }

  *#read(object: TEE_ObjectHandle, buffer: Uint8Array, count: Ref<number>): Co<number> {
    const size = { size: count.value };
    const result = yield* this.#storage.objRead(object, buffer, size);
    count.value = size.size;
    return this.allow('TEE_ReadObjectData', result, STORAGE);
  }
}
