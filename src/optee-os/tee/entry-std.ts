/**
 * Yielding calls by the command of their message: sessions, cancellation, shared memory,
 * notifications.
 *
 * Upstream counterpart: optee_os core/tee/entry_std.c. Left out: protected memory.
 */
import {
  OPTEE_MSG_ATTR_META,
  OPTEE_MSG_ATTR_NONCONTIG,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_CMD_CANCEL,
  OPTEE_MSG_CMD_CLOSE_SESSION,
  OPTEE_MSG_CMD_DO_BOTTOM_HALF,
  OPTEE_MSG_CMD_INVOKE_COMMAND,
  OPTEE_MSG_CMD_OPEN_SESSION,
  OPTEE_MSG_CMD_REGISTER_SHM,
  OPTEE_MSG_CMD_STOP_ASYNC_NOTIF,
  OPTEE_MSG_CMD_UNREGISTER_SHM,
  OpteeMsgArg,
  OpteeMsgParam,
  OpteeMsgParamRmem,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
  opteeMsgParamOffset,
} from '../../abi/optee-msg.ts';
import { OPTEE_SMC_RETURN_EBADCMD, OPTEE_SMC_RETURN_OK } from '../../abi/optee-smc.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_LOGIN,
  TEE_LOGIN_PUBLIC,
  TEE_LOGIN_REE_KERNEL,
  TEE_LOGIN_TRUSTED_APP,
  TEE_ORIGIN_TEE,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
} from '../../abi/gp.ts';
import { nameOf } from '../../abi/layout.ts';
import { NIL_UUID, getUuidOctets } from '../../abi/uuid.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import type { TeeIdentity, TeeTaSession } from '../kernel/session.ts';
import { NSAPP_IDENTITY } from '../kernel/tee-ta-manager.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { mobjFromNoncontig } from '../mm/msg-param.ts';
import { cleanupShmRefs, copyInParams, copyOutParams } from './msg-params.ts';

/** Parameters of OPEN_SESSION that are not the TA's. */
const NUM_META = 2;
const META_ATTR = OPTEE_MSG_ATTR_META | OPTEE_MSG_ATTR_TYPE_VALUE_INPUT;
const REGISTER_ATTR = OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT | OPTEE_MSG_ATTR_NONCONTIG;

type StdCall = (guest: Guest, thread: ThreadCtx) => MaybeCo<number>;

/** tee_entry_std(): a call, which ends with an OPTEE_SMC_RETURN_*. */
export function stdCall(guest: Guest, thread: ThreadCtx): MaybeCo<number> {
  const { view, at } = thread.arg;
  const cmd = OpteeMsgArg.cmd.get(view, at);
  const call = CALLS.get(cmd) ?? unknownCommand;
  return call(guest, thread);
}

/** entry_open_session() */
function* openSession(guest: Guest, thread: ThreadCtx): Co<number> {
  if (thread.preemptible) yield* thread.preempt();
  const { view, at } = thread.arg;
  const client = openSessionMeta(thread);
  const out = { session: 0, origin: TEE_ORIGIN_TEE };
  let res = TEE_ERROR_BAD_PARAMETERS;
  if (client !== undefined) {
    res = copyInParams(guest, thread, NUM_META);
    if (res === TEE_SUCCESS) {
      const uuid = getUuidOctets(view, at + opteeMsgParamOffset(0) + OpteeMsgParam.octets.offset);
      res = yield* guest.manager.openSession(
        thread,
        guest.openSessions,
        uuid,
        client,
        TEE_TIMEOUT_INFINITE,
        thread.params,
        out,
      );
      copyOutParams(thread, NUM_META);
    }
    if (cleanupShmRefs(thread)) yield* guest.shmRelease.announce(thread);
  }
  OpteeMsgArg.session.set(view, at, res === TEE_SUCCESS ? out.session : 0);
  return answer(thread, res, out.origin);
}

/** entry_invoke_command() */
function invokeCommand(guest: Guest, thread: ThreadCtx): MaybeCo<number> {
  return thread.preemptible ? invokePreempted(guest, thread) : invokeNow(guest, thread);
}

function* invokePreempted(guest: Guest, thread: ThreadCtx): Co<number> {
  yield* thread.preempt();
  return yield* endOf(invokeNow(guest, thread));
}

function invokeNow(guest: Guest, thread: ThreadCtx): MaybeCo<number> {
  const { manager, openSessions } = guest;
  const res = copyInParams(guest, thread, 0);
  if (res !== TEE_SUCCESS) return endInvoke(guest, thread, res, TEE_ORIGIN_TEE);
  const id = OpteeMsgArg.session.get(thread.arg.view, thread.arg.at);
  const session = manager.sessions.tryGet(thread, id, openSessions);
  if (session === undefined) return invokeWhenFree(guest, thread, id);
  return invokeSession(guest, thread, session);
}

function* invokeWhenFree(guest: Guest, thread: ThreadCtx, id: number): Co<number> {
  const session = yield* guest.manager.sessions.get(thread, id, true, guest.openSessions);
  return yield* endOf(
    session === undefined
      ? endInvoke(guest, thread, unknownSession(guest, id), TEE_ORIGIN_TEE)
      : invokeSession(guest, thread, session),
  );
}

/** @param session held by this thread */
function invokeSession(guest: Guest, thread: ThreadCtx, session: TeeTaSession): MaybeCo<number> {
  const { manager } = guest;
  const out = thread.invokeOut;
  out.origin = TEE_ORIGIN_TEE;
  const res = manager.invokeCommand(
    thread,
    session,
    NSAPP_IDENTITY,
    TEE_TIMEOUT_INFINITE,
    OpteeMsgArg.func.get(thread.arg.view, thread.arg.at),
    thread.params,
    out,
  );
  if (typeof res !== 'number' || !manager.sessions.tryPut(thread, session)) {
    return waitForInvoke(guest, thread, session, res);
  }
  copyOutParams(thread, 0);
  return endInvoke(guest, thread, res, out.origin);
}

function* waitForInvoke(
  guest: Guest,
  thread: ThreadCtx,
  session: TeeTaSession,
  invoked: MaybeCo<number>,
): Co<number> {
  const { sessions } = guest.manager;
  const res = yield* endOf(invoked);
  const { origin } = thread.invokeOut;
  if (!sessions.tryPut(thread, session)) yield* sessions.put(thread, session);
  copyOutParams(thread, 0);
  return yield* endOf(endInvoke(guest, thread, res, origin));
}

function endInvoke(guest: Guest, thread: ThreadCtx, res: number, origin: number): MaybeCo<number> {
  return cleanupShmRefs(thread)
    ? announceAndAnswer(guest, thread, res, origin)
    : answer(thread, res, origin);
}

function* announceAndAnswer(
  guest: Guest,
  thread: ThreadCtx,
  res: number,
  origin: number,
): Co<number> {
  yield* guest.shmRelease.announce(thread);
  return answer(thread, res, origin);
}

/** entry_close_session() */
function* closeSession(guest: Guest, thread: ThreadCtx): Co<number> {
  if (thread.preemptible) yield* thread.preempt();
  const { view, at } = thread.arg;
  if (thread.numParams > 0) return answer(thread, TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE);
  const id = OpteeMsgArg.session.get(view, at);
  const { manager, openSessions } = guest;
  const res = yield* manager.closeSession(thread, id, openSessions, NSAPP_IDENTITY);
  return answer(thread, res, TEE_ORIGIN_TEE);
}

/** entry_cancel(): the cancel id is not looked at. */
function* cancel(guest: Guest, thread: ThreadCtx): Co<number> {
  if (thread.preemptible) yield* thread.preempt();
  const { view, at } = thread.arg;
  const { manager, openSessions } = guest;
  if (thread.numParams > 0) return answer(thread, TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE);
  const id = OpteeMsgArg.session.get(view, at);
  const session = yield* manager.sessions.get(thread, id, false, openSessions);
  if (session === undefined) return answer(thread, unknownSession(guest, id), TEE_ORIGIN_TEE);
  const res = manager.cancelCommand(thread, session, NSAPP_IDENTITY);
  yield* manager.sessions.put(thread, session);
  return answer(thread, res, TEE_ORIGIN_TEE);
}

/** register_shm(): the origin is not written. */
function* registerShm(guest: Guest, thread: ThreadCtx): Co<number> {
  if (thread.preemptible) yield* thread.preempt();
  const { nexus, heap, shm } = guest;
  const { view, at } = thread.arg;
  const param = at + opteeMsgParamOffset(0);
  OpteeMsgArg.ret.set(view, at, TEE_ERROR_BAD_PARAMETERS);
  if (thread.numParams !== 1 || OpteeMsgParamTmem.attr.num(view, param) !== REGISTER_ATTR) {
    nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_BAD_PARAMETERS',
      text: 'REGISTER_SHM takes one parameter of type TMEM_OUTPUT|NONCONTIG',
      object: 'optee_msg_arg',
    });
    return OPTEE_SMC_RETURN_OK;
  }
  const base = OpteeMsgParamTmem.bufPtr.num(view, param);
  const size = OpteeMsgParamTmem.size.num(view, param);
  const lo = OpteeMsgParamTmem.shmRef.lo(view, param);
  const hi = OpteeMsgParamTmem.shmRef.hi(view, param);
  const mobj = mobjFromNoncontig(nexus, heap, shm, base, size, lo, hi, false);
  if (mobj === undefined) return OPTEE_SMC_RETURN_OK;
  if (nexus.sched.searching) yield* nexus.sched.point();
  // mobj_reg_shm_unguard()
  mobj.guarded = false;
  OpteeMsgArg.ret.set(view, at, TEE_SUCCESS);
  return OPTEE_SMC_RETURN_OK;
}

/** unregister_shm(): the attribute is not looked at. */
function* unregisterShm(guest: Guest, thread: ThreadCtx): Co<number> {
  if (thread.preemptible) yield* thread.preempt();
  const { view, at } = thread.arg;
  if (thread.numParams !== 1) return answer(thread, TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE);
  const param = at + opteeMsgParamOffset(0);
  const lo = OpteeMsgParamRmem.shmRef.lo(view, param);
  const hi = OpteeMsgParamRmem.shmRef.hi(view, param);
  const res = yield* guest.shmRelease.byCookie(thread, lo, hi);
  if (res !== TEE_SUCCESS) {
    const text = "Can't find mapping with given cookie";
    guest.nexus.log.emsg(thread, 'unregister_shm', text);
  }
  OpteeMsgArg.ret.set(view, at, res);
  return OPTEE_SMC_RETURN_OK;
}

/** DO_BOTTOM_HALF and STOP_ASYNC_NOTIF: nothing in the message is written. */
const notifCall = (event: 'DO_BOTTOM_HALF' | 'STOPPED'): StdCall =>
  function* (guest, thread) {
    if (thread.preemptible) yield* thread.preempt();
    if (!guest.nexus.config.CFG_CORE_ASYNC_NOTIF) return unknownCommand(guest, thread);
    yield* guest.notif.deliver(thread, event);
    return OPTEE_SMC_RETURN_OK;
  };

/** Calls that a build without dynamic shared memory does not know. */
const dynShmCall = (call: StdCall): StdCall => {
  return (guest, thread) =>
    guest.nexus.config.CFG_CORE_DYN_SHM ? call(guest, thread) : unknownCommand(guest, thread);
};

function unknownCommand(guest: Guest, thread: ThreadCtx): number {
  const cmd = OpteeMsgArg.cmd.get(thread.arg.view, thread.arg.at);
  guest.nexus.log.emsg(thread, '__tee_entry_std', `Unknown cmd 0x${cmd.toString(16)}`);
  return OPTEE_SMC_RETURN_EBADCMD;
}

const CALLS: ReadonlyMap<number, StdCall> = new Map<number, StdCall>([
  [OPTEE_MSG_CMD_OPEN_SESSION, openSession],
  [OPTEE_MSG_CMD_INVOKE_COMMAND, invokeCommand],
  [OPTEE_MSG_CMD_CLOSE_SESSION, closeSession],
  [OPTEE_MSG_CMD_CANCEL, cancel],
  [OPTEE_MSG_CMD_REGISTER_SHM, dynShmCall(registerShm)],
  [OPTEE_MSG_CMD_UNREGISTER_SHM, dynShmCall(unregisterShm)],
  [OPTEE_MSG_CMD_DO_BOTTOM_HALF, notifCall('DO_BOTTOM_HALF')],
  [OPTEE_MSG_CMD_STOP_ASYNC_NOTIF, notifCall('STOPPED')],
]);

/** get_open_session_meta(): who opens; undefined when the normal world may not say so. */
function openSessionMeta(thread: ThreadCtx): TeeIdentity | undefined {
  const { view, at } = thread.arg;
  if (thread.numParams < NUM_META) return undefined;
  const second = at + opteeMsgParamOffset(1);
  const isMeta =
    OpteeMsgParam.attr.num(view, at + opteeMsgParamOffset(0)) === META_ATTR &&
    OpteeMsgParam.attr.num(view, second) === META_ATTR;
  if (!isMeta) return undefined;
  const login = OpteeMsgParamValue.c.lo(view, second);
  if (login === TEE_LOGIN_PUBLIC || login === TEE_LOGIN_REE_KERNEL)
    return { login, uuid: NIL_UUID };
  if (login === TEE_LOGIN_TRUSTED_APP || nameOf(TEE_LOGIN, login) === undefined) return undefined;
  return { login, uuid: getUuidOctets(view, second + OpteeMsgParam.octets.offset) };
}

function unknownSession(guest: Guest, id: number): number {
  guest.nexus.trace.cause('secure', {
    layer: 'optee-os',
    code: 'TEE_ERROR_BAD_PARAMETERS',
    text: `the normal world has no session ${id}`,
    object: 'session',
    requested: id,
    available: guest.openSessions.size,
  });
  return TEE_ERROR_BAD_PARAMETERS;
}

/** Result and origin are written when everything else is done. */
function answer(thread: ThreadCtx, res: number, origin: number): number {
  const { view, at } = thread.arg;
  OpteeMsgArg.ret.set(view, at, res);
  OpteeMsgArg.retOrigin.set(view, at, origin);
  return OPTEE_SMC_RETURN_OK;
}
