/**
 * The device enumeration PTA: tells the normal world's TEE bus which TAs are devices.
 *
 * Upstream counterpart: optee_os core/pta/device.c. Left out: StMM.
 */
import {
  PTA_CMD_GET_DEVICES,
  PTA_CMD_GET_DEVICES_RPMB,
  PTA_CMD_GET_DEVICES_SUPP,
  PTA_DEVICE_UUID,
} from '../../abi/pta.ts';
import {
  PTA_DEFAULT_FLAGS,
  TA_FLAG_DEVICE_ENUM,
  TA_FLAG_DEVICE_ENUM_SUPP,
  TA_FLAG_DEVICE_ENUM_TEE_STORAGE_PRIVATE,
} from '../../abi/ta-head.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { UUID_LEN, parseUuid } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import type { PseudoTa, PtaCall } from '../kernel/pseudo-ta.ts';

const PTA_NAME = 'device.pta';

const ENUM_FLAGS = [
  TA_FLAG_DEVICE_ENUM,
  TA_FLAG_DEVICE_ENUM_SUPP,
  TA_FLAG_DEVICE_ENUM_TEE_STORAGE_PRIVATE,
];
const ANY_ENUM_FLAG = ENUM_FLAGS.reduce((all, flag) => all | flag, 0);

export class DevicePta implements PseudoTa {
  readonly uuid = PTA_DEVICE_UUID;
  readonly name = PTA_NAME;
  readonly flags = PTA_DEFAULT_FLAGS;
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  *invokeCommand(call: PtaCall, command: number): Co<number> {
    const { config } = this.#guest.nexus;
    switch (command) {
      case PTA_CMD_GET_DEVICES:
        return this.#list(call, TA_FLAG_DEVICE_ENUM);
      case PTA_CMD_GET_DEVICES_SUPP: {
        const rpmb = config.CFG_RPMB_FS && !config.CFG_RPMB_ANNOUNCE_PROBE_CAP;
        const storage = config.CFG_REE_FS || rpmb ? TA_FLAG_DEVICE_ENUM_TEE_STORAGE_PRIVATE : 0;
        return this.#list(call, TA_FLAG_DEVICE_ENUM_SUPP | storage);
      }
      case PTA_CMD_GET_DEVICES_RPMB:
        return config.CFG_REE_FS ? this.#list(call, 0) : yield* this.#withRpmb(call);
      default:
        return TEE_ERROR_NOT_IMPLEMENTED;
    }
  }

  /** TAs that keep things in RPMB, now that the normal world has found a device. */
  *#withRpmb(call: PtaCall): Co<number> {
    const { rpmbFs } = this.#guest.storage;
    const found = rpmbFs !== undefined && (yield* rpmbFs.reinit(call.thread)) === TEE_SUCCESS;
    if (!found) return TEE_ERROR_STORAGE_NOT_AVAILABLE;
    return this.#list(call, TA_FLAG_DEVICE_ENUM_TEE_STORAGE_PRIVATE);
  }

  /** get_devices(): octets of the UUIDs with any of the flags. */
  #list(call: PtaCall, wanted: number): number {
    const out = call.params[0]!;
    if (call.types !== TEE_PARAM_TYPE_MEMREF_OUTPUT) return TEE_ERROR_BAD_PARAMETERS;
    let position = 0;
    for (const { uuid, flags } of this.#heads()) {
      if (!this.#consistent(call, uuid, flags) || (flags & wanted) === 0) continue;
      if (position + UUID_LEN <= out.bytes.length) out.bytes.set(parseUuid(uuid), position);
      position += UUID_LEN;
    }
    out.size = position;
    return position > out.bytes.length ? TEE_ERROR_SHORT_BUFFER : TEE_SUCCESS;
  }

  *#heads(): Generator<{ readonly uuid: string; readonly flags: number }, void, void> {
    yield* this.#guest.pseudoTas.values();
    for (const image of this.#guest.nexus.earlyTas.values()) yield image.head;
  }

  /** A TA is enumerated at one stage only; the log says of each listing which one is not. */
  #consistent(call: PtaCall, uuid: string, flags: number): boolean {
    const stages = flags & ANY_ENUM_FLAG;
    if (stages === 0 || ENUM_FLAGS.includes(stages)) return true;
    const text = `${PTA_NAME}: skipping TA ${uuid}, inconsistent flags`;
    this.#guest.nexus.log.emsg(call.thread, 'add_ta', text);
    return false;
  }
}
