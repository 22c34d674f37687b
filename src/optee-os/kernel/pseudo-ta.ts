/**
 * Pseudo TAs (PTAs): services of the core behind the interface of a TA.
 *
 * Upstream counterpart: optee_os core/kernel/pseudo_ta.c. Left out: secure data path, bounce buffers
 * for PAN.
 */
import {
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_NUM_PARAMS,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_PARAM_TYPE_GET,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { PTA_ALLOWED_FLAGS, PTA_MANDATORY_FLAGS } from '../../abi/ta-head.ts';
import type { Mapping } from '../../machine/bus.ts';
import type { Co } from '../../sched/task.ts';
import type { TaEntry, TaParamSlot, TaParams } from '../../ta/runtime.ts';
import type { Guest } from '../guest.ts';
import { MsgParamSlot } from '../tee/msg-params.ts';
import type { TeeTaSession } from './session.ts';
import { TeeTaCtx } from './ta-context.ts';
import type { SecureMutex } from './mutex.ts';
import type { ThreadCtx } from './thread.ts';

/** sizeof(struct pseudo_ta_ctx) on a 64-bit machine, about. */
export const PSEUDO_TA_CTX_BYTES = 88;

const NO_BYTES = new Uint8Array(0);

/** One parameter as a PTA sees it: its memory is mapped in the core. */
export class PtaParam {
  a = 0;
  b = 0;
  /** Empty for a reference of no bytes. */
  bytes: Uint8Array = NO_BYTES;
  /** Bytes of a memory reference; what the PTA leaves here goes back to the caller. */
  size = 0;
  nonSecure = false;
  mapping: Mapping | undefined;
}

/** A call of a PTA's entry point. */
export interface PtaCall {
  readonly thread: ThreadCtx;
  readonly session: TeeTaSession;
  /** TEE_PARAM_TYPES(…) */
  readonly types: number;
  readonly params: readonly PtaParam[];
}

/** struct pseudo_ta_head. The methods return a TEE_Result. */
export interface PseudoTa {
  readonly uuid: string;
  readonly name: string;
  /** TA_FLAG_*, PTA_MANDATORY_FLAGS among them. */
  readonly flags: number;
  openSession?(call: PtaCall): number;
  closeSession?(call: PtaCall): Co<void>;
  invokeCommand(call: PtaCall, command: number): Co<number>;
}

/** verify_pseudo_tas_conformance(): what is wrong with a PTA's head, if anything. */
export function nonConformance(pta: PseudoTa): string | undefined {
  if ((pta.flags & PTA_MANDATORY_FLAGS) !== PTA_MANDATORY_FLAGS)
    return 'a mandatory flag is missing';
  if ((pta.flags & ~PTA_ALLOWED_FLAGS) !== 0) return 'a flag is not allowed';
  return pta.name === '' ? 'it has no name' : undefined;
}

export class PseudoTaCtx extends TeeTaCtx {
  readonly #guest: Guest;
  readonly #pta: PseudoTa;

  constructor(guest: Guest, mutex: SecureMutex, pta: PseudoTa) {
    super(pta.uuid, mutex);
    this.#guest = guest;
    this.#pta = pta;
    this.flags = pta.flags;
  }

  *enterOpenSession(thread: ThreadCtx, session: TeeTaSession): Co<number> {
    session.errOrigin = TEE_ORIGIN_TRUSTED_APP;
    const pta = this.#pta;
    if (pta.openSession === undefined) return TEE_SUCCESS;
    return yield* this.#call(thread, session, 'TA_OpenSessionEntryPoint', 0);
  }

  enterInvokeCommand(thread: ThreadCtx, session: TeeTaSession, cmd: number): Co<number> {
    return this.#call(thread, session, 'TA_InvokeCommandEntryPoint', cmd);
  }

  *enterCloseSession(thread: ThreadCtx, session: TeeTaSession): Co<number> {
    if (this.#pta.closeSession === undefined) return TEE_SUCCESS;
    thread.sessions.push(session);
    yield* this.#pta.closeSession({ thread, session, types: 0, params: [] });
    thread.sessions.pop();
    return TEE_SUCCESS;
  }

  /** A PTA does not panic: the core would. */
  *releaseState(): Co<void> {}

  *destroy(): Co<void> {
    this.#guest.heap.free(PSEUDO_TA_CTX_BYTES);
  }

  *#call(thread: ThreadCtx, session: TeeTaSession, entry: TaEntry, command: number): Co<number> {
    const { trace } = this.#guest.nexus;
    if (thread.preemptible) yield* thread.preempt();
    thread.sessions.push(session);
    const params = Array.from({ length: TEE_NUM_PARAMS }, () => new PtaParam());
    const types = session.param?.types ?? 0;
    let res = TEE_ERROR_OUT_OF_MEMORY;
    if (trace.calls) this.#trace(session, entry, command);
    if (session.param === undefined || this.#copyIn(session.param, params)) {
      session.errOrigin = TEE_ORIGIN_TRUSTED_APP;
      const call: PtaCall = { thread, session, types, params };
      res =
        entry === 'TA_OpenSessionEntryPoint'
          ? this.#pta.openSession!(call)
          : yield* this.#pta.invokeCommand(call, command);
      if (session.param !== undefined) updateOut(session.param, params);
    } else {
      session.errOrigin = TEE_ORIGIN_TEE;
    }
    if (session.param !== undefined) unmap(session.param, params);
    if (trace.calls) {
      const args = { uuid: this.uuid, session: session.id, entry, result: res };
      trace.emit('ta', 'ta.leave', args);
    }
    thread.sessions.pop();
    return res;
  }

  /** copy_in_param(): false when a reference cannot be mapped. */
  #copyIn(from: TaParams, params: readonly PtaParam[]): boolean {
    const { port } = this.#guest.nexus;
    for (const [n, param] of params.entries()) {
      const slot = from.slots[n]!;
      const type = TEE_PARAM_TYPE_GET(from.types, n);
      param.a = slot.a;
      param.b = slot.b;
      if (!isMemref(type)) continue;
      param.size = slot.size;
      const { memref } = slot;
      if (memref === undefined || slot.size === 0) continue;
      if (!incMap(slot)) return false;
      const access = type === TEE_PARAM_TYPE_MEMREF_INPUT ? 'read' : 'write';
      param.mapping = port.mapContiguous(memref.pages, memref.offset, slot.size, access);
      param.bytes = param.mapping.bytes;
      param.nonSecure = memref.nonSecure;
    }
    return true;
  }

  #trace(session: TeeTaSession, entry: TaEntry, command: number): void {
    const args = { uuid: this.uuid, session: session.id, entry, command };
    this.#guest.nexus.trace.emit('ta', 'ta.enter', args);
  }
}

const isMemref = (type: number): boolean =>
  type >= TEE_PARAM_TYPE_MEMREF_INPUT && type <= TEE_PARAM_TYPE_MEMREF_INOUT;

/** Memory of the normal world is mapped in the core; a calling TA's is there already. */
const incMap = (slot: TaParamSlot): boolean =>
  !(slot instanceof MsgParamSlot) || slot.mobj === undefined || slot.mobj.incMap();

/** update_out_param() */
function updateOut(to: TaParams, params: readonly PtaParam[]): void {
  for (const [n, param] of params.entries()) {
    const slot = to.slots[n]!;
    switch (TEE_PARAM_TYPE_GET(to.types, n)) {
      case TEE_PARAM_TYPE_VALUE_OUTPUT:
      case TEE_PARAM_TYPE_VALUE_INOUT:
        slot.a = param.a;
        slot.b = param.b;
        break;
      case TEE_PARAM_TYPE_MEMREF_OUTPUT:
      case TEE_PARAM_TYPE_MEMREF_INOUT:
        param.mapping?.writeBack();
        slot.size = param.size;
        break;
    }
  }
}

/** unmap_mapped_param() */
function unmap(to: TaParams, params: readonly PtaParam[]): void {
  for (const [n, param] of params.entries()) {
    const slot = to.slots[n];
    if (param.mapping !== undefined && slot instanceof MsgParamSlot) slot.mobj?.decMap();
  }
}
