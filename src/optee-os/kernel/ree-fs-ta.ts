/**
 * The REE FS store: `.ta` files that tee-supplicant reads. Both round trips are made as upstream
 * makes them, the size first, the file then; the header is checked. The image itself is refused,
 * because nothing runs it yet.
 *
 * Upstream counterpart: optee_os core/kernel/ree_fs_ta.c. Left out: signature, hash, decryption,
 * rollback database, CFG_REE_FS_TA_BUFFERED.
 */
import { OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_SHM_TYPE_APPL } from '../../abi/optee-rpc.ts';
import {
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OpteeMsgParam,
  opteeMsgParamOffset,
} from '../../abi/optee-msg.ts';
import {
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { parseUuid } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import type { TaImage } from '../../ta/runtime.ts';
import type { Mobj } from '../mm/mobj.ts';
import type { Nexus } from '../nexus.ts';
import { RPC_OUT, memrefSize, setMemref } from './rpc.ts';
import type { Rpc } from './rpc.ts';
import { checkSignedHeader } from './signed-hdr.ts';
import type { TaStore } from './ta-store.ts';
import type { ThreadCtx } from './thread.ts';

export class ReeFsTaStore implements TaStore {
  readonly description = 'REE';
  readonly #nexus: Nexus;
  readonly #rpc: Rpc;

  constructor(nexus: Nexus, rpc: Rpc) {
    this.#nexus = nexus;
    this.#rpc = rpc;
  }

  where(uuid: string): string {
    return `tee-supplicant's TA directories (${uuid}.ta)`;
  }

  /** ree_fs_ta_open() */
  *open(thread: ThreadCtx, uuid: string): Co<TaImage | number> {
    const octets = parseUuid(uuid);
    let res = yield* this.#loadTa(thread, octets, undefined, 0);
    if (res !== TEE_SUCCESS) return res;
    const size = memrefSize(thread, 1);
    const mobj = yield* this.#rpc.allocPayload(thread, size, OPTEE_RPC_SHM_TYPE_APPL);
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    res = TEE_ERROR_SHORT_BUFFER;
    // The size stays what the supplicant said first, whatever it says with the file.
    if (mobj.covers(0, size)) res = yield* this.#loadTa(thread, octets, mobj, size);
    if (res === TEE_SUCCESS) res = this.#check(uuid, octets, mobj, size);
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
    const res = yield* this.#rpc.begin(thread, OPTEE_RPC_CMD_LOAD_TA, 2);
    if (res !== TEE_SUCCESS) return res;
    const { view, at } = thread.rpcArg;
    const param = at + opteeMsgParamOffset(0);
    OpteeMsgParam.attr.setNum(view, param, OPTEE_MSG_ATTR_TYPE_VALUE_INPUT);
    OpteeMsgParam.octets.bytes(view, param).set(octets);
    setMemref(thread, 1, RPC_OUT, mobj, 0, size);
    return yield* this.#rpc.send(thread);
  }

  /** A secure copy is made first: the supplicant may go on writing. */
  #check(uuid: string, octets: Uint8Array, mobj: Mobj, size: number): number {
    const { port, trace } = this.#nexus;
    const mapping = port.mapContiguous(mobj.pages, mobj.pageOffset, size, 'read');
    const bad = checkSignedHeader(new Uint8Array(mapping.bytes), octets);
    trace.cause('secure', {
      layer: 'optee-os',
      code: bad === undefined ? 'TEE_ERROR_NOT_SUPPORTED' : 'TEE_ERROR_SECURITY',
      text: bad ?? 'the file is a TA, but .ta files cannot be run: give the box a TypeScript TA',
      object: `${uuid}.ta`,
      requested: size,
    });
    return bad === undefined ? TEE_ERROR_NOT_SUPPORTED : TEE_ERROR_SECURITY;
  }
}
