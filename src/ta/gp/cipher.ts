/**
 * Symmetric ciphers: specification chapter 6.4.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_KEY_SET,
  TEE_OPERATION_CIPHER,
  TEE_OPERATION_STATE_ACTIVE,
  TEE_OPERATION_STATE_INITIAL,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TeeBuffering } from './buffering.ts';
import type { Step } from './buffering.ts';
import type { Operation } from './operation.ts';
import { NOTHING } from './operations.ts';
import type { TEE_Memref, TEE_OperationHandle } from './types.ts';

const NOWHERE: TEE_Memref = { buffer: null, size: 0 };

export class TeeCiphers extends TeeBuffering {
  readonly #update: Step = (state, source, out, size) =>
    this.syscalls.crypto.cipherUpdate(state, source, out, size);

  /** @param IV null for ECB */
  TEE_CipherInit(operation: TEE_OperationHandle, IV: Uint8Array | null): void {
    const api = 'TEE_CipherInit';
    const op = this.operation(api, operation);
    if (op.info.operationClass !== TEE_OPERATION_CIPHER) this.panic(0, api, 'not a cipher');
    if (!op.has(TEE_HANDLE_FLAG_KEY_SET)) this.panic(0, api, 'no key is set');
    if (op.operationState !== TEE_OPERATION_STATE_INITIAL) this.TEE_ResetOperation(operation);
    const iv = IV ?? NOTHING;
    if (op.row.noIv && iv.length > 0) this.panic(0, api, 'ECB takes no initialization vector');
    op.operationState = TEE_OPERATION_STATE_ACTIVE;
    this.allow(api, this.syscalls.crypto.cipherInit(op.core.state, iv));
    op.bufferOffs = 0;
    op.set(TEE_HANDLE_FLAG_INITIALIZED);
  }

  /** Writes what is whole blocks. @returns TEE_SUCCESS or TEE_ERROR_SHORT_BUFFER */
  TEE_CipherUpdate(
    operation: TEE_OperationHandle,
    srcData: Uint8Array | null,
    dest: TEE_Memref,
  ): number {
    const api = 'TEE_CipherUpdate';
    const op = this.#active(api, operation);
    const source = srcData ?? NOTHING;
    const needed = op.updateLength(source.length);
    if (dest.size < needed) return tooShort(dest, needed);
    dest.size = this.feed(api, op, this.#update, source, this.room(api, dest));
    return TEE_SUCCESS;
  }

  /** @param dest may be null when nothing comes out @returns as TEE_CipherUpdate */
  TEE_CipherDoFinal(
    operation: TEE_OperationHandle,
    srcData: Uint8Array | null,
    dest: TEE_Memref | null,
  ): number {
    const api = 'TEE_CipherDoFinal';
    const op = this.#active(api, operation);
    const source = srcData ?? NOTHING;
    const needed = op.bufferOffs + source.length;
    if (op.row.wholeBlocks && needed % op.row.blockSize !== 0) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, `${needed} bytes left are no whole blocks`);
    }
    const target = dest ?? { ...NOWHERE };
    if (target.size < needed) return tooShort(target, needed);
    const out = this.room(api, target);
    const done = this.feedBeforeEnd(api, op, this.#update, source, out);
    const size = { size: out.length - done };
    const { crypto } = this.syscalls;
    const left = out.subarray(done);
    const result = crypto.cipherFinal(op.core.state, op.rest(source), left, size);
    if (result !== TEE_SUCCESS) return this.allow(api, result, [TEE_ERROR_SHORT_BUFFER]);
    target.size = done + size.size;
    op.finish();
    return TEE_SUCCESS;
  }

  #active(api: string, operation: TEE_OperationHandle): Operation {
    const op = this.operation(api, operation, TEE_ERROR_BAD_PARAMETERS);
    if (op.info.operationClass !== TEE_OPERATION_CIPHER) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'not a cipher');
    }
    const begun =
      op.has(TEE_HANDLE_FLAG_INITIALIZED) && op.operationState === TEE_OPERATION_STATE_ACTIVE;
    return begun ? op : this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'TEE_CipherInit comes first');
  }
}

export function tooShort(dest: TEE_Memref, needed: number): number {
  dest.size = needed;
  return TEE_ERROR_SHORT_BUFFER;
}
