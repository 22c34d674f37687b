/**
 * The key exchange of SM2, for initiator and responder.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (get_sm2_kep_params,
 * syscall_cryp_derive_key), core/lib/libtomcrypt/sm2-kep.c. Source: GM/T 0003.3-2012, 6.1.
 *
 * As upstream 4.10: the derived object's size in bits says how many *bytes* are derived, and the
 * confirmation for the other side is made in a copy of the TA's buffer that nobody copies back, so
 * here only its size matters. Coordinates are hashed from one buffer that nobody clears: where one has
 * leading zeroes, octets of the one before stand instead, on both sides, and the key is another than
 * the standard's. Deviates: where that many bytes overrun the object's buffer in the
 * core's heap, the answer is TEE_ERROR_BAD_PARAMETERS; a static key of the other side that is no point
 * of the curve, and private values that come to a multiple of the order, are a bad state.
 */
import {
  TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y,
  TEE_ATTR_ECC_PRIVATE_VALUE,
  TEE_ATTR_ECC_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_PUBLIC_VALUE_Y,
  TEE_ATTR_SM2_ID_INITIATOR,
  TEE_ATTR_SM2_ID_RESPONDER,
  TEE_ATTR_SM2_KEP_CONFIRMATION_IN,
  TEE_ATTR_SM2_KEP_CONFIRMATION_OUT,
  TEE_ATTR_SM2_KEP_USER,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_SUCCESS,
  __OPTEE_SM2_KEP_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X,
  __OPTEE_SM2_KEP_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y,
} from '../../abi/gp.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { AffinePoint, HostCurve } from '../../host/public-key.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { KeyObject } from './contexts.ts';
import type { Derivation } from './derivation-context.ts';
import { publicPoint } from './ecc.ts';
import { SM3, concat } from './main-hash.ts';
import { toNumber, toOctets } from './mpi.ts';
import { SM2_INT_SIZE_BYTES, sm2Kdf, sm3 } from './sm2-kdf.ts';

/** struct sm2_kep_parms, and the other side's keys. */
interface Parameters {
  readonly isInitiator: boolean;
  readonly peer: AffinePoint;
  readonly peerEphemeral: AffinePoint;
  readonly initiatorId: Uint8Array;
  readonly responderId: Uint8Array;
  readonly confirmationIn: Uint8Array | undefined;
  readonly confirmationOut: Uint8Array | undefined;
}

/** Names that OP-TEE had for attributes before GlobalPlatform. */
const RENAMED: ReadonlyMap<number, number> = new Map([
  [__OPTEE_SM2_KEP_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X, TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X],
  [__OPTEE_SM2_KEP_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y, TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y],
]);

const MANDATORY: readonly number[] = [
  TEE_ATTR_SM2_KEP_USER,
  TEE_ATTR_ECC_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_PUBLIC_VALUE_Y,
  TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y,
  TEE_ATTR_SM2_ID_INITIATOR,
  TEE_ATTR_SM2_ID_RESPONDER,
];
const OPTIONAL: readonly number[] = [
  TEE_ATTR_SM2_KEP_CONFIRMATION_IN,
  TEE_ATTR_SM2_KEP_CONFIRMATION_OUT,
];

/** get_sm2_kep_params(): the last one counts of those that repeat. Undefined for BAD_PARAMETERS. */
function parse(attributes: readonly TaAttribute[]): Parameters | undefined {
  const found = new Map(attributes.map((one) => [RENAMED.get(one.id) ?? one.id, one]));
  const known = [...found.keys()].every((id) => MANDATORY.includes(id) || OPTIONAL.includes(id));
  if (!known || !MANDATORY.every((id) => found.has(id))) return undefined;
  const content = (id: number): Uint8Array | undefined => found.get(id)?.content;
  const octets = (id: number): Uint8Array => content(id) ?? new Uint8Array(0);
  const point = (x: number, y: number): AffinePoint => ({
    x: toNumber(octets(x)),
    y: toNumber(octets(y)),
  });
  return {
    isInitiator: (found.get(TEE_ATTR_SM2_KEP_USER)?.a ?? 0) === 0,
    peer: point(TEE_ATTR_ECC_PUBLIC_VALUE_X, TEE_ATTR_ECC_PUBLIC_VALUE_Y),
    peerEphemeral: point(
      TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X,
      TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y,
    ),
    initiatorId: octets(TEE_ATTR_SM2_ID_INITIATOR),
    responderId: octets(TEE_ATTR_SM2_ID_RESPONDER),
    confirmationIn: content(TEE_ATTR_SM2_KEP_CONFIRMATION_IN),
    confirmationOut: content(TEE_ATTR_SM2_KEP_CONFIRMATION_OUT),
  };
}

const octetsOf = (...numbers: readonly bigint[]): Uint8Array =>
  concat(...numbers.map((value) => toOctets(value, SM2_INT_SIZE_BYTES)));

/** Half of the order's bits: w of the specification. */
const W = 127n;
/** 2^w + (x mod 2^w) */
const reduced = (x: bigint): bigint => (1n << W) + (x & ((1n << W) - 1n));

/** @param key1 our key pair @param key2 our ephemeral key pair */
export function deriveSm2Kep(call: Derivation): number {
  const { services, key1, key2, attributes, derived } = call;
  if (key2 === undefined) return TEE_ERROR_BAD_STATE;
  const parameters = parse(attributes);
  if (parameters === undefined) return TEE_ERROR_BAD_PARAMETERS;
  const { crypto } = services;
  const shared = sharedPoint(crypto.publicKey.sm2, key1, key2, parameters);
  if (shared === undefined) return TEE_ERROR_BAD_STATE;
  const identities = hashIdentities(crypto, publicPoint(key1), parameters);
  const length = derived.maxKeySize;
  if (length > derived.secretRoom) return TEE_ERROR_BAD_PARAMETERS;
  const result = confirm(crypto, shared, identities, publicPoint(key2), parameters);
  if (result !== TEE_SUCCESS) return result;
  derived.setSecret(sm2Kdf(crypto, concat(octetsOf(shared.x, shared.y), identities), length));
  return TEE_SUCCESS;
}

/** Steps A4 to A7. Undefined for infinity, and when a key of the other side is no point. */
function sharedPoint(
  sm2: HostCurve,
  key: KeyObject,
  ephemeral: KeyObject,
  { peer, peerEphemeral }: Parameters,
): AffinePoint | undefined {
  const own = reduced(ephemeral.number(TEE_ATTR_ECC_PUBLIC_VALUE_X));
  const secret = ephemeral.number(TEE_ATTR_ECC_PRIVATE_VALUE);
  const t = (key.number(TEE_ATTR_ECC_PRIVATE_VALUE) + own * secret) % sm2.order;
  const sum = sm2.multiplyAdd(peer, 1n, peerEphemeral, reduced(peerEphemeral.x));
  return sum === undefined ? undefined : sm2.multiply(sum, t);
}

/** The numbers as they come out of a buffer that each is written into, right-aligned. */
function overwriting(...numbers: readonly bigint[]): readonly Uint8Array[] {
  const buffer = new Uint8Array(SM2_INT_SIZE_BYTES);
  return numbers.map((value) => {
    const octets = toOctets(value);
    buffer.set(octets, SM2_INT_SIZE_BYTES - octets.length);
    return buffer.slice();
  });
}

/** ZA and ZB, the initiator's first. */
function hashIdentities(crypto: HostCrypto, own: AffinePoint, parameters: Parameters): Uint8Array {
  const { a, b, base } = crypto.publicKey.sm2;
  const { isInitiator, peer, initiatorId, responderId } = parameters;
  const hashOne = (id: Uint8Array, { x, y }: AffinePoint): Uint8Array => {
    const bits = 8 * id.length;
    const numbers = overwriting(a, b, base.x, base.y, x, y);
    return sm3(crypto, Uint8Array.of(bits >>> 8, bits), id, ...numbers);
  };
  const [initiator, responder] = isInitiator ? [own, peer] : [peer, own];
  return concat(hashOne(initiatorId, initiator), hashOne(responderId, responder));
}

/** Steps A9 and A10. */
function confirm(
  crypto: HostCrypto,
  shared: AffinePoint,
  identities: Uint8Array,
  ownEphemeral: AffinePoint,
  parameters: Parameters,
): number {
  const { isInitiator, peerEphemeral, confirmationIn, confirmationOut } = parameters;
  const [first, second] = isInitiator
    ? [ownEphemeral, peerEphemeral]
    : [peerEphemeral, ownEphemeral];
  if (confirmationIn !== undefined) {
    if (confirmationIn.length < SM3.size) return TEE_ERROR_BAD_PARAMETERS;
    const exchanged = [first.x, first.y, second.x, second.y];
    const numbers = overwriting(shared.x, ...exchanged, shared.y);
    const inner = sm3(crypto, numbers[0]!, identities, ...numbers.slice(1, -1));
    const flag = Uint8Array.of(isInitiator ? 2 : 3);
    const expected = sm3(crypto, flag, numbers.at(-1)!, inner);
    const given = confirmationIn.subarray(0, SM3.size);
    if (!crypto.timingSafeEqual(expected, given)) return TEE_ERROR_BAD_STATE;
  }
  const short = confirmationOut !== undefined && confirmationOut.length < SM3.size;
  return short ? TEE_ERROR_BAD_PARAMETERS : TEE_SUCCESS;
}
