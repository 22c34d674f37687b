/** What published vectors have in common: an algorithm and where they come from; bytes are hex. */

export interface Vector {
  /** TEE_ALG_* */
  readonly algorithm: number;
  readonly source: string;
}

export const hex = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const text = (ascii: string): string => Buffer.from(ascii, 'latin1').toString('hex');

/** Rows of one algorithm and source, as vectors. */
export function vectors<Cells extends readonly string[], Body>(make: (...cells: Cells) => Body) {
  return (algorithm: number, source: string, rows: readonly Cells[]): (Vector & Body)[] =>
    rows.map((cells) => ({ algorithm, source, ...make(...cells) }));
}
