/**
 * The system PTA: services that a TA's library uses. Only user TAs may open it.
 *
 * Upstream counterpart: optee_os core/pta/system.c. Left out: mapping memory and loading libraries
 * (a TypeScript TA has none of it), the TPM event log, supplicant plugins.
 */
import {
  PTA_SYSTEM_ADD_RNG_ENTROPY,
  PTA_SYSTEM_CMD,
  PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY,
  PTA_SYSTEM_DLOPEN,
  PTA_SYSTEM_DLSYM,
  PTA_SYSTEM_GET_TPM_EVENT_LOG,
  PTA_SYSTEM_MAP_ZI,
  PTA_SYSTEM_SUPP_PLUGIN_INVOKE,
  PTA_SYSTEM_UNMAP,
  PTA_SYSTEM_UUID,
  TA_DERIVED_EXTRA_DATA_MAX_SIZE,
  TA_DERIVED_KEY_MAX_SIZE,
  TA_DERIVED_KEY_MIN_SIZE,
} from '../../abi/pta.ts';
import { codeName } from '../../abi/layout.ts';
import { PTA_DEFAULT_FLAGS, TA_FLAG_CONCURRENT } from '../../abi/ta-head.ts';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SECURITY,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { UUID_LEN, setUuidStruct } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import { HUK_SUBKEY_UNIQUE_TA, hukSubkeyDerive } from '../kernel/huk-subkey.ts';
import type { PseudoTa, PtaCall } from '../kernel/pseudo-ta.ts';
import { UserTaCtx } from '../kernel/user-ta.ts';

const NONE = TEE_PARAM_TYPE_NONE;

/** What upstream has and this model has not. */
const ABSENT: readonly number[] = [
  PTA_SYSTEM_MAP_ZI,
  PTA_SYSTEM_UNMAP,
  PTA_SYSTEM_DLOPEN,
  PTA_SYSTEM_DLSYM,
  PTA_SYSTEM_GET_TPM_EVENT_LOG,
  PTA_SYSTEM_SUPP_PLUGIN_INVOKE,
];

export class SystemPta implements PseudoTa {
  readonly uuid = PTA_SYSTEM_UUID;
  readonly name = 'system.pta';
  readonly flags = PTA_DEFAULT_FLAGS | TA_FLAG_CONCURRENT;
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  openSession(call: PtaCall): number {
    const caller = call.thread.callingSession;
    return caller?.ctx instanceof UserTaCtx ? TEE_SUCCESS : TEE_ERROR_ACCESS_DENIED;
  }

  *invokeCommand(call: PtaCall, command: number): Co<number> {
    if (command === PTA_SYSTEM_ADD_RNG_ENTROPY) return addRngEntropy(call);
    if (command === PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY) return this.#deriveTaUniqueKey(call);
    return ABSENT.includes(command) ? this.#absent(command) : TEE_ERROR_NOT_IMPLEMENTED;
  }

  /** system_derive_ta_unique_key(): the key must not end up in the normal world's memory. */
  #deriveTaUniqueKey(call: PtaCall): number {
    const [extra, key] = [call.params[0]!, call.params[1]!];
    if (
      call.types !==
      TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, TEE_PARAM_TYPE_MEMREF_OUTPUT, NONE, NONE)
    ) {
      return TEE_ERROR_BAD_PARAMETERS;
    }
    const tooLong = extra.size > TA_DERIVED_EXTRA_DATA_MAX_SIZE;
    const badKey = key.size < TA_DERIVED_KEY_MIN_SIZE || key.size > TA_DERIVED_KEY_MAX_SIZE;
    if (tooLong || badKey) return TEE_ERROR_BAD_PARAMETERS;
    if (key.nonSecure) return TEE_ERROR_SECURITY;
    const data = new Uint8Array(UUID_LEN + extra.bytes.length);
    setUuidStruct(new DataView(data.buffer), 0, call.thread.callingSession!.ctx!.uuid);
    data.set(extra.bytes, UUID_LEN);
    const { crypto } = this.#guest.nexus;
    key.bytes.set(hukSubkeyDerive(crypto, HUK_SUBKEY_UNIQUE_TA, data, key.size));
    return TEE_SUCCESS;
  }

  #absent(command: number): number {
    this.#guest.nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_NOT_SUPPORTED',
      text: `${codeName(PTA_SYSTEM_CMD, command)} is not modelled`,
      object: this.name,
    });
    return TEE_ERROR_NOT_SUPPORTED;
  }
}

/** system_rng_reseed(): the box's random stream is not a TA's to change, so the data is dropped. */
function addRngEntropy(call: PtaCall): number {
  const input = call.params[0]!;
  const ok = call.types === TEE_PARAM_TYPE_MEMREF_INPUT && input.bytes.length > 0;
  return ok ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS;
}
