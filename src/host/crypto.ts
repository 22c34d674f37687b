/**
 * Crypto primitives as the outside gives them. Always a library (OpenSSL, @noble): teebox never
 * implements a primitive, it only arranges them as GlobalPlatform asks for.
 */
import type { HostPublicKey } from './public-key.ts';

/** A digest under way. `copy` forks its state. */
export interface HostDigest {
  update(data: Uint8Array): void;
  copy(): HostDigest;
  /**
   * Ends the digest, after which only a start comes.
   * @returns it, or as much as there is room for in `out`.
   */
  final(out?: Uint8Array): Uint8Array;
  /** Begins anew. */
  start(): void;
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
  /** Begins a message anew. @param iv one block, empty for ECB. */
  start(key: HostKeyOrBytes, iv: Uint8Array): void;
  /**
   * Turns whole blocks, in counter mode any length, into as many bytes: in `out`, which may be where
   * the data lie, or in memory of their own.
   */
  update(data: Uint8Array, out?: Uint8Array): Uint8Array;
  /** A cipher that goes on where this one is. */
  fork(): HostCipher;
}

/** Bytes of additional data and payload of a message up to which any host can fork it. */
export const AEAD_FORK_LIMIT = 0x10_0000;

/** An authenticated cipher under way: first all additional data, then the payload in pieces. */
export interface HostAead {
  /** Begins a message anew, with a nonce as long as the first one. */
  start(key: HostKeyOrBytes, nonce: Uint8Array): void;
  aad(data: Uint8Array): void;
  /** Turns data into as many bytes: in `out`, which may be where they lie, or in memory of their own. */
  update(data: Uint8Array, out?: Uint8Array): Uint8Array;
  /** Ends an encryption. @returns the tag, of the length given at the start, in `out` if that is given. */
  tag(out?: Uint8Array): Uint8Array;
  /** Ends a decryption. @returns whether `tag` is the one of what was decrypted. */
  verify(tag: Uint8Array): boolean;
  /** A cipher that goes on where this one is; undefined beyond what the host keeps. */
  fork(): HostAead | undefined;
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
  /** The same for one box: `close` gives back what its objects hold. */
  forBox(): HostCrypto;
  /** None of its objects is used afterwards. */
  close(): void;
  /** Whether the bytes are the same, in a time that depends on the lengths only. */
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
}
