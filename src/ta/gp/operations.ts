/**
 * Operations: specification chapter 6.2, and the collecting of whole blocks that ciphers share.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c. Left out so far: operations with
 * two keys (TEE_SetOperationKey2) and without any (digests).
 */
import {
  TEE_ALG,
  TEE_CRYPTO_ELEMENT_NONE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_KEY_SET,
  TEE_HANDLE_NULL,
  TEE_OPERATION_STATE_INITIAL,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { findAlgorithmRow } from './algorithms.ts';
import type { AlgorithmRow } from './algorithms.ts';
import { TeeObjects } from './objects.ts';
import { TEE_ObjectInfo, TEE_OperationInfo, operationHandle, ref } from './types.ts';
import type {
  Ref,
  TEE_ObjectHandle,
  TEE_OperationHandle,
  TEE_OperationInfoMultiple,
} from './types.ts';

/** sizeof(struct __TEE_OperationHandle) on a 64-bit machine. */
const OPERATION_BYTES = 96;

/** As `struct __TEE_OperationHandle`. */
export class Operation {
  readonly row: AlgorithmRow;
  readonly info = new TEE_OperationInfo();
  readonly key1: TEE_ObjectHandle;
  /** Handle of the operation in the core. */
  readonly state: number;
  /** TEE_OPERATION_STATE_* */
  operationState: number = TEE_OPERATION_STATE_INITIAL;
  /** Memory of the TA's heap: the struct itself, and the part of a block that waits for its rest. */
  readonly memory: Uint8Array;
  readonly buffer: Uint8Array;
  bufferOffs = 0;

  constructor(
    row: AlgorithmRow,
    mode: number,
    maxKeySize: number,
    key1: TEE_ObjectHandle,
    state: number,
    memory: Uint8Array,
  ) {
    this.row = row;
    this.key1 = key1;
    this.state = state;
    this.memory = memory;
    this.buffer = memory.subarray(OPERATION_BYTES);
    this.info.algorithm = row.algorithm;
    this.info.operationClass = row.operationClass;
    this.info.mode = mode;
    this.info.maxKeySize = maxKeySize;
    this.info.requiredKeyUsage = row.modes.get(mode) ?? 0;
  }

  has(flag: number): boolean {
    return (this.info.handleState & flag) !== 0;
  }

  set(flag: number): void {
    this.info.handleState |= flag;
  }

  clear(flag: number): void {
    this.info.handleState &= ~flag;
  }

  reset(): void {
    this.operationState = TEE_OPERATION_STATE_INITIAL;
    this.clear(TEE_HANDLE_FLAG_INITIALIZED);
  }
}

/** A syscall that turns bytes into as many others. */
export type Step = (
  state: number,
  source: Uint8Array,
  out: Uint8Array,
  size: { size: number },
) => number;

const KEY_RESULTS = [TEE_ERROR_CORRUPT_OBJECT, TEE_ERROR_STORAGE_NOT_AVAILABLE];
const ALLOCATE_RESULTS = [TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_NOT_SUPPORTED];

export class TeeOperations extends TeeObjects {
  readonly #operations = new Map<TEE_OperationHandle, Operation>();
  #lastOperation = 0;

  /**
   * @param algorithm TEE_ALG_* @param mode TEE_MODE_* @param maxKeySize bits
   * @returns TEE_ERROR_NOT_SUPPORTED, TEE_ERROR_OUT_OF_MEMORY
   */
  TEE_AllocateOperation(
    operation: Ref<TEE_OperationHandle>,
    algorithm: number,
    mode: number,
    maxKeySize: number,
  ): number {
    const row = findAlgorithmRow(algorithm);
    if (row === undefined) return this.#absent(algorithm);
    if (!row.modes.has(mode)) return TEE_ERROR_NOT_SUPPORTED;
    const memory = this.allocate('TEE_AllocateOperation', OPERATION_BYTES + row.blockSize);
    if (memory === null) return TEE_ERROR_OUT_OF_MEMORY;
    const [key, out] = [ref<TEE_ObjectHandle>(TEE_HANDLE_NULL), { handle: 0 }];
    const result = this.#inCore(row, mode, maxKeySize, key, out);
    if (result !== TEE_SUCCESS) {
      this.TEE_Free(memory);
      return result;
    }
    this.#lastOperation += 1;
    operation.value = operationHandle(this.#lastOperation);
    const made = new Operation(row, mode, maxKeySize, key.value, out.handle, memory);
    this.#operations.set(operation.value, made);
    return TEE_SUCCESS;
  }

  TEE_FreeOperation(operation: TEE_OperationHandle): void {
    if (operation === TEE_HANDLE_NULL) return;
    const { state, memory } = this.operation('TEE_FreeOperation', operation);
    this.#operations.delete(operation);
    this.allow('TEE_FreeOperation', this.syscalls.crypto.stateFree(state));
    this.TEE_Free(memory);
  }

  TEE_GetOperationInfo(operation: TEE_OperationHandle, operationInfo: TEE_OperationInfo): void {
    Object.assign(operationInfo, this.operation('TEE_GetOperationInfo', operation).info);
  }

  TEE_GetOperationInfoMultiple(
    operation: TEE_OperationHandle,
    operationInfo: TEE_OperationInfoMultiple,
  ): number {
    const api = 'TEE_GetOperationInfoMultiple';
    const op = this.operation(api, operation, TEE_ERROR_BAD_PARAMETERS);
    const { keySize: _, requiredKeyUsage, ...info } = op.info;
    const key = new TEE_ObjectInfo();
    this.allow(api, this.TEE_GetObjectInfo1(op.key1, key));
    Object.assign(operationInfo, info);
    operationInfo.operationState = op.operationState;
    operationInfo.keyInformation = [{ keySize: key.objectSize, requiredKeyUsage }];
    return TEE_SUCCESS;
  }

  TEE_ResetOperation(operation: TEE_OperationHandle): void {
    const op = this.operation('TEE_ResetOperation', operation);
    if (!op.has(TEE_HANDLE_FLAG_KEY_SET)) this.panic(0, 'TEE_ResetOperation', 'no key is set');
    op.reset();
  }

  /** @param key TEE_HANDLE_NULL clears the operation's key */
  TEE_SetOperationKey(operation: TEE_OperationHandle, key: TEE_ObjectHandle): number {
    const api = 'TEE_SetOperationKey';
    const op = this.operation(api, operation);
    if (op.has(TEE_HANDLE_FLAG_INITIALIZED)) this.panic(0, api, 'the operation is under way');
    return this.#setKey(api, op, key);
  }

  /** The destination gets the source's key and state. */
  TEE_CopyOperation(dstOperation: TEE_OperationHandle, srcOperation: TEE_OperationHandle): void {
    const api = 'TEE_CopyOperation';
    const to = this.operation(api, dstOperation);
    const from = this.operation(api, srcOperation);
    if (to.row !== from.row || to.info.mode !== from.info.mode) {
      this.panic(0, api, 'algorithm or mode differ');
    }
    const hasKey = from.has(TEE_HANDLE_FLAG_KEY_SET);
    this.#setKey(api, to, hasKey ? from.key1 : TEE_HANDLE_NULL);
    to.info.handleState = from.info.handleState;
    to.info.keySize = from.info.keySize;
    to.info.digestLength = from.info.digestLength;
    to.operationState = from.operationState;
    to.buffer.set(from.buffer);
    to.bufferOffs = from.bufferOffs;
    this.allow(api, this.syscalls.crypto.stateCopy(to.state, from.state));
  }

  /** @param element TEE_ECC_CURVE_*, or TEE_CRYPTO_ELEMENT_NONE */
  TEE_IsAlgorithmSupported(algId: number, element: number): number {
    const known = findAlgorithmRow(algId) !== undefined;
    return known && element === TEE_CRYPTO_ELEMENT_NONE ? TEE_SUCCESS : TEE_ERROR_NOT_SUPPORTED;
  }

  /** The operation of a handle. A stale or NULL handle is a panic with `code`. */
  protected operation(api: string, handle: TEE_OperationHandle, code = 0): Operation {
    const op = this.#operations.get(handle);
    return op ?? this.panic(code, api, `no such operation: ${handle}`);
  }

  /**
   * As tee_buffer_update(): whole blocks go to the core, the rest waits in the operation's buffer.
   * `out` has room for them. @returns bytes written
   */
  protected feed(
    api: string,
    op: Operation,
    step: Step,
    source: Uint8Array,
    out: Uint8Array,
  ): number {
    const size = op.row.blockSize;
    let from = 0;
    let done = 0;
    if (op.bufferOffs > 0) {
      from = Math.min(size - op.bufferOffs, source.length);
      op.buffer.set(source.subarray(0, from), op.bufferOffs);
      op.bufferOffs += from;
      if (op.bufferOffs < size) return 0;
      done = this.#step(api, op, step, op.buffer, out);
      op.bufferOffs = 0;
    }
    const end = source.length - ((source.length - from) % size);
    if (end > from) {
      done += this.#step(api, op, step, source.subarray(from, end), out.subarray(done));
    }
    op.buffer.set(source.subarray(end));
    op.bufferOffs = source.length - end;
    return done;
  }

  /** The key object and the operation of the core. */
  #inCore(
    row: AlgorithmRow,
    mode: number,
    maxKeySize: number,
    key: Ref<TEE_ObjectHandle>,
    out: { handle: number },
  ): number {
    const result = this.TEE_AllocateTransientObject(row.keyType, maxKeySize, key);
    if (result !== TEE_SUCCESS) return result;
    const { crypto } = this.syscalls;
    const allocated = crypto.stateAlloc(row.algorithm, mode, key.value, 0, out);
    if (allocated !== TEE_SUCCESS) this.TEE_FreeTransientObject(key.value);
    return this.allow('TEE_AllocateOperation', allocated, ALLOCATE_RESULTS);
  }

  #absent(algorithm: number): number {
    this.runtime.environment.sched.trace.cause('ta', {
      layer: 'ta/gp',
      code: 'TEE_ERROR_NOT_SUPPORTED',
      text: `TEE_AllocateOperation: no such algorithm: ${codeName(TEE_ALG, algorithm)}`,
      object: this.runtime.head.uuid,
      hint: 'teebox support lists what there is',
    });
    return TEE_ERROR_NOT_SUPPORTED;
  }

  #step(api: string, op: Operation, step: Step, source: Uint8Array, out: Uint8Array): number {
    const size = { size: out.length };
    this.allow(api, step(op.state, source, out, size));
    return size.size;
  }

  #setKey(api: string, op: Operation, key: TEE_ObjectHandle): number {
    if (key === TEE_HANDLE_NULL) {
      this.TEE_ResetTransientObject(op.key1);
      op.clear(TEE_HANDLE_FLAG_KEY_SET);
      if (op.operationState !== TEE_OPERATION_STATE_INITIAL) op.reset();
      return TEE_SUCCESS;
    }
    const info = new TEE_ObjectInfo();
    const found = this.TEE_GetObjectInfo1(key, info);
    if (found !== TEE_SUCCESS) return this.allow(api, found, KEY_RESULTS);
    const required = op.info.requiredKeyUsage;
    if ((info.objectUsage & required) !== required) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'the key may not be used for this');
    }
    if (op.info.maxKeySize < info.objectSize) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, `a key of ${info.objectSize} bits is too long`);
    }
    this.TEE_ResetTransientObject(op.key1);
    op.clear(TEE_HANDLE_FLAG_KEY_SET);
    const copied = this.TEE_CopyObjectAttributes1(op.key1, key);
    if (copied !== TEE_SUCCESS) return this.allow(api, copied, KEY_RESULTS);
    op.set(TEE_HANDLE_FLAG_KEY_SET);
    op.info.keySize = info.objectSize;
    if (op.operationState !== TEE_OPERATION_STATE_INITIAL) op.reset();
    return TEE_SUCCESS;
  }
}
