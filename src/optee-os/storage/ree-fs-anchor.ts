/**
 * What keeps dirf.db from being rolled back, and so every file that it names: its hash in RPMB
 * memory, or its counter in a monotonic counter of the platform. The emulated board has neither.
 *
 * Upstream counterparts: optee_os core/tee/tee_ree_fs.c (open_dirh(), commit_dirh_writes(),
 * close_dirh(), in both variants of CFG_REE_FS_INTEGRITY_RPMB), core/kernel/nv_counter.c.
 */
import {
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TEE_FS_HTREE_HASH_SIZE } from '../../abi/tee-fs.ts';
import type { Co } from '../../sched/task.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { TeeFsDirfile } from './fs-dirfile.ts';
import type { DirfileHost } from './fs-dirfile.ts';
import type { HtreeAnchor } from './fs-htree.ts';
import { ReeFile, logSite } from './ree-fs-file.ts';
import type { ReeFsCore } from './ree-fs-file.ts';
import type { TeeFile, TeeFileOperations } from './tee-fs.ts';

/** The RPMB file system, as far as the hash of dirf.db needs it besides its operations. */
export interface RpmbFs extends TeeFileOperations {
  /** tee_rpmb_fs_raw_open(): a file of no TA. */
  rawOpen(thread: ThreadCtx, name: string, create: boolean): Co<TeeFile | number>;
}

/** A counter that only grows, in the platform. */
export interface NvCounter {
  /** nv_counter_get_ree_fs(): a value, or a TEE_Result below zero's complement. */
  get(): { readonly value: number } | { readonly error: number };
  /** nv_counter_incr_ree_fs_to() @returns a TEE_Result */
  increaseTo(value: number): number;
}

export interface AnchorConfig {
  readonly CFG_REE_FS_ALLOW_RESET: boolean;
  readonly CFG_INSECURE: boolean;
}

/** The shared handle of dirf.db: opened, committed and closed with its protection. */
export interface DirfAnchor {
  open(): Co<TeeFsDirfile | number>;
  /** @returns a TEE_Result */
  commit(dirh: TeeFsDirfile): Co<number>;
  close(dirh: TeeFsDirfile): Co<void>;
}

/** What both variants open dirf.db with. */
interface Dirf {
  readonly core: ReeFsCore;
  readonly host: DirfileHost;
  readonly config: AnchorConfig;
}

const openDirf = ({ core, host }: Dirf, anchor: HtreeAnchor): Co<TeeFsDirfile | number> =>
  TeeFsDirfile.open(host, () => ReeFile.open(core, undefined, undefined, anchor));

const createDirf = ({ core, host }: Dirf, minCounter: number): Co<TeeFsDirfile | number> =>
  TeeFsDirfile.open(host, () => ReeFile.create(core, undefined, undefined, minCounter));

/** Without CFG_REE_FS_INTEGRITY_RPMB. */
export class CounterAnchor implements DirfAnchor {
  readonly #dirf: Dirf;
  readonly #counter: NvCounter;
  #warnedOfGet = false;
  #warnedOfCommit = false;

  constructor(dirf: Dirf, counter: NvCounter = NO_NV_COUNTER) {
    this.#dirf = dirf;
    this.#counter = counter;
  }

  *open(): Co<TeeFsDirfile | number> {
    const { config } = this.#dirf;
    const got = this.#counter.get();
    if ('error' in got && !this.#isTolerable(got.error)) return got.error;
    if ('error' in got) this.#warnOfGet();
    const minCounter = 'error' in got ? 0 : got.value;
    const dirh = yield* openDirf(this.#dirf, { hash: undefined, minCounter });
    if (dirh !== TEE_ERROR_ITEM_NOT_FOUND) return dirh;
    if (minCounter !== 0 && !config.CFG_REE_FS_ALLOW_RESET) return missing(this.#dirf);
    return yield* createDirf(this.#dirf, minCounter);
  }

  *commit(dirh: TeeFsDirfile): Co<number> {
    const res = yield* dirh.file.sync();
    if (res !== TEE_SUCCESS) return res;
    const { counter } = dirh.file;
    const increased = this.#counter.increaseTo(counter);
    if (!this.#isTolerable(increased)) return increased;
    if (increased !== TEE_SUCCESS) this.#warnOfCommit(counter);
    return TEE_SUCCESS;
  }

  *close(dirh: TeeFsDirfile): Co<void> {
    yield* dirh.close();
  }

  #isTolerable(res: number): boolean {
    const insecure = res === TEE_ERROR_NOT_IMPLEMENTED && this.#dirf.config.CFG_INSECURE;
    return res === TEE_SUCCESS || insecure;
  }

  #warnOfGet(): void {
    if (!this.#warnedOfGet)
      this.#warn('open_dirh', 'Failed to get monotonic counter for REE FS, using 0');
    this.#warnedOfGet = true;
  }

  #warnOfCommit(counter: number): void {
    if (!this.#warnedOfCommit) {
      this.#warn('commit_dirh_writes', `Failed to commit dirh counter ${counter}`);
    }
    this.#warnedOfCommit = true;
  }

  #warn(fn: string, what: string): void {
    const { core } = this.#dirf;
    core.log.imsg(logSite(core), fn, `WARNING (insecure configuration): ${what}`);
  }
}

/** nv_counter_*() of a platform without one. */
const NO_NV_COUNTER: NvCounter = {
  get: () => ({ error: TEE_ERROR_NOT_IMPLEMENTED }),
  increaseTo: () => TEE_ERROR_NOT_IMPLEMENTED,
};

/** The hash's place. */
const HASH_FILE = 'dirfile.db.hash';

/** With CFG_REE_FS_INTEGRITY_RPMB. */
export class RpmbAnchor implements DirfAnchor {
  readonly #dirf: Dirf;
  readonly #rpmb: RpmbFs;
  /** `ree_fs_rpmb_fh` */
  #hashFile: TeeFile | undefined;

  constructor(dirf: Dirf, rpmb: RpmbFs) {
    this.#dirf = dirf;
    this.#rpmb = rpmb;
  }

  *open(): Co<TeeFsDirfile | number> {
    const hash = yield* this.#openHash();
    if (typeof hash === 'number') return hash;
    const dirh = hash.known ? yield* this.#openKnown(hash.bytes) : yield* this.#createAnchored();
    if (typeof dirh === 'number') yield* this.#closeHash();
    return dirh;
  }

  *commit(dirh: TeeFsDirfile): Co<number> {
    const res = yield* dirh.file.sync();
    return res === TEE_SUCCESS ? yield* this.#writeHash(dirh) : res;
  }

  *close(dirh: TeeFsDirfile): Co<void> {
    yield* dirh.close();
    yield* this.#closeHash();
  }

  /** Without the file, or with less than a hash in it, nothing is known of dirf.db. */
  *#openHash(): Co<{ known: boolean; bytes: Uint8Array } | number> {
    const bytes = new Uint8Array(TEE_FS_HTREE_HASH_SIZE);
    let file = yield* this.#rpmb.rawOpen(this.#thread, HASH_FILE, false);
    const isNew = file === TEE_ERROR_ITEM_NOT_FOUND;
    if (isNew) file = yield* this.#rpmb.rawOpen(this.#thread, HASH_FILE, true);
    if (typeof file === 'number') return file;
    this.#hashFile = file;
    if (isNew) return { known: false, bytes };
    const count = { size: 0 };
    const res = yield* file.read(this.#thread, 0, bytes, count);
    return res === TEE_SUCCESS ? { known: count.size === bytes.length, bytes } : res;
  }

  *#openKnown(hash: Uint8Array): Co<TeeFsDirfile | number> {
    const dirh = yield* openDirf(this.#dirf, { hash, minCounter: 0 });
    if (dirh !== TEE_ERROR_ITEM_NOT_FOUND) return dirh;
    if (!this.#dirf.config.CFG_REE_FS_ALLOW_RESET) return missing(this.#dirf);
    this.#imsg('dirf.db not found, resetting secure storage');
    // An interruption from here on leaves an empty file, as if there never was a hash.
    const res = yield* this.#hashFile!.truncate(this.#thread, 0);
    if (res !== TEE_SUCCESS) return this.#failed(`Can't clear hash: 0x${res.toString(16)}`);
    return yield* this.#createAnchored();
  }

  /** Whatever lies there is overwritten; the new one counts once its hash is known. */
  *#createAnchored(): Co<TeeFsDirfile | number> {
    this.#imsg('Create dirf.db');
    const dirh = yield* createDirf(this.#dirf, 0);
    if (typeof dirh === 'number') return dirh;
    const res = yield* this.#writeHash(dirh);
    if (res === TEE_SUCCESS) return dirh;
    yield* dirh.close();
    return this.#failed(`Can't anchor dirf.db: 0x${res.toString(16)}`);
  }

  *#writeHash(dirh: TeeFsDirfile): Co<number> {
    return yield* this.#hashFile!.write(this.#thread, 0, dirh.file.rootHash);
  }

  *#closeHash(): Co<void> {
    const file = this.#hashFile;
    this.#hashFile = undefined;
    if (file !== undefined) yield* file.close(this.#thread);
  }

  get #thread(): ThreadCtx {
    return this.#dirf.core.rpc.thread!;
  }

  #imsg(text: string): void {
    const { core } = this.#dirf;
    core.log.imsg(logSite(core), 'open_dirh', text);
  }

  #failed(text: string): number {
    const { core } = this.#dirf;
    core.log.emsg(logSite(core), 'open_dirh', text);
    return TEE_ERROR_SECURITY;
  }
}

function missing({ core }: Dirf): number {
  core.log.emsg(logSite(core), 'open_dirh', 'dirf.db file not found');
  core.trace.cause('secure', {
    layer: 'optee-os',
    code: 'TEE_ERROR_SECURITY',
    text: 'secure storage was in use before, and its directory is gone',
    object: 'secure storage file dirf.db',
    limit: 'CFG_REE_FS_ALLOW_RESET=n',
    hint: 'bring the files back, or build with CFG_REE_FS_ALLOW_RESET=y to begin anew',
  });
  return TEE_ERROR_SECURITY;
}
