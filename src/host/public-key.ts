/**
 * Asymmetric primitives as the outside gives them: numbers modulo a number, RSA's raw permutation,
 * points of elliptic curves, EdDSA and X25519, and the stretching of passwords. Paddings, formats
 * and checks are arranged over them by whoever calls.
 *
 * No result depends on randomness of the outside: what is random comes in as an argument.
 */

/** An RSA key pair whose parts fit together. */
export interface RsaKeyPair {
  readonly n: bigint;
  readonly e: bigint;
  readonly d: bigint;
  readonly p: bigint;
  readonly q: bigint;
  readonly dp: bigint;
  readonly dq: bigint;
  /** 1 / q mod p */
  readonly qp: bigint;
}

/** RSA's permutation with one key: as many bytes in and out as the modulus has. */
export interface HostRsaKey {
  /** @param block big-endian, less than the modulus */
  apply(block: Uint8Array): Uint8Array;
}

export interface AffinePoint {
  readonly x: bigint;
  readonly y: bigint;
}

/** A curve y² = x³ + ax + b over a prime field whose points all are multiples of its base. */
export interface HostCurve {
  readonly prime: bigint;
  readonly order: bigint;
  readonly a: bigint;
  readonly b: bigint;
  readonly base: AffinePoint;
  contains(point: AffinePoint): boolean;
  /** Undefined for infinity, and for a point that is not of the curve. */
  multiply(point: AffinePoint, scalar: bigint): AffinePoint | undefined;
  /** left · a + right · b, with the same results as `multiply`. */
  multiplyAdd(left: AffinePoint, a: bigint, right: AffinePoint, b: bigint): AffinePoint | undefined;
}

/** ECDSA on digests; signatures are r and s, each as long as the order. */
export interface HostEcdsaCurve extends HostCurve {
  /**
   * @param secret 1 to order - 1
   * @param entropy what the nonce takes up beside secret and digest (RFC 6979, 3.6)
   */
  sign(digest: Uint8Array, secret: bigint, entropy: Uint8Array | undefined): Uint8Array;
  verify(digest: Uint8Array, signature: Uint8Array, key: AffinePoint): boolean;
}

export type NistCurve = 'P-192' | 'P-224' | 'P-256' | 'P-384' | 'P-521';

/** Ed25519 with the equation without cofactor, as TweetNaCl has it. */
export interface HostEd25519 {
  publicKey(seed: Uint8Array): Uint8Array;
  /** @param domain dom2() of RFC 8032, empty for pure Ed25519 */
  sign(
    seed: Uint8Array,
    publicKey: Uint8Array,
    domain: Uint8Array,
    message: Uint8Array,
  ): Uint8Array;
  /** Undefined when the key is no point. @param signature 64 bytes */
  verify(
    publicKey: Uint8Array,
    domain: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean | undefined;
}

export interface HostX25519 {
  publicKey(secret: Uint8Array): Uint8Array;
  /** Undefined when it would be zero: the other side's point has low order. */
  sharedSecret(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
}

export interface HostPublicKey {
  /** base ^ exponent mod modulus. @param modulus odd, more than 1. @param exponent not negative */
  modPow(base: bigint, exponent: bigint, modulus: bigint): bigint;
  /** Undefined when there is none. */
  modInverse(value: bigint, modulus: bigint): bigint | undefined;
  isPrime(candidate: bigint): boolean;
  /** Undefined when the library takes no such key. */
  rsaPublicKey(n: bigint, e: bigint): HostRsaKey | undefined;
  rsaPrivateKey(key: RsaKeyPair): HostRsaKey | undefined;
  curve(name: NistCurve): HostEcdsaCurve;
  readonly sm2: HostCurve;
  readonly ed25519: HostEd25519;
  readonly x25519: HostX25519;
  /** PBKDF2 with HMAC. @param iterations 1 or more. @param length bytes, 1 or more */
  pbkdf2(
    hash: string,
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length: number,
  ): Uint8Array;
}
