/**
 * User TAs: a context with an instance that a TA runtime runs, the way in and out of it, and what is
 * left of it after a panic.
 *
 * Upstream counterparts: optee_os core/kernel/user_ta.c; lib/libutee/user_ta_entry.c for when a TA's
 * create and destroy entry points run. Left out: page tables (the runtime maps parameters), ftrace,
 * profiling.
 */
import {
  TEE_ERROR_BAD_FORMAT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_GENERIC,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_TARGET_DEAD,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { flagNames } from '../../abi/layout.ts';
import { TA_FLAG, TA_FLAG_CONCURRENT, TA_FLAGS_MASK } from '../../abi/ta-head.ts';
import { PAGE_SIZE, pagesFor } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { BusFault } from '../../machine/bus.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import { TaPanic } from '../../ta/runtime.ts';
import type { TaEntry, TaImage, TaInstance, TaParams } from '../../ta/runtime.ts';
import type { Guest } from '../guest.ts';
import { TeeSvc } from '../syscall/tee-svc.ts';
import { MMU_NUM_ASID_PAIRS } from '../mm/asid.ts';
import { SessionList } from './session.ts';
import type { TeeTaSession } from './session.ts';
import { reportPanic } from './ta-panic.ts';
import { TeeTaCtx } from './ta-context.ts';
import { KERN_IDENTITY } from './tee-ta-manager.ts';
import type { TaManager } from './tee-ta-manager.ts';
import type { ThreadCtx } from './thread.ts';

/** sizeof(struct user_ta_ctx) on a 64-bit machine, about. */
export const USER_TA_CTX_BYTES = 456;

/** Panic code of a TA that was aborted. Source: core/arch/arm/kernel/abort.c. */
const ABORT_PANIC_CODE = 0xdeadbeef;

export class UserTaCtx extends TeeTaCtx {
  /** Sessions that this TA has opened with others. */
  readonly openSessions = new SessionList();
  /** The thread that is inside, while `busy`. */
  thread: ThreadCtx | undefined;
  image: TaImage | undefined;
  /** Names the instance to the normal world (get_instance_id()); 0 before it is loaded. */
  asid = 0;
  readonly #guest: Guest;
  readonly #manager: TaManager;
  readonly #svc: TeeSvc;
  #instance: TaInstance | undefined;
  #stack: { base: Pa; pages: number } | undefined;
  /** TA_CreateEntryPoint has succeeded (libutee's `init_done`, which is never cleared). */
  #created = false;
  /** Sessions as the TA's own library counts them. */
  readonly #sessions = new Set<number>();
  #released = false;

  constructor(guest: Guest, manager: TaManager, uuid: string) {
    super(uuid, manager.mutex);
    this.#guest = guest;
    this.#manager = manager;
    this.#svc = new TeeSvc(guest, manager, this);
    this.isInitializing = true;
  }

  /** What ldelf does with a binary that was found. @returns a TEE_Result */
  start(thread: ThreadCtx, image: TaImage): number {
    const { head } = image;
    if ((head.flags & ~TA_FLAGS_MASK) !== 0 || (head.flags & TA_FLAG_CONCURRENT) !== 0) {
      return this.#badFlags(head.flags);
    }
    this.asid = this.#guest.nexus.asids.alloc();
    if (this.asid === 0) return this.#noAsid();
    const pages = pagesFor(head.stackSize);
    const base = this.#guest.nexus.taRam.alloc(pages);
    if (base === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    this.#stack = { base, pages };
    this.flags = head.flags;
    this.image = image;
    try {
      this.#instance = image.instantiate({
        syscalls: this.#svc,
        sched: this.#guest.nexus.sched,
        port: this.#guest.nexus.port,
        traceLevel: this.#guest.nexus.config.CFG_TEE_TA_LOG_LEVEL,
        preempt: () => this.current.preempt(),
      });
    } catch (error) {
      if (!(error instanceof TaPanic)) throw error;
      this.#guest.nexus.log.emsg(thread, 'ldelf_init_with_ldelf', 'ldelf panicked');
      const noMemory = error.code === TEE_ERROR_OUT_OF_MEMORY;
      return noMemory ? TEE_ERROR_OUT_OF_MEMORY : TEE_ERROR_GENERIC;
    }
    return TEE_SUCCESS;
  }

  /** The thread whose system calls are this TA's. */
  get current(): ThreadCtx {
    if (this.thread === undefined) throw new Error(`TA ${this.uuid} runs without being entered`);
    return this.thread;
  }

  *enterOpenSession(thread: ThreadCtx, session: TeeTaSession): Co<number> {
    return yield* endOf(this.#enter(thread, session, 'TA_OpenSessionEntryPoint', 0));
  }

  enterInvokeCommand(thread: ThreadCtx, session: TeeTaSession, cmd: number): MaybeCo<number> {
    return this.#enter(thread, session, 'TA_InvokeCommandEntryPoint', cmd);
  }

  *enterCloseSession(thread: ThreadCtx, session: TeeTaSession): Co<number> {
    return yield* endOf(this.#enter(thread, session, 'TA_CloseSessionEntryPoint', 0));
  }

  /** release_utc_state() */
  *releaseState(thread: ThreadCtx): Co<void> {
    const { openSessions } = this;
    for (let s = openSessions.first; s !== undefined; s = openSessions.first) {
      yield* this.#manager.closeSession(thread, s.id, openSessions, KERN_IDENTITY);
    }
    if (this.#released) return;
    this.#released = true;
    this.#instance?.destroy();
    // Closing files is this thread's system call, though the TA is not entered.
    this.thread = thread;
    yield* this.#svc.release();
    this.thread = undefined;
    if (this.asid !== 0) this.#guest.nexus.asids.free(this.asid);
    if (this.#stack !== undefined) {
      this.#guest.nexus.taRam.free(this.#stack.base, this.#stack.pages);
    }
  }

  *destroy(thread: ThreadCtx): Co<void> {
    yield* this.releaseState(thread);
    this.#guest.heap.free(USER_TA_CTX_BYTES);
  }

  /** user_ta_enter() */
  #enter(thread: ThreadCtx, session: TeeTaSession, entry: TaEntry, cmd: number): MaybeCo<number> {
    const refused = this.#begin(thread, session);
    if (refused !== TEE_SUCCESS) {
      session.resetCancel();
      return refused;
    }
    if (this.#guest.nexus.trace.calls) this.#traceEnter(session, entry, cmd);
    if (thread.preemptible) return this.#runPreempted(thread, session, entry, cmd);
    const res = this.#run(thread, session, entry, cmd);
    if (typeof res !== 'number' || thread.preemptible) {
      return this.#wait(thread, session, entry, res);
    }
    return this.#leave(thread, session, entry, res);
  }

  /** Runs the entry point as far as it goes without waiting. */
  #run(thread: ThreadCtx, session: TeeTaSession, entry: TaEntry, cmd: number): MaybeCo<number> {
    try {
      return entry === 'TA_InvokeCommandEntryPoint'
        ? this.#instance!.enter(entry, session.uref, cmd, session.param)
        : this.#openOrClose(session, entry);
    } catch (error) {
      return this.#died(thread, entry, error);
    }
  }

  *#runPreempted(
    thread: ThreadCtx,
    session: TeeTaSession,
    entry: TaEntry,
    cmd: number,
  ): Co<number> {
    yield* thread.preempt();
    const res = this.#run(thread, session, entry, cmd);
    return yield* this.#wait(thread, session, entry, res);
  }

  /** Waits for the end of an entry point, and is pre-empted at it. */
  *#wait(
    thread: ThreadCtx,
    session: TeeTaSession,
    entry: TaEntry,
    entered: MaybeCo<number>,
  ): Co<number> {
    let res = TEE_SUCCESS;
    try {
      res = yield* endOf(entered);
    } catch (error) {
      res = this.#died(thread, entry, error);
    }
    if (thread.preemptible) yield* thread.preempt();
    return this.#leave(thread, session, entry, res);
  }

  #leave(thread: ThreadCtx, session: TeeTaSession, entry: TaEntry, res: number): number {
    if (this.#guest.nexus.trace.calls) this.#traceLeave(session, entry, res);
    session.errOrigin = TEE_ORIGIN_TRUSTED_APP;
    thread.sessions.pop();
    thread.syscallRecursion -= 1;
    this.thread = undefined;
    session.resetCancel();
    return res;
  }

  /** Checks, and makes this TA the current one. */
  #begin(thread: ThreadCtx, session: TeeTaSession): number {
    if (thread.syscallRecursion >= this.#guest.nexus.config.CFG_CORE_MAX_SYSCALL_RECURSION) {
      return this.#tooDeep(thread);
    }
    const { param } = session;
    if (param !== undefined && param.types !== 0 && !canMap(param)) return TEE_ERROR_BAD_PARAMETERS;
    thread.syscallRecursion += 1;
    thread.sessions.push(session);
    this.thread = thread;
    return TEE_SUCCESS;
  }

  /** entry_open_session() and entry_close_session() of libutee. */
  *#openOrClose(session: TeeTaSession, entry: TaEntry): Co<number> {
    if (entry === 'TA_CloseSessionEntryPoint') {
      if (!this.#sessions.has(session.uref)) return TEE_ERROR_BAD_STATE;
      yield* endOf(this.#instance!.enter(entry, session.uref, 0, undefined));
      yield* this.#removeSession(session);
      return TEE_SUCCESS;
    }
    if (!this.#created) {
      const res = yield* endOf(this.#instance!.enter('TA_CreateEntryPoint', 0, 0, undefined));
      if (res !== TEE_SUCCESS) return res;
      this.#created = true;
    }
    this.#sessions.add(session.uref);
    const res = yield* endOf(this.#instance!.enter(entry, session.uref, 0, session.param));
    if (res !== TEE_SUCCESS) yield* this.#removeSession(session);
    return res;
  }

  /** ta_header_remove_session() */
  *#removeSession(session: TeeTaSession): Co<void> {
    this.#sessions.delete(session.uref);
    if (this.#sessions.size > 0 || this.keepAlive) return;
    yield* endOf(this.#instance!.enter('TA_DestroyEntryPoint', 0, 0, undefined));
  }

  /** The TA ended abnormally. Whatever else was thrown is no TA's doing and goes on. */
  #died(thread: ThreadCtx, entry: TaEntry, error: unknown): number {
    if (error instanceof BusFault) this.panicCode = ABORT_PANIC_CODE;
    else if (error instanceof TaPanic) this.panicCode = error.code;
    else throw error;
    this.panicked = true;
    reportPanic(this.#guest, thread, this, entry, error);
    return TEE_ERROR_TARGET_DEAD;
  }

  #badFlags(flags: number): number {
    this.#guest.nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_BAD_FORMAT',
      text: `the TA's flags ${flagNames(TA_FLAG, flags)} are not those of a user TA`,
      object: this.uuid,
    });
    return TEE_ERROR_BAD_FORMAT;
  }

  /** vm_info_init() */
  #noAsid(): number {
    this.#guest.nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_GENERIC',
      text: 'there are as many instances of TAs as there can be',
      object: this.uuid,
      requested: 1,
      available: 0,
      limit: `MMU_NUM_ASID_PAIRS=${MMU_NUM_ASID_PAIRS}`,
    });
    return TEE_ERROR_GENERIC;
  }

  #tooDeep(thread: ThreadCtx): number {
    const { nexus } = this.#guest;
    const limit = nexus.config.CFG_CORE_MAX_SYSCALL_RECURSION;
    if (nexus.log.debug) {
      const text = `Maximum allowed recursion depth reached (${limit})`;
      nexus.log.dmsg(thread, 'inc_recursion', text);
    }
    nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_OUT_OF_MEMORY',
      text: 'TAs call each other too deep',
      object: this.uuid,
      requested: limit + 1,
      available: limit,
      limit: `CFG_CORE_MAX_SYSCALL_RECURSION=${limit}`,
    });
    return TEE_ERROR_OUT_OF_MEMORY;
  }

  #traceEnter(session: TeeTaSession, entry: TaEntry, command: number): void {
    const args = { uuid: this.uuid, session: session.id, entry, command };
    this.#guest.nexus.trace.emit('ta', 'ta.enter', args);
  }

  #traceLeave(session: TeeTaSession, entry: TaEntry, result: number): void {
    const args = { uuid: this.uuid, session: session.id, entry, result };
    this.#guest.nexus.trace.emit('ta', 'ta.leave', args);
  }
}

/** vm_map_param(): a reference of no bytes is mapped too, so its address must be in the object. */
function canMap(param: TaParams): boolean {
  for (const { memref, size } of param.slots) {
    if (memref === undefined || size > 0 || memref.pages.length === 0) continue;
    if (memref.offset >= memref.pages.length * PAGE_SIZE) return false;
  }
  return true;
}
