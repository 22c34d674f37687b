/**
 * Sessions with TAs, and the lists they are in: one of the normal world, one of each user TA that
 * opened some.
 *
 * Upstream counterpart: optee_os core/include/kernel/tee_ta_manager.h (struct tee_ta_session) and
 * core/kernel/tee_ta_manager.c. Left out: profiling buffers.
 */
import { NIL_UUID } from '../../abi/uuid.ts';
import { TEE_LOGIN_PUBLIC } from '../../abi/gp.ts';
import type { TaParams } from '../../ta/runtime.ts';
import { Condvar } from './mutex.ts';
import type { SecureMutex } from './mutex.ts';
import type { TeeTaCtx } from './ta-context.ts';
import type { ThreadCtx } from './thread.ts';

/** sizeof(struct tee_ta_session) on a 64-bit machine, about. */
export const SESSION_BYTES = 232;

const MAX_U32 = 0xffff_ffff;

/** TEE_Identity: who opened a session. */
export interface TeeIdentity {
  /** TEE_LOGIN_* */
  readonly login: number;
  readonly uuid: string;
}

const NOBODY: TeeIdentity = { login: TEE_LOGIN_PUBLIC, uuid: NIL_UUID };

export class TeeTaSession {
  readonly id: number;
  /** Names the session to its TA: unlike ids, which repeat in each list, used once. */
  readonly uref: number;
  ctx: TeeTaCtx | undefined;
  /** Set when the TA is entered for the first time. */
  clientId: TeeIdentity = NOBODY;
  /** Parameters of the operation under way. */
  param: TaParams | undefined;
  /** 0 until the TA or the core has set one. */
  errOrigin = 0;
  cancel = false;
  cancelMask = true;
  /** Milliseconds of system time; Infinity without a deadline. */
  cancelAtMs = Infinity;
  refCount = 1;
  /** The thread that has the session for itself. */
  lockThread: ThreadCtx | undefined;
  unlink = false;
  readonly refcCv: Condvar;
  readonly lockCv: Condvar;
  /** What a pseudo TA keeps of this session: a number, as upstream's is a pointer. */
  userCtx = 0;
  /** Neighbours in its list. */
  prev: TeeTaSession | undefined;
  next: TeeTaSession | undefined;

  constructor(id: number, uref: number, thread: ThreadCtx, mutex: SecureMutex) {
    this.id = id;
    this.uref = uref;
    this.lockThread = thread;
    this.refcCv = new Condvar(mutex);
    this.lockCv = new Condvar(mutex);
  }

  /** A user TA has returned: the next operation starts uncancelled, and masked. */
  resetCancel(): void {
    this.cancel = false;
    this.cancelMask = true;
  }
}

/** struct tee_ta_session_head: in the order of opening, with look-up by id. */
export class SessionList {
  readonly #byId = new Map<number, TeeTaSession>();
  #first: TeeTaSession | undefined;
  #last: TeeTaSession | undefined;

  get size(): number {
    return this.#byId.size;
  }

  get first(): TeeTaSession | undefined {
    return this.#first;
  }

  find(id: number): TeeTaSession | undefined {
    return this.#byId.get(id);
  }

  [Symbol.iterator](): IterableIterator<TeeTaSession> {
    return this.#byId.values();
  }

  /** new_session_id(): one more than the last opened; 0 when all are taken. */
  newId(): number {
    const start = this.#last === undefined ? 1 : after(this.#last.id);
    let id = start;
    do {
      if (!this.#byId.has(id)) return id;
      id = after(id);
    } while (id !== start);
    return 0;
  }

  add(session: TeeTaSession): void {
    this.#byId.set(session.id, session);
    session.prev = this.#last;
    if (this.#last === undefined) this.#first = session;
    else this.#last.next = session;
    this.#last = session;
  }

  remove(session: TeeTaSession): void {
    this.#byId.delete(session.id);
    const { prev, next } = session;
    if (prev === undefined) this.#first = next;
    else prev.next = next;
    if (next === undefined) this.#last = prev;
    else next.prev = prev;
  }
}

/** 0 is no session. */
const after = (id: number): number => (id === MAX_U32 ? 1 : id + 1);
