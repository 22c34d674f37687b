/**
 * A plugin of tee-supplicant, used by a trusted application: has it log a line. Same UUID, command,
 * results and log lines as OP-TEE's public example (optee_examples, plugins/ta).
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_NONE,
  TEE_SUCCESS,
  defineTa,
} from 'teebox/ta';
import type { Tee } from 'teebox/ta';
import {
  LOG_INFO,
  PLUGIN_TA_PING,
  PLUGIN_TA_UUID,
  SYSLOG_PLUGIN_UUID,
  TO_SYSLOG_CMD,
} from './plugin-ta.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const NO_PARAMS = TEE_PARAM_TYPES(NONE, NONE, NONE, NONE);

/** @param value counts the lines of this instance */
async function syslog_plugin_ping(tee: Tee, value: number): Promise<number> {
  const text = `Hello, plugin! value = 0x${value.toString(16)}`;
  tee.IMSG(`Push syslog plugin string "${text}"`);
  const line = Uint8Array.from(text, (c) => c.charCodeAt(0));
  const uuid = SYSLOG_PLUGIN_UUID;
  const result = await tee.tee_invoke_supp_plugin(uuid, TO_SYSLOG_CMD, LOG_INFO, line, null);
  if (result !== TEE_SUCCESS) tee.EMSG(`invoke plugin failed with code 0x${result.toString(16)}`);
  return result;
}

export default defineTa(
  {
    uuid: PLUGIN_TA_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of OP-TEE Trusted Application to work with plugin interface',
  },
  (tee) => {
    let pings = 0;
    return {
      TA_CreateEntryPoint: () => TEE_SUCCESS,

      TA_DestroyEntryPoint() {},

      TA_OpenSessionEntryPoint: (paramTypes) =>
        paramTypes === NO_PARAMS ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS,

      TA_CloseSessionEntryPoint() {},

      TA_InvokeCommandEntryPoint(_session, commandID, paramTypes) {
        if (paramTypes !== NO_PARAMS) return TEE_ERROR_BAD_PARAMETERS;
        if (commandID !== PLUGIN_TA_PING) return TEE_ERROR_NOT_SUPPORTED;
        pings += 1;
        return syslog_plugin_ping(tee, pings - 1);
      },
    };
  },
);
