/**
 * Random numbers, the trusted application: fills its client's buffer from the TEE's generator.
 * Same UUID, command, results and log lines as OP-TEE's public example (optee_examples, random/ta).
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_MALLOC_FILL_ZERO,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_SUCCESS,
  defineTa,
} from 'teebox/ta';
import type { TEE_Params, Tee } from 'teebox/ta';
import { TA_RANDOM_CMD_GENERATE, TA_RANDOM_UUID } from './random-ta.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const NO_PARAMS = TEE_PARAM_TYPES(NONE, NONE, NONE, NONE);
const ONE_OUTPUT = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_OUTPUT, NONE, NONE, NONE);

function random_number_generate(tee: Tee, paramTypes: number, params: TEE_Params): number {
  tee.DMSG('has been called');
  if (paramTypes !== ONE_OUTPUT) return TEE_ERROR_BAD_PARAMETERS;
  const { buffer, size } = params[0].memref;
  const bytes = tee.TEE_Malloc(size, TEE_MALLOC_FILL_ZERO);
  if (bytes === null) return TEE_ERROR_OUT_OF_MEMORY;
  tee.IMSG(`Generating random data over ${size} bytes.`);
  tee.TEE_GenerateRandom(bytes);
  tee.TEE_MemMove(buffer, bytes, size);
  tee.TEE_Free(bytes);
  return TEE_SUCCESS;
}

export default defineTa(
  {
    uuid: TA_RANDOM_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of how a TA can get a buffer of random bytes',
  },
  (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,

    TA_DestroyEntryPoint() {},

    TA_OpenSessionEntryPoint: (paramTypes) =>
      paramTypes === NO_PARAMS ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS,

    TA_CloseSessionEntryPoint() {},

    TA_InvokeCommandEntryPoint(_session, commandID, paramTypes, params) {
      if (commandID !== TA_RANDOM_CMD_GENERATE) return TEE_ERROR_BAD_PARAMETERS;
      return random_number_generate(tee, paramTypes, params);
    },
  }),
);
