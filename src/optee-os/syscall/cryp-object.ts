/**
 * A cryptographic object: its type, its size, and the values of its attributes.
 *
 * Upstream counterparts: optee_os core/include/tee/tee_obj.h, core/tee/tee_svc_cryp.c
 * (tee_obj_set_type, tee_obj_attr_*, tee_svc_cryp_obj_populate_type).
 */
import {
  TEE_ATTR_ECC_CURVE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_SUCCESS,
  TEE_TYPE_DATA,
  TEE_TYPE_DSA_KEYPAIR,
  TEE_TYPE_DSA_PUBLIC_KEY,
  TEE_TYPE_ECDH_KEYPAIR,
  TEE_TYPE_ECDH_PUBLIC_KEY,
  TEE_TYPE_ECDSA_KEYPAIR,
  TEE_TYPE_ECDSA_PUBLIC_KEY,
  TEE_TYPE_ED25519_KEYPAIR,
  TEE_TYPE_ED25519_PUBLIC_KEY,
  TEE_TYPE_RSA_KEYPAIR,
  TEE_TYPE_RSA_PUBLIC_KEY,
  TEE_TYPE_SM2_DSA_KEYPAIR,
  TEE_TYPE_SM2_DSA_PUBLIC_KEY,
  TEE_TYPE_SM2_KEP_KEYPAIR,
  TEE_TYPE_SM2_KEP_PUBLIC_KEY,
  TEE_TYPE_SM2_PKE_KEYPAIR,
  TEE_TYPE_SM2_PKE_PUBLIC_KEY,
  TEE_TYPE_X448_KEYPAIR,
} from '../../abi/gp.ts';
import type { TaAttribute, TaObjectInfo } from '../../ta/runtime.ts';
import type { DerivedObject, KeyObject } from '../crypto/contexts.ts';
import { concat } from '../crypto/main-hash.ts';
import { bitLength } from '../crypto/mpi.ts';
import type { AttributeStore, BinarySource } from './cryp-attr-ops.ts';
import { Bignum, Octets25519, SecretValue, ValueU32 } from './cryp-attr-ops.ts';
import type { AttributeProps, ObjectTypeProps } from './cryp-obj-props.ts';
import {
  DATA_OBJECT,
  TEE_TYPE_ATTR_BIGNUM_MAXBITS,
  TEE_TYPE_ATTR_SIZE_INDICATOR,
  checkKeySize,
  curveKeySize,
  findObjectType,
  hasSecretValue,
  isLegacyDesKeySize,
} from './cryp-obj-props.ts';
import type { StorableObject } from '../storage/storage-object.ts';
import type { PersistentPart } from './tee-obj.ts';

/** What a key may be used for when nobody has restricted it: everything. */
export const TEE_USAGE_DEFAULT = 0xffffffff;

/** Key pairs that a public key can be copied from. */
const PAIR_OF: ReadonlyMap<number, number> = new Map([
  [TEE_TYPE_RSA_PUBLIC_KEY, TEE_TYPE_RSA_KEYPAIR],
  [TEE_TYPE_DSA_PUBLIC_KEY, TEE_TYPE_DSA_KEYPAIR],
  [TEE_TYPE_ECDSA_PUBLIC_KEY, TEE_TYPE_ECDSA_KEYPAIR],
  [TEE_TYPE_ECDH_PUBLIC_KEY, TEE_TYPE_ECDH_KEYPAIR],
  [TEE_TYPE_SM2_DSA_PUBLIC_KEY, TEE_TYPE_SM2_DSA_KEYPAIR],
  [TEE_TYPE_SM2_PKE_PUBLIC_KEY, TEE_TYPE_SM2_PKE_KEYPAIR],
  [TEE_TYPE_SM2_KEP_PUBLIC_KEY, TEE_TYPE_SM2_KEP_KEYPAIR],
  [TEE_TYPE_ED25519_PUBLIC_KEY, TEE_TYPE_ED25519_KEYPAIR],
]);

/** struct tee_obj */
export class CryptoObject implements KeyObject, DerivedObject, StorableObject {
  readonly props: ObjectTypeProps;
  readonly maxKeySize: number;
  /** Its file, when it is a persistent one. */
  persistent: PersistentPart | undefined;
  /** An operation owns it; the TA has no handle on it any more. */
  busy = false;
  /** Of a transient object; see `allowedUsage`. */
  usage = TEE_USAGE_DEFAULT;
  initialized = false;
  /** Bits; 0 also where no attribute tells it. */
  keySize = 0;
  /** A bit for each attribute of the type, in the type's order: the object has it. */
  haveAttrs = 0;
  #generation = 0;
  readonly #stores: readonly AttributeStore[];

  constructor(props: ObjectTypeProps, maxKeySize: number) {
    this.props = props;
    this.maxKeySize = maxKeySize;
    this.#stores = props.attributes.map((attribute) => attribute.create(props));
  }

  get type(): number {
    return this.props.type;
  }

  get generation(): number {
    return this.#generation;
  }

  get flags(): number {
    const initialized = this.initialized ? TEE_HANDLE_FLAG_INITIALIZED : 0;
    return initialized | (this.persistent?.handleFlags ?? 0);
  }

  /** TEE_USAGE_* */
  get allowedUsage(): number {
    return this.persistent?.usage ?? this.usage;
  }

  // --- as algorithms see it
  /** The bytes of a type that has one attribute, a secret. */
  get secret(): Uint8Array {
    const [store] = this.#stores;
    if (store instanceof SecretValue) return store.bytes;
    throw new Error(`object type 0x${this.props.type.toString(16)} is no secret`);
  }

  /** A secret can be derived into it. */
  get isSecret(): boolean {
    return hasSecretValue(this.props);
  }

  get secretRoom(): number {
    return this.props.secretBytes;
  }

  /** As syscall_cryp_derive_key() leaves it: without a size. */
  setSecret(secret: Uint8Array): void {
    const [store] = this.#stores;
    if (!(store instanceof SecretValue) || !store.set(secret)) {
      throw new Error(`no room for a secret of ${secret.length} bytes`);
    }
    this.haveAttrs |= 1;
    this.initialized = true;
    this.#generation += 1;
  }

  bytes(attribute: number): Uint8Array | undefined {
    const store = this.attribute(attribute);
    return store === undefined || store instanceof ValueU32 ? undefined : bytesOf(store);
  }

  value(attribute: number): number | undefined {
    const store = this.attribute(attribute);
    return store instanceof ValueU32 ? store.value : undefined;
  }

  /** Also of an attribute that the object does not have: what its memory holds. */
  number(attribute: number): bigint {
    const store = this.#stores[this.#indexOf(attribute)];
    return store instanceof Bignum ? store.value : 0n;
  }

  /** Whether the type has a big number of that id. */
  isNumber(id: number): boolean {
    return this.#stores[this.#indexOf(id)] instanceof Bignum;
  }

  /** The value of an attribute; undefined when the object has none of that id. */
  attribute(id: number): AttributeStore | undefined {
    const index = this.#indexOf(id);
    return (this.haveAttrs & (1 << index)) !== 0 && index >= 0 ? this.#stores[index] : undefined;
  }

  // --- as system calls change it
  /**
   * As tee_svc_cryp_obj_populate_type(), after checkAttributes(). What has been set before an error
   * stays.
   */
  populate(attributes: readonly TaAttribute[]): number {
    let haveAttrs = 0;
    let keySize = 0;
    this.#generation += 1;
    for (const attribute of attributes) {
      const index = this.#indexOf(attribute.id);
      const [store, props] = [this.#stores[index], this.props.attributes[index]];
      if (store === undefined || props === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
      haveAttrs |= 1 << index;
      const result = store.fromUser(attribute);
      if (result !== TEE_SUCCESS) return result;
      if ((props.flags & TEE_TYPE_ATTR_SIZE_INDICATOR) !== 0) {
        const size = this.#indicatedSize(attribute);
        if (size === undefined) return TEE_ERROR_NOT_SUPPORTED;
        if (size > this.maxKeySize) return TEE_ERROR_BAD_STATE;
        if (checkKeySize(this.props, size) !== TEE_SUCCESS) return TEE_ERROR_BAD_PARAMETERS;
        keySize = size;
      }
      if (this.#tooLong(props, store)) return TEE_ERROR_BAD_STATE;
    }
    this.haveAttrs = haveAttrs;
    // Upstream drops the parity bits of such keys once more.
    this.keySize = this.#dropParity(keySize);
    return TEE_SUCCESS;
  }

  /** Sets an attribute and has it; of an id that the type does not know, nothing happens. */
  put(id: number, content: bigint | number | Uint8Array): void {
    const index = this.#indexOf(id);
    const store = this.#stores[index];
    if (store === undefined) return;
    if (typeof content === 'bigint' && store instanceof Bignum) store.set(content);
    else if (typeof content === 'number') store.fromUser({ id, a: content, b: 0 });
    else if (typeof content === 'object') store.fromUser({ id, content });
    this.haveAttrs |= 1 << index;
    this.#generation += 1;
  }

  /** As tee_obj_attr_copy_from(): a public key also from its key pair. */
  copyAttributes(source: CryptoObject): number {
    if (this.type === TEE_TYPE_DATA) return TEE_SUCCESS;
    const same = source.type === this.type;
    if (!same && PAIR_OF.get(this.type) !== source.type) return TEE_ERROR_BAD_PARAMETERS;
    this.#generation += 1;
    for (const [index, { id }] of this.props.attributes.entries()) {
      const from = source.#stores[source.#indexOf(id)];
      if (from === undefined) return TEE_ERROR_BAD_STATE;
      const result = this.#stores[index]!.fromStore(from);
      if (result !== TEE_SUCCESS) return result;
    }
    this.haveAttrs = same ? source.haveAttrs : (1 << this.#stores.length) - 1;
    return TEE_SUCCESS;
  }

  /** tee_obj_attr_clear() and what syscall_cryp_obj_reset() does around it. */
  reset(): void {
    for (const store of this.#stores) store.clear();
    this.keySize = 0;
    this.usage = TEE_USAGE_DEFAULT;
    this.initialized = false;
    this.#generation += 1;
  }

  /** tee_obj_attr_to_binary(): all attributes of the type, also those that the object does not have. */
  attributesToBinary(): Uint8Array {
    return concat(...this.#stores.map((store) => store.toBinary()));
  }

  /**
   * tee_obj_attr_from_binary(); which attributes the object has stands elsewhere.
   * @returns TEE_SUCCESS or TEE_ERROR_CORRUPT_OBJECT
   */
  attributesFromBinary(bytes: Uint8Array): number {
    const source: BinarySource = { bytes, offset: 0 };
    this.#generation += 1;
    const complete = this.#stores.every((store) => store.fromBinary(source));
    return complete ? TEE_SUCCESS : TEE_ERROR_CORRUPT_OBJECT;
  }

  restore(keySizeBits: number, haveAttrs: number): void {
    this.keySize = keySizeBits;
    this.haveAttrs = haveAttrs;
    this.initialized = true;
  }

  fillInfo(out: TaObjectInfo): void {
    out.objectType = this.type;
    out.keySize = this.keySize;
    out.maxKeySize = this.maxKeySize;
    out.objectUsage = this.allowedUsage;
    out.dataSize = this.persistent?.dataSize ?? 0;
    out.dataPosition = this.persistent?.dataPosition ?? 0;
    out.handleFlags = this.flags;
  }

  #indexOf(id: number): number {
    return this.props.attributes.findIndex((attribute) => attribute.id === id);
  }

  /** Undefined for a curve that nobody knows. */
  #indicatedSize({ id, content, a = 0 }: TaAttribute): number | undefined {
    if (id === TEE_ATTR_ECC_CURVE) return curveKeySize(a);
    return this.#dropParity(8 * (content?.length ?? 0));
  }

  #dropParity(bits: number): number {
    const legacy = isLegacyDesKeySize(this.type, this.maxKeySize);
    return legacy ? bits - Math.floor(bits / 8) : bits;
  }

  #tooLong(props: AttributeProps, store: AttributeStore): boolean {
    const limited = (props.flags & TEE_TYPE_ATTR_BIGNUM_MAXBITS) !== 0 && store instanceof Bignum;
    return limited && bitLength(store.value) > this.maxKeySize;
  }
}

function bytesOf(store: AttributeStore): Uint8Array | undefined {
  const plain =
    store instanceof SecretValue || store instanceof Bignum || store instanceof Octets25519;
  return plain ? store.bytes : undefined;
}

/** As tee_obj_set_type(). @returns a new object, or a TEE_Result */
export function objectOfType(type: number, maxKeySize: number): CryptoObject | number {
  if (type === TEE_TYPE_DATA) {
    return maxKeySize === 0 ? new CryptoObject(DATA_OBJECT, 0) : TEE_ERROR_NOT_SUPPORTED;
  }
  const props = findObjectType(type);
  if (props === undefined) return TEE_ERROR_NOT_SUPPORTED;
  const result = checkKeySize(props, maxKeySize);
  if (result !== TEE_SUCCESS) return result;
  if (type === TEE_TYPE_X448_KEYPAIR) return TEE_ERROR_NOT_IMPLEMENTED;
  return new CryptoObject(props, maxKeySize);
}
