/**
 * Authenticated encryption: specification chapter 6.6.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c.
 */
import {
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_GCM,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_MAC_INVALID,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_OPERATION_AE,
  TEE_OPERATION_STATE_ACTIVE,
  TEE_OPERATION_STATE_INITIAL,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Step } from './buffering.ts';
import { tooShort } from './cipher.ts';
import { TeeMacs } from './mac.ts';
import type { Operation } from './operation.ts';
import { NOTHING } from './operations.ts';
import type { TEE_Memref, TEE_OperationHandle } from './types.ts';

const DECRYPT_RESULTS = [TEE_ERROR_MAC_INVALID, TEE_ERROR_SHORT_BUFFER];

export class TeeAuthenticatedEncryption extends TeeMacs {
  readonly #update: Step = (state, source, out, size) =>
    this.syscalls.crypto.authencUpdatePayload(state, source, out, size);

  /**
   * @param tagLen bits @param AADLen bytes of additional data, for CCM
   * @param payloadLen bytes, for CCM @returns TEE_SUCCESS or TEE_ERROR_NOT_SUPPORTED
   */
  TEE_AEInit(
    operation: TEE_OperationHandle,
    nonce: Uint8Array | null,
    tagLen: number,
    AADLen: number,
    payloadLen: number,
  ): number {
    const api = 'TEE_AEInit';
    const op = this.operation(api, operation, TEE_ERROR_BAD_PARAMETERS);
    if (nonce === null) return this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'no nonce');
    if (op.info.operationClass !== TEE_OPERATION_AE) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'not authenticated encryption');
    }
    if (op.operationState !== TEE_OPERATION_STATE_INITIAL) {
      this.panic(TEE_ERROR_BAD_PARAMETERS, api, 'the operation is under way');
    }
    const gcm = op.info.algorithm === TEE_ALG_AES_GCM;
    if (gcm && (tagLen < 96 || tagLen > 128 || tagLen % 8 !== 0)) return TEE_ERROR_NOT_SUPPORTED;
    const tagBytes = Math.floor(tagLen / 8);
    const { crypto } = this.syscalls;
    const result = crypto.authencInit(op.core.state, nonce, tagBytes, AADLen, payloadLen);
    if (result !== TEE_SUCCESS) return this.allow(api, result, [TEE_ERROR_NOT_SUPPORTED]);
    op.info.digestLength = tagBytes;
    op.bufferOffs = 0;
    op.set(TEE_HANDLE_FLAG_INITIALIZED);
    return TEE_SUCCESS;
  }

  /** NULL is no data for GCM; for CCM, whose library asks for a pointer, it is a panic. */
  TEE_AEUpdateAAD(operation: TEE_OperationHandle, AADdata: Uint8Array | null): void {
    const api = 'TEE_AEUpdateAAD';
    const op = this.#started(api, operation, 0);
    if (op.operationState !== TEE_OPERATION_STATE_INITIAL) {
      this.panic(0, api, 'additional data comes before the payload');
    }
    if (AADdata === null && op.info.algorithm === TEE_ALG_AES_CCM) {
      this.panic(TEE_ERROR_BAD_STATE, api, 'NULL for the additional data of CCM');
    }
    this.allow(api, this.syscalls.crypto.authencUpdateAad(op.core.state, AADdata ?? NOTHING));
  }

  /** @returns TEE_SUCCESS or TEE_ERROR_SHORT_BUFFER */
  TEE_AEUpdate(
    operation: TEE_OperationHandle,
    srcData: Uint8Array | null,
    dest: TEE_Memref,
  ): number {
    const api = 'TEE_AEUpdate';
    const op = this.#started(api, operation);
    const source = srcData ?? NOTHING;
    const needed = op.updateLength(source.length);
    if (dest.size < needed) return tooShort(dest, needed);
    dest.size = this.feed(api, op, this.#update, source, this.room(api, dest));
    if (source.length > 0) op.operationState = TEE_OPERATION_STATE_ACTIVE;
    return TEE_SUCCESS;
  }

  /** @returns TEE_SUCCESS or TEE_ERROR_SHORT_BUFFER (for `dest`, `tag` or both) */
  TEE_AEEncryptFinal(
    operation: TEE_OperationHandle,
    srcData: Uint8Array | null,
    dest: TEE_Memref,
    tag: TEE_Memref,
  ): number {
    const api = 'TEE_AEEncryptFinal';
    const op = this.#started(api, operation);
    const source = srcData ?? NOTHING;
    const needed = op.bufferOffs + source.length;
    const shortDest = dest.size < needed ? tooShort(dest, needed) : TEE_SUCCESS;
    const { digestLength } = op.info;
    const shortTag = tag.size < digestLength ? tooShort(tag, digestLength) : TEE_SUCCESS;
    if (shortDest !== TEE_SUCCESS || shortTag !== TEE_SUCCESS) return shortDest || shortTag;
    const [out, tagOut] = [this.room(api, dest), this.room(api, tag)];
    const done = this.feedBeforeEnd(api, op, this.#update, source, out);
    const size = { size: out.length - done };
    const { crypto } = this.syscalls;
    const [rest, left] = [op.rest(source), out.subarray(done)];
    const result = crypto.authencEncFinal(op.core.state, rest, left, size, tagOut, tag);
    if (result !== TEE_SUCCESS) return this.allow(api, result, [TEE_ERROR_SHORT_BUFFER]);
    dest.size = done + size.size;
    op.finish();
    return TEE_SUCCESS;
  }

  /** @returns TEE_SUCCESS, TEE_ERROR_SHORT_BUFFER or TEE_ERROR_MAC_INVALID */
  TEE_AEDecryptFinal(
    operation: TEE_OperationHandle,
    srcData: Uint8Array | null,
    dest: TEE_Memref,
    tag: Uint8Array,
  ): number {
    const api = 'TEE_AEDecryptFinal';
    const op = this.#started(api, operation);
    const source = srcData ?? NOTHING;
    const needed = op.bufferOffs + source.length;
    if (dest.size < needed) return tooShort(dest, needed);
    const out = this.room(api, dest);
    const done = this.feedBeforeEnd(api, op, this.#update, source, out);
    const size = { size: out.length - done };
    const { crypto } = this.syscalls;
    const [rest, left] = [op.rest(source), out.subarray(done)];
    const result = crypto.authencDecFinal(op.core.state, rest, left, size, tag);
    if (result !== TEE_SUCCESS) return this.allow(api, result, DECRYPT_RESULTS);
    dest.size = done + size.size;
    op.finish();
    return tag.length === op.info.digestLength ? TEE_SUCCESS : TEE_ERROR_MAC_INVALID;
  }

  #started(
    api: string,
    operation: TEE_OperationHandle,
    code: number = TEE_ERROR_BAD_PARAMETERS,
  ): Operation {
    const op = this.operation(api, operation, code);
    if (op.info.operationClass !== TEE_OPERATION_AE) {
      this.panic(code, api, 'not authenticated encryption');
    }
    const begun = op.has(TEE_HANDLE_FLAG_INITIALIZED);
    return begun ? op : this.panic(code, api, 'TEE_AEInit comes first');
  }
}
