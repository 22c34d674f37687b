/** What a published key derivation looks like. */
import type { Vector } from './vector.ts';

export interface KdfVector extends Vector {
  readonly secret: Uint8Array;
  readonly salt?: Uint8Array;
  readonly info?: Uint8Array;
  readonly output: Uint8Array;
}

export interface HkdfVector extends KdfVector {
  /** What TEE_ALG_HKDF is told: a digest without its class, as 4.10 wants it. */
  readonly hash?: number;
}

export interface Pbkdf2Vector extends KdfVector {
  readonly iterations: number;
}

/** What TEE_ALG_HKDF is told: a digest without its class, as 4.10 wants it. */
export const lowByte = (algorithm: number): number => algorithm & 0xff;
