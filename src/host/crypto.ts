/**
 * Crypto primitives as the outside gives them. Always a library (node:crypto, @noble): teebox never
 * implements a primitive, it only arranges them as GlobalPlatform asks for.
 */
import type { HostPublicKey } from './public-key.ts';

/** A digest under way. `copy` forks its state. */
export interface HostDigest {
  update(data: Uint8Array): void;
  copy(): HostDigest;
  /** Ends the digest. */
  final(): Uint8Array;
}

/** An extendable-output function under way: first all input, then output in pieces. */
export interface HostXof {
  update(data: Uint8Array): void;
  copy(): HostXof;
  /** Fills `out` with the bytes of the output that come next. */
  squeeze(out: Uint8Array): void;
}

/** A cipher under way; it keeps its chaining state between updates and never pads. */
export interface HostCipher {
  /**
   * Returns as many bytes as went in, in memory of their own; for whole blocks, in counter mode for
   * any length.
   */
  update(data: Uint8Array): Uint8Array;
}

/** An authenticated cipher under way: first all additional data, then the payload in pieces. */
export interface HostAead {
  aad(data: Uint8Array): void;
  /** Returns as many bytes as went in, in memory of their own. */
  update(data: Uint8Array): Uint8Array;
  /** Ends an encryption. @returns the tag, of the length given at the start. */
  tag(): Uint8Array;
  /** Ends a decryption. @returns whether `tag` is the one of what was decrypted. */
  verify(tag: Uint8Array): boolean;
}

/**
 * Block ciphers and their modes in the outside's terms; the ECB modes are also what the thin layers
 * for absent modes build on. Keys: AES 16, 24 or 32 bytes, triple DES 24, SM4 16.
 */
export type HostCipherName =
  'aes-ecb' | 'aes-cbc' | 'aes-ctr' | 'des3-ecb' | 'des3-cbc' | 'sm4-ecb' | 'sm4-cbc' | 'sm4-ctr';

/** A secret key in the outside's form: making one costs more than a short encryption. */
export interface HostKey {
  readonly kind: 'secret key';
  /** Bytes. */
  readonly length: number;
}

/** Bytes will do where a key is used once. */
export type HostKeyOrBytes = HostKey | Uint8Array;

export interface HostCrypto {
  readonly publicKey: HostPublicKey;
  /** @param name such as `sha256`, `sha3-256`, `sm3`; throws for a digest that the outside lacks. */
  digest(name: string): HostDigest;
  /** @param name `shake128` or `shake256` */
  xof(name: string): HostXof;
  hash(name: string, data: Uint8Array): Uint8Array;
  hmac(name: string, key: Uint8Array, data: Uint8Array): Uint8Array;
  /** A key of a copy of these bytes. */
  secretKey(bytes: Uint8Array): HostKey;
  /** @param iv one block, empty for ECB. */
  cipher(name: HostCipherName, encrypt: boolean, key: HostKeyOrBytes, iv: Uint8Array): HostCipher;
  /** @param nonce 1 to 128 bytes. @param tagLength 4, 8, or 12 to 16 bytes. */
  aesGcm(encrypt: boolean, key: HostKeyOrBytes, nonce: Uint8Array, tagLength: number): HostAead;
  /**
   * Takes back what a cipher's update has returned, once nobody uses it any more. Nobody has to give
   * it back; but where it is large, garbage that waits for a collector costs more than the cipher.
   */
  release(result: Uint8Array): void;
  /** Whether the bytes are the same, in a time that depends on the lengths only. */
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
}
