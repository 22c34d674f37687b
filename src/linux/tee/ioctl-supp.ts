/**
 * The ioctls of a supplicant (drivers/tee/tee_core.c): SUPPL_RECV and SUPPL_SEND, with
 * params_to_supp() and params_from_supp().
 */
import { EFAULT, EINVAL } from '../../abi/errno.ts';
import {
  TEE_IOCTL_PARAM_ATTR_MASK,
  TEE_IOCTL_PARAM_ATTR_TYPE_MASK,
  TeeIoclSuppRecvArg,
  TeeIoclSuppSendArg,
  TeeIoctlParam,
} from '../../abi/tee.ts';
import type { Va } from '../../machine/address.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { UserMemory } from '../mm/user-memory.ts';
import type { TaskStruct } from '../process/process.ts';
import { checkLength, noSuchOperation, openArg } from './arg-checks.ts';
import type { IoctlFrame } from './ioctl-frame.ts';
import { MEMREF, OBJREF, UBUF, UNKNOWN, VALUE } from './param-kinds.ts';
import { paramsFromUser, putMemrefs, setLarge } from './params.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import type { SuppReceived, TeeParam } from './tee-drv.ts';

const { attr, a, b, c } = TeeIoctlParam;
const PARAM_SIZE = TeeIoctlParam.byteLength;
const RECV_SIZE = TeeIoclSuppRecvArg.byteLength;
const SEND_SIZE = TeeIoclSuppSendArg.byteLength;

/** TEE_IOC_SUPPL_RECV: sleeps until there is a request, and hands it over. */
export function* teeIoctlSupplRecv(ctx: TeeContext, current: TaskStruct, at: Va): Co<number> {
  if (ctx.ops.suppRecv === undefined) return noSuchOperation(ctx);
  const { frames } = ctx.teedev;
  const frame = frames.take();
  const { mm } = current.process;
  const read = readRecv(ctx, mm, frame, at);
  let rc = read === 0 ? 0 : yield* endRead(ctx, frame, read);
  const { quirkSupplRecvFaultLosesRequest } = ctx.teedev.tee.switches;
  if (rc === 0 && !quirkSupplRecvFaultLosesRequest && !probeWrite(mm, frame)) {
    rc = yield* endRead(ctx, frame, -EFAULT);
  }
  if (rc === 0) {
    const received = yield* ctx.ops.suppRecv(ctx, frame.params);
    rc = received.error === 0 ? deliver(ctx, mm, frame, received) : received.error;
  }
  frames.give(frame);
  return rc;
}

/** Of the header only the number of parameters is read. */
function readRecv(ctx: TeeContext, mm: UserMemory, frame: IoctlFrame, at: Va): MaybeCo<number> {
  const { arg } = frame;
  const { numParams } = TeeIoclSuppRecvArg;
  const opened = openArg(ctx, mm, arg, at, RECV_SIZE, numParams.offset);
  if (opened !== 0) return opened;
  const count = numParams.get(arg.view, 0);
  const rc = checkLength(ctx, arg, RECV_SIZE, count);
  return rc === 0 ? paramsFromUser(ctx, mm, frame, RECV_SIZE, count) : rc;
}

/** Memrefs, which have no business here, may have to be waited for, and given back. */
function* endRead(ctx: TeeContext, frame: IoctlFrame, read: MaybeCo<number>): Co<number> {
  const rc = yield* endOf(read);
  const { quirkSupplRecvLeaksMemrefs } = ctx.teedev.tee.switches;
  if (rc !== 0 && frame.memrefs > 0 && !quirkSupplRecvLeaksMemrefs) yield* putMemrefs(frame);
  return rc;
}

/** Whether the buffer can be written at all; it stays as it was, but for `func`. */
function probeWrite(mm: UserMemory, frame: IoctlFrame): boolean {
  const { arg } = frame;
  TeeIoclSuppRecvArg.func.set(arg.view, 0, 0);
  return mm.write(arg.uaddr, arg.bytes.subarray(0, arg.length));
}

/** params_to_supp() */
function deliver(
  ctx: TeeContext,
  mm: UserMemory,
  frame: IoctlFrame,
  { func, count }: SuppReceived,
): number {
  const { arg, params } = frame;
  TeeIoclSuppRecvArg.func.set(arg.view, 0, func);
  TeeIoclSuppRecvArg.numParams.set(arg.view, 0, count);
  const { toSupp } = ctx.teedev.tee.paramKinds;
  for (let n = 0, at = RECV_SIZE; n < count; n++, at += PARAM_SIZE) {
    const param = params[n]!;
    paramToSupp(arg.view, at, param, toSupp[param.attr & TEE_IOCTL_PARAM_ATTR_TYPE_MASK]!);
  }
  arg.put(0, RECV_SIZE + count * PARAM_SIZE);
  if (arg.flush(mm)) return 0;
  return refuse(ctx.trace, EFAULT, 'the request was taken from the queue and cannot be delivered', {
    hint: 'nobody will answer it: its client waits until it is killed',
  });
}

/** All of a parameter is written, with zeros where the supplicant is told nothing. */
function paramToSupp(view: DataView, at: number, param: TeeParam, kind: number): void {
  attr.setPair(view, at, param.attr, 0);
  a.setPair(view, at, 0, 0);
  b.setPair(view, at, 0, 0);
  c.setPair(view, at, 0, 0);
  if (kind === VALUE || kind === OBJREF) {
    a.setPair(view, at, param.aLo, param.aHi);
    b.setPair(view, at, param.bLo, param.bHi);
    if (kind === VALUE) c.setPair(view, at, param.cLo, param.cHi);
  } else if (kind === MEMREF) {
    memrefToSupp(view, at, param);
  } else if (kind === UBUF) {
    setLarge(a, view, at, param.uaddr);
    setLarge(b, view, at, param.size);
  }
}

function memrefToSupp(view: DataView, at: number, param: TeeParam): void {
  const { shm, shmOffs, size } = param;
  setLarge(b, view, at, size);
  if (shm === null) {
    c.setPair(view, at, 0xffff_ffff, 0xffff_ffff);
    return;
  }
  setLarge(a, view, at, shmOffs);
  // An id is an int: one that is negative fills the upper half too.
  c.setPair(view, at, shm.id, shm.id < 0 ? 0xffff_ffff : 0);
  shm.syncForCpu(shmOffs, size);
}

/** TEE_IOC_SUPPL_SEND: the answer to a request. The buffer may be longer than its parameters. */
export function teeIoctlSupplSend(ctx: TeeContext, current: TaskStruct, at: Va): MaybeCo<number> {
  if (ctx.ops.suppSend === undefined) return noSuchOperation(ctx);
  const { frames } = ctx.teedev;
  const frame = frames.take();
  let rc: MaybeCo<number> = readSend(ctx, current.process.mm, frame, at);
  if (rc === 0) {
    const ret = TeeIoclSuppSendArg.ret.get(frame.arg.view, 0);
    rc = ctx.ops.suppSend(ctx, ret, frame.params);
  }
  if (typeof rc !== 'number') return sendLater(ctx, frame, rc);
  frames.give(frame);
  return rc;
}

function* sendLater(ctx: TeeContext, frame: IoctlFrame, sending: Co<number>): Co<number> {
  const rc = yield* sending;
  ctx.teedev.frames.give(frame);
  return rc;
}

function readSend(ctx: TeeContext, mm: UserMemory, frame: IoctlFrame, at: Va): number {
  const { arg } = frame;
  const rc = openArg(ctx, mm, arg, at, SEND_SIZE);
  if (rc !== 0) return rc;
  const count = TeeIoclSuppSendArg.numParams.get(arg.view, 0);
  const needed = SEND_SIZE + PARAM_SIZE * count;
  if (needed > arg.length) {
    return refuse(ctx.trace, EINVAL, `buf_len is too small for num_params ${count}`, {
      requested: needed,
      available: arg.length,
    });
  }
  return paramsFromSupp(ctx, mm, frame, count);
}

function paramsFromSupp(ctx: TeeContext, mm: UserMemory, frame: IoctlFrame, count: number): number {
  const { arg, params } = frame;
  const { fromSupp } = ctx.teedev.tee.paramKinds;
  frame.allocParams(count);
  for (let n = 0, at = SEND_SIZE; n < count; n++, at += PARAM_SIZE) {
    if (!arg.has(mm, at + PARAM_SIZE)) return -EFAULT;
    const bits = attr.lo(arg.view, at);
    if (attr.hi(arg.view, at) !== 0 || (bits & ~TEE_IOCTL_PARAM_ATTR_MASK) !== 0) {
      return refuse(ctx.trace, EINVAL, `parameter ${n}: unknown attribute bits`);
    }
    const param = params[n]!;
    param.attr = bits;
    const kind = fromSupp[bits & TEE_IOCTL_PARAM_ATTR_TYPE_MASK]!;
    if (kind === UNKNOWN) continue;
    paramFromSupp(arg.view, at, param, kind);
    if (kind === UBUF && !mm.accessOk(param.uaddr, param.size)) {
      return refuse(ctx.trace, EFAULT, `parameter ${n}: buffer lies outside user space`);
    }
  }
  return 0;
}

/** Only what a supplicant may change is taken: of memrefs, the size. */
function paramFromSupp(view: DataView, at: number, param: TeeParam, kind: number): void {
  if (kind === MEMREF) {
    param.size = b.num(view, at);
  } else if (kind === UBUF) {
    param.uaddr = a.num(view, at);
    param.size = b.num(view, at);
  } else {
    param.aLo = a.lo(view, at);
    param.aHi = a.hi(view, at);
    param.bLo = b.lo(view, at);
    param.bHi = b.hi(view, at);
    param.cLo = c.lo(view, at);
    param.cHi = c.hi(view, at);
  }
}
