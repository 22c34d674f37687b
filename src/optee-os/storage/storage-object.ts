/**
 * A persistent object and its file: a head that says what it is, its attributes, its data.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_storage.c (struct tee_svc_storage_head,
 * tee_svc_storage_read_head(), tee_svc_storage_init_file(), tee_svc_storage_write_usage()),
 * core/tee/tee_obj.c.
 */
import {
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_PERSISTENT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TeeSvcStorageHead } from '../../abi/tee-fs.ts';
import type { Co } from '../../sched/task.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { PersistentPart } from '../syscall/tee-obj.ts';
import type { StorageHeap, TeeFile } from './tee-fs.ts';
import type { TeePobj, TeePobjs } from './tee-pobj.ts';

const HEAD_SIZE = TeeSvcStorageHead.byteLength;

/** What storage needs of an object: what its file's head says, and its attributes as bytes. */
export interface StorableObject {
  /** TEE_TYPE_* */
  readonly type: number;
  /** Bits. */
  readonly keySize: number;
  readonly maxKeySize: number;
  /** TEE_USAGE_*, of a transient object. */
  usage: number;
  readonly initialized: boolean;
  /** An attribute that is there has its bit set, in the order of the type's attributes. */
  readonly haveAttrs: number;
  persistent: PersistentPart | undefined;
  /** tee_obj_attr_to_binary() */
  attributesToBinary(): Uint8Array;
  /** tee_obj_attr_from_binary() @returns a TEE_Result */
  attributesFromBinary(bytes: Uint8Array): number;
  /** What the attributes' bytes do not say; the object is initialized after it. */
  restore(keySizeBits: number, haveAttrs: number): void;
  /** tee_obj_attr_copy_from() @returns a TEE_Result */
  copyAttributes(source: this): number;
}

/** tee_obj_set_type(): a new object without attributes. @returns else a TEE_Result */
export type MakeObject<O> = (type: number, maxKeySizeBits: number) => O | number;

/** What persistent objects of a TA are kept with. */
export interface ObjectHost {
  readonly heap: StorageHeap;
  readonly pobjs: TeePobjs;
  /** Whose system call it is. */
  readonly thread: () => ThreadCtx;
}

/** What makes a `struct tee_obj` persistent. */
export class PersistentObject implements PersistentPart {
  readonly handleFlags: number;
  dataSize = 0;
  dataPosition = 0;
  /** Undefined until it was opened. */
  file: TeeFile | undefined;
  /** Where the data begin in the file. */
  dsPos = 0;
  readonly po: TeePobj;
  readonly #host: ObjectHost;

  /** @param flags TEE_DATA_FLAG_* */
  constructor(host: ObjectHost, po: TeePobj, flags: number) {
    this.#host = host;
    this.po = po;
    this.handleFlags = TEE_HANDLE_FLAG_PERSISTENT | TEE_HANDLE_FLAG_INITIALIZED | flags;
  }

  /** TEE_USAGE_*: the same for all handles of the object. */
  get usage(): number {
    return this.po.usage;
  }

  /** The part of tee_obj_close() that concerns files. */
  *close(): Co<void> {
    const { pobjs, thread } = this.#host;
    yield* this.file?.close(thread()) ?? nothing();
    yield* pobjs.release(thread(), this.po);
  }

  /** The persistent part of syscall_cryp_obj_restrict_usage(): the file keeps it. @returns a TEE_Result */
  *restrictUsage(usage: number): Co<number> {
    const { pobjs, thread } = this.#host;
    yield* pobjs.lockUsage(thread(), this.po);
    const reduced = (this.po.usage & usage) >>> 0;
    const bytes = new Uint8Array(Uint32Array.of(reduced).buffer);
    const res = yield* this.file!.write(thread(), TeeSvcStorageHead.objectUsage.offset, bytes);
    if (res === TEE_SUCCESS) this.po.usage = reduced;
    yield* pobjs.unlockUsage(thread(), this.po);
    return res;
  }

  /** tee_svc_storage_read_head(): opens the file. @returns the object, else a TEE_Result */
  *readHead<O extends StorableObject>(make: MakeObject<O>): Co<O | number> {
    const { pobjs, thread } = this.#host;
    yield* pobjs.lockUsage(thread(), this.po);
    const object = yield* this.#readHead(make);
    yield* pobjs.unlockUsage(thread(), this.po);
    return object;
  }

  /** tee_svc_storage_init_file() @returns a TEE_Result */
  *initFile(object: StorableObject, overwrite: boolean, data: Uint8Array): Co<number> {
    const attributes = object.attributesToBinary();
    const { heap, thread } = this.#host;
    if (!heap.alloc(attributes.length, 'the attributes of an object')) {
      return TEE_ERROR_OUT_OF_MEMORY;
    }
    const parts = [headOf(object, attributes.length, this.po.usage), attributes, data];
    const file = yield* this.po.fops.create(thread(), this.po, overwrite, parts);
    heap.free(attributes.length);
    if (typeof file === 'number') return file;
    this.file = file;
    this.dsPos = HEAD_SIZE + attributes.length;
    this.dataSize = data.length;
    return TEE_SUCCESS;
  }

  *#readHead<O extends StorableObject>(make: MakeObject<O>): Co<O | number> {
    const { thread } = this.#host;
    const size = { size: 0 };
    const file = yield* this.po.fops.open(thread(), this.po, size);
    if (typeof file === 'number') return file;
    this.file = file;
    const head = new DataView(new ArrayBuffer(HEAD_SIZE));
    const count = { size: 0 };
    const res = yield* file.read(thread(), 0, new Uint8Array(head.buffer), count);
    if (res !== TEE_SUCCESS) return res;
    const attrSize = TeeSvcStorageHead.attrSize.get(head, 0);
    if (count.size !== HEAD_SIZE || HEAD_SIZE + attrSize > size.size) {
      return TEE_ERROR_CORRUPT_OBJECT;
    }
    const object = make(
      TeeSvcStorageHead.objectType.get(head, 0),
      TeeSvcStorageHead.maxObjectSize.get(head, 0),
    );
    if (typeof object === 'number') return object;
    const restored = yield* this.#readAttributes(file, object, attrSize);
    if (restored !== TEE_SUCCESS) return restored;
    object.restore(
      TeeSvcStorageHead.objectSize.get(head, 0),
      TeeSvcStorageHead.haveAttrs.get(head, 0),
    );
    this.dsPos = HEAD_SIZE + attrSize;
    this.dataSize = size.size - this.dsPos;
    this.po.usage = TeeSvcStorageHead.objectUsage.get(head, 0);
    return object;
  }

  *#readAttributes(file: TeeFile, object: StorableObject, attrSize: number): Co<number> {
    const { heap, thread } = this.#host;
    if (!heap.alloc(attrSize, 'the attributes of an object')) return TEE_ERROR_OUT_OF_MEMORY;
    const bytes = new Uint8Array(attrSize);
    const count = { size: 0 };
    let res = TEE_SUCCESS;
    if (attrSize > 0) res = yield* file.read(thread(), HEAD_SIZE, bytes, count);
    heap.free(attrSize);
    if (res !== TEE_SUCCESS) return res;
    return count.size === attrSize ? object.attributesFromBinary(bytes) : TEE_ERROR_CORRUPT_OBJECT;
  }
}

function headOf(object: StorableObject, attrSize: number, usage: number): Uint8Array {
  const head = new DataView(new ArrayBuffer(HEAD_SIZE));
  TeeSvcStorageHead.attrSize.set(head, 0, attrSize);
  TeeSvcStorageHead.objectSize.set(head, 0, object.keySize);
  TeeSvcStorageHead.maxObjectSize.set(head, 0, object.maxKeySize);
  TeeSvcStorageHead.objectUsage.set(head, 0, usage);
  TeeSvcStorageHead.objectType.set(head, 0, object.type);
  TeeSvcStorageHead.haveAttrs.set(head, 0, object.haveAttrs);
  return new Uint8Array(head.buffer);
}

function* nothing(): Co<void> {}
