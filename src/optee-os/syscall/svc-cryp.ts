/**
 * The cryptographic system calls of one TA context: asymmetric operations and key derivation, on top
 * of all others.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (syscall_asymm_*, syscall_cryp_derive_key).
 */
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_GENERIC,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_MODE_VERIFY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { TaAttribute, TaCryptoSyscalls } from '../../ta/runtime.ts';
import type { AsymmetricContext } from '../crypto/contexts.ts';
import { fitsBounceBuffer } from '../kernel/user-access.ts';
import type { CryptoObject } from './cryp-object.ts';
import { CrypAuthenc } from './svc-cryp-authenc.ts';
import type { Size } from './svc-cryp-objects.ts';
import type { CryptoState } from './svc-cryp-states.ts';

interface Asymmetric {
  readonly context: AsymmetricContext;
  readonly key: CryptoObject;
}

export class CryptoSyscalls extends CrypAuthenc implements TaCryptoSyscalls {
  asymmOperate(
    handle: number,
    attributes: readonly TaAttribute[],
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
  ): number {
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (size.size > out.length) return TEE_ERROR_ACCESS_DENIED;
    if (!this.canCopyIn(attributes)) return TEE_ERROR_OUT_OF_MEMORY;
    const found = this.#asymmetric(state, TEE_ERROR_GENERIC, TEE_ERROR_BAD_PARAMETERS);
    if (typeof found === 'number') return found;
    const needed = { size: size.size };
    const result = found.context.operate(found.key, attributes, source, out, needed);
    if (result === TEE_SUCCESS || result === TEE_ERROR_SHORT_BUFFER) size.size = needed.size;
    return result;
  }

  asymmVerify(
    handle: number,
    attributes: readonly TaAttribute[],
    data: Uint8Array,
    signature: Uint8Array,
  ): number {
    const state = this.state(handle);
    if (state === undefined || state.mode !== TEE_MODE_VERIFY) return TEE_ERROR_BAD_PARAMETERS;
    if (!this.canCopyIn(attributes)) return TEE_ERROR_OUT_OF_MEMORY;
    const found = this.#asymmetric(state, TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_NOT_SUPPORTED);
    if (typeof found === 'number') return found;
    return found.context.verify(found.key, attributes, data, signature);
  }

  deriveKey(handle: number, attributes: readonly TaAttribute[], derived: number): number {
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (!this.canCopyIn(attributes)) return TEE_ERROR_OUT_OF_MEMORY;
    const key1 = this.objects.get(state.key1);
    const key2 = this.objects.get(state.key2);
    const target = this.objects.get(derived);
    if (key1 === undefined || target === undefined) return TEE_ERROR_BAD_STATE;
    if (!target.isSecret || state.context.kind !== 'derivation') return TEE_ERROR_NOT_SUPPORTED;
    // What the attributes refer to is copied whole, for all of the call.
    const lengths = attributes.map(({ content }) => content?.length ?? 0);
    if (!fitsBounceBuffer(this.trace, ...lengths)) return TEE_ERROR_OUT_OF_MEMORY;
    return state.context.derive(key1, key2, attributes, target);
  }

  /**
   * @param emptyKey the result when the key has no attributes
   * @param otherKind the result when the operation is of another class
   */
  #asymmetric(
    { context, key1 }: CryptoState,
    emptyKey: number,
    otherKind: number,
  ): Asymmetric | number {
    const key = this.objects.get(key1);
    if (key === undefined) return TEE_ERROR_BAD_STATE;
    if (!key.initialized) return emptyKey;
    return context.kind === 'asymmetric' ? { context, key } : otherKind;
  }
}
