/**
 * Registration of shared memory with the secure world, which then knows it by its cookie.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 2, and optee_check_mem_type() in
 * call.c.
 */
import { EINVAL, ENOMEM } from '../../../abi/errno.ts';
import { TEEC_ERROR, TEEC_SUCCESS } from '../../../abi/gp.ts';
import { codeName } from '../../../abi/layout.ts';
import {
  OPTEE_MSG_ATTR_NONCONTIG,
  OPTEE_MSG_ATTR_TYPE_RMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_CMD_REGISTER_SHM,
  OPTEE_MSG_CMD_UNREGISTER_SHM,
  OPTEE_MSG_NONCONTIG_PAGE_SIZE,
  OpteeMsgArg,
  OpteeMsgParamRmem,
  OpteeMsgParamTmem,
  opteeMsgParamOffset,
} from '../../../abi/optee-msg.ts';
import { PAGE_SIZE, va } from '../../../machine/address.ts';
import type { Pa, Va } from '../../../machine/address.ts';
import { endOf } from '../../../sched/task.ts';
import type { Co } from '../../../sched/task.ts';
import type { MemoryType, UserMemory, VmaInfo } from '../../mm/user-memory.ts';
import type { TaskStruct } from '../../process/process.ts';
import type { TeeContext } from '../tee-context.ts';
import { teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import { refuse } from './cause.ts';
import { msgArgSize } from './msg-arg.ts';
import type { Optee } from './optee.ts';
import { allocatePagesList, fillPagesList, freePagesList } from './page-list.ts';
import type { MemTypeCheck } from './switches.ts';

const PARAM = opteeMsgParamOffset(0);

/** is_normal_memory(): cacheable, as the secure world maps it too. */
const NORMAL_MEMORY: ReadonlySet<MemoryType> = new Set(['normal', 'normal-tagged']);

/** A mapping that may not be shared; `unmapped` where there is none; undefined when all is well. */
type Odd = VmaInfo | 'unmapped' | undefined;

const isOdd = ({ memoryType }: VmaInfo): boolean => !NORMAL_MEMORY.has(memoryType);

/** From the first mapping that ends behind `start` to the first that ends at `end` or behind. */
function findVmaWalk(mm: UserMemory, start: Va, end: Va): Odd {
  for (const vma of mm.vmas(start, va(Number.MAX_SAFE_INTEGER))) {
    if (isOdd(vma)) return vma;
    if (vma.end >= end) return undefined;
  }
  return 'unmapped';
}

/** __check_mem_type(), in each form it had. */
const MEM_TYPE_CHECKS: {
  readonly [C in MemTypeCheck]: (mm: UserMemory, start: Va, end: Va) => Odd;
} = {
  none: () => undefined,
  find_vma: findVmaWalk,
  for_each_vma_range: (mm, start, end) => mm.vmas(start, end).find(isOdd),
};

/**
 * optee_check_mem_type(): -EINVAL when a part of the range is mapped as device or write-combining
 * memory. Memory of the kernel is normal.
 * @param start user address of the range, untagged; or an address of the kernel.
 */
export function checkMemType(
  optee: Optee,
  start: Va,
  numPages: number,
  current: TaskStruct | undefined,
): number {
  const { kernel, switches } = optee;
  if (kernel.map.virtAddrValid(start) || kernel.map.isVmallocAddr(start)) return 0;
  if (current === undefined) return 0;
  const end = va(start + numPages * PAGE_SIZE);
  const odd = MEM_TYPE_CHECKS[switches.memTypeCheck](current.process.mm, start, end);
  if (odd === undefined) return 0;
  if (odd === 'unmapped')
    return refuse(kernel.trace, EINVAL, 'the buffer ends behind all mappings');
  return refuse(kernel.trace, EINVAL, `the buffer lies in a ${odd.memoryType} mapping`, {
    object: `mapping at 0x${odd.start.toString(16)}`,
    hint: 'only normal cacheable memory can be shared with the secure world',
  });
}

/**
 * optee_shm_register(). Errors: -EINVAL for no pages, memory that is not normal, or when the secure
 * world refuses; -ENOMEM for the page list or the message.
 */
export function* shmRegister(
  optee: Optee,
  shm: TeeShm,
  pages: readonly Pa[],
  start: Va,
  current: TaskStruct | undefined,
): Co<number> {
  const { kernel } = optee;
  if (pages.length === 0) return refuse(kernel.trace, EINVAL, 'a buffer without pages');
  const rc = checkMemType(optee, start, pages.length, current);
  if (rc !== 0) return rc;
  const list = allocatePagesList(kernel, pages.length);
  if (list === undefined) return -ENOMEM;
  fillPagesList(kernel, list, pages, shm.offset);
  const { lo, hi } = shm.address;
  const offset = shm.offset % OPTEE_MSG_NONCONTIG_PAGE_SIZE;
  const error = yield* callWithPrivArg(optee, shm.ctx, OPTEE_MSG_CMD_REGISTER_SHM, (view, at) => {
    const { attr, bufPtr, size, shmRef } = OpteeMsgParamTmem;
    attr.setPair(view, at, OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT | OPTEE_MSG_ATTR_NONCONTIG, 0);
    bufPtr.setNum(view, at, list + offset);
    size.setNum(view, at, shm.size);
    shmRef.setPair(view, at, lo, hi);
  });
  freePagesList(kernel, list, pages.length);
  return error;
}

/** optee_shm_unregister(): -EINVAL when the secure world refuses, -ENOMEM for the message. */
export function* shmUnregister(optee: Optee, shm: TeeShm): Co<number> {
  const { lo, hi } = shm.address;
  return yield* callWithPrivArg(optee, shm.ctx, OPTEE_MSG_CMD_UNREGISTER_SHM, (view, at) => {
    OpteeMsgParamRmem.attr.setPair(view, at, OPTEE_MSG_ATTR_TYPE_RMEM_INPUT, 0);
    OpteeMsgParamRmem.shmRef.setPair(view, at, lo, hi);
  });
}

/**
 * A call whose message has one parameter and stands in memory of its own, which the secure world
 * need not know: to share a page for messages takes a message.
 */
function* callWithPrivArg(
  optee: Optee,
  ctx: TeeContext,
  cmd: number,
  fillParam: (view: DataView, at: number) => void,
): Co<number> {
  const { kernel, ops, secure } = optee;
  const { port } = kernel;
  const size = msgArgSize(secure.rpcParamCount);
  const arg = yield* teeShmAllocPrivBuf(ctx, size);
  if (typeof arg === 'number') return arg;
  const at = port.at(arg.getVa(0)!, size, 'write');
  OpteeMsgArg.cmd.set(port.view, at, cmd);
  OpteeMsgArg.numParams.set(port.view, at, 1);
  fillParam(port.view, at + PARAM);
  const failed = yield* endOf(ops.doCallWithArg(ctx, { shm: arg, offs: 0, at }, false));
  const ret = OpteeMsgArg.ret.get(port.view, at);
  yield* arg.put();
  if (failed === 0 && ret === TEEC_SUCCESS) return 0;
  const what = failed !== 0 ? `did not take the message (${failed})` : codeName(TEEC_ERROR, ret);
  return refuse(kernel.trace, EINVAL, `the secure world refused the memory: ${what}`);
}
