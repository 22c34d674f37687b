/**
 * What an operation's algorithm does: one interface for each class of operations. Contexts know
 * algorithms only; handles, states and checks of sizes that are the same for a whole class belong to
 * the system calls.
 *
 * Upstream counterpart: optee_os core/include/crypto/crypto_impl.h. All lengths are bytes; results
 * are TEE_Results.
 */
import type { HostCrypto } from '../../host/crypto.ts';
import type { TaAttribute } from '../../ta/runtime.ts';

/** Fills its argument from the box's random stream. @returns a TEE_Result */
export type Rng = (out: Uint8Array) => number;

/** What algorithms stand on. */
export interface CryptoServices {
  readonly crypto: HostCrypto;
  readonly rng: Rng;
  /** panic() of the core; absent where there is none. @returns what to throw */
  readonly panic?: (fn: string, text: string) => Error;
  /** As `panic`, where an assertion fails; absent where none is checked (CFG_TEE_CORE_DEBUG). */
  readonly assertion?: (fn: string, text: string) => Error;
}

/** struct crypto_hash_ops */
export interface DigestContext {
  readonly kind: 'digest';
  /** Of the digest; undefined for an extendable-output function, which gives any number of bytes. */
  readonly size: number | undefined;
  init(): void;
  update(data: Uint8Array): void;
  /** Fills `out`. An extendable-output function goes on from there the next time. */
  final(out: Uint8Array): void;
  /** A context that goes on where this one is. */
  fork(): DigestContext;
}

/** struct crypto_mac_ops */
export interface MacContext {
  readonly kind: 'mac';
  /** Of the MAC. */
  readonly size: number;
  init(key: Uint8Array): number;
  /** A piece that the algorithm cannot take is BAD_PARAMETERS or BAD_STATE. */
  update(data: Uint8Array): number;
  final(out: Uint8Array): number;
  fork(): MacContext;
}

/** struct crypto_cipher_ops */
export interface CipherContext {
  readonly kind: 'cipher';
  init(key1: Uint8Array, key2: Uint8Array | undefined, iv: Uint8Array): number;
  /** `out` has room for as many bytes as `source` has. @param last nothing comes after this */
  update(source: Uint8Array, out: Uint8Array, last: boolean): number;
  fork(): CipherContext;
}

/** What authenticated encryption is started with. */
export interface AuthencStart {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly tagLength: number;
  readonly aadLength: number;
  readonly payloadLength: number;
}

/** struct crypto_authenc_ops; `out` has room for as many bytes as `source` has. */
export interface AuthencContext {
  readonly kind: 'authenc';
  init(start: AuthencStart): number;
  updateAad(aad: Uint8Array): number;
  updatePayload(source: Uint8Array, out: Uint8Array): number;
  /** Sets `tagSize` to the tag's length. */
  encFinal(source: Uint8Array, out: Uint8Array, tag: Uint8Array, tagSize: { size: number }): number;
  decFinal(source: Uint8Array, out: Uint8Array, tag: Uint8Array): number;
  /** Undefined when it has had more than is kept for this. */
  fork(): AuthencContext | undefined;
}

/** The attributes of a key object, as algorithms read them. */
export interface KeyObject {
  /** TEE_TYPE_* */
  readonly type: number;
  /** Bits. */
  readonly keySize: number;
  /** TEE_ATTR_SECRET_VALUE of a type that has no other attribute. */
  readonly secret: Uint8Array;
  /** Big-endian without leading zeroes, or the octets of a curve point; undefined when absent. */
  bytes(attribute: number): Uint8Array | undefined;
  /** The first half of a value attribute, such as TEE_ATTR_ECC_CURVE. */
  value(attribute: number): number | undefined;
  /** A big number; 0 when absent. */
  number(attribute: number): bigint;
  /** Counts changes of the attributes, for what is computed from them once. */
  readonly generation: number;
}

/** An object that a derived secret goes into. */
export interface DerivedObject {
  /** TEE_TYPE_* */
  readonly type: number;
  /** Bits that it has room for. */
  readonly maxKeySize: number;
  /** Bytes that its secret has room for. */
  readonly secretRoom: number;
  /** Sets the secret and marks the object initialized. */
  setSecret(secret: Uint8Array): void;
}

/** Asymmetric encryption and signatures: syscall_asymm_operate(), syscall_asymm_verify(). */
export interface AsymmetricContext {
  readonly kind: 'asymmetric';
  /** Encrypts, decrypts or signs, as the mode says. Sets `size`, also when the buffer is too short. */
  operate(
    key: KeyObject,
    attributes: readonly TaAttribute[],
    source: Uint8Array,
    out: Uint8Array,
    size: { size: number },
  ): number;
  verify(
    key: KeyObject,
    attributes: readonly TaAttribute[],
    data: Uint8Array,
    signature: Uint8Array,
  ): number;
}

/** syscall_cryp_derive_key() */
export interface DerivationContext {
  readonly kind: 'derivation';
  derive(
    key1: KeyObject,
    key2: KeyObject | undefined,
    attributes: readonly TaAttribute[],
    derived: DerivedObject,
  ): number;
}

export type OperationContext =
  | DigestContext
  | MacContext
  | CipherContext
  | AuthencContext
  | AsymmetricContext
  | DerivationContext;

/** One algorithm: a row of a table. */
export interface Algorithm {
  /** TEE_ALG_* */
  readonly id: number;
  /** Keys that TEE_AllocateOperation hands over. */
  readonly keys: 0 | 1 | 2;
  /** tee_svc_cryp_check_key_type(): TEE_TYPE_* that keys may have in a mode (TEE_MODE_*). */
  readonly keyTypes: (mode: number) => readonly number[];
  readonly open: (services: CryptoServices, mode: number) => OperationContext;
}
