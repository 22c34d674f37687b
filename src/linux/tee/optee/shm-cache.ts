/**
 * The secure world's cache of shared memory: without room for RPC messages beside the calls', each
 * of its threads keeps the memory that it once got for them.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 2.
 */
import {
  OPTEE_SMC_DISABLE_SHM_CACHE,
  OPTEE_SMC_ENABLE_SHM_CACHE,
  OPTEE_SMC_RETURN_ENOTAVAIL,
  OPTEE_SMC_RETURN_OK,
} from '../../../abi/optee-smc.ts';
import type { Co } from '../../../sched/task.ts';
import { CallWaiter } from './call-waiter.ts';
import type { OpteeSmc } from './smc.ts';
import { invokeFn } from './smc-invoke.ts';

/** optee_enable_shm_cache(): waits until no secure thread is busy. */
export function* enableShmCache(smc: OpteeSmc): Co<void> {
  const { callQueue, kernel } = smc.optee;
  const waiter = new CallWaiter(kernel.sched);
  yield* callQueue.waitInit(waiter, false);
  for (;;) {
    const regs = yield* invokeFn(smc.conduit, OPTEE_SMC_ENABLE_SHM_CACHE);
    if (regs[0] === OPTEE_SMC_RETURN_OK) break;
    yield* callQueue.waitForCompletion(waiter);
  }
  yield* callQueue.waitFinal(waiter);
}

/**
 * optee_disable_shm_cache(), optee_disable_unmapped_shm_cache(): gets the cached memory back, piece
 * by piece.
 * @param isMapped the cookies are this kernel's, and the memory is freed; otherwise they are those
 * of a kernel that ran before, and mean nothing.
 */
export function* disableShmCache(smc: OpteeSmc, isMapped: boolean): Co<void> {
  const { callQueue, kernel } = smc.optee;
  const waiter = new CallWaiter(kernel.sched);
  yield* callQueue.waitInit(waiter, false);
  for (;;) {
    const regs = yield* invokeFn(smc.conduit, OPTEE_SMC_DISABLE_SHM_CACHE);
    if (regs[0] === OPTEE_SMC_RETURN_ENOTAVAIL) break;
    if (regs[0] !== OPTEE_SMC_RETURN_OK) {
      yield* callQueue.waitForCompletion(waiter);
    } else if (isMapped) {
      const shm = smc.cookies.resolve(regs[2]!, regs[1]!);
      if (shm !== null) yield* shm.put();
    }
  }
  yield* callQueue.waitFinal(waiter);
}
