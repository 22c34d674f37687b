/**
 * The system calls of authenticated encryption.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (syscall_authenc_*).
 */
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { AuthencContext } from '../crypto/contexts.ts';
import { fitsBounceBuffer } from '../kernel/user-access.ts';
import type { Size } from './svc-cryp-objects.ts';
import { CrypStates } from './svc-cryp-states.ts';

export class CrypAuthenc extends CrypStates {
  authencInit(
    handle: number,
    nonce: Uint8Array,
    tagLength: number,
    aadLength: number,
    payloadLength: number,
  ): number {
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (state.context.kind !== 'authenc') return TEE_ERROR_BAD_STATE;
    const key = this.objects.get(state.key1);
    if (key === undefined) return TEE_ERROR_BAD_STATE;
    if (!key.initialized) return TEE_ERROR_BAD_PARAMETERS;
    if (!fitsBounceBuffer(this.trace, nonce.length)) return TEE_ERROR_OUT_OF_MEMORY;
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
    const result = found.updatePayload(source, out);
    if (result === TEE_SUCCESS) size.size = source.length;
    return result;
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
    if (size.size > out.length) return TEE_ERROR_ACCESS_DENIED;
    if (size.size < source.length) {
      tagSize.size = 0;
      return TEE_ERROR_SHORT_BUFFER;
    }
    if (tagSize.size > tag.length) return TEE_ERROR_ACCESS_DENIED;
    const needed = { size: tagSize.size };
    const result = found.encFinal(source, out, tag, needed);
    if (result !== TEE_SUCCESS && result !== TEE_ERROR_SHORT_BUFFER) return result;
    size.size = source.length;
    tagSize.size = needed.size;
    return result;
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
    const result = found.decFinal(source, out, tag);
    if (result === TEE_SUCCESS || result === TEE_ERROR_SHORT_BUFFER) size.size = source.length;
    return result;
  }

  /** The context of a started operation (of one mode), or why there is none. */
  #authenc(handle: number, mode?: number): AuthencContext | number {
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (!state.initialized) return TEE_ERROR_BAD_STATE;
    if (mode !== undefined && state.mode !== mode) return TEE_ERROR_BAD_PARAMETERS;
    return state.context.kind === 'authenc' ? state.context : TEE_ERROR_BAD_STATE;
  }
}
