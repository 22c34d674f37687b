/**
 * The ways to an RPMB device: through tee-supplicant, or through the kernel's own class of them.
 *
 * Upstream counterpart: optee_os core/tee/tee_rpmb_fs.c (tee_rpmb_alloc(), tee_rpmb_invoke(),
 * rpmb_probe_reset(), rpmb_probe_next()).
 */
import {
  TEE_ERROR_GENERIC,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  OPTEE_RPC_CMD_RPMB,
  OPTEE_RPC_CMD_RPMB_FRAMES,
  OPTEE_RPC_CMD_RPMB_PROBE_NEXT,
  OPTEE_RPC_CMD_RPMB_PROBE_RESET,
  OPTEE_RPC_RPMB_EMMC,
  OPTEE_RPC_SHM_TYPE_APPL,
  OPTEE_RPC_SHM_TYPE_KERNEL,
  RPMB_CID_SIZE,
} from '../../abi/optee-rpc.ts';
import { PAGE_SIZE, roundUp } from '../../machine/address.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import { RPC_IN, RPC_OUT, setMemref, setValue, valueA, valueB, valueC } from '../kernel/rpc.ts';
import type { Rpc } from '../kernel/rpc.ts';
import type { RpcShmCache } from '../kernel/rpc-shm-cache.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { Mobj } from '../mm/mobj.ts';
import type { Nexus } from '../nexus.ts';

/** How frames get to the device. */
export interface RpmbRoute {
  /** OPTEE_RPC_CMD_RPMB, with a request header; else OPTEE_RPC_CMD_RPMB_FRAMES. */
  readonly legacy: boolean;
  /** OPTEE_RPC_SHM_TYPE_* */
  readonly shmType: number;
}

/** What a device says of itself. */
export interface RpmbDeviceInfo {
  readonly cid: Uint8Array;
  /** Units of 128 KiB. */
  readonly sizeMult: number;
  /** Reliable write sector count. */
  readonly relWrSecC: number;
}

/** Functions return a TEE_Result; the caller holds rpmb_mutex. */
export interface RpmbTransport {
  /** Makes room for a message, which stays until the thread's call ends. */
  reserve(thread: ThreadCtx, route: RpmbRoute, request: number, response: number): Co<number>;
  /**
   * Sends a request that room was made for.
   * @param response filled with the answer @param preset what it holds stands there before
   */
  exchange(
    thread: ThreadCtx,
    route: RpmbRoute,
    request: Uint8Array,
    response: Uint8Array,
    preset: boolean,
  ): Co<number>;
  /** @param out which memory the devices want; unchanged when there is no such way */
  probeReset(thread: ThreadCtx, out: { shmType: number }): Co<number>;
  /** @returns the next device, or a TEE_Result: ITEM_NOT_FOUND after the last */
  probeNext(thread: ThreadCtx): Co<RpmbDeviceInfo | number>;
}

const SHM_TYPES: ReadonlySet<number> = new Set([
  OPTEE_RPC_SHM_TYPE_APPL,
  OPTEE_RPC_SHM_TYPE_KERNEL,
]);

export class RpmbRpc implements RpmbTransport {
  readonly #nexus: Nexus;
  readonly #rpc: Rpc;
  readonly #cache: RpcShmCache;

  constructor(nexus: Nexus, rpc: Rpc, cache: RpcShmCache) {
    this.#nexus = nexus;
    this.#rpc = rpc;
    this.#cache = cache;
  }

  *reserve(thread: ThreadCtx, route: RpmbRoute, request: number, response: number): Co<number> {
    const mobj = yield* this.#buffer(thread, route, request, response);
    return mobj === undefined ? TEE_ERROR_OUT_OF_MEMORY : TEE_SUCCESS;
  }

  *exchange(
    thread: ThreadCtx,
    route: RpmbRoute,
    request: Uint8Array,
    response: Uint8Array,
    preset: boolean,
  ): Co<number> {
    const mobj = yield* this.#buffer(thread, route, request.length, response.length);
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    const { port } = this.#nexus;
    const at = roundUp(request.length, PAGE_SIZE);
    mobj.write(port, 0, request);
    if (preset) mobj.write(port, at, response);
    const cmd = route.legacy ? OPTEE_RPC_CMD_RPMB : OPTEE_RPC_CMD_RPMB_FRAMES;
    let res = yield* endOf(this.#rpc.begin(thread, cmd, 2));
    if (res !== TEE_SUCCESS) return res;
    setMemref(thread, 0, RPC_IN, mobj, 0, request.length);
    setMemref(thread, 1, RPC_OUT, mobj, at, response.length);
    res = yield* this.#rpc.send(thread);
    if (res === TEE_SUCCESS && response.length > 0) mobj.read(port, at, response);
    return res;
  }

  *probeReset(thread: ThreadCtx, out: { shmType: number }): Co<number> {
    let res = yield* endOf(this.#rpc.begin(thread, OPTEE_RPC_CMD_RPMB_PROBE_RESET, 1));
    if (res !== TEE_SUCCESS) return res;
    setValue(thread, 0, RPC_OUT, 0, 0, 0);
    res = yield* this.#rpc.send(thread);
    if (res !== TEE_SUCCESS) return res;
    const shmType = valueA(thread, 0);
    if (!SHM_TYPES.has(shmType)) return TEE_ERROR_GENERIC;
    out.shmType = shmType;
    return TEE_SUCCESS;
  }

  /** A device whose id has more bytes than a CID is passed over: it is of a kind to come. */
  *probeNext(thread: ThreadCtx): Co<RpmbDeviceInfo | number> {
    const kernel = OPTEE_RPC_SHM_TYPE_KERNEL;
    const mobj = yield* this.#cache.alloc(thread, 'rpmb', kernel, RPMB_CID_SIZE);
    if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    let res: number;
    do {
      res = yield* endOf(this.#rpc.begin(thread, OPTEE_RPC_CMD_RPMB_PROBE_NEXT, 2));
      if (res !== TEE_SUCCESS) return res;
      setValue(thread, 0, RPC_OUT, 0, 0, 0);
      setMemref(thread, 1, RPC_OUT, mobj, 0, RPMB_CID_SIZE);
      res = yield* this.#rpc.send(thread);
    } while (res === TEE_ERROR_SHORT_BUFFER);
    if (res !== TEE_SUCCESS) return res;
    if (valueA(thread, 0) !== OPTEE_RPC_RPMB_EMMC) return TEE_ERROR_NOT_SUPPORTED;
    const cid = new Uint8Array(RPMB_CID_SIZE);
    mobj.read(this.#nexus.port, 0, cid);
    return { cid, sizeMult: valueB(thread, 0) & 0xff, relWrSecC: valueC(thread, 0) & 0xff };
  }

  /** Request and response begin with pages of their own. */
  #buffer(
    thread: ThreadCtx,
    route: RpmbRoute,
    request: number,
    response: number,
  ): Co<Mobj | undefined> {
    const size = roundUp(request, PAGE_SIZE) + roundUp(response, PAGE_SIZE);
    return this.#cache.alloc(thread, 'rpmb', route.shmType, size);
  }
}
