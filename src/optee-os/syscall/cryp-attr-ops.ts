/**
 * The value of one attribute of an object: how it comes from a TA and goes back, and how it stands
 * in a file. The kinds are a secret of varying length, a big number, a 32-bit value, and the octets
 * of curve 25519.
 *
 * Upstream counterpart: optee_os core/tee/tee_svc_cryp.c (attr_ops, op_attr_*).
 */
import {
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_GENERIC,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import { be32, concat } from '../crypto/main-hash.ts';
import { toNumber, toOctets } from '../crypto/mpi.ts';

/** Where a value stands in a file. */
export interface BinarySource {
  readonly bytes: Uint8Array;
  /** Moves on behind what is read. */
  offset: number;
}

/** struct attr_ops. Numbers are TEE_Results. */
export interface AttributeStore {
  fromUser(attribute: TaAttribute): number;
  /** Sets `size` to what there is. */
  toUser(out: Uint8Array | undefined, size: { size: number }): number;
  toBinary(): Uint8Array;
  /** @returns whether what stands there is such a value */
  fromBinary(source: BinarySource): boolean;
  fromStore(source: AttributeStore): number;
  clear(): void;
}

const U32_BYTES = 4;

/** op_u32_from_binary_helper() */
function readU32({ bytes, offset }: BinarySource): number | undefined {
  if (offset + U32_BYTES > bytes.length) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, false);
}

/** A length and as many bytes. Undefined, and nothing read, when they are not all there. */
function readCounted(source: BinarySource): Uint8Array | undefined {
  const length = readU32(source);
  const start = source.offset + U32_BYTES;
  if (length === undefined || start + length > source.bytes.length) return undefined;
  source.offset = start + length;
  return source.bytes.subarray(start, source.offset);
}

const counted = (bytes: Uint8Array): Uint8Array => concat(be32(bytes.length), bytes);

function copyToUser(
  bytes: Uint8Array,
  out: Uint8Array | undefined,
  size: { size: number },
): number {
  const room = size.size;
  size.size = bytes.length;
  if (out === undefined || room < bytes.length) return TEE_ERROR_SHORT_BUFFER;
  out.set(bytes);
  return TEE_SUCCESS;
}

const NONE = new Uint8Array(0);

/** ATTR_OPS_INDEX_SECRET: in a buffer of fixed size. */
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

  get capacity(): number {
    return this.#buffer.length;
  }

  fromUser({ content = NONE }: TaAttribute): number {
    return this.set(content) ? TEE_SUCCESS : TEE_ERROR_SECURITY;
  }

  toUser(out: Uint8Array | undefined, size: { size: number }): number {
    return copyToUser(this.bytes, out, size);
  }

  toBinary(): Uint8Array {
    return counted(this.bytes);
  }

  fromBinary(source: BinarySource): boolean {
    const bytes = readCounted(source);
    return bytes !== undefined && this.set(bytes);
  }

  fromStore(source: AttributeStore): number {
    const fits = source instanceof SecretValue && this.set(source.bytes);
    return fits ? TEE_SUCCESS : TEE_ERROR_BAD_STATE;
  }

  /** @returns whether there is room */
  set(content: Uint8Array): boolean {
    if (content.length > this.#buffer.length) return false;
    this.#buffer.set(content);
    this.#size = content.length;
    return true;
  }

  clear(): void {
    this.#buffer.fill(0);
    this.#size = 0;
  }
}

/** ATTR_OPS_INDEX_BIGNUM: big-endian without leading zeroes. */
export class Bignum implements AttributeStore {
  #bytes: Uint8Array = NONE;
  #value = 0n;

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get value(): bigint {
    return this.#value;
  }

  fromUser({ content = NONE }: TaAttribute): number {
    this.set(toNumber(content));
    return TEE_SUCCESS;
  }

  /** Zero has no bytes, and needs no buffer. */
  toUser(out: Uint8Array | undefined, size: { size: number }): number {
    if (this.#bytes.length > 0) return copyToUser(this.#bytes, out, size);
    size.size = 0;
    return TEE_SUCCESS;
  }

  toBinary(): Uint8Array {
    return counted(this.#bytes);
  }

  fromBinary(source: BinarySource): boolean {
    const bytes = readCounted(source);
    if (bytes !== undefined) this.set(toNumber(bytes));
    return bytes !== undefined;
  }

  fromStore(source: AttributeStore): number {
    if (!(source instanceof Bignum)) return TEE_ERROR_BAD_STATE;
    this.set(source.#value);
    return TEE_SUCCESS;
  }

  /** What was there is wiped, as far as it stands in bytes. */
  set(value: bigint): void {
    this.#bytes.fill(0);
    this.#value = value;
    this.#bytes = toOctets(value);
  }

  clear(): void {
    this.set(0n);
  }
}

const VALUE_BYTES = 8;

/** ATTR_OPS_INDEX_VALUE: of the two values only the first is kept. */
export class ValueU32 implements AttributeStore {
  value = 0;

  fromUser({ a }: TaAttribute): number {
    if (a === undefined) return TEE_ERROR_GENERIC;
    this.value = a;
    return TEE_SUCCESS;
  }

  /** Both values, little-endian; `size` stays as it is. */
  toUser(out: Uint8Array | undefined, size: { size: number }): number {
    if (out === undefined || size.size < VALUE_BYTES) return TEE_ERROR_SHORT_BUFFER;
    const view = new DataView(out.buffer, out.byteOffset);
    view.setUint32(0, this.value, true);
    view.setUint32(U32_BYTES, 0, true);
    return TEE_SUCCESS;
  }

  toBinary(): Uint8Array {
    return be32(this.value);
  }

  fromBinary(source: BinarySource): boolean {
    const value = readU32(source);
    if (value === undefined) return false;
    this.value = value;
    source.offset += U32_BYTES;
    return true;
  }

  fromStore(source: AttributeStore): number {
    if (!(source instanceof ValueU32)) return TEE_ERROR_BAD_STATE;
    this.value = source.value;
    return TEE_SUCCESS;
  }

  clear(): void {
    this.value = 0;
  }
}

const KEY_SIZE_BYTES_25519 = 32;

/** ATTR_OPS_INDEX_25519 */
export class Octets25519 implements AttributeStore {
  readonly bytes: Uint8Array = new Uint8Array(KEY_SIZE_BYTES_25519);

  fromUser({ content = NONE }: TaAttribute): number {
    if (content.length !== KEY_SIZE_BYTES_25519) return TEE_ERROR_SECURITY;
    this.bytes.set(content);
    return TEE_SUCCESS;
  }

  toUser(out: Uint8Array | undefined, size: { size: number }): number {
    return copyToUser(this.bytes, out, size);
  }

  toBinary(): Uint8Array {
    return counted(this.bytes);
  }

  /** Fewer octets than there are keep the rest as it is. */
  fromBinary(source: BinarySource): boolean {
    const bytes = readCounted(source);
    if (bytes === undefined || bytes.length > KEY_SIZE_BYTES_25519) return false;
    this.bytes.set(bytes);
    return true;
  }

  fromStore(source: AttributeStore): number {
    if (!(source instanceof Octets25519)) return TEE_ERROR_SECURITY;
    this.bytes.set(source.bytes);
    return TEE_SUCCESS;
  }

  clear(): void {
    this.bytes.fill(0);
  }
}
