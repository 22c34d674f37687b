/**
 * What a client of the plugins TA needs to know of it, and what the TA needs to know of the syslog
 * plugin of tee-supplicant.
 * Upstream counterpart: optee_examples plugins/ta/include/plugin_ta.h.
 */
export const PLUGIN_TA_UUID = '2a287631-de1b-4fdd-a55c-b9312e40769a';

/** No parameters: has the plugin log a line. */
export const PLUGIN_TA_PING = 0;

export const SYSLOG_PLUGIN_UUID = '96bcf744-4f72-4866-bf1d-8634fd9c65e5';
/** The plugin's command; its sub-command is the priority. */
export const TO_SYSLOG_CMD = 0;
/** Priority of syslog(3): informational. */
export const LOG_INFO = 6;
