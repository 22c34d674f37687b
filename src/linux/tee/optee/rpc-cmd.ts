/**
 * RPC commands. The kernel serves time, notifications, sleeping and memory; what it does not know
 * is the supplicant's.
 * Upstream counterpart: drivers/tee/optee/rpc.c. There is no I2C bus, so that there is no adapter
 * of any number.
 */
import { ETIMEDOUT } from '../../../abi/errno.ts';
import { TEEC_ERROR_BAD_PARAMETERS, TEEC_SUCCESS, TEE_ERROR_TIMEOUT } from '../../../abi/gp.ts';
import {
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT,
  OpteeMsgParamValue,
} from '../../../abi/optee-msg.ts';
import {
  OPTEE_RPC_CMD_GET_TIME,
  OPTEE_RPC_CMD_I2C_TRANSFER,
  OPTEE_RPC_CMD_NOTIFICATION,
  OPTEE_RPC_CMD_RPMB_FRAMES,
  OPTEE_RPC_CMD_RPMB_PROBE_NEXT,
  OPTEE_RPC_CMD_RPMB_PROBE_RESET,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
  OPTEE_RPC_CMD_SUSPEND,
  OPTEE_RPC_NOTIFICATION_SEND,
  OPTEE_RPC_NOTIFICATION_WAIT,
} from '../../../abi/optee-rpc.ts';
import type { Co } from '../../../sched/task.ts';
import { TeeParam } from '../tee-drv.ts';
import { answer } from './cause.ts';
import { jiffiesToNs, msecsToJiffies } from './jiffies.ts';
import type { RpcMessage } from './rpc-message.ts';
import { rpmbFrames, rpmbProbeNext, rpmbProbeReset } from './rpc-rpmb.ts';
import { rpcShmAlloc, rpcShmFree } from './rpc-shm.ts';

type RpcCommand = (msg: RpcMessage) => Co<void>;

const COMMANDS: ReadonlyMap<number, RpcCommand> = new Map([
  [OPTEE_RPC_CMD_SHM_ALLOC, rpcShmAlloc],
  [OPTEE_RPC_CMD_SHM_FREE, rpcShmFree],
  [OPTEE_RPC_CMD_GET_TIME, getTime],
  [OPTEE_RPC_CMD_NOTIFICATION, notification],
  [OPTEE_RPC_CMD_SUSPEND, suspend],
  [OPTEE_RPC_CMD_I2C_TRANSFER, i2cTransfer],
]);

/** Served by the kernel's RPMB class where that routes them. */
const RPMB_COMMANDS: ReadonlyMap<number, RpcCommand> = new Map([
  [OPTEE_RPC_CMD_RPMB_PROBE_RESET, rpmbProbeReset],
  [OPTEE_RPC_CMD_RPMB_PROBE_NEXT, rpmbProbeNext],
  [OPTEE_RPC_CMD_RPMB_FRAMES, rpmbFrames],
]);

const NS_PER_SECOND = 1_000_000_000n;

/** handle_rpc_func_cmd(), optee_rpc_cmd(): the answer is in the message. */
export function handleRpcCmd(msg: RpcMessage): Co<void> {
  const { cmd } = msg;
  let handle = COMMANDS.get(cmd);
  if (msg.smc.optee.rpmb !== undefined) handle ??= RPMB_COMMANDS.get(cmd);
  return (handle ?? suppCmd)(msg);
}

/** handle_rpc_supp_cmd() */
function* suppCmd(msg: RpcMessage): Co<void> {
  const { optee } = msg.smc;
  const { ops, supp, switches } = optee;
  msg.originComms();
  const params: TeeParam[] = [];
  while (params.length < msg.numParams) params.push(new TeeParam());
  if (ops.fromMsgParam(params, msg.param(0), false) !== 0) {
    msg.ret = bad(msg, 'a parameter of an RPC for the supplicant is of no known type');
    return;
  }
  msg.ret = yield* supp.thrdReq(msg.ctx, msg.cmd, params);
  if (ops.toMsgParam(msg.param(0), params, switches.updateOutOnly) !== 0) {
    msg.ret = bad(msg, "the supplicant's answer does not fit the message");
  }
}

/** handle_rpc_func_cmd_get_time() */
function* getTime(msg: RpcMessage): Co<void> {
  if (!msg.isOnly(OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT)) {
    msg.ret = bad(msg, 'GET_TIME has one parameter, VALUE_OUTPUT');
    return;
  }
  const now = msg.smc.optee.kernel.realtimeNs();
  const { a, b } = OpteeMsgParamValue;
  a.set(msg.view, msg.param(0), now / NS_PER_SECOND);
  b.set(msg.view, msg.param(0), now % NS_PER_SECOND);
  msg.ret = TEEC_SUCCESS;
}

/** handle_rpc_func_cmd_wq() */
function* notification(msg: RpcMessage): Co<void> {
  const { notif } = msg.smc.optee;
  if (!msg.isOnly(OPTEE_MSG_ATTR_TYPE_VALUE_INPUT)) {
    msg.ret = bad(msg, 'NOTIFICATION has one parameter, VALUE_INPUT');
    return;
  }
  const { a, b, c } = OpteeMsgParamValue;
  const at = msg.param(0);
  const what = a.hi(msg.view, at) === 0 ? a.lo(msg.view, at) : undefined;
  const key = b.lo(msg.view, at);
  if (what === OPTEE_RPC_NOTIFICATION_WAIT) {
    msg.ret = notified(yield* notif.wait(key, c.lo(msg.view, at)));
  } else if (what === OPTEE_RPC_NOTIFICATION_SEND) {
    msg.ret = notified(notif.send(key));
  } else {
    msg.ret = bad(msg, 'NOTIFICATION waits (0) or sends (1)');
  }
}

function notified(rc: number): number {
  if (rc === 0) return TEEC_SUCCESS;
  return rc === -ETIMEDOUT ? TEE_ERROR_TIMEOUT : TEEC_ERROR_BAD_PARAMETERS;
}

/** handle_rpc_func_cmd_wait(): one tick more than asked, or until a signal comes. */
function* suspend(msg: RpcMessage): Co<void> {
  if (!msg.isOnly(OPTEE_MSG_ATTR_TYPE_VALUE_INPUT)) {
    msg.ret = bad(msg, 'SUSPEND has one parameter, VALUE_INPUT');
    return;
  }
  const { kernel, switches } = msg.smc.optee;
  const ms = OpteeMsgParamValue.a.lo(msg.view, msg.param(0));
  const ns = jiffiesToNs(msecsToJiffies(ms, switches.hz) + 1, switches.hz);
  const how = yield* kernel.sched.park('msleep_interruptible', 'interruptible', ns);
  // The secure world asks again at once, and again, as long as the signal is pending.
  if (how === 'signal') yield* kernel.sched.yieldCpu();
  msg.ret = TEEC_SUCCESS;
}

/** handle_rpc_func_cmd_i2c_transfer(): whatever it is asked, i2c_get_adapter() finds nothing. */
function* i2cTransfer(msg: RpcMessage): Co<void> {
  msg.ret = bad(msg, 'there is no I2C adapter');
}

function bad(msg: RpcMessage, text: string): number {
  const { trace } = msg.smc.optee.kernel;
  return answer(trace, TEEC_ERROR_BAD_PARAMETERS, text, { object: `RPC ${msg.cmd}` });
}
