/**
 * The system calls on operations: allocating, copying and freeing them; digests, MACs and ciphers.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (syscall_cryp_state_*, syscall_hash_*,
 * syscall_cipher_*).
 */
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_OPERATION_AE,
  TEE_OPERATION_ASYMMETRIC_CIPHER,
  TEE_OPERATION_ASYMMETRIC_SIGNATURE,
  TEE_OPERATION_CIPHER,
  TEE_OPERATION_DIGEST,
  TEE_OPERATION_KEY_DERIVATION,
  TEE_OPERATION_MAC,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import { findAlgorithm } from '../crypto/algorithms.ts';
import type { Algorithm, CipherContext, OperationContext } from '../crypto/contexts.ts';
import { AEAD_FORK_LIMIT } from '../../host/crypto.ts';
import { fitsBounceBuffer } from '../kernel/user-access.ts';
import { CrypObjects } from './svc-cryp-objects.ts';
import type { Size } from './svc-cryp-objects.ts';

/** As `struct tee_cryp_state`. */
export interface CryptoState {
  readonly algorithm: Algorithm;
  readonly mode: number;
  readonly key1: number;
  readonly key2: number;
  context: OperationContext;
  initialized: boolean;
}

/** TEE_ALG_GET_CLASS(): what syscall_cryp_state_alloc() answers to each class when no key comes. */
const WITHOUT_KEY: ReadonlyMap<number, number> = new Map([
  [TEE_OPERATION_DIGEST, TEE_ERROR_NOT_IMPLEMENTED],
  [TEE_OPERATION_CIPHER, TEE_ERROR_BAD_PARAMETERS],
  [TEE_OPERATION_MAC, TEE_ERROR_BAD_PARAMETERS],
  [TEE_OPERATION_AE, TEE_ERROR_BAD_PARAMETERS],
  [TEE_OPERATION_ASYMMETRIC_CIPHER, TEE_ERROR_BAD_PARAMETERS],
  [TEE_OPERATION_ASYMMETRIC_SIGNATURE, TEE_ERROR_BAD_PARAMETERS],
  [TEE_OPERATION_KEY_DERIVATION, TEE_ERROR_BAD_PARAMETERS],
]);

/** struct tee_cryp_state with a context beside it, on a 64-bit core. */
const STATE_BYTES = 72 + 560;

export class CrypStates extends CrypObjects {
  readonly #states = new Map<number, CryptoState>();

  /** Operations that exist; for leak reports. */
  get stateCount(): number {
    return this.#states.size;
  }

  /** The context is gone: as tee_svc_cryp_free_states(). */
  *freeStates(): Co<void> {
    for (const handle of this.#states.keys()) yield* endOf(this.stateFree(handle));
  }

  stateAlloc(
    id: number,
    mode: number,
    key1: number,
    key2: number,
    out: { handle: number },
  ): number {
    const algorithm = findAlgorithm(id);
    if (algorithm === undefined) return this.#absentAlgorithm(id, key1, key2);
    for (const handle of [key1, key2]) {
      const result = handle === 0 ? TEE_SUCCESS : this.#checkKey(handle, algorithm, mode);
      if (result !== TEE_SUCCESS) return result;
    }
    const fit = (key1 !== 0) === algorithm.keys >= 1 && (key2 !== 0) === (algorithm.keys === 2);
    if (!fit) return TEE_ERROR_BAD_PARAMETERS;
    if (!this.heap.alloc(STATE_BYTES, 'an operation')) return TEE_ERROR_OUT_OF_MEMORY;
    const context = algorithm.open(this.services, mode);
    out.handle = this.objects.newHandle();
    this.#states.set(out.handle, { algorithm, mode, key1, key2, context, initialized: false });
    for (const handle of [key1, key2]) this.#claim(handle);
    return TEE_SUCCESS;
  }

  stateCopy(destination: number, source: number): number {
    const to = this.#states.get(destination);
    const from = this.#states.get(source);
    if (to === undefined || from === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (to.algorithm !== from.algorithm || to.mode !== from.mode) return TEE_ERROR_BAD_PARAMETERS;
    if (!('fork' in from.context)) return TEE_ERROR_BAD_STATE;
    const context = from.context.fork();
    if (context === undefined) return this.#cannotFork(from);
    to.context = context;
    to.initialized = from.initialized;
    return TEE_SUCCESS;
  }

  /** Closes the operation's keys with it; a persistent one's file is outside of the secure world. */
  stateFree(handle: number): MaybeCo<number> {
    const state = this.#states.get(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    const closing1 = this.objects.close(state.key1);
    if (closing1 !== undefined) return this.#freeAfter(handle, state, closing1);
    const closing2 = this.objects.close(state.key2);
    if (closing2 !== undefined) return this.#freeAfter(handle, state, closing2);
    return this.#forget(handle);
  }

  /** `closing` is of either key; the second one is closed after the first, if it still is there. */
  *#freeAfter(handle: number, { key2 }: CryptoState, closing: Co<void>): Co<number> {
    yield* closing;
    const closing2 = this.objects.close(key2);
    if (closing2 !== undefined) yield* closing2;
    return this.#forget(handle);
  }

  #forget(handle: number): number {
    this.#states.delete(handle);
    this.heap.free(STATE_BYTES);
    return TEE_SUCCESS;
  }

  // --- digests and MACs
  /** Neither takes an initialization vector. */
  hashInit(handle: number, _iv: Uint8Array): number {
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    const result = this.#startHash(state);
    if (result === TEE_SUCCESS) state.initialized = true;
    return result;
  }

  /** Of nothing nothing is looked at, not even the handle. */
  hashUpdate(handle: number, chunk: Uint8Array): number {
    if (chunk.length === 0) return TEE_SUCCESS;
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (!state.initialized) return TEE_ERROR_BAD_STATE;
    return hash(state.context, chunk);
  }

  hashFinal(handle: number, chunk: Uint8Array, out: Uint8Array, size: Size): number {
    if (size.size > out.length) return TEE_ERROR_ACCESS_DENIED;
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (!state.initialized) return TEE_ERROR_BAD_STATE;
    const { context } = state;
    if (context.kind !== 'digest' && context.kind !== 'mac') return TEE_ERROR_BAD_PARAMETERS;
    const needed = context.size ?? size.size;
    const short = size.size < needed;
    let result = short ? TEE_ERROR_SHORT_BUFFER : hash(context, chunk);
    if (result === TEE_SUCCESS) {
      result = context.final(out.length === needed ? out : out.subarray(0, needed)) ?? TEE_SUCCESS;
    }
    if (result === TEE_SUCCESS || short) size.size = needed;
    return result;
  }

  #startHash({ context, key1 }: CryptoState): number {
    if (context.kind === 'digest') {
      context.init();
      return TEE_SUCCESS;
    }
    if (context.kind !== 'mac') return TEE_ERROR_BAD_PARAMETERS;
    const key = this.objects.get(key1);
    if (key === undefined) return TEE_ERROR_BAD_STATE;
    return key.initialized ? context.init(key.secret) : TEE_ERROR_BAD_PARAMETERS;
  }

  // --- ciphers
  cipherInit(handle: number, iv: Uint8Array): number {
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (state.context.kind !== 'cipher') return TEE_ERROR_BAD_STATE;
    const key1 = this.objects.get(state.key1);
    const key2 = this.objects.get(state.key2);
    if (key1 === undefined) return TEE_ERROR_BAD_STATE;
    if (!key1.initialized) return TEE_ERROR_BAD_PARAMETERS;
    if (!fitsBounceBuffer(this.trace, iv.length)) return TEE_ERROR_OUT_OF_MEMORY;
    if (key2?.initialized === false) return TEE_ERROR_BAD_PARAMETERS;
    const result = state.context.init(key1.secret, key2?.secret, iv);
    if (result === TEE_SUCCESS) state.initialized = true;
    return result;
  }

  cipherUpdate(handle: number, source: Uint8Array, out: Uint8Array, size: Size): number {
    return this.#cipher(handle, source, out, size, false);
  }

  cipherFinal(handle: number, source: Uint8Array, out: Uint8Array, size: Size): number {
    return this.#cipher(handle, source, out, size, true);
  }

  /** tee_svc_cipher_update_helper() */
  #cipher(handle: number, source: Uint8Array, out: Uint8Array, size: Size, last: boolean): number {
    const state = this.state(handle);
    if (state === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (!state.initialized || state.context.kind !== 'cipher') return TEE_ERROR_BAD_STATE;
    if (size.size > out.length) return TEE_ERROR_ACCESS_DENIED;
    const short = size.size < source.length;
    const result = short ? TEE_ERROR_SHORT_BUFFER : runCipher(state.context, source, out, last);
    if (result === TEE_SUCCESS || short) size.size = source.length;
    return result;
  }

  protected state(handle: number): CryptoState | undefined {
    return this.#states.get(handle);
  }

  /** What upstream says where no row fits: no key fits either, and a class may need one. */
  #absentAlgorithm(id: number, key1: number, key2: number): number {
    const result = this.absent('algorithm', id);
    const given = [key1, key2].find((handle) => handle !== 0);
    if (given !== undefined) {
      return this.objects.get(given) === undefined ? TEE_ERROR_BAD_STATE : TEE_ERROR_BAD_PARAMETERS;
    }
    return WITHOUT_KEY.get(id >>> 28) ?? result;
  }

  #checkKey(handle: number, algorithm: Algorithm, mode: number): number {
    const key = this.objects.get(handle);
    if (key === undefined) return TEE_ERROR_BAD_STATE;
    const fits = !key.busy && algorithm.keyTypes(mode).includes(key.type);
    return fits ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS;
  }

  #claim(handle: number): void {
    const key = this.objects.get(handle);
    if (key !== undefined) key.busy = true;
  }

  #cannotFork(state: CryptoState): number {
    this.trace.cause('secure', {
      layer: 'optee-os/syscall',
      code: 'TEE_ERROR_NOT_SUPPORTED',
      text: `operation 0x${state.algorithm.id.toString(16)} cannot be copied: it has had too much`,
      limit: `${AEAD_FORK_LIMIT} bytes of additional data and payload`,
      hint: 'copy it earlier, or feed both operations',
    });
    return TEE_ERROR_NOT_SUPPORTED;
  }
}

function hash(context: OperationContext, chunk: Uint8Array): number {
  if (context.kind !== 'digest' && context.kind !== 'mac') return TEE_ERROR_BAD_PARAMETERS;
  return (chunk.length > 0 ? context.update(chunk) : undefined) ?? TEE_SUCCESS;
}

function runCipher(
  context: CipherContext,
  source: Uint8Array,
  out: Uint8Array,
  last: boolean,
): number {
  return source.length === 0 ? TEE_SUCCESS : context.update(source, out, last);
}
