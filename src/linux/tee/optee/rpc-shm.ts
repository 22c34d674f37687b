/**
 * Memory that the secure world asks for: of the supplicant, to share with it (APPL), or of the
 * kernel (KERNEL). Upstream counterpart: drivers/tee/optee/smc_abi.c, section 4, and the
 * supplicant's side in rpc.c.
 */
import { ENOMEM } from '../../../abi/errno.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_SUCCESS,
  formatResult,
} from '../../../abi/gp.ts';
import {
  OPTEE_MSG_ATTR_NONCONTIG,
  OPTEE_MSG_ATTR_TYPE_NONE,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_NONCONTIG_PAGE_SIZE,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
} from '../../../abi/optee-msg.ts';
import {
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
  OPTEE_RPC_SHM_TYPE_APPL,
  OPTEE_RPC_SHM_TYPE_KERNEL,
} from '../../../abi/optee-rpc.ts';
import { TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT } from '../../../abi/tee.ts';
import type { Co } from '../../../sched/task.ts';
import type { TeeContext } from '../tee-context.ts';
import { TeeParam } from '../tee-drv.ts';
import { teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import { teeShmGetFromId } from '../tee-shm-id.ts';
import type { TeeShm } from '../tee-shm.ts';
import { answer, refuse } from './cause.ts';
import type { Optee } from './optee.ts';
import { allocatePagesList, fillPagesList } from './page-list.ts';
import type { RpcMessage } from './rpc-message.ts';

const TWO_32 = 0x1_0000_0000;

/** handle_rpc_func_cmd_shm_alloc() */
export function* rpcShmAlloc(msg: RpcMessage): Co<void> {
  const { optee } = msg.smc;
  // The list of an earlier allocation has been read by now.
  msg.call.freePagesList(optee.kernel);
  msg.originComms();
  if (!wellFormed(msg)) {
    msg.ret = bad(msg, 'SHM_ALLOC has one parameter, VALUE_INPUT');
    return;
  }
  const { a, b } = OpteeMsgParamValue;
  const type = a.num(msg.view, msg.param(0));
  const size = b.num(msg.view, msg.param(0));
  let shm: TeeShm | number;
  if (type === OPTEE_RPC_SHM_TYPE_APPL) shm = yield* allocSuppl(optee, msg.ctx, size);
  else if (type === OPTEE_RPC_SHM_TYPE_KERNEL) shm = yield* teeShmAllocPrivBuf(optee.ctx, size);
  else {
    msg.ret = bad(msg, `SHM_ALLOC knows no memory of type ${type}`);
    return;
  }
  if (typeof shm === 'number') {
    msg.ret = TEEC_ERROR_OUT_OF_MEMORY;
    return;
  }
  msg.ret = describe(msg, shm);
  if (msg.ret !== TEEC_SUCCESS) yield* shm.put();
}

/** One VALUE_INPUT, and nothing in what parameters follow. */
function wellFormed(msg: RpcMessage): boolean {
  const { numParams } = msg;
  if (numParams === 0 || !msg.hasAttr(0, OPTEE_MSG_ATTR_TYPE_VALUE_INPUT)) return false;
  for (let n = 1; n < numParams; n++) if (!msg.hasAttr(n, OPTEE_MSG_ATTR_TYPE_NONE)) return false;
  return true;
}

/** Tells the secure world where the memory is: by page list, or by address. */
function describe(msg: RpcMessage, shm: TeeShm): number {
  const { optee } = msg.smc;
  const { rpcShmByPages } = optee.switches;
  const address = shm.getPa(0);
  const hasPages = shm.pages.length > 0;
  if (rpcShmByPages ? hasPages : shm.isDynamic && address !== undefined) {
    if (!hasPages) return noPages(msg);
    return describePages(msg, shm);
  }
  if (address === undefined) return bad(msg, 'the memory has no address');
  const { attr, bufPtr } = OpteeMsgParamTmem;
  attr.setPair(msg.view, msg.param(0), OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT, 0);
  bufPtr.setNum(msg.view, msg.param(0), address);
  nameMemory(msg, shm);
  return TEEC_SUCCESS;
}

function describePages(msg: RpcMessage, shm: TeeShm): number {
  const { kernel } = msg.smc.optee;
  const list = allocatePagesList(kernel, shm.pages.length);
  if (list === undefined) return TEEC_ERROR_OUT_OF_MEMORY;
  msg.call.keepPagesList(list, shm.pages.length);
  fillPagesList(kernel, list, shm.pages, shm.offset);
  const attr = OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT | OPTEE_MSG_ATTR_NONCONTIG;
  OpteeMsgParamTmem.attr.setPair(msg.view, msg.param(0), attr, 0);
  const offset = shm.offset % OPTEE_MSG_NONCONTIG_PAGE_SIZE;
  OpteeMsgParamTmem.bufPtr.setNum(msg.view, msg.param(0), list + offset);
  nameMemory(msg, shm);
  return TEEC_SUCCESS;
}

function nameMemory(msg: RpcMessage, shm: TeeShm): void {
  const { size, shmRef } = OpteeMsgParamTmem;
  const { lo, hi } = shm.address;
  size.setNum(msg.view, msg.param(0), shm.size);
  shmRef.setPair(msg.view, msg.param(0), lo, hi);
}

/** handle_rpc_func_cmd_shm_free() */
export function* rpcShmFree(msg: RpcMessage): Co<void> {
  const { optee, cookies } = msg.smc;
  msg.originComms();
  if (msg.numParams !== 1 || !msg.hasAttr(0, OPTEE_MSG_ATTR_TYPE_VALUE_INPUT)) {
    msg.ret = bad(msg, 'SHM_FREE has one parameter, VALUE_INPUT');
    return;
  }
  const { a, b } = OpteeMsgParamValue;
  const type = a.num(msg.view, msg.param(0));
  const lo = b.lo(msg.view, msg.param(0));
  const hi = b.hi(msg.view, msg.param(0));
  msg.ret = TEEC_SUCCESS;
  if (type === OPTEE_RPC_SHM_TYPE_APPL) {
    yield* freeSuppl(optee, msg.ctx, cookies.deref(lo, hi));
  } else if (type === OPTEE_RPC_SHM_TYPE_KERNEL) {
    const shm = cookies.resolve(lo, hi);
    if (shm !== null) yield* shm.put();
  } else if (!optee.switches.quirkShmFreeAnyType) {
    msg.ret = bad(msg, `SHM_FREE knows no memory of type ${type}`);
  }
}

/**
 * optee_rpc_cmd_alloc_suppl(): the supplicant makes the buffer, and answers with its id. The secure
 * world's reference on it is taken here. @returns -ENOMEM when there is none to be had.
 */
function* allocSuppl(optee: Optee, ctx: TeeContext, size: number): Co<TeeShm | number> {
  const { supp, switches, kernel } = optee;
  const param = supplParam(size);
  const ret = yield* supp.thrdReq(ctx, OPTEE_RPC_CMD_SHM_ALLOC, [param]);
  if (ret !== TEEC_SUCCESS) {
    return refuse(kernel.trace, ENOMEM, `the supplicant gives no memory: ${formatResult(ret)}`);
  }
  if (!supp.mutex.tryLock()) yield* supp.mutex.lock();
  const id = param.cLo | 0;
  const shm = supp.ctx === undefined ? undefined : yield* teeShmGetFromId(supp.ctx, id);
  supp.mutex.unlock();
  if (shm === undefined) {
    return refuse(
      kernel.trace,
      ENOMEM,
      `the supplicant answered with shared memory ${id}, which it does not have`,
    );
  }
  if (shm.size >= size || switches.quirkShortShmAlloc) return shm;
  yield* freeSuppl(optee, ctx, shm);
  return refuse(kernel.trace, ENOMEM, 'the supplicant answered with a buffer that is too small', {
    object: `shared memory ${id}`,
    requested: size,
    available: shm.size,
  });
}

/**
 * optee_rpc_cmd_free_suppl(): the secure world's reference goes first, so that the last one is the
 * supplicant's own to drop. What it answers does not matter.
 */
function* freeSuppl(optee: Optee, ctx: TeeContext, shm: TeeShm): Co<void> {
  const param = supplParam(shm.id);
  const owner = shm.ctx;
  yield* shm.put();
  if (optee.switches.quirkShmFreeOfClosedSupplicant || owner === optee.supp.ctx) {
    yield* optee.supp.thrdReq(ctx, OPTEE_RPC_CMD_SHM_FREE, [param]);
  }
}

/** Parameter of a request about the supplicant's memory; `b` is its size or its id. */
function supplParam(b: number): TeeParam {
  const param = new TeeParam();
  param.attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
  param.aLo = OPTEE_RPC_SHM_TYPE_APPL;
  param.bLo = b >>> 0;
  param.bHi = Math.floor(b / TWO_32) >>> 0;
  return param;
}

function bad(msg: RpcMessage, text: string): number {
  return answer(msg.smc.optee.kernel.trace, TEEC_ERROR_BAD_PARAMETERS, text);
}

function noPages(msg: RpcMessage): number {
  const { trace } = msg.smc.optee.kernel;
  const text = 'memory from TEE_IOC_SHM_ALLOC has no list of pages to pass on';
  return answer(trace, TEEC_ERROR_OUT_OF_MEMORY, text, {
    hint: 'on this kernel a supplicant must register memory of its own instead',
  });
}
