/**
 * A small secure world for the tests of this room: real scheduler, bus, TA instances and crypto;
 * sessions without clients, threads or limits. It counts what a TA could leak.
 */
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_TARGET_DEAD,
  TEE_ERROR_TIME_NOT_SET,
  TEE_NUM_PARAMS,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { UTEE_TIME_CAT_TA_PERSISTENT } from '../../abi/utee.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { DEFAULT_RAM_BASE, Machine } from '../../machine/machine.ts';
import { NoStorage } from './no-storage.ts';
import { TestCrypto } from '../../optee-os/testing/crypto.ts';
import { VirtualClock } from '../../sched/clock.ts';
import { FifoPolicy } from '../../sched/policy.ts';
import { SeededRandom } from '../../sched/random.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import { Trace } from '../../trace/trace.ts';
import { TaPanic, TaParamSlot } from '../runtime.ts';
import type {
  PropertyOut,
  SessionOut,
  TaCryptoSyscalls,
  TaImage,
  TaInstance,
  TaMemref,
  TaParams,
  TaPropertyValue,
  TaStorageSyscalls,
  TaSyscalls,
  TaTime,
} from '../runtime.ts';
import { callerOf } from '../gp/call-site.ts';
import type { Tee } from '../gp/tee.ts';
import type { TEE_Params } from '../gp/types.ts';
import { defineTa } from '../typescript/define.ts';
import type { TaDefinition, TaProperties } from '../typescript/define.ts';
import { taImageOf } from '../typescript/image.ts';

/** Bytes of either world's RAM. */
const RAM = 4 << 20;
const SECURE_BASE = DEFAULT_RAM_BASE + RAM;

/** Pages of one kind; scattered ones come in descending order. */
class Pages {
  readonly free: Pa[];
  readonly total: number;
  scattered = false;
  constructor(base: number, bytes: number) {
    this.free = Array.from({ length: bytes / PAGE_SIZE }, (_, i) => pa(base + i * PAGE_SIZE));
    this.total = this.free.length;
  }
  take(count: number): Pa[] | undefined {
    if (count > this.free.length) return undefined;
    const taken = this.free.splice(0, count);
    return this.scattered ? taken.reverse() : taken;
  }
  give(pages: readonly Pa[]): void {
    this.free.push(...pages);
    this.free.sort((a, b) => a - b);
  }
  get used(): number {
    return this.total - this.free.length;
  }
}

export class Params implements TaParams {
  readonly types: number;
  readonly slots = Array.from({ length: TEE_NUM_PARAMS }, () => new TaParamSlot());
  constructor(types: number) {
    this.types = types;
  }
  value(n: number, a: number, b = 0): this {
    this.slots[n]!.a = a;
    this.slots[n]!.b = b;
    return this;
  }
  memref(n: number, memref: TaMemref | undefined, size: number): this {
    this.slots[n]!.memref = memref;
    this.slots[n]!.size = size;
    return this;
  }
}

/** A TA that is loaded, as the world and as tests see it. */
export class LoadedTa {
  readonly world: World;
  readonly instance: TaInstance;
  readonly syscalls: Syscalls;
  dead = false;
  #sessions = 0;

  constructor(world: World, image: TaImage) {
    this.world = world;
    this.syscalls = new Syscalls(world, image);
    this.instance = image.instantiate({
      syscalls: this.syscalls,
      sched: world.sched,
      port: world.machine.secure,
      traceLevel: world.traceLevel,
      preempt: function* () {},
    });
  }

  /** Runs an entry point, from outside of any task. */
  enter(...args: Parameters<TaInstance['enter']>): number | Promise<number> {
    return this.world.run(this.#run(args));
  }

  *#run(args: Parameters<TaInstance['enter']>): Co<number> {
    return yield* endOf(this.instance.enter(...args));
  }

  /** Create, then open a session, to the end. @returns the session */
  async open(params?: TaParams): Promise<number> {
    const created = await this.enter('TA_CreateEntryPoint', 0, 0, undefined);
    if (created !== TEE_SUCCESS) throw new Error(`create: 0x${created.toString(16)}`);
    this.#sessions += 1;
    const result = await this.enter('TA_OpenSessionEntryPoint', this.#sessions, 0, params);
    if (result !== TEE_SUCCESS) throw new Error(`open: 0x${result.toString(16)}`);
    return this.#sessions;
  }

  invoke(session: number, command: number, params?: TaParams): number | Promise<number> {
    return this.enter('TA_InvokeCommandEntryPoint', session, command, params);
  }

  /** What one TA's calls of another one come to. */
  *call(...args: Parameters<TaInstance['enter']>): Co<number> {
    if (this.dead) return TEE_ERROR_TARGET_DEAD;
    try {
      return yield* this.#run(args);
    } catch (error) {
      if (!(error instanceof TaPanic)) throw error;
      this.dead = true;
      return TEE_ERROR_TARGET_DEAD;
    }
  }
}

/** The door of one instance. */
export class Syscalls implements TaSyscalls {
  readonly crypto: TestCrypto;
  readonly storage = new NoStorage();
  readonly #world: World;
  readonly #image: TaImage;
  readonly #sessions = new Map<number, LoadedTa>();
  readonly cancellation = { cancel: false, masked: true };
  persistent: TaTime | undefined;

  constructor(world: World, image: TaImage) {
    this.#world = world;
    this.#image = image;
    this.crypto = new TestCrypto({ rng: (out) => this.rng(out), trace: world.trace });
    Object.assign(this.crypto, world.answers.crypto);
    Object.assign(this.storage, world.answers.storage);
  }

  log(text: string): void {
    this.#world.lines.push(text);
  }
  panic(code: number): never {
    throw new TaPanic(code, `TEE_Panic(0x${code.toString(16)})`, '');
  }
  getProperty(set: number, index: number, out: PropertyOut): number {
    const found = this.#world.properties.filter((p) => p.set === set)[index];
    if (found === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    Object.assign(out, { name: found.name, type: found.type, value: found.value });
    return TEE_SUCCESS;
  }
  getPropertyNameToIndex(set: number, name: string, out: { index: number }): number {
    const known = this.#world.properties.filter((p) => p.set === set);
    out.index = known.findIndex((p) => p.name === name);
    return out.index < 0 ? TEE_ERROR_ITEM_NOT_FOUND : TEE_SUCCESS;
  }
  *openTaSession(uuid: string, _ms: number, params: TaParams, out: SessionOut): Co<number> {
    out.origin = TEE_ORIGIN_TEE;
    const image = this.#world.images.get(uuid);
    if (image === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    const ta = new LoadedTa(this.#world, image);
    const session = this.#sessions.size + 1;
    yield* ta.call('TA_CreateEntryPoint', 0, 0, undefined);
    const result = yield* ta.call('TA_OpenSessionEntryPoint', 1, 0, params);
    out.origin = TEE_ORIGIN_TRUSTED_APP;
    if (result !== TEE_SUCCESS) {
      ta.instance.destroy();
      return result;
    }
    this.#sessions.set(session, ta);
    out.session = session;
    return result;
  }
  *closeTaSession(session: number): Co<number> {
    const ta = this.#sessions.get(session);
    if (ta === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    yield* ta.call('TA_CloseSessionEntryPoint', 1, 0, undefined);
    yield* ta.call('TA_DestroyEntryPoint', 0, 0, undefined);
    ta.instance.destroy();
    this.#sessions.delete(session);
    return TEE_SUCCESS;
  }
  *invokeTaCommand(
    session: number,
    _ms: number,
    command: number,
    params: TaParams,
    out: { origin: number },
  ): Co<number> {
    out.origin = TEE_ORIGIN_TEE;
    const ta = this.#sessions.get(session);
    if (ta === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    const result = yield* ta.call('TA_InvokeCommandEntryPoint', 1, command, params);
    if (!ta.dead) out.origin = TEE_ORIGIN_TRUSTED_APP;
    return result;
  }
  getCancellationFlag(out: { cancel: boolean }): number {
    out.cancel = this.cancellation.cancel && !this.cancellation.masked;
    return TEE_SUCCESS;
  }
  unmaskCancellation(out: { masked: boolean }): number {
    out.masked = this.cancellation.masked;
    this.cancellation.masked = false;
    return TEE_SUCCESS;
  }
  maskCancellation(out: { masked: boolean }): number {
    out.masked = this.cancellation.masked;
    this.cancellation.masked = true;
    return TEE_SUCCESS;
  }
  *wait(timeoutMs: number): Co<number> {
    yield* this.#world.sched.sleep(timeoutMs * 1e6, 'uninterruptible', 'TEE_Wait');
    return this.#world.waitResult;
  }
  *getTime(category: number, out: TaTime): Co<number> {
    const persistent = category === UTEE_TIME_CAT_TA_PERSISTENT;
    if (persistent && this.persistent === undefined) return TEE_ERROR_TIME_NOT_SET;
    const ms = Math.floor(this.#world.sched.nowNs() / 1e6);
    const now = { seconds: 1000 * category + Math.floor(ms / 1000), millis: ms % 1000 };
    Object.assign(out, persistent ? this.persistent : now);
    return TEE_SUCCESS;
  }
  setTaTime(time: TaTime): number {
    this.persistent = { seconds: time.seconds, millis: time.millis };
    return TEE_SUCCESS;
  }
  allocatePages(count: number): readonly Pa[] | undefined {
    const pages = this.#world.secure.take(count);
    for (const page of pages ?? []) {
      this.#world.machine.secure.bytes(page, PAGE_SIZE, 'write').fill(0);
    }
    return pages;
  }
  freePages(pages: readonly Pa[]): void {
    this.#world.secure.give(pages);
  }
  rng(out: Uint8Array): number {
    this.#world.random.fill(out);
    return TEE_SUCCESS;
  }
  cacheOperation(isPrivate: boolean): number {
    return isPrivate ? TEE_ERROR_ACCESS_DENIED : TEE_SUCCESS;
  }
  /** So that a failing test tells which TA it was. */
  toString(): string {
    return this.#image.head.uuid;
  }
}

interface Property {
  readonly set: number;
  readonly name: string;
  readonly type: number;
  readonly value: TaPropertyValue;
}

export class World {
  readonly trace = new Trace();
  /** Of TAs. */
  readonly random = new SeededRandom(2);
  readonly sched = new Scheduler({
    trace: this.trace,
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    policy: new FifoPolicy(),
    outside: {
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      after: () => () => undefined,
    },
  });
  readonly machine = new Machine({
    sched: this.sched,
    ram: { bytes: new Uint8Array(2 * RAM), memory: undefined, release() {} },
    tree: {
      secure: [{ base: pa(SECURE_BASE), size: RAM }],
      reservedShm: undefined,
      optee: undefined,
    },
  });
  readonly secure = new Pages(SECURE_BASE, RAM);
  readonly normal = new Pages(DEFAULT_RAM_BASE, RAM);
  readonly images = new Map<string, TaImage>();
  readonly lines: string[] = [];
  readonly properties: Property[] = [];
  waitResult = TEE_SUCCESS;
  /** System calls that a test answers itself. */
  readonly answers: {
    readonly crypto?: Partial<TaCryptoSyscalls>;
    readonly storage?: Partial<TaStorageSyscalls>;
  };
  traceLevel = 2;
  readonly #task = this.sched.createTask('client', { called: true });

  constructor(answers: World['answers'] = {}) {
    this.answers = answers;
  }

  run<T>(co: Co<T>): T | Promise<T> {
    return this.sched.call(this.#task, co);
  }

  /** Loads a module; other TAs can then open it by its UUID, too. */
  load(module: unknown): LoadedTa {
    return new LoadedTa(this, this.install(module));
  }

  install(module: unknown): TaImage {
    const image = taImageOf(module, 'test');
    this.images.set(image.head.uuid, image);
    return image;
  }

  /** Non-secure memory with contents, `offset` bytes into its first page. */
  shared(bytes: Uint8Array, offset = 0): TaMemref {
    const pages = this.normal.take(Math.max(1, Math.ceil((offset + bytes.length) / PAGE_SIZE)))!;
    const mapping = this.machine.secure.mapContiguous(pages, offset, bytes.length, 'write');
    mapping.bytes.set(bytes);
    mapping.writeBack();
    return { pages, offset, writable: true, nonSecure: true };
  }

  /** What stands in a memref now. */
  contents(memref: TaMemref, length: number): Uint8Array {
    const { pages, offset } = memref;
    return this.machine.secure.mapContiguous(pages, offset, length, 'read').bytes.slice();
  }
}

export const TEST_UUID = '11111111-2222-3333-4444-555555555555';

/** A TA whose invoke entry point is `body`, and whose own module is the calling test. */
export function taOf(
  body: (tee: Tee, params: TEE_Params, command: number) => unknown,
  properties: Partial<TaProperties> = {},
): TaDefinition {
  const definition = defineTa({ uuid: TEST_UUID, ...properties }, (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,
    TA_DestroyEntryPoint() {},
    TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
    TA_CloseSessionEntryPoint() {},
    async TA_InvokeCommandEntryPoint(_session, command, _types, params) {
      const result = await body(tee, params, command);
      return typeof result === 'number' ? result : TEE_SUCCESS;
    },
  }));
  return { ...definition, site: callerOf(import.meta.url) };
}

/** Runs `body` in an entry point. @throws TaPanic */
export async function inTa(
  body: (tee: Tee, params: TEE_Params) => unknown,
  params?: TaParams,
  world = new World(),
): Promise<void> {
  const ta = world.load(taOf(body));
  await ta.invoke(await ta.open(), 0, params);
}

/** Runs `body`, which must end its TA. @returns the panic, and the cause beside it */
export async function panicOf(
  body: (tee: Tee, params: TEE_Params) => unknown,
  params?: TaParams,
  world = new World(),
): Promise<{ readonly panic: TaPanic; readonly cause: string }> {
  try {
    await inTa(body, params, world);
  } catch (error) {
    if (error instanceof TaPanic) {
      return { panic: error, cause: world.trace.lastCause?.text ?? '' };
    }
    throw error;
  }
  throw new Error('the TA did not panic');
}
