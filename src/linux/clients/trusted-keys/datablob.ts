/**
 * What add_key() is given for a trusted key: `new LENGTH` or `load HEX`.
 * Upstream counterpart: datablob_parse() in security/keys/trusted-keys/trusted_core.c.
 */
import { MAX_KEY_SIZE, MIN_KEY_SIZE } from './trusted-type.ts';

export type DataBlob =
  | { readonly command: 'new'; readonly keyLen: number }
  | { readonly command: 'load'; readonly blob: Uint8Array }
  | { readonly command: 'update' };

const decoder = new TextDecoder('latin1');

/** @returns undefined for -EINVAL. Blanks are separators one by one; later words are ignored. */
export function parseDataBlob(data: Uint8Array, maxBlobSize: number): DataBlob | undefined {
  const end = data.indexOf(0);
  const text = decoder.decode(end < 0 ? data : data.subarray(0, end));
  const [command, argument] = text.split(/[ \t]/);
  if (command === 'update') return { command };
  if (argument === undefined) return undefined;
  if (command === 'new') return parseNew(argument);
  return command === 'load' ? parseLoad(argument, maxBlobSize) : undefined;
}

/** kstrtol(): a sign, digits, one newline at most. */
function parseNew(text: string): DataBlob | undefined {
  if (!/^[+-]?\d+\n?$/.test(text)) return undefined;
  const keyLen = Number(text);
  return keyLen < MIN_KEY_SIZE || keyLen > MAX_KEY_SIZE ? undefined : { command: 'new', keyLen };
}

/** hex2bin(): digits by twos; an odd one at the end, such as a newline, is not looked at. */
function parseLoad(text: string, maxBlobSize: number): DataBlob | undefined {
  const length = Math.floor(text.length / 2);
  const digits = text.slice(0, 2 * length);
  if (length > maxBlobSize || !/^[0-9a-f]*$/i.test(digits)) return undefined;
  const pairs = digits.match(/../g) ?? [];
  return { command: 'load', blob: Uint8Array.from(pairs, (pair) => parseInt(pair, 16)) };
}
