/**
 * Key derivation from a secret: HKDF, the concatenation KDF, PBKDF2. The first attribute of a kind
 * counts, and one that does not belong there is an error.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (get_hkdf_params, get_concat_kdf_params,
 * get_pbkdf2_params, syscall_cryp_derive_key), tee_cryp_hkdf.c, tee_cryp_concat_kdf.c,
 * tee_cryp_pbkdf2.c. Sources: RFC 5869; NIST SP 800-56A, 5.8.1; RFC 8018, 5.2.
 */
import {
  TEE_ALG_HMAC_MD5,
  TEE_ALG_HMAC_SHA1,
  TEE_ALG_HMAC_SHA224,
  TEE_ALG_HMAC_SHA256,
  TEE_ALG_HMAC_SHA384,
  TEE_ALG_HMAC_SHA3_224,
  TEE_ALG_HMAC_SHA3_256,
  TEE_ALG_HMAC_SHA3_384,
  TEE_ALG_HMAC_SHA3_512,
  TEE_ALG_HMAC_SHA512,
  TEE_ALG_HMAC_SM3,
  TEE_ALG_MD5,
  TEE_ALG_SHA1,
  TEE_ALG_SHA224,
  TEE_ALG_SHA256,
  TEE_ALG_SHA384,
  TEE_ALG_SHA3_224,
  TEE_ALG_SHA3_256,
  TEE_ALG_SHA3_384,
  TEE_ALG_SHA3_512,
  TEE_ALG_SHA512,
  TEE_ALG_SM3,
  TEE_ATTR_CONCAT_KDF_DKM_LENGTH,
  TEE_ATTR_CONCAT_KDF_OTHER_INFO,
  TEE_ATTR_HKDF_HASH_ALGORITHM,
  TEE_ATTR_HKDF_INFO,
  TEE_ATTR_HKDF_OKM_LENGTH,
  TEE_ATTR_HKDF_SALT,
  TEE_ATTR_KDF_KEY_SIZE,
  TEE_ATTR_PBKDF2_DKM_LENGTH,
  TEE_ATTR_PBKDF2_ITERATION_COUNT,
  TEE_ATTR_PBKDF2_SALT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_OPERATION_DIGEST,
  TEE_OPERATION_MAC,
  TEE_SUCCESS,
  __OPTEE_ATTR_HKDF_INFO,
  __OPTEE_TEE_ATTR_HKDF_SALT,
} from '../../abi/gp.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { Derivation } from './derivation-context.ts';
import type { MainHash } from './main-hash.ts';
import {
  MD5,
  SHA1,
  SHA224,
  SHA256,
  SHA384,
  SHA3_224,
  SHA3_256,
  SHA3_384,
  SHA3_512,
  SHA512,
  SM3,
  be32,
  concat,
} from './main-hash.ts';

const EMPTY = new Uint8Array(0);

/** The first attribute with one of some ids; each id goes with a name. */
type Found = Readonly<Record<string, TaAttribute | undefined>>;

/** Undefined when an attribute has no name. */
function collect(
  attributes: readonly TaAttribute[],
  names: ReadonlyMap<number, string>,
): Found | undefined {
  const found: Record<string, TaAttribute | undefined> = {};
  for (const attribute of attributes) {
    const name = names.get(attribute.id);
    if (name === undefined) return undefined;
    found[name] ??= attribute;
  }
  return found;
}

const HKDF_NAMES: ReadonlyMap<number, string> = new Map([
  [TEE_ATTR_HKDF_SALT, 'salt'],
  [__OPTEE_TEE_ATTR_HKDF_SALT, 'salt'],
  [TEE_ATTR_HKDF_INFO, 'info'],
  [__OPTEE_ATTR_HKDF_INFO, 'info'],
  [TEE_ATTR_KDF_KEY_SIZE, 'length'],
  [TEE_ATTR_HKDF_OKM_LENGTH, 'length'],
  [TEE_ATTR_HKDF_HASH_ALGORITHM, 'hash'],
]);

/** TEE_ALG_* of a digest, TEE_ALG_* of its HMAC. */
type HashRow = readonly [digest: number, hmac: number, hash: MainHash];

const HASHES: readonly HashRow[] = [
  [TEE_ALG_MD5, TEE_ALG_HMAC_MD5, MD5],
  [TEE_ALG_SHA1, TEE_ALG_HMAC_SHA1, SHA1],
  [TEE_ALG_SHA224, TEE_ALG_HMAC_SHA224, SHA224],
  [TEE_ALG_SHA256, TEE_ALG_HMAC_SHA256, SHA256],
  [TEE_ALG_SHA384, TEE_ALG_HMAC_SHA384, SHA384],
  [TEE_ALG_SHA512, TEE_ALG_HMAC_SHA512, SHA512],
  [TEE_ALG_SM3, TEE_ALG_HMAC_SM3, SM3],
  [TEE_ALG_SHA3_224, TEE_ALG_HMAC_SHA3_224, SHA3_224],
  [TEE_ALG_SHA3_256, TEE_ALG_HMAC_SHA3_256, SHA3_256],
  [TEE_ALG_SHA3_384, TEE_ALG_HMAC_SHA3_384, SHA3_384],
  [TEE_ALG_SHA3_512, TEE_ALG_HMAC_SHA3_512, SHA3_512],
];

/**
 * The hash that TEE_ATTR_HKDF_HASH_ALGORITHM names to TEE_ALG_HKDF. Upstream 4.10 puts the class of
 * digests over whatever is given, and that of MACs, and needs both: the low byte of TEE_ALG_SHA256
 * names SHA-256; TEE_ALG_SHA256 itself, which is also what an absent attribute means, names none.
 */
function namedHash(attribute: TaAttribute | undefined): MainHash | undefined {
  const given = attribute === undefined ? TEE_ALG_SHA256 : (attribute.a ?? 0);
  const digest = ((TEE_OPERATION_DIGEST << 28) | given) >>> 0;
  const hmac = ((TEE_OPERATION_MAC << 28) | given) >>> 0;
  return HASHES.find((row) => row[0] === digest && row[1] === hmac)?.[2];
}

/** @param algorithmHash undefined for TEE_ALG_HKDF, which is told */
export function deriveHkdf(algorithmHash: MainHash | undefined, call: Derivation): number {
  const { services, key1, attributes, derived } = call;
  const found = collect(attributes, HKDF_NAMES);
  if (found?.['length'] === undefined) return TEE_ERROR_BAD_PARAMETERS;
  const length = found['length'].a ?? 0;
  if (length > derived.secretRoom) return TEE_ERROR_BAD_PARAMETERS;
  const hash = algorithmHash ?? namedHash(found['hash']);
  if (hash === undefined) return TEE_ERROR_NOT_SUPPORTED;
  const given = found['salt']?.content ?? EMPTY;
  const salt = given.length === 0 ? new Uint8Array(hash.size) : given;
  const prk = services.crypto.hmac(hash.name, salt, key1.secret);
  derived.setSecret(expand(services.crypto, hash, prk, found['info']?.content ?? EMPTY, length));
  return TEE_SUCCESS;
}

/** The room of an object keeps `length` below the 255 blocks that HKDF can give. */
function expand(
  crypto: HostCrypto,
  hash: MainHash,
  prk: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const okm = new Uint8Array(length);
  let block: Uint8Array = EMPTY;
  for (let at = 0, count = 1; at < length; at += hash.size, count += 1) {
    block = crypto.hmac(hash.name, prk, concat(block, info, Uint8Array.of(count)));
    okm.set(block.subarray(0, length - at), at);
  }
  return okm;
}

const CONCAT_KDF_NAMES: ReadonlyMap<number, string> = new Map([
  [TEE_ATTR_CONCAT_KDF_OTHER_INFO, 'info'],
  [TEE_ATTR_CONCAT_KDF_DKM_LENGTH, 'length'],
]);

export function deriveConcatKdf(hash: MainHash, call: Derivation): number {
  const { services, key1, attributes, derived } = call;
  const found = collect(attributes, CONCAT_KDF_NAMES);
  if (found?.['length'] === undefined) return TEE_ERROR_BAD_PARAMETERS;
  const length = found['length'].a ?? 0;
  if (length > derived.secretRoom) return TEE_ERROR_BAD_PARAMETERS;
  const info = found['info']?.content ?? EMPTY;
  const key = new Uint8Array(length);
  for (let at = 0, count = 1; at < length; at += hash.size, count += 1) {
    const block = services.crypto.hash(hash.name, concat(be32(count), key1.secret, info));
    key.set(block.subarray(0, length - at), at);
  }
  derived.setSecret(key);
  return TEE_SUCCESS;
}

const PBKDF2_NAMES: ReadonlyMap<number, string> = new Map([
  [TEE_ATTR_PBKDF2_SALT, 'salt'],
  [TEE_ATTR_PBKDF2_DKM_LENGTH, 'length'],
  [TEE_ATTR_PBKDF2_ITERATION_COUNT, 'count'],
]);

/** What hosts count to; upstream counts to 2^32 - 1. */
const MOST_ITERATIONS = 0x7fff_ffff;

/** No iteration gives zeroes. The core's library takes no empty key for HMAC, except with SM3. */
export function derivePbkdf2(hash: MainHash, call: Derivation): number {
  const { services, key1, attributes, derived } = call;
  const found = collect(attributes, PBKDF2_NAMES);
  if (found?.['length'] === undefined || found['count'] === undefined) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  const [length, count] = [found['length'].a ?? 0, found['count'].a ?? 0];
  if (length > derived.secretRoom) return TEE_ERROR_BAD_PARAMETERS;
  const password = key1.secret;
  const nothing = length === 0 || count === 0;
  if (!nothing && password.length === 0 && hash !== SM3) return TEE_ERROR_BAD_STATE;
  if (count > MOST_ITERATIONS) return TEE_ERROR_NOT_SUPPORTED;
  const salt = found['salt']?.content ?? EMPTY;
  const stretch = (): Uint8Array =>
    services.crypto.publicKey.pbkdf2(hash.name, password, salt, count, length);
  derived.setSecret(nothing ? new Uint8Array(length) : stretch());
  return TEE_SUCCESS;
}
