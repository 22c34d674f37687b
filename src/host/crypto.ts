/**
 * Crypto primitives as the outside gives them. Always a library (node:crypto, @noble): teebox never
 * implements a primitive, it only arranges them as GlobalPlatform asks for.
 */

/** A digest under way. `copy` forks its state. */
export interface HostDigest {
  update(data: Uint8Array): void;
  copy(): HostDigest;
  /** Ends the digest. */
  final(): Uint8Array;
}

/** A cipher under way; it keeps its chaining state between updates and never pads. */
export interface HostCipher {
  /** Returns as many bytes as went in, for whole blocks (any length in counter mode). */
  update(data: Uint8Array): Uint8Array;
}

/** An authenticated cipher under way: first all additional data, then the payload in pieces. */
export interface HostAead {
  aad(data: Uint8Array): void;
  /** Returns as many bytes as went in. */
  update(data: Uint8Array): Uint8Array;
  /** Ends an encryption. @returns the tag, of the length given at the start. */
  tag(): Uint8Array;
  /** Ends a decryption. @returns whether `tag` is the one of what was decrypted. */
  verify(tag: Uint8Array): boolean;
}

/** Cipher modes in the outside's terms; `ecb` is what the thin layers for absent modes build on. */
export type HostCipherMode = 'ecb' | 'cbc' | 'ctr';

export interface HostCrypto {
  /** @param name such as `sha256`; throws for a digest that the outside lacks. */
  digest(name: string): HostDigest;
  hash(name: string, data: Uint8Array): Uint8Array;
  hmac(name: string, key: Uint8Array, data: Uint8Array): Uint8Array;
  /** @param key 16, 24 or 32 bytes. @param iv 16 bytes, empty for `ecb`. */
  aes(mode: HostCipherMode, encrypt: boolean, key: Uint8Array, iv: Uint8Array): HostCipher;
  /** @param nonce 1 byte or more. @param tagLength 4, 8, or 12 to 16 bytes. */
  aesGcm(encrypt: boolean, key: Uint8Array, nonce: Uint8Array, tagLength: number): HostAead;
}
