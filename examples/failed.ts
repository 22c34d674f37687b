/** How the example clients end when a call failed: with the text and the exit code of the public ones. */

/** Prints what failed; returns the exit code. */
export function failed(
  print: (line: string) => void,
  call: string,
  result: number,
  origin?: number,
): number {
  const from = origin === undefined ? '' : ` origin 0x${origin.toString(16)}`;
  print(`${call} failed with code 0x${result.toString(16)}${from}`);
  return 1;
}
