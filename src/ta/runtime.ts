/**
 * The interface between a secure world and whatever runs a trusted application (TA): TypeScript
 * modules, translated ELF files. A secure world knows images and instances; a runtime knows how to
 * run them and calls back through the syscall door.
 */
import type { Pa } from '../machine/address.ts';
import type { BusPort } from '../machine/bus.ts';
import type { Scheduler } from '../sched/scheduler.ts';
import type { Co, MaybeCo } from '../sched/task.ts';

/** The five entry points of a TA (TEE Internal Core API 4.3). */
export type TaEntry =
  | 'TA_CreateEntryPoint'
  | 'TA_DestroyEntryPoint'
  | 'TA_OpenSessionEntryPoint'
  | 'TA_CloseSessionEntryPoint'
  | 'TA_InvokeCommandEntryPoint';

/**
 * A memory parameter as the secure world gives it: physical pages and a window in them. The runtime
 * maps it for the duration of one entry. `pages` is empty for a NULL reference.
 */
export interface TaMemref {
  readonly pages: readonly Pa[];
  /** Offset of the first byte in the first page. */
  readonly offset: number;
  readonly writable: boolean;
  /** Shared with the normal world: its contents can change at any time. */
  readonly nonSecure: boolean;
}

/**
 * Parameters of an entry, in and out: for values `a` and `b`, for memrefs `size` (bytes) beside the
 * memref. The TA's results are stored back into the same object.
 */
export interface TaParams {
  /** TEE_PARAM_TYPES(…): four bits a parameter. */
  readonly types: number;
  readonly slots: readonly TaParamSlot[];
}

export class TaParamSlot {
  a = 0;
  b = 0;
  memref: TaMemref | undefined;
  size = 0;
}

/** What is known of a TA before it runs: `user_ta_header` and the properties of its build. */
export interface TaHead {
  /** Text form, lower case. */
  readonly uuid: string;
  /** TA_FLAG_* */
  readonly flags: number;
  readonly stackSize: number;
  readonly dataSize: number;
  readonly version: string;
  readonly description: string;
  /** gpd.ta.* and vendor properties, by name. */
  readonly properties: ReadonlyMap<string, TaPropertyValue>;
}

/** BOOL, U32, STRING (also UUID and IDENTITY, see `PropertyOut`), BINARY_BLOCK, U64. */
export type TaPropertyValue = boolean | number | string | Uint8Array | bigint;

/** A loaded TA: instances are made from it. */
export interface TaImage {
  readonly head: TaHead;
  /** Where it comes from, for messages: a file and line. */
  readonly origin: string;
  instantiate(environment: TaEnvironment): TaInstance;
}

/** What an instance gets from its secure world. */
export interface TaEnvironment {
  readonly syscalls: TaSyscalls;
  readonly sched: Scheduler;
  /** How the instance's code reaches its memory: the secure world's port. */
  readonly port: BusPort;
  /** CFG_TEE_TA_LOG_LEVEL (TRACE_*); TRACE_INFO when absent. */
  readonly traceLevel?: number;
  /** Called at safe points: the thread may have to leave for a foreign interrupt. */
  preempt(): Co<void>;
}

/** One running instance. Its memory is private to it. */
export interface TaInstance {
  /**
   * Runs an entry point to its end. @returns a TEE_Result (0 for entries that return nothing).
   * @throws TaPanic when the TA panics or does what ends it, at once or in the coroutine.
   */
  enter(
    entry: TaEntry,
    session: number,
    command: number,
    params: TaParams | undefined,
  ): MaybeCo<number>;
  /**
   * The instance is gone; nothing of it may run any more. It gives its pages back through
   * `freePages`, also after a panic.
   */
  destroy(): void;
}

/** A TA has ended abnormally. */
export class TaPanic extends Error {
  /** The panic code as given to TEE_Panic, or a TEE_Result. */
  readonly code: number;
  /** File and line of the TA, when known. */
  readonly where: string;
  constructor(code: number, text: string, where: string, cause?: unknown) {
    super(text, { cause });
    this.name = 'TaPanic';
    this.code = code;
    this.where = where;
  }
}

/**
 * The syscall door: OP-TEE's system calls with their arguments resolved and checked. Numbers and
 * semantics are OP-TEE's (`abi/utee.ts`); each returns a TEE_Result, out values in the objects
 * passed. Those that may leave the secure world are coroutines.
 */
export interface TaSyscalls {
  /** @param text one line with its prefix (`I/TA: …`) and its newline. */
  log(text: string): void;
  /** @throws TaPanic; `where` may be empty, the runtime knows the line. */
  panic(code: number): never;
  getProperty(set: number, index: number, out: PropertyOut): number;
  getPropertyNameToIndex(set: number, name: string, out: { index: number }): number;
  openTaSession(uuid: string, timeoutMs: number, params: TaParams, out: SessionOut): Co<number>;
  closeTaSession(session: number): Co<number>;
  invokeTaCommand(
    session: number,
    timeoutMs: number,
    command: number,
    params: TaParams,
    out: { origin: number },
  ): Co<number>;
  getCancellationFlag(out: { cancel: boolean }): number;
  unmaskCancellation(out: { masked: boolean }): number;
  maskCancellation(out: { masked: boolean }): number;
  wait(timeoutMs: number): Co<number>;
  /** @param category UTEE_TIME_CAT_* */
  getTime(category: number, out: TaTime): Co<number>;
  setTaTime(time: TaTime): number;
  /** Memory of the TA's own in secure RAM: whole pages, zeroed; undefined when there is no more. */
  allocatePages(count: number): readonly Pa[] | undefined;
  freePages(pages: readonly Pa[]): void;
  /** TEE_ERROR_OUT_OF_MEMORY for more than a bounce buffer holds. */
  rng(out: Uint8Array): number;
  /** @param isPrivate the memory is the TA's own @param operation UTEE_CACHE_OPERATION */
  cacheOperation(isPrivate: boolean, operation: number): number;
  readonly crypto: TaCryptoSyscalls;
  readonly storage: TaStorageSyscalls;
}

export interface PropertyOut {
  name: string;
  /** USER_TA_PROP_TYPE_* */
  type: number;
  /** A UUID is its text, an identity `login:uuid` with a decimal login. */
  value: TaPropertyValue;
}

export interface SessionOut {
  session: number;
  origin: number;
}

export interface TaTime {
  seconds: number;
  millis: number;
}

/** Attributes for populate, derive and generate: content, or a pair of values. */
export interface TaAttribute {
  /** TEE_ATTR_* */
  readonly id: number;
  readonly content?: Uint8Array;
  readonly a?: number;
  readonly b?: number;
}

export interface TaObjectInfo {
  objectType: number;
  keySize: number;
  maxKeySize: number;
  objectUsage: number;
  dataSize: number;
  dataPosition: number;
  handleFlags: number;
}

/** Cryptographic objects and operations: handles are numbers, as in OP-TEE. */
export interface TaCryptoSyscalls {
  objAlloc(type: number, maxKeySizeBits: number, out: { handle: number }): number;
  /** Closing a persistent object leaves the secure world. */
  objClose(handle: number): MaybeCo<number>;
  objReset(handle: number): number;
  objPopulate(handle: number, attributes: readonly TaAttribute[]): number;
  objCopy(destination: number, source: number): number;
  objGetInfo(handle: number, out: TaObjectInfo): number;
  /** Of a persistent object, this leaves the secure world. */
  objRestrictUsage(handle: number, usage: number): MaybeCo<number>;
  objGetAttr(
    handle: number,
    id: number,
    out: Uint8Array | undefined,
    size: { size: number },
  ): number;
  generateKey(handle: number, sizeBits: number, attributes: readonly TaAttribute[]): number;
  stateAlloc(
    algorithm: number,
    mode: number,
    key1: number,
    key2: number,
    out: { handle: number },
  ): number;
  stateCopy(destination: number, source: number): number;
  /** Its keys are closed with it. */
  stateFree(handle: number): MaybeCo<number>;
  /** Digests and MACs. @param iv of none so far: empty */
  hashInit(state: number, iv: Uint8Array): number;
  hashUpdate(state: number, chunk: Uint8Array): number;
  /** Of an extendable-output function: as many bytes as `size` says, and more with each call. */
  hashFinal(state: number, chunk: Uint8Array, out: Uint8Array, size: { size: number }): number;
  cipherInit(state: number, iv: Uint8Array): number;
  cipherUpdate(state: number, source: Uint8Array, out: Uint8Array, size: { size: number }): number;
  cipherFinal(state: number, source: Uint8Array, out: Uint8Array, size: { size: number }): number;
  /** Lengths are bytes. */
  authencInit(
    state: number,
    nonce: Uint8Array,
    tagLength: number,
    aadLength: number,
    payloadLength: number,
  ): number;
  authencUpdateAad(state: number, aad: Uint8Array): number;
  authencUpdatePayload(
    state: number,
    source: Uint8Array,
    out: Uint8Array,
    size: { size: number },
  ): number;
  authencEncFinal(
    state: number,
    source: Uint8Array,
    out: Uint8Array,
    size: { size: number },
    tag: Uint8Array,
    tagSize: { size: number },
  ): number;
  authencDecFinal(
    state: number,
    source: Uint8Array,
    out: Uint8Array,
    size: { size: number },
    tag: Uint8Array,
  ): number;
  /** Encrypts, decrypts or signs, as the operation's mode says. */
  asymmOperate(
    state: number,
    attributes: readonly TaAttribute[],
    source: Uint8Array,
    out: Uint8Array,
    size: { size: number },
  ): number;
  asymmVerify(
    state: number,
    attributes: readonly TaAttribute[],
    data: Uint8Array,
    signature: Uint8Array,
  ): number;
  /** @param derived handle of the object that gets the secret */
  deriveKey(state: number, attributes: readonly TaAttribute[], derived: number): number;
}

/** Persistent objects: their handles are of the same kind as those of transient ones. */
export interface TaStorageSyscalls {
  /** @param storage TEE_STORAGE_PRIVATE* @param flags TEE_DATA_FLAG_* */
  objOpen(
    storage: number,
    objectId: Uint8Array,
    flags: number,
    out: { handle: number },
  ): Co<number>;
  /**
   * @param attributes handle of an object whose attributes are copied, 0 for none
   * @param out undefined when the TA wants no handle on the new object
   */
  objCreate(
    storage: number,
    objectId: Uint8Array,
    flags: number,
    attributes: number,
    data: Uint8Array,
    out: { handle: number } | undefined,
  ): Co<number>;
  /** The handle is gone, too. */
  objDelete(handle: number): Co<number>;
  objRename(handle: number, objectId: Uint8Array): Co<number>;
  enumAlloc(out: { handle: number }): number;
  /** An enumerator that was started leaves the secure world when it ends. */
  enumFree(handle: number): MaybeCo<number>;
  enumReset(handle: number): MaybeCo<number>;
  enumStart(handle: number, storage: number): Co<number>;
  /** @param id room for TEE_OBJECT_ID_MAX_LEN bytes; `size` says how many there are */
  enumNext(handle: number, info: TaObjectInfo, id: Uint8Array, size: { size: number }): Co<number>;
  /** `count.size` says how many bytes there were. */
  objRead(handle: number, out: Uint8Array, count: { size: number }): Co<number>;
  objWrite(handle: number, data: Uint8Array): Co<number>;
  objTruncate(handle: number, length: number): Co<number>;
  /** @param offset signed @param whence TEE_DATA_SEEK_* */
  objSeek(handle: number, offset: number, whence: number): number;
}
