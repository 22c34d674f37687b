/**
 * The REE FS store: `.ta` files that tee-supplicant reads. Both round trips are made as upstream
 * makes them, the size first, the file then; everything that is signed is verified. The image itself
 * is refused, because nothing runs it yet.
 *
 * Upstream counterpart: optee_os core/kernel/ree_fs_ta.c. Left out: CFG_REE_FS_TA_BUFFERED, which
 * verifies the file before the loader reads it instead of meanwhile.
 */
import { OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_SHM_TYPE_APPL } from '../../abi/optee-rpc.ts';
import {
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OpteeMsgParam,
  opteeMsgParamOffset,
} from '../../abi/optee-msg.ts';
import {
  TEE_ERROR,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { parseUuid } from '../../abi/uuid.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import type { TaImage } from '../../ta/runtime.ts';
import type { Mobj } from '../mm/mobj.ts';
import type { Nexus } from '../nexus.ts';
import { RPC_OUT, memrefSize, setMemref } from './rpc.ts';
import type { Rpc } from './rpc.ts';
import { BadHeader } from './signed-hdr.ts';
import { SignedTa } from './signed-ta.ts';
import type { TaSigning } from './signed-ta.ts';
import type { TaStore } from './ta-store.ts';
import type { TaVersions } from './ta-versions.ts';
import type { ThreadCtx } from './thread.ts';

export class ReeFsTaStore implements TaStore {
  readonly description = 'REE';
  readonly #nexus: Nexus;
  readonly #rpc: Rpc;

  readonly #signing: TaSigning;

  constructor(nexus: Nexus, rpc: Rpc, versions: TaVersions) {
    const { crypto, taPubKey: key } = nexus;
    this.#nexus = nexus;
    this.#rpc = rpc;
    this.#signing = { crypto, key, versions };
  }

  lacks(): string {
    return 'tee-supplicant has no file of it';
  }

  *open(thread: ThreadCtx, uuid: string): Co<TaImage | number> {
    const found = yield* this.#with(thread, uuid, (ta) => ta.image());
    return typeof found === 'number' ? found : this.#refused(uuid, CANNOT_RUN);
  }

  tag(thread: ThreadCtx, uuid: string): Co<Uint8Array | number> {
    return this.#with(thread, uuid, (ta) => ta.tag());
  }

  /** ree_fs_ta_open(), for as long as `use` takes. @param use may throw BadHeader */
  *#with<T>(thread: ThreadCtx, uuid: string, use: (ta: SignedTa) => Co<T>): Co<T | number> {
    const octets = parseUuid(uuid);
    let res: T | number = yield* this.#loadTa(thread, octets, undefined, 0);
    if (res !== TEE_SUCCESS) return res;
    const size = memrefSize(thread, 1);
    const mobj = yield* this.#rpc.allocPayload(thread, size, OPTEE_RPC_SHM_TYPE_APPL);
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    res = TEE_ERROR_SHORT_BUFFER;
    // The size stays what the supplicant said first, whatever it says with the file.
    if (mobj.covers(0, size)) res = yield* this.#loadTa(thread, octets, mobj, size);
    if (res === TEE_SUCCESS) {
      const file = this.#copyOf(mobj, size);
      const ta = new SignedTa(this.#signing, thread, file, octets);
      res = yield* this.#checked(uuid, use(ta), size);
    }
    yield* this.#rpc.freePayload(thread, mobj, OPTEE_RPC_SHM_TYPE_APPL);
    return res;
  }

  /** One RPC LOAD_TA: with a NULL reference it answers the size. */
  *#loadTa(
    thread: ThreadCtx,
    octets: Uint8Array,
    mobj: Mobj | undefined,
    size: number,
  ): Co<number> {
    const res = yield* endOf(this.#rpc.begin(thread, OPTEE_RPC_CMD_LOAD_TA, 2));
    if (res !== TEE_SUCCESS) return res;
    const { view, at } = thread.rpcArg;
    const param = at + opteeMsgParamOffset(0);
    OpteeMsgParam.attr.setNum(view, param, OPTEE_MSG_ATTR_TYPE_VALUE_INPUT);
    OpteeMsgParam.octets.bytes(view, param).set(octets);
    setMemref(thread, 1, RPC_OUT, mobj, 0, size);
    return yield* this.#rpc.send(thread);
  }

  /** Secure: the supplicant may go on writing. */
  #copyOf(mobj: Mobj, size: number): Uint8Array {
    const file = new Uint8Array(size);
    mobj.read(this.#nexus.port, 0, file);
    return file;
  }

  *#checked<T>(uuid: string, use: Co<T>, size: number): Co<T | number> {
    try {
      return yield* use;
    } catch (error) {
      if (!(error instanceof BadHeader)) throw error;
      return this.#refused(uuid, error, size);
    }
  }

  #refused(uuid: string, { res, message }: BadHeader, requested?: number): number {
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, res),
      text: message,
      object: `${uuid}.ta`,
      ...(requested !== undefined && { requested }),
    });
    return res;
  }
}

const CANNOT_RUN = new BadHeader(
  'the file is a TA, but .ta files cannot be run: give the box a TypeScript TA',
  TEE_ERROR_NOT_SUPPORTED,
);
