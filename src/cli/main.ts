#!/usr/bin/env node
/** The command line: finds the subcommand, prints errors as messages, sets the exit code. */
import { BootError } from '../box/box.ts';
import { TaNotFound } from '../load-ta.ts';
import { NativeUnavailable } from '../native/libc.ts';
import { CliError, EXIT, UsageError, printError, printLine } from './command.ts';
import type { Command } from './command.ts';
import { bench } from './commands/bench.ts';
import { doctor } from './commands/doctor.ts';
import { exec } from './commands/exec.ts';
import { explain } from './commands/explain.ts';
import { run } from './commands/run.ts';
import { serve } from './commands/serve.ts';
import { start } from './commands/start.ts';
import { support } from './commands/support.ts';
import { trace } from './commands/trace.ts';

const COMMANDS: Readonly<Record<string, Command>> = {
  start,
  run,
  trace,
  serve,
  exec,
  doctor,
  support,
  explain,
  bench,
};

function help(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`,
  );
  return ['teebox COMMAND [options]', '', ...lines, '', 'teebox COMMAND --help says more.'].join(
    '\n',
  );
}

async function main(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args;
  if (name === 'help' || name === '--help' || name === '-h') {
    printLine(help());
    return EXIT.pass;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new UsageError(`no command ${name}\n${help()}`);
  const own = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
  if (own.includes('--help') || own.includes('-h')) {
    printLine(command.usage);
    return EXIT.pass;
  }
  return command.run(rest);
}

/** Errors whose message is all that a user needs. */
function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof CliError) return error.exitCode;
  const plain = [NativeUnavailable, TaNotFound, BootError].some((kind) => error instanceof kind);
  if (!plain) printError(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.failure;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Error) printError(`teebox: ${error.message}`);
  process.exitCode = exitCodeOf(error);
}
