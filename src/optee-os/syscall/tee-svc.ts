/**
 * The system calls of one user TA that are neither cryptography nor storage: log, panic, properties,
 * sessions with other TAs, cancellation, time, memory.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc.c, core/kernel/scall.c. Left out: checks of
 * user addresses, which are the door's. Memory is asked for by the runtime, as ldelf does.
 */
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CANCEL,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_LOGIN_TRUSTED_APP,
  TEE_NUM_PARAMS,
  TEE_ORIGIN_TEE,
  TEE_PARAM_TYPE_GET,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_SCN_CACHE_OPERATION,
  TEE_SCN_CLOSE_TA_SESSION,
  TEE_SCN_GET_CANCELLATION_FLAG,
  TEE_SCN_GET_PROPERTY,
  TEE_SCN_GET_PROPERTY_NAME_TO_INDEX,
  TEE_SCN_GET_TIME,
  TEE_SCN_INVOKE_TA_COMMAND,
  TEE_SCN_MASK_CANCELLATION,
  TEE_SCN_OPEN_TA_SESSION,
  TEE_SCN_CRYP_RANDOM_NUMBER_GENERATE,
  TEE_SCN_SET_TA_TIME,
  TEE_SCN_UNMASK_CANCELLATION,
  TEE_SCN_WAIT,
  UTEE_CACHE_OPERATION,
  UTEE_TIME_CAT_REE,
  UTEE_TIME_CAT_SYSTEM,
  UTEE_TIME_CAT_TA_PERSISTENT,
} from '../../abi/utee.ts';
import {
  TA_FLAG_CACHE_MAINTENANCE,
  TA_FLAG_DONT_CLOSE_HANDLE_ON_CORRUPT_OBJECT,
} from '../../abi/ta-head.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import { TaPanic } from '../../ta/runtime.ts';
import type { PropertyOut, SessionOut, TaParams, TaSyscalls, TaTime } from '../../ta/runtime.ts';
import type { CryptoServices } from '../crypto/contexts.ts';
import type { Guest } from '../guest.ts';
import type { TeeIdentity, TeeTaSession } from '../kernel/session.ts';
import type { TaManager } from '../kernel/tee-ta-manager.ts';
import { sysTimeMs } from '../kernel/tee-time.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { fitsBounceBuffer } from '../kernel/user-access.ts';
import type { UserTaCtx } from '../kernel/user-ta.ts';
import { CryptoSyscalls } from './svc-cryp.ts';
import { SvcStorage } from './svc-storage.ts';
import { objectOfType } from './cryp-object.ts';
import type { CryptoObject } from './cryp-object.ts';
import { ObjectTable } from './tee-obj.ts';
import { teeUuid } from '../storage/tee-fs.ts';
import { propertyAt, propertyIndex } from './properties.ts';

const CACHE_OPERATIONS: ReadonlySet<number> = new Set(Object.values(UTEE_CACHE_OPERATION));

export class TeeSvc implements TaSyscalls {
  readonly crypto: CryptoSyscalls;
  readonly storage: SvcStorage<CryptoObject>;
  readonly #guest: Guest;
  readonly #manager: TaManager;
  readonly #ctx: UserTaCtx;
  readonly #identity: TeeIdentity;
  readonly #objects: ObjectTable;
  /** Pieces of TA RAM that the instance holds: pages by first address. */
  readonly #memory = new Map<number, number>();

  constructor(guest: Guest, manager: TaManager, ctx: UserTaCtx) {
    const { nexus, heap } = guest;
    this.#guest = guest;
    this.#manager = manager;
    this.#ctx = ctx;
    this.#identity = { login: TEE_LOGIN_TRUSTED_APP, uuid: ctx.uuid };
    this.#objects = new ObjectTable(heap);
    this.crypto = new CryptoSyscalls({
      services: this.#services(),
      trace: nexus.trace,
      heap,
      objects: this.#objects,
    });
    this.storage = this.#makeStorage();
  }

  /** The context is gone: nothing of it stays behind. */
  *release(): Co<void> {
    yield* this.crypto.freeStates();
    yield* this.#objects.closeAll();
    yield* this.storage.closeEnums();
    for (const [base, pages] of this.#memory) this.#guest.nexus.taRam.free(pa(base), pages);
    this.#memory.clear();
  }

  log(text: string): void {
    this.#guest.nexus.log.ta(this.#ctx.uuid, text);
  }

  panic(code: number): never {
    throw new TaPanic(code, `TEE_Panic(0x${code.toString(16)})`, '');
  }

  // --- properties
  getProperty(set: number, index: number, out: PropertyOut): number {
    this.#trace(TEE_SCN_GET_PROPERTY);
    return propertyAt(this.#guest.nexus, this.#session, set, index, out);
  }

  getPropertyNameToIndex(set: number, name: string, out: { index: number }): number {
    this.#trace(TEE_SCN_GET_PROPERTY_NAME_TO_INDEX);
    return propertyIndex(set, name, out);
  }

  // --- sessions with other TAs
  *openTaSession(uuid: string, timeoutMs: number, params: TaParams, out: SessionOut): Co<number> {
    this.#trace(TEE_SCN_OPEN_TA_SESSION);
    out.origin = TEE_ORIGIN_TEE;
    if (!areParamsGiven(params)) return TEE_ERROR_BAD_PARAMETERS;
    const { thread, list } = this.#caller();
    const id = this.#identity;
    return yield* this.#manager.openSession(thread, list, uuid, id, timeoutMs, params, out);
  }

  *closeTaSession(session: number): Co<number> {
    this.#trace(TEE_SCN_CLOSE_TA_SESSION);
    const { thread, list } = this.#caller();
    return yield* this.#manager.closeSession(thread, session, list, this.#identity);
  }

  *invokeTaCommand(
    session: number,
    timeoutMs: number,
    command: number,
    params: TaParams,
    out: { origin: number },
  ): Co<number> {
    this.#trace(TEE_SCN_INVOKE_TA_COMMAND);
    const manager = this.#manager;
    const { sessions } = manager;
    const { thread, list } = this.#caller();
    const called =
      sessions.tryGet(thread, session, list) ?? (yield* sessions.get(thread, session, true, list));
    if (called === undefined) return TEE_ERROR_BAD_PARAMETERS;
    out.origin = TEE_ORIGIN_TEE;
    let res = TEE_ERROR_BAD_PARAMETERS;
    if (areParamsGiven(params)) {
      const id = this.#identity;
      res = yield* endOf(
        manager.invokeCommand(thread, called, id, timeoutMs, command, params, out),
      );
    }
    if (!sessions.tryPut(thread, called)) yield* sessions.put(thread, called);
    return res;
  }

  // --- cancellation
  getCancellationFlag(out: { cancel: boolean }): number {
    this.#trace(TEE_SCN_GET_CANCELLATION_FLAG);
    out.cancel = this.#isCancelled(this.#session, sysTimeMs(this.#guest.nexus));
    return TEE_SUCCESS;
  }

  unmaskCancellation(out: { masked: boolean }): number {
    this.#trace(TEE_SCN_UNMASK_CANCELLATION);
    return this.#setMask(false, out);
  }

  maskCancellation(out: { masked: boolean }): number {
    this.#trace(TEE_SCN_MASK_CANCELLATION);
    return this.#setMask(true, out);
  }

  /** tee_ta_session_is_cancelled() */
  #isCancelled(session: TeeTaSession, nowMs: number): boolean {
    return !session.cancelMask && (session.cancel || nowMs >= session.cancelAtMs);
  }

  #setMask(mask: boolean, out: { masked: boolean }): number {
    const session = this.#session;
    out.masked = session.cancelMask;
    session.cancelMask = mask;
    return TEE_SUCCESS;
  }

  // --- time
  /** syscall_wait(): the normal world may come back early; then what is left is waited for again. */
  *wait(timeoutMs: number): Co<number> {
    this.#trace(TEE_SCN_WAIT);
    const { nexus, time } = this.#guest;
    const session = this.#session;
    const base = sysTimeMs(nexus);
    for (;;) {
      const now = sysTimeMs(nexus);
      if (this.#isCancelled(session, now)) return TEE_ERROR_CANCEL;
      const elapsed = now - base;
      if (elapsed >= timeoutMs) return TEE_SUCCESS;
      yield* time.wait(this.#thread, timeoutMs - elapsed);
    }
  }

  *getTime(category: number, out: TaTime): Co<number> {
    this.#trace(TEE_SCN_GET_TIME);
    const { time } = this.#guest;
    switch (category) {
      case UTEE_TIME_CAT_SYSTEM:
        return time.system(out);
      case UTEE_TIME_CAT_TA_PERSISTENT:
        return time.persistent(this.#ctx.uuid, out);
      case UTEE_TIME_CAT_REE:
        return yield* time.ree(this.#thread, out);
      default:
        return TEE_ERROR_BAD_PARAMETERS;
    }
  }

  setTaTime(time: TaTime): number {
    this.#trace(TEE_SCN_SET_TA_TIME);
    return this.#guest.time.setPersistent(this.#ctx.uuid, time);
  }

  // --- memory and random numbers
  allocatePages(count: number): readonly Pa[] | undefined {
    if (count === 0) return [];
    const { nexus } = this.#guest;
    const base = nexus.taRam.alloc(count);
    if (base === undefined) return undefined;
    this.#memory.set(base, count);
    nexus.port.bytes(base, count * PAGE_SIZE, 'write').fill(0);
    return Array.from({ length: count }, (_, i) => pa(base + i * PAGE_SIZE));
  }

  freePages(pages: readonly Pa[]): void {
    const base = pages[0];
    if (base === undefined) return;
    if (this.#memory.get(base) !== pages.length) {
      throw new Error(`TA ${this.#ctx.uuid} frees pages that it was not given in one piece`);
    }
    this.#memory.delete(base);
    this.#guest.nexus.taRam.free(base, pages.length);
  }

  /** syscall_cryp_random_number_generate() */
  rng(out: Uint8Array): number {
    this.#trace(TEE_SCN_CRYP_RANDOM_NUMBER_GENERATE);
    if (!fitsBounceBuffer(this.#guest.nexus.trace, out.length)) return TEE_ERROR_OUT_OF_MEMORY;
    return this.#random(out);
  }

  /** syscall_cache_operation(): there are no caches, so that nothing is left to do. */
  cacheOperation(isPrivate: boolean, operation: number): number {
    this.#trace(TEE_SCN_CACHE_OPERATION);
    if ((this.#ctx.flags & TA_FLAG_CACHE_MAINTENANCE) === 0) return TEE_ERROR_NOT_SUPPORTED;
    if (isPrivate) return TEE_ERROR_ACCESS_DENIED;
    return CACHE_OPERATIONS.has(operation) ? TEE_SUCCESS : TEE_ERROR_NOT_SUPPORTED;
  }

  // --- cryptography and persistent objects
  #services(): CryptoServices {
    const { nexus } = this.#guest;
    const panic = (fn: string, text: string): Error => nexus.panic(this.#thread, fn, text);
    return {
      crypto: nexus.crypto,
      rng: (out) => this.#random(out),
      panic,
      ...(nexus.config.CFG_TEE_CORE_DEBUG && {
        assertion: (fn, text) => panic(fn, `assertion failed: ${text}`),
      }),
    };
  }

  #makeStorage(): SvcStorage<CryptoObject> {
    const { nexus, heap, storage } = this.#guest;
    const ctx = this.#ctx;
    return new SvcStorage({
      host: { heap, pobjs: storage.pobjs, thread: () => this.#thread },
      objects: this.#objects,
      make: objectOfType,
      uuid: teeUuid(ctx.uuid),
      fileOps: (id) => storage.fileOps(id),
      keepsCorruptHandles: () => (ctx.flags & TA_FLAG_DONT_CLOSE_HANDLE_ON_CORRUPT_OBJECT) !== 0,
      log: nexus.log,
      switches: nexus.switches,
      panic: (fn, text) => nexus.panic(this.#thread, fn, text),
    });
  }

  // --- who calls
  get #thread(): ThreadCtx {
    return this.#ctx.current;
  }

  /** ts_get_current_session() */
  get #session(): TeeTaSession {
    return this.#thread.sessions.at(-1)!;
  }

  #caller(): { thread: ThreadCtx; list: UserTaCtx['openSessions'] } {
    return { thread: this.#thread, list: this.#ctx.openSessions };
  }

  #random(out: Uint8Array): number {
    this.#guest.nexus.random.fill(out);
    return TEE_SUCCESS;
  }

  #trace(number: number): void {
    const { trace } = this.#guest.nexus;
    if (trace.all) trace.emit('ta', 'ta.syscall', { uuid: this.#ctx.uuid, number });
  }
}

/** utee_param_to_param(): a NULL reference has no bytes. */
function areParamsGiven(params: TaParams): boolean {
  for (let n = 0; n < TEE_NUM_PARAMS; n++) {
    const type = TEE_PARAM_TYPE_GET(params.types, n);
    if (type < TEE_PARAM_TYPE_MEMREF_INPUT || type > TEE_PARAM_TYPE_MEMREF_INOUT) continue;
    const slot = params.slots[n];
    const isNull = slot?.memref === undefined || slot.memref.pages.length === 0;
    if (slot === undefined || (isNull && slot.size > 0)) return false;
  }
  return true;
}
