/**
 * The two byte forms of a UUID: RFC 4122 octets (big-endian fields; ioctl arguments, messages, TA
 * headers' `shdr`) and the in-memory `TEE_UUID` struct (little-endian fields; `ta_head`, TA
 * memory).
 *
 * Upstream counterpart: optee_os lib/libutee/include/tee_api_types.h (TEE_UUID),
 * core/include/tee/uuid.h, Linux include/linux/uuid.h. Left out: generation (v4, v5), which needs
 * random numbers or a hash.
 */
import { bytes, struct, u16, u32 } from './layout.ts';

/** Bytes of either form. */
export const UUID_LEN = 16;
/** Characters of the text form. */
export const UUID_TEXT_LEN = 36;
export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/* Source: lib/libutee/include/tee_api_types.h, OP-TEE OS 4.10. */
export const TeeUuid = struct(
  'TEE_UUID',
  16,
  {
    timeLow: u32(0, 'timeLow'),
    timeMid: u16(4, 'timeMid'),
    timeHiAndVersion: u16(6, 'timeHiAndVersion'),
    clockSeqAndNode: bytes(8, 8, 'clockSeqAndNode'),
  },
  'TEE_UUID',
);

const TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const HEX_BYTE = Array.from({ length: 256 }, (_, b) => b.toString(16).padStart(2, '0'));

/** Whether `text` has the 8-4-4-4-12 form. */
export function isUuidText(text: string): boolean {
  return TEXT.test(text);
}

/** Text to RFC 4122 octets. Throws SyntaxError when the text has another form. */
export function parseUuid(text: string): Uint8Array<ArrayBuffer> {
  if (!TEXT.test(text)) throw new SyntaxError(`not a UUID: ${JSON.stringify(text)}`);
  const hex = text.replaceAll('-', '');
  const octets = new Uint8Array(UUID_LEN);
  for (let i = 0; i < UUID_LEN; i++) octets[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return octets;
}

/** RFC 4122 octets at `at` to lower-case text. Throws RangeError when 16 bytes are not there. */
export function formatUuid(octets: Uint8Array, at = 0): string {
  if (at < 0 || octets.length - at < UUID_LEN) throw new RangeError('a UUID has 16 octets');
  let h = '';
  for (let i = 0; i < UUID_LEN; i++) h += HEX_BYTE[octets[at + i] ?? 0];
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}

/** Swaps the three leading fields: octets to struct form and back. */
export function swapUuid(from: Uint8Array): Uint8Array<ArrayBuffer> {
  if (from.length !== UUID_LEN) throw new RangeError('a UUID has 16 octets');
  const to = new Uint8Array(from);
  to.subarray(0, 4).reverse();
  to.subarray(4, 6).reverse();
  to.subarray(6, 8).reverse();
  return to;
}

/** Reads a `TEE_UUID` struct at byte `at`. */
export function getUuidStruct(view: DataView, at: number): string {
  return formatUuid(swapUuid(new Uint8Array(view.buffer, view.byteOffset + at, UUID_LEN)));
}

/** Writes a `TEE_UUID` struct at byte `at`. */
export function setUuidStruct(view: DataView, at: number, text: string): void {
  new Uint8Array(view.buffer, view.byteOffset + at, UUID_LEN).set(swapUuid(parseUuid(text)));
}

/** Reads RFC 4122 octets at byte `at`. */
export function getUuidOctets(view: DataView, at: number): string {
  return formatUuid(new Uint8Array(view.buffer, view.byteOffset + at, UUID_LEN));
}

/** Writes RFC 4122 octets at byte `at`. */
export function setUuidOctets(view: DataView, at: number, text: string): void {
  new Uint8Array(view.buffer, view.byteOffset + at, UUID_LEN).set(parseUuid(text));
}

/** Whether 16 bytes, of either form, are all zero. */
export function isNilUuid(octets: Uint8Array): boolean {
  return octets.length === UUID_LEN && octets.every((b) => b === 0);
}
