/**
 * The parameters of the entry point that runs, as the TA sees them: values, and memory as views of
 * the pages themselves. One set per instance, filled anew for each entry; like C's, it means nothing
 * once the entry point has returned.
 *
 * Upstream counterpart: optee_os lib/libutee/user_ta_entry.c (from_utee_params, to_utee_params,
 * ta_header_save_params), core/mm/vm.c (vm_map_param: readable and writable whatever the direction).
 */
import {
  TEE_MEMORY_ACCESS_ANY_OWNER,
  TEE_MEMORY_ACCESS_READ,
  TEE_MEMORY_ACCESS_WRITE,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
} from '../../abi/gp.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import { Scratch } from '../../machine/bus.ts';
import type { BusPort, Mapping } from '../../machine/bus.ts';
import type { TaMemref, TaParamSlot, TaParams } from '../runtime.ts';
import { newParams } from './types.ts';
import type { TEE_Params } from './types.ts';

/** What a TA may do with a parameter's memory (check_mem_access_rights_params()). */
const READABLE = TEE_MEMORY_ACCESS_ANY_OWNER | TEE_MEMORY_ACCESS_READ;
const WRITABLE = READABLE | TEE_MEMORY_ACCESS_WRITE;
export const MEMREF_RIGHTS: ReadonlyMap<number, number> = new Map([
  [TEE_PARAM_TYPE_MEMREF_INPUT, READABLE],
  [TEE_PARAM_TYPE_MEMREF_OUTPUT, WRITABLE],
  [TEE_PARAM_TYPE_MEMREF_INOUT, WRITABLE],
]);

/** Four bits for each of the four parameters. */
const ALL_TYPES = 0xffff;

export const isMemref = (type: number): boolean =>
  type >= TEE_PARAM_TYPE_MEMREF_INPUT && type <= TEE_PARAM_TYPE_MEMREF_INOUT;
export const isValue = (type: number): boolean =>
  type >= TEE_PARAM_TYPE_VALUE_INPUT && type <= TEE_PARAM_TYPE_VALUE_INOUT;

/** A parameter's memory while the entry point runs. */
export interface MappedMemref {
  readonly rights: number;
  readonly memref: TaMemref;
  readonly mapping: Mapping;
}

export class EntryParams {
  readonly params: TEE_Params = newParams();
  readonly #mapped: MappedMemref[] = [];
  /** For scattered memory, by parameter. */
  readonly #scratch = this.params.map(() => new Scratch());

  /** Fills the set before an entry point runs. */
  load(port: BusPort, from: TaParams): void {
    let types = from.types & ALL_TYPES;
    for (let n = 0; types !== 0; n++, types >>>= 4) {
      const type = types & 0xf;
      const slot = from.slots[n]!;
      const param = this.params[n]!;
      if (isMemref(type)) {
        param.memref.size = slot.size;
        param.memref.buffer = this.#map(port, n, type, slot);
      } else if (isValue(type)) {
        param.value.a = slot.a;
        param.value.b = slot.b;
      }
    }
  }

  /** Stores what the entry point left; the secure world takes the outputs. */
  store(to: TaParams): void {
    let types = to.types & ALL_TYPES;
    for (let n = 0; types !== 0; n++, types >>>= 4) {
      const type = types & 0xf;
      const slot = to.slots[n]!;
      const param = this.params[n]!;
      if (isMemref(type)) {
        slot.size = checkSize(n, param.memref.size);
      } else if (isValue(type)) {
        slot.a = param.value.a >>> 0;
        slot.b = param.value.b >>> 0;
      }
    }
    this.writeBack();
    this.unload();
  }

  /** Forgets the parameters: none of their memory may be passed on any more. */
  unload(): void {
    if (this.#mapped.length > 0) this.#mapped.length = 0;
  }

  /** Brings what was written to scattered memory to its pages. */
  writeBack(): void {
    for (let i = 0; i < this.#mapped.length; i++) this.#mapped[i]!.mapping.writeBack();
  }

  /** The memory that holds all of `buffer`, and where in it. */
  find(buffer: Uint8Array): { readonly mapped: MappedMemref; readonly at: number } | undefined {
    for (const mapped of this.#mapped) {
      const { bytes } = mapped.mapping;
      if (bytes.buffer !== buffer.buffer) continue;
      const at = buffer.byteOffset - bytes.byteOffset;
      if (at >= 0 && at + buffer.length <= bytes.length) return { mapped, at };
    }
    return undefined;
  }

  /** Whether `rights` exceed those of a parameter whose memory `buffer` touches. */
  exceedsRights(rights: number, buffer: Uint8Array): boolean {
    return this.#mapped.some(
      (mapped) => intersect(mapped.mapping.bytes, buffer) && (rights & mapped.rights) !== rights,
    );
  }

  #map(port: BusPort, n: number, type: number, slot: TaParamSlot): Uint8Array | null {
    const { memref, size } = slot;
    if (memref === undefined || memref.pages.length === 0) return null;
    const access = memref.writable ? 'write' : 'read';
    const scratch = this.#scratch[n];
    const mapping = port.mapContiguous(memref.pages, memref.offset, size, access, scratch);
    this.#mapped.push({ rights: MEMREF_RIGHTS.get(type) ?? 0, memref, mapping });
    return mapping.bytes;
  }
}

/** The part of a memref's memory from byte `at` on, as a memref of its own. */
export function subMemref(memref: TaMemref, at: number, size: number): TaMemref {
  const start = memref.offset + at;
  const first = Math.floor(start / PAGE_SIZE);
  const end = Math.ceil((start + size) / PAGE_SIZE);
  const { writable, nonSecure } = memref;
  return { pages: memref.pages.slice(first, end), offset: start % PAGE_SIZE, writable, nonSecure };
}

function intersect(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length === 0 || b.length === 0 || a.buffer !== b.buffer) return false;
  return a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length;
}

function checkSize(n: number, size: number): number {
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw new TypeError(`params[${n}].memref.size is ${size}: a number of bytes is expected`);
}
