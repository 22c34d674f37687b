/**
 * The PTA that installs TAs in secure storage: a `.ta` file that the client brings is verified and
 * stored. A TA is replaced by the same version or a later one.
 *
 * Upstream counterpart: optee_os core/pta/secstor_ta_mgmt.c.
 */
import {
  TEE_ERROR,
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { PTA_SECSTOR_TA_MGMT_BOOTSTRAP, PTA_SECSTOR_TA_MGMT_UUID } from '../../abi/pta.ts';
import { SHDR_BOOTSTRAP_TA, ShdrBootstrapTa } from '../../abi/shdr.ts';
import { PTA_DEFAULT_FLAGS } from '../../abi/ta-head.ts';
import { formatUuid, swapUuid } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import type { PseudoTa, PtaCall } from '../kernel/pseudo-ta.ts';
import {
  BadHeader,
  checkDigest,
  need,
  signedHeader,
  verifySignature,
} from '../kernel/signed-hdr.ts';
import type { SignedHeader } from '../kernel/signed-hdr.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { Tadb, TadbTaWrite } from '../storage/tadb.ts';

/** Bytes that are hashed and stored at a time. */
const CHUNK = 1024;

/** What a file says it is. */
interface Installation {
  readonly header: SignedHeader;
  readonly bootstrap: Uint8Array;
  /** Octets. */
  readonly uuid: Uint8Array;
  readonly version: number;
  readonly image: Uint8Array;
}

export class SecstorTaMgmtPta implements PseudoTa {
  readonly uuid = PTA_SECSTOR_TA_MGMT_UUID;
  readonly name = 'secstor_ta_mgmt';
  readonly flags = PTA_DEFAULT_FLAGS;
  readonly #guest: Guest;
  readonly #tadb: Tadb;

  constructor(guest: Guest, tadb: Tadb) {
    this.#guest = guest;
    this.#tadb = tadb;
  }

  *invokeCommand(call: PtaCall, command: number): Co<number> {
    if (command !== PTA_SECSTOR_TA_MGMT_BOOTSTRAP) return TEE_ERROR_NOT_IMPLEMENTED;
    if (call.types !== TEE_PARAM_TYPE_MEMREF_INPUT) return TEE_ERROR_BAD_PARAMETERS;
    try {
      // The client may go on writing.
      const ta = this.#parse(call.params[0]!.bytes.slice());
      return yield* this.#install(call.thread, ta);
    } catch (error) {
      if (!(error instanceof BadHeader)) throw error;
      return this.#refused(error);
    }
  }

  /** bootstrap(), and the first half of install_ta(). @throws BadHeader */
  #parse(file: Uint8Array): Installation {
    const { crypto, taPubKey } = this.#guest.nexus;
    const header = signedHeader(file, 0);
    verifySignature(crypto, taPubKey, header);
    if (header.imgType !== SHDR_BOOTSTRAP_TA) {
      throw new BadHeader(`image type ${header.imgType} cannot be installed`);
    }
    need(file, header.length, ShdrBootstrapTa.byteLength, 'bootstrap header');
    const end = header.length + ShdrBootstrapTa.byteLength;
    const bootstrap = file.slice(header.length, end);
    const view = new DataView(bootstrap.buffer);
    return {
      header,
      bootstrap,
      uuid: ShdrBootstrapTa.uuid.bytes(view, 0),
      version: ShdrBootstrapTa.taVersion.get(view, 0),
      image: file.subarray(end),
    };
  }

  /** install_ta(): the hash is looked at when everything is written. */
  *#install(thread: ThreadCtx, ta: Installation): Co<number> {
    const conflict = yield* this.#checkConflict(thread, ta);
    if (conflict !== TEE_SUCCESS) return conflict;
    const property = {
      uuid: swapUuid(ta.uuid),
      version: ta.version,
      binSize: ta.image.length,
    };
    const file = yield* this.#tadb.create(thread, property);
    if (typeof file === 'number') return file;
    const res = yield* this.#store(file, ta);
    if (res === TEE_SUCCESS) return yield* file.closeAndCommit(thread);
    yield* file.closeAndDelete(thread);
    return res;
  }

  *#store(file: TadbTaWrite, { header, bootstrap, image }: Installation): Co<number> {
    for (let at = 0; at < image.length; at += CHUNK) {
      const res = yield* file.write(image.subarray(at, at + CHUNK));
      if (res !== TEE_SUCCESS) return res;
    }
    try {
      checkDigest(this.#guest.nexus.crypto, header, [bootstrap, image]);
      return TEE_SUCCESS;
    } catch (error) {
      if (!(error instanceof BadHeader)) throw error;
      return this.#refused(error);
    }
  }

  /** check_install_conflict() */
  *#checkConflict(thread: ThreadCtx, { uuid, version }: Installation): Co<number> {
    const installed = yield* this.#tadb.openTa(thread, swapUuid(uuid));
    if (installed === TEE_ERROR_ITEM_NOT_FOUND) return TEE_SUCCESS;
    if (typeof installed === 'number') return installed;
    const known = installed.version;
    yield* installed.close(thread);
    if (known <= version) return TEE_SUCCESS;
    this.#guest.nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_ACCESS_CONFLICT',
      text: `version ${version} would replace version ${known}`,
      object: formatUuid(uuid),
    });
    return TEE_ERROR_ACCESS_CONFLICT;
  }

  #refused({ res, message }: BadHeader): number {
    this.#guest.nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, res),
      text: `the TA cannot be installed: ${message}`,
      object: this.name,
    });
    return res;
  }
}
