/** The system calls of asymmetric cryptography, one line each, for tests. */
import assert from 'node:assert/strict';
import {
  TEE_ATTR_CONCAT_KDF_DKM_LENGTH,
  TEE_ATTR_CONCAT_KDF_OTHER_INFO,
  TEE_ATTR_CONCAT_KDF_Z,
  TEE_ATTR_DH_BASE,
  TEE_ATTR_DH_PRIME,
  TEE_ATTR_DH_PRIVATE_VALUE,
  TEE_ATTR_DH_PUBLIC_VALUE,
  TEE_ATTR_DSA_BASE,
  TEE_ATTR_DSA_PRIME,
  TEE_ATTR_DSA_PRIVATE_VALUE,
  TEE_ATTR_DSA_PUBLIC_VALUE,
  TEE_ATTR_DSA_SUBPRIME,
  TEE_ATTR_ECC_CURVE,
  TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y,
  TEE_ATTR_ECC_PRIVATE_VALUE,
  TEE_ATTR_ECC_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_PUBLIC_VALUE_Y,
  TEE_ATTR_ED25519_PRIVATE_VALUE,
  TEE_ATTR_ED25519_PUBLIC_VALUE,
  TEE_ATTR_EDDSA_CTX,
  TEE_ATTR_EDDSA_PREHASH,
  TEE_ATTR_HKDF_HASH_ALGORITHM,
  TEE_ATTR_HKDF_IKM,
  TEE_ATTR_HKDF_INFO,
  TEE_ATTR_HKDF_SALT,
  TEE_ATTR_KDF_KEY_SIZE,
  TEE_ATTR_PBKDF2_DKM_LENGTH,
  TEE_ATTR_PBKDF2_ITERATION_COUNT,
  TEE_ATTR_PBKDF2_PASSWORD,
  TEE_ATTR_PBKDF2_SALT,
  TEE_ATTR_RSA_COEFFICIENT,
  TEE_ATTR_RSA_EXPONENT1,
  TEE_ATTR_RSA_EXPONENT2,
  TEE_ATTR_RSA_MODULUS,
  TEE_ATTR_RSA_PRIME1,
  TEE_ATTR_RSA_PRIME2,
  TEE_ATTR_RSA_PRIVATE_EXPONENT,
  TEE_ATTR_RSA_PUBLIC_EXPONENT,
  TEE_ATTR_SM2_ID_INITIATOR,
  TEE_ATTR_SM2_ID_RESPONDER,
  TEE_ATTR_SM2_KEP_USER,
  TEE_ATTR_SECRET_VALUE,
  TEE_ATTR_X25519_PRIVATE_VALUE,
  TEE_ATTR_X25519_PUBLIC_VALUE,
  TEE_ECC_CURVE_NIST_P192,
  TEE_ECC_CURVE_NIST_P224,
  TEE_ECC_CURVE_NIST_P256,
  TEE_ECC_CURVE_NIST_P384,
  TEE_ECC_CURVE_NIST_P521,
  TEE_MODE_DERIVE,
  TEE_MODE_VERIFY,
  TEE_SUCCESS,
  TEE_TYPE_DH_KEYPAIR,
  TEE_TYPE_DSA_KEYPAIR,
  TEE_TYPE_DSA_PUBLIC_KEY,
  TEE_TYPE_ECDSA_KEYPAIR,
  TEE_TYPE_ECDSA_PUBLIC_KEY,
  TEE_TYPE_ED25519_KEYPAIR,
  TEE_TYPE_ED25519_PUBLIC_KEY,
  TEE_TYPE_GENERIC_SECRET,
  TEE_TYPE_RSA_KEYPAIR,
  TEE_TYPE_RSA_PUBLIC_KEY,
  TEE_TYPE_X25519_KEYPAIR,
} from '../../../abi/gp.ts';
import type { TaAttribute } from '../../../ta/runtime.ts';
import { TestCrypto } from '../../testing/crypto.ts';
import { NODE, ok, result } from './drive.ts';
import type { DhVector, DsaVector } from './dsa-vectors.ts';
import type { Ed25519Vector } from './ecc-vectors.ts';
import type { KdfVector } from './kdf-vector.ts';
import type { RsaVectorKey } from './rsa-keys.ts';
import { toHex } from './vector.ts';
import { SM2_INITIATOR, SM2_RESPONDER } from './sm2-vectors.ts';

/** A stream of octets that starts with what a test wants, and goes on with the same for each seed. */
export function randomness(seed: number, ...first: readonly Uint8Array[]) {
  let state = (seed + 1) >>> 0;
  const wanted = [...first];
  return (out: Uint8Array): number => {
    const next = wanted.shift();
    if (next !== undefined) {
      assert.equal(out.length, next.length, 'as much randomness as the vector has');
      out.set(next);
      return TEE_SUCCESS;
    }
    for (let i = 0; i < out.length; i += 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      out[i] = state >>> 24;
    }
    return TEE_SUCCESS;
  };
}

/** An object's type, its size in bits, and what is in it. */
export interface KeySpec {
  readonly type: number;
  readonly bits: number;
  readonly attributes: readonly TaAttribute[];
}

export const ref = (id: number, content: Uint8Array): TaAttribute => ({ id, content });
export const value = (id: number, a: number, b = 0): TaAttribute => ({ id, a, b });

/** What came of an operation: the code's name, and the octets that it gave, or wanted room for. */
export interface Outcome {
  readonly code: string;
  readonly size: number;
  readonly out: string;
}

const ROOM = 600;
const WIDEST_SECRET_BITS = 4096;

export class Bench {
  readonly crypto: TestCrypto;

  constructor(...random: readonly Uint8Array[]) {
    this.crypto = new TestCrypto({ rng: randomness(0, ...random) });
  }

  object({ type, bits, attributes }: KeySpec): number {
    const out = { handle: 0 };
    ok(this.crypto.objAlloc(type, bits, out));
    if (attributes.length > 0) ok(this.crypto.objPopulate(out.handle, attributes));
    return out.handle;
  }

  /** @returns the code's name, or the operation's handle */
  open(algorithm: number, mode: number, ...keys: readonly KeySpec[]): number | string {
    const out = { handle: 0 };
    const [key1 = 0, key2 = 0] = keys.map((key) => this.object(key));
    const code = this.crypto.stateAlloc(algorithm, mode, key1, key2, out);
    return code === TEE_SUCCESS ? out.handle : result(code);
  }

  #mustOpen(algorithm: number, mode: number, ...keys: readonly KeySpec[]): number {
    const handle = this.open(algorithm, mode, ...keys);
    assert.ok(typeof handle === 'number', `open: ${handle}`);
    return handle;
  }

  /** Encrypts, decrypts or signs. */
  operate(
    algorithm: number,
    mode: number,
    key: KeySpec,
    source: Uint8Array,
    attributes: readonly TaAttribute[] = [],
    room = ROOM,
  ): Outcome {
    const handle = this.#mustOpen(algorithm, mode, key);
    const [out, size] = [new Uint8Array(room), { size: room }];
    const code = this.crypto.asymmOperate(handle, attributes, source, out, size);
    ok(this.crypto.stateFree(handle));
    return { code: result(code), size: size.size, out: toHex(out.subarray(0, size.size)) };
  }

  /** @returns the code's name */
  verify(
    algorithm: number,
    key: KeySpec,
    data: Uint8Array,
    signature: Uint8Array,
    attributes: readonly TaAttribute[] = [],
  ): string {
    const handle = this.#mustOpen(algorithm, TEE_MODE_VERIFY, key);
    const code = this.crypto.asymmVerify(handle, attributes, data, signature);
    ok(this.crypto.stateFree(handle));
    return result(code);
  }

  /** @param bits of the generic secret that takes the result */
  derive(
    algorithm: number,
    keys: readonly KeySpec[],
    attributes: readonly TaAttribute[],
    bits = WIDEST_SECRET_BITS,
  ): Outcome {
    const handle = this.#mustOpen(algorithm, TEE_MODE_DERIVE, ...keys);
    const target = this.object({ type: TEE_TYPE_GENERIC_SECRET, bits, attributes: [] });
    const code = this.crypto.deriveKey(handle, attributes, target);
    const secret = code === TEE_SUCCESS ? this.attribute(target, TEE_ATTR_SECRET_VALUE) : '';
    ok(this.crypto.stateFree(handle));
    return { code: result(code), size: secret.length / 2, out: secret };
  }

  /** The octets of an attribute that can be read. */
  attribute(handle: number, id: number): string {
    const [out, size] = [new Uint8Array(ROOM), { size: ROOM }];
    ok(this.crypto.objGetAttr(handle, id, out, size));
    return toHex(out.subarray(0, size.size));
  }
}

export const digest = (hash: string, message: Uint8Array): Uint8Array => NODE.hash(hash, message);

const bitsOf = (octets: Uint8Array): number => 8 * octets.length;

export const rsaPair = (key: RsaVectorKey): KeySpec => ({
  type: TEE_TYPE_RSA_KEYPAIR,
  bits: bitsOf(key.n),
  attributes: [
    ref(TEE_ATTR_RSA_MODULUS, key.n),
    ref(TEE_ATTR_RSA_PUBLIC_EXPONENT, key.e),
    ref(TEE_ATTR_RSA_PRIVATE_EXPONENT, key.d),
    ref(TEE_ATTR_RSA_PRIME1, key.p),
    ref(TEE_ATTR_RSA_PRIME2, key.q),
    ref(TEE_ATTR_RSA_EXPONENT1, key.dp),
    ref(TEE_ATTR_RSA_EXPONENT2, key.dq),
    ref(TEE_ATTR_RSA_COEFFICIENT, key.qp),
  ],
});

/** Without the primes. */
export const rsaShortPair = (key: RsaVectorKey): KeySpec => {
  const { attributes, ...pair } = rsaPair(key);
  return { ...pair, attributes: attributes.slice(0, 3) };
};

export const rsaPublic = (key: RsaVectorKey): KeySpec => ({
  type: TEE_TYPE_RSA_PUBLIC_KEY,
  bits: bitsOf(key.n),
  attributes: [ref(TEE_ATTR_RSA_MODULUS, key.n), ref(TEE_ATTR_RSA_PUBLIC_EXPONENT, key.e)],
});

type DsaKey = Pick<DsaVector, 'p' | 'q' | 'g' | 'x' | 'y'>;

export const dsaPair = ({ p, q, g, x, y }: DsaKey): KeySpec => ({
  type: TEE_TYPE_DSA_KEYPAIR,
  bits: bitsOf(p),
  attributes: [
    ref(TEE_ATTR_DSA_PRIME, p),
    ref(TEE_ATTR_DSA_SUBPRIME, q),
    ref(TEE_ATTR_DSA_BASE, g),
    ref(TEE_ATTR_DSA_PRIVATE_VALUE, x),
    ref(TEE_ATTR_DSA_PUBLIC_VALUE, y),
  ],
});

export const dsaPublic = ({ p, q, g, y }: DsaKey): KeySpec => ({
  type: TEE_TYPE_DSA_PUBLIC_KEY,
  bits: bitsOf(p),
  attributes: [
    ref(TEE_ATTR_DSA_PRIME, p),
    ref(TEE_ATTR_DSA_SUBPRIME, q),
    ref(TEE_ATTR_DSA_BASE, g),
    ref(TEE_ATTR_DSA_PUBLIC_VALUE, y),
  ],
});

export const dhPair = (
  { p, g }: Pick<DhVector, 'p' | 'g'>,
  x: Uint8Array,
  y: Uint8Array,
): KeySpec => ({
  type: TEE_TYPE_DH_KEYPAIR,
  bits: bitsOf(p),
  attributes: [
    ref(TEE_ATTR_DH_PRIME, p),
    ref(TEE_ATTR_DH_BASE, g),
    ref(TEE_ATTR_DH_PRIVATE_VALUE, x),
    ref(TEE_ATTR_DH_PUBLIC_VALUE, y),
  ],
});

const CURVE_BITS: ReadonlyMap<number, number> = new Map([
  [TEE_ECC_CURVE_NIST_P192, 192],
  [TEE_ECC_CURVE_NIST_P224, 224],
  [TEE_ECC_CURVE_NIST_P256, 256],
  [TEE_ECC_CURVE_NIST_P384, 384],
  [TEE_ECC_CURVE_NIST_P521, 521],
]);

interface PointKey {
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}
interface PairKey extends PointKey {
  readonly d: Uint8Array;
}

const point = ({ x, y }: PointKey): readonly TaAttribute[] => [
  ref(TEE_ATTR_ECC_PUBLIC_VALUE_X, x),
  ref(TEE_ATTR_ECC_PUBLIC_VALUE_Y, y),
];

export const eccPair = (
  key: PairKey & { readonly curve: number },
  type: number = TEE_TYPE_ECDSA_KEYPAIR,
): KeySpec => ({
  type,
  bits: CURVE_BITS.get(key.curve) ?? 0,
  attributes: [
    ref(TEE_ATTR_ECC_PRIVATE_VALUE, key.d),
    ...point(key),
    value(TEE_ATTR_ECC_CURVE, key.curve),
  ],
});

export const eccPublic = (key: PointKey & { readonly curve: number }): KeySpec => ({
  type: TEE_TYPE_ECDSA_PUBLIC_KEY,
  bits: CURVE_BITS.get(key.curve) ?? 0,
  attributes: [...point(key), value(TEE_ATTR_ECC_CURVE, key.curve)],
});

const BITS_OF_OCTETS = 256;

export const sm2Pair = (key: PairKey, type: number): KeySpec => ({
  type,
  bits: BITS_OF_OCTETS,
  attributes: [ref(TEE_ATTR_ECC_PRIVATE_VALUE, key.d), ...point(key)],
});

export const sm2Public = (key: PointKey, type: number): KeySpec => ({
  type,
  bits: BITS_OF_OCTETS,
  attributes: point(key),
});

/** What one side of the published key exchange is told of the other. @param user 0 for the initiator */
export const kepAttributes = (user: number, peer: typeof SM2_RESPONDER): readonly TaAttribute[] => [
  value(TEE_ATTR_SM2_KEP_USER, user),
  ref(TEE_ATTR_ECC_PUBLIC_VALUE_X, peer.x),
  ref(TEE_ATTR_ECC_PUBLIC_VALUE_Y, peer.y),
  ref(TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X, peer.ephemeralX),
  ref(TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y, peer.ephemeralY),
  ref(TEE_ATTR_SM2_ID_INITIATOR, SM2_INITIATOR.id),
  ref(TEE_ATTR_SM2_ID_RESPONDER, SM2_RESPONDER.id),
];

export const ed25519Pair = ({
  seed,
  publicKey,
}: Pick<Ed25519Vector, 'seed' | 'publicKey'>): KeySpec => ({
  type: TEE_TYPE_ED25519_KEYPAIR,
  bits: BITS_OF_OCTETS,
  attributes: [
    ref(TEE_ATTR_ED25519_PRIVATE_VALUE, seed),
    ref(TEE_ATTR_ED25519_PUBLIC_VALUE, publicKey),
  ],
});

export const ed25519Public = ({ publicKey }: Pick<Ed25519Vector, 'publicKey'>): KeySpec => ({
  type: TEE_TYPE_ED25519_PUBLIC_KEY,
  bits: BITS_OF_OCTETS,
  attributes: [ref(TEE_ATTR_ED25519_PUBLIC_VALUE, publicKey)],
});

export const edAttributes = ({
  context,
  prehash,
}: Pick<Ed25519Vector, 'context' | 'prehash'>): readonly TaAttribute[] => [
  ...(prehash === true ? [value(TEE_ATTR_EDDSA_PREHASH, 1)] : []),
  ...(context === undefined ? [] : [ref(TEE_ATTR_EDDSA_CTX, context)]),
];

export const x25519Pair = (secret: Uint8Array, publicKey: Uint8Array): KeySpec => ({
  type: TEE_TYPE_X25519_KEYPAIR,
  bits: BITS_OF_OCTETS,
  attributes: [
    ref(TEE_ATTR_X25519_PRIVATE_VALUE, secret),
    ref(TEE_ATTR_X25519_PUBLIC_VALUE, publicKey),
  ],
});

/** @param id of the attribute that the type has */
export const secretOf = (type: number, id: number, secret: Uint8Array): KeySpec => ({
  type,
  bits: bitsOf(secret),
  attributes: [ref(id, secret)],
});

/** What a derivation is told, as ids of: length, salt, info, count, hash. */
const KDF_ATTRIBUTES: ReadonlyMap<number, readonly number[]> = new Map([
  [
    TEE_ATTR_HKDF_IKM,
    [
      TEE_ATTR_KDF_KEY_SIZE,
      TEE_ATTR_HKDF_SALT,
      TEE_ATTR_HKDF_INFO,
      0,
      TEE_ATTR_HKDF_HASH_ALGORITHM,
    ],
  ],
  [
    TEE_ATTR_CONCAT_KDF_Z,
    [TEE_ATTR_CONCAT_KDF_DKM_LENGTH, 0, TEE_ATTR_CONCAT_KDF_OTHER_INFO, 0, 0],
  ],
  [
    TEE_ATTR_PBKDF2_PASSWORD,
    [TEE_ATTR_PBKDF2_DKM_LENGTH, TEE_ATTR_PBKDF2_SALT, 0, TEE_ATTR_PBKDF2_ITERATION_COUNT, 0],
  ],
]);

/** @param secretId of the attribute that the key has */
export function kdfAttributes(
  secretId: number,
  v: KdfVector & { readonly iterations?: number; readonly hash?: number },
): readonly TaAttribute[] {
  const [length = 0, salt = 0, info = 0, count = 0, hash = 0] = KDF_ATTRIBUTES.get(secretId) ?? [];
  return [
    value(length, v.output.length),
    ...(v.salt === undefined ? [] : [ref(salt, v.salt)]),
    ...(v.info === undefined ? [] : [ref(info, v.info)]),
    ...(v.iterations === undefined ? [] : [value(count, v.iterations)]),
    ...(v.hash === undefined ? [] : [value(hash, v.hash)]),
  ];
}
