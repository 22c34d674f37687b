/**
 * What one guest has for itself: threads, heap, shared memory, sessions and TAs, notifications,
 * time. Without virtualization there is one guest, made at boot.
 *
 * Upstream counterpart: the banked part of optee_os (everything that is not `.nex_*`), created per
 * guest by core/arch/arm/kernel/virtualization.c. Destroying a guest drops this object whole.
 */
import type { Cpu } from '../machine/smc.ts';
import { Notif } from './kernel/notif.ts';
import { Condvar, SecureMutex } from './kernel/mutex.ts';
import { nonConformance } from './kernel/pseudo-ta.ts';
import type { PseudoTa } from './kernel/pseudo-ta.ts';
import { Rpc } from './kernel/rpc.ts';
import { RpcShmCache } from './kernel/rpc-shm-cache.ts';
import { SessionList } from './kernel/session.ts';
import type { TeeTaCtx } from './kernel/ta-context.ts';
import { GuestTaLoader } from './kernel/ta-loader.ts';
import { TaManager } from './kernel/tee-ta-manager.ts';
import { TeeTime } from './kernel/tee-time.ts';
import { Threads } from './kernel/thread.ts';
import { BOOT_SITE } from './kernel/trace.ts';
import { UserTaCtx } from './kernel/user-ta.ts';
import { CoreHeap } from './mm/core-heap.ts';
import { MobjNsecShm } from './mm/mobj.ts';
import { RegShmRelease, RegShmTable } from './mm/mobj-dyn-shm.ts';
import type { Nexus } from './nexus.ts';
import { makePseudoTas } from './pta/table.ts';
import { Tadb } from './storage/tadb.ts';
import { TeeStorage } from './storage/tee-storage.ts';

export class Guest {
  readonly nexus: Nexus;
  readonly threads: Threads;
  readonly heap: CoreHeap;
  readonly shm: RegShmTable;
  readonly shmRelease: RegShmRelease;
  /** The reserved shared memory as a whole. */
  readonly reserved: MobjNsecShm | undefined;
  readonly rpc: Rpc;
  readonly rpcShmCache: RpcShmCache;
  readonly notif: Notif;
  readonly time: TeeTime;
  readonly storage: TeeStorage;
  /** CFG_SECSTOR_TA */
  readonly tadb: Tadb | undefined;
  readonly manager: TaManager;
  /** Sessions opened from the normal world. */
  readonly openSessions = new SessionList();
  readonly pseudoTas: ReadonlyMap<string, PseudoTa>;
  /** ENABLE_SHM_CACHE: threads keep their RPC message. */
  preallocRpcCache = false;

  constructor(nexus: Nexus) {
    this.nexus = nexus;
    this.threads = new Threads(nexus, BOOT_CPU);
    this.heap = new CoreHeap(nexus.trace, nexus.config.CFG_CORE_HEAP_SIZE);
    this.shm = new RegShmTable(nexus, this.heap);
    const { reservedShm } = nexus.mmu;
    this.reserved = reservedShm === undefined ? undefined : MobjNsecShm.ofRegion(reservedShm);
    this.rpc = new Rpc(nexus, this.shm, this.heap);
    this.rpcShmCache = new RpcShmCache(this.rpc);
    this.notif = new Notif(nexus, this.rpc);
    const shmMutex = new SecureMutex(nexus.sched, this.notif, 'shm_mu');
    this.shmRelease = new RegShmRelease(this.shm, shmMutex, new Condvar(shmMutex));
    this.time = new TeeTime(nexus, this.rpc);
    this.storage = new TeeStorage(this);
    this.tadb = this.#makeTadb();
    this.manager = new TaManager(nexus, this.heap, this.notif, (m) => new GuestTaLoader(this, m));
    this.pseudoTas = this.#checked(makePseudoTas(this));
  }

  /** Ids of the sessions with a TA, whoever opened them. */
  sessionsOf(ctx: TeeTaCtx): number[] {
    const lists = [this.openSessions];
    for (const other of this.manager.contexts) {
      if (other instanceof UserTaCtx) lists.push(other.openSessions);
    }
    return lists.flatMap((list) => [...list].filter((s) => s.ctx === ctx).map((s) => s.id));
  }

  #makeTadb(): Tadb | undefined {
    const { config, sched } = this.nexus;
    if (!config.CFG_SECSTOR_TA || !config.CFG_REE_FS) return undefined;
    return new Tadb({
      nexus: this.nexus,
      heap: this.heap,
      rpc: this.rpc,
      rpcShmCache: this.rpcShmCache,
      fileOps: (id) => this.storage.fileOps(id),
      mutex: new SecureMutex(sched, this.notif, 'tadb_mutex'),
    });
  }

  #checked(ptas: readonly PseudoTa[]): ReadonlyMap<string, PseudoTa> {
    const byUuid = new Map<string, PseudoTa>();
    for (const pta of ptas) {
      const bad = byUuid.has(pta.uuid) ? 'its UUID is taken' : nonConformance(pta);
      if (bad !== undefined) throw this.nexus.panic(BOOT_SITE, 'PTA', `${pta.name}: ${bad}`);
      byUuid.set(pta.uuid, pta);
    }
    return byUuid;
  }
}

/** What a slot refers to before it has run anywhere. */
const BOOT_CPU: Cpu = { id: 0, secure: false, foreignPending: false };
