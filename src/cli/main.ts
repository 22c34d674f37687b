#!/usr/bin/env node
/** The command line: finds the subcommand, prints errors as messages, sets the exit code. */
import { CliError, EXIT, UsageError, printError, printLine } from './command.ts';
import { COMMANDS } from './commands.ts';

/** Errors whose message is all that a user needs, by name: their classes need not be loaded. */
const PLAIN_ERRORS = new Set([
  'BootError',
  'ModuleNotLoaded',
  'NativeUnavailable',
  'NoPlugin',
  'TaModuleError',
  'TaNotFound',
]);

function help(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`,
  );
  const parts = ['teebox COMMAND [options]', '', ...lines, '', 'teebox COMMAND --help says more.'];
  return parts.join('\n');
}

async function main(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args;
  if (name === 'help' || name === '--help' || name === '-h') {
    if (rest.length > 0) throw new UsageError(`teebox ${name} takes no arguments\n${help()}`);
    printLine(help());
    return EXIT.pass;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) throw new UsageError(`no command ${name}\n${help()}`);
  const command = await entry.load();
  const own = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
  if (own.includes('--help') || own.includes('-h')) {
    printLine(command.usage);
    return EXIT.pass;
  }
  return command.run(rest);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof CliError) return error.exitCode;
  return EXIT.failure;
}

function printFailure(error: unknown): void {
  if (!(error instanceof Error)) {
    printError(`teebox: ${String(error)}`);
    return;
  }
  const plain =
    error instanceof UsageError || error instanceof CliError || PLAIN_ERRORS.has(error.name);
  printError(plain ? `teebox: ${error.message}` : `teebox: ${error.stack ?? error.message}`);
}

// A reader that has seen enough (`teebox support | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.pass);
});
// What is told beside a program is lost then; the program goes on.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  printFailure(error);
  process.exitCode = exitCodeOf(error);
}
