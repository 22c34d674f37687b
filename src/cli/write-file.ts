/** Writing what an option asks for to a file: a failure is a message. */
import { writeFileSync } from 'node:fs';
import { CliError } from './command.ts';

/** @param what it is, as the message calls it. @throws CliError */
export function writeFile(path: string, content: string | Uint8Array, what: string): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`${what} cannot be written: ${why}`);
  }
}
