/**
 * The SMC ABI: yielding calls with a message in memory, and the RPCs that they make. The message is
 * named by physical address (CALL_WITH_ARG; CALL_WITH_RPC_ARG with room for RPC messages behind it)
 * or as a place in registered memory (CALL_WITH_REGD_ARG).
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 4.
 */
import { EINVAL } from '../../../abi/errno.ts';
import { OpteeMsgArg, opteeMsgArgSize } from '../../../abi/optee-msg.ts';
import {
  OPTEE_SMC_CALL_WITH_ARG,
  OPTEE_SMC_CALL_WITH_REGD_ARG,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_RETURN_ETHREAD_LIMIT,
} from '../../../abi/optee-smc.ts';
import type { Co, MaybeCo } from '../../../sched/task.ts';
import type { TeeContext } from '../tee-context.ts';
import type { TeeParam } from '../tee-drv.ts';
import type { MessagePlace, OpteeOps } from './abi-ops.ts';
import { AsyncNotif } from './async-notif.ts';
import { fromMsgParam, toMsgParam } from './msg-param.ts';
import { handleRpc } from './rpc.ts';
import { disableShmCache } from './shm-cache.ts';
import { NO_RPC_ARG, SmcCall } from './smc-call.ts';
import type { OpteeSmc } from './smc.ts';

const TWO_32 = 0x1_0000_0000;

export class SmcAbi implements OpteeOps {
  readonly #smc: OpteeSmc;
  readonly #asyncNotif: AsyncNotif;
  /** Not in use. */
  readonly #calls: SmcCall[] = [];

  constructor(smc: OpteeSmc) {
    this.#smc = smc;
    this.#asyncNotif = new AsyncNotif(smc);
  }

  /** optee_smc_do_call_with_arg() */
  doCallWithArg(ctx: TeeContext, msg: MessagePlace, systemThread: boolean): MaybeCo<number> {
    const { conduit, optee } = this.#smc;
    const { callQueue, kernel } = optee;
    const call = this.#calls.pop() ?? new SmcCall(kernel.sched);
    if (!this.#begin(call, msg)) {
      this.#calls.push(call);
      return -EINVAL;
    }
    if (!callQueue.tryWaitInit(call.waiter, systemThread)) {
      return this.#callWhenFree(ctx, call, systemThread);
    }
    call.load();
    const rest = conduit.begin(call.regs);
    if (rest !== undefined || !call.isOver || !callQueue.tryWaitFinal(call.waiter)) {
      return this.#goOn(ctx, call, rest);
    }
    return this.#end(call);
  }

  *#callWhenFree(ctx: TeeContext, call: SmcCall, systemThread: boolean): Co<number> {
    const { conduit, optee } = this.#smc;
    yield* optee.callQueue.waitInit(call.waiter, systemThread);
    call.load();
    return yield* this.#goOn(ctx, call, conduit.begin(call.regs));
  }

  /** An SMC is under way: waits for its end, and for that of the call. */
  *#goOn(ctx: TeeContext, call: SmcCall, smc: Co<void> | undefined): Co<number> {
    const { conduit, optee } = this.#smc;
    const { callQueue, kernel } = optee;
    const { waiter, regs } = call;
    if (smc !== undefined) yield* smc;
    while (!call.isOver) {
      if (regs[0] === OPTEE_SMC_RETURN_ETHREAD_LIMIT) {
        yield* callQueue.waitForCompletion(waiter);
      } else {
        call.takeResults();
        yield* handleRpc(this.#smc, ctx, call);
      }
      call.load();
      const rest = conduit.begin(regs);
      if (rest !== undefined) yield* rest;
    }
    call.freePagesList(kernel);
    if (!callQueue.tryWaitFinal(waiter)) yield* callQueue.waitFinal(waiter);
    return this.#end(call);
  }

  #end(call: SmcCall): number {
    this.#calls.push(call);
    return call.regs[0]!;
  }

  toMsgParam(at: number, params: readonly TeeParam[], updateOut: boolean): number {
    return toMsgParam(this.#smc.port.view, at, params, updateOut);
  }

  fromMsgParam(params: readonly TeeParam[], at: number, updateOut: boolean): number {
    return fromMsgParam(this.#smc.port.view, at, params, updateOut, this.#smc.cookies);
  }

  /** Interrupts that send notifications, when the secure world has them. @returns 0 or -errno. */
  enableAsyncNotif(): Co<number> {
    return this.#asyncNotif.enable();
  }

  /** optee_shutdown() */
  *shutdown(): Co<void> {
    // Otherwise the secure world keeps no memory of ours between calls.
    if (this.#smc.rpcParamCount === 0) yield* disableShmCache(this.#smc, true);
  }

  /** optee_smc_remove(), what comes before optee_remove_common(). */
  *quiesce(): Co<void> {
    yield* this.shutdown();
    yield* this.#asyncNotif.disable();
  }

  /** Sets the registers; false when the message does not lie in its memory. */
  #begin(call: SmcCall, msg: MessagePlace): boolean {
    const { shm, offs } = msg;
    const withRpcArg = this.#smc.rpcParamCount > 0;
    call.rpcArg = NO_RPC_ARG;
    if (withRpcArg && !this.#placeRpcArg(call, msg)) return false;
    if (withRpcArg && shm.isDynamic) {
      const { lo, hi } = shm.address;
      call.begin(OPTEE_SMC_CALL_WITH_REGD_ARG, hi, lo, offs);
      return true;
    }
    const address = shm.getPa(offs);
    if (address === undefined) return false;
    const a0 = withRpcArg ? OPTEE_SMC_CALL_WITH_RPC_ARG : OPTEE_SMC_CALL_WITH_ARG;
    call.begin(a0, Math.floor(address / TWO_32), address, 0);
    return true;
  }

  /** The RPC message stands right behind the message itself, in the same piece of memory. */
  #placeRpcArg(call: SmcCall, { shm, offs, at }: MessagePlace): boolean {
    const size = opteeMsgArgSize(OpteeMsgArg.numParams.get(this.#smc.port.view, at));
    if (shm.getVa(offs + size) === undefined) return false;
    call.rpcArg = at + size;
    call.rpcArgEnd = at - offs + shm.size;
    return true;
  }
}
