/**
 * Persistent objects that are in use: who has opened one with which rights decides who else may, and
 * what a key may be used for is the same for all its handles.
 *
 * Upstream counterpart: optee_os core/tee/tee_pobj.c.
 */
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_DATA_FLAG_SHARE_READ,
  TEE_DATA_FLAG_SHARE_WRITE,
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { equalBytes } from './tee-fs.ts';
import type { StorageHeap, TeeFileOperations } from './tee-fs.ts';
import type { StorageMutex } from './tee-ree-fs.ts';

/** sizeof(struct tee_pobj) on a 64-bit machine. */
const POBJ_BYTES = 72;

/** enum tee_pobj_usage */
export type PobjUsage = 'open' | 'rename' | 'create' | 'enum';

/** `struct tee_pobj` */
export class TeePobj {
  /** TEE_UUID as it lies in memory. */
  readonly uuid: Uint8Array;
  objId: Uint8Array;
  /** TEE_DATA_FLAG_* of who came first. */
  readonly flags: number;
  readonly fops: TeeFileOperations;
  refcnt = 1;
  /** TEE_USAGE_* (`obj_info_usage`). */
  usage = 0;
  creating = false;
  /** Its file has a name of its own until its contents are complete. */
  temporary = false;

  constructor(uuid: Uint8Array, objId: Uint8Array, flags: number, fops: TeeFileOperations) {
    this.uuid = uuid;
    this.objId = objId;
    this.flags = flags;
    this.fops = fops;
  }

  /** pobj_need_usage_lock(): others may have it open, too. */
  get isShared(): boolean {
    return (this.flags & (TEE_DATA_FLAG_SHARE_WRITE | TEE_DATA_FLAG_SHARE_READ)) !== 0;
  }
}

const SHARES = [
  [TEE_DATA_FLAG_ACCESS_READ, TEE_DATA_FLAG_SHARE_READ],
  [TEE_DATA_FLAG_ACCESS_WRITE, TEE_DATA_FLAG_SHARE_WRITE],
] as const;

/**
 * tee_pobj_check_access(): meta is exclusive; who reads or writes must share it, and so must all
 * others; both share the same (TEE Internal Core API 5.7.1).
 */
export function checkAccess(oldFlags: number, newFlags: number): number {
  const either = oldFlags | newFlags;
  const both = oldFlags & newFlags;
  if ((either & TEE_DATA_FLAG_ACCESS_WRITE_META) !== 0) return TEE_ERROR_ACCESS_CONFLICT;
  for (const [access, share] of SHARES) {
    const unshared = (either & access) !== 0 && (both & share) === 0;
    const unequal = (either & share) !== (both & share);
    if (unshared || unequal) return TEE_ERROR_ACCESS_CONFLICT;
  }
  return TEE_SUCCESS;
}

export class TeePobjs {
  readonly #heap: StorageHeap;
  /** pobjs_mutex and pobjs_usage_mutex */
  readonly #mutex: StorageMutex;
  readonly #usageMutex: StorageMutex;
  readonly #pobjs: TeePobj[] = [];

  constructor(heap: StorageHeap, mutex: StorageMutex, usageMutex: StorageMutex) {
    this.#heap = heap;
    this.#mutex = mutex;
    this.#usageMutex = usageMutex;
  }

  /** Objects in use; for leak reports. */
  get count(): number {
    return this.#pobjs.length;
  }

  /** tee_pobj_get() @returns else a TEE_Result */
  *get(
    thread: ThreadCtx,
    uuid: Uint8Array,
    objId: Uint8Array,
    flags: number,
    usage: PobjUsage,
    fops: TeeFileOperations,
  ): Co<TeePobj | number> {
    yield* this.#mutex.lock(thread);
    const found = this.#pobjs.findLast(
      (o) => equalBytes(o.objId, objId) && equalBytes(o.uuid, uuid) && o.fops === fops,
    );
    const result =
      found === undefined ? this.#add(uuid, objId, flags, usage, fops) : share(found, flags, usage);
    yield* this.#mutex.unlock(thread);
    return result;
  }

  /** tee_pobj_create_final(): from now on others may open it. */
  *createFinal(thread: ThreadCtx, po: TeePobj): Co<void> {
    yield* this.#mutex.lock(thread);
    po.creating = false;
    po.temporary = false;
    yield* this.#mutex.unlock(thread);
  }

  /** tee_pobj_release() */
  *release(thread: ThreadCtx, po: TeePobj): Co<void> {
    yield* this.#mutex.lock(thread);
    po.refcnt -= 1;
    if (po.refcnt === 0) {
      this.#pobjs.splice(this.#pobjs.indexOf(po), 1);
      this.#heap.free(po.objId.length);
      this.#heap.free(POBJ_BYTES);
    }
    yield* this.#mutex.unlock(thread);
  }

  /** tee_pobj_rename() */
  *rename(thread: ThreadCtx, po: TeePobj, objId: Uint8Array): Co<number> {
    yield* this.#mutex.lock(thread);
    const res = this.#rename(po, objId);
    yield* this.#mutex.unlock(thread);
    return res;
  }

  /** tee_pobj_lock_usage() */
  *lockUsage(thread: ThreadCtx, po: TeePobj): Co<void> {
    if (po.isShared) yield* this.#usageMutex.lock(thread);
  }

  /** tee_pobj_unlock_usage() */
  *unlockUsage(thread: ThreadCtx, po: TeePobj): Co<void> {
    if (po.isShared) yield* this.#usageMutex.unlock(thread);
  }

  #add(
    uuid: Uint8Array,
    objId: Uint8Array,
    flags: number,
    usage: PobjUsage,
    fops: TeeFileOperations,
  ): TeePobj | number {
    if (!this.#heap.alloc(POBJ_BYTES, 'a persistent object')) return TEE_ERROR_OUT_OF_MEMORY;
    if (!this.#heap.alloc(objId.length, 'the id of a persistent object')) {
      this.#heap.free(POBJ_BYTES);
      return TEE_ERROR_OUT_OF_MEMORY;
    }
    const po = new TeePobj(uuid, objId.slice(), flags, fops);
    po.creating = usage === 'create';
    po.temporary = po.creating;
    this.#pobjs.push(po);
    return po;
  }

  #rename(po: TeePobj, objId: Uint8Array): number {
    if (po.refcnt !== 1) return TEE_ERROR_BAD_STATE;
    if (!this.#heap.alloc(objId.length, 'the id of a persistent object')) {
      return TEE_ERROR_OUT_OF_MEMORY;
    }
    this.#heap.free(po.objId.length);
    po.objId = objId.slice();
    return TEE_SUCCESS;
  }
}

/** One more user of an object that is in use. */
function share(po: TeePobj, flags: number, usage: PobjUsage): TeePobj | number {
  if (usage !== 'enum') {
    const creates = usage === 'create' && (flags & TEE_DATA_FLAG_OVERWRITE) === 0;
    if (po.creating || creates) return TEE_ERROR_ACCESS_CONFLICT;
    const res = checkAccess(po.flags, flags);
    if (res !== TEE_SUCCESS) return res;
  }
  po.refcnt += 1;
  return po;
}
