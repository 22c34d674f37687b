/**
 * A plugin of the built-in tee-supplicant: logs what the secure world gives it.
 * Upstream counterpart: optee_examples plugins/syslog/syslog_plugin.c; lines go to stderr here.
 */
import { TEEC_ERROR_NOT_SUPPORTED, TEEC_SUCCESS } from '../../src/abi/gp.ts';
import type { SupplicantPlugin } from '../../src/userland/tee-supplicant/plugin.ts';
import { SYSLOG_PLUGIN_UUID, TO_SYSLOG_CMD } from './plugin-ta.ts';

/** @param priority as of syslog(3) */
type Syslog = (priority: number, text: string) => void;

export function syslogPlugin(syslog: Syslog): SupplicantPlugin {
  return {
    name: 'syslog',
    uuid: SYSLOG_PLUGIN_UUID,
    invoke(cmd, subCmd, data, inLength) {
      if (cmd !== TO_SYSLOG_CMD) return { result: TEEC_ERROR_NOT_SUPPORTED };
      syslog(subCmd, new TextDecoder().decode(data.subarray(0, inLength)));
      return { result: TEEC_SUCCESS };
    },
  };
}

export default syslogPlugin((priority, text) => {
  process.stderr.write(`<${priority}>tee-supplicant: ${text}\n`);
});
