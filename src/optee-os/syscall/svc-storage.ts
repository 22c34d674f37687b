/**
 * The system calls on persistent objects.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_storage.c. Left out: checks of user memory, which
 * are the door's; TEE_ERROR_OVERFLOW, which positions and lengths of 64 bits do not reach.
 */
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_DATA_FLAG_SHARE_READ,
  TEE_DATA_FLAG_SHARE_WRITE,
  TEE_DATA_MAX_POSITION,
  TEE_DATA_SEEK_CUR,
  TEE_DATA_SEEK_END,
  TEE_DATA_SEEK_SET,
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_BAD_FORMAT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NO_DATA,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_SUCCESS,
  TEE_TYPE_DATA,
} from '../../abi/gp.ts';
import { TeeSvcStorageHead } from '../../abi/tee-fs.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { TaObjectInfo, TaStorageSyscalls } from '../../ta/runtime.ts';
import type { CoreLog } from '../kernel/trace.ts';
import { PersistentObject } from '../storage/storage-object.ts';
import type { MakeObject, ObjectHost, StorableObject } from '../storage/storage-object.ts';
import type { TeeFileOperations } from '../storage/tee-fs.ts';
import type { TeePobj } from '../storage/tee-pobj.ts';
import type { OpteeOsSwitches } from '../switches.ts';
import { StorageEnums } from './svc-storage-enum.ts';

/** The objects of a TA, as far as storage uses them (`ObjectTable`). */
export interface StorageObjects<O> {
  add(object: O, out: { handle: number }): number;
  get(handle: number): O | undefined;
  close(handle: number): MaybeCo<void>;
  newHandle(): number;
}

export interface SvcStorageOptions<O extends StorableObject> {
  readonly host: ObjectHost;
  readonly objects: StorageObjects<O>;
  readonly make: MakeObject<O>;
  /** TEE_UUID of the TA as it lies in memory. */
  readonly uuid: Uint8Array;
  /** tee_svc_storage_file_ops(): by TEE_STORAGE_PRIVATE*. */
  readonly fileOps: (storage: number) => TeeFileOperations | undefined;
  /** TA_FLAG_DONT_CLOSE_HANDLE_ON_CORRUPT_OBJECT */
  readonly keepsCorruptHandles: () => boolean;
  readonly log: CoreLog;
  readonly switches: OpteeOsSwitches;
  /** What to throw when the core panics. */
  readonly panic: (fn: string, text: string) => Error;
}

const OPEN_FLAGS =
  TEE_DATA_FLAG_ACCESS_READ |
  TEE_DATA_FLAG_ACCESS_WRITE |
  TEE_DATA_FLAG_ACCESS_WRITE_META |
  TEE_DATA_FLAG_SHARE_READ |
  TEE_DATA_FLAG_SHARE_WRITE;
const CREATE_FLAGS = OPEN_FLAGS | TEE_DATA_FLAG_OVERWRITE;

/** The operation of a handle whose object is corrupt. */
type Handled = { readonly handle: number; readonly part: PersistentObject };

export class SvcStorage<O extends StorableObject> implements TaStorageSyscalls {
  readonly #options: SvcStorageOptions<O>;
  readonly #enums: StorageEnums<O>;

  constructor(options: SvcStorageOptions<O>) {
    this.#options = options;
    this.#enums = new StorageEnums(options);
  }

  /** The context ends; its objects are the table's to close. */
  closeEnums(): Co<void> {
    return this.#enums.closeAll();
  }

  // --- objects
  /** syscall_storage_obj_open() */
  *objOpen(
    storage: number,
    objectId: Uint8Array,
    flags: number,
    out: { handle: number },
  ): Co<number> {
    if ((flags & ~OPEN_FLAGS) !== 0) return TEE_ERROR_BAD_PARAMETERS;
    const { host, fileOps, uuid, make, objects } = this.#options;
    const fops = fileOps(storage);
    if (fops === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    if (objectId.length > TEE_OBJECT_ID_MAX_LEN) return TEE_ERROR_BAD_PARAMETERS;
    const po = yield* host.pobjs.get(host.thread(), uuid, objectId, flags, 'open', fops);
    if (typeof po === 'number') return po;
    const part = new PersistentObject(host, po, flags);
    const object = yield* part.readHead(make);
    if (typeof object === 'number') return yield* this.#openFailed(part, object);
    object.persistent = part;
    const res = objects.add(object, out);
    if (res !== TEE_SUCCESS) yield* part.close();
    return res;
  }

  /** syscall_storage_obj_create() */
  *objCreate(
    storage: number,
    objectId: Uint8Array,
    flags: number,
    attributes: number,
    data: Uint8Array,
    out: { handle: number } | undefined,
  ): Co<number> {
    if ((flags & ~CREATE_FLAGS) !== 0) return TEE_ERROR_BAD_PARAMETERS;
    const { host, fileOps, uuid } = this.#options;
    const fops = fileOps(storage);
    if (fops === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    if (objectId.length > TEE_OBJECT_ID_MAX_LEN) return TEE_ERROR_BAD_PARAMETERS;
    const po = yield* host.pobjs.get(host.thread(), uuid, objectId, flags, 'create', fops);
    if (typeof po === 'number') return po;
    const from = this.#attributesOf(attributes);
    if (typeof from === 'number') return yield* this.#createFailed(po, from);
    const part = new PersistentObject(host, po, flags);
    if (out === undefined && from !== undefined && from.persistent === undefined) {
      return yield* this.#makePersistent(part, from, data);
    }
    return yield* this.#createObject(part, from, data, out);
  }

  /** syscall_storage_obj_del() */
  *objDelete(handle: number): Co<number> {
    const part = this.#part(handle);
    if (typeof part === 'number') return part;
    const flags = part?.handleFlags ?? 0;
    if (part === undefined || (flags & TEE_DATA_FLAG_ACCESS_WRITE_META) === 0) {
      return TEE_ERROR_ACCESS_CONFLICT;
    }
    const res = yield* part.po.fops.remove(this.#options.host.thread(), part.po);
    yield* this.#close(handle);
    return res;
  }

  /** syscall_storage_obj_rename() */
  *objRename(handle: number, objectId: Uint8Array): Co<number> {
    if (objectId.length > TEE_OBJECT_ID_MAX_LEN) return TEE_ERROR_BAD_PARAMETERS;
    const part = this.#part(handle);
    if (typeof part === 'number') return part;
    const flags = part?.handleFlags ?? 0;
    if (part === undefined || (flags & TEE_DATA_FLAG_ACCESS_WRITE_META) === 0) {
      return TEE_ERROR_BAD_STATE;
    }
    const { host, uuid } = this.#options;
    const { pobjs } = host;
    const thread = host.thread();
    const { fops } = part.po;
    const meta = TEE_DATA_FLAG_ACCESS_WRITE_META;
    const reserved = yield* pobjs.get(thread, uuid, objectId, meta, 'rename', fops);
    if (typeof reserved === 'number') return reserved;
    let res = yield* fops.rename(thread, part.po, reserved, false);
    if (res === TEE_SUCCESS) res = yield* pobjs.rename(thread, part.po, reserved.objId);
    yield* pobjs.release(thread, reserved);
    return res;
  }

  // --- data
  /** syscall_storage_obj_read() */
  *objRead(handle: number, out: Uint8Array, count: { size: number }): Co<number> {
    const part = this.#open(handle, TEE_DATA_FLAG_ACCESS_READ);
    if (typeof part === 'number') return part;
    const pos = part.dsPos + part.dataPosition;
    const res = yield* part.file!.read(this.#options.host.thread(), pos, out, count);
    if (res !== TEE_SUCCESS) return yield* this.#used({ handle, part }, res);
    part.dataPosition += count.size;
    return TEE_SUCCESS;
  }

  /** syscall_storage_obj_write() */
  *objWrite(handle: number, data: Uint8Array): Co<number> {
    const part = this.#open(handle, TEE_DATA_FLAG_ACCESS_WRITE);
    if (typeof part === 'number') return part;
    const pos = part.dsPos + part.dataPosition;
    const res = yield* part.file!.write(this.#options.host.thread(), pos, data);
    if (res !== TEE_SUCCESS) return yield* this.#used({ handle, part }, res);
    part.dataPosition += data.length;
    part.dataSize = Math.max(part.dataSize, part.dataPosition);
    return TEE_SUCCESS;
  }

  /** syscall_storage_obj_trunc(): the position stays where it is. */
  *objTruncate(handle: number, length: number): Co<number> {
    const part = this.#open(handle, TEE_DATA_FLAG_ACCESS_WRITE);
    if (typeof part === 'number') return part;
    const attributes = this.#options.objects.get(handle)!.attributesToBinary();
    const size = TeeSvcStorageHead.byteLength + attributes.length + length;
    const res = yield* part.file!.truncate(this.#options.host.thread(), size);
    if (res === TEE_ERROR_CORRUPT_OBJECT) return yield* this.#used({ handle, part }, res);
    if (res !== TEE_SUCCESS) return TEE_ERROR_GENERIC;
    part.dataSize = length;
    return TEE_SUCCESS;
  }

  /** syscall_storage_obj_seek() */
  objSeek(handle: number, offset: number, whence: number): number {
    const part = this.#part(handle);
    if (typeof part === 'number') return part;
    if (part === undefined) return TEE_ERROR_BAD_STATE;
    const bases = new Map([
      [TEE_DATA_SEEK_SET, 0],
      [TEE_DATA_SEEK_CUR, part.dataPosition],
      [TEE_DATA_SEEK_END, part.dataSize],
    ]);
    const base = bases.get(whence);
    if (base === undefined) return TEE_ERROR_BAD_PARAMETERS;
    const position = Math.max(0, base + offset);
    if (position > TEE_DATA_MAX_POSITION) {
      const text = 'Position is beyond TEE_DATA_MAX_POSITION';
      this.#emsg('syscall_storage_obj_seek', text);
      return TEE_ERROR_BAD_PARAMETERS;
    }
    part.dataPosition = position;
    return TEE_SUCCESS;
  }

  // --- enumerators
  enumAlloc(out: { handle: number }): number {
    return this.#enums.alloc(out);
  }

  enumFree(handle: number): MaybeCo<number> {
    return this.#enums.free(handle);
  }

  enumReset(handle: number): MaybeCo<number> {
    return this.#enums.reset(handle);
  }

  enumStart(handle: number, storage: number): Co<number> {
    return this.#enums.start(handle, storage);
  }

  enumNext(handle: number, info: TaObjectInfo, id: Uint8Array, size: { size: number }): Co<number> {
    return this.#enums.next(handle, info, id, size);
  }

  // --- handles
  /** The file of a handle; undefined for a transient object, a TEE_Result for no object at all. */
  #part(handle: number): PersistentObject | undefined | number {
    const object = this.#options.objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    return object.persistent instanceof PersistentObject ? object.persistent : undefined;
  }

  /** The same, which must have been opened with a right. */
  #open(handle: number, right: number): PersistentObject | number {
    const part = this.#part(handle);
    if (part === undefined) return TEE_ERROR_BAD_STATE;
    if (typeof part === 'number') return part;
    return (part.handleFlags & right) === 0 ? TEE_ERROR_ACCESS_CONFLICT : part;
  }

  /** The object that lends its attributes; undefined for none. @returns else a TEE_Result */
  #attributesOf(handle: number): O | undefined | number {
    if (handle === 0) return undefined;
    const object = this.#options.objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    return object.initialized ? object : TEE_ERROR_BAD_PARAMETERS;
  }

  *#close(handle: number): Co<void> {
    const closing = this.#options.objects.close(handle);
    if (closing !== undefined) yield* closing;
  }

  // --- creating
  /** The handle of the attributes becomes that of the object. */
  *#makePersistent(part: PersistentObject, object: O, data: Uint8Array): Co<number> {
    const { host, switches } = this.#options;
    part.po.usage = object.usage;
    object.persistent = part;
    const res = yield* part.initFile(object, overwrites(part), data);
    if (res !== TEE_SUCCESS) {
      object.persistent = undefined;
      return yield* this.#createFailed(part.po, res);
    }
    object.usage = 0;
    if (!switches.quirkOwnHandleStaysCreating) {
      yield* host.pobjs.createFinal(host.thread(), part.po);
    }
    return TEE_SUCCESS;
  }

  *#createObject(
    part: PersistentObject,
    from: O | undefined,
    data: Uint8Array,
    out: { handle: number } | undefined,
  ): Co<number> {
    const { host, objects } = this.#options;
    const object = this.#newObject(part, from);
    if (typeof object === 'number') return yield* this.#createFailed(part.po, object);
    const added = { handle: 0 };
    let res = objects.add(object, added);
    if (res !== TEE_SUCCESS) return yield* this.#createFailed(part.po, res);
    res = yield* part.initFile(object, overwrites(part), data);
    if (res !== TEE_SUCCESS) {
      yield* this.#close(added.handle);
      return yield* this.#createFailed(part.po, res);
    }
    object.persistent = part;
    yield* host.pobjs.createFinal(host.thread(), part.po);
    if (out === undefined) yield* this.#close(added.handle);
    else out.handle = added.handle;
    return TEE_SUCCESS;
  }

  /** An object with the attributes of another one, or pure data. @returns else a TEE_Result */
  #newObject(part: PersistentObject, from: O | undefined): O | number {
    const { make, switches } = this.#options;
    const object = make(from?.type ?? TEE_TYPE_DATA, from?.maxKeySize ?? 0);
    if (typeof object === 'number') return object;
    part.po.usage = object.usage;
    if (from === undefined) {
      object.restore(0, 0);
      return object;
    }
    const res = object.copyAttributes(from);
    if (res !== TEE_SUCCESS) return res;
    object.restore(from.keySize, from.haveAttrs);
    const stored = from.persistent instanceof PersistentObject ? from.persistent : undefined;
    part.po.usage = stored === undefined ? from.usage : stored.usage;
    if (stored !== undefined && switches.quirkCopiedUsageLost) part.po.usage = 0;
    return object;
  }

  *#createFailed(po: TeePobj, failed: number): Co<number> {
    const { host } = this.#options;
    const res = corruptionOf(failed);
    if (res === TEE_ERROR_CORRUPT_OBJECT) yield* po.fops.remove(host.thread(), po);
    yield* host.pobjs.release(host.thread(), po);
    return res;
  }

  // --- what is corrupt
  *#openFailed(part: PersistentObject, failed: number): Co<number> {
    if (failed !== TEE_ERROR_CORRUPT_OBJECT) {
      yield* part.close();
      return corruptionOf(failed);
    }
    const { host, keepsCorruptHandles, make, objects } = this.#options;
    this.#emsg('syscall_storage_obj_open', 'Object corrupt');
    yield* part.po.fops.remove(host.thread(), part.po);
    // A handle that the TA never sees stays behind where such handles are kept.
    const hidden = keepsCorruptHandles() ? make(TEE_TYPE_DATA, 0) : failed;
    if (typeof hidden === 'number' || objects.add(hidden, { handle: 0 }) !== TEE_SUCCESS) {
      yield* part.close();
    } else {
      hidden.persistent = part;
    }
    return failed;
  }

  /** The end of an operation that failed: a corrupt object goes (remove_corrupt_obj()). */
  *#used({ handle, part }: Handled, res: number): Co<number> {
    if (res !== TEE_ERROR_CORRUPT_OBJECT) return res;
    const { host, keepsCorruptHandles } = this.#options;
    this.#emsg('remove_corrupt_obj', 'Object corrupt');
    yield* part.po.fops.remove(host.thread(), part.po);
    if (!keepsCorruptHandles()) yield* this.#close(handle);
    return res;
  }

  #emsg(fn: string, text: string): void {
    this.#options.log.emsg(this.#options.host.thread(), fn, text);
  }
}

const overwrites = ({ handleFlags }: PersistentObject): boolean =>
  (handleFlags & TEE_DATA_FLAG_OVERWRITE) !== 0;

/** What the normal world calls missing is corrupt to a TA. */
const corruptionOf = (res: number): number =>
  res === TEE_ERROR_NO_DATA || res === TEE_ERROR_BAD_FORMAT ? TEE_ERROR_CORRUPT_OBJECT : res;
