/**
 * Requests to the normal world: the RPC message of a thread, commands, and buffers that the normal
 * world lends.
 *
 * Upstream counterpart: optee_os core/arch/arm/kernel/thread_optee_smc.c (thread_rpc_cmd() and
 * thread_rpc_alloc*()). Left out: entropy from the jitter of RPCs.
 */
import { codeName } from '../../abi/layout.ts';
import {
  OPTEE_MSG_ATTR_NONCONTIG,
  OPTEE_MSG_ATTR_TYPE_RMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OpteeMsgArg,
  OpteeMsgParamRmem,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
  opteeMsgArgSize,
  opteeMsgParamOffset,
} from '../../abi/optee-msg.ts';
import { OPTEE_RPC_CMD_SHM_ALLOC, OPTEE_RPC_CMD_SHM_FREE } from '../../abi/optee-rpc.ts';
import {
  OPTEE_SMC_RETURN_RPC_ALLOC,
  OPTEE_SMC_RETURN_RPC_CMD,
  OPTEE_SMC_RETURN_RPC_FREE,
} from '../../abi/optee-smc.ts';
import {
  TEE_ERROR,
  TEE_ERROR_GENERIC,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { PAGE_SIZE, pa, pageOffset } from '../../machine/address.ts';
import { PARK, endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import { MobjNsecShm } from '../mm/mobj.ts';
import type { Mobj } from '../mm/mobj.ts';
import { mobjFromNoncontig } from '../mm/msg-param.ts';
import type { RegShmTable } from '../mm/mobj-dyn-shm.ts';
import type { CoreHeap } from '../mm/core-heap.ts';
import type { Nexus } from '../nexus.ts';
import type { ThreadCtx } from './thread.ts';

/** Most parameters of an RPC. Source: core/include/kernel/thread.h. */
export const THREAD_RPC_MAX_NUM_PARAMS = 4;
/** Bytes of an RPC message. */
export const RPC_ARG_SIZE = opteeMsgArgSize(THREAD_RPC_MAX_NUM_PARAMS);

/** alignof(struct optee_msg_arg). */
const MSG_ALIGNMENT = 8;
/** What payloads are aligned to. */
const PAYLOAD_ALIGNMENT = 8;
const TWO_32 = 0x1_0000_0000;
const MAX_U32 = 0xffff_ffff;

/** Direction of a parameter: added to the first attribute of its kind. */
export const RPC_IN = 0;
export const RPC_OUT = 1;
export const RPC_INOUT = 2;
export type RpcDirection = typeof RPC_IN | typeof RPC_OUT | typeof RPC_INOUT;

export class Rpc {
  readonly #nexus: Nexus;
  readonly #shm: RegShmTable;
  readonly #heap: CoreHeap;

  constructor(nexus: Nexus, shm: RegShmTable, heap: CoreHeap) {
    this.#nexus = nexus;
    this.#shm = shm;
    this.#heap = heap;
  }

  /**
   * get_rpc_arg(): a cleared message for `cmd`, whose parameters the caller fills in next.
   * @param numParams at most THREAD_RPC_MAX_NUM_PARAMS
   */
  begin(thread: ThreadCtx, cmd: number, numParams: number): MaybeCo<number> {
    if (!thread.rpcArg.placed) return this.#beginFirst(thread, cmd, numParams);
    this.beginNext(thread, cmd, numParams);
    return TEE_SUCCESS;
  }

  *#beginFirst(thread: ThreadCtx, cmd: number, numParams: number): Co<number> {
    if (!(yield* this.#allocArg(thread))) return TEE_ERROR_OUT_OF_MEMORY;
    this.beginNext(thread, cmd, numParams);
    return TEE_SUCCESS;
  }

  /** `begin` for a thread that has its message, as whoever has a payload does. */
  beginNext(thread: ThreadCtx, cmd: number, numParams: number): void {
    const { view, at, placed } = thread.rpcArg;
    if (!placed) throw new Error(`thread ${thread.threadId} has no RPC message`);
    const end = at + opteeMsgArgSize(numParams);
    // Words of eight bytes: for so few of them a view to fill costs more.
    for (let word = at; word < end; word += 8) view.setFloat64(word, 0);
    OpteeMsgArg.cmd.set(view, at, cmd);
    OpteeMsgArg.numParams.set(view, at, numParams);
    // In case the normal world does not answer.
    OpteeMsgArg.ret.set(view, at, TEE_ERROR_GENERIC);
  }

  /** Sends what `begin` prepared. @returns the normal world's result, which is read once */
  *send(thread: ThreadCtx): Co<number> {
    const { rpcArg, rpcMobj } = thread;
    rpcArg.flush();
    const [hi, lo] = [rpcMobj?.cookieHi ?? 0, rpcMobj?.cookieLo ?? 0];
    thread.leaveForRpc(OPTEE_SMC_RETURN_RPC_CMD, hi, lo);
    yield PARK;
    rpcArg.fetch();
    if (this.#nexus.sched.searching) yield* this.#nexus.sched.point();
    return OpteeMsgArg.ret.get(rpcArg.view, rpcArg.at);
  }

  /** thread_rpc_cmd() with one value parameter, its most frequent form. */
  *value(thread: ThreadCtx, cmd: number, a: number, b = 0, c = 0): Co<number> {
    const res = yield* endOf(this.begin(thread, cmd, 1));
    if (res !== TEE_SUCCESS) return res;
    setValue(thread, 0, RPC_IN, a, b, c);
    return yield* this.send(thread);
  }

  /**
   * thread_rpc_alloc(): memory that the normal world lends.
   * @param type OPTEE_RPC_SHM_TYPE_*
   */
  *allocPayload(thread: ThreadCtx, size: number, type: number): Co<Mobj | undefined> {
    const begun = yield* endOf(this.begin(thread, OPTEE_RPC_CMD_SHM_ALLOC, 1));
    if (begun !== TEE_SUCCESS) return undefined;
    setValue(thread, 0, RPC_IN, type, size, PAYLOAD_ALIGNMENT);
    yield* this.send(thread);
    return yield* this.#takePayload(thread, size, type);
  }

  /** thread_rpc_free(): gives a payload back. */
  *freePayload(thread: ThreadCtx, mobj: Mobj, type: number): Co<void> {
    yield* this.#free(thread, type, mobj.cookieLo, mobj.cookieHi, mobj);
  }

  /** thread_rpc_free_arg() and mobj_put() of the thread's own message. */
  *releaseArg(thread: ThreadCtx): Co<void> {
    const mobj = thread.rpcMobj;
    if (mobj !== undefined) {
      yield* this.#freeArg(thread, mobj.cookieLo, mobj.cookieHi);
      mobj.put();
    }
    thread.rpcMobj = undefined;
    thread.rpcArg.clear();
  }

  /** thread_rpc_alloc_arg() */
  *#allocArg(thread: ThreadCtx): Co<boolean> {
    thread.leaveForRpc(OPTEE_SMC_RETURN_RPC_ALLOC, RPC_ARG_SIZE, 0);
    yield PARK;
    const { back } = thread;
    const base = back[0]! * TWO_32 + back[1]!;
    const cookieHi = back[2]!;
    const cookieLo = back[3]!;
    const mobj = this.#mobjAt(base, RPC_ARG_SIZE, cookieLo, cookieHi);
    if (mobj === undefined || !thread.rpcArg.place(mobj, 0, RPC_ARG_SIZE)) {
      yield* this.#freeArg(thread, cookieLo, cookieHi);
      mobj?.put();
      this.#noMessage(base);
      return false;
    }
    thread.rpcMobj = mobj;
    return true;
  }

  *#freeArg(thread: ThreadCtx, cookieLo: number, cookieHi: number): Co<void> {
    if (cookieLo === 0 && cookieHi === 0) return;
    thread.leaveForRpc(OPTEE_SMC_RETURN_RPC_FREE, cookieHi, cookieLo);
    yield PARK;
  }

  /** rpc_shm_mobj_alloc(): reserved shared memory, or one page of any. */
  #mobjAt(base: number, size: number, lo: number, hi: number): Mobj | undefined {
    const { mmu, config } = this.#nexus;
    if (base % MSG_ALIGNMENT !== 0) return undefined;
    if (mmu.isNsecShm(base, size)) return new MobjNsecShm(pa(base), size, lo, hi);
    if (!config.CFG_CORE_DYN_SHM || pageOffset(base) !== 0 || size > PAGE_SIZE) return undefined;
    return this.#shm.allocMapped([pa(base)], 0, size, lo, hi);
  }

  /** get_rpc_alloc_res() */
  *#takePayload(thread: ThreadCtx, wanted: number, type: number): Co<Mobj | undefined> {
    const { view, at } = thread.rpcArg;
    const param = at + opteeMsgParamOffset(0);
    const ret = OpteeMsgArg.ret.get(view, at);
    const attr = OpteeMsgParamTmem.attr.num(view, param);
    const noncontig = attr === (OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT | OPTEE_MSG_ATTR_NONCONTIG);
    if (ret !== TEE_SUCCESS || OpteeMsgArg.numParams.get(view, at) !== 1) {
      return this.#noPayload(thread, wanted, `the request failed with ${codeName(TEE_ERROR, ret)}`);
    }
    if (attr !== OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT && !noncontig) {
      return this.#noPayload(thread, wanted, `the reply has attribute 0x${attr.toString(16)}`);
    }
    const base = OpteeMsgParamTmem.bufPtr.num(view, param);
    const size = OpteeMsgParamTmem.size.num(view, param);
    const lo = OpteeMsgParamTmem.shmRef.lo(view, param);
    const hi = OpteeMsgParamTmem.shmRef.hi(view, param);
    if (size < wanted) {
      if (!this.#nexus.switches.quirkShortShmAllocLost) yield* this.#free(thread, type, lo, hi);
      return this.#noPayload(thread, wanted, `the buffer has ${size} bytes`);
    }
    const mobj = noncontig
      ? mobjFromNoncontig(this.#nexus, this.#heap, this.#shm, base, size, lo, hi, true)
      : this.#mobjAt(base, size, lo, hi);
    if (mobj !== undefined) return mobj;
    yield* this.#free(thread, type, lo, hi);
    return this.#noPayload(thread, wanted, 'the buffer is not shared memory');
  }

  *#free(thread: ThreadCtx, type: number, lo: number, hi: number, mobj?: Mobj): Co<void> {
    const begun = yield* endOf(this.begin(thread, OPTEE_RPC_CMD_SHM_FREE, 1));
    mobj?.put();
    if (begun !== TEE_SUCCESS) return;
    setValue(thread, 0, RPC_IN, type, 0, 0);
    const { view, at } = thread.rpcArg;
    OpteeMsgParamValue.b.setPair(view, at + opteeMsgParamOffset(0), lo, hi);
    yield* this.send(thread);
  }

  #noPayload(thread: ThreadCtx, wanted: number, why: string): undefined {
    const { view, at } = thread.rpcArg;
    const ret = OpteeMsgArg.ret.get(view, at);
    const origin = OpteeMsgArg.retOrigin.get(view, at);
    const result = `ret=0x${ret.toString(16)} ret_origin=0x${origin.toString(16)}`;
    const text = `RPC allocation failed. Non-secure world result: ${result}`;
    this.#nexus.log.emsg(thread, 'get_rpc_alloc_res', text);
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_OUT_OF_MEMORY',
      text: `no shared buffer from the normal world: ${why}`,
      object: 'RPC SHM_ALLOC',
      requested: wanted,
    });
  }

  #noMessage(base: number): void {
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_OUT_OF_MEMORY',
      text: `no RPC message from the normal world: it answered address 0x${base.toString(16)}`,
      object: 'RPC ALLOC',
      requested: RPC_ARG_SIZE,
    });
  }
}

/** Fills a value parameter of the message that `begin` prepared. */
export function setValue(
  thread: ThreadCtx,
  index: number,
  direction: RpcDirection,
  a: number,
  b: number,
  c: number,
): void {
  const { view, at } = thread.rpcArg;
  const param = at + opteeMsgParamOffset(index);
  OpteeMsgParamValue.attr.setNum(view, param, OPTEE_MSG_ATTR_TYPE_VALUE_INPUT + direction);
  OpteeMsgParamValue.a.setNum(view, param, a);
  // A size may be what a lying supplicant has answered.
  if (b <= Number.MAX_SAFE_INTEGER) OpteeMsgParamValue.b.setNum(view, param, b);
  else OpteeMsgParamValue.b.setPair(view, param, MAX_U32, MAX_U32);
  OpteeMsgParamValue.c.setNum(view, param, c);
}

/** Fills a memory parameter: by cookie for registered memory, by address for the rest and NULL. */
export function setMemref(
  thread: ThreadCtx,
  index: number,
  direction: RpcDirection,
  mobj: Mobj | undefined,
  offset: number,
  size: number,
): void {
  const { view, at } = thread.rpcArg;
  const param = at + opteeMsgParamOffset(index);
  const registered = mobj?.kind === 'reg-shm';
  const attr = registered ? OPTEE_MSG_ATTR_TYPE_RMEM_INPUT : OPTEE_MSG_ATTR_TYPE_TMEM_INPUT;
  // Both arms of the union have offset or address, size and cookie in the same places.
  OpteeMsgParamRmem.attr.setNum(view, param, attr + direction);
  OpteeMsgParamRmem.offs.setNum(view, param, registered ? offset : (mobj?.paOf(offset) ?? 0));
  OpteeMsgParamRmem.size.setNum(view, param, size);
  OpteeMsgParamRmem.shmRef.setPair(view, param, mobj?.cookieLo ?? 0, mobj?.cookieHi ?? 0);
}

/** `a` of a value that came back; rounded above 2^53. */
export const valueA = (thread: ThreadCtx, index: number): number =>
  OpteeMsgParamValue.a.num(thread.rpcArg.view, thread.rpcArg.at + opteeMsgParamOffset(index));

/** `b` of a value that came back. */
export const valueB = (thread: ThreadCtx, index: number): number =>
  OpteeMsgParamValue.b.num(thread.rpcArg.view, thread.rpcArg.at + opteeMsgParamOffset(index));

/** `c` of a value that came back. */
export const valueC = (thread: ThreadCtx, index: number): number =>
  OpteeMsgParamValue.c.num(thread.rpcArg.view, thread.rpcArg.at + opteeMsgParamOffset(index));

/** Size of a memory reference that came back. */
export const memrefSize = (thread: ThreadCtx, index: number): number =>
  OpteeMsgParamRmem.size.num(thread.rpcArg.view, thread.rpcArg.at + opteeMsgParamOffset(index));
