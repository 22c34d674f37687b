/**
 * The replay-protected memory block of an eMMC, as tee-supplicant emulates it (RPMB_EMU): 256 KiB,
 * a key that can be set once, a counter of writes, and MACs over what goes in and out. The caller
 * keeps the bytes, and learns which of them have changed, so that a device can outlive a run.
 *
 * Upstream counterpart: ioctl_emu_cmd() and what it calls in optee_client
 * tee-supplicant/src/rpmb.c. It is kinder than JEDEC's: nobody compares the write counter of a
 * request, each block of a write counts, and the block count of a read is little endian.
 * Left out: configuration writes, a counter that expires.
 */
import {
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

const SIZE_BYTES = EMU_RPMB_SIZE_MULT * RPMB_SIZE_SINGLE;

/* What is kept: the blocks, then the key, the write counter (big endian) and whether the key is set. */
const KEY = SIZE_BYTES;
const WRITE_COUNTER = KEY + RPMB_KEY_MAC_SIZE;
const KEY_SET = WRITE_COUNTER + 4;
const STATE_SIZE = 64;
/** Bytes of a device; all zero for a new one. */
export const RPMB_IMAGE_SIZE = SIZE_BYTES + STATE_SIZE;

/** HMAC-SHA-256, a primitive of the outside. */
export type HmacSha256 = (key: Uint8Array, data: Uint8Array) => Uint8Array;

/** Bytes of the image that have changed. */
export interface ImageRange {
  readonly offset: number;
  readonly length: number;
}

export class EmulatedRpmb {
  readonly image: Uint8Array;
  readonly #view: DataView;
  readonly #hmac: HmacSha256;
  readonly #nonce = new Uint8Array(RPMB_NONCE_SIZE);
  #changes: ImageRange[] = [];
  /** last_op: what the next read answers. */
  #msgType = 0;
  #result = RPMB_RESULT_OK;
  #address = 0;

  /** @param image RPMB_IMAGE_SIZE bytes, which the device owns from now on. */
  constructor(image: Uint8Array, hmac: HmacSha256) {
    if (image.length !== RPMB_IMAGE_SIZE) throw new RangeError('not the image of an RPMB device');
    this.image = image;
    this.#view = new DataView(image.buffer, image.byteOffset, image.length);
    this.#hmac = hmac;
  }

  get isKeySet(): boolean {
    return this.image[KEY_SET] !== 0;
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
    this.image.set(macOf(frames.subarray(0, RPMB_DATA_FRAME_SIZE)), KEY);
    this.image[KEY_SET] = 1;
    this.#changes.push({ offset: KEY, length: STATE_SIZE });
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
    if (start + count * RPMB_DATA_SIZE > SIZE_BYTES) return;
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
    if (start + count * RPMB_DATA_SIZE > SIZE_BYTES) return RPMB_RESULT_ADDRESS_FAILURE;
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
    this.#changes.push({ offset: KEY, length: STATE_SIZE });
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
    return this.#hmac(this.image.subarray(KEY, KEY + RPMB_KEY_MAC_SIZE), covered);
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
