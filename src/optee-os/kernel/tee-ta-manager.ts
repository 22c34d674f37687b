/**
 * The TA manager: opens, invokes, cancels and closes sessions, and decides who may enter a TA when.
 *
 * Upstream counterpart: optee_os core/kernel/tee_ta_manager.c. Left out: StMM, secure data path
 * checks, statistics of TA heaps.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BUSY,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_TARGET_DEAD,
  TEE_LOGIN_TRUSTED_APP,
  TEE_ORIGIN_TEE,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
} from '../../abi/gp.ts';
import { TA_FLAG_MULTI_SESSION } from '../../abi/ta-head.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { SessionOut, TaParams } from '../../ta/runtime.ts';
import type { CoreHeap } from '../mm/core-heap.ts';
import type { Nexus } from '../nexus.ts';
import { Condvar, SecureMutex } from './mutex.ts';
import type { Notif } from './notif.ts';
import { SESSION_BYTES, TeeTaSession } from './session.ts';
import type { SessionList, TeeIdentity } from './session.ts';
import { SessionLock } from './session-lock.ts';
import { TaContexts } from './ta-context.ts';
import type { TeeTaCtx } from './ta-context.ts';
import { TaEntryLock } from './ta-entry-lock.ts';
import { cancelDeadlineMs } from './tee-time.ts';
import type { TaStore } from './ta-store.ts';
import type { ThreadCtx } from './thread.ts';

/** Operation of a non-secure client: `NSAPP_IDENTITY`. */
export const NSAPP_IDENTITY = 'nsapp';
/** The core itself closes a session: `KERN_IDENTITY`. */
export const KERN_IDENTITY = 'kern';
export type Requester = TeeIdentity | typeof NSAPP_IDENTITY | typeof KERN_IDENTITY;

/** Finds and loads TAs for the manager. */
export interface TaLoader {
  /** Where user TAs are looked for, in order. */
  readonly stores: readonly TaStore[];
  /** tee_ta_init_pseudo_ta_session(), under the manager's mutex. */
  initPseudo(thread: ThreadCtx, uuid: string, session: TeeTaSession): number;
  /** tee_ta_init_user_ta_session(), under the manager's mutex: a context that is not loaded yet. */
  initUser(thread: ThreadCtx, uuid: string, session: TeeTaSession): number;
  /** The long part of it, without the mutex: it may leave for the normal world. */
  load(thread: ThreadCtx, session: TeeTaSession): Co<number>;
}

export class TaManager {
  /** tee_ta_mutex: guards sessions, contexts and `busy`. */
  readonly mutex: SecureMutex;
  /** tee_ta_init_cv */
  readonly #initCv: Condvar;
  readonly #nexus: Nexus;
  readonly #heap: CoreHeap;
  /** tee_ctxes */
  readonly contexts = new TaContexts();
  /** Who holds which session. */
  readonly sessions: SessionLock;
  readonly #entry: TaEntryLock;
  readonly #loader: TaLoader;
  #urefs = 0;

  constructor(nexus: Nexus, heap: CoreHeap, notif: Notif, makeLoader: (m: TaManager) => TaLoader) {
    this.#nexus = nexus;
    this.#heap = heap;
    this.mutex = new SecureMutex(nexus.sched, notif, 'tee_ta_mutex');
    this.#initCv = new Condvar(this.mutex);
    this.sessions = new SessionLock(this.mutex);
    this.#entry = new TaEntryLock(nexus, this.mutex);
    this.#loader = makeLoader(this);
  }

  /** `ta_stores` */
  get taStores(): readonly TaStore[] {
    return this.#loader.stores;
  }

  // --- operations
  /** tee_ta_open_session() @param out set on success only, but for the origin */
  *openSession(
    thread: ThreadCtx,
    list: SessionList,
    uuid: string,
    clientId: TeeIdentity,
    timeoutMs: number,
    param: TaParams,
    out: SessionOut,
  ): Co<number> {
    out.origin = TEE_ORIGIN_TEE;
    const session = yield* this.#initSession(thread, list, uuid);
    if (typeof session === 'number') {
      this.#debug(thread, 'tee_ta_open_session', `init session failed ${hex(session)}`);
      return session;
    }
    const ctx = session.ctx!;
    let res = TEE_ERROR_BUSY;
    let dead = false;
    const entered = this.#entry.tryNow(thread, ctx) || (yield* this.#entry.trySetBusy(thread, ctx));
    if (entered) {
      if (!ctx.panicked) {
        session.clientId = clientId;
        res = yield* this.#operate(
          session,
          param,
          timeoutMs,
          ctx.enterOpenSession(thread, session),
        );
      }
      dead = ctx.panicked;
      if (dead) {
        yield* this.#maybeRelease(thread, ctx);
        res = TEE_ERROR_TARGET_DEAD;
      }
      if (!this.#entry.clearNow(ctx)) yield* this.#entry.clearBusy(thread, ctx);
    }
    out.origin = dead || !entered ? TEE_ORIGIN_TEE : session.errOrigin;
    if (res !== TEE_SUCCESS) {
      const enter = entered || this.#nexus.switches.quirkBusyOpenPanics;
      yield* this.#close(thread, session, list, enter);
      const text = `Failed for TA ${uuid}. Return error ${hex(res)}`;
      this.#nexus.log.emsg(thread, 'tee_ta_open_session', text);
      return res;
    }
    out.session = session.id;
    if (this.#nexus.trace.calls) {
      this.#nexus.trace.emit('secure', 'session.open', { session: session.id, uuid });
    }
    if (!this.sessions.tryPut(thread, session)) yield* this.sessions.put(thread, session);
    return TEE_SUCCESS;
  }

  /** tee_ta_invoke_command() @param session held by this thread */
  invokeCommand(
    thread: ThreadCtx,
    session: TeeTaSession,
    requester: Requester,
    timeoutMs: number,
    cmd: number,
    param: TaParams,
    out: { origin: number },
  ): MaybeCo<number> {
    if (!this.#isClient(thread, session, requester)) return TEE_ERROR_BAD_PARAMETERS;
    return this.#entry.tryNow(thread, session.ctx!)
      ? this.#invokeEntered(thread, session, timeoutMs, cmd, param, out)
      : this.#invokeWhenFree(thread, session, timeoutMs, cmd, param, out);
  }

  *#invokeWhenFree(
    thread: ThreadCtx,
    session: TeeTaSession,
    timeoutMs: number,
    cmd: number,
    param: TaParams,
    out: { origin: number },
  ): Co<number> {
    yield* this.#entry.setBusy(thread, session.ctx!);
    return yield* endOf(this.#invokeEntered(thread, session, timeoutMs, cmd, param, out));
  }

  #invokeEntered(
    thread: ThreadCtx,
    session: TeeTaSession,
    timeoutMs: number,
    cmd: number,
    param: TaParams,
    out: { origin: number },
  ): MaybeCo<number> {
    const ctx = session.ctx!;
    let res: MaybeCo<number> = TEE_ERROR_TARGET_DEAD;
    if (!ctx.panicked) {
      session.param = param;
      session.cancelAtMs = this.#deadline(timeoutMs);
      res = ctx.enterInvokeCommand(thread, session, cmd);
    }
    if (typeof res !== 'number' || ctx.panicked || !this.#entry.clearNow(ctx)) {
      return this.#endInvoke(thread, session, res, out);
    }
    return this.#invoked(thread, session, res, session.errOrigin, out);
  }

  *#endInvoke(
    thread: ThreadCtx,
    session: TeeTaSession,
    entered: MaybeCo<number>,
    out: { origin: number },
  ): Co<number> {
    const ctx = session.ctx!;
    let res = yield* endOf(entered);
    let origin = session.errOrigin;
    if (ctx.panicked) {
      yield* this.#maybeRelease(thread, ctx);
      res = TEE_ERROR_TARGET_DEAD;
      origin = TEE_ORIGIN_TEE;
    }
    if (!this.#entry.clearNow(ctx)) yield* this.#entry.clearBusy(thread, ctx);
    return this.#invoked(thread, session, res, origin, out);
  }

  #invoked(
    thread: ThreadCtx,
    session: TeeTaSession,
    res: number,
    origin: number,
    out: { origin: number },
  ): number {
    session.param = undefined;
    out.origin = origin;
    if (this.#nexus.log.debug && res !== TEE_SUCCESS && res !== TEE_ERROR_SHORT_BUFFER) {
      this.#debug(thread, 'tee_ta_invoke_command', `Error: ${hex(res)} of ${origin}`);
    }
    return res;
  }

  /** tee_ta_cancel_command() */
  cancelCommand(thread: ThreadCtx, session: TeeTaSession, requester: Requester): number {
    if (!this.#isClient(thread, session, requester)) return TEE_ERROR_BAD_PARAMETERS;
    session.cancel = true;
    return TEE_SUCCESS;
  }

  /** tee_ta_close_session() */
  *closeSession(thread: ThreadCtx, id: number, list: SessionList, by: Requester): Co<number> {
    this.#debug(thread, 'tee_ta_close_session', `id ${id}`);
    const session =
      this.sessions.tryGet(thread, id, list) ?? (yield* this.sessions.get(thread, id, true, list));
    if (session === undefined) {
      const text = `session id ${id} to be removed is not found`;
      this.#nexus.log.emsg(thread, 'tee_ta_close_session', text);
      return TEE_ERROR_ITEM_NOT_FOUND;
    }
    if (!this.#isClient(thread, session, by)) {
      if (!this.sessions.tryPut(thread, session)) yield* this.sessions.put(thread, session);
      return TEE_ERROR_BAD_PARAMETERS;
    }
    if (this.#nexus.trace.calls) {
      const uuid = session.ctx?.uuid ?? '';
      this.#nexus.trace.emit('secure', 'session.close', { session: id, uuid });
    }
    yield* this.#close(thread, session, list, true);
    return TEE_SUCCESS;
  }

  /** One operation of a session, with its parameters and its deadline. */
  *#operate(session: TeeTaSession, param: TaParams, timeoutMs: number, co: Co<number>): Co<number> {
    session.param = param;
    session.cancelAtMs = this.#deadline(timeoutMs);
    const res = yield* co;
    session.param = undefined;
    return res;
  }

  // --- opening
  /** tee_ta_init_session(): a session with a context, or a TEE_Result. */
  *#initSession(thread: ThreadCtx, list: SessionList, uuid: string): Co<TeeTaSession | number> {
    if (!this.#heap.alloc(SESSION_BYTES, 'a session')) return TEE_ERROR_OUT_OF_MEMORY;
    yield* this.mutex.lock(thread);
    const id = list.newId();
    if (id === 0) {
      this.#heap.free(SESSION_BYTES);
      yield* this.mutex.unlock(thread);
      return TEE_ERROR_OVERFLOW;
    }
    const session = new TeeTaSession(id, ++this.#urefs, thread, this.mutex);
    list.add(session);
    let res = yield* this.#findContext(thread, session, uuid);
    if (res === TEE_ERROR_ITEM_NOT_FOUND) res = this.#loader.initPseudo(thread, uuid, session);
    const loads = res === TEE_ERROR_ITEM_NOT_FOUND;
    if (loads) res = this.#loader.initUser(thread, uuid, session);
    yield* this.mutex.unlock(thread);
    if (loads && res === TEE_SUCCESS) res = yield* this.#load(thread, session);
    if (res === TEE_SUCCESS) return session;
    yield* this.mutex.lock(thread);
    list.remove(session);
    yield* this.mutex.unlock(thread);
    this.#heap.free(SESSION_BYTES);
    return res;
  }

  /** tee_ta_init_session_with_context(): a TA that is loaded and takes another session. */
  *#findContext(thread: ThreadCtx, session: TeeTaSession, uuid: string): Co<number> {
    let ctx = this.contexts.first(uuid);
    while (ctx?.isInitializing === true) {
      yield* this.#initCv.wait(thread);
      // It may have been removed meanwhile.
      ctx = this.contexts.first(uuid);
    }
    if (ctx === undefined || !ctx.isSingleInstance) return TEE_ERROR_ITEM_NOT_FOUND;
    if ((ctx.flags & TA_FLAG_MULTI_SESSION) === 0 && ctx.refCount > 0) return this.#inUse(uuid);
    this.#debug(thread, 'tee_ta_init_session_with_context', `Re-open trusted service ${uuid}`);
    ctx.refCount += 1;
    session.ctx = ctx;
    return TEE_SUCCESS;
  }

  /** tee_ta_complete_user_ta_session() */
  *#load(thread: ThreadCtx, session: TeeTaSession): Co<number> {
    const ctx = session.ctx!;
    const res = yield* this.#loader.load(thread, session);
    yield* this.mutex.lock(thread);
    if (res === TEE_SUCCESS) {
      ctx.isInitializing = false;
    } else {
      session.ctx = undefined;
      this.contexts.remove(ctx);
      yield* ctx.destroy(thread);
    }
    this.#initCv.broadcast();
    yield* this.mutex.unlock(thread);
    return res;
  }

  #inUse(uuid: string): number {
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_BUSY',
      text: 'the TA has one instance, takes one session at a time, and has one',
      object: uuid,
      requested: 1,
      available: 0,
      limit: 'TA_FLAG_MULTI_SESSION',
      hint: 'close the other session, or give the TA TA_FLAG_MULTI_SESSION',
    });
    return TEE_ERROR_BUSY;
  }

  // --- closing
  /** close_session() @param session held by this thread @param enter whether the TA is told */
  *#close(thread: ThreadCtx, session: TeeTaSession, list: SessionList, enter: boolean): Co<void> {
    const ctx = session.ctx!;
    if (ctx.panicked || !enter) {
      yield* this.#destroySession(thread, session, list);
    } else {
      if (!this.#entry.tryNow(thread, ctx)) yield* this.#entry.setBusy(thread, ctx);
      session.cancelAtMs = Infinity;
      yield* ctx.enterCloseSession(thread, session);
      yield* this.#destroySession(thread, session, list);
      if (!this.#entry.clearNow(ctx)) yield* this.#entry.clearBusy(thread, ctx);
    }
    yield* this.mutex.lock(thread);
    if (ctx.refCount === 0) {
      throw this.#nexus.panic(thread, 'close_session', 'reference count of a TA below zero');
    }
    ctx.refCount -= 1;
    const gone = ctx.refCount === 0 && ((ctx.panicked && !ctx.keepCrashed) || !ctx.keepAlive);
    if (gone && !ctx.isReleasing) {
      this.contexts.remove(ctx);
      ctx.isReleasing = true;
    }
    yield* this.mutex.unlock(thread);
    if (!gone) return;
    this.#debug(thread, 'destroy_context', `Destroy TA ctx (${ctx.uuid})`);
    yield* ctx.destroy(thread);
  }

  /** destroy_session(): waits until nobody else looks at it. */
  *#destroySession(thread: ThreadCtx, session: TeeTaSession, list: SessionList): Co<void> {
    yield* this.sessions.unlink(thread, session, list);
    this.#heap.free(SESSION_BYTES);
  }

  /** maybe_release_ta_ctx(): a panicked TA is forgotten at once, unless it is to stay dead. */
  *#maybeRelease(thread: ThreadCtx, ctx: TeeTaCtx): Co<void> {
    if (ctx.keepCrashed) return;
    yield* this.mutex.lock(thread);
    const wasReleasing = ctx.isReleasing;
    ctx.isReleasing = true;
    if (!wasReleasing) {
      this.#debug(thread, 'maybe_release_ta_ctx', 'Releasing panicked TA ctx');
      this.contexts.remove(ctx);
    }
    yield* this.mutex.unlock(thread);
    if (!wasReleasing) yield* ctx.releaseState(thread);
  }

  // --- helpers
  /** check_client(): false is answered with a generic error on purpose. */
  #isClient(thread: ThreadCtx, session: TeeTaSession, requester: Requester): boolean {
    if (requester === KERN_IDENTITY) return true;
    const { login, uuid } = session.clientId;
    if (requester === NSAPP_IDENTITY) {
      if (login !== TEE_LOGIN_TRUSTED_APP) return true;
      this.#debug(thread, 'check_client', 'nsec tries to hijack TA session');
      return false;
    }
    if (requester.login === login && requester.uuid === uuid) return true;
    this.#debug(thread, 'check_client', 'client id mismatch');
    return false;
  }

  #deadline(timeoutMs: number): number {
    if (timeoutMs === TEE_TIMEOUT_INFINITE) return Infinity;
    return cancelDeadlineMs(this.#nexus, timeoutMs);
  }

  #debug(thread: ThreadCtx, fn: string, text: string): void {
    if (this.#nexus.log.debug) this.#nexus.log.dmsg(thread, fn, text);
  }
}

const hex = (res: number): string => `0x${res.toString(16)}`;
