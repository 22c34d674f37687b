/**
 * Parameters of a call from the normal world: read once from the message, checked, and handed to a
 * TA; what the TA leaves in them goes back into the message.
 *
 * Upstream counterpart: optee_os core/tee/entry_std.c (copy_in_params(), copy_out_param()). Left
 * out: FF-A memory, secure data path.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_SECURITY,
  TEE_NUM_PARAMS,
  TEE_PARAM_TYPE_GET,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  OPTEE_MSG_ATTR_META,
  OPTEE_MSG_ATTR_NONCONTIG,
  OPTEE_MSG_ATTR_TYPE_MASK,
  OPTEE_MSG_ATTR_TYPE_NONE,
  OPTEE_MSG_ATTR_TYPE_RMEM_INOUT,
  OPTEE_MSG_ATTR_TYPE_RMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_RMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_INOUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INOUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT,
  OpteeMsgParam,
  OpteeMsgParamRmem,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
  opteeMsgParamOffset,
} from '../../abi/optee-msg.ts';
import type { Pa } from '../../machine/address.ts';
import { TaParamSlot } from '../../ta/runtime.ts';
import type { TaMemref, TaParams } from '../../ta/runtime.ts';
import type { Guest } from '../guest.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { isBufferInside } from '../mm/core-mmu.ts';
import type { Mobj } from '../mm/mobj.ts';
import { mobjFromNoncontig } from '../mm/msg-param.ts';

/** A memory reference of the normal world; one object serves all calls of a thread. */
class MsgMemref implements TaMemref {
  pages: readonly Pa[] = [];
  offset = 0;
  writable = false;
  readonly nonSecure = true;

  place(mobj: Mobj | undefined, offset: number, type: number): void {
    this.pages = mobj?.pages ?? [];
    this.offset = mobj === undefined ? 0 : mobj.pageOffset + offset;
    this.writable = type !== TEE_PARAM_TYPE_MEMREF_INPUT;
  }
}

export class MsgParamSlot extends TaParamSlot {
  /** What the reference refers to, held until the call ends. */
  mobj: Mobj | undefined;
  readonly ref = new MsgMemref();

  clear(): void {
    this.a = 0;
    this.b = 0;
    this.size = 0;
    this.memref = undefined;
    this.mobj = undefined;
  }
}

export class MsgParams implements TaParams {
  types = 0;
  readonly slots: readonly MsgParamSlot[] = Array.from(
    { length: TEE_NUM_PARAMS },
    () => new MsgParamSlot(),
  );
}

type ReadParam = (
  guest: Guest,
  thread: ThreadCtx,
  at: number,
  attr: number,
  slot: MsgParamSlot,
  type: number,
) => number;

/** How a parameter attribute is read, and what the TA sees it as. */
interface AttrRow {
  readonly type: number;
  readonly read: ReadParam;
}

const readNone: ReadParam = () => TEE_SUCCESS;

/** Only the low halves of `a` and `b` reach a TA. */
const readValue: ReadParam = (_guest, thread, at, _attr, slot) => {
  const { view } = thread.arg;
  slot.a = OpteeMsgParamValue.a.lo(view, at);
  slot.b = OpteeMsgParamValue.b.lo(view, at);
  return TEE_SUCCESS;
};

/** set_tmem_param() */
const readTmem: ReadParam = (guest, thread, at, attr, slot, type) => {
  const { view } = thread.arg;
  const base = OpteeMsgParamTmem.bufPtr.num(view, at);
  const size = OpteeMsgParamTmem.size.num(view, at);
  if (base === 0) return refer(slot, undefined, 0, 0, type);
  const { nexus, heap, shm, reserved } = guest;
  if ((attr & OPTEE_MSG_ATTR_NONCONTIG) !== 0) {
    if (!nexus.config.CFG_CORE_DYN_SHM) return TEE_ERROR_BAD_PARAMETERS;
    const lo = OpteeMsgParamTmem.shmRef.lo(view, at);
    const hi = OpteeMsgParamTmem.shmRef.hi(view, at);
    const mobj = mobjFromNoncontig(nexus, heap, shm, base, size, lo, hi, false);
    return mobj === undefined ? TEE_ERROR_BAD_PARAMETERS : refer(slot, mobj, 0, size, type);
  }
  if (reserved !== undefined && isBufferInside(base, Math.max(size, 1), reserved)) {
    reserved.get();
    return refer(slot, reserved, base - reserved.base, size, type);
  }
  return refuse(guest, 'TEE_ERROR_BAD_PARAMETERS', TEE_ERROR_BAD_PARAMETERS, {
    text: `no shared memory at 0x${base.toString(16)}, ${size} bytes`,
    requested: size,
  });
};

/** set_rmem_param() */
const readRmem: ReadParam = (guest, thread, at, _attr, slot, type) => {
  if (!guest.nexus.config.CFG_CORE_DYN_SHM) return TEE_ERROR_BAD_PARAMETERS;
  const { view } = thread.arg;
  const lo = OpteeMsgParamRmem.shmRef.lo(view, at);
  const hi = OpteeMsgParamRmem.shmRef.hi(view, at);
  const size = OpteeMsgParamRmem.size.num(view, at);
  const mobj = guest.shm.getByCookie(thread, lo, hi);
  if (mobj === undefined) {
    const cookie = `0x${hi.toString(16)}_${lo.toString(16).padStart(8, '0')}`;
    const text = `no registered memory has the cookie ${cookie}`;
    return refuse(guest, 'TEE_ERROR_BAD_PARAMETERS', TEE_ERROR_BAD_PARAMETERS, { text });
  }
  const offset = OpteeMsgParamRmem.offs.num(view, at);
  refer(slot, mobj, offset, size, type);
  if (offset + size <= mobj.size) return TEE_SUCCESS;
  return refuse(guest, 'TEE_ERROR_SECURITY', TEE_ERROR_SECURITY, {
    text: `a reference to ${size} bytes at ${offset} leaves its registered memory`,
    requested: offset + size,
    available: mobj.size,
  });
};

const ATTRS: readonly (AttrRow | undefined)[] = attrRows();

function attrRows(): (AttrRow | undefined)[] {
  const rows: (AttrRow | undefined)[] = [];
  rows[OPTEE_MSG_ATTR_TYPE_NONE] = { type: TEE_PARAM_TYPE_NONE, read: readNone };
  rows[OPTEE_MSG_ATTR_TYPE_VALUE_INPUT] = { type: TEE_PARAM_TYPE_VALUE_INPUT, read: readValue };
  rows[OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT] = { type: TEE_PARAM_TYPE_VALUE_OUTPUT, read: readValue };
  rows[OPTEE_MSG_ATTR_TYPE_VALUE_INOUT] = { type: TEE_PARAM_TYPE_VALUE_INOUT, read: readValue };
  rows[OPTEE_MSG_ATTR_TYPE_TMEM_INPUT] = { type: TEE_PARAM_TYPE_MEMREF_INPUT, read: readTmem };
  rows[OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT] = { type: TEE_PARAM_TYPE_MEMREF_OUTPUT, read: readTmem };
  rows[OPTEE_MSG_ATTR_TYPE_TMEM_INOUT] = { type: TEE_PARAM_TYPE_MEMREF_INOUT, read: readTmem };
  rows[OPTEE_MSG_ATTR_TYPE_RMEM_INPUT] = { type: TEE_PARAM_TYPE_MEMREF_INPUT, read: readRmem };
  rows[OPTEE_MSG_ATTR_TYPE_RMEM_OUTPUT] = { type: TEE_PARAM_TYPE_MEMREF_OUTPUT, read: readRmem };
  rows[OPTEE_MSG_ATTR_TYPE_RMEM_INOUT] = { type: TEE_PARAM_TYPE_MEMREF_INOUT, read: readRmem };
  return rows;
}

/**
 * copy_in_params(): fills `thread.params` from the message's parameters from `first` on. What was
 * read stays referenced until `cleanupShmRefs`, whatever the result. @returns a TEE_Result
 */
export function copyInParams(guest: Guest, thread: ThreadCtx, first: number): number {
  const { arg, params } = thread;
  const count = thread.numParams - first;
  params.types = 0;
  if (count === 0) return TEE_SUCCESS;
  if (count > TEE_NUM_PARAMS) {
    return refuse(guest, 'TEE_ERROR_BAD_PARAMETERS', TEE_ERROR_BAD_PARAMETERS, {
      text: 'a TA takes four parameters',
      requested: count,
      available: TEE_NUM_PARAMS,
    });
  }
  let types = 0;
  for (let n = 0; n < count; n++) {
    const at = arg.at + opteeMsgParamOffset(first + n);
    const attr = OpteeMsgParam.attr.lo(arg.view, at);
    const row = ATTRS[attr & OPTEE_MSG_ATTR_TYPE_MASK];
    if (row === undefined || (attr & OPTEE_MSG_ATTR_META) !== 0) {
      const text = `parameter ${n} has the attribute 0x${attr.toString(16)}`;
      return refuse(guest, 'TEE_ERROR_BAD_PARAMETERS', TEE_ERROR_BAD_PARAMETERS, { text });
    }
    const slot = params.slots[n]!;
    const res = row.read(guest, thread, at, attr, slot, row.type);
    if (res !== TEE_SUCCESS) return res;
    types |= row.type << (4 * n);
  }
  params.types = types;
  return TEE_SUCCESS;
}

/** copy_out_param(): values and sizes of what the TA may have written. */
export function copyOutParams(thread: ThreadCtx, first: number): void {
  const { arg, params } = thread;
  if (params.types === 0) return;
  for (let n = 0; n < thread.numParams - first; n++) {
    const at = arg.at + opteeMsgParamOffset(first + n);
    const slot = params.slots[n]!;
    switch (TEE_PARAM_TYPE_GET(params.types, n)) {
      case TEE_PARAM_TYPE_MEMREF_OUTPUT:
      case TEE_PARAM_TYPE_MEMREF_INOUT:
        // In the same place for both kinds of references.
        OpteeMsgParamTmem.size.setNum(arg.view, at, slot.size);
        break;
      case TEE_PARAM_TYPE_VALUE_OUTPUT:
      case TEE_PARAM_TYPE_VALUE_INOUT:
        OpteeMsgParamValue.a.setPair(arg.view, at, slot.a, 0);
        OpteeMsgParamValue.b.setPair(arg.view, at, slot.b, 0);
        break;
    }
  }
}

/**
 * cleanup_shm_refs(): lets go of the memory, and forgets the values, which are nobody else's
 * business. True when somebody must be told:
 * `if (cleanupShmRefs(thread)) yield* guest.shmRelease.announce(thread)`.
 */
export function cleanupShmRefs(thread: ThreadCtx): boolean {
  let announce = false;
  if (thread.numParams === 0) return announce;
  for (const slot of thread.params.slots) {
    if (slot.mobj?.put() === true) announce = true;
    slot.clear();
  }
  return announce;
}

function refer(
  slot: MsgParamSlot,
  mobj: Mobj | undefined,
  offset: number,
  size: number,
  type: number,
): number {
  slot.mobj = mobj;
  slot.size = size;
  slot.ref.place(mobj, offset, type);
  slot.memref = slot.ref;
  return TEE_SUCCESS;
}

function refuse(
  guest: Guest,
  code: string,
  result: number,
  why: { text: string; requested?: number; available?: number },
): number {
  guest.nexus.trace.cause('secure', { layer: 'optee-os', code, object: 'optee_msg_param', ...why });
  return result;
}
