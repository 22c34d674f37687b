/**
 * Objects: specification chapters 5.5 and 5.6 (generic functions and transient objects).
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_objects.c.
 */
import {
  TEE_ATTR_FLAG_VALUE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_PERSISTENT,
  TEE_HANDLE_NULL,
  TEE_SUCCESS,
  TEE_TYPE_CORRUPTED_OBJECT,
  TEE_TYPE_DATA,
} from '../../abi/gp.ts';
import type { TaAttribute, TaObjectInfo } from '../runtime.ts';
import type { Co } from '../../sched/task.ts';
import { TeeClient } from './client.ts';
import { objectHandle } from './types.ts';
import type {
  MaybePromise,
  Ref,
  TEE_Attribute,
  TEE_Memref,
  TEE_ObjectHandle,
  TEE_ObjectInfo,
} from './types.ts';

/** What a persistent object's storage may do to any function. */
const STORAGE = [TEE_ERROR_CORRUPT_OBJECT, TEE_ERROR_STORAGE_NOT_AVAILABLE];
const ATTRIBUTE = [TEE_ERROR_ITEM_NOT_FOUND, ...STORAGE];
const BUFFER_ATTRIBUTE = [TEE_ERROR_SHORT_BUFFER, ...ATTRIBUTE];

export const newInfo = (): TaObjectInfo => ({
  objectType: 0,
  keySize: 0,
  maxKeySize: 0,
  objectUsage: 0,
  dataSize: 0,
  dataPosition: 0,
  handleFlags: 0,
});

export class TeeObjects extends TeeClient {
  /** Deprecated: a corrupt object answers zeroes. */
  TEE_GetObjectInfo(object: TEE_ObjectHandle, objectInfo: TEE_ObjectInfo): void {
    const info = this.objectInfo('TEE_GetObjectInfo', object);
    if (info.objectType === TEE_TYPE_CORRUPTED_OBJECT) {
      const { objectType } = objectInfo;
      fillInfo(objectInfo, { ...newInfo(), objectType });
    } else {
      fillInfo(objectInfo, info);
    }
  }

  TEE_GetObjectInfo1(object: TEE_ObjectHandle, objectInfo: TEE_ObjectInfo): number {
    const info = newInfo();
    const result = this.syscalls.crypto.objGetInfo(object, info);
    this.allow('TEE_GetObjectInfo1', result, STORAGE);
    fillInfo(objectInfo, info);
    return result;
  }

  /** Deprecated. */
  TEE_RestrictObjectUsage(object: TEE_ObjectHandle, objectUsage: number): MaybePromise<void> {
    const info = newInfo();
    this.syscalls.crypto.objGetInfo(object, info);
    if (info.objectType === TEE_TYPE_CORRUPTED_OBJECT) return;
    const api = 'TEE_RestrictObjectUsage';
    const restricted = this.syscalls.crypto.objRestrictUsage(object, objectUsage);
    if (typeof restricted !== 'number') return this.runtime.call(this.#restrict(api, restricted));
    this.allow(api, restricted);
  }

  /**
   * Of a persistent object leaves the secure world.
   * @param objectUsage TEE_USAGE_*: what remains allowed
   */
  TEE_RestrictObjectUsage1(object: TEE_ObjectHandle, objectUsage: number): MaybePromise<number> {
    const api = 'TEE_RestrictObjectUsage1';
    const restricted = this.syscalls.crypto.objRestrictUsage(object, objectUsage);
    return typeof restricted === 'number'
      ? this.allow(api, restricted, STORAGE)
      : this.runtime.call(this.#restrict1(api, restricted));
  }

  TEE_GetObjectBufferAttribute(
    object: TEE_ObjectHandle,
    attributeID: number,
    buffer: TEE_Memref,
  ): number {
    const api = 'TEE_GetObjectBufferAttribute';
    const state = this.syscalls.crypto.objGetInfo(object, newInfo());
    if (state !== TEE_SUCCESS) return this.allow(api, state, STORAGE);
    if ((attributeID & TEE_ATTR_FLAG_VALUE) !== 0) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'the attribute is a value');
    }
    const out = buffer.buffer === null ? undefined : this.room(api, buffer);
    const result = this.syscalls.crypto.objGetAttr(object, attributeID, out, buffer);
    return this.allow(api, result, BUFFER_ATTRIBUTE);
  }

  TEE_GetObjectValueAttribute(
    object: TEE_ObjectHandle,
    attributeID: number,
    a: Ref<number> | null,
    b: Ref<number> | null,
  ): number {
    const api = 'TEE_GetObjectValueAttribute';
    const state = this.syscalls.crypto.objGetInfo(object, newInfo());
    if (state !== TEE_SUCCESS) return this.allow(api, state, STORAGE);
    if ((attributeID & TEE_ATTR_FLAG_VALUE) === 0) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'the attribute is a buffer');
    }
    const pair = new Uint8Array(8);
    const size = { size: pair.length };
    const result = this.syscalls.crypto.objGetAttr(object, attributeID, pair, size);
    if (size.size !== pair.length) this.panic(0, api, 'the value is no pair');
    const view = new DataView(pair.buffer);
    if (result === TEE_SUCCESS && a !== null) a.value = view.getUint32(0, true);
    if (result === TEE_SUCCESS && b !== null) b.value = view.getUint32(4, true);
    return this.allow(api, result, ATTRIBUTE);
  }

  /** Of a persistent object leaves the secure world. */
  TEE_CloseObject(object: TEE_ObjectHandle): MaybePromise<void> {
    if (object === TEE_HANDLE_NULL) return;
    const closed = this.syscalls.crypto.objClose(object);
    if (typeof closed !== 'number') return this.runtime.call(this.#close(closed));
    this.allow('TEE_CloseObject', closed);
  }

  /** @param objectType TEE_TYPE_* @param maxObjectSize bits */
  TEE_AllocateTransientObject(
    objectType: number,
    maxObjectSize: number,
    object: Ref<TEE_ObjectHandle>,
  ): number {
    if (objectType === TEE_TYPE_DATA) return TEE_ERROR_NOT_SUPPORTED;
    const out = { handle: 0 };
    const result = this.syscalls.crypto.objAlloc(objectType, maxObjectSize, out);
    if (result === TEE_SUCCESS) object.value = objectHandle(out.handle);
    const allowed = [TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_NOT_SUPPORTED];
    return this.allow('TEE_AllocateTransientObject', result, allowed);
  }

  TEE_FreeTransientObject(object: TEE_ObjectHandle): void {
    if (object === TEE_HANDLE_NULL) return;
    this.#transient('TEE_FreeTransientObject', object);
    const closed = this.syscalls.crypto.objClose(object);
    if (typeof closed !== 'number') throw new Error('a transient object is not in storage');
    this.allow('TEE_FreeTransientObject', closed);
  }

  TEE_ResetTransientObject(object: TEE_ObjectHandle): void {
    if (object === TEE_HANDLE_NULL) return;
    this.#transient('TEE_ResetTransientObject', object);
    this.allow('TEE_ResetTransientObject', this.syscalls.crypto.objReset(object));
  }

  /** @returns TEE_SUCCESS or TEE_ERROR_BAD_PARAMETERS */
  TEE_PopulateTransientObject(object: TEE_ObjectHandle, attrs: readonly TEE_Attribute[]): number {
    const api = 'TEE_PopulateTransientObject';
    const info = this.#transient(api, object);
    if ((info.handleFlags & TEE_HANDLE_FLAG_INITIALIZED) !== 0) {
      this.panic(0, api, 'the object has attributes already: reset it first');
    }
    const result = this.syscalls.crypto.objPopulate(object, attrs.map(toSyscall));
    return this.allow(api, result, [TEE_ERROR_BAD_PARAMETERS]);
  }

  /** @param buffer is used when the attribute is, not now */
  TEE_InitRefAttribute(attr: TEE_Attribute, attributeID: number, buffer: Uint8Array | null): void {
    if ((attributeID & TEE_ATTR_FLAG_VALUE) !== 0) {
      this.panic(0, 'TEE_InitRefAttribute', 'the attribute is a value');
    }
    attr.attributeID = attributeID;
    attr.content.ref = buffer;
  }

  TEE_InitValueAttribute(attr: TEE_Attribute, attributeID: number, a: number, b: number): void {
    if ((attributeID & TEE_ATTR_FLAG_VALUE) === 0) {
      this.panic(0, 'TEE_InitValueAttribute', 'the attribute is a buffer');
    }
    attr.attributeID = attributeID;
    attr.content.value.a = a;
    attr.content.value.b = b;
  }

  /** Deprecated. */
  TEE_CopyObjectAttributes(destObject: TEE_ObjectHandle, srcObject: TEE_ObjectHandle): void {
    const info = newInfo();
    this.syscalls.crypto.objGetInfo(srcObject, info);
    if (info.objectType === TEE_TYPE_CORRUPTED_OBJECT) return;
    const result = this.TEE_CopyObjectAttributes1(destObject, srcObject);
    this.allow('TEE_CopyObjectAttributes', result);
  }

  TEE_CopyObjectAttributes1(destObject: TEE_ObjectHandle, srcObject: TEE_ObjectHandle): number {
    const api = 'TEE_CopyObjectAttributes1';
    const [to, from] = [newInfo(), newInfo()];
    const toState = this.syscalls.crypto.objGetInfo(destObject, to);
    if (toState !== TEE_SUCCESS) return this.allow(api, toState, STORAGE);
    const fromState = this.syscalls.crypto.objGetInfo(srcObject, from);
    if (fromState !== TEE_SUCCESS) return this.allow(api, fromState, STORAGE);
    if ((from.handleFlags & TEE_HANDLE_FLAG_INITIALIZED) === 0) {
      this.panic(0, api, 'the source has no attributes');
    }
    if ((to.handleFlags & (TEE_HANDLE_FLAG_PERSISTENT | TEE_HANDLE_FLAG_INITIALIZED)) !== 0) {
      this.panic(0, api, 'the destination is persistent or has attributes already');
    }
    return this.allow(api, this.syscalls.crypto.objCopy(destObject, srcObject), STORAGE);
  }

  /** @param keySize bits @returns TEE_SUCCESS or TEE_ERROR_BAD_PARAMETERS */
  TEE_GenerateKey(
    object: TEE_ObjectHandle,
    keySize: number,
    params: readonly TEE_Attribute[],
  ): number {
    const result = this.syscalls.crypto.generateKey(object, keySize, params.map(toSyscall));
    return this.allow('TEE_GenerateKey', result, [TEE_ERROR_BAD_PARAMETERS]);
  }

  /** What the core says of an object that must exist. */
  protected objectInfo(api: string, object: TEE_ObjectHandle): TaObjectInfo {
    const info = newInfo();
    this.allow(api, this.syscalls.crypto.objGetInfo(object, info));
    return info;
  }

  *#close(closing: Co<number>): Co<void> {
    this.allow('TEE_CloseObject', yield* closing);
  }

  *#restrict(api: string, restricting: Co<number>): Co<void> {
    this.allow(api, yield* restricting);
  }

  *#restrict1(api: string, restricting: Co<number>): Co<number> {
    return this.allow(api, yield* restricting, STORAGE);
  }

  #transient(api: string, object: TEE_ObjectHandle): TaObjectInfo {
    const info = this.objectInfo(api, object);
    if ((info.handleFlags & TEE_HANDLE_FLAG_PERSISTENT) !== 0) {
      this.panic(0, api, 'the object is persistent');
    }
    return info;
  }
}

/** Values are 32 bits, whatever a TA has put there. */
export function toSyscall({ attributeID, content }: TEE_Attribute): TaAttribute {
  if ((attributeID & TEE_ATTR_FLAG_VALUE) !== 0) {
    return { id: attributeID, a: content.value.a >>> 0, b: content.value.b >>> 0 };
  }
  return { id: attributeID, content: content.ref ?? new Uint8Array(0) };
}

export function fillInfo(to: TEE_ObjectInfo, from: TaObjectInfo): void {
  to.objectType = from.objectType;
  to.objectSize = from.keySize;
  to.maxObjectSize = from.maxKeySize;
  to.objectUsage = from.objectUsage;
  to.dataSize = from.dataSize;
  to.dataPosition = from.dataPosition;
  to.handleFlags = from.handleFlags;
}
