/**
 * The random number PTA: entropy for the normal world, enumerated as a device of the tee bus.
 *
 * Upstream counterpart: optee_os core/pta/hwrng.c.
 */
import { PTA_CMD_GET_ENTROPY, PTA_CMD_GET_RNG_INFO, PTA_RNG_UUID } from '../../abi/pta.ts';
import { PTA_DEFAULT_FLAGS, TA_FLAG_CONCURRENT, TA_FLAG_DEVICE_ENUM } from '../../abi/ta-head.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import type { PseudoTa, PtaCall } from '../kernel/pseudo-ta.ts';

export class RngPta implements PseudoTa {
  readonly uuid = PTA_RNG_UUID;
  readonly name = 'rng.pta';
  readonly flags = PTA_DEFAULT_FLAGS | TA_FLAG_CONCURRENT | TA_FLAG_DEVICE_ENUM;
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  // eslint-disable-next-line require-yield -- other PTAs leave the secure world
  *invokeCommand(call: PtaCall, command: number): Co<number> {
    if (command === PTA_CMD_GET_ENTROPY) return this.#getEntropy(call);
    if (command === PTA_CMD_GET_RNG_INFO) return this.#getInfo(call);
    return TEE_ERROR_NOT_IMPLEMENTED;
  }

  #getEntropy({ types, params }: PtaCall): number {
    const { bytes } = params[0]!;
    if (types !== TEE_PARAM_TYPE_MEMREF_INOUT || bytes.length === 0) {
      return TEE_ERROR_BAD_PARAMETERS;
    }
    this.#guest.nexus.random.fill(bytes);
    return TEE_SUCCESS;
  }

  #getInfo({ types, params }: PtaCall): number {
    if (types !== TEE_PARAM_TYPE_VALUE_OUTPUT) return TEE_ERROR_BAD_PARAMETERS;
    const { config } = this.#guest.nexus;
    params[0]!.a = config.CFG_HWRNG_RATE;
    params[0]!.b = config.CFG_HWRNG_QUALITY;
    return TEE_SUCCESS;
  }
}
