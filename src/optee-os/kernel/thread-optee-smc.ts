/**
 * The door of yielding calls: finds the message (and the RPC message behind it) in shared memory,
 * hands it on, and tidies up behind the call.
 *
 * Upstream counterpart: optee_os core/arch/arm/kernel/thread_optee_smc.c (std_smc_entry()).
 */
import {
  OPTEE_MSG_MAX_NUM_PARAMS,
  OPTEE_MSG_NONCONTIG_PAGE_SIZE,
  OpteeMsgArg,
  opteeMsgArgSize,
} from '../../abi/optee-msg.ts';
import {
  OPTEE_SMC_CALL_WITH_ARG,
  OPTEE_SMC_CALL_WITH_REGD_ARG,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_RETURN_EBADADDR,
  OPTEE_SMC_RETURN_EBADCMD,
  OPTEE_SMC_RETURN_ENOMEM,
  OPTEE_SMC_RETURN_OK,
} from '../../abi/optee-smc.ts';
import { pa, pageOffset } from '../../machine/address.ts';
import type { SmcRegs } from '../../machine/smc.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import type { Mobj } from '../mm/mobj.ts';
import { stdCall } from '../tee/entry-std.ts';
import { RPC_ARG_SIZE } from './rpc.ts';
import type { ThreadCtx } from './thread.ts';

const TWO_32 = 0x1_0000_0000;
const ALIGNMENT = 8;

/** Which call has an RPC message behind the message. */
const CALLS: ReadonlyMap<number, { readonly registered: boolean; readonly rpcArg: boolean }> =
  new Map([
    [OPTEE_SMC_CALL_WITH_ARG, { registered: false, rpcArg: false }],
    [OPTEE_SMC_CALL_WITH_RPC_ARG, { registered: false, rpcArg: true }],
    [OPTEE_SMC_CALL_WITH_REGD_ARG, { registered: true, rpcArg: true }],
  ]);

export class StdEntry {
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** std_smc_entry(): the call, which ends with an OPTEE_SMC_RETURN_*. */
  start(thread: ThreadCtx, regs: SmcRegs): MaybeCo<number> {
    const kept = thread.rpcMobj !== undefined && CALLS.get(regs[0]!)?.rpcArg === true;
    if (kept) return this.#startAfterRelease(thread, regs.slice());
    const status = this.#locate(thread, regs);
    return status === OPTEE_SMC_RETURN_OK ? stdCall(this.#guest, thread) : status;
  }

  /**
   * What is left to do when the call has ended: undefined when nothing has to be asked of the normal
   * world for it.
   */
  finish(thread: ThreadCtx, status: number): Co<number> | undefined {
    const { arg, argMobj } = thread;
    const ownArg = thread.rpcMobj !== undefined && !this.#guest.preallocRpcCache;
    const release = ownArg && status === OPTEE_SMC_RETURN_OK;
    if (thread.shmCache.size > 0 || release) return this.#tidy(thread, status, release);
    this.#endRpcArg(thread);
    arg.flush();
    arg.clear();
    if (argMobj === undefined) return undefined;
    thread.argMobj = undefined;
    argMobj.decMap();
    return argMobj.put() ? this.#announce(thread, status) : undefined;
  }

  *#tidy(thread: ThreadCtx, status: number, release: boolean): Co<number> {
    if (thread.shmCache.size > 0) yield* this.#guest.rpcShmCache.clear(thread);
    this.#endRpcArg(thread);
    if (release) yield* this.#guest.rpc.releaseArg(thread);
    return status;
  }

  /** A supplied RPC message is the call's; an allocated one may stay with the thread. */
  #endRpcArg(thread: ThreadCtx): void {
    if (!thread.rpcArgSupplied) return;
    thread.rpcArgSupplied = false;
    thread.rpcArg.clear();
  }

  *#announce(thread: ThreadCtx, status: number): Co<number> {
    yield* this.#guest.shmRelease.announce(thread);
    return status;
  }

  /**
   * The call brings an RPC message, but the thread has kept one: that one goes first.
   * @param regs a copy, because the caller's registers change when the thread leaves
   */
  *#startAfterRelease(thread: ThreadCtx, regs: SmcRegs): Co<number> {
    yield* this.#guest.rpc.releaseArg(thread);
    return yield* endOf(this.start(thread, regs));
  }

  #locate(thread: ThreadCtx, regs: SmcRegs): number {
    const call = CALLS.get(regs[0]!);
    if (call === undefined) {
      const text = `Unknown SMC 0x${regs[0]!.toString(16)}`;
      this.#guest.nexus.log.emsg(thread, 'std_smc_entry', text);
      return OPTEE_SMC_RETURN_EBADCMD;
    }
    return call.registered
      ? this.#locateRegistered(thread, regs)
      : this.#locateByAddress(thread, regs[1]! * TWO_32 + regs[2]!, call.rpcArg);
  }

  /** std_entry_with_regd_arg() */
  #locateRegistered(thread: ThreadCtx, regs: SmcRegs): number {
    const { nexus, shm } = this.#guest;
    const mobj = nexus.config.CFG_CORE_DYN_SHM
      ? shm.getByCookie(thread, regs[2]!, regs[1]!)
      : undefined;
    if (mobj === undefined) {
      const cookie = regs[1]!.toString(16) + regs[2]!.toString(16).padStart(8, '0');
      nexus.log.emsg(thread, 'std_entry_with_regd_arg', `Bad arg cookie 0x${cookie}`);
      return this.#badAddress(`no registered memory has the cookie 0x${cookie}`);
    }
    thread.argMobj = mobj;
    if (!mobj.incMap()) {
      mobj.put();
      thread.argMobj = undefined;
      return OPTEE_SMC_RETURN_ENOMEM;
    }
    return this.#placeIn(thread, mobj, regs[3]!, true);
  }

  /** std_entry_with_parg() */
  #locateByAddress(thread: ThreadCtx, base: number, withRpcArg: boolean): number {
    const { nexus, shm, reserved } = this.#guest;
    if (reserved !== undefined && nexus.mmu.isNsecShm(base, OpteeMsgArg.byteLength)) {
      if (base % ALIGNMENT !== 0) return this.#badArg(thread, base);
      thread.argMobj = reserved;
      reserved.get();
      return this.#placeIn(thread, reserved, base - reserved.base, withRpcArg);
    }
    if (pageOffset(base) !== 0 || !nexus.config.CFG_CORE_DYN_SHM) return this.#badArg(thread, base);
    const mobj = shm.allocMapped([pa(base)], 0, OPTEE_MSG_NONCONTIG_PAGE_SIZE, 0, 0);
    if (mobj === undefined) return this.#badArg(thread, base);
    thread.argMobj = mobj;
    return this.#placeIn(thread, mobj, 0, withRpcArg);
  }

  /** get_msg_arg(): `num_params` is read once. */
  #placeIn(thread: ThreadCtx, mobj: Mobj, offset: number, withRpcArg: boolean): number {
    const { arg, rpcArg } = thread;
    if (!arg.place(mobj, offset, OpteeMsgArg.byteLength)) {
      return this.#badAddress(`no aligned message fits in at offset ${offset}`);
    }
    const numParams = OpteeMsgArg.numParams.get(arg.view, arg.at);
    if (numParams > OPTEE_MSG_MAX_NUM_PARAMS) {
      return this.#badAddress(`a message with ${numParams} parameters`);
    }
    const size = opteeMsgArgSize(numParams);
    if (numParams > 0 && !arg.place(mobj, offset, size, arg)) {
      return this.#badAddress(`${numParams} parameters do not fit in`);
    }
    thread.numParams = numParams;
    if (!withRpcArg) return OPTEE_SMC_RETURN_OK;
    if (!rpcArg.place(mobj, offset + size, RPC_ARG_SIZE, arg)) {
      return this.#badAddress('no room for an RPC message behind the message');
    }
    thread.rpcArgSupplied = true;
    return OPTEE_SMC_RETURN_OK;
  }

  #badArg(thread: ThreadCtx, base: number): number {
    const text = `Bad arg address 0x${base.toString(16)}`;
    this.#guest.nexus.log.emsg(thread, 'std_entry_with_parg', text);
    return this.#badAddress(text);
  }

  #badAddress(text: string): number {
    this.#guest.nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'OPTEE_SMC_RETURN_EBADADDR',
      text,
      object: 'optee_msg_arg',
    });
    return OPTEE_SMC_RETURN_EBADADDR;
  }
}
