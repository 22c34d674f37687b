/**
 * How a TA comes to be: a pseudo TA is there, a user TA gets a context at once, so that others who
 * want the same TA wait, and is loaded then.
 *
 * Upstream counterparts: optee_os core/kernel/pseudo_ta.c (tee_ta_init_pseudo_ta_session()),
 * core/kernel/user_ta.c (tee_ta_init_user_ta_session()), core/kernel/ldelf_loader.c.
 */
import { TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_OUT_OF_MEMORY, TEE_SUCCESS } from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import { SecureMutex } from './mutex.ts';
import { PSEUDO_TA_CTX_BYTES, PseudoTaCtx } from './pseudo-ta.ts';
import { ReeFsTaStore } from './ree-fs-ta.ts';
import { SecstorTaStore } from './secstor-ta.ts';
import type { TeeTaSession } from './session.ts';
import { EarlyTaStore, openTa } from './ta-store.ts';
import type { TaStore } from './ta-store.ts';
import { TaVersions } from './ta-versions.ts';
import type { TaLoader, TaManager } from './tee-ta-manager.ts';
import type { ThreadCtx } from './thread.ts';
import { USER_TA_CTX_BYTES, UserTaCtx } from './user-ta.ts';

export class GuestTaLoader implements TaLoader {
  readonly #guest: Guest;
  readonly #manager: TaManager;
  /** In the order of their priorities: early TAs 2, secure storage 4, REE FS 9. */
  readonly stores: readonly TaStore[];

  constructor(guest: Guest, manager: TaManager) {
    const { nexus, rpc, tadb } = guest;
    this.#guest = guest;
    this.#manager = manager;
    const secstor = tadb === undefined ? [] : [new SecstorTaStore(nexus, tadb)];
    const reeFs = nexus.config.CFG_REE_FS_TA
      ? [new ReeFsTaStore(nexus, rpc, versionsOf(guest))]
      : [];
    this.stores = [new EarlyTaStore(nexus), ...secstor, ...reeFs];
  }

  initPseudo(thread: ThreadCtx, uuid: string, session: TeeTaSession): number {
    const { nexus, heap, pseudoTas } = this.#guest;
    const { log } = nexus;
    if (log.debug) {
      log.dmsg(thread, 'tee_ta_init_pseudo_ta_session', `Lookup pseudo TA ${uuid}`);
    }
    const pta = pseudoTas.get(uuid);
    if (pta === undefined) return TEE_ERROR_ITEM_NOT_FOUND;
    if (!heap.alloc(PSEUDO_TA_CTX_BYTES, 'a pseudo TA')) return TEE_ERROR_OUT_OF_MEMORY;
    if (log.debug) log.dmsg(thread, 'tee_ta_init_pseudo_ta_session', `Open ${pta.name}`);
    this.#attach(session, new PseudoTaCtx(this.#guest, this.#manager.mutex, pta));
    return TEE_SUCCESS;
  }

  initUser(_thread: ThreadCtx, uuid: string, session: TeeTaSession): number {
    const { heap } = this.#guest;
    if (!heap.alloc(USER_TA_CTX_BYTES, 'a user TA')) return TEE_ERROR_OUT_OF_MEMORY;
    this.#attach(session, new UserTaCtx(this.#guest, this.#manager, uuid));
    return TEE_SUCCESS;
  }

  *load(thread: ThreadCtx, session: TeeTaSession): Co<number> {
    const ctx = session.ctx as UserTaCtx;
    thread.sessions.push(session);
    const found = yield* openTa(this.#guest.nexus, this.stores, thread, ctx.uuid);
    thread.sessions.pop();
    return typeof found === 'number' ? found : ctx.start(thread, found);
  }

  #attach(session: TeeTaSession, ctx: UserTaCtx | PseudoTaCtx): void {
    session.ctx = ctx;
    this.#manager.contexts.add(ctx);
  }
}

function versionsOf({ nexus, notif, storage }: Guest): TaVersions {
  const { CFG_RPMB_FS, CFG_TA_VERSION_DB_RPMB } = nexus.config;
  return new TaVersions({
    trace: nexus.trace,
    inRpmb: CFG_RPMB_FS && CFG_TA_VERSION_DB_RPMB,
    fileOps: (id) => storage.fileOps(id),
    mutex: new SecureMutex(nexus.sched, notif, 'ver_db_mutex'),
  });
}
