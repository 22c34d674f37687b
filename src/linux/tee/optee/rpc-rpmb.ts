/**
 * RPMB by way of the kernel's own class: the secure world walks over the devices and sends frames
 * to the one that it has come to. Upstream counterpart: drivers/tee/optee/rpc.c (since Linux 6.12).
 */
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_SUCCESS,
} from '../../../abi/gp.ts';
import {
  OPTEE_RPC_RPMB_EMMC,
  OPTEE_RPC_RPMB_NVME,
  OPTEE_RPC_RPMB_UFS,
  OPTEE_RPC_SHM_TYPE_KERNEL,
} from '../../../abi/optee-rpc.ts';
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
} from '../../../abi/tee.ts';
import type { Access, Mapping } from '../../../machine/bus.ts';
import type { Co } from '../../../sched/task.ts';
import { rpmbRouteFrames } from '../../rpmb/rpmb-core.ts';
import type { RpmbDevice } from '../../rpmb/rpmb-core.ts';
import { TeeParam } from '../tee-drv.ts';
import { answer } from './cause.ts';
import type { RpcMessage } from './rpc-message.ts';
import type { RpmbRouting } from './rpmb.ts';

const RPC_TYPE: { readonly [T in RpmbDevice['type']]: number } = {
  emmc: OPTEE_RPC_RPMB_EMMC,
  ufs: OPTEE_RPC_RPMB_UFS,
  nvme: OPTEE_RPC_RPMB_NVME,
};

/** handle_rpc_func_rpmb_probe_reset(): back to the first device. */
export function* rpmbProbeReset(msg: RpcMessage): Co<void> {
  const params = paramsOf(msg, [TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT]);
  if (params === undefined) return;
  const value = params[0]!;
  value.clear();
  value.attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;
  value.aLo = OPTEE_RPC_SHM_TYPE_KERNEL;
  yield* moveTo(routingOf(msg), () => undefined);
  finish(msg, params);
}

/** handle_rpc_func_rpmb_probe_next(): on to the next device, and what it is. */
export function* rpmbProbeNext(msg: RpcMessage): Co<void> {
  const params = paramsOf(msg, [
    TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
    TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  ]);
  if (params === undefined) return;
  const value = params[0]!;
  const cid = params[1]!;
  const buffer = bufferOf(cid, 'write');
  if (buffer === undefined) {
    msg.ret = TEEC_ERROR_BAD_PARAMETERS;
    return;
  }
  const routing = routingOf(msg);
  const device = yield* moveTo(routing, () => routing.next());
  if (device === undefined) {
    msg.ret = TEEC_ERROR_ITEM_NOT_FOUND;
  } else if (buffer.bytes.length < device.devId.length) {
    msg.ret = TEEC_ERROR_SHORT_BUFFER;
  } else {
    buffer.bytes.set(device.devId);
    buffer.writeBack();
    cid.size = device.devId.length;
    value.aLo = RPC_TYPE[device.type];
    value.bLo = device.capacity;
    value.cLo = device.reliableWrCount;
    value.aHi = value.bHi = value.cHi = 0;
    finish(msg, params);
  }
}

/** handle_rpc_func_rpmb_frames() */
export function* rpmbFrames(msg: RpcMessage): Co<void> {
  const { device } = routingOf(msg);
  if (device === undefined) {
    const { trace } = msg.smc.optee.kernel;
    msg.ret = answer(trace, TEEC_ERROR_ITEM_NOT_FOUND, 'no RPMB device has been probed');
    return;
  }
  const params = paramsOf(msg, [
    TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
    TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  ]);
  if (params === undefined) return;
  const request = bufferOf(params[0]!, 'read');
  const response = bufferOf(params[1]!, 'write');
  if (request === undefined || response === undefined) {
    msg.ret = TEEC_ERROR_BAD_PARAMETERS;
    return;
  }
  if ((yield* rpmbRouteFrames(device, request.bytes, response.bytes)) !== 0) {
    msg.ret = answer(msg.smc.optee.kernel.trace, TEEC_ERROR_BAD_PARAMETERS, 'RPMB frames failed');
    return;
  }
  response.writeBack();
  finish(msg, params);
}

/** Set wherever these commands come here at all. */
const routingOf = (msg: RpcMessage): RpmbRouting => msg.smc.optee.rpmb!;

function* moveTo(
  routing: RpmbRouting,
  to: () => RpmbDevice | undefined,
): Co<RpmbDevice | undefined> {
  if (!routing.mutex.tryLock()) yield* routing.mutex.lock();
  routing.device = to();
  const { device } = routing;
  routing.mutex.unlock();
  return device;
}

/** The message's parameters, when they are of these types; else BAD_PARAMETERS is the answer. */
function paramsOf(msg: RpcMessage, attrs: readonly number[]): TeeParam[] | undefined {
  const { ops, kernel } = msg.smc.optee;
  const params = attrs.map(() => new TeeParam());
  if (
    msg.numParams === attrs.length &&
    ops.fromMsgParam(params, msg.param(0), false) === 0 &&
    params.every((p, n) => p.attr === attrs[n])
  ) {
    return params;
  }
  const text = 'the parameters are not those of the command';
  msg.ret = answer(kernel.trace, TEEC_ERROR_BAD_PARAMETERS, text, { object: `RPC ${msg.cmd}` });
  return undefined;
}

/** The buffer of a memref; undefined when there is none, or not all of it. */
function bufferOf(p: TeeParam, access: Access): Mapping | undefined {
  if (p.shm === null || p.shmOffs + p.size > p.shm.size) return undefined;
  return p.shm.map(p.shmOffs, p.size, access);
}

function finish(msg: RpcMessage, params: readonly TeeParam[]): void {
  const { ops, switches } = msg.smc.optee;
  const rc = ops.toMsgParam(msg.param(0), params, switches.updateOutOnly);
  msg.ret = rc === 0 ? TEEC_SUCCESS : TEEC_ERROR_BAD_PARAMETERS;
}
