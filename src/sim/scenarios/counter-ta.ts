/** A trusted application that scenarios call: it adds one to the first byte of a shared buffer. */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_NONE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { defineTa } from '../../ta/typescript/define.ts';
import { taImageOf } from '../../ta/typescript/image.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const ONE_BUFFER = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INOUT, NONE, NONE, NONE);

export const COUNTER_TA = '5c0e7a3b-1d9f-4f6e-8f6b-6b0f3d2c4a51';
/** Nobody has it: to open a session with it asks the supplicant. */
export const UNKNOWN_TA = '00000000-dead-4bad-8bad-000000000000';

const COUNTER = defineTa({ uuid: COUNTER_TA, dataSize: 4096 }, () => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  TA_InvokeCommandEntryPoint(_session, _command, types, [{ memref }]) {
    if (types !== ONE_BUFFER || memref.buffer === null) return TEE_ERROR_BAD_PARAMETERS;
    memref.buffer[0] = (memref.buffer[0] ?? 0) + 1;
    return TEE_SUCCESS;
  },
}));

export const COUNTER_IMAGE = taImageOf(COUNTER, 'counter-ta.ts');
