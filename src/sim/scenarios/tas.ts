/**
 * Trusted applications that scenarios call. Command 0 adds one to the first byte of a shared buffer,
 * command 1 panics. They never wait: a run is synchronous.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_NONE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TA_FLAG_MULTI_SESSION, TA_FLAG_SINGLE_INSTANCE } from '../../abi/ta-head.ts';
import { defineTa } from '../../ta/typescript/define.ts';
import { taImageOf } from '../../ta/typescript/image.ts';
import type { TaImage } from '../../ta/runtime.ts';

export const CMD_ADD = 0;
export const CMD_PANIC = 1;

/** Each session has an instance of its own. */
export const COUNTER_TA = '5c0e7a3b-1d9f-4f6e-8f6b-6b0f3d2c4a51';
/** All sessions share one instance, and its panic. */
export const SHARED_TA = '5c0e7a3b-1d9f-4f6e-8f6b-6b0f3d2c4a52';
/** Nobody has it: to open a session with it asks the supplicant. */
export const UNKNOWN_TA = '00000000-dead-4bad-8bad-000000000000';

const NONE = TEE_PARAM_TYPE_NONE;
const ONE_BUFFER = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INOUT, NONE, NONE, NONE);

function counter(uuid: string, flags: number): TaImage {
  const definition = defineTa({ uuid, flags, dataSize: 4096 }, (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,
    TA_DestroyEntryPoint() {},
    TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
    TA_CloseSessionEntryPoint() {},
    TA_InvokeCommandEntryPoint(_session, command, types, [{ memref }]) {
      if (command === CMD_PANIC) return tee.TEE_Panic(command);
      if (types !== ONE_BUFFER || memref.buffer === null) return TEE_ERROR_BAD_PARAMETERS;
      memref.buffer[0] = (memref.buffer[0] ?? 0) + 1;
      return TEE_SUCCESS;
    },
  }));
  return taImageOf(definition, 'src/sim/scenarios/tas.ts');
}

export const TA_IMAGES: readonly TaImage[] = [
  counter(COUNTER_TA, 0),
  counter(SHARED_TA, TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION),
];
