/**
 * Shared buffers that a thread keeps for the length of one call, one for each kind of user, so that
 * a file that is read block by block asks the normal world for memory once.
 *
 * Upstream counterpart: optee_os core/kernel/thread.c (thread_rpc_shm_cache_alloc()).
 */
import { PAGE_SIZE, roundUp } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { Mobj } from '../mm/mobj.ts';
import type { Rpc } from './rpc.ts';
import type { ThreadCtx } from './thread.ts';

/** enum thread_shm_cache_user */
export type ShmCacheUser = 'socket' | 'fs' | 'i2c' | 'rpmb';

export interface RpcShmCacheEntry {
  /** OPTEE_RPC_SHM_TYPE_* */
  readonly type: number;
  readonly mobj: Mobj;
  /** Whole pages, in bytes. */
  readonly size: number;
}

export class RpcShmCache {
  readonly #rpc: Rpc;

  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** The buffer that is there already, if it has at least `size` bytes, which are not 0. */
  find(thread: ThreadCtx, user: ShmCacheUser, type: number, size: number): Mobj | undefined {
    const entry = thread.shmCache.get(user);
    return size > 0 && entry?.type === type && size <= entry.size ? entry.mobj : undefined;
  }

  /** A buffer of at least `size` bytes; undefined for 0 bytes or when there is none to be had. */
  *alloc(thread: ThreadCtx, user: ShmCacheUser, type: number, size: number): Co<Mobj | undefined> {
    if (size === 0) return undefined;
    const known = this.find(thread, user, type, size);
    if (known !== undefined) return known;
    // The normal world gives whole pages anyway.
    const bytes = roundUp(size, PAGE_SIZE);
    const entry = thread.shmCache.get(user);
    if (entry !== undefined) yield* this.#drop(thread, user, entry);
    const mobj = yield* this.#rpc.allocPayload(thread, bytes, type);
    if (mobj !== undefined) thread.shmCache.set(user, { type, mobj, size: bytes });
    return mobj;
  }

  /** thread_rpc_shm_cache_clear(): the call ends. */
  *clear(thread: ThreadCtx): Co<void> {
    for (const [user, entry] of thread.shmCache) yield* this.#drop(thread, user, entry);
  }

  *#drop(thread: ThreadCtx, user: ShmCacheUser, entry: RpcShmCacheEntry): Co<void> {
    thread.shmCache.delete(user);
    yield* this.#rpc.freePayload(thread, entry.mobj, entry.type);
  }
}
