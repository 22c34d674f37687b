/**
 * Message digests: specification chapter 6.3.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c. As there, the flag
 * TEE_HANDLE_FLAG_EXTRACTING is never cleared, and an operation that is reset between two pieces of
 * its digest is lost.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_GENERIC,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_FLAG_EXTRACTING,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_OPERATION_STATE_ACTIVE,
  TEE_OPERATION_STATE_EXTRACTING,
  TEE_OPERATION_STATE_INITIAL,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Operation } from './operation.ts';
import { NOTHING, TeeOperations } from './operations.ts';
import type { TEE_Memref, TEE_OperationHandle } from './types.ts';

export class TeeDigests extends TeeOperations {
  TEE_DigestUpdate(operation: TEE_OperationHandle, chunk: Uint8Array | null): void {
    const api = 'TEE_DigestUpdate';
    const op = this.#digest(api, operation, 0);
    op.operationState = TEE_OPERATION_STATE_ACTIVE;
    this.allow(api, this.syscalls.crypto.hashUpdate(op.core.state, chunk ?? NOTHING));
  }

  /**
   * The operation can be used anew then. Of an extendable-output function as many bytes are made as
   * there is room for. @returns TEE_SUCCESS or TEE_ERROR_SHORT_BUFFER
   */
  TEE_DigestDoFinal(
    operation: TEE_OperationHandle,
    chunk: Uint8Array | null,
    hash: TEE_Memref,
  ): number {
    const api = 'TEE_DigestDoFinal';
    const op = this.#digest(api, operation, TEE_ERROR_BAD_PARAMETERS);
    const message = chunk ?? NOTHING;
    const extracting = op.operationState === TEE_OPERATION_STATE_EXTRACTING;
    if (extracting && message.length > 0) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'some of the digest has been extracted');
    }
    if (extracting && !isExtendable(op)) this.#handOut(api, op, hash);
    else {
      const { crypto } = this.syscalls;
      const result = crypto.hashFinal(op.core.state, message, this.room(api, hash), hash);
      if (result !== TEE_SUCCESS) return this.allow(api, result, [TEE_ERROR_SHORT_BUFFER]);
    }
    this.beginHash(api, op, NOTHING);
    op.operationState = TEE_OPERATION_STATE_INITIAL;
    return TEE_SUCCESS;
  }

  /** The next bytes of the digest, at most as many as there is room for. */
  TEE_DigestExtract(operation: TEE_OperationHandle, hash: TEE_Memref): number {
    const api = 'TEE_DigestExtract';
    const op = this.#digest(api, operation, 0);
    if (isExtendable(op)) {
      markExtracting(op);
      this.#finalHash(api, op, this.room(api, hash), hash);
      return TEE_SUCCESS;
    }
    if (op.operationState !== TEE_OPERATION_STATE_EXTRACTING) {
      const size = { size: op.buffer.length };
      this.#finalHash(api, op, op.buffer, size);
      if (size.size !== op.buffer.length) this.panic(0, api, 'the digest has another length');
      if (op.bufferOffs > 0) {
        this.panic(TEE_ERROR_GENERIC, api, 'assertion: reset after a part was extracted');
      }
      markExtracting(op);
    }
    op.bufferOffs += this.#handOut(api, op, hash);
    return TEE_SUCCESS;
  }

  /** Begins a digest or MAC. */
  protected beginHash(api: string, op: Operation, iv: Uint8Array): void {
    this.allow(api, this.syscalls.crypto.hashInit(op.core.state, iv));
    op.bufferOffs = 0;
    op.set(TEE_HANDLE_FLAG_INITIALIZED);
  }

  #digest(api: string, operation: TEE_OperationHandle, code: number): Operation {
    const op = this.operation(api, operation, code);
    return op.isDigest ? op : this.panic(code, api, 'not a digest');
  }

  /** The library panics with 0 here, whatever the core said. */
  #finalHash(api: string, op: Operation, out: Uint8Array, size: { size: number }): void {
    const result = this.syscalls.crypto.hashFinal(op.core.state, NOTHING, out, size);
    if (result !== TEE_SUCCESS) this.panic(0, api, 'the core refused');
  }

  /** Bytes of the digest that are left, as far as there is room. @returns how many */
  #handOut(api: string, op: Operation, hash: TEE_Memref): number {
    const out = this.room(api, hash);
    const piece = op.buffer.subarray(op.bufferOffs, op.bufferOffs + out.length);
    out.set(piece);
    hash.size = piece.length;
    return piece.length;
  }
}

/** An extendable-output function has no fixed digest to keep. */
const isExtendable = (op: Operation): boolean => op.buffer.length === 0;

function markExtracting(op: Operation): void {
  op.set(TEE_HANDLE_FLAG_EXTRACTING);
  op.operationState = TEE_OPERATION_STATE_EXTRACTING;
}
