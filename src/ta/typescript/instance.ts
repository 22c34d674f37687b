/**
 * One running TypeScript TA: a heap in secure RAM, the library over it, and the entry points that
 * its module made. Whatever goes wrong in there is a panic of the TA with the line where it did.
 *
 * What counts as a panic beside TEE_Panic, with code TEE_ERROR_GENERIC: an exception that nobody
 * caught; a result that is no TEE_Result; a call of the TEE while another one is under way; awaiting
 * a promise that nothing in the box will settle. A panic stays one when the TA catches it.
 *
 * Upstream counterpart: optee_os lib/libutee/user_ta_entry.c. Left out: pre-emption (JavaScript runs
 * until it returns or awaits).
 */
import {
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_GENERIC,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { pagesFor } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { BusFault } from '../../machine/bus.ts';
import { Body, isPromiseLike } from '../../sched/body.ts';
import { BoxHalted, ForeignAwait } from '../../sched/halt.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import { formatSite, siteIn } from '../gp/call-site.ts';
import type { TeeRuntime } from '../gp/core.ts';
import { EntryParams } from '../gp/entry-params.ts';
import { Heap } from '../gp/heap.ts';
import { Tee } from '../gp/tee.ts';
import type { MaybePromise } from '../gp/types.ts';
import { TaPanic } from '../runtime.ts';
import type { TaEntry, TaEnvironment, TaHead, TaInstance, TaParams } from '../runtime.ts';
import { TA_ENTRY_POINTS, TaSession } from './define.ts';
import type { TaDefinition, TaEntryPoints } from './define.ts';

/**
 * So many waits of a command have their place noted, which costs what a request to the normal world
 * does: a TA that awaits what it must not mostly does so at first. Of a later one the place is known
 * if it fails and the TA's functions await it.
 */
const NOTED_WAITS = 32;
/** Commands beyond so many share counts. */
const COUNTED_COMMANDS = 256;

/** What a call that has to be waited for has given to the TA. */
interface Wait<T> {
  given: Promise<T> | undefined;
}

export class TypeScriptInstance implements TaInstance, TeeRuntime {
  readonly head: TaHead;
  readonly environment: TaEnvironment;
  readonly heap: Heap;
  readonly noShareHeap: Heap | undefined;
  readonly entry = new EntryParams();
  readonly file: string;
  gone = false;

  readonly #definition: TaDefinition;
  readonly #origin: string;
  /** What the heaps stand in. */
  readonly #pages: (readonly Pa[])[] = [];
  readonly #body: Body;
  readonly #sessions = new Map<number, TaSession>();
  /** Stands for the session of entries that are for none. */
  readonly #noSession = new TaSession<unknown>(undefined);
  #points: TaEntryPoints<unknown> | undefined;
  /** The first error that ends the TA, whatever it does with it. */
  #fatal: unknown;
  /** Where the last call was made that had to be waited for, if noted, or where its failure came out. */
  #lastWait: Error | undefined;
  /** By command: waits so far whose place was noted. */
  readonly #waits = new Uint8Array(COUNTED_COMMANDS);

  /* The entry that runs; fields, so that entering one makes no closure. */
  #running: TaEntry = 'TA_CreateEntryPoint';
  #session: TaSession;
  #command = 0;
  #types = 0;
  readonly #start = (): unknown => this.#dispatch();

  /** @throws TaPanic with TEE_ERROR_OUT_OF_MEMORY when there is no memory for the heap */
  constructor(definition: TaDefinition, head: TaHead, origin: string, environment: TaEnvironment) {
    this.head = head;
    this.environment = environment;
    this.file = definition.site?.file ?? origin;
    this.#definition = definition;
    this.#origin = origin;
    this.#body = new Body(environment.sched, 'fail');
    this.#session = this.#noSession;
    this.heap = this.#makeHeap('heap', head.dataSize);
    const noShareBytes = definition.properties.noShareDataSize ?? 0;
    this.noShareHeap =
      noShareBytes === 0 ? undefined : this.#makeHeap('heap that is never shared', noShareBytes);
  }

  #makeHeap(name: string, bytes: number): Heap {
    const { syscalls, sched, port } = this.environment;
    const pages = syscalls.allocatePages(pagesFor(bytes));
    if (pages === undefined) {
      this.#freePages();
      const text = `no secure memory for a heap of ${bytes} bytes`;
      throw new TaPanic(TEE_ERROR_OUT_OF_MEMORY, text, this.#origin);
    }
    this.#pages.push(pages);
    return new Heap(sched.trace, `${name} of TA ${this.head.uuid}`, port, pages, bytes);
  }

  #freePages(): void {
    for (const pages of this.#pages) this.environment.syscalls.freePages(pages);
    this.#pages.length = 0;
  }

  enter(
    entry: TaEntry,
    session: number,
    command: number,
    params: TaParams | undefined,
  ): MaybeCo<number> {
    const found = this.#sessionFor(entry, session);
    if (found === undefined) return TEE_ERROR_BAD_STATE;
    this.#running = entry;
    this.#session = found;
    this.#command = command;
    this.#types = params?.types ?? 0;
    this.#lastWait = undefined;
    try {
      if (this.#types !== 0) this.entry.load(this.environment.port, params!);
      const returned = this.#body.begin(this.#start);
      if (isPromiseLike(returned)) return this.#settle(returned, session, params);
      return this.#leave(returned, session, params);
    } catch (error) {
      throw this.#end(this.#fatal ?? error);
    }
  }

  /** An entry point that has to be waited for. */
  *#settle(
    returned: PromiseLike<unknown>,
    session: number,
    params: TaParams | undefined,
  ): Co<number> {
    try {
      return this.#leave(yield* this.#body.settle(returned), session, params);
    } catch (error) {
      throw this.#end(this.#fatal ?? error);
    }
  }

  /** The entry point has returned. */
  #leave(returned: unknown, session: number, params: TaParams | undefined): number {
    const entry = this.#running;
    if (this.#fatal !== undefined) throw this.#fatal;
    const result = hasNoResult(entry) ? TEE_SUCCESS : teeResult(returned);
    if (this.#types !== 0) this.entry.store(params!);
    if (isEnd(entry, result)) this.#sessions.delete(session);
    return result;
  }

  destroy(): void {
    this.gone = true;
    this.#sessions.clear();
    this.#freePages();
  }

  // --- for the library
  call<T>(co: Co<T>): MaybePromise<T> {
    try {
      const result = this.#body.call(co);
      if (!isPromiseLike(result)) return result;
      this.#lastWait = this.#countWait() ? new Error('waits') : undefined;
      const wait: Wait<T> = { given: undefined };
      wait.given = this.#waited(result, wait);
      return wait.given;
    } catch (error) {
      this.panicked(error);
      throw error;
    }
  }

  async #waited<T>(running: PromiseLike<T>, wait: Wait<T>): Promise<T> {
    try {
      return await running;
    } catch (error) {
      // Behind the wait those functions of the TA are left on the stack that await this.
      const failed = new Error('failed');
      if (this.#lastWait === undefined && siteIn(this.file, failed)) this.#lastWait = failed;
      this.panicked(error);
      // The TA need not await what it called.
      wait.given?.then(undefined, nothing);
      throw error;
    }
  }

  /** Counts a wait. @returns whether its place is to be noted: not after many of this command */
  #countWait(): boolean {
    const command = this.#command % COUNTED_COMMANDS;
    const waits = this.#waits[command]!;
    if (waits < NOTED_WAITS) this.#waits[command] = waits + 1;
    return waits < NOTED_WAITS;
  }

  panicked(error: unknown): void {
    this.#fatal ??= error;
  }

  // --- entries
  #dispatch(): unknown {
    const points = this.#points ?? this.#create();
    const session = this.#session;
    const { params } = this.entry;
    switch (this.#running) {
      case 'TA_InvokeCommandEntryPoint':
        return points.TA_InvokeCommandEntryPoint(session, this.#command, this.#types, params);
      case 'TA_OpenSessionEntryPoint':
        return points.TA_OpenSessionEntryPoint(this.#types, params, session);
      case 'TA_CloseSessionEntryPoint':
        return points.TA_CloseSessionEntryPoint(session);
      case 'TA_CreateEntryPoint':
        return points.TA_CreateEntryPoint();
      case 'TA_DestroyEntryPoint':
        return points.TA_DestroyEntryPoint();
    }
  }

  /** The module's own start: what constructors of an ELF file are. */
  #create(): TaEntryPoints<unknown> {
    const points = this.#definition.create(new Tee(this));
    const missing = missingIn(points);
    if (missing.length > 0) {
      throw new TypeError(`the module's function returned no ${missing.join(', ')}`);
    }
    this.#points = points;
    return points;
  }

  /** The session that an entry is for; undefined when the TA knows none of that number. */
  #sessionFor(entry: TaEntry, number: number): TaSession | undefined {
    if (entry === 'TA_InvokeCommandEntryPoint') return this.#sessions.get(number);
    if (entry === 'TA_CloseSessionEntryPoint') return this.#sessions.get(number);
    if (entry !== 'TA_OpenSessionEntryPoint') return this.#noSession;
    const session = new TaSession<unknown>(undefined);
    this.#sessions.set(number, session);
    return session;
  }

  // --- the end
  /** What the secure world gets to see of an error that ended the TA. */
  #end(error: unknown): unknown {
    if (error instanceof BoxHalted) return error;
    this.gone = true;
    this.entry.unload();
    if (error instanceof BusFault) return error;
    if (error instanceof TaPanic) {
      const where = error.where === '' ? this.#where(error) : error.where;
      return new TaPanic(error.code, error.message, where, error);
    }
    if (error instanceof ForeignAwait) {
      const text = `${this.#running} awaits a promise that no function of tee returned`;
      return new TaPanic(TEE_ERROR_GENERIC, text, this.#where(this.#lastWait), error);
    }
    const what = error instanceof Error ? String(error) : `threw ${String(error)}`;
    const text = `${this.#running}: ${what}`;
    return new TaPanic(TEE_ERROR_GENERIC, text, this.#where(error), error);
  }

  /**
   * The line in the TA's own module: of the error, of the call that had to be waited for (behind
   * which nothing of the TA is on the stack), or of its definition.
   */
  #where(error: unknown): string {
    const site = siteIn(this.file, error) ?? siteIn(this.file, this.#lastWait);
    return site === undefined ? this.#origin : formatSite(site);
  }
}

const nothing = (): void => {};

/** Entries that return nothing in C. */
const hasNoResult = (entry: TaEntry): boolean =>
  entry === 'TA_CloseSessionEntryPoint' || entry === 'TA_DestroyEntryPoint';

/** Whether an entry was the last one of its session. */
function isEnd(entry: TaEntry, result: number): boolean {
  if (entry === 'TA_CloseSessionEntryPoint') return true;
  return entry === 'TA_OpenSessionEntryPoint' && result !== TEE_SUCCESS;
}

/** 32 bits, also when arithmetic has made them negative. */
function teeResult(value: unknown): number {
  if (typeof value === 'number' && (value === value >>> 0 || value === (value | 0))) {
    return value >>> 0;
  }
  const shown = typeof value === 'object' && value !== null ? 'an object' : String(value);
  throw new TypeError(`it returned ${shown}, which is no TEE_Result`);
}

function missingIn(points: unknown): readonly string[] {
  if (typeof points !== 'object' || points === null) return TA_ENTRY_POINTS;
  return TA_ENTRY_POINTS.filter((name) => typeof Reflect.get(points, name) !== 'function');
}
