/**
 * The ioctls of sessions (drivers/tee/tee_core.c): OPEN_SESSION, INVOKE, CANCEL, CLOSE_SESSION.
 * INVOKE is the path that everything else is measured by: arguments, parameters and buffers are used
 * again from call to call.
 */
import { EFAULT, EPERM } from '../../abi/errno.ts';
import {
  TEE_IOCTL_LOGIN_REE_KERNEL_MAX,
  TEE_IOCTL_LOGIN_REE_KERNEL_MIN,
  TeeIoctlCancelArg,
  TeeIoctlCloseSessionArg,
  TeeIoctlInvokeArg,
  TeeIoctlOpenSessionArg,
} from '../../abi/tee.ts';
import type { Va } from '../../machine/address.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { UserMemory } from '../mm/user-memory.ts';
import type { TaskStruct } from '../process/process.ts';
import { checkLength, noSuchOperation, openArg } from './arg-checks.ts';
import type { IoctlFrame } from './ioctl-frame.ts';
import { paramsFromUser, paramsToUser, putMemrefs, syncForCpu, tryPutMemrefs } from './params.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';

const OPEN_SIZE = TeeIoctlOpenSessionArg.byteLength;
const INVOKE_SIZE = TeeIoctlInvokeArg.byteLength;

/** TEE_IOC_OPEN_SESSION: 0 when the request was carried out; the TEE's answer is in `ret`. */
export function* teeIoctlOpenSession(ctx: TeeContext, current: TaskStruct, at: Va): Co<number> {
  if (ctx.ops.openSession === undefined) return noSuchOperation(ctx);
  const { mm } = current.process;
  const { frames } = ctx.teedev;
  const frame = frames.take();
  const { arg, openSession: session } = frame;
  let rc = openArg(ctx, mm, arg, at, OPEN_SIZE);
  if (rc === 0) {
    const count = TeeIoctlOpenSessionArg.numParams.get(arg.view, 0);
    rc = checkLength(ctx, arg, OPEN_SIZE, count);
    session.load(arg.view);
    if (rc === 0) rc = yield* endOf(paramsFromUser(ctx, mm, frame, OPEN_SIZE, count));
    // Upstream looks at the login after the parameters.
    if (rc === 0) rc = checkLogin(ctx, session.clntLogin);
    if (rc === 0) rc = yield* openAndReport(ctx, current, frame);
  }
  if (frame.memrefs > 0) yield* putMemrefs(frame);
  frames.give(frame);
  return rc;
}

function* openAndReport(ctx: TeeContext, current: TaskStruct, frame: IoctlFrame): Co<number> {
  const { arg, openSession: session, params } = frame;
  const { mm } = current.process;
  const rc = yield* ctx.ops.openSession!(ctx, session, params, current);
  if (frame.memrefs > 0) syncForCpu(ctx, frame);
  if (rc !== 0) return rc;
  TeeIoctlOpenSessionArg.session.set(arg.view, 0, session.session);
  TeeIoctlOpenSessionArg.ret.set(arg.view, 0, session.ret);
  TeeIoctlOpenSessionArg.retOrigin.set(arg.view, 0, session.retOrigin);
  arg.put(TeeIoctlOpenSessionArg.session.offset, TeeIoctlOpenSessionArg.numParams.offset);
  paramsToUser(ctx, frame, OPEN_SIZE);
  if (arg.flush(mm)) return 0;
  // User space has not learnt of the session, so nobody would close it.
  if (ctx.ops.closeSession !== undefined) yield* ctx.ops.closeSession(ctx, session.session);
  return -EFAULT;
}

function checkLogin(ctx: TeeContext, login: number): number {
  const reserved =
    login >= TEE_IOCTL_LOGIN_REE_KERNEL_MIN && login <= TEE_IOCTL_LOGIN_REE_KERNEL_MAX;
  if (!reserved) return 0;
  return refuse(ctx.trace, EPERM, `login 0x${login.toString(16)} is for kernel clients`);
}

/** TEE_IOC_INVOKE: as OPEN_SESSION, for a command of a session. */
export function teeIoctlInvoke(ctx: TeeContext, current: TaskStruct, at: Va): MaybeCo<number> {
  if (ctx.ops.invokeFunc === undefined) return noSuchOperation(ctx);
  const { mm } = current.process;
  const frame = ctx.teedev.frames.take();
  const rc = loadInvoke(ctx, mm, frame, at);
  return typeof rc === 'number'
    ? invokeLoaded(ctx, mm, frame, rc)
    : invokeLoading(ctx, mm, frame, rc);
}

function loadInvoke(ctx: TeeContext, mm: UserMemory, frame: IoctlFrame, at: Va): MaybeCo<number> {
  const { arg } = frame;
  let rc = openArg(ctx, mm, arg, at, INVOKE_SIZE);
  if (rc !== 0) return rc;
  const count = TeeIoctlInvokeArg.numParams.get(arg.view, 0);
  rc = checkLength(ctx, arg, INVOKE_SIZE, count);
  return rc === 0 ? paramsFromUser(ctx, mm, frame, INVOKE_SIZE, count) : rc;
}

function* invokeLoading(
  ctx: TeeContext,
  mm: UserMemory,
  frame: IoctlFrame,
  loading: Co<number>,
): Co<number> {
  return yield* endOf(invokeLoaded(ctx, mm, frame, yield* loading));
}

function invokeLoaded(
  ctx: TeeContext,
  mm: UserMemory,
  frame: IoctlFrame,
  loaded: number,
): MaybeCo<number> {
  if (loaded !== 0) return leaveInvoke(ctx, frame, loaded);
  frame.invoke.load(frame.arg.view);
  const rc = ctx.ops.invokeFunc!(ctx, frame.invoke, frame.params);
  if (typeof rc !== 'number') return waitForInvoke(ctx, mm, frame, rc);
  return leaveInvoke(ctx, frame, reportInvoke(ctx, mm, frame, rc));
}

function* waitForInvoke(
  ctx: TeeContext,
  mm: UserMemory,
  frame: IoctlFrame,
  call: Co<number>,
): Co<number> {
  const rc = reportInvoke(ctx, mm, frame, yield* call);
  return yield* endOf(leaveInvoke(ctx, frame, rc));
}

function leaveInvoke(ctx: TeeContext, frame: IoctlFrame, rc: number): MaybeCo<number> {
  if (frame.memrefs > 0 && !tryPutMemrefs(frame)) return putAndLeave(ctx, frame, rc);
  ctx.teedev.frames.give(frame);
  return rc;
}

function* putAndLeave(ctx: TeeContext, frame: IoctlFrame, rc: number): Co<number> {
  yield* putMemrefs(frame);
  ctx.teedev.frames.give(frame);
  return rc;
}

function reportInvoke(ctx: TeeContext, mm: UserMemory, frame: IoctlFrame, rc: number): number {
  const { arg, invoke } = frame;
  if (frame.memrefs > 0) syncForCpu(ctx, frame);
  if (rc !== 0) return rc;
  TeeIoctlInvokeArg.ret.set(arg.view, 0, invoke.ret);
  TeeIoctlInvokeArg.retOrigin.set(arg.view, 0, invoke.retOrigin);
  arg.put(TeeIoctlInvokeArg.ret.offset, TeeIoctlInvokeArg.numParams.offset);
  paramsToUser(ctx, frame, INVOKE_SIZE);
  return arg.flush(mm) ? 0 : -EFAULT;
}

/** TEE_IOC_CANCEL: what an operation in progress is asked to do. */
export function* teeIoctlCancel(ctx: TeeContext, current: TaskStruct, at: Va): Co<number> {
  if (ctx.ops.cancelReq === undefined) return noSuchOperation(ctx);
  const { cancelId, session, byteLength } = TeeIoctlCancelArg;
  const view = new DataView(new ArrayBuffer(byteLength));
  if (!current.process.mm.read(at, new Uint8Array(view.buffer))) return -EFAULT;
  return yield* ctx.ops.cancelReq(ctx, cancelId.get(view, 0), session.get(view, 0));
}

/** TEE_IOC_CLOSE_SESSION */
export function* teeIoctlCloseSession(ctx: TeeContext, current: TaskStruct, at: Va): Co<number> {
  if (ctx.ops.closeSession === undefined) return noSuchOperation(ctx);
  const { session, byteLength } = TeeIoctlCloseSessionArg;
  const view = new DataView(new ArrayBuffer(byteLength));
  if (!current.process.mm.read(at, new Uint8Array(view.buffer))) return -EFAULT;
  return yield* ctx.ops.closeSession(ctx, session.get(view, 0));
}
