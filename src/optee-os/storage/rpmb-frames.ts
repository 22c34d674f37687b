/**
 * Frames for the RPMB device: requests are packed and signed, answers are checked.
 *
 * Upstream counterpart: optee_os core/tee/tee_rpmb_fs.c (tee_rpmb_req_pack(), tee_rpmb_mac_calc(),
 * tee_rpmb_resp_unpack_verify()). An answer is copied out of shared memory once; its data are handed
 * on when its MAC is right, not before.
 */
import {
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  RPMB_DATA_FRAME_SIZE,
  RPMB_DATA_OFFSET,
  RPMB_KEY_MAC_SIZE,
  RPMB_MAC_PROTECT_DATA_SIZE,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE,
  RPMB_RESULT_AUTH_KEY_NOT_PROGRAMMED,
  RPMB_RESULT_MASK,
  RPMB_RESULT_OK,
  RpmbDataFrame,
} from '../../abi/optee-rpc.ts';
import type { HostCrypto } from '../../host/crypto.ts';

/** What all frames of a request say. */
export interface RpmbRequest {
  /** RPMB_MSG_TYPE_REQ_* */
  readonly msgType: number;
  readonly blockCount?: number;
  /** Of the first block. */
  readonly blkIdx?: number;
  readonly writeCounter?: number;
  readonly nonce?: Uint8Array;
  /** RPMB_DATA_SIZE bytes for each frame. */
  readonly data?: Uint8Array;
}

/** What an answer must be. */
export interface RpmbExpectation {
  /** RPMB_MSG_TYPE_RESP_* */
  readonly msgType: number;
  readonly blkIdx?: number;
  readonly nonce?: Uint8Array;
  /** Set to the device's counter, before it is known whose answer it is. */
  readonly counter?: { writeCounter: number };
  /** Told when a write has been counted. */
  readonly counted?: () => void;
  /** The frames are signed with it. */
  readonly key?: Uint8Array;
}

export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** tee_rpmb_req_pack(), as yet without a MAC. */
export function packFrames(request: RpmbRequest, count: number): Uint8Array {
  const frames = new Uint8Array(count * RPMB_DATA_FRAME_SIZE);
  const view = viewOf(frames);
  for (let at = 0; at < frames.length; at += RPMB_DATA_FRAME_SIZE) {
    RpmbDataFrame.msgType.set(view, at, request.msgType);
    RpmbDataFrame.blockCount.set(view, at, request.blockCount ?? 0);
    RpmbDataFrame.address.set(view, at, request.blkIdx ?? 0);
    RpmbDataFrame.writeCounter.set(view, at, request.writeCounter ?? 0);
    if (request.nonce !== undefined) RpmbDataFrame.nonce.bytes(view, at).set(request.nonce);
    if (request.data !== undefined) setData(view, at, request.data);
  }
  return frames;
}

function setData(view: DataView, at: number, data: Uint8Array): void {
  const field = RpmbDataFrame.data.bytes(view, at);
  const from = (at / RPMB_DATA_FRAME_SIZE) * field.length;
  field.set(data.subarray(from, from + field.length));
}

/** tee_rpmb_mac_calc(): over the part of each frame that begins with its data. */
export function macOfFrames(crypto: HostCrypto, key: Uint8Array, frames: Uint8Array): Uint8Array {
  const count = frames.length / RPMB_DATA_FRAME_SIZE;
  const covered = new Uint8Array(count * RPMB_MAC_PROTECT_DATA_SIZE);
  for (let n = 0; n < count; n++) {
    const from = n * RPMB_DATA_FRAME_SIZE + RPMB_DATA_OFFSET;
    const part = frames.subarray(from, from + RPMB_MAC_PROTECT_DATA_SIZE);
    covered.set(part, n * RPMB_MAC_PROTECT_DATA_SIZE);
  }
  return crypto.hmac('sha256', key, covered);
}

/** The field of the last frame, which is the only one that is signed. */
export function keyMacOf(frames: Uint8Array): Uint8Array {
  const at = frames.length - RPMB_DATA_FRAME_SIZE + RpmbDataFrame.keyMac.offset;
  return frames.subarray(at, at + RPMB_KEY_MAC_SIZE);
}

/** The outcome of a check: a TEE_Result and, for a failure, what is wrong. */
export interface Verdict {
  readonly res: number;
  readonly why: string;
}

export const FINE: Verdict = { res: TEE_SUCCESS, why: '' };
const bad = (res: number, why: string): Verdict => ({ res, why });

/** tee_rpmb_resp_unpack_verify(). @param frames one at least, in memory that nobody else writes */
export function checkFrames(
  crypto: HostCrypto,
  frames: Uint8Array,
  expected: RpmbExpectation,
): Verdict {
  const view = viewOf(frames);
  const last = frames.length - RPMB_DATA_FRAME_SIZE;
  const result = RpmbDataFrame.opResult.get(view, last) & RPMB_RESULT_MASK;
  if (result === RPMB_RESULT_AUTH_KEY_NOT_PROGRAMMED) {
    return bad(TEE_ERROR_ITEM_NOT_FOUND, 'the device has no key yet');
  }
  if (result !== RPMB_RESULT_OK) return bad(TEE_ERROR_GENERIC, `the device answers ${result}`);
  const head = checkHead(view, last, expected);
  if (head !== undefined) return head;
  const { nonce, key } = expected;
  const hasNonce = (): boolean =>
    nonce === undefined ||
    crypto.timingSafeEqual(nonce, RpmbDataFrame.nonce.bytes(view, last).slice());
  if (!hasNonce()) return bad(TEE_ERROR_SECURITY, 'Nonce mismatched');
  if (key === undefined) return FINE;
  const mac = macOfFrames(crypto, key, frames);
  return crypto.timingSafeEqual(mac, keyMacOf(frames))
    ? FINE
    : bad(TEE_ERROR_SECURITY, 'MAC mismatched');
}

/** Type, block index and counter. */
function checkHead(view: DataView, last: number, expected: RpmbExpectation): Verdict | undefined {
  const msgType = RpmbDataFrame.msgType.get(view, last);
  if (msgType !== expected.msgType) {
    const types = `0x${hex4(msgType)} != 0x${hex4(expected.msgType)}`;
    return bad(TEE_ERROR_GENERIC, `Unexpected msg_type (${types})`);
  }
  const { blkIdx, counter } = expected;
  if (blkIdx !== undefined && RpmbDataFrame.address.get(view, last) !== blkIdx) {
    return bad(TEE_ERROR_GENERIC, 'Unexpected block index');
  }
  return counter === undefined ? undefined : checkCounter(view, last, expected, counter);
}

function checkCounter(
  view: DataView,
  last: number,
  expected: RpmbExpectation,
  counter: { writeCounter: number },
): Verdict | undefined {
  const next = (counter.writeCounter + 1) >>> 0;
  counter.writeCounter = RpmbDataFrame.writeCounter.get(view, last);
  if (expected.msgType !== RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE) return undefined;
  if (counter.writeCounter !== next) {
    const counters = `0x${hex4(counter.writeCounter)}/0x${hex4(next)}`;
    return bad(TEE_ERROR_SECURITY, `Counter mismatched (${counters})`);
  }
  expected.counted?.();
  return undefined;
}

const hex4 = (n: number): string => n.toString(16).padStart(4, '0');
