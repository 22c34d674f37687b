/** Arguments of subcommands: whatever their usage does not have is a usage error of one line. */
import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import { UsageError } from './command.ts';

/** What Node adds of `--`, which means something else here. */
const HINT = /\. To specify a positional argument .*/s;

/** parseArgs() of node:util. @throws UsageError */
export function parseArguments<T extends ParseArgsConfig>(
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(why.replace(HINT, '').replaceAll('\n', ' '));
  }
}

/** A whole number from 0 in decimal digits; undefined for other text. */
export function wholeNumberOf(text: string): number | undefined {
  const number = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(number) ? number : undefined;
}
