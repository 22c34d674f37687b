/**
 * Who holds a session: operations have it for themselves, cancellation only looks at it, and closing
 * waits until nobody does either.
 *
 * Upstream counterpart: optee_os core/kernel/tee_ta_manager.c (tee_ta_get_session(),
 * tee_ta_put_session(), tee_ta_unlink_session()).
 */
import type { Co } from '../../sched/task.ts';
import type { SecureMutex } from './mutex.ts';
import type { SessionList, TeeTaSession } from './session.ts';
import type { ThreadCtx } from './thread.ts';

export class SessionLock {
  readonly #mutex: SecureMutex;

  /** @param mutex tee_ta_mutex */
  constructor(mutex: SecureMutex) {
    this.#mutex = mutex;
  }

  /**
   * Takes a session for this thread alone if that needs neither wait nor choice. Otherwise, and when
   * there is none, undefined: then `get` decides.
   */
  tryGet(thread: ThreadCtx, id: number, list: SessionList): TeeTaSession | undefined {
    const session = list.find(id);
    if (session === undefined || session.lockThread !== undefined) return undefined;
    if (session.unlink || !this.#mutex.idle) return undefined;
    session.refCount += 1;
    session.lockThread = thread;
    return session;
  }

  /** tee_ta_get_session() @param exclusive for this thread alone */
  *get(
    thread: ThreadCtx,
    id: number,
    exclusive: boolean,
    list: SessionList,
  ): Co<TeeTaSession | undefined> {
    yield* this.#mutex.lock(thread);
    let session = list.find(id);
    if (session?.unlink === true) session = undefined;
    if (session !== undefined) {
      session.refCount += 1;
      if (exclusive && !(yield* this.#take(thread, session))) session = undefined;
    }
    yield* this.#mutex.unlock(thread);
    return session;
  }

  /** tee_ta_put_session() if nobody waits; else `yield* put(...)`. */
  tryPut(thread: ThreadCtx, session: TeeTaSession): boolean {
    if (!this.#mutex.idle) return false;
    if (session.lockThread === thread) session.lockThread = undefined;
    session.refCount -= 1;
    return true;
  }

  *put(thread: ThreadCtx, session: TeeTaSession): Co<void> {
    yield* this.#mutex.lock(thread);
    if (session.lockThread === thread) {
      session.lockThread = undefined;
      session.lockCv.signal();
    }
    decRefCount(session);
    yield* this.#mutex.unlock(thread);
  }

  /** tee_ta_unlink_session() @param session held by this thread */
  *unlink(thread: ThreadCtx, session: TeeTaSession, list: SessionList): Co<void> {
    yield* this.#mutex.lock(thread);
    session.unlink = true;
    session.lockCv.broadcast();
    while (session.refCount !== 1) yield* session.refcCv.wait(thread);
    list.remove(session);
    yield* this.#mutex.unlock(thread);
  }

  *#take(thread: ThreadCtx, session: TeeTaSession): Co<boolean> {
    while (session.lockThread !== undefined && !session.unlink) yield* session.lockCv.wait(thread);
    if (session.unlink) {
      decRefCount(session);
      return false;
    }
    session.lockThread = thread;
    return true;
  }
}

/** dec_session_ref_count(), under the mutex. */
function decRefCount(session: TeeTaSession): void {
  session.refCount -= 1;
  if (session.refCount === 1) session.refcCv.signal();
}
