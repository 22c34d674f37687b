/**
 * The system PTA: services that a TA's library uses. Only user TAs may open it.
 *
 * Upstream counterparts: optee_os core/pta/system.c, and ldelf/dl.c for libraries. Left out: mapping
 * memory, which a TypeScript TA could not reach; libraries, of which none can be found; the TPM event
 * log (CFG_CORE_TPM_EVENT_LOG=n).
 */
import {
  PTA_SYSTEM_ADD_RNG_ENTROPY,
  PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY,
  PTA_SYSTEM_DLOPEN,
  PTA_SYSTEM_DLSYM,
  PTA_SYSTEM_GET_TPM_EVENT_LOG,
  PTA_SYSTEM_MAP_FLAG_SHAREABLE,
  PTA_SYSTEM_MAP_ZI,
  PTA_SYSTEM_SUPP_PLUGIN_INVOKE,
  PTA_SYSTEM_UNMAP,
  PTA_SYSTEM_UUID,
  RTLD_GLOBAL,
  RTLD_NODELETE,
  RTLD_NOW,
  TA_DERIVED_EXTRA_DATA_MAX_SIZE,
  TA_DERIVED_KEY_MAX_SIZE,
  TA_DERIVED_KEY_MIN_SIZE,
} from '../../abi/pta.ts';
import { codeName } from '../../abi/layout.ts';
import { PTA_DEFAULT_FLAGS, TA_FLAG_CONCURRENT } from '../../abi/ta-head.ts';
import {
  TEE_ERROR,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_TARGET_DEAD,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { NIL_UUID, UUID_LEN, getUuidStruct, setUuidStruct } from '../../abi/uuid.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import { HUK_SUBKEY_UNIQUE_TA, hukSubkeyDerive } from '../kernel/huk-subkey.ts';
import type { PseudoTa, PtaCall, PtaParam } from '../kernel/pseudo-ta.ts';
import { invokeSuppPlugin } from '../kernel/supp-plugin-rpc.ts';
import { fitsBounceBuffer } from '../kernel/user-access.ts';
import { UserTaCtx } from '../kernel/user-ta.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const VALUE_IN = TEE_PARAM_TYPE_VALUE_INPUT;
const MEMREF_IN = TEE_PARAM_TYPE_MEMREF_INPUT;
const MEMREF_OUT = TEE_PARAM_TYPE_MEMREF_OUTPUT;

/** What dlopen() must be called with. */
const DLOPEN_FLAGS = RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE;

type Four = readonly [PtaParam, PtaParam, PtaParam, PtaParam];

interface Command {
  readonly types: number;
  readonly run: (pta: SystemPta, call: PtaCall) => MaybeCo<number>;
}

const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [
    PTA_SYSTEM_ADD_RNG_ENTROPY,
    {
      types: TEE_PARAM_TYPES(MEMREF_IN, NONE, NONE, NONE),
      run: (pta, call) => pta.addRngEntropy(call),
    },
  ],
  [
    PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY,
    {
      types: TEE_PARAM_TYPES(MEMREF_IN, MEMREF_OUT, NONE, NONE),
      run: (pta, call) => pta.deriveTaUniqueKey(call),
    },
  ],
  [
    PTA_SYSTEM_MAP_ZI,
    {
      types: TEE_PARAM_TYPES(VALUE_IN, TEE_PARAM_TYPE_VALUE_INOUT, VALUE_IN, NONE),
      run: (pta, call) => pta.mapZi(call),
    },
  ],
  [
    PTA_SYSTEM_UNMAP,
    {
      types: TEE_PARAM_TYPES(VALUE_IN, VALUE_IN, NONE, NONE),
      run: (pta, call) => pta.unmap(call),
    },
  ],
  [
    PTA_SYSTEM_DLOPEN,
    {
      types: TEE_PARAM_TYPES(MEMREF_IN, VALUE_IN, NONE, NONE),
      run: (pta, call) => pta.dlopen(call),
    },
  ],
  [
    PTA_SYSTEM_DLSYM,
    {
      types: TEE_PARAM_TYPES(MEMREF_IN, MEMREF_IN, TEE_PARAM_TYPE_VALUE_OUTPUT, NONE),
      run: (pta, call) => pta.dlsym(call),
    },
  ],
  [
    PTA_SYSTEM_GET_TPM_EVENT_LOG,
    {
      types: TEE_PARAM_TYPES(MEMREF_OUT, NONE, NONE, NONE),
      run: (pta, call) => pta.tpmEventLog(call),
    },
  ],
  [
    PTA_SYSTEM_SUPP_PLUGIN_INVOKE,
    {
      types: TEE_PARAM_TYPES(
        MEMREF_IN,
        VALUE_IN,
        TEE_PARAM_TYPE_MEMREF_INOUT,
        TEE_PARAM_TYPE_VALUE_OUTPUT,
      ),
      run: (pta, call) => pta.suppPluginInvoke(call),
    },
  ],
]);

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
    const row = COMMANDS.get(command);
    if (row === undefined) return TEE_ERROR_NOT_IMPLEMENTED;
    if (call.types !== row.types) return TEE_ERROR_BAD_PARAMETERS;
    return yield* endOf(row.run(this, call));
  }

  /** system_rng_reseed(): the box's random stream is not a TA's to change, so the data is dropped. */
  addRngEntropy({ params }: PtaCall): number {
    const { length } = params[0]!.bytes;
    if (length === 0) return TEE_ERROR_BAD_PARAMETERS;
    const fits = fitsBounceBuffer(this.#guest.nexus.trace, length);
    return fits ? TEE_SUCCESS : TEE_ERROR_OUT_OF_MEMORY;
  }

  /** system_derive_ta_unique_key(): the key must not end up in the normal world's memory. */
  deriveTaUniqueKey({ thread, params }: PtaCall): number {
    const [extra, key] = params as Four;
    const tooLong = extra.size > TA_DERIVED_EXTRA_DATA_MAX_SIZE;
    const badKey = key.size < TA_DERIVED_KEY_MIN_SIZE || key.size > TA_DERIVED_KEY_MAX_SIZE;
    if (tooLong || badKey) return TEE_ERROR_BAD_PARAMETERS;
    if (key.nonSecure) return TEE_ERROR_SECURITY;
    const data = new Uint8Array(UUID_LEN + extra.bytes.length);
    setUuidStruct(new DataView(data.buffer), 0, thread.callingSession!.ctx!.uuid);
    data.set(extra.bytes, UUID_LEN);
    const { crypto } = this.#guest.nexus;
    key.bytes.set(hukSubkeyDerive(crypto, HUK_SUBKEY_UNIQUE_TA, data, key.size));
    return TEE_SUCCESS;
  }

  /** system_map_zi() */
  mapZi({ params }: PtaCall): number {
    const { a: bytes, b: flags } = params[0]!;
    if ((flags & ~PTA_SYSTEM_MAP_FLAG_SHAREABLE) !== 0 || bytes === 0) {
      return TEE_ERROR_BAD_PARAMETERS;
    }
    return this.#refuse(TEE_ERROR_NOT_SUPPORTED, 'a TypeScript TA could not reach mapped memory');
  }

  /** system_unmap(): nothing is mapped that could be given back. */
  unmap({ params }: PtaCall): number {
    const { a: bytes, b: flags } = params[0]!;
    if (flags !== 0 || bytes === 0) return TEE_ERROR_BAD_PARAMETERS;
    return this.#refuse(TEE_ERROR_BAD_PARAMETERS, 'no memory is mapped there');
  }

  /** system_dlopen(): the loader knows the TA itself, and dies of a library that is not found. */
  dlopen({ thread, params }: PtaCall): number {
    const uuid = uuidIn(params[0]!);
    if (uuid === undefined || params[1]!.a !== DLOPEN_FLAGS) return TEE_ERROR_BAD_PARAMETERS;
    if (uuid === NIL_UUID || uuid === thread.callingSession?.ctx?.uuid) return TEE_SUCCESS;
    const { log } = this.#guest.nexus;
    log.ldelf(`init_elf sys_open_ta_bin(${uuid})`);
    log.emsg(thread, 'ldelf_dlopen', 'ldelf dl_entry function panicked');
    return this.#refuse(TEE_ERROR_TARGET_DEAD, `there is no library ${uuid}`);
  }

  /** system_dlsym(): no library, and no TA, has symbols. */
  dlsym({ params }: PtaCall): number {
    const uuid = uuidIn(params[0]!);
    if (uuid === undefined || params[1]!.size === 0) return TEE_ERROR_BAD_PARAMETERS;
    return this.#refuse(TEE_ERROR_ITEM_NOT_FOUND, `${uuid} has no symbols`);
  }

  /** system_get_tpm_event_log() */
  tpmEventLog(_call: PtaCall): number {
    return this.#refuse(TEE_ERROR_NOT_SUPPORTED, 'CFG_CORE_TPM_EVENT_LOG=n: there is no log');
  }

  /** system_supp_plugin_invoke() */
  *suppPluginInvoke({ thread, params }: PtaCall): Co<number> {
    const [plugin, { a: cmd, b: subCmd }, data, length] = params as Four;
    const uuid = uuidIn(plugin);
    if (uuid === undefined) return TEE_ERROR_BAD_PARAMETERS;
    const out = { size: 0 };
    const call = { uuid, cmd, subCmd, data: data.bytes };
    const res = yield* invokeSuppPlugin(this.#guest, thread, call, out);
    length.a = out.size >>> 0;
    return res;
  }

  #refuse(code: number, text: string): number {
    this.#guest.nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, code),
      text,
      object: this.name,
    });
    return code;
  }
}

/** A TEE_UUID; undefined for a buffer of another size. */
function uuidIn({ bytes }: PtaParam): string | undefined {
  if (bytes.length !== UUID_LEN) return undefined;
  return getUuidStruct(new DataView(bytes.buffer, bytes.byteOffset), 0);
}
