/**
 * Properties of the TA, of its client and of the implementation: specification chapter 4.4.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_property.c. Left out: buffers that are too
 * short for a string, which there are none of here.
 */
import {
  TEE_CORE_API_VERSION,
  TEE_ERROR_BAD_FORMAT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_NULL,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_PROPSET_CURRENT_TA,
  TEE_PROPSET_TEE_IMPLEMENTATION,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TEE_ISOCKET_VERSION } from '../../abi/gp-socket.ts';
import {
  USER_TA_PROP_TYPE_BINARY_BLOCK,
  USER_TA_PROP_TYPE_BOOL,
  USER_TA_PROP_TYPE_IDENTITY,
  USER_TA_PROP_TYPE_INVALID,
  USER_TA_PROP_TYPE_STRING,
  USER_TA_PROP_TYPE_U32,
  USER_TA_PROP_TYPE_U64,
  USER_TA_PROP_TYPE_UUID,
} from '../../abi/ta-head.ts';
import type { PropertyOut, TaPropertyValue } from '../runtime.ts';
import { TeeArithmetic } from './arithmetic.ts';
import { propSetHandle } from './types.ts';
import type { Ref, TEE_Identity, TEE_Memref, TEE_PropSetHandle } from './types.ts';

/** CFG_TA_BIGNUM_MAX_BITS. */
const MAX_BIG_INT_BITS = 2048;

/** What the library itself knows of the implementation (`tee_props`). */
const TEE_PROPS: readonly (readonly [string, TaPropertyValue])[] = [
  ['gpd.tee.arith.maxBigIntSize', MAX_BIG_INT_BITS],
  ['gpd.tee.sockets.version', TEE_ISOCKET_VERSION],
  ['gpd.tee.sockets.tcp.version', TEE_ISOCKET_VERSION],
  ['gpd.tee.internalCore.version', TEE_CORE_API_VERSION],
];

interface Enumerator {
  /** Undefined before TEE_StartPropertyEnumerator. */
  index: number | undefined;
  set: number;
  /** Where C keeps it. */
  readonly memory: Uint8Array;
}

/** sizeof(struct prop_enumerator) on a 64-bit machine. */
const ENUMERATOR_BYTES = 16;

const NOT_FOUND_OR_FORMAT = [TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_BAD_FORMAT];

/** Pseudo handles are the highest numbers; enumerators count from 1. */
const isPseudoHandle = (handle: TEE_PropSetHandle): boolean =>
  handle === TEE_PROPSET_CURRENT_TA ||
  handle === TEE_PROPSET_CURRENT_CLIENT ||
  handle === TEE_PROPSET_TEE_IMPLEMENTATION;

export class TeeProperties extends TeeArithmetic {
  readonly #enumerators = new Map<TEE_PropSetHandle, Enumerator>();
  #lastEnumerator = 0;
  readonly #found: PropertyOut = { name: '', type: USER_TA_PROP_TYPE_INVALID, value: 0 };

  /** Whatever the type: numbers in decimal, an identity as `login:uuid`, bytes in base64. */
  TEE_GetPropertyAsString(
    propsetOrEnumerator: TEE_PropSetHandle,
    name: string | null,
    value: Ref<string>,
  ): number {
    const api = 'TEE_GetPropertyAsString';
    const result = this.#get(api, propsetOrEnumerator, name);
    if (result !== TEE_SUCCESS) return this.#allowOrPanic0(api, result, [TEE_ERROR_ITEM_NOT_FOUND]);
    const text = propertyText(this.#found);
    if (text === undefined) return this.panic(0, api, 'a type that has no text');
    value.value = text;
    return TEE_SUCCESS;
  }

  TEE_GetPropertyAsBool(
    propsetOrEnumerator: TEE_PropSetHandle,
    name: string | null,
    value: Ref<boolean>,
  ): number {
    const api = 'TEE_GetPropertyAsBool';
    const found = this.#typed(api, propsetOrEnumerator, name, USER_TA_PROP_TYPE_BOOL);
    if (typeof found === 'object') value.value = found.value === true;
    return resultOf(found);
  }

  TEE_GetPropertyAsU32(
    propsetOrEnumerator: TEE_PropSetHandle,
    name: string | null,
    value: Ref<number>,
  ): number {
    const api = 'TEE_GetPropertyAsU32';
    const found = this.#typed(api, propsetOrEnumerator, name, USER_TA_PROP_TYPE_U32);
    if (typeof found === 'object') value.value = Number(found.value);
    return resultOf(found);
  }

  TEE_GetPropertyAsU64(
    propsetOrEnumerator: TEE_PropSetHandle,
    name: string | null,
    value: Ref<bigint>,
  ): number {
    const api = 'TEE_GetPropertyAsU64';
    const found = this.#typed(api, propsetOrEnumerator, name, USER_TA_PROP_TYPE_U64);
    if (typeof found === 'object' && typeof found.value === 'bigint') value.value = found.value;
    return resultOf(found);
  }

  TEE_GetPropertyAsBinaryBlock(
    propsetOrEnumerator: TEE_PropSetHandle,
    name: string | null,
    value: TEE_Memref,
  ): number {
    const api = 'TEE_GetPropertyAsBinaryBlock';
    const room = this.room(api, value);
    const found = this.#typed(api, propsetOrEnumerator, name, USER_TA_PROP_TYPE_BINARY_BLOCK);
    if (typeof found !== 'object' || !(found.value instanceof Uint8Array)) return resultOf(found);
    value.size = found.value.length;
    if (room.length < found.value.length) return TEE_ERROR_SHORT_BUFFER;
    room.set(found.value);
    return TEE_SUCCESS;
  }

  TEE_GetPropertyAsUUID(
    propsetOrEnumerator: TEE_PropSetHandle,
    name: string | null,
    value: Ref<string>,
  ): number {
    const api = 'TEE_GetPropertyAsUUID';
    const found = this.#typed(api, propsetOrEnumerator, name, USER_TA_PROP_TYPE_UUID);
    if (typeof found === 'object') value.value = String(found.value);
    return resultOf(found);
  }

  TEE_GetPropertyAsIdentity(
    propsetOrEnumerator: TEE_PropSetHandle,
    name: string | null,
    value: TEE_Identity,
  ): number {
    const api = 'TEE_GetPropertyAsIdentity';
    const found = this.#typed(api, propsetOrEnumerator, name, USER_TA_PROP_TYPE_IDENTITY);
    if (typeof found !== 'object') return found;
    const [login = '', uuid = ''] = String(found.value).split(':');
    value.login = Number(login);
    value.uuid = uuid;
    return TEE_SUCCESS;
  }

  TEE_AllocatePropertyEnumerator(enumerator: Ref<TEE_PropSetHandle>): number {
    const memory = this.allocate('TEE_AllocatePropertyEnumerator', ENUMERATOR_BYTES);
    if (memory === null) return TEE_ERROR_OUT_OF_MEMORY;
    this.#lastEnumerator += 1;
    enumerator.value = propSetHandle(this.#lastEnumerator);
    this.#enumerators.set(enumerator.value, { index: undefined, set: 0, memory });
    return TEE_SUCCESS;
  }

  TEE_FreePropertyEnumerator(enumerator: TEE_PropSetHandle): void {
    if (enumerator === TEE_HANDLE_NULL) return;
    const { memory } = this.#enumerator('TEE_FreePropertyEnumerator', enumerator);
    this.#enumerators.delete(enumerator);
    this.TEE_Free(memory);
  }

  TEE_StartPropertyEnumerator(enumerator: TEE_PropSetHandle, propSet: TEE_PropSetHandle): void {
    if (enumerator === TEE_HANDLE_NULL) return;
    const started = this.#enumerator('TEE_StartPropertyEnumerator', enumerator);
    started.index = 0;
    started.set = propSet;
  }

  TEE_ResetPropertyEnumerator(enumerator: TEE_PropSetHandle): void {
    this.#enumerator('TEE_ResetPropertyEnumerator', enumerator).index = undefined;
  }

  TEE_GetPropertyName(enumerator: TEE_PropSetHandle, name: Ref<string>): number {
    const api = 'TEE_GetPropertyName';
    const at = this.#enumerator(api, enumerator);
    const result = at.index === undefined ? TEE_ERROR_ITEM_NOT_FOUND : this.#at(at.set, at.index);
    if (result === TEE_SUCCESS) name.value = this.#found.name;
    return this.#allowOrPanic0(api, result, [TEE_ERROR_ITEM_NOT_FOUND]);
  }

  TEE_GetNextProperty(enumerator: TEE_PropSetHandle): number {
    const api = 'TEE_GetNextProperty';
    const at = this.#enumerator(api, enumerator);
    if (at.index === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    at.index += 1;
    return this.#allowOrPanic0(api, this.#at(at.set, at.index), [TEE_ERROR_ITEM_NOT_FOUND]);
  }

  #enumerator(api: string, handle: TEE_PropSetHandle): Enumerator {
    return this.#enumerators.get(handle) ?? this.panic(0, api, 'no such enumerator');
  }

  /** The library panics with 0 here, whatever the core said. */
  #allowOrPanic0(api: string, result: number, allowed: readonly number[]): number {
    if (result === TEE_SUCCESS || allowed.includes(result)) return result;
    return this.panic(0, api, 'the core refused');
  }

  /** A property of one type, or the result to return. */
  #typed(
    api: string,
    handle: TEE_PropSetHandle,
    name: string | null,
    type: number,
  ): PropertyOut | number {
    const result = this.#get(api, handle, name);
    if (result !== TEE_SUCCESS) return this.#allowOrPanic0(api, result, NOT_FOUND_OR_FORMAT);
    return this.#found.type === type ? this.#found : TEE_ERROR_BAD_FORMAT;
  }

  /** As propget_get_property(): by name from a set, or what an enumerator stands at. */
  #get(api: string, handle: TEE_PropSetHandle, name: string | null): number {
    if (!isPseudoHandle(handle)) return this.#current(this.#enumerator(api, handle));
    if (name === null) return this.panic(0, api, 'a property set needs a name');
    const index = this.#libraryProperties(handle).findIndex(([known]) => known === name);
    if (index >= 0) return this.#at(handle, index);
    const out = { index: 0 };
    const result = this.syscalls.getPropertyNameToIndex(handle, name, out);
    if (result !== TEE_SUCCESS) return result;
    return this.syscalls.getProperty(handle, out.index, this.#found);
  }

  #current(at: Enumerator): number {
    if (at.index === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    if (!isPseudoHandle(propSetHandle(at.set))) return TEE_ERROR_ITEM_NOT_FOUND;
    const result = this.#at(at.set, at.index);
    return result === TEE_ERROR_ITEM_NOT_FOUND ? TEE_ERROR_BAD_PARAMETERS : result;
  }

  /** The library's own properties come first, then the core's. */
  #at(set: number, index: number): number {
    if (!isPseudoHandle(propSetHandle(set))) return TEE_ERROR_ITEM_NOT_FOUND;
    const own = this.#libraryProperties(set);
    const found = own[index];
    if (found === undefined) return this.syscalls.getProperty(set, index - own.length, this.#found);
    [this.#found.name, this.#found.value] = found;
    this.#found.type = typeOf(found[1]);
    return TEE_SUCCESS;
  }

  #libraryProperties(set: number): readonly (readonly [string, TaPropertyValue])[] {
    if (set === TEE_PROPSET_CURRENT_TA) return [...this.runtime.head.properties];
    return set === TEE_PROPSET_TEE_IMPLEMENTATION ? TEE_PROPS : [];
  }
}

const resultOf = (found: PropertyOut | number): number =>
  typeof found === 'number' ? found : TEE_SUCCESS;

function typeOf(value: TaPropertyValue): number {
  if (typeof value === 'boolean') return USER_TA_PROP_TYPE_BOOL;
  if (typeof value === 'number') return USER_TA_PROP_TYPE_U32;
  if (typeof value === 'bigint') return USER_TA_PROP_TYPE_U64;
  return typeof value === 'string' ? USER_TA_PROP_TYPE_STRING : USER_TA_PROP_TYPE_BINARY_BLOCK;
}

function propertyText({ type, value }: PropertyOut): string | undefined {
  if (type === USER_TA_PROP_TYPE_U64 || type === USER_TA_PROP_TYPE_INVALID) return undefined;
  return value instanceof Uint8Array ? base64(value) : String(value);
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** RFC 4648; not every environment has it built in. */
function base64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const bits = (a << 16) | (b << 8) | c;
    const digits = [18, 12, 6, 0].map((shift) => BASE64[(bits >>> shift) & 0x3f]);
    const given = bytes.length - i;
    text += digits
      .slice(0, given + 1)
      .join('')
      .padEnd(4, '=');
  }
  return text;
}
