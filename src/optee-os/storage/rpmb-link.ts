/**
 * How the core comes to its RPMB device: it is found, through the kernel or through tee-supplicant,
 * its key is derived from its CID, and the write counter tells whether it is the right one.
 *
 * Upstream counterpart: optee_os core/tee/tee_rpmb_fs.c (struct tee_rpmb_ctx, tee_rpmb_init() and
 * what it calls). Left out: plat_rpmb_key_is_ready(), which is always true here.
 */
import {
  TEE_ERROR,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import {
  OPTEE_RPC_SHM_TYPE_APPL,
  RPMB_CMD_DATA_REQ,
  RPMB_CMD_GET_DEV_INFO,
  RPMB_CMD_GET_DEV_INFO_RET_ERROR,
  RPMB_CMD_GET_DEV_INFO_RET_OK,
  RPMB_DATA_FRAME_SIZE,
  RPMB_DATA_SIZE,
  RPMB_KEY_MAC_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ,
  RPMB_NONCE_SIZE,
  RPMB_SIZE_SINGLE,
  RpmbDevInfo,
  RpmbReq,
} from '../../abi/optee-rpc.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { RandomSource } from '../../sched/random.ts';
import type { Co } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import type { OpteeOsConfig } from '../config.ts';
import { HUK_SUBKEY_RPMB, hukSubkeyDerive } from '../kernel/huk-subkey.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import type { CoreLog } from '../kernel/trace.ts';
import type { OpteeOsSwitches } from '../switches.ts';
import { checkFrames, keyMacOf, packFrames, viewOf } from './rpmb-frames.ts';
import type { RpmbExpectation } from './rpmb-frames.ts';
import type { RpmbDeviceInfo, RpmbRoute, RpmbTransport } from './rpmb-transport.ts';
import type { StorageHeap } from './tee-fs.ts';

/** What the RPMB file system and its device need. */
export interface RpmbCore {
  readonly transport: RpmbTransport;
  readonly crypto: HostCrypto;
  /** crypto_rng_read() */
  readonly random: RandomSource;
  readonly heap: StorageHeap;
  readonly log: CoreLog;
  readonly trace: Trace;
  readonly config: Pick<
    OpteeOsConfig,
    | 'CFG_RPMB_FS_DEV_ID'
    | 'CFG_RPMB_FS_RD_ENTRIES'
    | 'CFG_RPMB_FS_CACHE_ENTRIES'
    | 'CFG_RPMB_RESET_FAT'
    | 'CFG_RPMB_TESTKEY'
    | 'CFG_RPMB_WRITE_KEY'
  >;
  readonly switches: Pick<
    OpteeOsSwitches,
    'quirkRpmbReplaceLoses' | 'quirkRpmbStaleEntryFound' | 'quirkRpmbTemporaryKept'
  >;
}

/** rpmb_test_key */
export const RPMB_TEST_KEY: Uint8Array = Uint8Array.of(
  ...[0xd3, 0xeb, 0x3e, 0xc3, 0x6e, 0x33, 0x4c, 0x9f],
  ...[0x98, 0x8c, 0xe2, 0xc0, 0xb8, 0x59, 0x54, 0x61],
  ...[0x0d, 0x2b, 0xcf, 0x86, 0x64, 0x84, 0x4d, 0xf2],
  ...[0xab, 0x56, 0xe6, 0xc6, 0x1b, 0xb7, 0x01, 0xe4],
);

/** Octets of the CID that a firmware update of the device changes: its revision, the checksum. */
const CHANGING_OCTETS = [9, 15];

/** tee_rpmb_key_gen() without CFG_RPMB_TESTKEY. */
export function rpmbKey(crypto: HostCrypto, cid: Uint8Array): Uint8Array {
  const message = cid.slice();
  for (const at of CHANGING_OCTETS) message[at] = 0;
  return hukSubkeyDerive(crypto, HUK_SUBKEY_RPMB, message, RPMB_KEY_MAC_SIZE);
}

const LEGACY: RpmbRoute = { legacy: true, shmType: OPTEE_RPC_SHM_TYPE_APPL };

/** `struct tee_rpmb_ctx` */
export class RpmbLink {
  readonly core: RpmbCore;
  /** Set once a write may or may not have happened: nothing is tried until the next boot. */
  dead = false;
  maxBlkIdx = 0;
  writeCounter = 0;
  /** False when an answer was lost, and the counter may be another. */
  wrCntSynced = false;
  devInfoSynced = false;
  #key: Uint8Array = new Uint8Array(RPMB_KEY_MAC_SIZE);
  #cid: Uint8Array = new Uint8Array(0);
  #route = LEGACY;
  #devId = 0;
  #keyDerived = false;
  #keyVerified = false;
  #reinit = false;

  constructor(core: RpmbCore) {
    this.core = core;
  }

  get key(): Uint8Array {
    return this.#key;
  }

  /** tee_rpmb_init() */
  *init(thread: ThreadCtx): Co<number> {
    if (this.dead) return TEE_ERROR_COMMUNICATION;
    if (this.#reinit && this.#keyVerified) return yield* this.#findAgain(thread);
    if (this.#keyVerified) return TEE_SUCCESS;
    if (this.#reinit) {
      this.wrCntSynced = this.#keyDerived = this.devInfoSynced = false;
      this.#reinit = false;
    }
    if (this.core.config.CFG_RPMB_WRITE_KEY) return yield* this.#initLegacy(thread);
    const res = yield* this.#probeReset(thread);
    if (isNoSuchWay(res)) return yield* this.#initLegacy(thread);
    return res === TEE_SUCCESS ? yield* this.#probe(thread) : res;
  }

  /** tee_rpmb_reinit(): the device may be another by now. */
  *reinit(thread: ThreadCtx): Co<number> {
    this.#reinit = true;
    return yield* this.init(thread);
  }

  /** Makes room for a request of so many frames and its answer. */
  *reserve(thread: ThreadCtx, request: number, response: number): Co<number> {
    const head = this.#route.legacy ? RpmbReq.byteLength : 0;
    const sizes = [request, response].map((frames) => frames * RPMB_DATA_FRAME_SIZE);
    return yield* this.core.transport.reserve(thread, this.#route, head + sizes[0]!, sizes[1]!);
  }

  /**
   * tee_rpmb_invoke(), with the request's header where there is one.
   * @param blockCount the header's @param cleared the room for the answer is zeroed first
   */
  *invoke(
    thread: ThreadCtx,
    frames: Uint8Array,
    response: Uint8Array,
    { blockCount = 0, cleared = false } = {},
  ): Co<number> {
    const request = this.#route.legacy
      ? this.#withHead(RPMB_CMD_DATA_REQ, blockCount, frames)
      : frames;
    return yield* this.core.transport.exchange(thread, this.#route, request, response, cleared);
  }

  /** checkFrames(), and says why an answer is refused. */
  check(thread: ThreadCtx, frames: Uint8Array, expected: RpmbExpectation): number {
    const { res, why } = checkFrames(this.core.crypto, frames, expected);
    if (res === TEE_SUCCESS) return res;
    this.debug(thread, 'tee_rpmb_resp_unpack_verify', why);
    this.core.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, res),
      text: `an answer of the RPMB device is refused: ${why}`,
      object: `RPMB frame 0x${expected.msgType.toString(16)}`,
    });
    return res;
  }

  nonce(): Uint8Array {
    const nonce = new Uint8Array(RPMB_NONCE_SIZE);
    this.core.random.fill(nonce);
    return nonce;
  }

  debug(thread: ThreadCtx, fn: string, text: string): void {
    const { log } = this.core;
    if (log.debug) log.dmsg(thread, fn, text);
  }

  // --- by way of the kernel
  *#probeReset(thread: ThreadCtx): Co<number> {
    const out = { shmType: 0 };
    const res = yield* this.core.transport.probeReset(thread, out);
    if (res === TEE_SUCCESS) {
      this.#devId = 0;
      this.#route = { legacy: false, shmType: out.shmType };
    }
    return res;
  }

  /** The first device that takes our key. */
  *#probe(thread: ThreadCtx): Co<number> {
    for (;;) {
      const info = yield* this.core.transport.probeNext(thread);
      if (typeof info === 'number') return this.#noDevice(info);
      if (this.#setDevInfo(thread, info) !== TEE_SUCCESS) continue;
      this.#deriveKey(thread);
      if ((yield* this.#readCounter(thread)) === TEE_SUCCESS) break;
    }
    return this.#found(thread);
  }

  /** The device that it was before. */
  *#findAgain(thread: ThreadCtx): Co<number> {
    const res = yield* this.#probeReset(thread);
    if (isNoSuchWay(res)) return yield* this.#initLegacy(thread);
    if (res !== TEE_SUCCESS) return res;
    for (;;) {
      const info = yield* this.core.transport.probeNext(thread);
      if (typeof info === 'number') return this.#noDevice(info);
      if (info.cid.every((octet, n) => octet === this.#cid[n])) break;
    }
    this.#reinit = false;
    return TEE_SUCCESS;
  }

  #noDevice(res: number): number {
    this.core.trace.cause('secure', {
      layer: 'optee-os',
      code: codeName(TEE_ERROR, res),
      text: 'none of the RPMB devices that the kernel knows takes the key of this core',
      object: 'RPC RPMB_PROBE_NEXT',
      hint: 'give the box an eMMC; its key is programmed with CFG_RPMB_WRITE_KEY=y, once',
    });
    return res;
  }

  #found(thread: ThreadCtx): number {
    this.debug(thread, 'tee_rpmb_init', 'Found working RPMB device');
    this.#keyVerified = true;
    this.wrCntSynced = true;
    return TEE_SUCCESS;
  }

  // --- by way of tee-supplicant
  /** legacy_rpmb_init() */
  *#initLegacy(thread: ThreadCtx): Co<number> {
    this.debug(thread, 'legacy_rpmb_init', 'Trying legacy RPMB init');
    this.#route = LEGACY;
    this.#devId = this.core.config.CFG_RPMB_FS_DEV_ID;
    if (!this.devInfoSynced) {
      const res = yield* this.#readDevInfo(thread);
      if (res !== TEE_SUCCESS) return res;
      this.devInfoSynced = true;
    }
    if (!this.#keyDerived) this.#deriveKey(thread);
    this.#keyDerived = true;
    if (this.wrCntSynced && this.#keyVerified) return TEE_SUCCESS;
    const res = yield* this.#readCounter(thread);
    if (res === TEE_SUCCESS) return this.#found(thread);
    if (res === TEE_ERROR_ITEM_NOT_FOUND && !this.#keyVerified) {
      return yield* this.#writeAndVerifyKey(thread);
    }
    const { log } = this.core;
    log.emsg(thread, 'legacy_rpmb_init', `Verify key failed! 0x${res.toString(16)}`);
    log.emsg(thread, 'legacy_rpmb_init', 'Make sure key here matches device key');
    return res;
  }

  /** tee_rpmb_get_dev_info() */
  *#readDevInfo(thread: ThreadCtx): Co<number> {
    const { transport } = this.core;
    const request = this.#withHead(RPMB_CMD_GET_DEV_INFO, 0, new Uint8Array(0));
    const response = new Uint8Array(RpmbDevInfo.byteLength);
    const view = viewOf(response);
    RpmbDevInfo.retCode.set(view, 0, RPMB_CMD_GET_DEV_INFO_RET_ERROR);
    const res = yield* transport.exchange(thread, this.#route, request, response, true);
    if (res !== TEE_SUCCESS) return res;
    if (RpmbDevInfo.retCode.get(view, 0) !== RPMB_CMD_GET_DEV_INFO_RET_OK) return TEE_ERROR_GENERIC;
    return this.#setDevInfo(thread, {
      cid: RpmbDevInfo.cid.bytes(view, 0).slice(),
      sizeMult: RpmbDevInfo.rpmbSizeMult.get(view, 0),
      relWrSecC: RpmbDevInfo.relWrSecC.get(view, 0),
    });
  }

  /** tee_rpmb_write_and_verify_key(): without CFG_RPMB_WRITE_KEY a device without a key is none. */
  *#writeAndVerifyKey(thread: ThreadCtx): Co<number> {
    if (!this.core.config.CFG_RPMB_WRITE_KEY) return this.#noKey(thread);
    const res = yield* this.#writeKey(thread);
    return res === TEE_SUCCESS ? yield* this.#readCounter(thread) : res;
  }

  #noKey(thread: ThreadCtx): number {
    const text = 'RPMB INIT: CFG_RPMB_WRITE_KEY is not set';
    this.debug(thread, 'tee_rpmb_write_and_verify_key', text);
    this.core.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_STORAGE_NOT_AVAILABLE',
      text: 'the RPMB device has no key yet, and the core may not program one',
      object: 'RPMB device',
      limit: 'CFG_RPMB_WRITE_KEY=n',
      hint: 'boot once with CFG_RPMB_WRITE_KEY=y; the key stays for the life of the device',
    });
    return TEE_ERROR_STORAGE_NOT_AVAILABLE;
  }

  /** tee_rpmb_write_key() */
  *#writeKey(thread: ThreadCtx): Co<number> {
    const frames = packFrames({ msgType: RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM }, 1);
    keyMacOf(frames).set(this.#key);
    const response = new Uint8Array(RPMB_DATA_FRAME_SIZE);
    const res = yield* this.#call(thread, frames, response);
    if (res !== TEE_SUCCESS) return res;
    return this.check(thread, response, { msgType: RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM });
  }

  // --- both
  #setDevInfo(thread: ThreadCtx, { cid, sizeMult, relWrSecC }: RpmbDeviceInfo): number {
    this.debug(thread, 'rpmb_set_dev_info', `RPMB: RPMB size is ${sizeMult}*128 KB`);
    const sectors = `RPMB: Reliable Write Sector Count is ${relWrSecC}`;
    this.debug(thread, 'rpmb_set_dev_info', sectors);
    if (sizeMult === 0) return TEE_ERROR_GENERIC;
    const last = sizeMult * (RPMB_SIZE_SINGLE / RPMB_DATA_SIZE) - 1;
    if (last > MAX_U16) return TEE_ERROR_BAD_PARAMETERS;
    this.maxBlkIdx = last;
    this.#cid = cid;
    return TEE_SUCCESS;
  }

  #deriveKey(thread: ThreadCtx): void {
    const { config, crypto, log } = this.core;
    if (config.CFG_RPMB_TESTKEY) {
      this.debug(thread, 'tee_rpmb_key_gen', 'RPMB: Using test key');
      this.#key = RPMB_TEST_KEY;
    } else {
      log.imsg(thread, 'tee_rpmb_key_gen', 'RPMB: Using generated key');
      this.#key = rpmbKey(crypto, this.#cid);
    }
  }

  /** tee_rpmb_init_read_wr_cnt() */
  *#readCounter(thread: ThreadCtx): Co<number> {
    const nonce = this.nonce();
    const frames = packFrames({ msgType: RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ, nonce }, 1);
    const response = new Uint8Array(RPMB_DATA_FRAME_SIZE);
    const res = yield* this.#call(thread, frames, response);
    if (res !== TEE_SUCCESS) return res;
    const msgType = RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ;
    return this.check(thread, response, { msgType, counter: this, nonce, key: this.#key });
  }

  /** One frame, one answer. */
  *#call(thread: ThreadCtx, frame: Uint8Array, response: Uint8Array): Co<number> {
    const { heap } = this.core;
    if (!heap.alloc(frame.length, 'an RPMB frame')) return TEE_ERROR_OUT_OF_MEMORY;
    heap.free(frame.length);
    return yield* this.invoke(thread, frame, response);
  }

  #withHead(cmd: number, blockCount: number, frames: Uint8Array): Uint8Array {
    const request = new Uint8Array(RpmbReq.byteLength + frames.length);
    const view = viewOf(request);
    RpmbReq.cmd.set(view, 0, cmd);
    RpmbReq.devId.set(view, 0, this.#devId);
    RpmbReq.blockCount.set(view, 0, blockCount);
    request.set(frames, RpmbReq.byteLength);
    return request;
  }
}

const MAX_U16 = 0xffff;

/** The kernel does not route, or nobody there knows what that is. */
const isNoSuchWay = (res: number): boolean =>
  res === TEE_ERROR_NOT_SUPPORTED || res === TEE_ERROR_NOT_IMPLEMENTED;
