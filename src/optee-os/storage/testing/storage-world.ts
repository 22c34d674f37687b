/**
 * For tests: secure storage over a byte store, without a secure world around it. Every call is made
 * at once, because nobody waits.
 */
import { NodeCrypto } from '../../../host/node/crypto.ts';
import { MemoryStore } from '../../../host/memory-store.ts';
import type { ByteStore } from '../../../host/store.ts';
import { SeededRandom } from '../../../sched/random.ts';
import type { Co, MaybeCo } from '../../../sched/task.ts';
import { Trace } from '../../../trace/trace.ts';
import { makeConfig } from '../../config.ts';
import type { OpteeOsConfig } from '../../config.ts';
import type { ThreadCtx } from '../../kernel/thread.ts';
import { CoreLog } from '../../kernel/trace.ts';
import { CoreHeap } from '../../mm/core-heap.ts';
import type { OpteeOsSwitches } from '../../switches.ts';
import { UPSTREAM_SWITCHES } from '../../switches.ts';
import { SvcStorage } from '../../syscall/svc-storage.ts';
import { HtreeCrypto } from '../fs-htree-crypto.ts';
import type { NvCounter, RpmbFs } from '../ree-fs-anchor.ts';
import type { StorageServices, TeeFileOperations } from '../tee-fs.ts';
import { teeUuid } from '../tee-fs.ts';
import { TeeFsKeyManager } from '../tee-fs-key-manager.ts';
import { TeePobjs } from '../tee-pobj.ts';
import { ReeFs } from '../tee-ree-fs.ts';
import type { StorageMutex } from '../tee-ree-fs.ts';
import { StoreFsRpc } from './store-fs-rpc.ts';
import { TestObject, TestObjects } from './test-object.ts';

export const TA = '11111111-2222-3333-4444-555555555555';
export const OTHER_TA = '11111111-2222-3333-4444-666666666666';

/** Everything with the quirks of upstream mended. */
export const MENDED: OpteeOsSwitches = Object.freeze({
  ...UPSTREAM_SWITCHES,
  quirkDirfileRemovedOnError: false,
  quirkTruncateKeepsHashes: false,
  quirkTruncateBeforeCommit: false,
  quirkFailedFindIsAbsence: false,
  quirkOwnHandleStaysCreating: false,
  quirkCopiedUsageLost: false,
  quirkNextOfFailedEnumPanics: false,
  quirkRpmbTemporaryKept: false,
  quirkRpmbReplaceLoses: false,
  quirkRpmbStaleEntryFound: false,
});

/** The end of a call that has nothing to wait for. */
export function now<T>(call: Co<T>): T {
  const step = call.next();
  if (step.done !== true) throw new Error('the call waits');
  return step.value;
}

/** The same of a call that may have ended. */
export const nowOrEnded = (call: MaybeCo<number>): number =>
  typeof call === 'number' ? call : now(call);

const CRYPTO = new NodeCrypto();
const KEYS = new TeeFsKeyManager(CRYPTO);

class NoContention implements StorageMutex {
  held = false;
  *lock(): ReturnType<StorageMutex['lock']> {
    if (this.held) throw new Error('the lock is taken twice');
    this.held = true;
  }
  *unlock(): ReturnType<StorageMutex['unlock']> {
    this.held = false;
  }
}

export interface WorldOptions {
  readonly store?: ByteStore;
  readonly switches?: OpteeOsSwitches;
  readonly config?: Partial<OpteeOsConfig>;
  readonly heapBytes?: number;
  readonly seed?: number;
  readonly rpmb?: RpmbFs;
  readonly nvCounter?: NvCounter;
}

export class StorageWorld {
  readonly trace: Trace;
  readonly heap: CoreHeap;
  readonly services: StorageServices;
  readonly rpc: StoreFsRpc;
  readonly fs: ReeFs;
  readonly pobjs: TeePobjs;
  readonly log: CoreLog;
  readonly switches: OpteeOsSwitches;
  readonly thread = { threadId: 0, coreId: 0 } as unknown as ThreadCtx;

  constructor(options: WorldOptions = {}) {
    const config = makeConfig(options.config ?? {});
    this.switches = options.switches ?? UPSTREAM_SWITCHES;
    this.trace = new Trace();
    this.heap = new CoreHeap(this.trace, options.heapBytes ?? 196608);
    this.services = {
      crypto: CRYPTO,
      htree: new HtreeCrypto(CRYPTO),
      random: new SeededRandom(options.seed ?? 1),
      keys: KEYS,
      heap: this.heap,
      hashSizeCompat: config.CFG_REE_FS_HTREE_HASH_SIZE_COMPAT,
      truncateKeepsHashes: this.switches.quirkTruncateKeepsHashes,
    };
    this.rpc = new StoreFsRpc(options.store ?? new MemoryStore());
    this.log = new CoreLog(this.trace, config);
    this.fs = new ReeFs({
      services: this.services,
      rpc: this.rpc,
      mutex: new NoContention(),
      log: this.log,
      trace: this.trace,
      config,
      switches: this.switches,
      assertion: (fn, text) => new Error(`assertion failed in ${fn}: ${text}`),
      ...(options.rpmb !== undefined && { rpmb: options.rpmb }),
      ...(options.nvCounter !== undefined && { nvCounter: options.nvCounter }),
    });
    this.pobjs = new TeePobjs(this.heap, new NoContention(), new NoContention());
  }

  get store(): ByteStore {
    return this.rpc.store;
  }

  /** A TA. */
  ta(options: TaOptions = {}): TaStorage {
    return new TaStorage(this, options);
  }
}

export interface TaOptions {
  readonly uuid?: string;
  readonly keepsCorruptHandles?: boolean;
  readonly fileOps?: (storage: number) => TeeFileOperations | undefined;
}

/** A TA's system calls. */
export class TaStorage {
  readonly svc: SvcStorage<TestObject>;
  readonly objects: TestObjects;

  constructor(world: StorageWorld, options: TaOptions) {
    const { heap, pobjs, thread, log, switches } = world;
    this.objects = new TestObjects(heap);
    this.svc = new SvcStorage({
      host: { heap, pobjs, thread: () => thread },
      objects: this.objects,
      make: (type, size) => TestObject.make(type, size),
      uuid: teeUuid(options.uuid ?? TA),
      fileOps: options.fileOps ?? ((storage) => (STORAGES.has(storage) ? world.fs : undefined)),
      keepsCorruptHandles: () => options.keepsCorruptHandles ?? false,
      log,
      switches,
      panic: (fn, text) => new Error(`core panic in ${fn}: ${text}`),
    });
  }
}

const STORAGES = new Set([1, 0x80000000]);
