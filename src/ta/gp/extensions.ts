/**
 * What OP-TEE gives its TAs beyond the specification, over the system PTA.
 *
 * Upstream counterparts: optee_os lib/libutee/include/tee_internal_api_extensions.h,
 * tee_system_pta.c, tee_uuid_from_str.c. Left out: tee_map_zi, tee_map_zi_va and tee_unmap, for a
 * TypeScript TA has no address space to map into (TEE_Malloc gives it memory); tee_user_mem_*, which
 * upstream declares only. Cache maintenance is in `memory.ts`, log lines in `trace.ts`.
 */
import {
  TEE_ERROR_BAD_FORMAT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import { PTA_SYSTEM_SUPP_PLUGIN_INVOKE, PTA_SYSTEM_UUID } from '../../abi/pta.ts';
import { UUID_LEN, isUuidText, setUuidStruct } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import { TeeAsymmetric } from './asymmetric.ts';
import { newParams } from './types.ts';
import type { MaybePromise, Ref } from './types.ts';

const PLUGIN_TYPES = TEE_PARAM_TYPES(
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
);

export class TeeExtensions extends TeeAsymmetric {
  /**
   * Lets a plugin of tee-supplicant do something.
   * @param uuid the plugin's, as text @param buf data for the plugin, and from it
   * @param outlen bytes that the plugin left in `buf`; null when not wanted
   */
  tee_invoke_supp_plugin(
    uuid: string,
    cmd: number,
    sub_cmd: number,
    buf: Uint8Array | null,
    outlen: Ref<number> | null,
  ): MaybePromise<number> {
    if (!isUuidText(uuid) || buf?.length === 0) return TEE_ERROR_BAD_PARAMETERS;
    const params = newParams();
    const octets = new Uint8Array(UUID_LEN);
    setUuidStruct(new DataView(octets.buffer), 0, uuid);
    Object.assign(params[0].memref, { buffer: octets, size: octets.length });
    Object.assign(params[1].value, { a: cmd, b: sub_cmd });
    Object.assign(params[2].memref, { buffer: buf, size: buf?.length ?? 0 });
    return this.runtime.call(this.#invokePlugin(params, outlen));
  }

  /** @param uuid gets the text, in lower case @returns TEE_SUCCESS or TEE_ERROR_BAD_FORMAT */
  tee_uuid_from_str(uuid: Ref<string>, s: string): number {
    if (!isUuidText(s)) return TEE_ERROR_BAD_FORMAT;
    uuid.value = s.toLowerCase();
    return TEE_SUCCESS;
  }

  *#invokePlugin(params: ReturnType<typeof newParams>, outlen: Ref<number> | null): Co<number> {
    const command = PTA_SYSTEM_SUPP_PLUGIN_INVOKE;
    const result = yield* this.invokePta(PTA_SYSTEM_UUID, command, PLUGIN_TYPES, params);
    if (result !== TEE_SUCCESS) {
      this.EMSG(`Invoke tee-supplicant's plugin failed: ${hex32(result)}`);
    }
    if (outlen !== null) outlen.value = params[3].value.a;
    return result;
  }
}
