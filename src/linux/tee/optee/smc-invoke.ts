/**
 * Fast calls (optee_invoke_fn): eight registers in, four out. They never make RPCs.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c. HVC and SMC lead to the same place here.
 */
import { smcRegs } from '../../../machine/smc.ts';
import type { SmcConduit, SmcRegs } from '../../../machine/smc.ts';
import type { Co } from '../../../sched/task.ts';

/** @returns the registers; a0 to a3 count. */
export function* invokeFn(conduit: SmcConduit, a0: number, a1 = 0): Co<SmcRegs> {
  const regs = smcRegs(a0, a1);
  yield* conduit.call(regs);
  return regs;
}
