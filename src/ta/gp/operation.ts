/**
 * One operation, as the library keeps it: what a TEE_OperationHandle stands for.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c (struct __TEE_OperationHandle).
 */
import {
  TEE_HANDLE_FLAG_EXPECT_TWO_KEYS,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_KEY_SET,
  TEE_OPERATION_DIGEST,
  TEE_OPERATION_STATE_INITIAL,
} from '../../abi/gp.ts';
import type { AlgorithmRow } from './algorithm-row.ts';
import { TEE_OperationInfo } from './types.ts';
import type { TEE_ObjectHandle } from './types.ts';

/** sizeof(struct __TEE_OperationHandle) on a 64-bit machine. */
export const OPERATION_BYTES = 96;

/** What the core holds of an operation. */
export interface CoreParts {
  key1: TEE_ObjectHandle;
  key2: TEE_ObjectHandle;
  /** Handle of the operation. */
  state: number;
}

/** Memory of the TA's heap. */
export interface OperationMemory {
  /** Where C keeps the struct. */
  readonly handle: Uint8Array;
  /** Blocks that wait for their rest, or a digest that is handed out in pieces; empty for none. */
  readonly buffer: Uint8Array;
}

export class Operation {
  readonly row: AlgorithmRow;
  readonly info = new TEE_OperationInfo();
  readonly core: Readonly<CoreParts>;
  readonly memory: OperationMemory;
  /** TEE_OPERATION_STATE_* */
  operationState: number = TEE_OPERATION_STATE_INITIAL;
  /** Bytes that wait in the buffer; of a digest: that have been handed out. */
  bufferOffs = 0;

  constructor(
    row: AlgorithmRow,
    mode: number,
    maxKeySize: number,
    core: CoreParts,
    memory: OperationMemory,
  ) {
    this.row = row;
    this.core = core;
    this.memory = memory;
    this.info.algorithm = row.algorithm;
    this.info.operationClass = row.operationClass;
    this.info.mode = mode;
    this.info.digestLength = row.digestLength;
    this.info.maxKeySize = maxKeySize;
    this.info.requiredKeyUsage = row.modes.get(mode)?.usage ?? 0;
    this.info.handleState = stateOf(row);
  }

  get buffer(): Uint8Array {
    return this.memory.buffer;
  }

  get isDigest(): boolean {
    return this.info.operationClass === TEE_OPERATION_DIGEST;
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

  /** The end of a computation that TEE_*Init has begun. */
  finish(): void {
    this.operationState = TEE_OPERATION_STATE_INITIAL;
    this.clear(TEE_HANDLE_FLAG_INITIALIZED);
  }

  /** Whether bytes wait here until they are a whole block. */
  get collects(): boolean {
    return this.row.blockSize > 1;
  }

  /** What remains for the end, once `source` was fed if that had to be. */
  rest(source: Uint8Array): Uint8Array {
    return this.collects ? this.buffer.subarray(0, this.bufferOffs) : source;
  }

  /** Bytes that come out when `length` more go in, before the end. */
  updateLength(length: number): number {
    const { blockSize, holdsTwoBlocks } = this.row;
    const total = this.bufferOffs + length;
    if (!holdsTwoBlocks) return total - (total % blockSize);
    return roundUp(Math.max(0, total - 2 * blockSize), blockSize);
  }

  /** Takes over all that TEE_CopyOperation copies, but for keys and the core's part. */
  copyFrom(source: Operation): void {
    this.info.handleState = source.info.handleState;
    this.info.keySize = source.info.keySize;
    this.info.digestLength = source.info.digestLength;
    this.operationState = source.operationState;
    this.buffer.set(source.buffer);
    this.bufferOffs = source.bufferOffs;
  }
}

/** A digest counts as having its key, and as begun. */
function stateOf(row: AlgorithmRow): number {
  if (row.operationClass === TEE_OPERATION_DIGEST) {
    return TEE_HANDLE_FLAG_KEY_SET | TEE_HANDLE_FLAG_INITIALIZED;
  }
  return row.twoKeys ? TEE_HANDLE_FLAG_EXPECT_TWO_KEYS : 0;
}

const roundUp = (bytes: number, unit: number): number => Math.ceil(bytes / unit) * unit;
