/**
 * The kernel log (kernel/printk): a ring of lines with levels, read back as dmesg does.
 * Left out: console levels, rate limits, structured records, /dev/kmsg.
 */
import type { LogLevel } from '../../trace/events.ts';
import type { Trace } from '../../trace/trace.ts';

/** KERN_EMERG … KERN_DEBUG (include/linux/kern_levels.h), in order. */
export const PRINTK_LEVELS = [
  'emerg',
  'alert',
  'crit',
  'err',
  'warning',
  'notice',
  'info',
  'debug',
] as const;
export type PrintkLevel = (typeof PRINTK_LEVELS)[number];

/** A trace has four levels where the kernel has eight. */
const TRACE_LEVEL: { readonly [L in PrintkLevel]: LogLevel } = {
  emerg: 'error',
  alert: 'error',
  crit: 'error',
  err: 'error',
  warning: 'warning',
  notice: 'info',
  info: 'info',
  debug: 'debug',
};

export interface PrintkLine {
  readonly level: PrintkLevel;
  /** Nanoseconds of the box's clock. */
  readonly timeNs: number;
  readonly text: string;
}

/** Lines kept; the oldest go first. */
const RING_LINES = 4096;

export class Printk {
  readonly #trace: Trace;
  readonly #nowNs: () => number;
  readonly #sink: ((line: PrintkLine) => void) | undefined;
  readonly #ring: PrintkLine[] = [];
  #count = 0;

  constructor(trace: Trace, nowNs: () => number, sink: ((line: PrintkLine) => void) | undefined) {
    this.#trace = trace;
    this.#nowNs = nowNs;
    this.#sink = sink;
  }

  print(text: string, level: PrintkLevel): void {
    const line = { level, timeNs: this.#nowNs(), text };
    this.#ring[this.#count % RING_LINES] = line;
    this.#count += 1;
    this.#trace.log('linux', 'kernel', TRACE_LEVEL[level], text);
    this.#sink?.(line);
  }

  /** The lines that are still in the ring, oldest first. */
  lines(): readonly PrintkLine[] {
    const split = this.#count % RING_LINES;
    if (this.#count <= RING_LINES) return [...this.#ring];
    return [...this.#ring.slice(split), ...this.#ring.slice(0, split)];
  }

  /** As dmesg prints it: `[    0.000123] optee: revision 4.10`. */
  get text(): string {
    return this.lines().map(formatLine).join('');
  }
}

export function formatLine(line: PrintkLine): string {
  const seconds = (line.timeNs / 1e9).toFixed(6).padStart(12);
  return `[${seconds}] ${line.text}\n`;
}
