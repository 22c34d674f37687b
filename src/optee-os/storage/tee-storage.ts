/**
 * Secure storage of one guest, put together: the objects in use and the file systems behind the
 * storage ids.
 *
 * Upstream counterpart: optee_os core/include/tee/tee_fs.h (tee_svc_storage_file_ops()) and the
 * static variables of core/tee.
 */
import {
  TEE_STORAGE_PRIVATE,
  TEE_STORAGE_PRIVATE_REE,
  TEE_STORAGE_PRIVATE_RPMB,
} from '../../abi/gp.ts';
import { SecureMutex } from '../kernel/mutex.ts';
import type { Notif } from '../kernel/notif.ts';
import type { Rpc } from '../kernel/rpc.ts';
import type { RpcShmCache } from '../kernel/rpc-shm-cache.ts';
import { BOOT_SITE } from '../kernel/trace.ts';
import type { CoreHeap } from '../mm/core-heap.ts';
import type { Nexus } from '../nexus.ts';
import { HtreeCrypto } from './fs-htree-crypto.ts';
import type { NvCounter } from './ree-fs-anchor.ts';
import { RpmbRpc } from './rpmb-transport.ts';
import type { StorageServices, TeeFileOperations } from './tee-fs.ts';
import { TeeFsKeyManager } from './tee-fs-key-manager.ts';
import { TeeFsRpc } from './tee-fs-rpc.ts';
import { TeePobjs } from './tee-pobj.ts';
import { ReeFs } from './tee-ree-fs.ts';
import { TeeRpmbFs } from './tee-rpmb-fs.ts';

export interface TeeStorageOptions {
  readonly nexus: Nexus;
  readonly heap: CoreHeap;
  readonly notif: Notif;
  readonly rpc: Rpc;
  readonly rpcShmCache: RpcShmCache;
  readonly nvCounter?: NvCounter;
}

export class TeeStorage {
  readonly pobjs: TeePobjs;
  readonly reeFs: ReeFs | undefined;
  readonly rpmbFs: TeeRpmbFs | undefined;
  readonly #fops: ReadonlyMap<number, TeeFileOperations>;

  constructor(options: TeeStorageOptions) {
    const { nexus, heap, notif } = options;
    const { CFG_REE_FS, CFG_RPMB_FS } = nexus.config;
    const mutex = (name: string): SecureMutex => new SecureMutex(nexus.sched, notif, name);
    this.pobjs = new TeePobjs(heap, mutex('pobjs_mutex'), mutex('pobjs_usage_mutex'));
    if (CFG_RPMB_FS) this.rpmbFs = rpmbFs(options, mutex('rpmb_mutex'));
    if (CFG_REE_FS) this.reeFs = reeFs(options, mutex('ree_fs_mutex'), this.rpmbFs);
    const byId: readonly (readonly [number, TeeFileOperations | undefined])[] = [
      [TEE_STORAGE_PRIVATE, this.reeFs ?? this.rpmbFs],
      [TEE_STORAGE_PRIVATE_REE, this.reeFs],
      [TEE_STORAGE_PRIVATE_RPMB, this.rpmbFs],
    ];
    this.#fops = new Map(byId.flatMap(([id, fops]) => (fops === undefined ? [] : [[id, fops]])));
  }

  /** tee_svc_storage_file_ops(): undefined where there is no storage of that id. */
  fileOps(storage: number): TeeFileOperations | undefined {
    return this.#fops.get(storage);
  }
}

/** What files are made with in a core and on its heap. */
export function storageServices(nexus: Nexus, heap: CoreHeap): StorageServices {
  const { config, crypto, random, switches } = nexus;
  return {
    crypto,
    htree: new HtreeCrypto(crypto),
    random,
    keys: new TeeFsKeyManager(crypto),
    heap,
    hashSizeCompat: config.CFG_REE_FS_HTREE_HASH_SIZE_COMPAT,
    truncateKeepsHashes: switches.quirkTruncateKeepsHashes,
  };
}

function rpmbFs(options: TeeStorageOptions, mutex: SecureMutex): TeeRpmbFs {
  const { nexus, heap, rpc, rpcShmCache } = options;
  const { config, crypto, log, random, switches, trace } = nexus;
  const transport = new RpmbRpc(nexus, rpc, rpcShmCache);
  return new TeeRpmbFs({
    core: { transport, crypto, random, heap, log, trace, config, switches },
    mutex,
    panic: (thread, fn, text) => nexus.panic(thread, fn, text),
  });
}

function reeFs(options: TeeStorageOptions, mutex: SecureMutex, rpmb: TeeRpmbFs | undefined): ReeFs {
  const { nexus, heap, rpc, rpcShmCache, nvCounter } = options;
  const { config, log, switches, trace } = nexus;
  const services = storageServices(nexus, heap);
  const fsRpc = new TeeFsRpc(nexus, rpc, rpcShmCache);
  return new ReeFs({
    services,
    rpc: fsRpc,
    mutex,
    log,
    trace,
    config,
    switches,
    assertion: (fn, text) =>
      nexus.panic(fsRpc.thread ?? BOOT_SITE, fn, `assertion failed: ${text}`),
    ...(rpmb !== undefined && config.CFG_REE_FS_INTEGRITY_RPMB && { rpmb }),
    ...(nvCounter !== undefined && { nvCounter }),
  });
}
