/**
 * Parameters of a call to another TA. Memory that came as a parameter is passed on as it is; memory
 * of the TA's own is copied to pages made for the call, because those of a TA are never shown to
 * another one.
 *
 * Upstream counterparts: optee_os lib/libutee/tee_api.c (copy_param, map_tmp_param,
 * update_out_param), core/tee/tee_svc.c (utee_param_to_param).
 */
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_NUM_PARAMS,
  TEE_PARAM_TYPE_GET,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { TaParamSlot } from '../runtime.ts';
import type { TaMemref, TaParams } from '../runtime.ts';
import type { TeeRuntime } from './core.ts';
import { isMemref, isValue, subMemref } from './entry-params.ts';
import type { TEE_Param, TEE_Params } from './types.ts';

/** Alignment of copies in the pages made for a call: two registers. */
const COPY_ALIGNMENT = 16;

const aligned = (bytes: number): number => Math.ceil(bytes / COPY_ALIGNMENT) * COPY_ALIGNMENT;

export class ClientParams implements TaParams {
  readonly types: number;
  readonly slots: readonly TaParamSlot[] = Array.from(
    { length: TEE_NUM_PARAMS },
    () => new TaParamSlot(),
  );
  readonly #runtime: TeeRuntime;
  readonly #params: TEE_Params | null;
  /** Buffers that do not see what the other TA writes, by parameter. */
  readonly #unseen: ('copied' | 'scattered' | undefined)[] = [];
  #pages: readonly Pa[] = [];

  constructor(runtime: TeeRuntime, types: number, params: TEE_Params | null) {
    this.#runtime = runtime;
    this.types = types;
    this.#params = params;
  }

  /** Fills the slots. @returns a TEE_Result; after an error there is nothing to finish */
  prepare(): number {
    let copiedBytes = 0;
    for (const { n, type, param } of this.#given()) {
      const slot = this.slots[n]!;
      if (isValue(type)) {
        const goesIn = type !== TEE_PARAM_TYPE_VALUE_OUTPUT;
        slot.a = goesIn ? param.value.a >>> 0 : 0;
        slot.b = goesIn ? param.value.b >>> 0 : 0;
        continue;
      }
      slot.size = param.memref.size;
      const result = this.#pass(n, slot, param);
      if (result !== TEE_SUCCESS) return result;
      if (this.#unseen[n] === 'copied') copiedBytes += aligned(slot.size);
    }
    this.#runtime.entry.writeBack();
    return copiedBytes === 0 ? TEE_SUCCESS : this.#copyIn(copiedBytes);
  }

  /**
   * Takes the results over, and gives the pages of copies back.
   * @param answered whether the other TA's sizes and values count; without, outputs are zero and
   *   sizes stay, but memory that it wrote is seen all the same
   */
  finish(answered: boolean): void {
    for (const { n, type, param } of this.#given()) {
      const slot = this.slots[n]!;
      if (type === TEE_PARAM_TYPE_VALUE_INPUT || type === TEE_PARAM_TYPE_MEMREF_INPUT) continue;
      if (isMemref(type)) {
        const size = answered ? slot.size : param.memref.size;
        this.#takeOver(n, slot, param, size);
        param.memref.size = size;
      } else if (answered || type === TEE_PARAM_TYPE_VALUE_OUTPUT) {
        param.value.a = answered ? slot.a : 0;
        param.value.b = answered ? slot.b : 0;
      }
    }
    if (this.#pages.length > 0) this.#runtime.environment.syscalls.freePages(this.#pages);
  }

  *#given(): Generator<{ n: number; type: number; param: TEE_Param }> {
    if (this.#params === null) return;
    for (let n = 0; n < TEE_NUM_PARAMS; n++) {
      const type = TEE_PARAM_TYPE_GET(this.types, n);
      if (isValue(type) || isMemref(type)) yield { n, type, param: this.#params[n]! };
    }
  }

  /** Passes memory of the entry point's parameters on; leaves the TA's own for copying. */
  #pass(n: number, slot: TaParamSlot, param: TEE_Param): number {
    const { buffer, size } = param.memref;
    if (size === 0) return TEE_SUCCESS;
    if (buffer === null) return TEE_ERROR_BAD_PARAMETERS;
    if (size > buffer.length) return TEE_ERROR_ACCESS_DENIED;
    const found = this.#runtime.entry.find(buffer.subarray(0, size));
    if (found === undefined) {
      this.#unseen[n] = 'copied';
      return TEE_SUCCESS;
    }
    slot.memref = subMemref(found.mapped.memref, found.at, size);
    const isView = buffer.buffer === this.#runtime.environment.port.u8.buffer;
    this.#unseen[n] = isView ? undefined : 'scattered';
    return TEE_SUCCESS;
  }

  #copyIn(bytes: number): number {
    const { syscalls, port } = this.#runtime.environment;
    const pages = syscalls.allocatePages(Math.ceil(bytes / PAGE_SIZE));
    if (pages === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    this.#pages = pages;
    const whole: TaMemref = { pages, offset: 0, writable: true, nonSecure: false };
    let at = 0;
    for (const { n, type, param } of this.#given()) {
      const slot = this.slots[n]!;
      const { buffer, size } = param.memref;
      if (this.#unseen[n] !== 'copied' || buffer === null) continue;
      slot.memref = subMemref(whole, at, size);
      at += aligned(size);
      if (type === TEE_PARAM_TYPE_MEMREF_OUTPUT) continue;
      const copy = port.mapContiguous(slot.memref.pages, slot.memref.offset, size, 'write');
      copy.bytes.set(buffer.subarray(0, size));
      copy.writeBack();
    }
    return TEE_SUCCESS;
  }

  /** Copies come back as far as both sizes go; a scattered parameter's view is filled anew. */
  #takeOver(n: number, slot: TaParamSlot, param: TEE_Param, made: number): void {
    const how = this.#unseen[n];
    const { buffer, size } = param.memref;
    if (how === undefined || slot.memref === undefined || buffer === null) return;
    const length = how === 'copied' ? Math.min(size, made) : size;
    const { pages, offset } = slot.memref;
    const { port } = this.#runtime.environment;
    buffer.set(port.mapContiguous(pages, offset, length, 'read').bytes);
  }
}
