/** Numbers and bytes as the example clients print them. */

/** As C's %#x. */
export const hex = (n: number): string => `0x${n.toString(16)}`;

/** Each byte as two hexadecimal digits, with `end` behind it. */
export const digits = (bytes: Uint8Array, end = ''): string =>
  Array.from(bytes, (byte) => `${byte.toString(16).padStart(2, '0')}${end}`).join('');
