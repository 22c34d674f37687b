/** How the example clients end when a call failed: with the text and the exit code of the public ones. */

/** Takes one line of output. */
export type Print = (line: string) => void;

/** Prints what failed; returns the exit code. */
export function failed(print: Print, call: string, result: number, origin?: number): number {
  const from = origin === undefined ? '' : ` origin 0x${origin.toString(16)}`;
  print(`${call} failed with code 0x${result.toString(16)}${from}`);
  return 1;
}

/** What ends a client before it is done: its message is the client's last line. */
export class ClientFailed extends Error {}

/** Runs a client to its end. @returns the exit code: 1 when it failed */
export async function exitCodeOf(print: Print, client: () => Promise<void>): Promise<number> {
  try {
    await client();
    return 0;
  } catch (error) {
    if (!(error instanceof ClientFailed)) throw error;
    print(error.message);
    return 1;
  }
}
