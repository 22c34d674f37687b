/**
 * Cryptographic objects: which types there are, what sizes and attributes each has, and the object
 * with its attributes' values.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (tee_cryp_obj_props, attr_ops,
 * tee_svc_cryp_check_attr, tee_svc_cryp_obj_populate_type), core/include/tee/tee_obj.h.
 * Left out so far: DES with its parity bits, SM4, KDF inputs, and every asymmetric type; each is a
 * row here, and a class beside `SecretValue` for attributes that are big numbers or values.
 * Persistent objects belong to storage.
 */
import {
  TEE_ATTR_SECRET_VALUE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_EXCESS_DATA,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  TEE_TYPE_GENERIC_SECRET,
  TEE_TYPE_HMAC_MD5,
  TEE_TYPE_HMAC_SHA1,
  TEE_TYPE_HMAC_SHA224,
  TEE_TYPE_HMAC_SHA256,
  TEE_TYPE_HMAC_SHA384,
  TEE_TYPE_HMAC_SHA3_224,
  TEE_TYPE_HMAC_SHA3_256,
  TEE_TYPE_HMAC_SHA3_384,
  TEE_TYPE_HMAC_SHA3_512,
  TEE_TYPE_HMAC_SHA512,
} from '../../abi/gp.ts';
import type { TaAttribute, TaObjectInfo } from '../../ta/runtime.ts';

/** What a key may be used for when nobody has restricted it: everything. */
export const TEE_USAGE_DEFAULT = 0xffffffff;

/** Fills its argument with random bytes. @returns a TEE_Result */
export type Rng = (out: Uint8Array) => number;

/** The value of one attribute. The methods return a TEE_Result. */
export interface AttributeStore {
  fromUser(attribute: TaAttribute): number;
  /** Sets `size` to what there is. */
  toUser(out: Uint8Array | undefined, size: { size: number }): number;
  fromStore(source: AttributeStore): number;
  generate(sizeBits: number, rng: Rng): number;
  clear(): void;
}

/** A secret of varying length in a buffer of fixed size. */
export class SecretValue implements AttributeStore {
  readonly #buffer: Uint8Array;
  #size = 0;

  /** @param capacity bytes, as upstream allocates for the type. */
  constructor(capacity: number) {
    this.#buffer = new Uint8Array(capacity);
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  fromUser(attribute: TaAttribute): number {
    const content = attribute.content ?? new Uint8Array(0);
    if (content.length > this.#buffer.length) return TEE_ERROR_SECURITY;
    this.#set(content);
    return TEE_SUCCESS;
  }

  toUser(out: Uint8Array | undefined, size: { size: number }): number {
    const room = size.size;
    size.size = this.#size;
    if (out === undefined || room < this.#size) return TEE_ERROR_SHORT_BUFFER;
    out.set(this.bytes);
    return TEE_SUCCESS;
  }

  fromStore(source: AttributeStore): number {
    if (!(source instanceof SecretValue)) return TEE_ERROR_BAD_STATE;
    if (source.#size > this.#buffer.length) return TEE_ERROR_BAD_STATE;
    this.#set(source.bytes);
    return TEE_SUCCESS;
  }

  generate(sizeBits: number, rng: Rng): number {
    const size = sizeBits / 8;
    if (size > this.#buffer.length) return TEE_ERROR_EXCESS_DATA;
    const result = rng(this.#buffer.subarray(0, size));
    if (result === TEE_SUCCESS) this.#size = size;
    return result;
  }

  clear(): void {
    this.#buffer.fill(0);
    this.#size = 0;
  }

  #set(content: Uint8Array): void {
    this.#buffer.set(content);
    this.#size = content.length;
  }
}

/** What becomes of an attribute in TEE_PopulateTransientObject and in TEE_GenerateKey. */
export type AttributeUse = 'populate' | 'generate';

export interface AttributeProps {
  readonly id: number;
  /** `group`: all attributes of the group or none. */
  readonly populate: 'required' | 'group' | 'refused';
  readonly generate: 'required' | 'optional' | 'refused';
  /** Its length is the key's size. */
  readonly sizeIndicator: boolean;
  readonly create: (type: ObjectTypeProps) => AttributeStore;
}

export interface ObjectTypeProps {
  readonly type: number;
  /** Sizes in bits are multiples of this. */
  readonly quanta: number;
  readonly minBits: number;
  readonly maxBits: number;
  /** Bytes that hold the secret. */
  readonly allocBytes: number;
  readonly attributes: readonly AttributeProps[];
}

const SECRET: readonly AttributeProps[] = [
  {
    id: TEE_ATTR_SECRET_VALUE,
    populate: 'required',
    generate: 'refused',
    sizeIndicator: true,
    create: (type) => new SecretValue(type.allocBytes),
  },
];

const secret = (
  type: number,
  quanta: number,
  minBits: number,
  maxBits: number,
): ObjectTypeProps => ({
  type,
  quanta,
  minBits,
  maxBits,
  allocBytes: maxBits / 8,
  attributes: SECRET,
});

/** Source: tee_svc_cryp.c, OP-TEE OS 4.10, without CFG_HMAC_64_1024_RANGE. */
export const OBJECT_TYPES: readonly ObjectTypeProps[] = [
  secret(TEE_TYPE_AES, 64, 128, 256),
  secret(TEE_TYPE_HMAC_MD5, 8, 64, 512),
  secret(TEE_TYPE_HMAC_SHA1, 8, 80, 512),
  secret(TEE_TYPE_HMAC_SHA224, 8, 112, 512),
  secret(TEE_TYPE_HMAC_SHA256, 8, 192, 1024),
  secret(TEE_TYPE_HMAC_SHA384, 8, 256, 1024),
  secret(TEE_TYPE_HMAC_SHA512, 8, 256, 1024),
  secret(TEE_TYPE_HMAC_SHA3_224, 8, 192, 1024),
  secret(TEE_TYPE_HMAC_SHA3_256, 8, 256, 1024),
  secret(TEE_TYPE_HMAC_SHA3_384, 8, 256, 1024),
  secret(TEE_TYPE_HMAC_SHA3_512, 8, 256, 1024),
  secret(TEE_TYPE_GENERIC_SECRET, 8, 0, 4096),
];

const BY_TYPE: ReadonlyMap<number, ObjectTypeProps> = new Map(
  OBJECT_TYPES.map((props) => [props.type, props]),
);

export function findObjectType(type: number): ObjectTypeProps | undefined {
  return BY_TYPE.get(type);
}

/** As check_key_size(). @returns TEE_SUCCESS or TEE_ERROR_NOT_SUPPORTED */
export function checkKeySize(props: ObjectTypeProps, bits: number): number {
  const fits = bits % props.quanta === 0 && bits >= props.minBits && bits <= props.maxBits;
  return fits ? TEE_SUCCESS : TEE_ERROR_NOT_SUPPORTED;
}

/** As tee_svc_cryp_check_attr(): none unknown, repeated or missing. */
export function checkAttributes(
  use: AttributeUse,
  known: readonly AttributeProps[],
  given: readonly TaAttribute[],
): number {
  const found = new Set<AttributeProps>();
  for (const attribute of given) {
    const props = known.find((candidate) => candidate.id === attribute.id);
    if (props === undefined || found.has(props) || props[use] === 'refused') {
      return TEE_ERROR_ITEM_NOT_FOUND;
    }
    found.add(props);
  }
  const missing = known.some((props) => props[use] === 'required' && !found.has(props));
  const group = use === 'populate' ? known.filter((props) => props.populate === 'group') : [];
  const some = group.some((props) => found.has(props));
  const all = group.every((props) => found.has(props));
  return missing || (some && !all) ? TEE_ERROR_ITEM_NOT_FOUND : TEE_SUCCESS;
}

/** As `struct tee_obj`, for transient objects. */
export class CryptoObject {
  readonly props: ObjectTypeProps;
  readonly maxKeySize: number;
  /** An operation owns it; the TA has no handle on it any more. */
  busy = false;
  usage = TEE_USAGE_DEFAULT;
  initialized = false;
  #keySize = 0;
  readonly #stores: ReadonlyMap<number, AttributeStore>;
  #have: ReadonlySet<number> = new Set();

  constructor(props: ObjectTypeProps, maxKeySize: number) {
    this.props = props;
    this.maxKeySize = maxKeySize;
    this.#stores = new Map(props.attributes.map((a) => [a.id, a.create(props)]));
  }

  /** The key's bytes, of a type whose only attribute is a secret. */
  get secret(): Uint8Array {
    const store = this.#stores.get(TEE_ATTR_SECRET_VALUE);
    if (store instanceof SecretValue) return store.bytes;
    throw new Error(`object type 0x${this.props.type.toString(16)} has no secret value`);
  }

  get flags(): number {
    return this.initialized ? TEE_HANDLE_FLAG_INITIALIZED : 0;
  }

  /** The value of an attribute; undefined when the object has none of that id. */
  attribute(id: number): AttributeStore | undefined {
    return this.#have.has(id) ? this.#stores.get(id) : undefined;
  }

  /** As tee_svc_cryp_obj_populate_type(), after checkAttributes(). */
  populate(attributes: readonly TaAttribute[]): number {
    let keySize = 0;
    for (const attribute of attributes) {
      const result = this.#stores.get(attribute.id)!.fromUser(attribute);
      if (result !== TEE_SUCCESS) return result;
      const props = this.props.attributes.find((a) => a.id === attribute.id);
      if (props?.sizeIndicator !== true) continue;
      keySize = (attribute.content?.length ?? 0) * 8;
      if (keySize > this.maxKeySize) return TEE_ERROR_BAD_STATE;
      if (checkKeySize(this.props, keySize) !== TEE_SUCCESS) return TEE_ERROR_BAD_PARAMETERS;
    }
    this.#initialize(
      keySize,
      attributes.map((a) => a.id),
    );
    return TEE_SUCCESS;
  }

  /** Fills every attribute with new random contents. */
  generate(sizeBits: number, rng: Rng): number {
    for (const store of this.#stores.values()) {
      const result = store.generate(sizeBits, rng);
      if (result !== TEE_SUCCESS) return result;
    }
    this.#initialize(sizeBits, this.#stores.keys());
    return TEE_SUCCESS;
  }

  /** As tee_obj_attr_copy_from() and what syscall_cryp_obj_copy() does after it. */
  copyFrom(source: CryptoObject): number {
    if (source.props.type !== this.props.type) return TEE_ERROR_BAD_PARAMETERS;
    for (const [id, store] of this.#stores) {
      const result = store.fromStore(source.#stores.get(id)!);
      if (result !== TEE_SUCCESS) return result;
    }
    this.#initialize(source.#keySize, source.#have);
    this.usage = source.usage;
    return TEE_SUCCESS;
  }

  reset(): void {
    for (const store of this.#stores.values()) store.clear();
    this.#keySize = 0;
    this.usage = TEE_USAGE_DEFAULT;
    this.initialized = false;
  }

  fillInfo(out: TaObjectInfo): void {
    out.objectType = this.props.type;
    out.keySize = this.#keySize;
    out.maxKeySize = this.maxKeySize;
    out.objectUsage = this.usage;
    out.dataSize = 0;
    out.dataPosition = 0;
    out.handleFlags = this.flags;
  }

  #initialize(keySize: number, have: Iterable<number>): void {
    this.#keySize = keySize;
    this.#have = new Set(have);
    this.initialized = true;
  }
}
