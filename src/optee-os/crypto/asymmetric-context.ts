/** What asymmetric operations share: results' sizes, and contexts without state. */
import { TEE_ERROR_SHORT_BUFFER, TEE_SUCCESS } from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { AsymmetricContext, CryptoServices, KeyObject } from './contexts.ts';

export interface Size {
  size: number;
}

/** @returns TEE_SUCCESS, or TEE_ERROR_SHORT_BUFFER; `size` says what there is in either case */
export function deliver(result: Uint8Array, out: Uint8Array, size: Size): number {
  const short = size.size < result.length;
  size.size = result.length;
  if (short) return TEE_ERROR_SHORT_BUFFER;
  out.set(result);
  return TEE_SUCCESS;
}

/** A call to sign or to decrypt, say. `size` is in and out. */
export interface Operation {
  readonly services: CryptoServices;
  /** TEE_MODE_* */
  readonly mode: number;
  readonly key: KeyObject;
  readonly attributes: readonly TaAttribute[];
  readonly source: Uint8Array;
  readonly out: Uint8Array;
  readonly size: Size;
}

export interface Verification {
  readonly services: CryptoServices;
  readonly key: KeyObject;
  readonly attributes: readonly TaAttribute[];
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
}

/** @returns a function as Algorithm.open */
export function stateless(
  operate: (operation: Operation) => number,
  verify: (verification: Verification) => number,
): (services: CryptoServices, mode: number) => AsymmetricContext {
  return (services, mode) => ({
    kind: 'asymmetric',
    operate: (key, attributes, source, out, size) =>
      operate({ services, mode, key, attributes, source, out, size }),
    verify: (key, attributes, data, signature) =>
      verify({ services, key, attributes, data, signature }),
  });
}
