/**
 * Byte layouts as data: one field class per C type, and `struct()` which checks offsets and totals
 * when a module is loaded. No object is allocated per access: a field reads from a `DataView` at
 * the byte offset of its struct.
 *
 * Upstream counterpart: the struct declarations of the C headers; `abi-c.test.ts` compares every
 * layout with what a C compiler says. Little endian throughout, as arm64 and x86-64 are; the two
 * big-endian classes serve RPMB frames.
 * Left out: bit fields, nested structs (a union is one struct per arm, see `OpteeMsgParamValue`).
 */

const TWO_32 = 0x1_0000_0000;

/** What all fields share. `name` keeps upstream's spelling; `offset` is from the struct's start. */
export abstract class Field {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  /** True for bytes that the C compiler inserts: the C struct has no such member. */
  readonly padding: boolean = false;

  constructor(offset: number, size: number, name: string) {
    this.name = name;
    this.offset = offset;
    this.size = size;
  }
}

/** `__u8`. */
export class U8Field extends Field {
  constructor(offset: number, name = '') {
    super(offset, 1, name);
  }
  get(view: DataView, at: number): number {
    return view.getUint8(at + this.offset);
  }
  set(view: DataView, at: number, v: number): void {
    view.setUint8(at + this.offset, v);
  }
}

/** `__u16`, little endian. */
export class U16Field extends Field {
  constructor(offset: number, name = '') {
    super(offset, 2, name);
  }
  get(view: DataView, at: number): number {
    return view.getUint16(at + this.offset, true);
  }
  set(view: DataView, at: number, v: number): void {
    view.setUint16(at + this.offset, v, true);
  }
}

/** `__u32`, little endian. `set` takes any number and keeps its low 32 bits, as C does. */
export class U32Field extends Field {
  constructor(offset: number, name = '') {
    super(offset, 4, name);
  }
  get(view: DataView, at: number): number {
    return view.getUint32(at + this.offset, true);
  }
  set(view: DataView, at: number, v: number): void {
    view.setUint32(at + this.offset, v, true);
  }
}

/** `__s32`, little endian. */
export class S32Field extends Field {
  constructor(offset: number, name = '') {
    super(offset, 4, name);
  }
  get(view: DataView, at: number): number {
    return view.getInt32(at + this.offset, true);
  }
  set(view: DataView, at: number, v: number): void {
    view.setInt32(at + this.offset, v, true);
  }
}

/** `__u64`, little endian. `num` and `setNum` avoid `bigint` on hot paths. */
export class U64Field extends Field {
  constructor(offset: number, name = '') {
    super(offset, 8, name);
  }
  get(view: DataView, at: number): bigint {
    return view.getBigUint64(at + this.offset, true);
  }
  set(view: DataView, at: number, v: bigint): void {
    view.setBigUint64(at + this.offset, v, true);
  }
  /**
   * As a number: exact up to 2^53, rounded above. A rounded value is still above 2^53, so a bounds
   * check against it refuses it; for equality (ids, NULL) use `lo`, `hi`, `allOnes` or `get`.
   */
  num(view: DataView, at: number): number {
    const o = at + this.offset;
    return view.getUint32(o + 4, true) * TWO_32 + view.getUint32(o, true);
  }
  /** For integers. Throws RangeError below 0 and above 2^53 - 1, where a number is not exact. */
  setNum(view: DataView, at: number, v: number): void {
    if (!(v >= 0 && v <= Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`${this.name}: ${v} is not an exact u64`);
    }
    const o = at + this.offset;
    view.setUint32(o, v, true);
    view.setUint32(o + 4, v / TWO_32, true);
  }
  /** Low 32 bits, unsigned. */
  lo(view: DataView, at: number): number {
    return view.getUint32(at + this.offset, true);
  }
  /** High 32 bits, unsigned. */
  hi(view: DataView, at: number): number {
    return view.getUint32(at + this.offset + 4, true);
  }
  setPair(view: DataView, at: number, lo: number, hi: number): void {
    const o = at + this.offset;
    view.setUint32(o, lo, true);
    view.setUint32(o + 4, hi, true);
  }
  /** True for 2^64-1: `TEE_MEMREF_NULL`, `TEE_OBJREF_NULL`, `OPTEE_MSG_FMEM_INVALID_GLOBAL_ID`. */
  allOnes(view: DataView, at: number): boolean {
    const o = at + this.offset;
    return view.getInt32(o, true) === -1 && view.getInt32(o + 4, true) === -1;
  }
}

/** `__s64`, little endian. */
export class S64Field extends Field {
  constructor(offset: number, name = '') {
    super(offset, 8, name);
  }
  get(view: DataView, at: number): bigint {
    return view.getBigInt64(at + this.offset, true);
  }
  set(view: DataView, at: number, v: bigint): void {
    view.setBigInt64(at + this.offset, v, true);
  }
  /** As a number: exact within ±2^53, rounded outside. */
  num(view: DataView, at: number): number {
    const o = at + this.offset;
    return view.getInt32(o + 4, true) * TWO_32 + view.getUint32(o, true);
  }
}

/** A byte array: octets, hashes, padding. */
export class BytesField extends Field {
  override readonly padding: boolean;
  constructor(offset: number, size: number, name = '', padding = false) {
    super(offset, size, name);
    this.padding = padding;
  }
  /** The field's bytes in place: writes go to the buffer behind `view`. */
  bytes(view: DataView, at: number): Uint8Array<ArrayBufferLike> {
    return new Uint8Array(view.buffer, view.byteOffset + at + this.offset, this.size);
  }
}

/** 16 bits, big endian. */
export class U16beField extends Field {
  constructor(offset: number, name = '') {
    super(offset, 2, name);
  }
  get(view: DataView, at: number): number {
    return view.getUint16(at + this.offset, false);
  }
  set(view: DataView, at: number, v: number): void {
    view.setUint16(at + this.offset, v, false);
  }
}

/** 32 bits, big endian. */
export class U32beField extends Field {
  constructor(offset: number, name = '') {
    super(offset, 4, name);
  }
  get(view: DataView, at: number): number {
    return view.getUint32(at + this.offset, false);
  }
  set(view: DataView, at: number, v: number): void {
    view.setUint32(at + this.offset, v, false);
  }
}

/*
 * Helpers for `struct()`. `name` is upstream's spelling; without it the property's name is turned
 * into snake case (`implId` gives `impl_id`). Inside a union it is the member's path (`u.value.a`).
 */
export const u8 = (offset: number, name?: string): U8Field => new U8Field(offset, name);
export const u16 = (offset: number, name?: string): U16Field => new U16Field(offset, name);
export const u32 = (offset: number, name?: string): U32Field => new U32Field(offset, name);
export const s32 = (offset: number, name?: string): S32Field => new S32Field(offset, name);
export const u64 = (offset: number, name?: string): U64Field => new U64Field(offset, name);
export const s64 = (offset: number, name?: string): S64Field => new S64Field(offset, name);
export const be16 = (offset: number, name?: string): U16beField => new U16beField(offset, name);
export const be32 = (offset: number, name?: string): U32beField => new U32beField(offset, name);
export const bytes = (offset: number, size: number, name?: string): BytesField =>
  new BytesField(offset, size, name);
/** Declares the bytes that a C compiler leaves unused there. */
export const pad = (offset: number, size: number): BytesField =>
  new BytesField(offset, size, undefined, true);

/** What every layout carries besides its fields. */
export interface StructInfo {
  /** Upstream's struct name, e.g. `tee_ioctl_version_data`. */
  readonly structName: string;
  /** The C type to compare with, e.g. `struct tee_ioctl_version_data` or `TEE_UUID`. */
  readonly cType: string;
  /** sizeof; for "header + n params" structs, the header only. */
  readonly byteLength: number;
  /** By offset. */
  readonly fields: readonly Field[];
}

/** A layout: its fields as properties, plus `StructInfo`. */
export type Struct<F extends Readonly<Record<string, Field>>> = Readonly<F> & StructInfo;

const snakeCase = (s: string): string => s.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

function checkCover(structName: string, byteLength: number, fields: readonly Field[]): void {
  let end = 0;
  for (const f of fields) {
    if (f.offset < end) throw new Error(`${structName}.${f.name} overlaps at ${f.offset}`);
    if (f.offset > end) throw new Error(`${structName}: hole at ${end} before ${f.name}`);
    end = f.offset + f.size;
  }
  if (end !== byteLength) throw new Error(`${structName}: ${end} bytes, declared ${byteLength}`);
}

/**
 * Declares a layout. Throws when fields overlap, leave an undeclared hole, or do not add up to
 * `byteLength`.
 *
 * @param upstream the C type when it is not `struct <structName>`
 */
export function struct<F extends Readonly<Record<string, Field>>>(
  structName: string,
  byteLength: number,
  members: F,
  upstream?: string,
): Struct<F> {
  for (const [key, field] of Object.entries(members)) {
    if (key === 'fields' || key === 'structName' || key === 'cType' || key === 'byteLength') {
      throw new Error(`${structName}.${key}: reserved name`);
    }
    // The one place where a field's name is written, before anyone can see the field.
    if (field.name === '') (field as { name: string }).name = snakeCase(key);
  }
  const fields = Object.values(members).sort((a, b) => a.offset - b.offset);
  checkCover(structName, byteLength, fields);
  const info: StructInfo = {
    structName,
    cType: upstream ?? `struct ${structName}`,
    byteLength,
    fields,
  };
  return Object.freeze({ ...members, ...info });
}

/** Byte size of a header followed by `count` elements. */
export function flexibleSize(header: StructInfo, element: StructInfo, count: number): number {
  return header.byteLength + element.byteLength * count;
}

/** Upstream names to numbers: one family of codes, flags or commands. */
export type CodeTable = Readonly<Record<string, number>>;

/** The value type of a table: `ValueOf<typeof TEE_ORIGIN>` is `1 | 2 | 3 | 4`. */
export type ValueOf<T> = T[keyof T];

const reversed = new WeakMap<CodeTable, ReadonlyMap<number, string>>();

function namesOf(table: CodeTable): ReadonlyMap<number, string> {
  let names = reversed.get(table);
  if (names === undefined) {
    const map = new Map<number, string>();
    for (const [name, value] of Object.entries(table)) if (!map.has(value)) map.set(value, name);
    reversed.set(table, (names = map));
  }
  return names;
}

/** Upstream's name of a code, the first one where there are aliases; undefined when unknown. */
export function nameOf(table: CodeTable, value: number): string | undefined {
  return namesOf(table).get(value);
}

/** 32 bits as `0x0000abcd`. */
export function hex32(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, '0')}`;
}

/** Upstream's name of a code, or its 32-bit hexadecimal form. */
export function codeName(table: CodeTable, value: number): string {
  return nameOf(table, value) ?? hex32(value);
}

/** Flags as `A|B|0x40`: known bits by name, the rest in hexadecimal; `0` when none is set. */
export function flagNames(table: CodeTable, value: number): string {
  const parts: string[] = [];
  let rest = value >>> 0;
  for (const [bit, name] of namesOf(table)) {
    const b = bit >>> 0;
    if (b === 0 || (rest & b) >>> 0 !== b) continue;
    parts.push(name);
    rest = (rest & ~b) >>> 0;
  }
  if (rest !== 0) parts.push(`0x${rest.toString(16)}`);
  return parts.length === 0 ? '0' : parts.join('|');
}
