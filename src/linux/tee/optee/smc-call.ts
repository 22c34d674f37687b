/**
 * What one yielding call has on its stack (struct optee_rpc_param, optee_call_ctx and
 * optee_call_waiter in optee_smc_do_call_with_arg()). Objects are used again, one call at a time.
 */
import { OPTEE_SMC_RETURN_ETHREAD_LIMIT, OPTEE_SMC_RETURN_IS_RPC } from '../../../abi/optee-smc.ts';
import type { Pa } from '../../../machine/address.ts';
import { smcRegs } from '../../../machine/smc.ts';
import type { SmcRegs } from '../../../machine/smc.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { Kernel } from '../../process/kernel.ts';
import { CallWaiter } from './call-waiter.ts';
import { freePagesList } from './page-list.ts';

/** No RPC message was supplied with the call: RPCs name theirs by cookie. */
export const NO_RPC_ARG = -1;

/** Registers that a call passes, and those that come back. */
const ARGUMENTS = 8;
const RESULTS = 4;

export class SmcCall {
  readonly waiter: CallWaiter;
  /** a0 to a7 as the driver has them; answers to an RPC are stored here. */
  readonly param = new Uint32Array(ARGUMENTS);
  /** What goes through the conduit. */
  readonly regs: SmcRegs = smcRegs();
  /** Where the RPC message that goes with the call is, in the port's view, and its memory's end. */
  rpcArg = NO_RPC_ARG;
  rpcArgEnd = 0;
  /** The page list given out last: it has to last until the secure world has read it. */
  #pagesList: Pa | undefined = undefined;
  #numEntries = 0;

  constructor(sched: Scheduler) {
    this.waiter = new CallWaiter(sched);
  }

  /** A new call: the other registers are 0. */
  begin(a0: number, a1: number, a2: number, a3: number): void {
    const { param } = this;
    param[0] = a0;
    param[1] = a1;
    param[2] = a2;
    param[3] = a3;
    param[4] = param[5] = param[6] = param[7] = 0;
  }

  /** After an SMC: the secure world has ended the call, and wants neither an RPC nor a thread. */
  get isOver(): boolean {
    const a0 = this.regs[0]!;
    return a0 !== OPTEE_SMC_RETURN_ETHREAD_LIMIT && !OPTEE_SMC_RETURN_IS_RPC(a0);
  }

  /** Before an SMC. */
  load(): void {
    for (let n = 0; n < ARGUMENTS; n++) this.regs[n] = this.param[n]!;
  }

  /** After an SMC that asks for an RPC: a4 to a7 stay as they were. */
  takeResults(): void {
    for (let n = 0; n < RESULTS; n++) this.param[n] = this.regs[n]!;
  }

  /** The call keeps a page list. */
  keepPagesList(list: Pa, numEntries: number): void {
    this.#pagesList = list;
    this.#numEntries = numEntries;
  }

  /** free_pages_list() */
  freePagesList(kernel: Kernel): void {
    if (this.#pagesList === undefined) return;
    freePagesList(kernel, this.#pagesList, this.#numEntries);
    this.#pagesList = undefined;
  }
}
