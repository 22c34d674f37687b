/**
 * The outside's form of the key that an operation was last started with. Operations start anew with
 * the same key for each message, and making a key costs more than a short message.
 */
import type { HostCrypto, HostKey } from '../../host/crypto.ts';

export class KeySlot {
  readonly #crypto: HostCrypto;
  readonly #expand: (key: Uint8Array) => Uint8Array;
  #bytes: Uint8Array = new Uint8Array(0);
  #key: HostKey | undefined;

  /** @param expand turns a key into one of a size that the outside takes. */
  constructor(crypto: HostCrypto, expand: (key: Uint8Array) => Uint8Array = (key) => key) {
    this.#crypto = crypto;
    this.#expand = expand;
  }

  /** The key of these bytes, which may change afterwards. */
  get(bytes: Uint8Array): HostKey {
    if (this.#key !== undefined && isSame(bytes, this.#bytes)) return this.#key;
    this.#bytes = new Uint8Array(bytes);
    this.#key = this.#crypto.secretKey(this.#expand(bytes));
    return this.#key;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A key of one or two DES keys as one of three: K, K, K is plain DES; K1, K2, K1 is 2DES. */
export function threeDesKeys(key: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: 24 }, (_, i) => key[i % key.length]!);
}
