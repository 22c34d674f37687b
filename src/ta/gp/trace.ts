/**
 * Log lines of a TA: `I/TA: text`, and with function and line for levels that show them. Not in the
 * specification. Messages are whole strings: what printf() formats, a template literal does.
 *
 * Upstream counterparts: optee_os lib/libutils/ext/trace.c, lib/libutee/trace_ext.c. Left out:
 * puts() and putchar().
 */
import {
  TRACE_DEBUG,
  TRACE_ERROR,
  TRACE_FLOW,
  TRACE_INFO,
  TRACE_PRINTF_LEVEL,
} from '../../abi/trace-levels.ts';
import { siteIn } from './call-site.ts';
import { TeeCore } from './core.ts';

/** Longest line with its newline, without C's zero. Source: libutils/ext/include/trace.h. */
const MAX_LINE = 255;
/** CFG_MSG_LONG_PREFIX_MASK's default: errors, debug and flow show function and line. */
const LONG_PREFIX_MASK = 0x1a;
const LETTERS = ['U', 'E', 'I', 'D', 'F'];
const BYTES_PER_LINE = 16;
/** PRIxVA_WIDTH on a 64-bit machine. */
const ADDRESS_DIGITS = 16;

export class TeeTrace extends TeeCore {
  /** An error. */
  EMSG(text: string): void {
    this.#print(TRACE_ERROR, text);
  }

  /** Something the user wants to see. */
  IMSG(text: string): void {
    this.#print(TRACE_INFO, text);
  }

  /** Something a developer wants to see. */
  DMSG(text: string): void {
    this.#print(TRACE_DEBUG, text);
  }

  /** The flow of execution. */
  FMSG(text: string): void {
    this.#print(TRACE_FLOW, text);
  }

  /** Bytes as lines for a developer; where C has the address, each has its offset in `buf`. */
  DHEXDUMP(buf: Uint8Array): void {
    for (let at = 0; at < buf.length; at += BYTES_PER_LINE) {
      const bytes = Array.from(buf.subarray(at, at + BYTES_PER_LINE), (byte, i) => {
        return `${byte.toString(16).padStart(2, '0')} ${i === BYTES_PER_LINE / 2 - 1 ? ' ' : ''}`;
      });
      const offset = at.toString(16).padStart(ADDRESS_DIGITS, '0');
      this.#print(TRACE_DEBUG, `${offset}  ${bytes.join('')}`);
    }
  }

  /** Text as it is, without prefix or newline of its own. @returns how many characters it has */
  printf(text: string): number {
    if (this.#level < TRACE_PRINTF_LEVEL) return 0;
    this.syscalls.log(text.slice(0, MAX_LINE));
    return text.length;
  }

  get #level(): number {
    return this.runtime.environment.traceLevel ?? TRACE_INFO;
  }

  #print(level: number, text: string): void {
    if (level > this.#level) return;
    const line = this.#prefix(level) + text.replace(/\n+$/, '');
    this.syscalls.log(`${line.slice(0, MAX_LINE - 1)}\n`);
  }

  #prefix(level: number): string {
    if ((LONG_PREFIX_MASK & (1 << level)) === 0) return `${LETTERS[level]}/TA: `;
    const site = siteIn(this.runtime.file, new Error());
    // Two blanks: a TA does not know its thread's number, which stands there in the core's lines.
    return `${LETTERS[level]}/TA:  ${site === undefined ? '' : `${site.fn}:${site.line} `}`;
  }
}
