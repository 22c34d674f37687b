/**
 * RPMB requests, to the device that tee-supplicant emulates. Upstream's emulation forgets when the
 * process ends; this one keeps its device in a file of the directory of secure storage, so that
 * what is bound to it can be opened in the next run. Without an HMAC function nothing is emulated:
 * there is no device then, as on a machine without eMMC.
 *
 * Upstream counterpart: tee-supplicant/src/rpmb.c as built by default (RPMB_EMU), and process_rpmb()
 * of tee_supplicant.c. Left out: real devices, --rpmb-cid (the emulation ignores it).
 */
import { ENOENT, formatErrno } from '../../abi/errno.ts';
import { O_CREAT, O_RDWR, O_SYNC } from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  RPMB_CMD_DATA_REQ,
  RPMB_CMD_GET_DEV_INFO,
  RPMB_CMD_GET_DEV_INFO_RET_OK,
  RPMB_DATA_FRAME_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_RESULT_READ,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RpmbDataFrame,
  RpmbDevInfo,
  RpmbReq,
} from '../../abi/optee-rpc.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import {
  EMU_RPMB_CID,
  EMU_RPMB_REL_WR_SEC_C,
  EMU_RPMB_SIZE_MULT,
  EmulatedRpmb,
  RPMB_IMAGE_SIZE,
} from '../../machine/emulated-rpmb.ts';
import type { HmacSha256, ImageRange } from '../../machine/emulated-rpmb.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import type { Co } from '../../sched/task.ts';
import type { Server } from './handlers.ts';
import { PthreadMutex } from './pthread-mutex.ts';
import type { RpcRequest } from './rpc-request.ts';
import { getParam } from './rpc-shm.ts';
import type { SuppBuffer } from './rpc-shm.ts';

/** The device's file. Its dot hides it from the secure world's listings. */
export const RPMB_FILE = '.rpmb-emu';
const FILE_MODE = 0o600;

/** How many request and response frames a message has. */
interface Shape {
  /** The device answers a second write, which asks for the result of the first. */
  readonly asksForResult: boolean;
  readonly oneRequest: boolean;
  readonly oneResponse: boolean;
}

const WRITE: Shape = { asksForResult: true, oneRequest: false, oneResponse: true };

const SHAPES: ReadonlyMap<number, Shape> = new Map<number, Shape>([
  [RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM, WRITE],
  [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, WRITE],
  [
    RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
    { asksForResult: false, oneRequest: true, oneResponse: true },
  ],
  [
    RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
    { asksForResult: false, oneRequest: true, oneResponse: false },
  ],
]);

export class SuppRpmb {
  readonly #hmac: HmacSha256 | undefined;
  readonly #mutex: PthreadMutex;
  #device: EmulatedRpmb | undefined;
  /** The device's file, once it is written to. */
  #fd = -1;

  constructor(sched: Scheduler, hmac: HmacSha256 | undefined) {
    this.#hmac = hmac;
    this.#mutex = new PthreadMutex(sched, 'rpmb_mutex');
  }

  /** process_rpmb(): [0] memref `rpmb_req` and frames; [1] memref frames or `rpmb_dev_info`. */
  *process(server: Server, request: RpcRequest): Co<number> {
    const req = getParam(server, request, 0);
    const rsp = getParam(server, request, 1);
    if (req === undefined || rsp === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    yield* this.#mutex.lock(server.sys);
    const result = yield* this.#processRequest(server, req, rsp);
    this.#mutex.unlock();
    return result;
  }

  *#processRequest(server: Server, req: SuppBuffer, rsp: SuppBuffer): Co<number> {
    if (req.at === null || req.size < RpmbReq.byteLength) return TEEC_ERROR_BAD_PARAMETERS;
    const bytes = server.memory.read(req.at, req.size);
    const cmd = RpmbReq.cmd.get(new DataView(bytes.buffer), 0);
    if (cmd === RPMB_CMD_DATA_REQ) {
      const frames = wholeFrames(bytes.subarray(RpmbReq.byteLength));
      const result = yield* this.#dataReq(server, frames, rsp);
      // The device changes the frames that it takes.
      server.memory.write(req.at, bytes);
      return result;
    }
    if (cmd === RPMB_CMD_GET_DEV_INFO) return this.#getDevInfo(server, req, rsp);
    server.emsg(`Unsupported RPMB command: ${cmd}`);
    return TEEC_ERROR_BAD_PARAMETERS;
  }

  #getDevInfo(server: Server, req: SuppBuffer, rsp: SuppBuffer): number {
    const sizesFit = req.size === RpmbReq.byteLength && rsp.size === RpmbDevInfo.byteLength;
    if (!sizesFit || rsp.at === null) {
      server.emsg('Invalid req/rsp size');
      return TEEC_ERROR_BAD_PARAMETERS;
    }
    if (this.#hmac === undefined) return TEEC_ERROR_ITEM_NOT_FOUND;
    const info = new DataView(new ArrayBuffer(RpmbDevInfo.byteLength));
    RpmbDevInfo.cid.bytes(info, 0).set(EMU_RPMB_CID);
    RpmbDevInfo.rpmbSizeMult.set(info, 0, EMU_RPMB_SIZE_MULT);
    RpmbDevInfo.relWrSecC.set(info, 0, EMU_RPMB_REL_WR_SEC_C);
    RpmbDevInfo.retCode.set(info, 0, RPMB_CMD_GET_DEV_INFO_RET_OK);
    server.memory.write(rsp.at, new Uint8Array(info.buffer));
    return TEEC_SUCCESS;
  }

  /** rpmb_data_req(). Upstream takes what lies behind a request without a whole frame for one. */
  *#dataReq(server: Server, request: Uint8Array, rsp: SuppBuffer): Co<number> {
    const device = yield* this.#open(server);
    if (device === undefined || request.length === 0) return TEEC_ERROR_BAD_PARAMETERS;
    const type = RpmbDataFrame.msgType.get(new DataView(request.buffer, request.byteOffset), 0);
    if (!hasOneType(server, request, type)) return TEEC_ERROR_BAD_PARAMETERS;
    const shape = SHAPES.get(type);
    if (shape === undefined) {
      server.emsg(`Unsupported message type: ${type}`);
      return TEEC_ERROR_GENERIC;
    }
    const response =
      rsp.at === null ? NO_FRAMES : wholeFrames(server.memory.read(rsp.at, rsp.size));
    const frames = response.length / RPMB_DATA_FRAME_SIZE;
    if (shape.oneResponse && frames !== 1) return refused(server, 'response');
    if (shape.oneRequest && request.length !== RPMB_DATA_FRAME_SIZE)
      return refused(server, 'request');
    transfer(device, shape, request, response);
    if (rsp.at !== null) server.memory.write(rsp.at, response);
    return (yield* this.#save(server, device)) ? TEEC_SUCCESS : TEEC_ERROR_GENERIC;
  }

  /** mmc_rpmb_fd() in effect: the device, as its file has it. */
  *#open(server: Server): Co<EmulatedRpmb | undefined> {
    if (this.#device !== undefined || this.#hmac === undefined) return this.#device;
    const image = yield* this.#load(server);
    if (image !== undefined) this.#device = new EmulatedRpmb(image, this.#hmac);
    return this.#device;
  }

  /** @returns a new device's bytes when there is no file, nothing when it is not one of ours. */
  *#load(server: Server): Co<Uint8Array | undefined> {
    const image = new Uint8Array(RPMB_IMAGE_SIZE);
    const root = yield* server.fs.root(server);
    if (root < 0) return image;
    const fd = yield* server.sys.openat(root, RPMB_FILE, O_RDWR | O_SYNC);
    if (fd === -ENOENT) return image;
    if (fd < 0) return unusable(server, formatErrno(fd));
    const stat = yield* server.sys.fstat(fd);
    const size = typeof stat === 'number' ? stat : stat.size;
    if (size !== RPMB_IMAGE_SIZE) {
      yield* server.sys.close(fd);
      // It was being made when the power went.
      if (size === 0) return image;
      return unusable(server, `${size} bytes instead of ${RPMB_IMAGE_SIZE}`);
    }
    const done = yield* throughMemory(server, WHOLE_IMAGE, function* (buf, at, length) {
      const got = yield* server.sys.pread64(fd, buf, length, at);
      if (got > 0) image.set(server.memory.read(buf, got), at);
      return got;
    });
    if (!done) {
      yield* server.sys.close(fd);
      return unusable(server, 'it cannot be read to its end');
    }
    this.#fd = fd;
    return image;
  }

  /** False when the file cannot be written; what is missing there is written the next time. */
  *#save(server: Server, device: EmulatedRpmb): Co<boolean> {
    const changes = device.changes;
    if (changes.length === 0) return true;
    if (this.#fd < 0) this.#fd = yield* this.#create(server);
    const fd = this.#fd;
    if (fd < 0) return false;
    for (const change of changes) {
      const done = yield* throughMemory(server, change, function* (buf, at, length) {
        server.memory.write(buf, device.image.subarray(at, at + length));
        return yield* server.sys.pwrite64(fd, buf, length, at);
      });
      if (!done) return false;
    }
    device.saved();
    return true;
  }

  *#create(server: Server): Co<number> {
    const root = yield* server.fs.root(server);
    if (root < 0) return root;
    const flags = O_RDWR | O_CREAT | O_SYNC;
    const fd = yield* server.sys.openat(root, RPMB_FILE, flags, FILE_MODE);
    if (fd < 0) return fd;
    const rc = yield* server.sys.ftruncate(fd, RPMB_IMAGE_SIZE);
    if (rc === 0) return fd;
    yield* server.sys.close(fd);
    return rc;
  }
}

const WHOLE_IMAGE = { offset: 0, length: RPMB_IMAGE_SIZE };
const NO_FRAMES = new Uint8Array(0);

const wholeFrames = (bytes: Uint8Array): Uint8Array =>
  bytes.subarray(0, bytes.length - (bytes.length % RPMB_DATA_FRAME_SIZE));

/** Upstream compares the others' types as they stand in memory with the first one's number. */
function hasOneType(server: Server, frames: Uint8Array, type: number): boolean {
  const view = new DataView(frames.buffer, frames.byteOffset, frames.length);
  const { offset } = RpmbDataFrame.msgType;
  for (let at = RPMB_DATA_FRAME_SIZE; at < frames.length; at += RPMB_DATA_FRAME_SIZE) {
    if (view.getUint16(at + offset, server.switches.quirkRpmbSingleFrames) === type) continue;
    server.emsg('All request frames shall be of the same type');
    return false;
  }
  return true;
}

function refused(server: Server, what: 'request' | 'response'): number {
  server.emsg(`Expected only one ${what} frame`);
  return TEEC_ERROR_BAD_PARAMETERS;
}

/** MMC_IOC_MULTI_CMD: a write or two, and a read. */
function transfer(
  device: EmulatedRpmb,
  shape: Shape,
  request: Uint8Array,
  response: Uint8Array,
): void {
  device.write(request);
  if (shape.asksForResult) {
    const view = new DataView(response.buffer, response.byteOffset, response.length);
    response.fill(0);
    RpmbDataFrame.msgType.set(view, 0, RPMB_MSG_TYPE_REQ_RESULT_READ);
    device.write(response);
  }
  device.read(response);
}

function unusable(server: Server, why: string): undefined {
  server.emsg(`${RPMB_FILE}: ${why}`);
  server.trace.cause('client', {
    layer: 'tee-supplicant',
    code: 'TEEC_ERROR_BAD_PARAMETERS',
    text: `the emulated RPMB device cannot be read from ${RPMB_FILE}: ${why}`,
    object: RPMB_FILE,
    hint: 'remove the file for a new device; what the secure world keeps in the old one is lost',
  });
  return undefined;
}

/** Moves bytes of the file page by page through the program's memory; false when a piece fails. */
function* throughMemory(
  server: Server,
  range: ImageRange,
  move: (buf: Va, at: number, length: number) => Co<number>,
): Co<boolean> {
  const buf = server.memory.malloc(PAGE_SIZE);
  const end = range.offset + range.length;
  let at = range.offset;
  while (at < end) {
    const moved = yield* move(buf, at, Math.min(PAGE_SIZE, end - at));
    if (moved <= 0) break;
    at += moved;
  }
  server.memory.free(buf);
  return at === end;
}
