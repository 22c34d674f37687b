/**
 * The system calls on cryptographic objects.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (syscall_cryp_obj_*,
 * syscall_obj_generate_key). The checks of user memory that its functions make are the door's: here
 * buffers are byte views, `size.size` what the caller allows of one.
 */
import {
  TEE_ATTR_FLAG_PUBLIC,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
  TEE_TYPE_DATA,
  TEE_USAGE_EXTRACTABLE,
} from '../../abi/gp.ts';
import { UteeAttribute } from '../../abi/utee.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { TaAttribute, TaObjectInfo } from '../../ta/runtime.ts';
import type { Trace } from '../../trace/trace.ts';
import type { CryptoServices } from '../crypto/contexts.ts';
import { fitsBounceBuffer } from '../kernel/user-access.ts';
import { generateKey } from './cryp-generate.ts';
import { checkAttributes, checkKeySize, findObjectType } from './cryp-obj-props.ts';
import { objectOfType } from './cryp-object.ts';
import type { CryptoObject } from './cryp-object.ts';
import type { CryptoHeap, ObjectTable } from './tee-obj.ts';

export interface CryptoOptions {
  readonly services: CryptoServices;
  readonly trace: Trace;
  readonly heap: CryptoHeap;
  readonly objects: ObjectTable;
}

export interface Size {
  size: number;
}

export class CrypObjects {
  protected readonly services: CryptoServices;
  protected readonly trace: Trace;
  protected readonly heap: CryptoHeap;
  protected readonly objects: ObjectTable;

  constructor({ services, trace, heap, objects }: CryptoOptions) {
    this.services = services;
    this.trace = trace;
    this.heap = heap;
    this.objects = objects;
  }

  objAlloc(type: number, maxKeySizeBits: number, out: { handle: number }): number {
    const object = objectOfType(type, maxKeySizeBits);
    if (typeof object !== 'number') return this.objects.add(object, out);
    if (type !== TEE_TYPE_DATA && findObjectType(type) === undefined)
      this.absent('object type', type);
    return object;
  }

  objClose(handle: number): MaybeCo<number> {
    const object = this.objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    if (object.busy) return TEE_ERROR_ITEM_NOT_FOUND;
    const closing = this.objects.close(handle);
    return closing === undefined ? TEE_SUCCESS : succeed(closing);
  }

  objReset(handle: number): number {
    const object = this.objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    if (object.persistent !== undefined) return TEE_ERROR_BAD_PARAMETERS;
    object.reset();
    return TEE_SUCCESS;
  }

  objPopulate(handle: number, attributes: readonly TaAttribute[]): number {
    const object = this.objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    if (object.persistent !== undefined || object.initialized) return TEE_ERROR_BAD_PARAMETERS;
    if (object.type === TEE_TYPE_DATA) return TEE_ERROR_NOT_IMPLEMENTED;
    if (!this.canCopyIn(attributes)) return TEE_ERROR_OUT_OF_MEMORY;
    const checked = checkAttributes('populate', object.props.attributes, attributes);
    if (checked !== TEE_SUCCESS) return checked;
    if (!this.#canCopyNumbers(object, attributes)) return TEE_ERROR_OUT_OF_MEMORY;
    const result = object.populate(attributes);
    if (result === TEE_SUCCESS) object.initialized = true;
    return result;
  }

  objCopy(destination: number, source: number): number {
    const to = this.objects.get(destination);
    const from = this.objects.get(source);
    if (to === undefined || from === undefined) return TEE_ERROR_BAD_STATE;
    if (!from.initialized || to.persistent !== undefined || to.initialized) {
      return TEE_ERROR_BAD_PARAMETERS;
    }
    const result = to.copyAttributes(from);
    if (result !== TEE_SUCCESS) return result;
    to.initialized = true;
    to.keySize = from.keySize;
    to.usage = from.allowedUsage;
    return TEE_SUCCESS;
  }

  objGetInfo(handle: number, out: TaObjectInfo): number {
    const object = this.objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    object.fillInfo(out);
    return TEE_SUCCESS;
  }

  objRestrictUsage(handle: number, usage: number): MaybeCo<number> {
    const object = this.objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    if (object.persistent !== undefined) return object.persistent.restrictUsage(usage);
    object.usage = (object.usage & usage) >>> 0;
    return TEE_SUCCESS;
  }

  objGetAttr(handle: number, id: number, out: Uint8Array | undefined, size: Size): number {
    const object = this.objects.get(handle);
    if (object === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    if (!object.initialized) return TEE_ERROR_BAD_PARAMETERS;
    const open =
      (id & TEE_ATTR_FLAG_PUBLIC) !== 0 || (object.allowedUsage & TEE_USAGE_EXTRACTABLE) !== 0;
    if (!open) return TEE_ERROR_BAD_PARAMETERS;
    if (object.type === TEE_TYPE_DATA) return TEE_ERROR_BAD_STATE;
    return object.attribute(id)?.toUser(out, size) ?? TEE_ERROR_ITEM_NOT_FOUND;
  }

  generateKey(handle: number, sizeBits: number, attributes: readonly TaAttribute[]): number {
    const object = this.objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    if (object.persistent !== undefined || object.initialized) return TEE_ERROR_BAD_STATE;
    if (object.type === TEE_TYPE_DATA) return TEE_ERROR_NOT_SUPPORTED;
    const sizeResult = checkKeySize(object.props, sizeBits);
    if (sizeResult !== TEE_SUCCESS) return sizeResult;
    if (!this.canCopyIn(attributes)) return TEE_ERROR_OUT_OF_MEMORY;
    const checked = checkAttributes('generate', object.props.attributes, attributes);
    if (checked !== TEE_SUCCESS) return checked;
    if (!this.#canCopyNumbers(object, attributes)) return TEE_ERROR_OUT_OF_MEMORY;
    return generateKey(object, sizeBits, attributes, this.services);
  }

  /** copy_in_attrs(): the array of attributes, not what they refer to. */
  protected canCopyIn(attributes: readonly TaAttribute[]): boolean {
    return fitsBounceBuffer(this.trace, attributes.length * UteeAttribute.byteLength);
  }

  /** op_attr_bignum_from_user(): one after the other; secrets go where they stay at once. */
  #canCopyNumbers(object: CryptoObject, attributes: readonly TaAttribute[]): boolean {
    return attributes.every(
      ({ id, content }) =>
        content === undefined ||
        !object.isNumber(id) ||
        fitsBounceBuffer(this.trace, content.length),
    );
  }

  protected absent(what: string, id: number): number {
    this.trace.cause('secure', {
      layer: 'optee-os/syscall',
      code: 'TEE_ERROR_NOT_SUPPORTED',
      text: `no such ${what}: 0x${id.toString(16)}`,
      hint: 'teebox support lists what there is',
    });
    return TEE_ERROR_NOT_SUPPORTED;
  }
}

function* succeed(closing: Co<void>): Co<number> {
  yield* closing;
  return TEE_SUCCESS;
}
