/**
 * Message authentication codes: specification chapter 6.5.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_MAC_INVALID,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_KEY_SET,
  TEE_OPERATION_MAC,
  TEE_OPERATION_STATE_ACTIVE,
  TEE_OPERATION_STATE_INITIAL,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TEE_MAX_HASH_SIZE } from '../../abi/utee-defines.ts';
import { TeeCiphers } from './cipher.ts';
import type { Operation } from './operation.ts';
import { NOTHING } from './operations.ts';
import { memref } from './types.ts';
import type { TEE_Memref, TEE_OperationHandle } from './types.ts';

export class TeeMacs extends TeeCiphers {
  /** @param IV what no algorithm here takes: null */
  TEE_MACInit(operation: TEE_OperationHandle, IV: Uint8Array | null): void {
    const api = 'TEE_MACInit';
    const op = this.operation(api, operation);
    if (op.info.operationClass !== TEE_OPERATION_MAC) this.panic(0, api, 'not a MAC');
    if (!op.has(TEE_HANDLE_FLAG_KEY_SET)) this.panic(0, api, 'no key is set');
    if (op.operationState !== TEE_OPERATION_STATE_INITIAL) this.TEE_ResetOperation(operation);
    op.operationState = TEE_OPERATION_STATE_ACTIVE;
    this.beginHash(api, op, IV ?? NOTHING);
  }

  TEE_MACUpdate(operation: TEE_OperationHandle, chunk: Uint8Array | null): void {
    const api = 'TEE_MACUpdate';
    const op = this.#active(api, operation, 0);
    this.allow(api, this.syscalls.crypto.hashUpdate(op.core.state, chunk ?? NOTHING));
  }

  /** @returns TEE_SUCCESS or TEE_ERROR_SHORT_BUFFER */
  TEE_MACComputeFinal(
    operation: TEE_OperationHandle,
    message: Uint8Array | null,
    mac: TEE_Memref,
  ): number {
    const api = 'TEE_MACComputeFinal';
    const op = this.#active(api, operation, TEE_ERROR_BAD_PARAMETERS);
    const { crypto } = this.syscalls;
    const out = this.room(api, mac);
    const result = crypto.hashFinal(op.core.state, message ?? NOTHING, out, mac);
    if (result !== TEE_SUCCESS) return this.allow(api, result, [TEE_ERROR_SHORT_BUFFER]);
    op.finish();
    return TEE_SUCCESS;
  }

  /** @returns TEE_SUCCESS or TEE_ERROR_MAC_INVALID, after the same time whatever differs */
  TEE_MACCompareFinal(
    operation: TEE_OperationHandle,
    message: Uint8Array | null,
    mac: Uint8Array | null,
  ): number {
    const api = 'TEE_MACCompareFinal';
    this.#active(api, operation, TEE_ERROR_BAD_PARAMETERS);
    const computed = memref(new Uint8Array(TEE_MAX_HASH_SIZE));
    const result = this.TEE_MACComputeFinal(operation, message, computed);
    if (result !== TEE_SUCCESS) return this.allow(api, result);
    const given = mac ?? NOTHING;
    const length = computed.size;
    const equal =
      given.length === length && this.TEE_MemCompare(given, computed.buffer, length) === 0;
    return equal ? TEE_SUCCESS : TEE_ERROR_MAC_INVALID;
  }

  #active(api: string, operation: TEE_OperationHandle, code: number): Operation {
    const op = this.operation(api, operation, code);
    if (op.info.operationClass !== TEE_OPERATION_MAC) this.panic(code, api, 'not a MAC');
    const begun =
      op.has(TEE_HANDLE_FLAG_INITIALIZED) && op.operationState === TEE_OPERATION_STATE_ACTIVE;
    return begun ? op : this.panic(code, api, 'TEE_MACInit comes first');
  }
}
