/** For tests: objects of two types, pure data and one with bytes for an attribute, and their table. */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  TEE_TYPE_DATA,
} from '../../../abi/gp.ts';
import type { MaybeCo } from '../../../sched/task.ts';
import type { PersistentPart } from '../../syscall/tee-obj.ts';
import type { StorageObjects } from '../../syscall/svc-storage.ts';
import type { StorableObject } from '../storage-object.ts';
import type { StorageHeap } from '../tee-fs.ts';

const MAX_SECRET = 32;

export class TestObject implements StorableObject {
  readonly type: number;
  readonly maxKeySize: number;
  keySize = 0;
  usage = 0xffffffff;
  initialized = false;
  haveAttrs = 0;
  persistent: PersistentPart | undefined;
  secret: Uint8Array = new Uint8Array(0);

  constructor(type: number, maxKeySize: number) {
    this.type = type;
    this.maxKeySize = maxKeySize;
  }

  static make(type: number, maxKeySize: number): TestObject | number {
    const known = type === TEE_TYPE_AES || (type === TEE_TYPE_DATA && maxKeySize === 0);
    return known ? new TestObject(type, maxKeySize) : TEE_ERROR_NOT_SUPPORTED;
  }

  /** A transient key. */
  static key(secret: readonly number[], usage = 0xffffffff): TestObject {
    const key = new TestObject(TEE_TYPE_AES, 256);
    key.secret = Uint8Array.from(secret);
    key.usage = usage;
    key.restore(secret.length * 8, 1);
    return key;
  }

  attributesToBinary(): Uint8Array {
    if (this.type === TEE_TYPE_DATA) return new Uint8Array(0);
    const out = new Uint8Array(4 + this.secret.length);
    new DataView(out.buffer).setUint32(0, this.secret.length, false);
    out.set(this.secret, 4);
    return out;
  }

  attributesFromBinary(bytes: Uint8Array): number {
    if (this.type === TEE_TYPE_DATA) return TEE_SUCCESS;
    if (bytes.length < 4) return TEE_ERROR_CORRUPT_OBJECT;
    const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, false);
    if (4 + size > bytes.length || size > MAX_SECRET) return TEE_ERROR_CORRUPT_OBJECT;
    this.secret = bytes.slice(4, 4 + size);
    return TEE_SUCCESS;
  }

  restore(keySize: number, haveAttrs: number): void {
    this.keySize = keySize;
    this.haveAttrs = haveAttrs;
    this.initialized = true;
  }

  copyAttributes(source: TestObject): number {
    if (source.type !== this.type) return TEE_ERROR_BAD_PARAMETERS;
    this.secret = source.secret.slice();
    return TEE_SUCCESS;
  }
}

const OBJECT_BYTES = 112;

/** As `ObjectTable`. */
export class TestObjects implements StorageObjects<TestObject> {
  readonly #heap: StorageHeap;
  readonly #objects = new Map<number, TestObject>();
  #last = 0;

  constructor(heap: StorageHeap) {
    this.#heap = heap;
  }

  get count(): number {
    return this.#objects.size;
  }

  newHandle(): number {
    this.#last += 1;
    return this.#last;
  }

  add(object: TestObject, out: { handle: number }): number {
    if (!this.#heap.alloc(OBJECT_BYTES, 'an object')) return TEE_ERROR_OUT_OF_MEMORY;
    out.handle = this.newHandle();
    this.#objects.set(out.handle, object);
    return TEE_SUCCESS;
  }

  get(handle: number): TestObject | undefined {
    return this.#objects.get(handle);
  }

  close(handle: number): MaybeCo<void> {
    const object = this.#objects.get(handle);
    if (object === undefined) return undefined;
    this.#objects.delete(handle);
    this.#heap.free(OBJECT_BYTES);
    return object.persistent?.close();
  }
}
