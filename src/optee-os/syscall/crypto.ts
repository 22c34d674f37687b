/**
 * The cryptographic system calls of one TA context: its objects, its operations, and the checks
 * that come before any algorithm. Handles count up and are never given out twice, so that a stale
 * one is an error.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c. The checks of user memory that its
 * functions make are the door's: here buffers are byte views, `size.size` what the caller allows of
 * one. Left out so far: digests, MACs, asymmetric operations, key derivation (no rows), persistent
 * objects.
 */
import {
  TEE_ATTR_FLAG_PUBLIC,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
  TEE_USAGE_EXTRACTABLE,
} from '../../abi/gp.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { TaAttribute, TaCryptoSyscalls, TaObjectInfo } from '../../ta/runtime.ts';
import type { Trace } from '../../trace/trace.ts';
import { findAlgorithm } from './crypto-algorithms.ts';
import type { Algorithm, OperationContext } from './crypto-algorithms.ts';
import type { AuthencContext } from './crypto-authenc.ts';
import type { CipherContext } from './crypto-cipher.ts';
import { CryptoObject, checkAttributes, checkKeySize, findObjectType } from './crypto-objects.ts';
import type { Rng } from './crypto-objects.ts';

/** Where objects and operations are allocated: the core's heap. */
export interface CryptoHeap {
  /** Charges an allocation for `what`. @returns false, with a cause, when there is no room */
  alloc(bytes: number, what: string): boolean;
  free(bytes: number): void;
}

export interface CryptoOptions {
  readonly crypto: HostCrypto;
  readonly rng: Rng;
  readonly trace: Trace;
  readonly heap: CryptoHeap;
}

interface Size {
  size: number;
}

/** As `struct tee_cryp_state`. */
interface CryptoState {
  readonly algorithm: Algorithm;
  readonly mode: number;
  readonly key1: number;
  readonly key2: number;
  context: OperationContext;
  initialized: boolean;
}

/* Bytes on a 64-bit core: struct tee_obj, struct tee_cryp_state with a context beside it. */
const OBJECT_BYTES = 112;
const STATE_BYTES = 72 + 560;

export class CryptoSyscalls implements TaCryptoSyscalls {
  readonly #crypto: HostCrypto;
  readonly #rng: Rng;
  readonly #trace: Trace;
  readonly #heap: CryptoHeap;
  readonly #objects = new Map<number, CryptoObject>();
  readonly #states = new Map<number, CryptoState>();
  #lastHandle = 0;

  constructor(options: CryptoOptions) {
    this.#crypto = options.crypto;
    this.#rng = options.rng;
    this.#trace = options.trace;
    this.#heap = options.heap;
  }

  /** Objects and operations that exist; for leak reports. */
  get objectCount(): number {
    return this.#objects.size;
  }
  get stateCount(): number {
    return this.#states.size;
  }

  /** The context is gone: as tee_svc_cryp_free_states() and tee_obj_close_all(). */
  freeAll(): void {
    for (const handle of this.#states.keys()) this.stateFree(handle);
    for (const handle of this.#objects.keys()) this.#close(handle);
  }

  // --- objects
  objAlloc(type: number, maxKeySizeBits: number, out: { handle: number }): number {
    const props = findObjectType(type);
    if (props === undefined) return this.#absent('object type', type);
    const result = checkKeySize(props, maxKeySizeBits);
    if (result !== TEE_SUCCESS) return result;
    const bytes = OBJECT_BYTES + props.allocBytes;
    if (!this.#heap.alloc(bytes, 'a cryptographic object')) return TEE_ERROR_OUT_OF_MEMORY;
    out.handle = this.#newHandle();
    this.#objects.set(out.handle, new CryptoObject(props, maxKeySizeBits));
    return TEE_SUCCESS;
  }

  objClose(handle: number): number {
    const object = this.#objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    if (object.busy) return TEE_ERROR_ITEM_NOT_FOUND;
    this.#close(handle);
    return TEE_SUCCESS;
  }

  objReset(handle: number): number {
    const object = this.#objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    object.reset();
    return TEE_SUCCESS;
  }

  objPopulate(handle: number, attributes: readonly TaAttribute[]): number {
    const object = this.#objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    if (object.initialized) return TEE_ERROR_BAD_PARAMETERS;
    const result = checkAttributes('populate', object.props.attributes, attributes);
    return result === TEE_SUCCESS ? object.populate(attributes) : result;
  }

  objCopy(destination: number, source: number): number {
    const to = this.#objects.get(destination);
    const from = this.#objects.get(source);
    if (to === undefined || from === undefined) return TEE_ERROR_BAD_STATE;
    if (!from.initialized || to.initialized) return TEE_ERROR_BAD_PARAMETERS;
    return to.copyFrom(from);
  }

  objGetInfo(handle: number, out: TaObjectInfo): number {
    const object = this.#objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    object.fillInfo(out);
    return TEE_SUCCESS;
  }

  objRestrictUsage(handle: number, usage: number): number {
    const object = this.#objects.get(handle);
    if (object === undefined) return TEE_ERROR_BAD_STATE;
    object.usage = (object.usage & usage) >>> 0;
    return TEE_SUCCESS;
  }

  objGetAttr(handle: number, id: number, out: Uint8Array | undefined, size: Size): number {
    const object = this.#objects.get(handle);
    if (object === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    if (!object.initialized) return TEE_ERROR_BAD_PARAMETERS;
    const open = (id & TEE_ATTR_FLAG_PUBLIC) !== 0 || (object.usage & TEE_USAGE_EXTRACTABLE) !== 0;
    if (!open) return TEE_ERROR_BAD_PARAMETERS;
    return object.attribute(id)?.toUser(out, size) ?? TEE_ERROR_ITEM_NOT_FOUND;
  }

  generateKey(handle: number, sizeBits: number, attributes: readonly TaAttribute[]): number {
    const object = this.#objects.get(handle);
    if (object === undefined || object.initialized) return TEE_ERROR_BAD_STATE;
    const sizeResult = checkKeySize(object.props, sizeBits);
    if (sizeResult !== TEE_SUCCESS) return sizeResult;
    const result = checkAttributes('generate', object.props.attributes, attributes);
    return result === TEE_SUCCESS ? object.generate(sizeBits, this.#rng) : result;
  }

  // --- operations
  stateAlloc(
    id: number,
    mode: number,
    key1: number,
    key2: number,
    out: { handle: number },
  ): number {
    const algorithm = findAlgorithm(id);
    if (algorithm === undefined) return this.#absent('algorithm', id);
    for (const handle of [key1, key2]) {
      const result = handle === 0 ? TEE_SUCCESS : this.#checkKey(handle, algorithm);
      if (result !== TEE_SUCCESS) return result;
    }
    const twoKeys = algorithm.keys === 2;
    if (key1 === 0 || (key2 !== 0) !== twoKeys) return TEE_ERROR_BAD_PARAMETERS;
    if (!this.#heap.alloc(STATE_BYTES, 'an operation')) return TEE_ERROR_OUT_OF_MEMORY;
    const context = algorithm.open(this.#crypto, mode);
    out.handle = this.#newHandle();
    this.#states.set(out.handle, { algorithm, mode, key1, key2, context, initialized: false });
    for (const handle of [key1, key2]) this.#claim(handle);
    return TEE_SUCCESS;
  }

  stateCopy(destination: number, source: number): number {
    const to = this.#states.get(destination);
    const from = this.#states.get(source);
    if (to === undefined || from === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (to.algorithm !== from.algorithm || to.mode !== from.mode) return TEE_ERROR_BAD_PARAMETERS;
    const context = from.context.fork();
    if (context === undefined) return this.#cannotFork(from);
    to.context = context;
    to.initialized = from.initialized;
    return TEE_SUCCESS;
  }

  /** Closes the operation's keys with it. */
  stateFree(handle: number): number {
    const state = this.#states.get(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    for (const key of [state.key1, state.key2]) {
      if (this.#objects.has(key)) this.#close(key);
    }
    this.#states.delete(handle);
    this.#heap.free(STATE_BYTES);
    return TEE_SUCCESS;
  }

  // --- ciphers
  cipherInit(handle: number, iv: Uint8Array): number {
    const state = this.#states.get(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (state.context.kind !== 'cipher') return TEE_ERROR_BAD_STATE;
    const key1 = this.#objects.get(state.key1);
    const key2 = this.#objects.get(state.key2);
    if (key1 === undefined) return TEE_ERROR_BAD_STATE;
    if (!key1.initialized || key2?.initialized === false) return TEE_ERROR_BAD_PARAMETERS;
    const result = state.context.init(key1.secret, key2?.secret, iv);
    if (result === TEE_SUCCESS) state.initialized = true;
    return result;
  }

  cipherUpdate(handle: number, source: Uint8Array, out: Uint8Array, size: Size): number {
    const state = this.#states.get(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (!state.initialized || state.context.kind !== 'cipher') return TEE_ERROR_BAD_STATE;
    if (size.size > out.length) return TEE_ERROR_ACCESS_DENIED;
    const short = size.size < source.length;
    const result = short ? TEE_ERROR_SHORT_BUFFER : runCipher(state.context, source, out);
    if (result === TEE_SUCCESS || short) size.size = source.length;
    return result;
  }

  /** Modes without padding have nothing left to do at the end. */
  cipherFinal(handle: number, source: Uint8Array, out: Uint8Array, size: Size): number {
    return this.cipherUpdate(handle, source, out, size);
  }

  // --- authenticated encryption
  authencInit(
    handle: number,
    nonce: Uint8Array,
    tagLength: number,
    aadLength: number,
    payloadLength: number,
  ): number {
    const state = this.#states.get(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (state.context.kind !== 'authenc') return TEE_ERROR_BAD_STATE;
    const key = this.#objects.get(state.key1);
    if (key === undefined) return TEE_ERROR_BAD_STATE;
    if (!key.initialized) return TEE_ERROR_BAD_PARAMETERS;
    const start = { key: key.secret, nonce, tagLength, aadLength, payloadLength };
    const result = state.context.init(start);
    if (result === TEE_SUCCESS) state.initialized = true;
    return result;
  }

  authencUpdateAad(handle: number, aad: Uint8Array): number {
    const found = this.#authenc(handle);
    return typeof found === 'number' ? found : found.updateAad(aad);
  }

  authencUpdatePayload(handle: number, source: Uint8Array, out: Uint8Array, size: Size): number {
    const found = this.#authenc(handle);
    if (typeof found === 'number') return found;
    if (size.size > out.length) return TEE_ERROR_ACCESS_DENIED;
    if (size.size < source.length) return TEE_ERROR_SHORT_BUFFER;
    size.size = source.length;
    return found.updatePayload(source, out);
  }

  authencEncFinal(
    handle: number,
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
    tag: Uint8Array,
    tagSize: Size,
  ): number {
    const found = this.#authenc(handle, TEE_MODE_ENCRYPT);
    if (typeof found === 'number') return found;
    if (size.size > out.length || tagSize.size > tag.length) return TEE_ERROR_ACCESS_DENIED;
    if (size.size < source.length) return TEE_ERROR_SHORT_BUFFER;
    size.size = source.length;
    return found.encFinal(source, out, tag, tagSize);
  }

  authencDecFinal(
    handle: number,
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
    tag: Uint8Array,
  ): number {
    const found = this.#authenc(handle, TEE_MODE_DECRYPT);
    if (typeof found === 'number') return found;
    if (size.size > out.length) return TEE_ERROR_ACCESS_DENIED;
    if (size.size < source.length) return TEE_ERROR_SHORT_BUFFER;
    size.size = source.length;
    return found.decFinal(source, out, tag);
  }

  /** The context of a started operation (of one mode), or why there is none. */
  #authenc(handle: number, mode?: number): AuthencContext | number {
    const state = this.#states.get(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (!state.initialized) return TEE_ERROR_BAD_STATE;
    if (mode !== undefined && state.mode !== mode) return TEE_ERROR_BAD_PARAMETERS;
    return state.context.kind === 'authenc' ? state.context : TEE_ERROR_BAD_STATE;
  }

  #newHandle(): number {
    this.#lastHandle += 1;
    return this.#lastHandle;
  }

  #checkKey(handle: number, algorithm: Algorithm): number {
    const key = this.#objects.get(handle);
    if (key === undefined) return TEE_ERROR_BAD_STATE;
    const fits = !key.busy && algorithm.keyTypes.includes(key.props.type);
    return fits ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS;
  }

  #claim(handle: number): void {
    const key = this.#objects.get(handle);
    if (key !== undefined) key.busy = true;
  }

  #close(handle: number): void {
    const object = this.#objects.get(handle);
    if (object === undefined) return;
    object.reset();
    this.#objects.delete(handle);
    this.#heap.free(OBJECT_BYTES + object.props.allocBytes);
  }

  #absent(what: string, id: number): number {
    this.#trace.cause('secure', {
      layer: 'optee-os/syscall',
      code: 'TEE_ERROR_NOT_SUPPORTED',
      text: `no such ${what}: 0x${id.toString(16)}`,
      hint: 'teebox support lists what there is',
    });
    return TEE_ERROR_NOT_SUPPORTED;
  }

  #cannotFork(state: CryptoState): number {
    this.#trace.cause('secure', {
      layer: 'optee-os/syscall',
      code: 'TEE_ERROR_NOT_SUPPORTED',
      text: `operation 0x${state.algorithm.id.toString(16)} cannot be copied once it has had data`,
      hint: 'copy it before the first TEE_AEUpdateAAD or TEE_AEUpdate',
    });
    return TEE_ERROR_NOT_SUPPORTED;
  }
}

function runCipher(context: CipherContext, source: Uint8Array, out: Uint8Array): number {
  return source.length === 0 ? TEE_SUCCESS : context.update(source, out);
}
