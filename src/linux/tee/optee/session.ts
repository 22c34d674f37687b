/**
 * Sessions: open, invoke, cancel, close. A session belongs to the context that opened it; its id is
 * the secure world's.
 * Upstream counterpart: drivers/tee/optee/call.c.
 */
import { EINVAL } from '../../../abi/errno.ts';
import { TEEC_ERROR_COMMUNICATION, TEEC_ORIGIN_COMMS, TEEC_SUCCESS } from '../../../abi/gp.ts';
import {
  OPTEE_MSG_ATTR_META,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_CMD_CANCEL,
  OPTEE_MSG_CMD_INVOKE_COMMAND,
  OPTEE_MSG_CMD_OPEN_SESSION,
  OpteeMsgArg,
  OpteeMsgParam,
  OpteeMsgParamValue,
  opteeMsgParamOffset,
} from '../../../abi/optee-msg.ts';
import { endOf } from '../../../sched/task.ts';
import type { Co, MaybeCo } from '../../../sched/task.ts';
import type { TaskStruct } from '../../process/process.ts';
import { teeSessionCalcClientUuid } from '../client-uuid.ts';
import type { TeeContext } from '../tee-context.ts';
import type { TeeInvoke, TeeOpenSession, TeeParam } from '../tee-drv.ts';
import { answer, refuse } from './cause.ts';
import { OpteeSession, dataOf } from './context.ts';
import type { MsgArg } from './msg-arg.ts';
import type { Optee } from './optee.ts';
import { closeSessionHelper } from './session-close.ts';

/** Parameters of OPEN_SESSION for the secure world itself: the TA's UUID, and the client's. */
const META_PARAMS = 2;
const META_ATTR = OPTEE_MSG_ATTR_TYPE_VALUE_INPUT | OPTEE_MSG_ATTR_META;
/** Where a message's first parameter is. */
const PARAMS = opteeMsgParamOffset(0);
const USER_PARAMS = opteeMsgParamOffset(META_PARAMS);

/**
 * optee_open_session(). Errors: -EINVAL for more than four parameters, UBUF, OBJREF and META ones,
 * and logins that there are not; -EPERM for a group that the caller is not in; -ENOMEM. Otherwise 0,
 * with the result in `arg`.
 */
export function* openSession(
  optee: Optee,
  ctx: TeeContext,
  arg: TeeOpenSession,
  params: readonly TeeParam[],
  current: TaskStruct | undefined,
): Co<number> {
  const { argCache } = optee;
  const msg =
    argCache.tryGet(params.length + META_PARAMS) ??
    (yield* argCache.get(ctx, params.length + META_PARAMS));
  if (typeof msg === 'number') return msg;
  const rc = fillOpenSession(optee, msg, arg, params, current);
  if (rc === 0) yield* openFilled(optee, ctx, msg, arg, params);
  if (!argCache.tryFree(msg)) yield* argCache.free(msg);
  return rc;
}

function fillOpenSession(
  optee: Optee,
  msg: MsgArg,
  arg: TeeOpenSession,
  params: readonly TeeParam[],
  current: TaskStruct | undefined,
): number {
  const { view } = optee.kernel.port;
  const { at } = msg;
  const ta = at + opteeMsgParamOffset(0);
  const client = at + opteeMsgParamOffset(1);
  OpteeMsgArg.cmd.set(view, at, OPTEE_MSG_CMD_OPEN_SESSION);
  OpteeMsgArg.cancelId.set(view, at, arg.cancelId);
  OpteeMsgParam.attr.setPair(view, ta, META_ATTR, 0);
  OpteeMsgParam.attr.setPair(view, client, META_ATTR, 0);
  OpteeMsgParam.octets.bytes(view, ta).set(arg.uuid);
  OpteeMsgParamValue.c.setPair(view, client, arg.clntLogin, 0);
  const uuid = teeSessionCalcClientUuid(optee.tee, arg.clntLogin, arg.clntUuid, current);
  if (typeof uuid === 'number') return uuid;
  OpteeMsgParam.octets.bytes(view, client).set(uuid);
  return optee.ops.toMsgParam(at + USER_PARAMS, params, false);
}

function* openFilled(
  optee: Optee,
  ctx: TeeContext,
  msg: MsgArg,
  arg: TeeOpenSession,
  params: readonly TeeParam[],
): Co<void> {
  const { view } = optee.kernel.port;
  const { at } = msg;
  const failed = yield* endOf(optee.ops.doCallWithArg(ctx, msg, false));
  if (failed !== 0) transportFailed(optee, at, failed);
  const session = OpteeMsgArg.session.get(view, at);
  if (OpteeMsgArg.ret.get(view, at) === TEEC_SUCCESS) yield* addSession(ctx, session);
  const update = optee.switches.updateOutOnly;
  if (optee.ops.fromMsgParam(params, at + USER_PARAMS, update) !== 0) {
    arg.ret = TEEC_ERROR_COMMUNICATION;
    arg.retOrigin = TEEC_ORIGIN_COMMS;
    // Nobody will hear of the session.
    yield* closeSession(optee, ctx, session);
    return;
  }
  arg.session = session;
  arg.ret = OpteeMsgArg.ret.get(view, at);
  arg.retOrigin = OpteeMsgArg.retOrigin.get(view, at);
}

function* addSession(ctx: TeeContext, id: number): Co<void> {
  const { mutex, sessions } = dataOf(ctx);
  if (!mutex.tryLock()) yield* mutex.lock();
  sessions.set(id, new OpteeSession(id));
  mutex.unlock();
}

/** optee_system_session(): -EINVAL for an unknown session, or when no thread can be kept for it. */
export function systemSession(optee: Optee, ctx: TeeContext, id: number): number {
  const session = dataOf(ctx).sessions.get(id);
  if (session === undefined) return unknownSession(optee, id);
  if (!session.useSysThread && !optee.callQueue.incrSysThreadCount()) {
    const { total } = optee.callQueue.threads;
    return refuse(optee.kernel.trace, EINVAL, 'no secure thread can be kept for system sessions', {
      limit: `CFG_NUM_THREADS=${total}`,
      hint: 'a secure world with two threads or more can spare one',
    });
  }
  session.useSysThread = true;
  return 0;
}

/** optee_close_session(): -EINVAL for a session that is not this context's. */
export function* closeSession(optee: Optee, ctx: TeeContext, id: number): Co<number> {
  const { mutex, sessions } = dataOf(ctx);
  if (!mutex.tryLock()) yield* mutex.lock();
  const session = sessions.get(id);
  sessions.delete(id);
  mutex.unlock();
  if (session === undefined) return unknownSession(optee, id);
  return yield* closeSessionHelper(optee, ctx, id, session.useSysThread);
}

/**
 * optee_invoke_func(). Errors: -EINVAL for a session that is not this context's, more than six
 * parameters, UBUF, OBJREF and META ones; -ENOMEM. Otherwise 0, with the result in `arg`.
 */
export function invokeFunc(
  optee: Optee,
  ctx: TeeContext,
  arg: TeeInvoke,
  params: readonly TeeParam[],
): MaybeCo<number> {
  const { mutex, sessions } = dataOf(ctx);
  if (!mutex.tryLock()) return invokeWhenFree(optee, ctx, arg, params);
  const session = sessions.get(arg.session);
  mutex.unlock();
  const msg = session && optee.argCache.tryGet(params.length);
  if (msg === undefined) return invokeWhenFree(optee, ctx, arg, params);
  return invokeWith(optee, ctx, msg, session!.useSysThread, arg, params);
}

/** Where a lock is held, a message has to be allocated, or there is no such session. */
function* invokeWhenFree(
  optee: Optee,
  ctx: TeeContext,
  arg: TeeInvoke,
  params: readonly TeeParam[],
): Co<number> {
  const { mutex, sessions } = dataOf(ctx);
  if (!mutex.tryLock()) yield* mutex.lock();
  const session = sessions.get(arg.session);
  mutex.unlock();
  if (session === undefined) return unknownSession(optee, arg.session);
  const systemThread = session.useSysThread;
  const msg = yield* optee.argCache.get(ctx, params.length);
  if (typeof msg === 'number') return msg;
  return yield* endOf(invokeWith(optee, ctx, msg, systemThread, arg, params));
}

function invokeWith(
  optee: Optee,
  ctx: TeeContext,
  msg: MsgArg,
  systemThread: boolean,
  arg: TeeInvoke,
  params: readonly TeeParam[],
): MaybeCo<number> {
  fillInvoke(optee.kernel.port.view, msg.at, arg);
  const rc = optee.ops.toMsgParam(msg.at + PARAMS, params, false);
  if (rc !== 0) return freeAfter(optee, msg, rc);
  const failed = optee.ops.doCallWithArg(ctx, msg, systemThread);
  if (typeof failed !== 'number') return waitForInvoke(optee, msg, failed, arg, params);
  readInvoke(optee, msg.at, failed, arg, params);
  return freeAfter(optee, msg, 0);
}

function* waitForInvoke(
  optee: Optee,
  msg: MsgArg,
  call: Co<number>,
  arg: TeeInvoke,
  params: readonly TeeParam[],
): Co<number> {
  readInvoke(optee, msg.at, yield* call, arg, params);
  return yield* endOf(freeAfter(optee, msg, 0));
}

/** Frees the message. @returns `rc` */
function freeAfter(optee: Optee, msg: MsgArg, rc: number): MaybeCo<number> {
  return optee.argCache.tryFree(msg) ? rc : freeWhenFree(optee, msg, rc);
}

function* freeWhenFree(optee: Optee, msg: MsgArg, rc: number): Co<number> {
  yield* optee.argCache.free(msg);
  return rc;
}

function fillInvoke(view: DataView, at: number, arg: TeeInvoke): void {
  OpteeMsgArg.cmd.set(view, at, OPTEE_MSG_CMD_INVOKE_COMMAND);
  OpteeMsgArg.func.set(view, at, arg.func);
  OpteeMsgArg.session.set(view, at, arg.session);
  OpteeMsgArg.cancelId.set(view, at, arg.cancelId);
}

/** @param failed what the secure world returned instead of the message's result; 0 for nothing */
function readInvoke(
  optee: Optee,
  at: number,
  failed: number,
  arg: TeeInvoke,
  params: readonly TeeParam[],
): void {
  const { view } = optee.kernel.port;
  if (failed !== 0) transportFailed(optee, at, failed);
  if (optee.ops.fromMsgParam(params, at + PARAMS, optee.switches.updateOutOnly) !== 0) {
    arg.ret = TEEC_ERROR_COMMUNICATION;
    arg.retOrigin = TEEC_ORIGIN_COMMS;
    return;
  }
  arg.ret = OpteeMsgArg.ret.get(view, at);
  arg.retOrigin = OpteeMsgArg.retOrigin.get(view, at);
}

/** optee_cancel_req(): -EINVAL for a session that is not this context's; else 0, whatever came. */
export function* cancelReq(
  optee: Optee,
  ctx: TeeContext,
  cancelId: number,
  id: number,
): Co<number> {
  const { argCache } = optee;
  const { view } = optee.kernel.port;
  const { mutex, sessions } = dataOf(ctx);
  if (!mutex.tryLock()) yield* mutex.lock();
  const session = sessions.get(id);
  mutex.unlock();
  if (session === undefined) return unknownSession(optee, id);
  const systemThread = session.useSysThread;
  const msg = argCache.tryGet(0) ?? (yield* argCache.get(ctx, 0));
  if (typeof msg === 'number') return msg;
  OpteeMsgArg.cmd.set(view, msg.at, OPTEE_MSG_CMD_CANCEL);
  OpteeMsgArg.session.set(view, msg.at, id);
  OpteeMsgArg.cancelId.set(view, msg.at, cancelId);
  yield* endOf(optee.ops.doCallWithArg(ctx, msg, systemThread));
  if (!argCache.tryFree(msg)) yield* argCache.free(msg);
  return 0;
}

/** The call did not get as far as the message: its result is the driver's. */
function transportFailed(optee: Optee, at: number, failed: number): void {
  const { view } = optee.kernel.port;
  const text = `the secure world did not take the message: it returned ${failed}`;
  const ret = answer(optee.kernel.trace, TEEC_ERROR_COMMUNICATION, text);
  OpteeMsgArg.ret.set(view, at, ret);
  OpteeMsgArg.retOrigin.set(view, at, TEEC_ORIGIN_COMMS);
}

function unknownSession(optee: Optee, id: number): number {
  return refuse(optee.kernel.trace, EINVAL, `this context has no session ${id}`, {
    hint: 'a session can be used through the file that opened it only',
  });
}
