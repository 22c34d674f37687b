/**
 * The signed header of a `.ta` file: sizes in it against the file's, its signature, and the keys that
 * files may bring along, each of them signed by the one before. What is wrong is named; the TEE only
 * says TEE_ERROR_SECURITY.
 *
 * Upstream counterpart: optee_os core/crypto/signed_hdr.c. Left out: fault mitigation.
 */
import {
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA256,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA384,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA512,
  TEE_ATTR_RSA_MODULUS,
  TEE_ATTR_RSA_PUBLIC_EXPONENT,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SECURITY,
  TEE_MODE_VERIFY,
  TEE_SUCCESS,
  TEE_TYPE_RSA_PUBLIC_KEY,
} from '../../abi/gp.ts';
import { SHDR_MAGIC, Shdr, ShdrSubkey, ShdrSubkeyAttr, shdrSize } from '../../abi/shdr.ts';
import { UUID_LEN } from '../../abi/uuid.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { KeyObject } from '../crypto/contexts.ts';
import { SHA256, SHA384, SHA512 } from '../crypto/main-hash.ts';
import type { MainHash } from '../crypto/main-hash.ts';
import { toNumber } from '../crypto/mpi.ts';
import { Rsassa, pss, v1_5 } from '../crypto/rsassa.ts';
import type { SignatureScheme } from '../crypto/rsassa.ts';
import type { TaPubKey } from './ta-pub-key.ts';

/** What is wrong with a file. */
export class BadHeader extends Error {
  /** TEE_Result */
  readonly res: number;

  constructor(text: string, res: number = TEE_ERROR_SECURITY) {
    super(text);
    this.res = res;
  }
}

interface SignatureAlgorithm {
  readonly hash: MainHash;
  readonly scheme: SignatureScheme;
}

/** Signature algorithms that are strong enough. */
const ALGORITHMS: ReadonlyMap<number, SignatureAlgorithm> = new Map([
  [TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256, { hash: SHA256, scheme: pss(SHA256) }],
  [TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384, { hash: SHA384, scheme: pss(SHA384) }],
  [TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512, { hash: SHA512, scheme: pss(SHA512) }],
  [TEE_ALG_RSASSA_PKCS1_V1_5_SHA256, { hash: SHA256, scheme: v1_5(SHA256) }],
  [TEE_ALG_RSASSA_PKCS1_V1_5_SHA384, { hash: SHA384, scheme: v1_5(SHA384) }],
  [TEE_ALG_RSASSA_PKCS1_V1_5_SHA512, { hash: SHA512, scheme: v1_5(SHA512) }],
]);

/** Shortest modulus of the build's key, bits. */
const SHORTEST_KEY_BITS = 2048;
/** Longest number that a key may have (CFG_CORE_BIGNUM_MAX_BITS). */
const LONGEST_NUMBER_BYTES = 512;

/** One header, hash and signature included, in memory of the core. */
export interface SignedHeader {
  readonly imgType: number;
  readonly imgSize: number;
  readonly hash: MainHash;
  readonly scheme: SignatureScheme;
  /** The fixed part, which the digest covers. */
  readonly head: Uint8Array;
  /** Digest of head and image. */
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
  /** Bytes of all of it. */
  readonly length: number;
}

/**
 * shdr_alloc_and_copy(), and the checks of shdr_verify_signature() that need no key.
 * @throws BadHeader
 */
export function signedHeader(file: Uint8Array, offset: number): SignedHeader {
  need(file, offset, Shdr.byteLength, 'signed header');
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const magic = Shdr.magic.get(view, offset);
  if (magic !== SHDR_MAGIC) throw new BadHeader(`magic number 0x${magic.toString(16)}`);
  const algo = Shdr.algo.get(view, offset);
  const hashSize = Shdr.hashSize.get(view, offset);
  const algorithm = ALGORITHMS.get(algo);
  if (algorithm?.hash.size !== hashSize) {
    throw new BadHeader(`a hash of ${hashSize} bytes with algorithm 0x${algo.toString(16)}`);
  }
  const length = shdrSize(hashSize, Shdr.sigSize.get(view, offset));
  need(file, offset, length, 'hash and signature');
  const copy = file.slice(offset, offset + length);
  return {
    imgType: Shdr.imgType.get(view, offset),
    imgSize: Shdr.imgSize.get(view, offset),
    ...algorithm,
    head: copy.subarray(0, Shdr.byteLength),
    digest: copy.subarray(Shdr.byteLength, Shdr.byteLength + hashSize),
    signature: copy.subarray(Shdr.byteLength + hashSize),
    length,
  };
}

/** shdr_verify_signature(). @throws BadHeader */
export function verifySignature(crypto: HostCrypto, key: TaPubKey, header: SignedHeader): void {
  const bits = key.modulus.length * 8;
  if (bits < SHORTEST_KEY_BITS) throw new BadHeader(`the key of this build has ${bits} bits`);
  verify(crypto, toNumber(key.modulus), BigInt(key.exponent), header);
}

/** shdr_verify_signature2(). @throws BadHeader */
export function verifyWithSubkey(crypto: HostCrypto, key: Subkey, header: SignedHeader): void {
  verify(crypto, key.modulus, key.exponent, header);
}

function verify(
  crypto: HostCrypto,
  modulus: bigint,
  exponent: bigint,
  { scheme, digest, signature }: SignedHeader,
): void {
  const key: KeyObject = {
    type: TEE_TYPE_RSA_PUBLIC_KEY,
    keySize: 0,
    secret: new Uint8Array(0),
    bytes: () => undefined,
    value: () => undefined,
    number: (id) => (id === TEE_ATTR_RSA_MODULUS ? modulus : exponent),
    generation: 0,
  };
  // Verifying draws nothing.
  const services = { crypto, rng: () => TEE_ERROR_NOT_SUPPORTED };
  const rsassa = new Rsassa(services, TEE_MODE_VERIFY, scheme);
  if (rsassa.verify(key, [], digest, signature) !== TEE_SUCCESS) {
    throw new BadHeader('the signature is not that of the key');
  }
}

/** struct shdr_pub_key: a key that a file brings along, for the header behind it. */
export interface Subkey {
  /** Octets. */
  readonly uuid: Uint8Array;
  readonly version: number;
  readonly maxDepth: number;
  /** Which UUID the next key or the TA must have; octets. */
  readonly nextUuid: Uint8Array;
  /** Bytes of key and name. */
  readonly length: number;
  readonly modulus: bigint;
  readonly exponent: bigint;
}

/** What a key has to be like under another one. */
export interface SubkeyLimits {
  readonly nextUuid: Uint8Array | undefined;
  readonly maxDepth: number;
}

/** shdr_load_pub_key(). @param header of the key @param offset where the key begins @throws BadHeader */
export function loadSubkey(
  crypto: HostCrypto,
  file: Uint8Array,
  header: SignedHeader,
  offset: number,
  limits: SubkeyLimits,
): Subkey {
  const { imgSize } = header;
  need(file, offset, Math.max(imgSize, ShdrSubkey.byteLength), 'subkey');
  if (imgSize < ShdrSubkey.byteLength) throw new BadHeader(`a subkey of ${imgSize} bytes`);
  const image = file.slice(offset, offset + imgSize);
  checkDigest(crypto, header, [image]);
  const view = new DataView(image.buffer);
  const attrs = attributesOf(image, ShdrSubkey.attrCount.get(view, 0));
  const maxDepth = ShdrSubkey.maxDepth.get(view, 0);
  if (maxDepth >= limits.maxDepth) {
    throw new BadHeader(`subkey depth ${maxDepth} under one of ${limits.maxDepth}`);
  }
  const uuid = ShdrSubkey.uuid.bytes(view, 0);
  const next = limits.nextUuid;
  if (next !== undefined && !next.every((octet, n) => octet === uuid[n])) {
    throw new BadHeader('the subkey is not of the name space that its key allows');
  }
  const nameSize = ShdrSubkey.nameSize.get(view, 0);
  const length = imgSize + nameSize;
  need(file, offset, length, 'subkey and name');
  const name = file.slice(offset + imgSize, offset + length);
  return {
    uuid,
    version: ShdrSubkey.subkeyVersion.get(view, 0),
    maxDepth,
    nextUuid: nameSize === 0 ? uuid : uuidInNamespace(crypto, uuid, name),
    length,
    modulus: numberOf(attrs, TEE_ATTR_RSA_MODULUS),
    exponent: numberOf(attrs, TEE_ATTR_RSA_PUBLIC_EXPONENT),
  };
}

/** Whether a header's digest is that of its fixed part and `parts`. @throws BadHeader */
export function checkDigest(
  crypto: HostCrypto,
  { head, hash, digest }: SignedHeader,
  parts: readonly Uint8Array[],
): void {
  const running = crypto.digest(hash.name);
  for (const part of [head, ...parts]) running.update(part);
  if (!crypto.timingSafeEqual(running.final(), digest)) {
    throw new BadHeader('the hash is not that of the file');
  }
}

/** That `length` bytes are there. @throws BadHeader */
export function need(file: Uint8Array, offset: number, length: number, what: string): void {
  const left = file.length - offset;
  if (length > left) throw new BadHeader(`${what} of ${length} bytes, but ${left} are left`);
}

/** check_attrs(): the attributes' values by id, the first of each. */
function attributesOf(image: Uint8Array, count: number): ReadonlyMap<number, Uint8Array> {
  const view = new DataView(image.buffer);
  const end = ShdrSubkey.byteLength + count * ShdrSubkeyAttr.byteLength;
  if (end > image.length) {
    throw new BadHeader(`${count} attributes in a subkey of ${image.length} bytes`);
  }
  const attrs = new Map<number, Uint8Array>();
  for (let n = 0; n < count; n++) {
    const attr = ShdrSubkey.byteLength + n * ShdrSubkeyAttr.byteLength;
    const offs = ShdrSubkeyAttr.offs.get(view, attr);
    const last = offs + ShdrSubkeyAttr.size.get(view, attr);
    if (last > image.length) throw new BadHeader(`attribute ${n} leaves its subkey`);
    const id = ShdrSubkeyAttr.id.get(view, attr);
    if (!attrs.has(id)) attrs.set(id, image.subarray(offs, last));
  }
  return attrs;
}

/** load_rsa_key() */
function numberOf(attrs: ReadonlyMap<number, Uint8Array>, id: number): bigint {
  const value = attrs.get(id);
  if (value === undefined) throw new BadHeader(`the subkey has no attribute 0x${id.toString(16)}`);
  if (value.length > LONGEST_NUMBER_BYTES) throw new BadHeader(`a key of ${value.length} bytes`);
  return toNumber(value);
}

/** calc_next_uuid(): a UUID of version 5, but from SHA-512. */
function uuidInNamespace(crypto: HostCrypto, uuid: Uint8Array, name: Uint8Array): Uint8Array {
  const digest = crypto.digest('sha512');
  digest.update(uuid);
  const end = name.indexOf(0);
  digest.update(end < 0 ? name : name.subarray(0, end));
  const octets = digest.final().slice(0, UUID_LEN);
  octets[6] = (octets[6]! & 0x0f) | 0x50;
  octets[8] = (octets[8]! & 0x3f) | 0x80;
  return octets;
}
