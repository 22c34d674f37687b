/**
 * What the secure world asks of the normal world during a call: memory, a turn for an interrupt, or
 * a command with a message.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, optee_handle_rpc().
 */
import { TEEC_ERROR_BAD_PARAMETERS } from '../../../abi/gp.ts';
import { OpteeMsgArg } from '../../../abi/optee-msg.ts';
import {
  OPTEE_SMC_CALL_RETURN_FROM_RPC,
  OPTEE_SMC_RETURN_GET_RPC_FUNC,
  OPTEE_SMC_RPC_FUNC_ALLOC,
  OPTEE_SMC_RPC_FUNC_CMD,
  OPTEE_SMC_RPC_FUNC_FOREIGN_INTR,
  OPTEE_SMC_RPC_FUNC_FREE,
} from '../../../abi/optee-smc.ts';
import { POINT } from '../../../sched/task.ts';
import type { Co } from '../../../sched/task.ts';
import type { TeeContext } from '../tee-context.ts';
import { teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import { answer } from './cause.ts';
import { handleRpcCmd } from './rpc-cmd.ts';
import { RpcMessage } from './rpc-message.ts';
import { NO_RPC_ARG } from './smc-call.ts';
import type { SmcCall } from './smc-call.ts';
import type { OpteeSmc } from './smc.ts';

type RpcFunc = (smc: OpteeSmc, ctx: TeeContext, call: SmcCall) => Co<void> | undefined;

const TWO_32 = 0x1_0000_0000;

const RPC_FUNCS: ReadonlyMap<number, RpcFunc> = new Map<number, RpcFunc>([
  [OPTEE_SMC_RPC_FUNC_ALLOC, rpcAlloc],
  [OPTEE_SMC_RPC_FUNC_FREE, rpcFree],
  [OPTEE_SMC_RPC_FUNC_FOREIGN_INTR, rpcForeignIntr],
  [OPTEE_SMC_RPC_FUNC_CMD, rpcCmd],
]);

/** optee_handle_rpc(): the answer is in `call.param`, ready to resume with. */
export function* handleRpc(smc: OpteeSmc, ctx: TeeContext, call: SmcCall): Co<void> {
  const { param } = call;
  const { sched } = smc.optee.kernel;
  if (sched.searching) yield* sched.point();
  const func = OPTEE_SMC_RETURN_GET_RPC_FUNC(param[0]!);
  const handle = RPC_FUNCS.get(func);
  if (handle === undefined) smc.optee.printk(`Unknown RPC func 0x${func.toString(16)}`, 'warning');
  const running = handle?.(smc, ctx, call);
  if (running !== undefined) yield* running;
  param[0] = OPTEE_SMC_CALL_RETURN_FROM_RPC;
}

/** Memory of the driver's own context: it may outlive the call and the client. */
function* rpcAlloc(smc: OpteeSmc, _: TeeContext, { param }: SmcCall): Co<void> {
  const shm = yield* teeShmAllocPrivBuf(smc.optee.ctx, param[1]!);
  const address = typeof shm === 'number' ? undefined : shm.getPa(0);
  if (typeof shm === 'number' || address === undefined) {
    param[1] = param[2] = param[4] = param[5] = 0;
    return;
  }
  param[1] = Math.floor(address / TWO_32);
  param[2] = address;
  param[4] = shm.address.hi;
  param[5] = shm.address.lo;
}

function* rpcFree(smc: OpteeSmc, _: TeeContext, { param }: SmcCall): Co<void> {
  const shm = smc.cookies.resolve(param[2]!, param[1]!);
  if (shm !== null) yield* shm.put();
}

/** The interrupt is taken on the way here; others have their turn, as after cond_resched(). */
function* rpcForeignIntr(): Co<void> {
  yield POINT;
}

function rpcCmd(smc: OpteeSmc, ctx: TeeContext, call: SmcCall): Co<void> | undefined {
  const msg = locate(smc, ctx, call);
  if (msg === undefined) return undefined;
  return smc.optee.kernel.trace.worlds ? tracedCmd(smc, msg, call.param[3]!) : handleRpcCmd(msg);
}

function* tracedCmd(smc: OpteeSmc, msg: RpcMessage, thread: number): Co<void> {
  const { trace } = smc.optee.kernel;
  const { cmd } = msg;
  trace.emit('linux', 'rpc.begin', { cmd, thread });
  yield* handleRpcCmd(msg);
  trace.emit('linux', 'rpc.end', { cmd, thread, ret: msg.ret });
}

/**
 * The message: supplied with the call, or named by its cookie. One with more parameters than its
 * memory has room for is answered here; upstream reads on into what lies behind.
 */
function locate(smc: OpteeSmc, ctx: TeeContext, call: SmcCall): RpcMessage | undefined {
  let at = call.rpcArg;
  let end = call.rpcArgEnd;
  if (at === NO_RPC_ARG) {
    const shm = smc.cookies.deref(call.param[2]!, call.param[1]!);
    const address = shm.getVa(0);
    if (address === undefined || shm.size < OpteeMsgArg.byteLength) {
      smc.optee.printk(`optee_handle_rpc: tee_shm_get_va failed`, 'err');
      return undefined;
    }
    at = smc.port.at(address, shm.size, 'write');
    end = at + shm.size;
  }
  const msg = new RpcMessage(smc, ctx, call, at);
  if (at + msg.size <= end) return msg;
  msg.ret = answer(
    smc.optee.kernel.trace,
    TEEC_ERROR_BAD_PARAMETERS,
    'an RPC message ends outside its memory',
    {
      requested: msg.size,
      available: end - at,
    },
  );
  return undefined;
}
