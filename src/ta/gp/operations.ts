/**
 * Operations: specification chapter 6.2. What an operation does is in the chapters after it.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c.
 */
import {
  TEE_ALG,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_CORRUPT_OBJECT_2,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_ERROR_STORAGE_NOT_AVAILABLE_2,
  TEE_HANDLE_FLAG_EXPECT_TWO_KEYS,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_KEY_SET,
  TEE_HANDLE_NULL,
  TEE_OPERATION_DIGEST,
  TEE_OPERATION_STATE_INITIAL,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { AlgorithmRow } from './algorithm-row.ts';
import { findAlgorithmRow, isAlgorithmSupported } from './algorithms.ts';
import { OPERATION_BYTES, Operation } from './operation.ts';
import type { CoreParts, OperationMemory } from './operation.ts';
import { TeePersistentObjects } from './persistent.ts';
import { TEE_ObjectInfo, operationHandle, ref } from './types.ts';
import type {
  Ref,
  TEE_ObjectHandle,
  TEE_OperationHandle,
  TEE_OperationInfo,
  TEE_OperationInfoKey,
  TEE_OperationInfoMultiple,
} from './types.ts';

export const NOTHING = new Uint8Array(0);

const ALLOCATE_RESULTS = [TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_NOT_SUPPORTED];
const KEY_RESULTS = [TEE_ERROR_CORRUPT_OBJECT, TEE_ERROR_STORAGE_NOT_AVAILABLE];
const KEY2_RESULTS = [
  ...KEY_RESULTS,
  TEE_ERROR_CORRUPT_OBJECT_2,
  TEE_ERROR_STORAGE_NOT_AVAILABLE_2,
];

export class TeeOperations extends TeePersistentObjects {
  readonly #operations = new Map<TEE_OperationHandle, Operation>();
  #lastOperation = 0;

  /**
   * @param algorithm TEE_ALG_* @param mode TEE_MODE_* @param maxKeySize bits; of both keys together
   *   where there are two, 0 for digests
   * @returns TEE_SUCCESS, TEE_ERROR_NOT_SUPPORTED or TEE_ERROR_OUT_OF_MEMORY
   */
  TEE_AllocateOperation(
    operation: Ref<TEE_OperationHandle>,
    algorithm: number,
    mode: number,
    maxKeySize: number,
  ): number {
    const row = findAlgorithmRow(algorithm);
    if (row === undefined) return this.#absent(algorithm);
    if (!row.takesKeySize(maxKeySize) || !row.modes.has(mode)) return TEE_ERROR_NOT_SUPPORTED;
    const memory = this.#allocateMemory(row);
    if (memory === null) return TEE_ERROR_OUT_OF_MEMORY;
    const core: CoreParts = { key1: TEE_HANDLE_NULL, key2: TEE_HANDLE_NULL, state: 0 };
    const result = this.#allocateInCore(row, mode, maxKeySize, core);
    if (result !== TEE_SUCCESS) {
      this.#freeMemory(memory);
      return this.allow('TEE_AllocateOperation', result, ALLOCATE_RESULTS);
    }
    this.#lastOperation += 1;
    operation.value = operationHandle(this.#lastOperation);
    const made = new Operation(row, mode, maxKeySize, core, memory);
    this.#operations.set(operation.value, made);
    return TEE_SUCCESS;
  }

  /** The operation's keys are gone with it. */
  TEE_FreeOperation(operation: TEE_OperationHandle): void {
    if (operation === TEE_HANDLE_NULL) return;
    const api = 'TEE_FreeOperation';
    const { core, memory } = this.operation(api, operation);
    this.#operations.delete(operation);
    this.allow(api, this.#stateFree(core.state));
    this.#freeMemory(memory);
  }

  TEE_GetOperationInfo(operation: TEE_OperationHandle, operationInfo: TEE_OperationInfo): void {
    const op = this.operation('TEE_GetOperationInfo', operation);
    Object.assign(operationInfo, op.info);
    if (!op.has(TEE_HANDLE_FLAG_EXPECT_TWO_KEYS)) return;
    operationInfo.keySize = 0;
    operationInfo.requiredKeyUsage = 0;
  }

  TEE_GetOperationInfoMultiple(
    operation: TEE_OperationHandle,
    operationInfo: TEE_OperationInfoMultiple,
  ): number {
    const api = 'TEE_GetOperationInfoMultiple';
    const op = this.operation(api, operation, TEE_ERROR_BAD_PARAMETERS);
    const { keySize: _, requiredKeyUsage, ...info } = op.info;
    const keys: TEE_OperationInfoKey[] = [];
    for (const handle of [op.core.key1, op.core.key2]) {
      if (handle === TEE_HANDLE_NULL) continue;
      const key = new TEE_ObjectInfo();
      this.allow(api, this.TEE_GetObjectInfo1(handle, key));
      keys.push({ keySize: key.objectSize, requiredKeyUsage });
    }
    Object.assign(operationInfo, info);
    operationInfo.operationState = op.operationState;
    operationInfo.keyInformation = keys;
    return TEE_SUCCESS;
  }

  TEE_ResetOperation(operation: TEE_OperationHandle): void {
    const api = 'TEE_ResetOperation';
    const op = this.operation(api, operation);
    if (!op.has(TEE_HANDLE_FLAG_KEY_SET)) this.panic(0, api, 'no key is set');
    this.#reset(api, op);
  }

  /** @param key TEE_HANDLE_NULL clears the operation's key; of two the first one */
  TEE_SetOperationKey(operation: TEE_OperationHandle, key: TEE_ObjectHandle): number {
    const api = 'TEE_SetOperationKey';
    const op = this.operation(api, operation);
    if (op.has(TEE_HANDLE_FLAG_INITIALIZED)) this.panic(0, api, 'the operation is under way');
    return this.#setKey(api, op, key);
  }

  /**
   * For XTS and SM2's key exchange. Both keys TEE_HANDLE_NULL clear those of the operation.
   * @returns TEE_ERROR_SECURITY when both are the same object
   */
  TEE_SetOperationKey2(
    operation: TEE_OperationHandle,
    key1: TEE_ObjectHandle,
    key2: TEE_ObjectHandle,
  ): number {
    const api = 'TEE_SetOperationKey2';
    const same = key1 !== TEE_HANDLE_NULL && key1 === key2;
    if (same && operation !== TEE_HANDLE_NULL) return TEE_ERROR_SECURITY;
    return this.#setKeys(api, this.operation(api, operation), key1, key2);
  }

  /** The destination gets the source's keys and state. */
  TEE_CopyOperation(dstOperation: TEE_OperationHandle, srcOperation: TEE_OperationHandle): void {
    const api = 'TEE_CopyOperation';
    const to = this.operation(api, dstOperation);
    const from = this.operation(api, srcOperation);
    if (to.row !== from.row || to.info.mode !== from.info.mode) {
      this.panic(0, api, 'algorithm or mode differ');
    }
    if (!from.isDigest) this.#copyKeys(api, to, from);
    to.copyFrom(from);
    this.allow(api, this.syscalls.crypto.stateCopy(to.core.state, from.core.state));
  }

  /** @param element TEE_ECC_CURVE_*, or TEE_CRYPTO_ELEMENT_NONE */
  TEE_IsAlgorithmSupported(algId: number, element: number): number {
    return isAlgorithmSupported(algId, element) ? TEE_SUCCESS : TEE_ERROR_NOT_SUPPORTED;
  }

  /** The operation of a handle. A stale or NULL handle is a panic with `code`. */
  protected operation(api: string, handle: TEE_OperationHandle, code = 0): Operation {
    const op = this.#operations.get(handle);
    return op ?? this.panic(code, api, `no such operation: ${handle}`);
  }

  // --- allocation
  #allocateMemory(row: AlgorithmRow): OperationMemory | null {
    const api = 'TEE_AllocateOperation';
    const handle = this.allocate(api, OPERATION_BYTES);
    if (handle === null) return null;
    if (row.blockSize <= 1) return { handle, buffer: NOTHING };
    const buffer = this.allocate(api, row.holdsTwoBlocks ? 2 * row.blockSize : row.blockSize);
    if (buffer !== null) return { handle, buffer };
    this.TEE_Free(handle);
    return null;
  }

  #freeMemory({ handle, buffer }: OperationMemory): void {
    this.TEE_Free(buffer);
    this.TEE_Free(handle);
  }

  /** The key objects and the operation of the core; when that fails nothing stays behind. */
  #allocateInCore(row: AlgorithmRow, mode: number, maxKeySize: number, core: CoreParts): number {
    const { crypto } = this.syscalls;
    let result = this.#allocateKeys(row, mode, maxKeySize, core);
    const out = { handle: 0 };
    if (result === TEE_SUCCESS) {
      result = crypto.stateAlloc(row.algorithm, mode, core.key1, core.key2, out);
    }
    if (result !== TEE_SUCCESS) {
      this.TEE_FreeTransientObject(core.key1);
      this.TEE_FreeTransientObject(core.key2);
      return result;
    }
    core.state = out.handle;
    if (row.operationClass !== TEE_OPERATION_DIGEST) return TEE_SUCCESS;
    result = crypto.hashInit(core.state, NOTHING);
    if (result !== TEE_SUCCESS) this.#stateFree(core.state);
    return result;
  }

  /** The keys are of this library's making, transient ones. */
  #stateFree(state: number): number {
    const freed = this.syscalls.crypto.stateFree(state);
    if (typeof freed !== 'number') throw new Error('a key of an operation is not in storage');
    return freed;
  }

  #allocateKeys(row: AlgorithmRow, mode: number, maxKeySize: number, core: CoreParts): number {
    if (row.operationClass === TEE_OPERATION_DIGEST) return TEE_SUCCESS;
    const keyType = row.modes.get(mode)?.keyType ?? 0;
    const bits = row.twoKeys ? Math.floor(maxKeySize / 2) : maxKeySize;
    const key = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
    const result = this.TEE_AllocateTransientObject(keyType, bits, key);
    core.key1 = key.value;
    if (result !== TEE_SUCCESS || !row.twoKeys) return result;
    key.value = TEE_HANDLE_NULL;
    const result2 = this.TEE_AllocateTransientObject(keyType, bits, key);
    core.key2 = key.value;
    return result2;
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

  // --- state and keys
  #reset(api: string, op: Operation): void {
    if (!op.isDigest) {
      op.finish();
      return;
    }
    op.operationState = TEE_OPERATION_STATE_INITIAL;
    this.allow(api, this.syscalls.crypto.hashInit(op.core.state, NOTHING));
    op.set(TEE_HANDLE_FLAG_INITIALIZED);
  }

  #setKey(api: string, op: Operation, key: TEE_ObjectHandle): number {
    if (key === TEE_HANDLE_NULL) return this.#clearKeys(api, op, [op.core.key1]);
    if (op.isDigest) this.#badKey(api, 'a digest takes no key');
    if (op.row.twoKeys) this.#badKey(api, 'the algorithm takes two keys: TEE_SetOperationKey2');
    const info = new TEE_ObjectInfo();
    const found = this.#keyInfo(api, op, key, info);
    if (found !== TEE_SUCCESS) return this.allow(api, found, KEY_RESULTS);
    this.#checkKeySize(api, op, info);
    this.#dropKeys(op, [op.core.key1]);
    const copied = this.TEE_CopyObjectAttributes1(op.core.key1, key);
    if (copied !== TEE_SUCCESS) return this.allow(api, copied, KEY_RESULTS);
    return this.#keysSet(api, op, info);
  }

  #setKeys(api: string, op: Operation, key1: TEE_ObjectHandle, key2: TEE_ObjectHandle): number {
    if (op.operationState !== TEE_OPERATION_STATE_INITIAL) {
      this.panic(0, api, 'the operation is under way');
    }
    const [none1, none2] = [key1 === TEE_HANDLE_NULL, key2 === TEE_HANDLE_NULL];
    const { core } = op;
    if (none1 && none2) return this.#clearKeys(api, op, [core.key1, core.key2]);
    if (none1 || none2) this.#badKey(api, 'one of the keys is TEE_HANDLE_NULL');
    if (op.isDigest) this.#badKey(api, 'a digest takes no key');
    if (!op.row.twoKeys) this.#badKey(api, 'the algorithm takes one key: TEE_SetOperationKey');
    const [info1, info2] = [new TEE_ObjectInfo(), new TEE_ObjectInfo()];
    let result = this.#keyInfo(api, op, key1, info1);
    if (result === TEE_SUCCESS) result = second(this.#keyInfo(api, op, key2, info2));
    if (result !== TEE_SUCCESS) return this.allow(api, result, KEY2_RESULTS);
    if (info1.objectSize !== info2.objectSize) this.#badKey(api, 'the keys differ in size');
    this.#checkKeySize(api, op, info1);
    this.#dropKeys(op, [core.key1, core.key2]);
    result = this.TEE_CopyObjectAttributes1(core.key1, key1);
    if (result === TEE_SUCCESS) result = second(this.TEE_CopyObjectAttributes1(core.key2, key2));
    if (result !== TEE_SUCCESS) return this.allow(api, result, KEY2_RESULTS);
    return this.#keysSet(api, op, info1);
  }

  /** A source without keys clears those of the destination. */
  #copyKeys(api: string, to: Operation, from: Operation): void {
    const has = from.has(TEE_HANDLE_FLAG_KEY_SET);
    const key1 = has ? from.core.key1 : TEE_HANDLE_NULL;
    if (from.row.twoKeys) {
      this.#setKeys(api, to, key1, has ? from.core.key2 : TEE_HANDLE_NULL);
    } else {
      this.#setKey(api, to, key1);
    }
  }

  #keyInfo(api: string, op: Operation, key: TEE_ObjectHandle, info: TEE_ObjectInfo): number {
    const result = this.TEE_GetObjectInfo1(key, info);
    if (result !== TEE_SUCCESS) return result;
    const required = op.info.requiredKeyUsage;
    if ((info.objectUsage & required) !== required) {
      this.#badKey(api, 'the key may not be used for this');
    }
    return TEE_SUCCESS;
  }

  #checkKeySize(api: string, op: Operation, info: TEE_ObjectInfo): void {
    if (op.info.maxKeySize < info.objectSize) {
      this.#badKey(api, `a key of ${info.objectSize} bits is too long`);
    }
  }

  #dropKeys(op: Operation, keys: readonly TEE_ObjectHandle[]): void {
    for (const key of keys) this.TEE_ResetTransientObject(key);
    op.clear(TEE_HANDLE_FLAG_KEY_SET);
  }

  #clearKeys(api: string, op: Operation, keys: readonly TEE_ObjectHandle[]): number {
    this.#dropKeys(op, keys);
    if (op.operationState !== TEE_OPERATION_STATE_INITIAL) this.#reset(api, op);
    return TEE_SUCCESS;
  }

  /** Of two keys the size of one is reported. */
  #keysSet(api: string, op: Operation, info: TEE_ObjectInfo): number {
    op.set(TEE_HANDLE_FLAG_KEY_SET);
    op.info.keySize = info.objectSize;
    if (op.operationState !== TEE_OPERATION_STATE_INITIAL) this.#reset(api, op);
    return TEE_SUCCESS;
  }

  #badKey(api: string, why: string): never {
    return this.panic(TEE_ERROR_BAD_PARAMETERS, api, why);
  }
}

/** The same failure, of the second key. */
const second = (result: number): number =>
  result === TEE_ERROR_CORRUPT_OBJECT ? TEE_ERROR_CORRUPT_OBJECT_2 : result;
