/**
 * The replay-protected memory block of an eMMC, as tee-supplicant emulates it (RPMB_EMU): a key that
 * can be set once, a counter of writes, and MACs over what goes in and out. The caller keeps the
 * bytes, and learns which of them have changed, so that a device can outlive a run. The emulation has
 * 256 KiB and one CID; a device of a board may have others, which its image says.
 *
 * Upstream counterpart: ioctl_emu_cmd() and what it calls in optee_client
 * tee-supplicant/src/rpmb.c. It is kinder than JEDEC's: nobody compares the write counter of a
 * request, each block of a write counts, and the block count of a read is little endian.
 * Left out: configuration writes, a counter that expires.
 */
import {
  RPMB_CID_SIZE,
  RPMB_DATA_FRAME_SIZE,
  RPMB_DATA_OFFSET,
  RPMB_DATA_SIZE,
  RPMB_KEY_MAC_SIZE,
  RPMB_MAC_PROTECT_DATA_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_READ,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ,
  RPMB_NONCE_SIZE,
  RPMB_RESULT_ADDRESS_FAILURE,
  RPMB_RESULT_AUTH_FAILURE,
  RPMB_RESULT_AUTH_KEY_NOT_PROGRAMMED,
  RPMB_RESULT_GENERAL_FAILURE,
  RPMB_RESULT_OK,
  RPMB_SIZE_SINGLE,
  RpmbDataFrame,
} from '../abi/optee-rpc.ts';

/** EMU_RPMB_SIZE_MULT: units of 128 KiB. */
export const EMU_RPMB_SIZE_MULT = 2;
/** EMU_RPMB_REL_WR_SEC_C: reliable write sector count. */
export const EMU_RPMB_REL_WR_SEC_C = 1;

/**
 * CID register of the emulated device, that of a real chip: manufacturer 0xfe, in a BGA, OEM 0x4e,
 * product "MMC04G" 4.2, serial number, June 2014, CRC.
 */
export const EMU_RPMB_CID: Uint8Array = Uint8Array.of(
  ...[0xfe, 0x01, 0x4e, 0x4d, 0x4d, 0x43, 0x30, 0x34],
  ...[0x47, 0x42, 0xc8, 0xf6, 0x55, 0x2a, 0x61, 0x15],
);

/**
 * What is kept behind the blocks: the key, the write counter (big endian), whether the key is set, and
 * the CID, which all zero is that of the emulation.
 */
const KEY = 0;
const WRITE_COUNTER = KEY + RPMB_KEY_MAC_SIZE;
const KEY_SET = WRITE_COUNTER + 4;
const CID = KEY_SET + 1;
const STATE_SIZE = 64;
/** The address of a block has 16 bits, so that a device may be of 16 MiB. */
export const MOST_SIZE_MULT = 128;

/** Bytes of an image. @param sizeMult units of 128 KiB */
export const rpmbImageSize = (sizeMult: number): number => sizeMult * RPMB_SIZE_SINGLE + STATE_SIZE;
/** That of the emulation; all zero for a new one. */
export const RPMB_IMAGE_SIZE = rpmbImageSize(EMU_RPMB_SIZE_MULT);

/** A new device. @param key what a factory has programmed, if anything */
export function newRpmbImage(
  sizeMult: number,
  cid: Uint8Array = EMU_RPMB_CID,
  key?: Uint8Array,
): Uint8Array {
  const image = new Uint8Array(rpmbImageSize(sizeMult));
  const state = image.subarray(sizeMult * RPMB_SIZE_SINGLE);
  state.set(cid, CID);
  if (key === undefined) return image;
  state.set(key, KEY);
  state[KEY_SET] = 1;
  return image;
}

/** What an image says of its device. */
export interface RpmbImage {
  /** Units of 128 KiB. */
  readonly sizeMult: number;
  readonly cid: Uint8Array;
  readonly key: Uint8Array | undefined;
  readonly writeCounter: number;
}

/** @returns undefined when there is no device of so many bytes */
export function parseRpmbImage(image: Uint8Array): RpmbImage | undefined {
  const sizeMult = (image.length - STATE_SIZE) / RPMB_SIZE_SINGLE;
  if (!Number.isInteger(sizeMult) || sizeMult < 1 || sizeMult > MOST_SIZE_MULT) return undefined;
  const state = image.subarray(sizeMult * RPMB_SIZE_SINGLE);
  const cid = state.slice(CID, CID + RPMB_CID_SIZE);
  return {
    sizeMult,
    cid: cid.every((octet) => octet === 0) ? EMU_RPMB_CID : cid,
    key: state[KEY_SET] === 0 ? undefined : state.slice(KEY, KEY + RPMB_KEY_MAC_SIZE),
    writeCounter: viewOf(state).getUint32(WRITE_COUNTER),
  };
}

/** HMAC-SHA-256, a primitive of the outside. */
export type HmacSha256 = (key: Uint8Array, data: Uint8Array) => Uint8Array;

/** Bytes of the image that have changed. */
export interface ImageRange {
  readonly offset: number;
  readonly length: number;
}

export class EmulatedRpmb {
  readonly image: Uint8Array;
  /** Units of 128 KiB. */
  readonly sizeMult: number;
  readonly cid: Uint8Array;
  readonly #size: number;
  /** What is kept behind the blocks. */
  readonly #state: Uint8Array;
  readonly #view: DataView;
  readonly #hmac: HmacSha256;
  readonly #nonce = new Uint8Array(RPMB_NONCE_SIZE);
  #changes: ImageRange[] = [];
  /** last_op: what the next read answers. */
  #msgType = 0;
  #result = RPMB_RESULT_OK;
  #address = 0;

  /** @param image which the device owns from now on */
  constructor(image: Uint8Array, hmac: HmacSha256) {
    const parsed = parseRpmbImage(image);
    if (parsed === undefined) throw new RangeError('not the image of an RPMB device');
    this.image = image;
    this.sizeMult = parsed.sizeMult;
    this.cid = parsed.cid;
    this.#size = parsed.sizeMult * RPMB_SIZE_SINGLE;
    this.#state = image.subarray(this.#size);
    this.#view = viewOf(this.#state);
    this.#hmac = hmac;
  }

  get isKeySet(): boolean {
    return this.#state[KEY_SET] !== 0;
  }
  get writeCounter(): number {
    return this.#view.getUint32(WRITE_COUNTER);
  }

  /** What has changed since the last `saved`. */
  get changes(): readonly ImageRange[] {
    return this.#changes;
  }
  saved(): void {
    this.#changes = [];
  }

  /** MMC_WRITE_MULTIPLE_BLOCK: whole frames, which are changed in place where upstream's are. */
  write(frames: Uint8Array): void {
    const view = viewOf(frames);
    const type = RpmbDataFrame.msgType.get(view, 0);
    const handler = WRITES.get(type);
    if (handler === undefined) return;
    this.#msgType = type;
    handler(this, frames, view);
  }

  /** MMC_READ_MULTIPLE_BLOCK: fills whole frames, keeping what it has no say in. */
  read(frames: Uint8Array): void {
    if (frames.length > 0) READS.get(this.#msgType)?.(this, frames, viewOf(frames));
  }

  // --- commands; `frames` has one at least

  /** ioctl_emu_setkey() */
  setKey(frames: Uint8Array): void {
    this.#result = this.isKeySet ? RPMB_RESULT_GENERAL_FAILURE : RPMB_RESULT_OK;
    if (this.isKeySet) return;
    this.#state.set(macOf(frames.subarray(0, RPMB_DATA_FRAME_SIZE)), KEY);
    this.#state[KEY_SET] = 1;
    this.#changes.push({ offset: this.#size, length: STATE_SIZE });
  }

  keyProgResult(_frames: Uint8Array, view: DataView): void {
    RpmbDataFrame.msgType.set(view, 0, RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM);
    RpmbDataFrame.opResult.set(view, 0, this.#result);
  }

  /** Remembers what the read that follows is for. */
  prepareRead(_frames: Uint8Array, view: DataView): void {
    this.#nonce.set(RpmbDataFrame.nonce.bytes(view, 0));
    this.#address = RpmbDataFrame.address.get(view, 0);
  }

  readCounter(frames: Uint8Array, view: DataView): void {
    RpmbDataFrame.msgType.set(view, 0, RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ);
    RpmbDataFrame.writeCounter.set(view, 0, this.writeCounter);
    RpmbDataFrame.nonce.bytes(view, 0).set(this.#nonce);
    RpmbDataFrame.opResult.set(view, 0, this.#sign(frames.subarray(0, RPMB_DATA_FRAME_SIZE)));
  }

  writeData(frames: Uint8Array, view: DataView): void {
    this.#address = RpmbDataFrame.address.get(view, 0);
    this.#result = this.#storeBlocks(frames, view);
  }

  writeResult(frames: Uint8Array, view: DataView): void {
    RpmbDataFrame.msgType.set(view, 0, RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE);
    RpmbDataFrame.opResult.set(view, 0, this.#result);
    RpmbDataFrame.address.set(view, 0, this.#address);
    RpmbDataFrame.writeCounter.set(view, 0, this.writeCounter);
    this.#sign(frames.subarray(0, RPMB_DATA_FRAME_SIZE));
  }

  /** Blocks beyond the end leave the frames as they were: nobody looks at the result. */
  readData(frames: Uint8Array, view: DataView): void {
    const count = countOf(frames);
    const start = this.#address * RPMB_DATA_SIZE;
    if (start + count * RPMB_DATA_SIZE > this.#size) return;
    for (let n = 0; n < count; n++) {
      const at = n * RPMB_DATA_FRAME_SIZE;
      const from = start + n * RPMB_DATA_SIZE;
      RpmbDataFrame.data.bytes(view, at).set(this.image.subarray(from, from + RPMB_DATA_SIZE));
      RpmbDataFrame.msgType.set(view, at, RPMB_MSG_TYPE_RESP_AUTH_DATA_READ);
      RpmbDataFrame.address.set(view, at, this.#address);
      view.setUint16(at + RpmbDataFrame.blockCount.offset, count, true);
      RpmbDataFrame.nonce.bytes(view, at).set(this.#nonce);
      RpmbDataFrame.opResult.set(view, at, RPMB_RESULT_OK);
    }
    this.#sign(frames);
  }

  /** @returns RPMB_RESULT_* */
  #storeBlocks(frames: Uint8Array, view: DataView): number {
    const count = countOf(frames);
    const start = this.#address * RPMB_DATA_SIZE;
    if (start + count * RPMB_DATA_SIZE > this.#size) return RPMB_RESULT_ADDRESS_FAILURE;
    if (!this.#isAuthentic(frames)) return RPMB_RESULT_AUTH_FAILURE;
    for (let n = 0; n < count; n++) {
      const at = n * RPMB_DATA_FRAME_SIZE;
      this.image.set(RpmbDataFrame.data.bytes(view, at), start + n * RPMB_DATA_SIZE);
      this.#view.setUint32(WRITE_COUNTER, this.writeCounter + 1);
      RpmbDataFrame.writeCounter.set(view, at, this.writeCounter);
      RpmbDataFrame.msgType.set(view, at, RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE);
      RpmbDataFrame.opResult.set(view, at, RPMB_RESULT_OK);
    }
    this.#changes.push({ offset: start, length: count * RPMB_DATA_SIZE });
    this.#changes.push({ offset: this.#size, length: STATE_SIZE });
    return RPMB_RESULT_OK;
  }

  /** is_hmac_valid(): the last frame's MAC is over all of them. */
  #isAuthentic(frames: Uint8Array): boolean {
    if (!this.isKeySet) return false;
    const [mac, expected] = [macOf(frames), this.#macOver(frames)];
    return expected.reduce((differs, byte, n) => differs | (byte ^ mac[n]!), 0) === 0;
  }

  /** compute_hmac(). @returns RPMB_RESULT_* */
  #sign(frames: Uint8Array): number {
    if (!this.isKeySet) return RPMB_RESULT_AUTH_KEY_NOT_PROGRAMMED;
    macOf(frames).set(this.#macOver(frames));
    return RPMB_RESULT_OK;
  }

  #macOver(frames: Uint8Array): Uint8Array {
    const count = countOf(frames);
    const covered = new Uint8Array(count * RPMB_MAC_PROTECT_DATA_SIZE);
    for (let n = 0; n < count; n++) {
      const from = n * RPMB_DATA_FRAME_SIZE + RPMB_DATA_OFFSET;
      const part = frames.subarray(from, from + RPMB_MAC_PROTECT_DATA_SIZE);
      covered.set(part, n * RPMB_MAC_PROTECT_DATA_SIZE);
    }
    return this.#hmac(this.#state.subarray(KEY, KEY + RPMB_KEY_MAC_SIZE), covered);
  }
}

type Operation = (device: EmulatedRpmb, frames: Uint8Array, view: DataView) => void;

const WRITES: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM, (device, frames) => device.setKey(frames)],
  [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, (device, frames, view) => device.writeData(frames, view)],
  [
    RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
    (device, frames, view) => device.prepareRead(frames, view),
  ],
  [RPMB_MSG_TYPE_REQ_AUTH_DATA_READ, (device, frames, view) => device.prepareRead(frames, view)],
]);

const READS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [
    RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
    (device, frames, view) => device.keyProgResult(frames, view),
  ],
  [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, (device, frames, view) => device.writeResult(frames, view)],
  [
    RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
    (device, frames, view) => device.readCounter(frames, view),
  ],
  [RPMB_MSG_TYPE_REQ_AUTH_DATA_READ, (device, frames, view) => device.readData(frames, view)],
]);

const viewOf = (frames: Uint8Array): DataView =>
  new DataView(frames.buffer, frames.byteOffset, frames.length);

const countOf = (frames: Uint8Array): number => frames.length / RPMB_DATA_FRAME_SIZE;

/** The last frame's. */
function macOf(frames: Uint8Array): Uint8Array {
  const at = frames.length - RPMB_DATA_FRAME_SIZE + RpmbDataFrame.keyMac.offset;
  return frames.subarray(at, at + RPMB_KEY_MAC_SIZE);
}
