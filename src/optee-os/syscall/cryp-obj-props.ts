/**
 * The types of cryptographic objects: what sizes each has, and which attributes, needed when.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (tee_cryp_obj_props, tee_cryp_obj_*_attrs,
 * check_key_size, get_ec_key_size, tee_svc_cryp_check_attr). Source of numbers: OP-TEE OS 4.10 with
 * its default configuration (CFG_CORE_BIGNUM_MAX_BITS=4096, CFG_COMPAT_GP10_DES=y,
 * CFG_HMAC_64_1024_RANGE=n).
 */
import * as gp from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { AttributeStore } from './cryp-attr-ops.ts';
import { Bignum, Octets25519, SecretValue, ValueU32 } from './cryp-attr-ops.ts';

/** Flags of an attribute. */
export const TEE_TYPE_ATTR_REQUIRED = 1 << 1;
/** All attributes of the group or none. */
export const TEE_TYPE_ATTR_OPTIONAL_GROUP = 1 << 2;
/** Its length, or the curve that it names, is the key's size. */
export const TEE_TYPE_ATTR_SIZE_INDICATOR = 1 << 3;
export const TEE_TYPE_ATTR_GEN_KEY_OPT = 1 << 4;
export const TEE_TYPE_ATTR_GEN_KEY_REQ = 1 << 5;
/** A big number with no more bits than the object may have. */
export const TEE_TYPE_ATTR_BIGNUM_MAXBITS = 1 << 6;

/** struct tee_cryp_obj_type_attrs */
export interface AttributeProps {
  readonly id: number;
  /** TEE_TYPE_ATTR_* */
  readonly flags: number;
  /** Bytes of each of the core's allocations for its value. */
  readonly blocks: readonly number[];
  readonly create: (type: ObjectTypeProps) => AttributeStore;
}

/** struct tee_cryp_obj_type_props */
export interface ObjectTypeProps {
  readonly type: number;
  /** Sizes in bits are multiples of this. */
  readonly quanta: number;
  readonly minBits: number;
  readonly maxBits: number;
  /** Bytes that hold a secret; 0 for a type that has none. */
  readonly secretBytes: number;
  /** Bytes of each of the core's allocations for the attributes. */
  readonly blocks: readonly number[];
  readonly attributes: readonly AttributeProps[];
}

const REQUIRED = TEE_TYPE_ATTR_REQUIRED;
const GROUP = TEE_TYPE_ATTR_OPTIONAL_GROUP;
const SIZE = TEE_TYPE_ATTR_SIZE_INDICATOR;
const GEN_OPT = TEE_TYPE_ATTR_GEN_KEY_OPT;
const GEN_REQ = TEE_TYPE_ATTR_GEN_KEY_REQ;
const MAXBITS = TEE_TYPE_ATTR_BIGNUM_MAXBITS;

const CORE_BIGNUM_MAX_BITS = 4096;
/** crypto_bignum_allocate(): an mbedtls_mpi and its limbs, as many as the largest number has. */
const BIGNUM_BLOCKS: readonly number[] = [16, CORE_BIGNUM_MAX_BITS / 8];
/** The octets stand beside the key. */
const OCTETS_BLOCKS: readonly number[] = [32];
/** The value stands in the key itself. */
const NO_BLOCKS: readonly number[] = [];

const secret = (id: number): AttributeProps => ({
  id,
  flags: REQUIRED | SIZE,
  blocks: NO_BLOCKS,
  create: (type) => new SecretValue(type.secretBytes),
});
const bignum = (id: number, flags: number): AttributeProps => ({
  id,
  flags,
  blocks: BIGNUM_BLOCKS,
  create: () => new Bignum(),
});
const value = (id: number, flags: number): AttributeProps => ({
  id,
  flags,
  blocks: NO_BLOCKS,
  create: () => new ValueU32(),
});
const octets = (id: number): AttributeProps => ({
  id,
  flags: REQUIRED,
  blocks: OCTETS_BLOCKS,
  create: () => new Octets25519(),
});

type Attributes = readonly AttributeProps[];

const SECRET_VALUE: Attributes = [secret(gp.TEE_ATTR_SECRET_VALUE)];

const RSA_PUBLIC_KEY: Attributes = [
  bignum(gp.TEE_ATTR_RSA_MODULUS, REQUIRED | SIZE),
  bignum(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT, REQUIRED),
];

const RSA_KEYPAIR: Attributes = [
  bignum(gp.TEE_ATTR_RSA_MODULUS, REQUIRED | SIZE),
  bignum(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT, REQUIRED | GEN_OPT),
  bignum(gp.TEE_ATTR_RSA_PRIVATE_EXPONENT, REQUIRED),
  bignum(gp.TEE_ATTR_RSA_PRIME1, GROUP),
  bignum(gp.TEE_ATTR_RSA_PRIME2, GROUP),
  bignum(gp.TEE_ATTR_RSA_EXPONENT1, GROUP),
  bignum(gp.TEE_ATTR_RSA_EXPONENT2, GROUP),
  bignum(gp.TEE_ATTR_RSA_COEFFICIENT, GROUP),
];

const DSA_PUBLIC_KEY: Attributes = [
  bignum(gp.TEE_ATTR_DSA_PRIME, REQUIRED | MAXBITS | SIZE),
  bignum(gp.TEE_ATTR_DSA_SUBPRIME, REQUIRED),
  bignum(gp.TEE_ATTR_DSA_BASE, REQUIRED | MAXBITS),
  bignum(gp.TEE_ATTR_DSA_PUBLIC_VALUE, REQUIRED | MAXBITS),
];

const DSA_KEYPAIR: Attributes = [
  bignum(gp.TEE_ATTR_DSA_PRIME, REQUIRED | GEN_REQ | MAXBITS | SIZE),
  bignum(gp.TEE_ATTR_DSA_SUBPRIME, REQUIRED | GEN_REQ),
  bignum(gp.TEE_ATTR_DSA_BASE, REQUIRED | GEN_REQ | MAXBITS),
  bignum(gp.TEE_ATTR_DSA_PRIVATE_VALUE, REQUIRED | MAXBITS),
  bignum(gp.TEE_ATTR_DSA_PUBLIC_VALUE, REQUIRED | MAXBITS),
];

const DH_KEYPAIR: Attributes = [
  bignum(gp.TEE_ATTR_DH_PRIME, REQUIRED | SIZE | GEN_REQ),
  bignum(gp.TEE_ATTR_DH_BASE, REQUIRED | GEN_REQ),
  bignum(gp.TEE_ATTR_DH_PUBLIC_VALUE, REQUIRED),
  bignum(gp.TEE_ATTR_DH_PRIVATE_VALUE, REQUIRED),
  bignum(gp.TEE_ATTR_DH_SUBPRIME, GROUP | GEN_OPT),
  value(gp.TEE_ATTR_DH_X_BITS, GEN_OPT),
];

const SM2_PUBLIC_KEY: Attributes = [
  bignum(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, REQUIRED),
  bignum(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, REQUIRED),
];

const SM2_KEYPAIR: Attributes = [
  bignum(gp.TEE_ATTR_ECC_PRIVATE_VALUE, REQUIRED),
  ...SM2_PUBLIC_KEY,
];

const ECC_PUBLIC_KEY: Attributes = [
  ...SM2_PUBLIC_KEY,
  value(gp.TEE_ATTR_ECC_CURVE, REQUIRED | SIZE),
];

const ECC_KEYPAIR: Attributes = [
  ...SM2_KEYPAIR,
  value(gp.TEE_ATTR_ECC_CURVE, REQUIRED | SIZE | GEN_REQ),
];

const X25519_KEYPAIR: Attributes = [
  octets(gp.TEE_ATTR_X25519_PRIVATE_VALUE),
  octets(gp.TEE_ATTR_X25519_PUBLIC_VALUE),
];

const ED25519_PUBLIC_KEY: Attributes = [octets(gp.TEE_ATTR_ED25519_PUBLIC_VALUE)];

const ED25519_KEYPAIR: Attributes = [
  octets(gp.TEE_ATTR_ED25519_PRIVATE_VALUE),
  ...ED25519_PUBLIC_KEY,
];

/** struct tee_cryp_obj_secret */
const SECRET_HEADER_BYTES = 8;
const POINTER_BYTES = 8;

/** What a key's structure holds beside one pointer for each value behind it, with padding. */
const ECC_CURVE_AND_OPS = 16;
const ED25519_CURVE = 8;
const DH_XBITS = 8;

type Row = readonly [type: number, quanta: number, minBits: number, maxBits: number];

function secretType(
  [type, quanta, minBits, maxBits]: Row,
  attributes: Attributes = SECRET_VALUE,
  secretBytes: number = maxBits / 8,
): ObjectTypeProps {
  const blocks = [SECRET_HEADER_BYTES + secretBytes];
  return { type, quanta, minBits, maxBits, secretBytes, blocks, attributes };
}

/** @param rest bytes of the key's structure (core/include/crypto/crypto.h) that are no pointers */
function keyType(
  [type, quanta, minBits, maxBits]: Row,
  attributes: Attributes,
  rest = 0,
): ObjectTypeProps {
  const pointers = attributes.filter((attribute) => attribute.blocks.length > 0).length;
  const values = attributes.flatMap((attribute) => attribute.blocks);
  const blocks = [POINTER_BYTES * pointers + rest, ...values];
  return { type, quanta, minBits, maxBits, secretBytes: 0, blocks, attributes };
}

/** HMAC-SM3 takes sizes that its buffer has no room for. */
const HMAC_SM3_BYTES = 512 / 8;

/** tee_cryp_obj_props */
export const OBJECT_TYPES: readonly ObjectTypeProps[] = [
  secretType([gp.TEE_TYPE_AES, 64, 128, 256]),
  secretType([gp.TEE_TYPE_DES, 64, 64, 64]),
  secretType([gp.TEE_TYPE_DES3, 64, 128, 192]),
  secretType([gp.TEE_TYPE_SM4, 128, 128, 128]),
  secretType([gp.TEE_TYPE_HMAC_MD5, 8, 64, 512]),
  secretType([gp.TEE_TYPE_HMAC_SHA1, 8, 80, 512]),
  secretType([gp.TEE_TYPE_HMAC_SHA224, 8, 112, 512]),
  secretType([gp.TEE_TYPE_HMAC_SHA256, 8, 192, 1024]),
  secretType([gp.TEE_TYPE_HMAC_SHA384, 8, 256, 1024]),
  secretType([gp.TEE_TYPE_HMAC_SHA512, 8, 256, 1024]),
  secretType([gp.TEE_TYPE_HMAC_SHA3_224, 8, 192, 1024]),
  secretType([gp.TEE_TYPE_HMAC_SHA3_256, 8, 256, 1024]),
  secretType([gp.TEE_TYPE_HMAC_SHA3_384, 8, 256, 1024]),
  secretType([gp.TEE_TYPE_HMAC_SHA3_512, 8, 256, 1024]),
  secretType([gp.TEE_TYPE_HMAC_SM3, 8, 80, 1024], SECRET_VALUE, HMAC_SM3_BYTES),
  secretType([gp.TEE_TYPE_GENERIC_SECRET, 8, 0, 4096]),
  secretType([gp.TEE_TYPE_HKDF_IKM, 8, 0, 4096], [secret(gp.TEE_ATTR_HKDF_IKM)]),
  secretType([gp.TEE_TYPE_CONCAT_KDF_Z, 8, 0, 4096], [secret(gp.TEE_ATTR_CONCAT_KDF_Z)]),
  secretType([gp.TEE_TYPE_PBKDF2_PASSWORD, 8, 0, 4096], [secret(gp.TEE_ATTR_PBKDF2_PASSWORD)]),
  keyType([gp.TEE_TYPE_RSA_PUBLIC_KEY, 1, 256, CORE_BIGNUM_MAX_BITS], RSA_PUBLIC_KEY),
  keyType([gp.TEE_TYPE_RSA_KEYPAIR, 1, 256, CORE_BIGNUM_MAX_BITS], RSA_KEYPAIR),
  keyType([gp.TEE_TYPE_DSA_PUBLIC_KEY, 64, 512, 3072], DSA_PUBLIC_KEY),
  keyType([gp.TEE_TYPE_DSA_KEYPAIR, 64, 512, 3072], DSA_KEYPAIR),
  keyType([gp.TEE_TYPE_DH_KEYPAIR, 1, 256, 2048], DH_KEYPAIR, DH_XBITS),
  keyType([gp.TEE_TYPE_ECDSA_PUBLIC_KEY, 1, 192, 521], ECC_PUBLIC_KEY, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_ECDSA_KEYPAIR, 1, 192, 521], ECC_KEYPAIR, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_ECDH_PUBLIC_KEY, 1, 192, 521], ECC_PUBLIC_KEY, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_ECDH_KEYPAIR, 1, 192, 521], ECC_KEYPAIR, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_SM2_DSA_PUBLIC_KEY, 1, 256, 256], SM2_PUBLIC_KEY, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_SM2_DSA_KEYPAIR, 1, 256, 256], SM2_KEYPAIR, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_SM2_PKE_PUBLIC_KEY, 1, 256, 256], SM2_PUBLIC_KEY, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_SM2_PKE_KEYPAIR, 1, 256, 256], SM2_KEYPAIR, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_SM2_KEP_PUBLIC_KEY, 1, 256, 256], SM2_PUBLIC_KEY, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_SM2_KEP_KEYPAIR, 1, 256, 256], SM2_KEYPAIR, ECC_CURVE_AND_OPS),
  keyType([gp.TEE_TYPE_X25519_KEYPAIR, 1, 256, 256], X25519_KEYPAIR),
  // With a size that is right upstream says so too: no library of the core has the curve.
  keyType([gp.TEE_TYPE_X448_KEYPAIR, 1, 448, 448], []),
  keyType([gp.TEE_TYPE_ED25519_PUBLIC_KEY, 1, 256, 256], ED25519_PUBLIC_KEY, ED25519_CURVE),
  keyType([gp.TEE_TYPE_ED25519_KEYPAIR, 1, 256, 256], ED25519_KEYPAIR, ED25519_CURVE),
];

/** TEE_TYPE_DATA, which is in no table: an object without attributes. */
export const DATA_OBJECT: ObjectTypeProps = {
  type: gp.TEE_TYPE_DATA,
  quanta: 1,
  minBits: 0,
  maxBits: 0,
  secretBytes: 0,
  blocks: [],
  attributes: [],
};

const BY_TYPE: ReadonlyMap<number, ObjectTypeProps> = new Map(
  OBJECT_TYPES.map((props) => [props.type, props]),
);

/** tee_svc_find_type_props() */
export function findObjectType(type: number): ObjectTypeProps | undefined {
  return BY_TYPE.get(type);
}

/** The key is a plain secret: what key derivation can give. */
export function hasSecretValue(props: ObjectTypeProps): boolean {
  return props.attributes === SECRET_VALUE;
}

/**
 * is_gp_legacy_des_key_size(): sizes of DES keys without parity bits, as GlobalPlatform 1.0 counted
 * them.
 */
export function isLegacyDesKeySize(type: number, bits: number): boolean {
  if (type === gp.TEE_TYPE_DES) return bits === 56;
  return type === gp.TEE_TYPE_DES3 && (bits === 112 || bits === 168);
}

/** With parity bits where they are missing. */
export function sizeWithParity(type: number, bits: number): number {
  return isLegacyDesKeySize(type, bits) ? bits + bits / 7 : bits;
}

/** As check_key_size(). @returns TEE_SUCCESS or TEE_ERROR_NOT_SUPPORTED */
export function checkKeySize(props: ObjectTypeProps, keySize: number): number {
  const bits = sizeWithParity(props.type, keySize);
  const fits = bits % props.quanta === 0 && bits >= props.minBits && bits <= props.maxBits;
  return fits ? gp.TEE_SUCCESS : gp.TEE_ERROR_NOT_SUPPORTED;
}

const CURVE_BITS: ReadonlyMap<number, number> = new Map([
  [gp.TEE_ECC_CURVE_NIST_P192, 192],
  [gp.TEE_ECC_CURVE_NIST_P224, 224],
  [gp.TEE_ECC_CURVE_NIST_P256, 256],
  [gp.TEE_ECC_CURVE_NIST_P384, 384],
  [gp.TEE_ECC_CURVE_NIST_P521, 521],
  [gp.TEE_ECC_CURVE_SM2, 256],
  [gp.TEE_ECC_CURVE_25519, 256],
]);

/** get_ec_key_size(): undefined for a curve that nobody knows. @param curve TEE_ECC_CURVE_* */
export function curveKeySize(curve: number): number | undefined {
  return CURVE_BITS.get(curve);
}

/** What becomes of an attribute in TEE_PopulateTransientObject and in TEE_GenerateKey. */
export type AttributeUse = 'populate' | 'generate';

const USES = {
  populate: { required: REQUIRED, optional: GROUP, allOrNone: true },
  generate: { required: GEN_REQ, optional: GEN_OPT, allOrNone: false },
} as const;

/** As tee_svc_cryp_check_attr(): none unknown, repeated or missing. */
export function checkAttributes(
  use: AttributeUse,
  known: readonly AttributeProps[],
  given: readonly TaAttribute[],
): number {
  const { required, optional, allOrNone } = USES[use];
  const found = new Set<AttributeProps>();
  for (const { id } of given) {
    const props = known.find((candidate) => candidate.id === id);
    const fits = props !== undefined && (props.flags & (required | optional)) !== 0;
    if (!fits || found.has(props)) return gp.TEE_ERROR_ITEM_NOT_FOUND;
    found.add(props);
  }
  const isRequired = ({ flags }: AttributeProps): boolean => (flags & required) !== 0;
  const missing = known.some((props) => isRequired(props) && !found.has(props));
  const group = known.filter((props) => (props.flags & optional) !== 0 && !isRequired(props));
  const some = group.some((props) => found.has(props));
  const all = group.every((props) => found.has(props));
  const torn = allOrNone && some && !all;
  return missing || torn ? gp.TEE_ERROR_ITEM_NOT_FOUND : gp.TEE_SUCCESS;
}
