/**
 * The internal client API and cancellation: specification chapters 4.9 and 4.10.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api.c.
 */
import {
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_TARGET_DEAD,
  TEE_HANDLE_NULL,
  TEE_NUM_PARAMS,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_PARAM_TYPE_GET,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
} from '../../abi/gp.ts';
import { isUuidText } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import { ClientParams } from './client-params.ts';
import { MEMREF_RIGHTS } from './entry-params.ts';
import { TeeTimeAndRandom } from './time.ts';
import { ref, sessionHandle } from './types.ts';
import type { MaybePromise, Ref, TEE_Params, TEE_TASessionHandle } from './types.ts';

/** What TEE_InvokeTACommand may return when it did not reach the other TA. */
const UNREACHED = [TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_TARGET_DEAD];

export class TeeClient extends TeeTimeAndRandom {
  /** Sessions of the library's own with pseudo TAs, by UUID: opened at the first need, and kept. */
  readonly #ptaSessions = new Map<string, TEE_TASessionHandle>();

  /**
   * @param destination the other TA's UUID, as text
   * @param cancellationRequestTimeout milliseconds, or TEE_TIMEOUT_INFINITE
   * @param params null when paramTypes is 0
   */
  TEE_OpenTASession(
    destination: string,
    cancellationRequestTimeout: number,
    paramTypes: number,
    params: TEE_Params | null,
    session: Ref<TEE_TASessionHandle>,
    returnOrigin: Ref<number> | null,
  ): MaybePromise<number> {
    const api = 'TEE_OpenTASession';
    if (!isUuidText(destination)) this.panic(0, api, `not a UUID: ${destination}`);
    this.#checkParams(api, paramTypes, params);
    const sent = new ClientParams(this.runtime, paramTypes, params);
    const uuid = destination.toLowerCase();
    return this.runtime.call(
      this.#open(uuid, cancellationRequestTimeout, sent, session, returnOrigin),
    );
  }

  TEE_CloseTASession(session: TEE_TASessionHandle): MaybePromise<void> {
    if (session !== TEE_HANDLE_NULL) return this.runtime.call(this.#close(session));
  }

  TEE_InvokeTACommand(
    session: TEE_TASessionHandle,
    cancellationRequestTimeout: number,
    commandID: number,
    paramTypes: number,
    params: TEE_Params | null,
    returnOrigin: Ref<number> | null,
  ): MaybePromise<number> {
    this.#checkParams('TEE_InvokeTACommand', paramTypes, params);
    const sent = new ClientParams(this.runtime, paramTypes, params);
    return this.runtime.call(
      this.#invoke(session, cancellationRequestTimeout, commandID, sent, returnOrigin),
    );
  }

  /** Whether the client wants the running operation to end, unless that is masked. */
  TEE_GetCancellationFlag(): boolean {
    const out = { cancel: false };
    const result = this.syscalls.getCancellationFlag(out);
    return result === TEE_SUCCESS && out.cancel;
  }

  /** @returns whether cancellation was masked before */
  TEE_UnmaskCancellation(): boolean {
    const out = { masked: false };
    this.allow('TEE_UnmaskCancellation', this.syscalls.unmaskCancellation(out));
    return out.masked;
  }

  /** @returns whether cancellation was masked before */
  TEE_MaskCancellation(): boolean {
    const out = { masked: false };
    this.allow('TEE_MaskCancellation', this.syscalls.maskCancellation(out));
    return out.masked;
  }

  /** A command of a pseudo TA that serves the library: invoke_system_pta() and its like. */
  protected *invokePta(
    uuid: string,
    commandID: number,
    paramTypes: number,
    params: TEE_Params,
  ): Co<number> {
    let session = this.#ptaSessions.get(uuid);
    if (session === undefined) {
      const none = new ClientParams(this.runtime, 0, null);
      const opened = ref<TEE_TASessionHandle>(TEE_HANDLE_NULL);
      const result = yield* this.#open(uuid, TEE_TIMEOUT_INFINITE, none, opened, null);
      if (result !== TEE_SUCCESS) return result;
      session = opened.value;
      this.#ptaSessions.set(uuid, session);
    }
    const sent = new ClientParams(this.runtime, paramTypes, params);
    return yield* this.#invoke(session, TEE_TIMEOUT_INFINITE, commandID, sent, null);
  }

  *#open(
    uuid: string,
    timeoutMs: number,
    params: ClientParams,
    session: Ref<TEE_TASessionHandle>,
    returnOrigin: Ref<number> | null,
  ): Co<number> {
    session.value = TEE_HANDLE_NULL;
    const out = { session: 0, origin: TEE_ORIGIN_TEE };
    let result = params.prepare();
    if (result === TEE_SUCCESS) {
      result = yield* this.syscalls.openTaSession(uuid, timeoutMs, params, out);
      params.finish(result === TEE_SUCCESS);
    }
    if (returnOrigin !== null) returnOrigin.value = out.origin;
    if (result === TEE_SUCCESS) session.value = sessionHandle(out.session);
    return result;
  }

  *#close(session: TEE_TASessionHandle): Co<void> {
    this.allow('TEE_CloseTASession', yield* this.syscalls.closeTaSession(session));
  }

  *#invoke(
    session: TEE_TASessionHandle,
    timeoutMs: number,
    command: number,
    params: ClientParams,
    returnOrigin: Ref<number> | null,
  ): Co<number> {
    const out = { origin: TEE_ORIGIN_TEE };
    let result = params.prepare();
    if (result === TEE_SUCCESS) {
      result = yield* this.syscalls.invokeTaCommand(session, timeoutMs, command, params, out);
      params.finish(result !== TEE_ERROR_TARGET_DEAD);
    }
    if (returnOrigin !== null) returnOrigin.value = out.origin;
    if (out.origin === TEE_ORIGIN_TRUSTED_APP) return result;
    return this.allow('TEE_InvokeTACommand', result, UNREACHED);
  }

  /** As check_invoke_param(): what came for reading is not passed on for writing. */
  #checkParams(api: string, types: number, params: TEE_Params | null): void {
    if (types === 0) return;
    if (params === null) return this.panic(0, api, 'paramTypes without params');
    for (let n = 0; n < TEE_NUM_PARAMS; n++) {
      const rights = MEMREF_RIGHTS.get(TEE_PARAM_TYPE_GET(types, n));
      const { buffer, size } = params[n]!.memref;
      if (rights === undefined || buffer === null) continue;
      const bytes = buffer.subarray(0, size);
      if (this.runtime.entry.exceedsRights(rights, bytes)) {
        this.panic(0, api, `params[${n}] is memory that this TA may only read`);
      }
      if (this.isNoShare(bytes)) {
        this.panic(0, api, `params[${n}] is memory that is never shared (TEE_MALLOC_NO_SHARE)`);
      }
    }
  }
}
