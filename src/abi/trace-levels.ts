/**
 * Levels of OP-TEE's log lines, for the core and for TAs.
 *
 * Upstream counterpart: optee_os lib/libutils/ext/include/trace_levels.h.
 */

/* Source: trace_levels.h, OP-TEE OS 4.10. */
export const TRACE_MIN = 0;
export const TRACE_ERROR = 1;
export const TRACE_INFO = 2;
export const TRACE_DEBUG = 3;
export const TRACE_FLOW = 4;
export const TRACE_MAX = TRACE_FLOW;
/** Level of a plain printf(). */
export const TRACE_PRINTF_LEVEL = TRACE_ERROR;

/** Log levels; a build prints those up to its own. */
export const TRACE = { TRACE_ERROR, TRACE_INFO, TRACE_DEBUG, TRACE_FLOW } as const;
