/** How `teebox storage` writes ids and objects, in files and in RPMB alike. */
import { TEE_TYPE, TEE_TYPE_DATA } from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import type { ObjectHead } from '../../optee-os/storage/inspect.ts';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** An object's id as text where it is, with the zeroes behind it counted; else as hex digits. */
export function idText(id: Uint8Array): string {
  const text = Buffer.from(id).toString('latin1').replace(/\0+$/, '');
  if (!/^[\x20-\x7e]+$/.test(text)) return `0x${hex(id)}`;
  const zeroes = id.length - text.length;
  return zeroes === 0 ? `"${text}"` : `"${text}" and ${zeroes} zero bytes`;
}

export const describe = ({ objectType, data }: ObjectHead): string =>
  `${objectType === TEE_TYPE_DATA ? 'data' : codeName(TEE_TYPE, objectType)}, ${data.length} bytes`;

export const counted = (n: number, what: string): string => `${n} ${n === 1 ? what : `${what}s`}`;
