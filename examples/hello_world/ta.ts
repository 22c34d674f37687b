/**
 * Hello World, the trusted application: adds to and subtracts from a number that its client sends.
 * Same UUID, commands, results and log lines as OP-TEE's public example (optee_examples,
 * hello_world/ta).
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_SUCCESS,
  defineTa,
} from 'teebox/ta';
import type { TEE_Params, Tee } from 'teebox/ta';
import {
  TA_HELLO_WORLD_CMD_DEC_VALUE,
  TA_HELLO_WORLD_CMD_INC_VALUE,
  TA_HELLO_WORLD_UUID,
} from './hello-world-ta.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const NO_PARAMS = TEE_PARAM_TYPES(NONE, NONE, NONE, NONE);
const ONE_VALUE = TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_INOUT, NONE, NONE, NONE);

function inc_value(tee: Tee, paramTypes: number, params: TEE_Params): number {
  tee.DMSG('has been called');
  if (paramTypes !== ONE_VALUE) return TEE_ERROR_BAD_PARAMETERS;
  const { value } = params[0];
  tee.IMSG(`Got value: ${value.a} from NW`);
  value.a = (value.a + 1) >>> 0;
  tee.IMSG(`Increase value to: ${value.a}`);
  return TEE_SUCCESS;
}

function dec_value(tee: Tee, paramTypes: number, params: TEE_Params): number {
  tee.DMSG('has been called');
  if (paramTypes !== ONE_VALUE) return TEE_ERROR_BAD_PARAMETERS;
  const { value } = params[0];
  tee.IMSG(`Got value: ${value.a} from NW`);
  value.a = (value.a - 1) >>> 0;
  tee.IMSG(`Decrease value to: ${value.a}`);
  return TEE_SUCCESS;
}

export default defineTa(
  {
    uuid: TA_HELLO_WORLD_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of OP-TEE Hello World Trusted Application',
    properties: {
      'org.linaro.optee.examples.hello_world.property1': 'Some string',
      'org.linaro.optee.examples.hello_world.property2': 0x0010,
    },
  },
  (tee) => ({
    TA_CreateEntryPoint() {
      tee.DMSG('has been called');
      return TEE_SUCCESS;
    },

    TA_DestroyEntryPoint() {
      tee.DMSG('has been called');
    },

    TA_OpenSessionEntryPoint(paramTypes) {
      tee.DMSG('has been called');
      if (paramTypes !== NO_PARAMS) return TEE_ERROR_BAD_PARAMETERS;
      tee.IMSG('Hello World!\n');
      return TEE_SUCCESS;
    },

    TA_CloseSessionEntryPoint() {
      tee.IMSG('Goodbye!\n');
    },

    TA_InvokeCommandEntryPoint(_session, commandID, paramTypes, params) {
      switch (commandID) {
        case TA_HELLO_WORLD_CMD_INC_VALUE:
          return inc_value(tee, paramTypes, params);
        case TA_HELLO_WORLD_CMD_DEC_VALUE:
          return dec_value(tee, paramTypes, params);
        default:
          return TEE_ERROR_BAD_PARAMETERS;
      }
    },
  }),
);
