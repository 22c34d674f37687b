/** Long octet strings as hexadecimal over several lines. */
export function octets(digits: TemplateStringsArray): Uint8Array {
  return new Uint8Array(Buffer.from(digits.join('').replaceAll(/\s/g, ''), 'hex'));
}
