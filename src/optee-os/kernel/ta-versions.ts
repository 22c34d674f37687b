/**
 * The lowest version of each TA and of each subkey that the core takes: the highest that it has seen.
 * An attacker who has an old TA with a known fault does not get it in any more.
 *
 * Upstream counterpart: optee_os core/kernel/ree_fs_ta.c (check_update_version()).
 */
import {
  TEE_ERROR,
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_STORAGE_PRIVATE,
  TEE_STORAGE_PRIVATE_RPMB,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { VerDbEntry, VerDbHdr } from '../../abi/tee-fs.ts';
import { formatUuid } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import type { TeeFile, TeeFileOperations } from '../storage/tee-fs.ts';
import { TeePobj } from '../storage/tee-pobj.ts';
import type { StorageMutex } from '../storage/tee-ree-fs.ts';
import type { ThreadCtx } from './thread.ts';

/** The databases, by what they are of. */
const NAMES = { ta: 'ta_ver.db', subkey: 'subkey_ver.db' } as const;
export type VersionsOf = keyof typeof NAMES;

/** Of no TA. */
const NO_UUID = new Uint8Array(16);

export interface TaVersionsOptions {
  readonly trace: Trace;
  /** CFG_TA_VERSION_DB_RPMB */
  readonly inRpmb: boolean;
  readonly fileOps: (storage: number) => TeeFileOperations | undefined;
  /** ver_db_mutex */
  readonly mutex: StorageMutex;
}

export class TaVersions {
  readonly #options: TaVersionsOptions;

  constructor(options: TaVersionsOptions) {
    this.#options = options;
  }

  /**
   * Refuses a version below the highest so far, and remembers a higher one. Without secure storage
   * everything goes.
   * @param uuid octets @returns a TEE_Result
   */
  *checkUpdate(thread: ThreadCtx, of: VersionsOf, uuid: Uint8Array, version: number): Co<number> {
    const { fileOps, inRpmb, mutex } = this.#options;
    const ops = fileOps(inRpmb ? TEE_STORAGE_PRIVATE_RPMB : TEE_STORAGE_PRIVATE);
    if (ops === undefined) return TEE_SUCCESS;
    yield* mutex.lock(thread);
    const file = yield* this.#open(thread, ops, NAMES[of]);
    let res = typeof file === 'number' ? file : TEE_SUCCESS;
    if (typeof file !== 'number') {
      res = yield* this.#check(new VersionDb(thread, file), uuid, version);
      yield* file.close(thread);
    }
    yield* mutex.unlock(thread);
    return res;
  }

  *#open(thread: ThreadCtx, ops: TeeFileOperations, name: string): Co<TeeFile | number> {
    const id = Uint8Array.from(`${name}\0`, (c) => c.charCodeAt(0));
    const po = new TeePobj(NO_UUID, id, 0, ops);
    const file = yield* ops.open(thread, po, { size: 0 });
    if (file !== TEE_ERROR_ITEM_NOT_FOUND) return file;
    return yield* ops.create(thread, po, false, [new Uint8Array(VerDbHdr.byteLength)]);
  }

  *#check(db: VersionDb, uuid: Uint8Array, version: number): Co<number> {
    let res = yield* db.readHead();
    if (res !== TEE_SUCCESS) return res;
    const found = { known: 0 };
    res = yield* db.find(uuid, found);
    if (res === TEE_ERROR_ITEM_NOT_FOUND) return yield* db.append(uuid, version);
    if (res !== TEE_SUCCESS || version === found.known) return res;
    if (version > found.known) return yield* db.replace(uuid, version);
    return this.#tooOld(uuid, version, found.known);
  }

  #tooOld(uuid: Uint8Array, version: number, known: number): number {
    this.#options.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, TEE_ERROR_ACCESS_CONFLICT),
      text: `version ${version} of the TA is older than one that was loaded before`,
      object: formatUuid(uuid),
      requested: version,
      limit: `lowest version: ${known}`,
      hint: 'sign the TA with CFG_TA_VERSION of that number at least',
    });
    return TEE_ERROR_ACCESS_CONFLICT;
  }
}

/** An open database; functions return a TEE_Result. */
class VersionDb {
  readonly #thread: ThreadCtx;
  readonly #file: TeeFile;
  readonly #head = new DataView(new ArrayBuffer(VerDbHdr.byteLength));
  /** The entry that `find` has come to. */
  #index = 0;

  constructor(thread: ThreadCtx, file: TeeFile) {
    this.#thread = thread;
    this.#file = file;
  }

  /** A file without a head is one whose making was interrupted. */
  *readHead(): Co<number> {
    const bytes = new Uint8Array(this.#head.buffer);
    const count = { size: 0 };
    const res = yield* this.#file.read(this.#thread, 0, bytes, count);
    if (res !== TEE_SUCCESS) return res;
    if (count.size === 0) return yield* this.#file.write(this.#thread, 0, bytes.fill(0));
    return count.size === bytes.length ? TEE_SUCCESS : TEE_ERROR_BAD_STATE;
  }

  /** @param out the version that is known */
  *find(uuid: Uint8Array, out: { known: number }): Co<number> {
    const entry = new Uint8Array(VerDbEntry.byteLength);
    const view = new DataView(entry.buffer);
    const entries = VerDbHdr.nbEntries.get(this.#head, 0);
    for (this.#index = 0; this.#index < entries; this.#index++) {
      const count = { size: 0 };
      const res = yield* this.#file.read(this.#thread, this.#at(), entry, count);
      if (res !== TEE_SUCCESS) return res;
      if (count.size !== entry.length) return TEE_ERROR_BAD_STATE;
      if (!VerDbEntry.uuid.bytes(view, 0).every((octet, n) => octet === uuid[n])) continue;
      out.known = VerDbEntry.version.get(view, 0);
      return TEE_SUCCESS;
    }
    return TEE_ERROR_ITEM_NOT_FOUND;
  }

  *replace(uuid: Uint8Array, version: number): Co<number> {
    const entry = new Uint8Array(VerDbEntry.byteLength);
    const view = new DataView(entry.buffer);
    VerDbEntry.uuid.bytes(view, 0).set(uuid);
    VerDbEntry.version.set(view, 0, version);
    return yield* this.#file.write(this.#thread, this.#at(), entry);
  }

  /** The entry first: it does not count before the head says so. */
  *append(uuid: Uint8Array, version: number): Co<number> {
    const res = yield* this.replace(uuid, version);
    if (res !== TEE_SUCCESS) return res;
    VerDbHdr.nbEntries.set(this.#head, 0, this.#index + 1);
    return yield* this.#file.write(this.#thread, 0, new Uint8Array(this.#head.buffer));
  }

  #at(): number {
    return VerDbHdr.byteLength + this.#index * VerDbEntry.byteLength;
  }
}
