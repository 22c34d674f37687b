/** A TA whose one instance outlives its sessions: it counts the calls of all programs of a box. */
import {
  TA_FLAG_INSTANCE_KEEP_ALIVE,
  TA_FLAG_MULTI_SESSION,
  TA_FLAG_SINGLE_INSTANCE,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_SUCCESS,
  defineTa,
} from '../../src/ta/index.ts';
import { TA_COUNTER_CMD, TA_COUNTER_UUID } from './commands.ts';

const flags = TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION | TA_FLAG_INSTANCE_KEEP_ALIVE;

export default defineTa({ uuid: TA_COUNTER_UUID, flags }, () => {
  let calls = 0;
  return {
    TA_CreateEntryPoint: () => TEE_SUCCESS,
    TA_DestroyEntryPoint() {},
    TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
    TA_CloseSessionEntryPoint() {},
    TA_InvokeCommandEntryPoint(_session, commandID, _paramTypes, params) {
      if (commandID !== TA_COUNTER_CMD.NEXT) return TEE_ERROR_NOT_SUPPORTED;
      calls += 1;
      params[0].value.a = calls;
      return TEE_SUCCESS;
    },
  };
});
