/** What a subcommand is, and the errors that end one with a message instead of a stack. */

export interface Command {
  readonly usage: string;
  /** @returns the exit code. */
  run(args: readonly string[]): Promise<number>;
}

/** Exit codes of teebox itself; under `run` the program's own comes through otherwise. */
export const EXIT = {
  pass: 0,
  failure: 1,
  usage: 2,
  corePanic: 4,
  timeout: 124,
  notExecutable: 126,
  notFound: 127,
} as const;

/** The command line was wrong: exit code 2. */
export class UsageError extends Error {}

/** Something that was asked for cannot be done, and the message says why: exit code 1. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.failure) {
    super(message);
    this.exitCode = exitCode;
  }
}

export const printLine = (text: string): void => void process.stdout.write(`${text}\n`);
export const printError = (text: string): void => void process.stderr.write(`${text}\n`);

/** A program that could not be started, with the exit code of shells. @param why ends with an errno */
export const startError = (what: string, why: string): CliError =>
  new CliError(`${what}: ${why}`, why.endsWith('ENOENT') ? EXIT.notFound : EXIT.notExecutable);
