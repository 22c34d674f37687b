/**
 * The secure console: lines of the core, of the loader and of TAs in OP-TEE's own format, such as
 * `E/TC:? 0 std_smc_entry Unknown SMC 0x…`. The core's number is `?` in yielding calls, because
 * foreign interrupts are not masked there.
 *
 * Upstream counterparts: optee_os lib/libutils/ext/trace.c, core/kernel/trace_ext.c,
 * core/include/kernel/trace_ta.h. Left out: line numbers, which would be those of another program.
 */
import type { LogLevel } from '../../trace/events.ts';
import type { Trace } from '../../trace/trace.ts';
import type { OpteeOsConfig } from '../config.ts';

/** Trace levels. Source: lib/libutils/ext/include/trace_levels.h. */
export const TRACE_ERROR = 1;
export const TRACE_INFO = 2;
export const TRACE_DEBUG = 3;
export const TRACE_FLOW = 4;

const LETTERS = ['U', 'E', 'I', 'D', 'F'];
const LEVELS: readonly LogLevel[] = ['error', 'error', 'info', 'debug', 'debug'];

/** Who speaks: -1 where there is no thread, or where the core is not fixed. */
export interface LogSite {
  readonly threadId: number;
  readonly coreId: number;
}

/** The boot code. */
export const BOOT_SITE: LogSite = { threadId: -1, coreId: 0 };

export class CoreLog {
  /** Whether debug messages are wanted: read before building one. */
  readonly debug: boolean;
  readonly #trace: Trace;
  readonly #config: OpteeOsConfig;
  readonly #threadDigits: number;

  constructor(trace: Trace, config: OpteeOsConfig) {
    this.#trace = trace;
    this.#config = config;
    this.#threadDigits = config.CFG_NUM_THREADS > 100 ? 3 : config.CFG_NUM_THREADS > 10 ? 2 : 1;
    this.debug = config.CFG_TEE_CORE_LOG_LEVEL >= TRACE_DEBUG;
  }

  /** EMSG(). @param fn upstream's function name */
  emsg(site: LogSite, fn: string, text: string): void {
    this.#message(TRACE_ERROR, site, fn, text);
  }

  /** IMSG(). */
  imsg(site: LogSite, fn: string, text: string): void {
    this.#message(TRACE_INFO, site, fn, text);
  }

  /** DMSG(); guard with `debug`. */
  dmsg(site: LogSite, fn: string, text: string): void {
    this.#message(TRACE_DEBUG, site, fn, text);
  }

  /** EMSG_RAW(): the prefix without a function. */
  emsgRaw(site: LogSite, text: string): void {
    this.#message(TRACE_ERROR, site, undefined, text);
  }

  /** A line of the user-mode loader, which knows neither core nor thread. */
  ldelf(text: string): void {
    if (!this.#enabled(TRACE_ERROR)) return;
    this.#puts('error', `E/LD:  ${text}`);
  }

  /** syscall_log(): what a TA prints, as it stands; its library has filtered by level. */
  ta(uuid: string, text: string): void {
    const config = this.#config;
    if (!config.CFG_TEE_CORE_TA_TRACE || config.CFG_TEE_CORE_LOG_LEVEL === 0) return;
    const level = text[1] === '/' ? LETTERS.indexOf(text[0]!) : -1;
    this.#trace.log('ta', uuid, LEVELS[level] ?? 'info', text.replace(/\n+$/, ''));
  }

  /** TAMSG_RAW(): what the core says of a TA. */
  taMessage(site: LogSite, text: string): void {
    if (this.#config.CFG_TEE_CORE_TA_TRACE) this.emsgRaw(site, text);
  }

  #enabled(level: number): boolean {
    return level <= this.#config.CFG_TEE_CORE_LOG_LEVEL;
  }

  #message(level: number, site: LogSite, fn: string | undefined, text: string): void {
    if (!this.#enabled(level)) return;
    this.#puts(LEVELS[level]!, this.#prefix(level, site, fn) + text);
  }

  #prefix(level: number, site: LogSite, fn: string | undefined): string {
    const short = `${LETTERS[level]}/TC:`;
    if (((1 << level) & this.#config.CFG_MSG_LONG_PREFIX_MASK) === 0) return `${short} `;
    const core = site.coreId < 0 ? '?' : String(site.coreId);
    const id = site.threadId < 0 ? '' : String(site.threadId).padStart(this.#threadDigits, '0');
    const thread = id.padStart(this.#threadDigits);
    return `${short}${core} ${thread} ${fn === undefined ? '' : `${fn} `}`;
  }

  #puts(level: LogLevel, line: string): void {
    this.#trace.log('secure', 'optee-os', level, line);
  }
}
